// Listeners for gRPC libraries: what a client dials by name, and what a server asks for by its address.
import type { DownstreamTlsContext, FilterChain, HttpFilter, Listener } from '../../../proto/generated/types.d.ts';
import type { MtlsMode } from '../../model/policy.ts';
import type { Service } from '../../model/service.ts';
import { outboundName } from '../cluster/names.ts';
import { fixed, typed } from './any.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const DOWNSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
/** Source: Istio pkg/istio-agent/grpcxds, ServerListenerNamePrefix. */
export const SERVER_PREFIX = 'xds.istio.io/grpc/lds/inbound/';
/** The library's own bootstrap says where the files are. */
const PROVIDER = 'default';

const fault = fixed('envoy.extensions.filters.http.fault.v3.HTTPFault', {});
const router = fixed('envoy.extensions.filters.http.router.v3.Router', {});

const routerFilter = (): HttpFilter => ({ name: 'envoy.filters.http.router', typed_config: router() });
const faultFilter = (): HttpFilter => ({ name: 'envoy.filters.http.fault', typed_config: fault() });

/** What a client gets that dials `host` and `port`: the routes of the service. */
export function clientListener(service: Service, host: string, port: number): Listener {
  const routes = { config_source: { ads: {} }, route_config_name: outboundName(port, '', service.hostname) };
  const manager = { http_filters: [faultFilter(), routerFilter()], rds: routes };
  return {
    name: `${host}:${port}`,
    address: { socket_address: { address: service.addresses[0] ?? '0.0.0.0', port_value: port } },
    api_listener: { api_listener: typed(MANAGER, manager) },
  };
}

/**
 * What a server gets that listens there. A library cannot take plain text and mTLS on one port: where both are allowed,
 * workloads whose callers are told to use mTLS take that alone. `access`: RBAC for what comes in.
 */
export function serverListener(
  address: string,
  port: number,
  isMtls: boolean,
  access: readonly HttpFilter[],
): Listener {
  const host = address.includes(':') ? `[${address}]` : address;
  const suffix = isMtls ? 'mtls' : 'plaintext';
  const routes = { domains: ['*'], routes: [{ match: { prefix: '/' }, non_forwarding_action: {} }] };
  const manager = {
    route_config: { name: 'inbound', virtual_hosts: [routes] },
    http_filters: [...access, routerFilter()],
  };
  const chain: FilterChain = {
    name: `inbound-${suffix}`,
    filters: [{ name: `inbound-hcm${suffix}`, typed_config: typed(MANAGER, manager) }],
  };
  if (isMtls) chain.transport_socket = { name: 'envoy.transport_sockets.tls', typed_config: mutualTls() };
  return {
    name: `${SERVER_PREFIX}${host}:${port}`,
    address: { socket_address: { address, port_value: port } },
    filter_chains: [chain],
  };
}

/** Whether a server of that mode takes mTLS; `isInMesh`: its callers are told that it does. */
export function takesMtls(mode: MtlsMode, isInMesh: boolean): boolean {
  return mode === 'STRICT' || (mode === 'PERMISSIVE' && isInMesh);
}

const certificate = { instance_name: PROVIDER, certificate_name: 'default' };
const roots = { instance_name: PROVIDER, certificate_name: 'ROOTCA' };
const mutualTls = fixed(DOWNSTREAM_TLS, {
  common_tls_context: {
    tls_certificate_certificate_provider_instance: certificate,
    tls_certificate_provider_instance: certificate,
    combined_validation_context: {
      default_validation_context: { ca_certificate_provider_instance: roots },
      validation_context_certificate_provider_instance: roots,
    },
  },
  require_client_certificate: true,
} as DownstreamTlsContext);
