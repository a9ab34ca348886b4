// What the differential cases of internal listeners run on: listeners without sockets, and clusters that reach them.
import { address, any, cluster, type Fields, filter, http, type HttpListener, textLog } from '../config.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const INTERNAL_UPSTREAM = 'envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport';

export const INTERNAL_EXTENSION = bootstrapExtension();

export function bootstrapExtension(fields: Fields = {}): Fields {
  const typed_config = any('envoy.extensions.bootstrap.internal_listener.v3.InternalListener', fields);
  return { bootstrap_extensions: [{ name: 'envoy.bootstrap.internal_listener', typed_config }] };
}

/** What a connection of layer 4 tells, and what was passed on to it. */
export const INNER_LOG =
  '%LISTENER_NAME%: flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  'down=%DOWNSTREAM_WIRE_BYTES_RECEIVED%/%DOWNSTREAM_WIRE_BYTES_SENT% ' +
  'up=%UPSTREAM_WIRE_BYTES_RECEIVED%/%UPSTREAM_WIRE_BYTES_SENT% ' +
  'local=%DOWNSTREAM_LOCAL_ADDRESS%|%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%|%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% ' +
  'id=%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%|%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID% ' +
  'remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% ' +
  'upstream=%UPSTREAM_HOST%|%UPSTREAM_REMOTE_ADDRESS%|%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID% ' +
  'name=%UPSTREAM_HOST_NAME%|%UPSTREAM_HOST_NAME_WITHOUT_PORT% cluster=%UPSTREAM_CLUSTER% ' +
  'once=%FILTER_STATE(s.once:PLAIN)% further=%FILTER_STATE(s.further:PLAIN)% own=%FILTER_STATE(s.own:PLAIN)% ' +
  'hash=%FILTER_STATE(s.hash:PLAIN)% typed=%FILTER_STATE(s.further)% ' +
  'host=%DYNAMIC_METADATA(of.host)% both=%DYNAMIC_METADATA(of.both)% of=%DYNAMIC_METADATA(of.cluster:name)% ' +
  'failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  'closed=%UPSTREAM_LOCAL_CLOSE_REASON%/%DOWNSTREAM_LOCAL_CLOSE_REASON% ' +
  'seen=%UPSTREAM_DETECTED_CLOSE_TYPE%/%DOWNSTREAM_DETECTED_CLOSE_TYPE% term=%CONNECTION_TERMINATION_DETAILS% ' +
  'sni=%REQUESTED_SERVER_NAME% chain=%FILTER_CHAIN_NAME% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%\n';

export function tcpProxy(statPrefix: string, to: string, fields: Fields = {}): Fields {
  return filter('envoy.filters.network.tcp_proxy', TCP_PROXY, {
    stat_prefix: statPrefix,
    cluster: to,
    access_log: [textLog(INNER_LOG)],
    ...fields,
  });
}

/** A listener with a socket: its filters in front of a relay. */
export function outer(name: string, to: string, before: readonly Fields[] = [], around: Fields = {}): Fields {
  return {
    name,
    stat_prefix: name,
    address: address(`listen.${name}`),
    filter_chains: [{ filters: [...before, tcpProxy(name, to)] }],
    ...around,
  };
}

/** A listener without one. */
export function inner(name: string, filters: readonly Fields[], around: Fields = {}): Fields {
  return { name, internal_listener: {}, filter_chains: [{ filters }], ...around };
}

/** HTTP on a listener without a socket. */
export function innerHttp(options: HttpListener): Fields {
  const { address: _, stat_prefix: __, ...listener } = http(options);
  return { ...listener, internal_listener: {} };
}

/** A cluster whose only endpoint is an internal listener. */
export function toInternal(name: string, listener: string, around: Fields = {}, endpoint: Fields = {}): Fields {
  const { endpoint_id, ...lb } = endpoint;
  const to = { server_listener_name: listener, ...(endpoint_id === undefined ? {} : { endpoint_id }) };
  return {
    ...cluster(name, []),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { envoy_internal_address: to } }, ...lb }] }],
    },
    ...around,
  };
}

const RAW = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
};

/** `host.NAME` and `cluster.NAME` are passed on. */
export function passing(sources: readonly string[] = [], socket: Fields = RAW): Fields {
  const passthrough_metadata = sources.map((source) => {
    const dot = source.indexOf('.');
    return { kind: { [source.slice(0, dot)]: {} }, name: source.slice(dot + 1) };
  });
  return {
    transport_socket: {
      name: 'envoy.transport_sockets.internal_upstream',
      typed_config: any(INTERNAL_UPSTREAM, { passthrough_metadata, transport_socket: socket }),
    },
  };
}

export type Shared = readonly [key: string, factory: string, text: string, sharing?: 'ONCE' | 'TRANSITIVE'];

export const values = (list: readonly Shared[]): Fields[] =>
  list.map(([object_key, factory_key, inline_string, shared_with_upstream]) => ({
    object_key,
    factory_key,
    format_string: { text_format_source: { inline_string } },
    skip_if_empty: true,
    ...(shared_with_upstream === undefined ? {} : { shared_with_upstream }),
  }));

export function networkState(...list: Shared[]): Fields {
  const type = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
  return filter('envoy.filters.network.set_filter_state', type, { on_new_connection: values(list) });
}

const HTTP_STATE = 'envoy.extensions.filters.http.set_filter_state.v3.Config';

export function httpState(list: readonly Shared[], fields: Fields = {}): Fields {
  return filter('envoy.filters.http.set_filter_state', HTTP_STATE, { on_request_headers: values(list), ...fields });
}

/** For one route. */
export function routeState(list: readonly Shared[], fields: Fields = {}): Fields {
  const config = any(HTTP_STATE, { on_request_headers: values(list), ...fields });
  return { typed_per_filter_config: { 'envoy.filters.http.set_filter_state': config } };
}

export const listenerFilter = (kind: string, message: string, fields: Fields = {}): Fields =>
  filter(`envoy.filters.listener.${kind}`, `envoy.extensions.filters.listener.${kind}.v3.${message}`, fields);

export const RESTORE = { listener_filters: [listenerFilter('original_dst', 'OriginalDst')] };
