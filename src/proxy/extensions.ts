// Every listener, network and HTTP filter and transport socket there is, in lists; nothing registers itself.
import type { Logger } from '../telemetry/log.ts';
import type { ClusterManager } from './cluster/cluster.ts';
import type { DnsCaches } from './dns-cache/dns-caches.ts';
import { ConfigDecoder } from './config-decoder.ts';
import type { UpstreamFilterFactory } from './cluster/upstream-filter.ts';
import type { HttpFilterFactory } from './http/filter.ts';
import { composite } from './http/filters/composite/composite.ts';
import { matchDelegate } from './http/filters/composite/match-delegate.ts';
import { customResponse } from './http/filters/custom-response/custom-response.ts';
import { cors } from './http/filters/cors.ts';
import { makeDynamicForwardProxy } from './http/filters/dynamic-forward-proxy/dynamic-forward-proxy.ts';
import { buffer } from './http/filters/buffer.ts';
import { compressor } from './http/filters/compressor/compressor.ts';
import { csrf } from './http/filters/csrf.ts';
import { decompressor } from './http/filters/decompressor/decompressor.ts';
import { fault } from './http/filters/fault/fault.ts';
import { grpcHttp1Bridge } from './http/filters/grpc-http1-bridge/grpc-http1-bridge.ts';
import { makeGrpcStats } from './http/filters/grpc-stats/grpc-stats.ts';
import { makeGrpcWeb } from './http/filters/grpc-web/grpc-web.ts';
import { headerToMetadata } from './http/filters/header-to-metadata/header-to-metadata.ts';
import { makeHealthCheck } from './http/filters/health-check.ts';
import { headerMutation } from './http/filters/header-mutation/header-mutation.ts';
import { makeIstioAlpn } from './http/filters/istio-alpn/istio-alpn.ts';
import { makeIstioStats } from './http/filters/istio-stats/istio-stats.ts';
import { localRateLimit } from './http/filters/local-rate-limit/local-rate-limit.ts';
import { makeLua } from './http/filters/lua/lua.ts';
import { makePeerMetadata } from './http/filters/peer-metadata/peer-metadata.ts';
import { makeOnDemand } from './http/filters/on-demand.ts';
import { rbac } from './http/filters/rbac.ts';
import { makeRouter } from './http/filters/router/router.ts';
import { upstreamCodec } from './http/filters/router/upstream/upstream-codec.ts';
import { unsupportedGuards } from './http/filters/unsupported/guards.ts';
import { setMetadata } from './http/filters/set-metadata.ts';
import { httpSetFilterState } from './http/filters/set-filter-state.ts';
import { statefulSession } from './http/filters/stateful-session/stateful-session.ts';
import { tap } from './http/filters/tap/tap.ts';
import type { LocalNode } from './istio/node.ts';
import type { ListenerFilterFactory } from './listener/filter.ts';
import { httpInspector } from './listener/filters/http-inspector.ts';
import { listenerLocalRateLimit } from './listener/filters/local-rate-limit.ts';
import { originalDst } from './listener/filters/original-dst.ts';
import { originalSrc } from './listener/filters/original-src.ts';
import { proxyProtocol } from './listener/filters/proxy-protocol/proxy-protocol.ts';
import { tlsInspector } from './listener/filters/tls-inspector/tls-inspector.ts';
import type { NetworkFilterFactory, StandIn } from './network/filter.ts';
import { connectionLimit } from './network/filters/connection-limit.ts';
import { directResponse } from './network/filters/direct-response.ts';
import { echo } from './network/filters/echo.ts';
import { inertNetworkFilters } from './network/filters/inert.ts';
import { networkLocalRateLimit } from './network/filters/local-rate-limit.ts';
import { makeNetworkIstioStats } from './network/filters/istio-stats/istio-stats.ts';
import {
  makeMetadataExchange,
  makeUpstreamMetadataExchange,
} from './network/filters/metadata-exchange/metadata-exchange.ts';
import { networkRbac } from './network/filters/rbac.ts';
import { setFilterState } from './network/filters/set-filter-state.ts';
import { sniCluster } from './network/filters/sni-cluster.ts';
import { makeSniForwardProxy } from './network/filters/sni-dynamic-forward-proxy.ts';
import { makeTcpProxy } from './network/filters/tcp-proxy/tcp-proxy.ts';
import { unsupportedNetworkGuards } from './network/filters/unsupported.ts';
import { upstreamTls } from './tls/upstream-tls.ts';
import { internalUpstream } from './transport/internal-upstream.ts';
import { upstreamProxyProtocol } from './transport/upstream-proxy-protocol.ts';
import { downstreamTls } from './tls/downstream-tls.ts';
import type { OnDemandClusters } from './xds/on-demand-clusters.ts';
import type { DownstreamTransportFactory, UpstreamTransportFactory } from './transport/transport.ts';

