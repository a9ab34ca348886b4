// The gRPC statistics filter (envoy.filters.http.grpc_stats): counts calls and messages on the upstream cluster.
import { GrpcMessageCounter } from '../../../../wire/grpc/framing.ts';
import { hasGrpcContentType, isGrpcResponse, methodOfPath } from '../../../../wire/grpc/request.ts';
import { H, headerKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ClusterManager } from '../../../cluster/cluster.ts';
import type { FilterStateObject, StreamInfo } from '../../../stream-info.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { BodyData, FilterContext, FilterStream, HttpFilter, HttpFilterFactory } from '../../filter.ts';
import { clusterOf, methodStatName, type MethodStats, MethodTable } from './method-stats.ts';
import { ResponseCounter } from './response-counter.ts';

const NAME = 'envoy.filters.http.grpc_stats';
const TYPE = 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig';
const CONNECT_STREAM = 'application/connect+';
const CONNECT_VERSION = headerKey('connect-protocol-version');

type GrpcStatsPb = {
  emit_filter_state?: boolean;
  individual_method_stats_allowlist?: { services?: { name?: string; method_names?: string[] }[] };
  stats_for_all_methods?: boolean;
  enable_upstream_stats?: boolean;
  replace_dots_in_grpc_service_name?: boolean;
};

type GrpcStatsConfig = {
  readonly emitsFilterState: boolean;
  readonly countsUpstreamTime: boolean;
  readonly replacesDots: boolean;
  readonly countsAllMethods: boolean;
  /** 'Service/Method' of those that are counted by name otherwise. */
  readonly allowed: ReadonlySet<string>;
};

function decode(message: GrpcStatsPb): GrpcStatsConfig {
  const allowed = new Set<string>();
  for (const { name = '', method_names: methods = [] } of message.individual_method_stats_allowlist?.services ?? []) {
    for (const method of methods) allowed.add(`${name}/${method}`);
  }
  return Object.freeze({
    emitsFilterState: message.emit_filter_state ?? false,
    countsUpstreamTime: message.enable_upstream_stats ?? false,
    replacesDots: message.replace_dots_in_grpc_service_name ?? false,
    countsAllMethods: message.stats_for_all_methods ?? false,
    allowed,
  });
}

/** One call; other exchanges have none. */
class CallState {
  readonly isGrpc: boolean;
  /** The Connect protocol: a unary call has its message as body, a stream has messages like gRPC's. */
  readonly isConnectUnary: boolean;
  readonly isConnectStream: boolean;
  /** Null when the request goes to no cluster. */
  readonly stats: MethodStats | null;
  /** The path names a method: outcomes are counted, and not only messages. */
  readonly hasMethod: boolean;
  readonly requests = new GrpcMessageCounter();
  readonly responses = new ResponseCounter();
  isGrpcResponse = false;
  isRequestComplete = false;
  requestMessages = 0;
  responseMessages = 0;
  isEmitted = false;

  constructor(headers: Headers, isGrpc: boolean, stats: MethodStats | null, hasMethod: boolean) {
    this.isGrpc = isGrpc;
    this.isConnectUnary = headers.has(CONNECT_VERSION);
    this.isConnectStream = isConnectStream(headers);
    this.stats = stats;
    this.hasMethod = hasMethod;
  }
}

/** How an access log sees the counts: as they are when it is written. */
class CountsObject implements FilterStateObject {
  readonly isReadOnly = false;
  readonly lifeSpan = 'filter-chain';
  readonly fields = {};
  readonly #state: CallState;

  constructor(state: CallState) {
    this.#state = state;
  }

  get value(): string {
    return `${this.#state.requestMessages},${this.#state.responseMessages}`;
  }

  /** The message as JSON has it. */
  get typed(): unknown {
    const { requestMessages, responseMessages } = this.#state;
    return {
      ...(requestMessages === 0 ? undefined : { requestMessageCount: String(requestMessages) }),
      ...(responseMessages === 0 ? undefined : { responseMessageCount: String(responseMessages) }),
    };
  }
}

class GrpcStatsFilter implements HttpFilter {
  readonly #config: GrpcStatsConfig;
  readonly #slot: number;
  readonly #clusters: ClusterManager;
  readonly #methods: MethodTable;

  constructor(config: GrpcStatsConfig, context: FilterContext, clusters: ClusterManager, methods: MethodTable) {
    this.#config = config;
    this.#slot = context.slot;
    this.#clusters = clusters;
    this.#methods = methods;
  }

  decodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): 'continue' {
    if (headers.path === '') return 'continue';
    const isGrpc = hasGrpcContentType(headers);
    if (!isGrpc && !headers.has(CONNECT_VERSION) && !isConnectStream(headers)) return 'continue';
    const cluster = clusterOf(stream.route, this.#clusters);
    const name = this.#statName(headers.path);
    const stats = cluster === null ? null : this.#methods.get(cluster, name ?? '');
    const state = new CallState(headers, isGrpc, stats, stats !== null && name !== null);
    state.isRequestComplete = endStream;
    stream.slot[this.#slot] = state;
    return 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'continue' {
    const state = this.#state(stream);
    if (state === undefined) return 'continue';
    if (endStream) state.isRequestComplete = true;
    let more = 0;
    if (state.isGrpc || state.isConnectStream) {
      const before = state.requests.started;
      state.requests.count(data.buffer, data.start, data.end);
      more = state.requests.started - before;
    } else if (state.isConnectUnary && endStream) more = 1;
    if (more === 0) return 'continue';
    state.requestMessages += more;
    this.#emit(stream.info, state);
    if (state.hasMethod || !state.isGrpc) state.stats?.add('request_message_count', more);
    return 'continue';
  }

  decodeTrailers(stream: FilterStream): 'continue' {
    const state = this.#state(stream);
    if (state !== undefined) state.isRequestComplete = true;
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): 'continue' {
    let state = this.#state(stream);
    if (state === undefined) {
      // The counts are told of gRPC responses to whatever request.
      if (!this.#config.emitsFilterState || endStream || !isGrpcResponse(headers, false)) return 'continue';
      state = new CallState(stream.requestHeaders, false, null, false);
      stream.slot[this.#slot] = state;
    }
    state.isGrpcResponse = isGrpcResponse(headers, endStream);
    if (!state.hasMethod || state.stats === null) return 'continue';
    if (state.isConnectUnary) state.stats.chargeOutcome(headers.status === 200);
    else if (headers.status !== 200 || !isConnectStream(headers)) {
      state.stats.chargeStatus(headers.get(H['grpc-status']));
    }
    if (endStream) this.#chargeTime(stream.info, state);
    return 'continue';
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'continue' {
    const state = this.#state(stream);
    if (state === undefined) return 'continue';
    const isStream = !state.isGrpcResponse && state.isConnectStream;
    let more = 0;
    if (state.isGrpcResponse || isStream) {
      const before = state.responses.started;
      state.responses.count(data.buffer, data.start, data.end);
      more = state.responses.started - before;
    } else if (state.isConnectUnary && endStream) more = 1;
    state.responseMessages += more;
    if (more > 0) {
      this.#emit(stream.info, state);
      if (state.hasMethod || !state.isGrpcResponse) state.stats?.add('response_message_count', more);
    }
    if (!endStream || state.isGrpcResponse) return 'continue';
    if (isStream) state.stats?.chargeOutcome(state.responses.isSuccess);
    if (isStream || state.isConnectUnary) this.#chargeTime(stream.info, state);
    return 'continue';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    const state = this.#state(stream);
    if (state === undefined || !state.isGrpc || !state.hasMethod) return 'continue';
    state.stats?.chargeStatus(trailers.get(H['grpc-status']));
    this.#chargeTime(stream.info, state);
    return 'continue';
  }

  #state(stream: FilterStream): CallState | undefined {
    return stream.slot[this.#slot] as CallState | undefined;
  }

  /** Null: the path names no method; '': it is counted without its name. */
  #statName(path: string): string | null {
    const { countsAllMethods, replacesDots, allowed } = this.#config;
    if (countsAllMethods) return methodStatName(path, replacesDots);
    const name = methodOfPath(path);
    if (name === null) return null;
    return allowed.has(`${name.service}/${name.method}`) ? `${name.service}.${name.method}` : '';
  }

  #emit(info: StreamInfo, state: CallState): void {
    if (!this.#config.emitsFilterState || state.isEmitted) return;
    state.isEmitted = true;
    info.filterState ??= new Map();
    info.filterState.set(NAME, new CountsObject(state));
  }

  /** From the end of the request to the end of the response, both at the upstream; a reply of our own has none. */
  #chargeTime(info: StreamInfo, state: CallState): void {
    if (!this.#config.countsUpstreamTime || !state.isRequestComplete) return;
    if (info.responseCodeDetails !== 'via_upstream') return;
    state.stats?.chargeUpstreamTime((info.lastUpstreamRxMs - info.lastUpstreamTxMs) | 0);
  }
}

function isConnectStream(headers: Headers): boolean {
  return headers.get(H['content-type'])?.startsWith(CONNECT_STREAM) === true;
}

/** Makes the filter of a worker out of its clusters. */
export function makeGrpcStats(parts: { readonly clusters: ClusterManager }): HttpFilterFactory {
  const methods = new MethodTable('grpc');
  return defineHttpFilter<GrpcStatsConfig, unknown, GrpcStatsPb>({
    name: NAME,
    configType: TYPE,
    fields: {
      [TYPE]:
        'emit_filter_state individual_method_stats_allowlist stats_for_all_methods enable_upstream_stats ' +
        'replace_dots_in_grpc_service_name',
      'envoy.config.core.v3.GrpcMethodList': 'services',
      'envoy.config.core.v3.GrpcMethodList.Service': 'name method_names',
    },
    decode,
    create: (config, context) => new GrpcStatsFilter(config, context, parts.clusters, methods),
  });
}
