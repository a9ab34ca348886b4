// HTTP connection managers of sidecars and gateways, with their filters in Istio's order.
import type {
  Filter,
  HttpConnectionManager,
  HttpFilter,
  RouteConfiguration,
} from '../../../proto/generated/types.d.ts';
import type { Protocol } from '../../model/service.ts';
import { isHttp2 } from '../../model/service.ts';
import { accessLogs } from './access-log.ts';
import { fixed, NO_TIMEOUT, typed } from './any.ts';
import {
  cors,
  type Direction,
  fault,
  grpcStats,
  grpcWeb,
  istioAlpn,
  istioStats,
  metadataExchangeHttp,
  router,
} from './filters.ts';
import type { ListenerSettings, TraceIdentity } from './settings.ts';
import { tracingOf } from './tracing.ts';

export type HttpManager = {
  readonly direction: Direction;
  readonly statPrefix: string;
  readonly route: { readonly rds: string } | { readonly config: RouteConfiguration };
  readonly protocol: Protocol;
  /** Filters of the access policies, in order; after the peer is known, before anything counts. */
  readonly access: readonly HttpFilter[];
  /** Filters that must stand directly before the router (dynamic forward proxy). */
  readonly beforeRouter?: readonly HttpFilter[];
  /** Whether CONNECT is taken; which the routes end or refuse. */
  readonly tunnels?: boolean;
  /** What differs for a kind of listener. */
  readonly base?: HttpConnectionManager;
};

const REQUEST_ID = fixed('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', {
  use_request_id_for_trace_sampling: true,
});

export function httpManager(manager: HttpManager, settings: ListenerSettings, identity: TraceIdentity): Filter {
  const { direction, route } = manager;
  const message: HttpConnectionManager = {
    ...manager.base,
    stat_prefix: `${manager.statPrefix};`,
    http_filters: httpFilters(manager, settings),
    ...normalization(settings),
    ...serverHeader(settings, direction),
    use_remote_address: direction === 'gateway',
    proxy_100_continue: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }, ...(manager.tunnels ? [{ upgrade_type: 'CONNECT' }] : [])],
    stream_idle_timeout: NO_TIMEOUT,
    request_id_extension: { typed_config: REQUEST_ID() },
    tracing: tracingOf(settings, identity),
    access_log: accessLogs(settings.accessLog),
  };
  if (settings.headers.isRequestIdDisabled) message.generate_request_id = false;
  if (settings.http10) message.http_protocol_options = { ...message.http_protocol_options, accept_http_10: true };
  if ('rds' in route) message.rds = rdsOf(route.rds);
  else message.route_config = route.config;
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: typed(HTTP_CONNECTION_MANAGER, message),
  };
}

const HTTP_CONNECTION_MANAGER =
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager' as const;

function rdsOf(name: string): NonNullable<HttpConnectionManager['rds']> {
  return {
    route_config_name: name,
    config_source: { ads: {}, initial_fetch_timeout: NO_TIMEOUT, resource_api_version: 'V3' },
  };
}

/**
 *   metadata exchange   first, so that what is refused is counted with its peer
 *   rbac                AUDIT, DENY, ALLOW: before anything that costs or answers
 *   grpc_web            before grpc_stats, which counts what gRPC it makes
 *   grpc_stats
 *   alpn                outbound: offers what was spoken downstream to the upstream's mTLS
 *   fault, cors         as routes ask
 *   istio.stats         after everything that can answer by itself
 *   dynamic forward proxy, router
 */
function httpFilters(manager: HttpManager, settings: ListenerSettings): HttpFilter[] {
  const { direction } = manager;
  const filters: HttpFilter[] = [];
  if (settings.hasIstioFilters) filters.push(metadataExchangeHttp(direction));
  filters.push(...manager.access);
  if (manager.protocol === 'GRPC-Web') filters.push(grpcWeb());
  filters.push(grpcStats());
  if (settings.hasIstioFilters && direction !== 'inbound') filters.push(istioAlpn());
  filters.push(fault(), cors());
  if (settings.hasStats) filters.push(istioStats(direction));
  filters.push(...(manager.beforeRouter ?? []), router(settings.headers.isDebugSuppressed));
  return filters;
}

function normalization(settings: ListenerSettings): HttpConnectionManager {
  const path_with_escaped_slashes_action = 'KEEP_UNCHANGED' as const;
  switch (settings.pathNormalization) {
    case 'NONE':
      return { normalize_path: false, path_with_escaped_slashes_action };
    case 'MERGE_SLASHES':
      return { normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action };
    case 'DECODE_AND_MERGE_SLASHES':
      return {
        normalize_path: true,
        merge_slashes: true,
        path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD',
      };
    default:
      return { normalize_path: true, path_with_escaped_slashes_action };
  }
}

/** Outbound sidecars leave the server's name to Envoy; whoever faces callers is 'istio-envoy'. */
function serverHeader({ headers }: ListenerSettings, direction: Direction): HttpConnectionManager {
  if (headers.isServerDisabled) return { server_header_transformation: 'PASS_THROUGH' };
  if (headers.server !== '') return { server_name: headers.server };
  return direction === 'outbound' ? {} : { server_name: 'istio-envoy' };
}

/** What an inbound listener of a sidecar has besides. */
export function inboundBase(settings: ListenerSettings, protocol: Protocol): HttpConnectionManager {
  return {
    forward_client_cert_details: (settings.headers.forwardedClientCert || 'APPEND_FORWARD') as 'APPEND_FORWARD',
    set_current_client_cert_details: { subject: true, dns: true, uri: true },
    ...(isHttp2(protocol) ? { http2_protocol_options: {} } : {}),
  };
}

export function gatewayBase(settings: ListenerSettings): HttpConnectionManager {
  const forwarding = settings.gateway.forwardClientCert || settings.headers.forwardedClientCert || 'SANITIZE_SET';
  return {
    forward_client_cert_details: forwarding as 'SANITIZE_SET',
    set_current_client_cert_details: { subject: true, cert: true, dns: true, uri: true },
    http_protocol_options: {},
    ...(settings.gateway.trustedProxies > 0 ? { xff_num_trusted_hops: settings.gateway.trustedProxies } : {}),
  };
}
