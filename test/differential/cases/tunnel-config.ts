// What the differential cases of tcp_proxy's tunnels run on: listeners that ask for CONNECT or POST upstream.
import type { Case, RelayStep } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, filter, textLog } from '../config.ts';
import { undated } from './connect-config.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

/** What the log tells of a relayed connection. */
export const TUNNEL_LOG =
  'flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% code=%RESPONSE_CODE% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  'down=%DOWNSTREAM_WIRE_BYTES_RECEIVED%/%DOWNSTREAM_WIRE_BYTES_SENT% ' +
  'up=%UPSTREAM_WIRE_BYTES_RECEIVED%/%UPSTREAM_WIRE_BYTES_SENT% ' +
  'head=%UPSTREAM_HEADER_BYTES_RECEIVED%/%UPSTREAM_HEADER_BYTES_SENT% cluster=%UPSTREAM_CLUSTER% ' +
  'host=%UPSTREAM_HOST% remote=%UPSTREAM_REMOTE_ADDRESS% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'hosts=%UPSTREAM_HOSTS_ATTEMPTED% failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  'closed=%UPSTREAM_LOCAL_CLOSE_REASON%/%DOWNSTREAM_LOCAL_CLOSE_REASON% ' +
  'seen=%UPSTREAM_DETECTED_CLOSE_TYPE%/%DOWNSTREAM_DETECTED_CLOSE_TYPE% ' +
  'protocol=%PROTOCOL%/%UPSTREAM_PROTOCOL% type=%ACCESS_LOG_TYPE% resp=%RESP(:STATUS)% req=%REQ(:METHOD)% ' +
  'metadata=%DYNAMIC_METADATA(envoy.filters.network.tcp_proxy)% ' +
  'headers=%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:TYPED)% ' +
  'plain=%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:PLAIN)% ' +
  'trailers=%FILTER_STATE(envoy.tcp_proxy.propagate_response_trailers:TYPED)%\n';

export const TUNNEL_STATS = ['^tcp\\.', '^cluster\\.[^.]+\\.upstream_(cx|rq|flow)_.*$'];

export function tunnel(name: string, to: string, steps: readonly RelayStep[], around: Partial<Case> = {}): Case {
  return { name, to, relay: steps, stats: TUNNEL_STATS, view: undated, ...around };
}

export const OK = 'HTTP/1.1 200 OK\r\n\r\n';

/** The client's connection and its CONNECT at the upstream. */
export const ASKED: readonly RelayStep[] = [
  ['c', 'connect'],
  ['u', 'gets', 40],
];

/** An open tunnel. */
const OPEN: readonly RelayStep[] = [...ASKED, ['u', 'send', OK]];

/** An open tunnel through which a word went each way. */
export const TALK: readonly RelayStep[] = [
  ...OPEN,
  ['u', 'send', 'hello'],
  ['c', 'gets', 5],
  ['c', 'send', 'question'],
  ['wait', 30],
];

type Options = { readonly proxy?: Fields; readonly listener?: Fields; readonly before?: readonly Fields[] };

function tcp(name: string, tunneling: Fields, options: Options = {}): Fields {
  const { proxy = {}, listener = {}, before = [] } = options;
  const terminal = filter('envoy.filters.network.tcp_proxy', TCP_PROXY, {
    stat_prefix: name,
    cluster: 'a',
    access_log: [textLog(TUNNEL_LOG)],
    tunneling_config: { hostname: 'one.example:443', ...tunneling },
    ...proxy,
  });
  return {
    name,
    stat_prefix: name,
    address: address(`listen.${name}`),
    filter_chains: [{ filters: [...before, terminal] }],
    ...listener,
  };
}

const header = (key: string, value: string, action?: string): Fields => ({
  header: { key, value },
  ...(action === undefined ? {} : { append_action: action }),
});

function state(key: string, value: string): Fields {
  const type = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
  return filter('envoy.filters.network.set_filter_state', type, {
    on_new_connection: [
      { object_key: key, factory_key: 'envoy.string', format_string: { text_format_source: { inline_string: value } } },
    ],
  });
}

function typedState(key: string, value: string): Fields {
  const type = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
  const format_string = { text_format_source: { inline_string: value } };
  return filter('envoy.filters.network.set_filter_state', type, {
    on_new_connection: [{ object_key: key, format_string }],
  });
}

