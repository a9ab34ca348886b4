// Filters whose configuration never differs, under the names that Istio gives them.
import type { Filter, HttpFilter, ListenerFilter } from '../../../proto/generated/types.d.ts';
import { fixed, fixedStruct } from './any.ts';

/** Where a listener stands: it decides what is exchanged, counted and offered. */
export type Direction = 'outbound' | 'inbound' | 'gateway';

const PEER_METADATA = 'io.istio.http.peer_metadata.Config';
const DISCOVERY = [{ istio_headers: {} }, { workload_discovery: {} }];
const PROPAGATION = [{ istio_headers: {} }];

const MX_HTTP = {
  outbound: fixedStruct(PEER_METADATA, { upstream_discovery: DISCOVERY, upstream_propagation: PROPAGATION }),
  inbound: fixedStruct(PEER_METADATA, { downstream_discovery: DISCOVERY, downstream_propagation: PROPAGATION }),
  gateway: fixedStruct(PEER_METADATA, { upstream_discovery: DISCOVERY, upstream_propagation: PROPAGATION }),
};
const MX_TCP = fixedStruct('envoy.tcp.metadataexchange.config.MetadataExchange', {
  enable_discovery: true,
  protocol: 'istio-peer-exchange',
});
const STATS = {
  outbound: fixed('stats.PluginConfig', {}),
  inbound: fixed('stats.PluginConfig', { disable_host_header_fallback: true }),
  gateway: fixed('stats.PluginConfig', { disable_host_header_fallback: true }),
};
const GRPC_STATS = fixed('envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', {
  emit_filter_state: true,
  stats_for_all_methods: false,
});
const ALPN = fixed('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
  alpn_override: [
    { upstream_protocol: 'HTTP10', alpn_override: ['istio-http/1.0', 'istio', 'http/1.0'] },
    { upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] },
    { upstream_protocol: 'HTTP2', alpn_override: ['istio-h2', 'istio', 'h2'] },
  ],
});
const FAULT = fixed('envoy.extensions.filters.http.fault.v3.HTTPFault', {});
const CORS = fixed('envoy.extensions.filters.http.cors.v3.Cors', {});
const ROUTER = fixed('envoy.extensions.filters.http.router.v3.Router', {});
const QUIET_ROUTER = fixed('envoy.extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true });
const GRPC_WEB = fixed('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb', {});
const ORIGINAL_DST = fixed('envoy.extensions.filters.listener.original_dst.v3.OriginalDst', {});
/** The mark by which the capture rules know what the proxy itself sends. */
const ORIGINAL_SRC = fixed('envoy.extensions.filters.listener.original_src.v3.OriginalSrc', { mark: 1337 });
const PROXY_PROTOCOL = fixed('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol', {});
const TLS_INSPECTOR = fixed('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
  initial_read_buffer_size: 512,
});
const HTTP_INSPECTOR = fixed('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', {});

export function metadataExchangeHttp(direction: Direction): HttpFilter {
  return { name: 'istio.metadata_exchange', typed_config: MX_HTTP[direction]() };
}

export function metadataExchangeTcp(): Filter {
  return { name: 'istio.metadata_exchange', typed_config: MX_TCP() };
}

/** Counts requests or connections: the configuration is the same for both. */
export function istioStats(direction: Direction): Filter & HttpFilter {
  return { name: 'istio.stats', typed_config: STATS[direction]() };
}

export function grpcStats(): HttpFilter {
  return { name: 'envoy.filters.http.grpc_stats', typed_config: GRPC_STATS() };
}

export function grpcWeb(): HttpFilter {
  return { name: 'envoy.filters.http.grpc_web', typed_config: GRPC_WEB() };
}

export function istioAlpn(): HttpFilter {
  return { name: 'istio.alpn', typed_config: ALPN() };
}

export function fault(): HttpFilter {
  return { name: 'envoy.filters.http.fault', typed_config: FAULT() };
}

export function cors(): HttpFilter {
  return { name: 'envoy.filters.http.cors', typed_config: CORS() };
}

export function router(isDebugSuppressed: boolean): HttpFilter {
  return { name: 'envoy.filters.http.router', typed_config: isDebugSuppressed ? QUIET_ROUTER() : ROUTER() };
}

export function originalDst(): ListenerFilter {
  return { name: 'envoy.filters.listener.original_dst', typed_config: ORIGINAL_DST() };
}

export function originalSrc(): ListenerFilter {
  return { name: 'envoy.filters.listener.original_src', typed_config: ORIGINAL_SRC() };
}

export function proxyProtocol(): ListenerFilter {
  return { name: 'envoy.filters.listener.proxy_protocol', typed_config: PROXY_PROTOCOL() };
}

export function tlsInspector(): ListenerFilter {
  return { name: 'envoy.filters.listener.tls_inspector', typed_config: TLS_INSPECTOR() };
}

export function httpInspector(): ListenerFilter {
  return { name: 'envoy.filters.listener.http_inspector', typed_config: HTTP_INSPECTOR() };
}
