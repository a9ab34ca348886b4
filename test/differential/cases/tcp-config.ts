// What the differential cases of tcp_proxy run on: its listeners and clusters, its log line, and how a case is made.
import type { Case, Observation, RelayStep } from '../case.ts';
import { address, bootstrap, cluster, type Fields, filter, textLog } from '../config.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const NETWORK = 'envoy.filters.network';

const LOG =
  'flags=%RESPONSE_FLAGS% long=%RESPONSE_FLAGS_LONG% details=%RESPONSE_CODE_DETAILS% ' +
  'term=%CONNECTION_TERMINATION_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  'down=%DOWNSTREAM_WIRE_BYTES_RECEIVED%/%DOWNSTREAM_WIRE_BYTES_SENT% ' +
  'up=%UPSTREAM_WIRE_BYTES_RECEIVED%/%UPSTREAM_WIRE_BYTES_SENT% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% ' +
  'local=%UPSTREAM_LOCAL_ADDRESS% remote=%UPSTREAM_REMOTE_ADDRESS% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'hosts=%UPSTREAM_HOSTS_ATTEMPTED% failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  'closed=%UPSTREAM_LOCAL_CLOSE_REASON%/%DOWNSTREAM_LOCAL_CLOSE_REASON% ' +
  'seen=%UPSTREAM_DETECTED_CLOSE_TYPE%/%DOWNSTREAM_DETECTED_CLOSE_TYPE% type=%ACCESS_LOG_TYPE% ' +
  'protocol=%PROTOCOL% code=%RESPONSE_CODE% id=%STREAM_ID% route=%ROUTE_NAME% request=%REQUEST_DURATION% ' +
  'response=%RESPONSE_DURATION% ms=%DURATION%\n';

const STATS = [
  '^tcp\\.',
  '^cluster\\.[^.]+\\.(upstream_(cx|rq|flow)_.*|circuit_breakers\\..*|lb_healthy_panic)$',
  '^listener\\.[^.]+\\.downstream_cx_',
];

function tcp(name: string, fields: Fields = {}, listener: Fields = {}, before: readonly Fields[] = []): Fields {
  const specifier = 'weighted_clusters' in fields || 'cluster' in fields ? {} : { cluster: 'a' };
  const proxy = filter(`${NETWORK}.tcp_proxy`, TCP_PROXY, {
    stat_prefix: name,
    ...specifier,
    access_log: [textLog(LOG)],
    ...fields,
  });
  return {
    name,
    stat_prefix: name,
    address: address(`listen.${name}`),
    filter_chains: [{ filters: [...before, proxy] }],
    ...listener,
  };
}

export function relay(name: string, steps: readonly RelayStep[], around: Partial<Case> = {}): Case {
  return { name, relay: steps, stats: STATS, ...around };
}

/** A client with its upstream. */
export const JOINED: readonly RelayStep[] = [
  ['c', 'connect'],
  ['u', 'gets', 0],
];
export const TALK: readonly RelayStep[] = [
  ...JOINED,
  ['c', 'send', 'question'],
  ['u', 'gets', 8],
  ['u', 'send', 'answer'],
  ['c', 'gets', 6],
];

/** Leaves out statistics that depend on what the kernel reports first. */
export const without =
  (...names: string[]) =>
  (observation: Observation): unknown => ({
    ...observation,
    stats: Object.fromEntries(Object.entries(observation.stats).filter(([name]) => !names.includes(name))),
  });

const breakers = (fields: Fields): Fields => ({ circuit_breakers: { thresholds: [fields] } });
const HUGE = 64 << 20;
const large: Fields = { per_connection_buffer_limit_bytes: HUGE };

function state(key: string, value: string): Fields {
  const type = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
  const format = { text_format_source: { inline_string: value } };
  return filter(`${NETWORK}.set_filter_state`, type, {
    on_new_connection: [{ object_key: key, format_string: format }],
  });
}

const denyAll = filter(`${NETWORK}.rbac`, 'envoy.extensions.filters.network.rbac.v3.RBAC', {
  stat_prefix: 'deny',
  rules: { action: 'DENY', policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } },
});

