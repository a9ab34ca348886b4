// The configuration of the cases of outlier detection: a cluster for each, because what was found stays.
import type { Case, ClientStep, Observation, Reply } from '../case.ts';
import { any, cluster, type Fields, http, route } from '../config.ts';
import { get } from '../messages.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Nothing is judged by the clock while a case lasts, and a cluster without hosts says so. */
const STILL: Fields = { interval: '600s', base_ejection_time: '600s', max_ejection_time: '600s' };

export type Watched = {
  readonly name: string;
  readonly detection: Fields;
  readonly replies?: readonly Reply[];
  /** Instead of so many GET requests. */
  readonly requests?: readonly string[];
  readonly endpoints?: readonly string[];
  readonly cluster?: Fields;
  readonly action?: Fields;
  readonly fields?: Partial<Case>;
};

export function watched(
  name: string,
  detection: Fields,
  replies: readonly Reply[],
  more: Partial<Watched> = {},
): Watched {
  return { name, detection: { max_ejection_percent: 100, ...detection }, replies, ...more };
}

export function watchedCluster({ name, detection, endpoints = ['a'], cluster: fields = {} }: Watched): Fields {
  return cluster(name, endpoints, {
    outlier_detection: { ...STILL, ...detection },
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    ...fields,
  });
}

export function errorMatcher(matcher: Fields): Fields {
  return {
    typed_extension_protocol_options: {
      [OPTIONS]: any(OPTIONS, {
        explicit_http_config: { http_protocol_options: {} },
        outlier_detection: { error_matcher: matcher },
      }),
    },
  };
}

export function watchedListener(all: readonly Watched[]): Fields {
  return http({ name: 'main', routes: all.map(({ name, action }) => route(`/${name}/`, name, action)) });
}

/** Envoy puts hosts out in the thread that its admin interface has, and tells the others. */
export const DECIDED = [{ admin: 'GET /ready' }, { wait: 40 }] as const;

/** Requests, each after the answer to the one before; `after`: of so many others. */
export function inTurn(requests: readonly string[], after = 0): ClientStep[] {
  return requests.flatMap((request, i) => [request, { read: after + i + 1 }]);
}

/** The requests one after another, and one more once everything is decided. */
export function watchedCase({ name, replies = [], requests, fields }: Watched): Case {
  const target = `/${name}/`;
  const sent = requests ?? replies.map(() => get(target));
  return {
    name,
    send: [...inTurn(sent), ...DECIDED, get(target), { read: sent.length + 1 }],
    upstream: { a: replies },
    stats: statsOf(name),
    admin: [`GET /clusters?filter=^${name}$`],
    view: withFlags,
    isRepeatable: false,
    timeoutMs: 8000,
    ...fields,
  };
}

export function statsOf(name: string): string[] {
  return [`^cluster\\.${name}\\.outlier_detection\\.`, `^cluster\\.${name}\\.membership_`];
}

/** Of /clusters what outlier detection says. */
export function withFlags(observation: Observation): unknown {
  const admin = Object.entries(observation.admin ?? {}).map(([request, { body }]) => [
    request,
    body.split('\n').filter((line) => /health_flags|success_rate|::outlier::/.test(line)),
  ]);
  return { ...observation, admin: Object.fromEntries(admin) };
}
