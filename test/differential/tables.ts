// The list of all tables of differential cases.
import type { Group } from './case.ts';
import { celGroups } from './cases/cel.ts';
import { adminGroups } from './cases/admin.ts';
import { chainMatchGroups } from './cases/chain-match.ts';
import { clusterDnsGroups } from './cases/cluster-dns.ts';
import { clusterOptionGroups } from './cases/cluster-options.ts';
import { clusterOriginalDstGroups } from './cases/cluster-original-dst.ts';
import { compositeGroups } from './cases/composite.ts';
import { compressorGroups } from './cases/compressor.ts';
import { connectGroups } from './cases/connect.ts';
import { connectionManagerGroups } from './cases/connection-manager.ts';
import { bufferCsrfGroups } from './cases/filter-buffer-csrf.ts';
import { healthCheckGroups } from './cases/filter-health-check.ts';
import { filterMetadataRouteGroups } from './cases/filter-metadata-routes.ts';
import { filterMetadataGroups } from './cases/filter-metadata.ts';
import { rbacGroups } from './cases/filter-rbac.ts';
import { customResponseGroups } from './cases/custom-response.ts';
import { envoyHeaderGroups } from './cases/envoy-headers.ts';
import { filterGroups } from './cases/filters.ts';
import { foundByChanceGroups } from './cases/found-by-chance.ts';
import { formatGroups } from './cases/formats.ts';
import { forwardProxyGroups } from './cases/forward-proxy.ts';
import { forwardProxySubGroups } from './cases/forward-proxy-sub.ts';
import { forwardProxyTlsGroups } from './cases/forward-proxy-tls.ts';
import { grpcBehaviourGroups } from './cases/grpc-behaviour.ts';
import { grpcBridgeGroups } from './cases/grpc-http1-bridge.ts';
import { grpcHttp2Groups } from './cases/grpc-http2.ts';
import { grpcOverHttp1Groups } from './cases/grpc-over-http1.ts';
import { grpcStatsGroups } from './cases/grpc-stats.ts';
import { grpcWebGroups } from './cases/grpc-web.ts';
import { hedgingGroups } from './cases/hedging.ts';
import { decompressorGroups } from './cases/decompressor.ts';
import { hcmAddressGroups } from './cases/hcm-address.ts';
import { hcmEdgeGroups } from './cases/hcm-edge.ts';
import { hcmProxyStatusGroups } from './cases/hcm-proxy-status.ts';
import { hcmHttp1Groups } from './cases/hcm-http1-options.ts';
import { hcmUpgradeGroups } from './cases/hcm-upgrades.ts';
import { http1Groups } from './cases/http1.ts';
import { http2HeadGroups } from './cases/http2-heads.ts';
import { http2MatrixGroups } from './cases/http2-matrix.ts';
import { http2OptionGroups } from './cases/http2-options.ts';
import { http2StreamGroups } from './cases/http2-streams.ts';
import { http2TimeGroups } from './cases/http2-times.ts';
import { http2PoolGroups } from './cases/http2-pool.ts';
import { internalEndGroups } from './cases/internal-ends.ts';
import { internalHboneGroups } from './cases/internal-hbone.ts';
import { internalHttpGroups } from './cases/internal-http.ts';
import { internalListenerGroups } from './cases/internal-listener.ts';
import { internalRedirectGroups } from './cases/internal-redirects.ts';
import { laterGroups } from './cases/later.ts';
import { listenerFilterGroups } from './cases/listener-filters.ts';
import { logExpressionGroups } from './cases/log-expressions.ts';
import { luaMoreGroups } from './cases/lua-more.ts';
import { luaGroups } from './cases/lua.ts';
import { logStageGroups } from './cases/log-stages.ts';
import { networkFilterGroups } from './cases/network-filters.ts';
import { observabilityGroups } from './cases/observability.ts';
import { outlierGroups } from './cases/outlier-detection.ts';
import { pathTemplateGroups } from './cases/path-template.ts';
import { proxyProtocolGroups } from './cases/proxy-protocol.ts';
import { retryPriorityGroups } from './cases/retry-priority.ts';
import { regexEdgeGroups } from './cases/regex-edges.ts';
import { routeActionGroups } from './cases/route-action.ts';
import { routeMatchGroups } from './cases/route-match.ts';
import { routeMoreGroups } from './cases/route-more.ts';
import { routeRateLimitGroups } from './cases/route-rate-limits.ts';
import { flushTimeoutGroups } from './cases/flush-timeout.ts';
import { formatFileGroups } from './cases/format-files.ts';
import { matcherInputGroups } from './cases/matcher-inputs.ts';
import { slowStartGroups } from './cases/slow-start.ts';
import { routeTreeGroups } from './cases/route-trees.ts';
import { runtimeKeyGroups } from './cases/runtime-keys.ts';
import { smugglingGroups } from './cases/smuggling.ts';
import { statefulSessionGroups } from './cases/stateful-session.ts';
import { tapGroups } from './cases/tap.ts';
import { tcpEndGroups } from './cases/tcp-ends.ts';
import { tcpProxyGroups } from './cases/tcp-proxy.ts';
import { tlsClientGroups } from './cases/tls-clients.ts';
import { tlsHandshakeGroups } from './cases/tls-handshake.ts';
import { tlsIdentityGroups } from './cases/tls-identity.ts';
import { tlsOddGroups } from './cases/tls-odd.ts';
import { tlsRuleGroups } from './cases/tls-rules.ts';
import { tlsSessionGroups } from './cases/tls-sessions.ts';
import { tlsUpstreamGroups } from './cases/tls-upstream.ts';
import { tlsUpstreamWayGroups } from './cases/tls-upstream-ways.ts';
import { tlsUpstreamLogGroups } from './cases/tls-upstream-log.ts';
import { tracingGroups } from './cases/tracing.ts';
import { tunnelGroups } from './cases/tunnel.ts';
import { tunnelHttp2Groups } from './cases/tunnel-http2.ts';
import { udpGroups } from './cases/udp.ts';
import { clusterPolicyGroups } from './cases/cluster-policies.ts';
import { upstreamFilterGroups } from './cases/upstream-filters.ts';
import { upstreamGroups } from './cases/upstream.ts';
import { websocketGroups } from './cases/websocket.ts';
import { workerGroups } from './cases/workers.ts';

