// The stateful_session filter (envoy.filters.http.stateful_session): later requests of a client go to the same host.
import type { Headers } from '../../../../wire/headers.ts';
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { withPort } from '../../../formatter/address-text.ts';
import { Flag } from '../../../stream-info.ts';
import {
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HeadersStatus,
  type HttpFilter,
} from '../../filter.ts';
import { decodeSessionState, SESSION_STATE_FIELDS, type SessionState } from './session-state.ts';

const PACKAGE = 'envoy.extensions.filters.http.stateful_session.v3';

const STATS = { routed: 'counter', failed_open: 'counter', failed_closed: 'counter', no_session: 'counter' } as const;

type StatefulSessionPb = {
  session_state?: { name?: string; typed_config?: unknown };
  strict?: boolean;
  stat_prefix?: string;
  status_on_strict_destination_not_found?: number;
};
type PerRoutePb = { disabled?: boolean; stateful_session?: StatefulSessionPb };

type SessionConfig = {
  /** Null: there are no sessions. */
  readonly state: SessionState | null;
  readonly isStrict: boolean;
  readonly statPrefix: string;
  readonly missingStatus: number;
};

/** Null: it is off. */
type RouteConfig = { readonly config: SessionConfig | null };

/** What an exchange asked for; `asked` is '' when it asked for no host. */
type Session = { readonly config: SessionConfig; readonly state: SessionState | null; readonly asked: string };

function decodeSession(message: StatefulSessionPb, d: ConfigDecoder): SessionConfig {
  const { session_state, strict: isStrict = false, stat_prefix: statPrefix = '' } = message;
  const status = message.status_on_strict_destination_not_found ?? 0;
  let state: SessionState | null = null;
  if (session_state !== undefined) {
    const at = d.at('session_state').at('typed_config');
    const unpacked = d.environment.unpack(session_state.typed_config, at);
    if (unpacked !== null) state = decodeSessionState(unpacked.type, unpacked.message, at);
  }
  return Object.freeze({ state, isStrict, statPrefix, missingStatus: isStrict && status !== 0 ? status : 503 });
}

function decodeRoute({ disabled, stateful_session = {} }: PerRoutePb, d: ConfigDecoder): RouteConfig {
  return Object.freeze({
    config: disabled === true ? null : decodeSession(stateful_session, d.at('stateful_session')),
  });
}

class StatefulSession implements HttpFilter {
  readonly #config: SessionConfig;
  readonly #context: FilterContext;
  /** Of the configurations that were met; null for those without a prefix. */
  readonly #stats = new WeakMap<SessionConfig, ScopeOf<typeof STATS> | null>();

  constructor(config: SessionConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    this.#statsOf(config);
  }

  /** Those of a route are not under the connection manager's prefix. Source: Envoy PerRouteStatefulSession. */
  #statsOf(config: SessionConfig): ScopeOf<typeof STATS> | null {
    let stats = this.#stats.get(config);
    if (stats === undefined) {
      const { statPrefix } = config;
      const around = config === this.#config ? this.#context.statPrefix : '';
      const { stats: store } = this.#context;
      stats = statPrefix === '' ? null : store.scope(`${around}stateful_session.${statPrefix}.`, STATS);
      this.#stats.set(config, stats);
    }
    return stats;
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const { slot, clock } = this.#context;
    const ofRoute = stream.routeConfig(slot) as RouteConfig | null;
    const config = ofRoute === null ? this.#config : ofRoute.config;
    if (config === null) return 'continue';
    const state = config.state?.takes(headers) === true ? config.state : null;
    const asked = state === null ? '' : state.read(headers, clock);
    stream.slot[slot] = { config, state, asked } satisfies Session;
    if (asked !== '') {
      stream.info.wantedHost = { address: asked, isStrict: config.isStrict, missingStatus: config.missingStatus };
    }
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const session = stream.slot[this.#context.slot] as Session | undefined;
    if (session === undefined) return 'continue';
    const { upstream, flags } = stream.info;
    const { config, state, asked } = session;
    if (upstream === null) {
      if (state !== null && config.isStrict && (flags & Flag.UH) !== 0) this.#count(config, 'failed_closed');
      return 'continue';
    }
    if (state === null) this.#count(config, 'no_session');
    else if (!state.write(headers, withPort(upstream.address), asked, this.#context.clock))
      this.#count(config, 'routed');
    else if (!config.isStrict) this.#count(config, 'failed_open');
    return 'continue';
  }

  #count(config: SessionConfig, name: keyof typeof STATS): void {
    const stats = this.#statsOf(config);
    stats?.inc(stats.i[name]);
  }
}

export const statefulSession = defineHttpFilter<SessionConfig, RouteConfig, StatefulSessionPb, PerRoutePb>({
  name: 'envoy.filters.http.stateful_session',
  configType: `${PACKAGE}.StatefulSession`,
  routeConfigType: `${PACKAGE}.StatefulSessionPerRoute`,
  fields: {
    [`${PACKAGE}.StatefulSession`]: 'session_state strict stat_prefix status_on_strict_destination_not_found',
    [`${PACKAGE}.StatefulSessionPerRoute`]: 'disabled stateful_session',
    ...SESSION_STATE_FIELDS,
  },
  decode: decodeSession,
  decodeRoute,
  create: (config, context) => new StatefulSession(config, context),
});
