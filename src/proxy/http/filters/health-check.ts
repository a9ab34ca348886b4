// The health_check filter (envoy.filters.http.health_check): answers health checks itself, or remembers what was said.
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ClusterManager } from '../../cluster/cluster.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { decodeHeaderMatchers, HEADER_MATCHER_FIELDS } from '../../config/matcher.ts';
import type { HeaderMatcher, HeaderMatcherPb } from '../../config/matcher.ts';
import { Flag } from '../../stream-info.ts';
import { defineHttpFilter } from '../filter.ts';
import type {
  DataStatus,
  FilterContext,
  FilterStream,
  HeadersStatus,
  HttpFilter,
  HttpFilterFactory,
} from '../filter.ts';

const TYPE = 'envoy.extensions.filters.http.health_check.v3.HealthCheck';
const DEGRADED = H['x-envoy-degraded'];
const FAIL = H['x-envoy-immediate-health-check-fail'];
const CHECKED_CLUSTER = H['x-envoy-upstream-healthchecked-cluster'];

type HealthCheckPb = {
  pass_through_mode?: boolean;
  cache_time?: { seconds: number | bigint; nanos: number };
  cluster_min_healthy_percentages?: Readonly<Record<string, { value?: number }>>;
  headers?: readonly HeaderMatcherPb[];
};
type HealthCheckConfig = {
  readonly passesThrough: boolean;
  /** 0: nothing is remembered. */
  readonly cacheMs: number;
  readonly minHealthyPercentages: ReadonlyMap<string, number>;
  readonly matchers: readonly HeaderMatcher[];
};
type Parts = { readonly clusters: ClusterManager; readonly node: { readonly cluster?: string } };

type Verdict = { readonly status: 200 | 503; readonly details: string };
const OK: Verdict = { status: 200, details: 'health_check_ok' };
const FAILED: Verdict = { status: 503, details: 'health_check_failed' };
const ALL_HEALTHY: Verdict = { status: 200, details: 'health_check_ok_cluster_healthy' };
const NO_CLUSTER: Verdict = { status: 503, details: 'health_check_failed_no_cluster_found' };
const EMPTY_CLUSTER: Verdict = { status: 503, details: 'health_check_failed_cluster_empty' };
const UNHEALTHY_CLUSTER: Verdict = { status: 503, details: 'health_check_failed_cluster_unhealthy' };

/** What the filter does with a health check. */
type Check = 'handled' | 'passed';

function decode(message: HealthCheckPb, d: ConfigDecoder): HealthCheckConfig {
  // What is less than a millisecond is none.
  const cacheMs = Math.trunc(d.durationMs(message.cache_time, 0));
  if (cacheMs < 0) d.reject('cache_time', 'must not be negative');
  const passesThrough = message.pass_through_mode ?? false;
  if (!passesThrough && cacheMs > 0) {
    d.reject('cache_time', 'cache_time_ms must not be set when path_through_mode is disabled');
  }
  const percentages = Object.entries(message.cluster_min_healthy_percentages ?? {});
  return Object.freeze({
    passesThrough,
    cacheMs,
    minHealthyPercentages: new Map(percentages.map(([name, { value = 0 }]) => [name, value])),
    matchers: decodeHeaderMatchers(message.headers, d, 'headers'),
  });
}

class HealthCheckFilter implements HttpFilter {
  readonly #config: HealthCheckConfig;
  readonly #context: FilterContext;
  readonly #clusters: ClusterManager;
  readonly #localCluster: string;
  readonly #createdMs: number;
  /** The answer that counts until its period ends; periods are counted from when the filter was made. */
  #period = -1;
  #status = 0;
  #isDegraded = false;

  constructor(config: HealthCheckConfig, context: FilterContext, { clusters, node }: Parts) {
    this.#config = config;
    this.#context = context;
    this.#clusters = clusters;
    this.#localCluster = node.cluster ?? '';
    this.#createdMs = context.clock.nowMs;
  }

  decodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    for (const matcher of this.#config.matchers) if (!matcher.matches(headers)) return 'continue';
    stream.info.isHealthCheck = true;
    const isHandled = !this.#config.passesThrough || this.#isFailed || this.#isRemembered;
    stream.slot[this.#context.slot] = (isHandled ? 'handled' : 'passed') satisfies Check;
    if (!isHandled) return 'continue';
    if (endStream) this.#answer(stream);
    return 'stop';
  }

  decodeData(stream: FilterStream, _data: unknown, endStream: boolean): DataStatus {
    if (stream.slot[this.#context.slot] !== 'handled') return 'continue';
    if (endStream) this.#answer(stream);
    return 'stop-no-buffer';
  }

  decodeTrailers(stream: FilterStream): 'continue' | 'stop' {
    if (stream.slot[this.#context.slot] !== 'handled') return 'continue';
    this.#answer(stream);
    return 'stop';
  }

  encodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    if (stream.slot[this.#context.slot] !== undefined) {
      if (this.#config.cacheMs > 0) {
        this.#period = this.#periodNow;
        this.#status = headers.status;
        this.#isDegraded = headers.has(DEGRADED);
      }
      headers.set(CHECKED_CLUSTER, this.#localCluster);
    }
    if (this.#isFailed) headers.set(FAIL, 'true');
    return 'continue';
  }

  get #isFailed(): boolean {
    return this.#context.health?.healthCheckFailed === true;
  }

  get #periodNow(): number {
    return Math.floor((this.#context.clock.nowMs - this.#createdMs) / this.#config.cacheMs);
  }

  get #isRemembered(): boolean {
    return this.#config.cacheMs > 0 && this.#period === this.#periodNow;
  }

  #answer(stream: FilterStream): void {
    const isCached = !this.#isFailed && this.#config.cacheMs > 0;
    const { status, details } = isCached
      ? { status: this.#status, details: 'health_check_cached' }
      : this.#isFailed
        ? FAILED
        : this.#judgeClusters();
    const isDegraded = isCached && this.#isDegraded;
    const flags = status >= 200 && status < 300 ? 0 : Flag.LH;
    const modifyHeaders = (headers: Headers): void => headers.set(DEGRADED, '');
    stream.sendLocalReply({ status, body: '', details, flags, ...(isDegraded ? { modifyHeaders } : {}) });
  }

  #judgeClusters(): Verdict {
    const { minHealthyPercentages, passesThrough } = this.#config;
    if (passesThrough || minHealthyPercentages.size === 0) return OK;
    for (const [name, percentage] of minHealthyPercentages) {
      const cluster = this.#clusters.get(name);
      if (cluster === null) return NO_CLUSTER;
      const { length } = cluster.hosts;
      if (length === 0) {
        if (percentage > 0) return EMPTY_CLUSTER;
        continue;
      }
      let healthy = 0;
      for (const host of cluster.hosts) if (host.isHealthy) healthy++;
      if (healthy < (length * percentage) / 100) return UNHEALTHY_CLUSTER;
    }
    return ALL_HEALTHY;
  }
}

export function makeHealthCheck(parts: Parts): HttpFilterFactory {
  return defineHttpFilter<HealthCheckConfig, unknown, HealthCheckPb>({
    name: 'envoy.filters.http.health_check',
    configType: TYPE,
    fields: {
      [TYPE]: 'pass_through_mode cache_time cluster_min_healthy_percentages headers',
      'envoy.type.v3.Percent': 'value',
      ...HEADER_MATCHER_FIELDS,
    },
    decode,
    create: (config, context) => new HealthCheckFilter(config, context, parts),
  });
}