export const allGroups: readonly Group[] = [
  ...http1Groups,
  ...runtimeKeyGroups,
  ...smugglingGroups,
  ...http2MatrixGroups,
  ...http2HeadGroups,
  ...http2StreamGroups,
  ...http2OptionGroups,
  ...http2TimeGroups,
  ...http2PoolGroups,
  ...routeMatchGroups,
  ...retryPriorityGroups,
  ...routeActionGroups,
  ...upstreamGroups,
  ...upstreamFilterGroups,
  ...clusterPolicyGroups,
  ...connectionManagerGroups,
  ...hcmAddressGroups,
  ...hcmEdgeGroups,
  ...hcmProxyStatusGroups,
  ...hcmHttp1Groups,
  ...hcmUpgradeGroups,
  ...connectGroups,
  ...filterGroups,
  ...luaGroups,
  ...luaMoreGroups,
  ...compositeGroups,
  ...customResponseGroups,
  ...flushTimeoutGroups,
  ...formatFileGroups,
  ...matcherInputGroups,
  ...slowStartGroups,
  ...tapGroups,
  ...statefulSessionGroups,
  ...compressorGroups,
  ...decompressorGroups,
  ...bufferCsrfGroups,
  ...filterMetadataGroups,
  ...filterMetadataRouteGroups,
  ...healthCheckGroups,
  ...rbacGroups,
  ...grpcStatsGroups,
  ...grpcWebGroups,
  ...grpcBridgeGroups,
  ...grpcBehaviourGroups,
  ...grpcHttp2Groups,
  ...grpcOverHttp1Groups,
  ...observabilityGroups,
  ...outlierGroups,
  ...adminGroups,
  ...logExpressionGroups,
  ...celGroups,
  ...logStageGroups,
  ...formatGroups,
  ...networkFilterGroups,
  ...chainMatchGroups,
  ...listenerFilterGroups,
  ...pathTemplateGroups,
  ...proxyProtocolGroups,
  ...clusterDnsGroups,
  ...clusterOriginalDstGroups,
  ...clusterOptionGroups,
  ...tcpEndGroups,
  ...tcpProxyGroups,
  ...internalListenerGroups,
  ...internalEndGroups,
  ...internalHttpGroups,
  ...internalHboneGroups,
  ...internalRedirectGroups,
  ...forwardProxyGroups,
  ...forwardProxySubGroups,
  ...forwardProxyTlsGroups,
  ...hedgingGroups,
  ...regexEdgeGroups,
  ...routeTreeGroups,
  ...envoyHeaderGroups,
  ...routeRateLimitGroups,
  ...routeMoreGroups,
  ...tlsClientGroups,
  ...tlsHandshakeGroups,
  ...tlsIdentityGroups,
  ...tlsOddGroups,
  ...tlsRuleGroups,
  ...tlsSessionGroups,
  ...tlsUpstreamLogGroups,
  ...tlsUpstreamGroups,
  ...tlsUpstreamWayGroups,
  ...tracingGroups,
  ...tunnelGroups,
  ...tunnelHttp2Groups,
  ...udpGroups,
  ...websocketGroups,
  ...workerGroups,
  ...foundByChanceGroups,
  ...laterGroups,
];
