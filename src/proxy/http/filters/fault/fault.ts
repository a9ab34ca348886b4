// The fault filter (envoy.filters.http.fault): delays and aborts requests and slows responses down, on purpose.
import type { Timer } from '../../../../base/clock.ts';
import type { SharedCounter } from '../../../../base/shared-cells.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { FRACTION_FIELDS, HEADER_MATCHER_FIELDS } from '../../../config/matcher.ts';
import { Flag } from '../../../stream-info.ts';
import { defineHttpFilter } from '../../filter.ts';
import type {
  BodyData,
  DataStatus,
  FilterContext,
  FilterStream,
  FractionalPercent,
  HeadersStatus,
  HttpFilter,
  TrailersStatus,
} from '../../filter.ts';
import { decodeFault, delayMsFor, grpcStatusFor, httpStatusFor, kbpsFor, shareFor } from './fault-config.ts';
import type { AbortFault, FaultConfig, HttpFaultPb } from './fault-config.ts';
import { ResponseLimiter } from './response-limiter.ts';

const NAME = 'envoy.filters.http.fault';
const TYPE = 'envoy.extensions.filters.http.fault.v3.HTTPFault';
const COMMON = 'envoy.extensions.filters.common.fault.v3';

const STATS = {
  aborts_injected: 'counter',
  delays_injected: 'counter',
  faults_overflow: 'counter',
  response_rl_injected: 'counter',
  active_faults: 'gauge',
} as const;

/** Counters by downstream cluster: the names come from clients, so there is an end to them. */
const MAX_DOWNSTREAM_CLUSTERS = 1000;

/** Looked up once: `H` is a large object. */
const DOWNSTREAM_CLUSTER = H['x-envoy-downstream-service-cluster'];
const DOWNSTREAM_NODE = H['x-envoy-downstream-service-node'];

/** What a stream under a fault needs to remember; other streams have none. */
class FaultState {
  readonly filter: FaultFilter;
  readonly stream: FilterStream;
  readonly config: FaultConfig;
  isActive = false;
  delayTimer: Timer | null = null;
  limiter: ResponseLimiter | null = null;

  constructor(filter: FaultFilter, stream: FilterStream, config: FaultConfig) {
    this.filter = filter;
    this.stream = stream;
    this.config = config;
  }
}

class FaultFilter implements HttpFilter {
  readonly #config: FaultConfig;
  readonly #context: FilterContext;
  readonly #slot: number;
  readonly #stats;
  readonly #downstreamClusters = new Set<string>();
  /** Active faults of all workers; null where there is one, whose gauge says it. */
  readonly #active: SharedCounter | null;