export type ExtensionParts = {
  readonly clusters: ClusterManager;
  readonly onDemandClusters: OnDemandClusters;
  readonly dnsCaches: DnsCaches;
  /** Where scripts write; absent: nowhere. */
  readonly luaLog?: Logger;
  /** Zone of this node, '' for none. */
  readonly zone: string;
  /** This machine's address. */
  readonly localAddress: string;
  /** As Istio's peers get to know it. */
  readonly node: LocalNode;
  /** Istio's metrics that were unused for so long are forgotten; 0: never. */
  readonly metricExpiryMs: number;
};

export type Extensions = {
  readonly httpFilters: readonly HttpFilterFactory[];
  /** Without the HTTP connection manager, which needs to be told of the HTTP filters. */
  readonly networkFilters: readonly NetworkFilterFactory[];
  readonly listenerFilters: readonly ListenerFilterFactory[];
  readonly downstreamTransports: readonly DownstreamTransportFactory[];
  readonly upstreamTransports: readonly UpstreamTransportFactory[];
  /** Network filters of clusters. */
  readonly upstreamFilters: readonly UpstreamFilterFactory[];
};

/** The HTTP filters of a worker, the terminal one last. */
export function httpFilters(parts: ExtensionParts): HttpFilterFactory[] {
  const grpc = [grpcHttp1Bridge, makeGrpcStats(parts), makeGrpcWeb(parts)];
  const istio = [makeIstioAlpn(parts), makePeerMetadata(parts), makeIstioStats(parts)];
  return [
    ...[cors, fault, ...grpc, headerMutation, ...istio, localRateLimit, makeOnDemand(parts), rbac, httpSetFilterState],
    ...[composite, customResponse, makeDynamicForwardProxy(parts), makeLua(parts), matchDelegate, statefulSession],
    ...[buffer, compressor, csrf, decompressor, headerToMetadata, makeHealthCheck(parts), setMetadata, tap],
    ...unsupportedGuards,
    upstreamCodec,
    makeRouter(parts),
  ];
}

export function networkFilters(parts: ExtensionParts): NetworkFilterFactory[] {
  return [
    networkRbac,
    connectionLimit,
    networkLocalRateLimit,
    setFilterState,
    sniCluster,
    makeSniForwardProxy(parts),
    directResponse,
    echo,
    makeMetadataExchange(parts),
    makeNetworkIstioStats(parts),
    makeTcpProxy(parts),
    ...inertNetworkFilters,
    ...unsupportedNetworkGuards,
  ];
}

let effects: ReadonlyMap<string, (message: object) => StandIn['effect']> | null = null;

/** What stands in for filters that are not built does, by the types of their configurations. */
export function standInEffects(): NonNullable<typeof effects> {
  if (effects !== null) return effects;
  const found = new Map<string, (message: object) => StandIn['effect']>();
  // Whoever asks looks at a configuration that was taken.
  const d = new ConfigDecoder({ unpack: () => null });
  for (const { configType } of inertNetworkFilters) found.set(configType, () => 'inert');
  for (const { configType, decode, standIns } of unsupportedNetworkGuards) {
    const effectOf = (message: object): StandIn['effect'] | undefined =>
      standIns?.(decode(message as never, d, { bufferLimitBytes: 0 }) as never)[0]?.effect;
    found.set(configType, (message) => effectOf(message) ?? 'deny');
  }
  for (const { configType, decode, standsIn } of unsupportedGuards) {
    found.set(configType, (message) => standsIn?.(decode(message as never, d) as never) ?? 'deny');
  }
  effects = found;
  return effects;
}

export function listenerFilters(): ListenerFilterFactory[] {
  return [httpInspector, listenerLocalRateLimit, originalDst, originalSrc, proxyProtocol, tlsInspector];
}

/** Transport sockets besides raw_buffer, which is none. */
export function downstreamTransports(): DownstreamTransportFactory[] {
  return [downstreamTls];
}

export function upstreamTransports(): UpstreamTransportFactory[] {
  return [upstreamTls, upstreamProxyProtocol, internalUpstream];
}

export function upstreamFilters(parts: ExtensionParts): UpstreamFilterFactory[] {
  return [makeUpstreamMetadataExchange(parts)];
}
