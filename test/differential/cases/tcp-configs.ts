// Configurations of tcp_proxy that both proxies must refuse or accept, and those that Heddle alone refuses.
import { bootstrap, cluster, type Fields, filter, textLog } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

function withProxy(fields: Fields): Fields {
  const proxy = filter('envoy.filters.network.tcp_proxy', TCP_PROXY, { stat_prefix: 't', cluster: 'a', ...fields });
  const address = { socket_address: { address: '127.0.0.1', port_value: '{{listen.main}}' } };
  return bootstrap({
    listeners: [{ name: 'main', address, filter_chains: [{ filters: [proxy] }] }],
    clusters: [cluster('a', ['free.a'])],
  });
}

const weights = (...list: number[]): Fields => ({
  cluster: undefined,
  weighted_clusters: { clusters: list.map((weight, i) => ({ name: `c${i}`, weight })) },
});
const policies = (...list: Fields[]): Fields => ({ hash_policy: list });

const good: Readonly<Record<string, Fields>> = {
  'tcp_proxy to an unknown cluster': withProxy({ cluster: 'nobody' }),
  'tcp_proxy with weights': withProxy(weights(1, 4_294_967_294)),
  'tcp_proxy on demand from nowhere': withProxy({ on_demand: {} }),
  'tcp_proxy without idle timeout': withProxy({ idle_timeout: '0s' }),
  'tcp_proxy hash of filter state': withProxy(policies({ filter_state: { key: 'k' } })),
  'tcp_proxy early data': withProxy({ max_early_data_bytes: 1_048_576 }),
  'tcp_proxy on data without early bytes': withProxy({
    upstream_connect_mode: 'ON_DOWNSTREAM_DATA',
    max_early_data_bytes: 0,
  }),
  'tcp_proxy subset that no cluster has': withProxy({
    metadata_match: { filter_metadata: { 'envoy.lb': { version: '1' } } },
  }),
  'tcp_proxy back-off without a maximum': withProxy({ backoff_options: { base_interval: '1s' } }),
  'tcp_proxy jitter without a duration': withProxy({
    max_downstream_connection_duration_jitter_percentage: { value: 10 },
  }),
  'tcp_proxy periodic log': withProxy({ access_log_flush_interval: '0.001s', access_log: [textLog('x\n')] }),
};

const bad: Readonly<Record<string, readonly [Fields, ...string[]]>> = {
  'tcp_proxy without a prefix': [withProxy({ stat_prefix: '' }), 'stat_prefix'],
  'tcp_proxy without a cluster': [withProxy({ cluster: undefined }), 'cluster_specifier'],
  'tcp_proxy without weighted clusters': [withProxy(weights()), 'weighted_clusters.clusters'],
  'tcp_proxy weight 0': [withProxy(weights(1, 0)), 'weighted_clusters.clusters[1].weight'],
  'tcp_proxy no attempt': [withProxy({ max_connect_attempts: 0 }), 'max_connect_attempts'],
  'tcp_proxy two hash policies': [withProxy(policies({ source_ip: {} }, { source_ip: {} })), 'hash_policy'],
  'tcp_proxy empty hash policy': [withProxy(policies({})), 'hash_policy[0]'],
  'tcp_proxy hash of nothing': [withProxy(policies({ filter_state: {} })), 'hash_policy[0].filter_state.key'],
  'tcp_proxy duration too short': [
    withProxy({ max_downstream_connection_duration: '0.0001s' }),
    'max_downstream_connection_duration',
  ],
  'tcp_proxy log interval too short': [
    withProxy({ access_log_options: { access_log_flush_interval: '0.0001s' } }),
    'access_log_flush_interval',
  ],
  'tcp_proxy both kinds of log interval': [
    withProxy({ access_log_flush_interval: '1s', access_log_options: {} }),
    'access_log_flush_interval',
  ],
  'tcp_proxy both kinds of log when connected': [
    withProxy({ flush_access_log_on_connected: true, access_log_options: {} }),
    'flush_access_log_on_connected',
  ],
  'tcp_proxy on data without a limit': [
    withProxy({ upstream_connect_mode: 'ON_DOWNSTREAM_DATA' }),
    'max_early_data_bytes',
  ],
  'tcp_proxy too much early data': [withProxy({ max_early_data_bytes: 1_048_577 }), 'max_early_data_bytes'],
  'tcp_proxy back-off beyond its maximum': [
    withProxy({ backoff_options: { base_interval: '2s', max_interval: '1s' } }),
    'backoff_options',
  ],
  'tcp_proxy jitter above 100': [
    withProxy({ max_downstream_connection_duration_jitter_percentage: { value: 101 } }),
    'max_downstream_connection_duration_jitter_percentage',
  ],
};

const stricter: Readonly<Record<string, readonly [Fields, string, string]>> = {
  'tcp_proxy PROXY TLVs': [
    withProxy({ proxy_protocol_tlvs: [{ type: 1, value: 'YQ==' }] }),
    'no PROXY header is sent upstream yet',
    'proxy_protocol_tlvs',
  ],
  'tcp_proxy idle timeout of one side': [
    withProxy({ downstream_idle_timeout: '1s' }),
    'Envoy reads the field and does nothing with it',
    'downstream_idle_timeout',
  ],
};

export const tcpConfigCases: readonly ConfigCase[] = [
  ...Object.entries(good).map(([name, config]) => ({ name, config, isGood: true })),
  ...Object.entries(bad).map(([name, [config, ...mentions]]) => ({ name, config, mentions })),
  ...Object.entries(stricter).map(([name, [config, why, mention]]) => ({
    name,
    config,
    stricter: why,
    mentions: [mention],
  })),
];