const to = (name: string, fields: Fields = {}): Options => ({ proxy: { cluster: name, ...fields } });
const twice = (name: string): Options => to(name, { max_connect_attempts: 2 });

const listeners: readonly Fields[] = [
  tcp('main', {}),
  tcp('bare-host', { hostname: 'one.example' }),
  tcp('state-host', { hostname: '%FILTER_STATE(my.host:PLAIN)%' }, { before: [state('my.host', 'two.example:80')] }),
  tcp('no-tunnel', {}, { before: [typedState('envoy.tcp_proxy.disable_tunneling', 'true')] }),
  tcp('tunnel-after-all', {}, { before: [typedState('envoy.tcp_proxy.disable_tunneling', 'false')] }),
  tcp('sni-host', { hostname: '%REQUESTED_SERVER_NAME%:443' }),
  tcp('address-host', { hostname: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:1' }),
  tcp('headers', {
    headers_to_add: [
      header('x-from', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'),
      header('x-none', '%FILTER_STATE(nothing:PLAIN)%'),
      header('x-twice', '1'),
      header('x-twice', '2'),
      header('x-over', '1'),
      header('x-over', '2', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      header('x-method', '%REQ(:METHOD)%'),
    ],
  }),
  tcp('post', { use_post: true }),
  tcp('post-path', { use_post: true, post_path: '/tunnel' }),
  tcp('propagate', { propagate_response_headers: true, propagate_response_trailers: true }),
  tcp('request-id', {
    request_id_extension: { typed_config: any('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig') },
  }),
  tcp('request-id-named', {
    request_id_extension: { typed_config: any('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig') },
    request_id_header: 'x-tunnel-id',
    request_id_metadata_key: 'my_id',
  }),
  tcp('refused', {}, to('refused')),
  tcp('refused-2', {}, twice('refused')),
  tcp('full', {}, to('full')),
  tcp('twice', {}, twice('a')),
  tcp('twice-backoff', {}, to('a', { max_connect_attempts: 2, backoff_options: { base_interval: '0.02s' } })),
  tcp('empty', {}, to('empty')),
  tcp('nobody', {}, to('nobody')),
  tcp('no-requests', {}, to('no-requests')),
  tcp('no-pending', {}, to('no-pending')),
  tcp('no-connections', {}, to('no-connections')),
  tcp('idle', {}, { proxy: { idle_timeout: '0.2s' } }),
  tcp('duration', {}, { proxy: { max_downstream_connection_duration: '0.25s' } }),
  tcp(
    'log-moments',
    {},
    {
      proxy: { access_log_options: { flush_access_log_on_connected: true, flush_access_log_on_start: true } },
    },
  ),
  tcp('small', {}, { proxy: { cluster: 'small' }, listener: { per_connection_buffer_limit_bytes: 4096 } }),
  tcp('weighted', {}, { proxy: { cluster: undefined, weighted_clusters: { clusters: [{ name: 'a', weight: 1 }] } } }),
  tcp('on-data', {}, { proxy: { upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 1024 } }),
  tcp('early', {}, { proxy: { max_early_data_bytes: 1024 } }),
  tcp('slow-answer', {}, { proxy: { cluster: 'idle-cluster' } }),
];

const breakers = (fields: Fields): Fields => ({ circuit_breakers: { thresholds: [fields] } });

export const tunnelConfig = bootstrap({
  listeners,
  clusters: [
    cluster('a'),
    cluster('refused', ['free.refused']),
    cluster('full', ['full.f'], { connect_timeout: '0.2s' }),
    { name: 'empty', type: 'STATIC', load_assignment: { cluster_name: 'empty' } },
    cluster('no-requests', ['a'], breakers({ max_requests: 0 })),
    cluster('no-connections', ['a'], breakers({ max_connections: 0 })),
    cluster('no-pending', ['a'], breakers({ max_pending_requests: 0 })),
    cluster('small', ['a'], { per_connection_buffer_limit_bytes: 4096 }),
    cluster('idle-cluster', ['a'], {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          {
            common_http_protocol_options: { idle_timeout: '0.1s', max_stream_duration: '0.3s' },
            explicit_http_config: { http_protocol_options: {} },
          },
        ),
      },
    }),
  ],
});