  constructor(config: FaultConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    this.#slot = context.slot;
    this.#stats = context.stats.scope(`${context.statPrefix}fault.`, STATS);
    const { shared } = context;
    this.#active = shared === undefined || shared.isLocal ? null : shared.counter(`${context.statPrefix}active_faults`);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const config = (stream.routeConfig(this.#slot) ?? this.#config) as FaultConfig;
    if (config.isEmpty || !applies(config, stream, headers)) return 'continue';
    if (config.rate !== null) this.#limitResponse(config, stream, headers);
    if (config.delay !== null && this.#delay(config, stream, headers)) return 'stop';
    if (config.abort !== null && this.#abort(config, config.abort, stream, headers)) return 'stop';
    return 'continue';
  }

  decodeData(stream: FilterStream): DataStatus {
    return this.#isDelayed(stream) ? 'stop-and-watermark' : 'continue';
  }

  decodeTrailers(stream: FilterStream): TrailersStatus {
    return this.#isDelayed(stream) ? 'stop' : 'continue';
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const limiter = this.#state(stream)?.limiter;
    if (limiter === undefined || limiter === null) return 'continue';
    limiter.write(data.copy(), endStream);
    return 'stop-no-buffer';
  }

  encodeTrailers(stream: FilterStream): TrailersStatus {
    return this.#state(stream)?.limiter?.onTrailers() === true ? 'stop' : 'continue';
  }

  onDestroy(stream: FilterStream): void {
    const state = this.#state(stream);
    if (state === undefined) return;
    state.delayTimer?.disarm();
    state.delayTimer = null;
    state.limiter?.destroy();
    this.#endFault(state);
  }

  /** The delay is over: an abort may follow it. */
  afterDelay(state: FaultState): void {
    const { stream, config } = state;
    state.delayTimer = null;
    if (stream.isDestroyed) return;
    if (config.abort !== null && this.#abort(config, config.abort, stream, stream.requestHeaders)) return;
    if (config.rate === null) this.#endFault(state);
    stream.continueDecoding(this.#slot);
  }

  #limitResponse(config: FaultConfig, stream: FilterStream, headers: Headers): void {
    const rate = config.rate as NonNullable<FaultConfig['rate']>;
    if (!this.#isChosen(config.keys.ratePercent, shareFor(rate.share, headers))) return;
    const kbps = kbpsFor(rate, headers);
    if (kbps === undefined) return;
    const state = this.#beginFault(config, stream);
    if (state === null) return;
    this.#stats.inc(this.#stats.i.response_rl_injected);
    state.limiter = new ResponseLimiter(stream, this.#slot, kbps);
  }

  #delay(config: FaultConfig, stream: FilterStream, headers: Headers): boolean {
    const delay = config.delay as NonNullable<FaultConfig['delay']>;
    const cluster = headers.getAll(DOWNSTREAM_CLUSTER);
    const key = cluster === undefined ? config.keys.delayPercent : `fault.http.${cluster}.delay.fixed_delay_percent`;
    if (!this.#isChosen(key, shareFor(delay.share, headers))) return false;
    const configuredMs = delayMsFor(delay, headers);
    if (configuredMs === undefined) return false;
    const { runtime } = this.#context;
    let ms = runtime.number(config.keys.delayDuration, configuredMs);
    if (cluster !== undefined) ms = runtime.number(`fault.http.${cluster}.delay.fixed_duration_ms`, ms);
    if (ms <= 0) return false;
    const state = this.#beginFault(config, stream);
    if (state === null) return false;
    state.delayTimer = stream.clock.timer(delayIsOver, state);
    state.delayTimer.arm(ms);
    this.#count(config, cluster, this.#stats.i.delays_injected, 'delays_injected');
    stream.info.flags |= Flag.DI;
    stream.info.setMetadata(NAME, config.metadata);
    return true;
  }

  #abort(config: FaultConfig, abort: AbortFault, stream: FilterStream, headers: Headers): boolean {
    const { keys } = config;
    const cluster = headers.getAll(DOWNSTREAM_CLUSTER);
    const key = cluster === undefined ? keys.abortPercent : `fault.http.${cluster}.abort.abort_percent`;
    if (!this.#isChosen(key, shareFor(abort.share, headers))) return false;
    let status = httpStatusFor(abort, headers);
    let grpcStatus: number | undefined;
    if (status !== undefined) {
      status = this.#statusBy(keys.abortHttpStatus, 'abort.http_status', cluster, status);
    } else {
      grpcStatus = grpcStatusFor(abort, headers);
      if (grpcStatus === undefined) return false;
      status = 200;
      grpcStatus = this.#statusBy(keys.abortGrpcStatus, 'abort.grpc_status', cluster, grpcStatus);
    }
    if (this.#beginFault(config, stream) === null) return false;
    this.#count(config, cluster, this.#stats.i.aborts_injected, 'aborts_injected');
    stream.info.setMetadata(NAME, config.metadata);
    stream.sendLocalReply({
      status,
      body: abort.body,
      details: 'fault_filter_abort',
      flags: Flag.FI,
      ...(grpcStatus === undefined ? undefined : { grpcStatus }),
    });
    return true;
  }

  #statusBy(key: string, suffix: string, cluster: string | undefined, configured: number): number {
    const { runtime } = this.#context;
    return runtime.number(cluster === undefined ? key : `fault.http.${cluster}.${suffix}`, configured);
  }

  #isChosen(key: string, percent: FractionalPercent): boolean {
    return this.#context.runtime.featureEnabled(key, percent, this.#context.random);
  }

  /** Counts the stream as one active fault, however many it has; null when there are too many. */
  #beginFault(config: FaultConfig, stream: FilterStream): FaultState | null {
    const known = this.#state(stream);
    if (known?.isActive === true) return known;
    const limit = this.#context.runtime.number(config.keys.maxActiveFaults, config.maxActiveFaults);
    const active = this.#active === null ? this.#stats.value(this.#stats.i.active_faults) : this.#active.value;
    if (active >= limit) {
      this.#stats.inc(this.#stats.i.faults_overflow);
      return null;
    }
    this.#active?.inc();
    this.#stats.inc(this.#stats.i.active_faults);
    const state = known ?? new FaultState(this, stream, config);
    state.isActive = true;
    stream.slot[this.#slot] = state;
    return state;
  }

  #endFault(state: FaultState): void {
    if (!state.isActive) return;
    state.isActive = false;
    this.#active?.dec();
    this.#stats.dec(this.#stats.i.active_faults);
  }

  #count(config: FaultConfig, cluster: string | undefined, cell: number, name: string): void {
    this.#stats.inc(cell);
    if (cluster === undefined || cluster === '' || !config.hasDownstreamClusterStats) return;
    if (!this.#config.hasDownstreamClusterStats) return;
    if (!this.#downstreamClusters.has(cluster)) {
      if (this.#downstreamClusters.size >= MAX_DOWNSTREAM_CLUSTERS) {
        this.#stats.inc(this.#stats.dynamicCounter('downstream_cluster_overflow'));
        return;
      }
      this.#downstreamClusters.add(cluster);
    }
    this.#stats.inc(this.#stats.dynamicCounter(`${cluster}.${name}`));
  }

  #isDelayed(stream: FilterStream): boolean {
    const state = this.#state(stream);
    return state !== undefined && state.delayTimer !== null;
  }

  #state(stream: FilterStream): FaultState | undefined {
    return stream.slot[this.#slot] as FaultState | undefined;
  }
}

function applies(config: FaultConfig, stream: FilterStream, headers: Headers): boolean {
  if (config.upstreamCluster !== '') {
    const { route } = stream;
    if (!route?.forward || route.clusterName !== config.upstreamCluster) return false;
  }
  if (config.downstreamNodes !== null) {
    const node = headers.getAll(DOWNSTREAM_NODE);
    if (node === undefined || !config.downstreamNodes.has(node)) return false;
  }
  for (const matcher of config.matchers) if (!matcher.matches(headers)) return false;
  return true;
}

function delayIsOver(state: FaultState): void {
  state.filter.afterDelay(state);
}

export const fault = defineHttpFilter({
  name: NAME,
  configType: TYPE,
  fields: {
    [TYPE]:
      'delay abort upstream_cluster headers downstream_nodes max_active_faults response_rate_limit ' +
      'delay_percent_runtime abort_percent_runtime delay_duration_runtime abort_http_status_runtime ' +
      'max_active_faults_runtime response_rate_limit_percent_runtime abort_grpc_status_runtime ' +
      'disable_downstream_cluster_stats filter_metadata',
    'envoy.extensions.filters.http.fault.v3.FaultAbort':
      'http_status grpc_status header_abort percentage response_body',
    'envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort': '',
    [`${COMMON}.FaultDelay`]: 'fixed_delay header_delay percentage',
    [`${COMMON}.FaultDelay.HeaderDelay`]: '',
    [`${COMMON}.FaultRateLimit`]: 'fixed_limit header_limit percentage',
    [`${COMMON}.FaultRateLimit.FixedLimit`]: 'limit_kbps',
    [`${COMMON}.FaultRateLimit.HeaderLimit`]: '',
    ...FRACTION_FIELDS,
    ...HEADER_MATCHER_FIELDS,
  },
  decode: (message: HttpFaultPb, d): FaultConfig => decodeFault(message, d),
  decodeRoute: (message: HttpFaultPb, d): FaultConfig => decodeFault(message, d),
  create: (config, context) => new FaultFilter(config, context),
});
