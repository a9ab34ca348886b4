// Istio's HTTP statistics filter (istio.stats): the standard metrics of requests, and of the messages of gRPC streams.
import type { Clock, Timer } from '../../../../base/clock.ts';
import { grpcStatusOf, parseGrpcStatus } from '../../../../wire/grpc/status.ts';
import { H } from '../../../../wire/header-names.ts';
import type { ClusterManager } from '../../../cluster/cluster.ts';
import type { LabelSet } from '../../../istio/label-table.ts';
import type { LocalNode } from '../../../istio/node.ts';
import { isPeerKnown, reporterOf, seenFacts } from '../../../istio/seen-facts.ts';
import { decodePlugin, PLUGIN_FIELDS, PLUGIN_TYPE } from '../../../istio/stats-config.ts';
import type { PluginConfig, PluginPb } from '../../../istio/stats-config.ts';
import { type Telemetry, telemetryOf } from '../../../istio/telemetry.ts';
import type { FilterStateObject, StreamInfo } from '../../../stream-info.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { FilterContext, FilterStream, HttpFilter, HttpFilterFactory } from '../../filter.ts';

const GRPC_STATS = 'envoy.filters.http.grpc_stats';
const NO_VALUES: readonly string[] = Object.freeze([]);

/** A gRPC request: its messages are counted while it runs. */
class GrpcCall {
  readonly stream: FilterStream;
  /** As it was when the peer was known. */
  set: LabelSet | null = null;
  values: readonly string[] = NO_VALUES;
  requests = 0;
  responses = 0;

  constructor(stream: FilterStream) {
    this.stream = stream;
  }
}

class IstioStats implements HttpFilter {
  readonly #config: PluginConfig;
  readonly #slot: number;
  readonly #clusters: ClusterManager;
  readonly #telemetry: Telemetry;
  readonly #calls = new Set<GrpcCall>();
  readonly #clock: Clock;
  /** Made with the first gRPC request. */
  #timer: Timer | null = null;

  constructor(config: PluginConfig, context: FilterContext, clusters: ClusterManager, node: LocalNode) {
    this.#config = config;
    this.#slot = context.slot;
    this.#clusters = clusters;
    this.#clock = context.clock;
    this.#telemetry = telemetryOf(context.stats, context.clock, node, config);
  }

  decodeHeaders(stream: FilterStream): 'continue' {
    if (!stream.isGrpc) return 'continue';
    const call = new GrpcCall(stream);
    stream.slot[this.#slot] = call;
    this.#calls.add(call);
    const { reportMs } = this.#config;
    if (reportMs === 0) return 'continue';
    this.#timer ??= this.#clock.timer(report, this);
    if (!this.#timer.isArmed) this.#timer.arm(reportMs);
    return 'continue';
  }

  onDestroy(stream: FilterStream): void {
    const { info } = stream;
    const telemetry = this.#telemetry;
    const call = stream.slot[this.#slot] as GrpcCall | undefined;
    if (call !== undefined) {
      this.#calls.delete(call);
      this.#countMessages(call, true);
    }
    const set = call?.set ?? this.#labels(stream);
    const status = call === undefined ? undefined : grpcStatus(stream);
    if (telemetry.isPlain) telemetry.countRequest(set, info, status);
    else telemetry.countRequest(set, info, status, telemetry.evaluate(this.#attributes(stream, true)));
  }

  /** For the timer. */
  report(): void {
    for (const call of this.#calls) this.#countMessages(call, false);
    if (this.#calls.size > 0) this.#timer?.arm(this.#config.reportMs);
  }

  #labels(stream: FilterStream): LabelSet {
    const { info, requestHeaders } = stream;
    const reporter = reporterOf(info, this.#config.isGateway);
    const facts = seenFacts(info, reporter, this.#config.usesHost ? requestHeaders.authority : '');
    return this.#telemetry.table.find(facts, this.#clusterMetadata(info));
  }

  /** The router may not have come to name the cluster. */
  #clusterMetadata(info: StreamInfo): StreamInfo['clusterMetadata'] {
    if (info.clusterMetadata !== null || info.clusterName === '') return info.clusterMetadata;
    return this.#clusters.get(info.clusterName)?.metadata ?? null;
  }

  /** What was counted since the last time; nothing before the peer is known. */
  #countMessages(call: GrpcCall, isEnd: boolean): void {
    const { stream } = call;
    const { info } = stream;
    const telemetry = this.#telemetry;
    if (call.set === null || call.set.isForgotten) {
      if (!isEnd && !isPeerKnown(info, reporterOf(info, this.#config.isGateway))) return;
      const isFirst = call.set === null;
      call.set = this.#labels(stream);
      if (isFirst && !telemetry.isPlain) call.values = telemetry.evaluate(this.#attributes(stream, false));
    }
    const counts = messageCounts(info.filterState?.get(GRPC_STATS));
    if (counts === null) return;
    const [requests, responses] = counts;
    telemetry.countMessages(call.set, requests - call.requests, responses - call.responses, call.values);
    call.requests = requests;
    call.responses = responses;
  }

  /** Expressions see no headers as long as the stream runs, as in Istio. */
  #attributes(stream: FilterStream, isEnd: boolean) {
    const { info, requestHeaders, responseHeaders, responseTrailers } = stream;
    if (isEnd) return { info, requestHeaders, responseHeaders, responseTrailers };
    return { info, requestHeaders: null, responseHeaders: null, responseTrailers: null };
  }
}

function report(filter: IstioStats): void {
  filter.report();
}

/** 'REQUESTS,RESPONSES', as the gRPC statistics filter writes it when it is told to. */
function messageCounts(object: FilterStateObject | undefined): readonly [number, number] | null {
  if (object === undefined) return null;
  const comma = object.value.indexOf(',');
  return [Number(object.value.slice(0, comma)), Number(object.value.slice(comma + 1))];
}

/** Source: Envoy Grpc::Common::getGrpcStatus. */
function grpcStatus({ responseTrailers, responseHeaders, info }: FilterStream): number | null {
  const told = responseTrailers?.get(H['grpc-status']) ?? responseHeaders?.get(H['grpc-status']);
  return parseGrpcStatus(told) ?? (info.responseCode === 0 ? null : grpcStatusOf(info.responseCode));
}

/** Makes the filter of a worker out of its clusters and what the proxy knows of itself. */
export function makeIstioStats(parts: {
  readonly clusters: ClusterManager;
  readonly node: LocalNode;
  readonly metricExpiryMs?: number;
}): HttpFilterFactory {
  return defineHttpFilter<PluginConfig, unknown, PluginPb>({
    name: 'istio.stats',
    configType: PLUGIN_TYPE,
    fields: PLUGIN_FIELDS,
    decode: (message, d) => decodePlugin(message, d, parts.metricExpiryMs),
    create: (config, context) => new IstioStats(config, context, parts.clusters, parts.node),
  });
}
