// Servers of xDS over gRPC: one stream for all types, or a stream for each.
import type { Clock } from '../../../base/clock.ts';
import type { Node } from '../../../proto/generated/types.d.ts';
import type { LogLevel } from '../../../telemetry/log.ts';
import type { XdsChannel, XdsChannelHandler } from '../../../xds/client/channel.ts';
import { type MuxOptions, XdsMux } from '../../../xds/client/mux.ts';
import { AGGREGATED_SERVICE, type DiscoveryService, SERVICES } from '../../../xds/client/services.ts';
import { XdsStreams } from '../../../xds/client/streams.ts';
import type { StreamCounts, XdsSource } from '../../../xds/client/types.ts';
import type { HttpClient } from '../../cluster/upstream-client/http-client.ts';
import type { GrpcPlace } from '../place.ts';
import { grpcChannel } from './grpc-channel.ts';

export type SourceParts = {
  readonly clock: Clock;
  readonly http: HttpClient;
  /** What requests say of this proxy. */
  readonly node: () => Node;
  readonly log: (level: LogLevel, text: string) => void;
  /** Everything that was taken on serves: told to a control plane that wants to know. */
  readonly isWarm?: () => boolean;
};

/**
 * `counts` are of the aggregated stream; of a stream for one type they come with its subscriptions. The first
 * subscription opens a stream, `gate` says when.
 */
export function grpcSource(
  parts: SourceParts,
  place: GrpcPlace,
  counts: StreamCounts | null,
  gate: Gate | null = null,
): XdsSource {
  const { isDelta, isAggregated, setsNodeOnFirstOnly, rateLimit, target } = place;
  const pathOf = (service: DiscoveryService): string => (isDelta ? service.delta : service.stream);
  const optionsOf = (service: DiscoveryService): MuxOptions => {
    const path = pathOf(service);
    const method = path.slice(path.lastIndexOf('/') + 1);
    return { isDelta, setsNodeOnFirstOnly, rateLimit, method, destination: target.clusterName, counts: null };
  };
  const connect = (service: DiscoveryService, handler: XdsChannelHandler): XdsChannel =>
    grpcChannel(parts.http, target, pathOf(service), isDelta, handler);
  if (isAggregated) {
    const options = { ...optionsOf(AGGREGATED_SERVICE), counts };
    return new XdsMux(parts, options, (handler) => gated(connect(AGGREGATED_SERVICE, handler), gate));
  }
  return new XdsStreams(
    parts,
    (type) => optionsOf(serviceOf(type, isDelta)),
    (type, handler) => connect(serviceOf(type, isDelta), handler),
  );
}

/** Calls `go` when streams may be opened. */
export type Gate = (go: () => void) => void;

function gated(channel: XdsChannel, gate: Gate | null): XdsChannel {
  if (gate === null) return channel;
  let isStopped = false;
  return {
    start: () =>
      gate(() => {
        if (!isStopped) channel.start();
      }),
    stop: () => {
      isStopped = true;
      channel.stop();
    },
    get isOpen() {
      return channel.isOpen;
    },
    get isAboveWatermark() {
      return channel.isAboveWatermark;
    },
    send: (message) => channel.send(message),
    pauseReading: () => channel.pauseReading(),
    resumeReading: () => channel.resumeReading(),
  };
}

/** Decoders refuse to ask for types on streams of their own that no service serves alone. */
function serviceOf(type: string, isDelta: boolean): DiscoveryService {
  const service = SERVICES.get(type);
  const method = isDelta ? service?.delta : service?.stream;
  if (service === undefined || method === '') throw new Error(`no service of its own serves ${type}`);
  return service;
}