const attempts = (name: string, clusterName: string, count: number, fields: Fields = {}): Fields =>
  tcp(name, { cluster: clusterName, max_connect_attempts: count, ...fields });

const weighted = (...names: string[]): Fields => ({
  weighted_clusters: { clusters: names.map((name) => ({ name, weight: 1 })) },
});

const listeners: readonly Fields[] = [
  tcp('main'),
  tcp('small', { cluster: 'small' }, { per_connection_buffer_limit_bytes: 4096 }),
  tcp('large', { cluster: 'large' }, large),
  tcp('large-idle', { cluster: 'large', idle_timeout: '0.4s' }, large),
  tcp('idle', { idle_timeout: '0.25s' }),
  tcp('own-idle', {}, {}, [state('envoy.tcp_proxy.per_connection_idle_timeout_ms', '200')]),
  tcp('idle-full', { cluster: 'full', idle_timeout: '0.15s' }),
  tcp('duration', { max_downstream_connection_duration: '0.2s' }),
  tcp('jitter', {
    max_downstream_connection_duration: '0.2s',
    max_downstream_connection_duration_jitter_percentage: { value: 50 },
  }),
  attempts('refused', 'refused', 1),
  attempts('refused-3', 'refused', 3),
  attempts('refused-backoff', 'refused', 3, {
    backoff_options: { base_interval: '0.02s', max_interval: '0.05s' },
  }),
  attempts('full', 'full', 1),
  attempts('full-2', 'full', 2),
  tcp('no-cluster', { cluster: 'nobody' }),
  tcp('no-weighted', weighted('nobody')),
  tcp('no-host', { cluster: 'empty' }),
  tcp('unhealthy', { cluster: 'unhealthy' }),
  ...['no-pending', 'one', 'no-requests', 'no-pools', 'per-host'].map((name) => tcp(name, { cluster: name })),
  tcp('rbac', {}, {}, [denyAll]),
  tcp('weighted', weighted('a')),
  tcp('own-cluster', { cluster: 'nobody' }, {}, [state('envoy.tcp_proxy.cluster', 'small')]),
  tcp('own-weighted', weighted('a'), {}, [state('envoy.tcp_proxy.cluster', 'small')]),
  tcp('hash', { hash_policy: [{ source_ip: {} }] }),
  tcp('log-moments', {
    access_log_options: { flush_access_log_on_connected: true, flush_access_log_on_start: true },
  }),
  tcp('log-connected', { flush_access_log_on_connected: true }),
  tcp('log-interval', { access_log_options: { access_log_flush_interval: '0.2s' } }),
  tcp('on-data', { upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 1024 }),
  tcp('drain', { check_drain_close: true }),
  tcp('on-tls', { upstream_connect_mode: 'ON_DOWNSTREAM_TLS_HANDSHAKE', max_early_data_bytes: 0 }),
  tcp('early-full', { cluster: 'full', max_early_data_bytes: 1024 }),
];

const TIMEOUT = { connect_timeout: '0.3s' };

export const tcpProxyConfig = bootstrap({
  listeners,
  clusters: [
    cluster('a'),
    cluster('small', ['a'], { per_connection_buffer_limit_bytes: 4096 }),
    cluster('large', ['a'], large),
    cluster('refused', ['free.refused']),
    cluster('full', ['full.f'], TIMEOUT),
    { name: 'empty', type: 'STATIC', load_assignment: { cluster_name: 'empty' } },
    cluster('unhealthy', [], {
      load_assignment: {
        cluster_name: 'unhealthy',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: address('backend.a') }, health_status: 'UNHEALTHY' }] }],
      },
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    }),
    cluster('no-pending', ['a'], breakers({ max_pending_requests: 0 })),
    cluster('one', ['a'], breakers({ max_connections: 1 })),
    cluster('no-requests', ['a'], breakers({ max_requests: 0 })),
    cluster('no-pools', ['a'], breakers({ max_connection_pools: 0 })),
    cluster('per-host', ['a'], { circuit_breakers: { per_host_thresholds: [{ max_connections: 1 }] } }),
  ],
});
