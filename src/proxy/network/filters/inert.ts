// Network filters that only observe and are not built: accepted, so that what sends them works, and listed as inert.
import type { NetworkFilterFactory } from '../filter.ts';

/**
 * Each passes every byte on in Envoy too. Fields that ask for more are refused: `delay` of mongo_proxy, and the
 * metadata that rules may go by (rbac refuses to read what these filters would write). What ends a chain (redis_proxy),
 * guards it (ext_authz, wasm) or changes what passes is not here, and so is refused.
 *
 * istio.metadata_exchange speaks first on connections whose ALPN is 'istio-peer-exchange': TLS must not agree to that
 * protocol as long as the filter is inert.
 */
const OBSERVERS: readonly (readonly [name: string, type: string, fields: string])[] = [
  [
    'envoy.filters.network.mongo_proxy',
    'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy',
    'stat_prefix access_log commands max_bson_depth',
  ],
  ['envoy.filters.network.mysql_proxy', 'envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy', '*'],
  ['envoy.filters.network.zookeeper_proxy', 'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy', '*'],
  ['istio.metadata_exchange', 'envoy.tcp.metadataexchange.config.MetadataExchange', '*'],
  ['istio.stats', 'stats.PluginConfig', '*'],
];

/** Messages inside them. */
const INNER_FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'stats.PluginConfig': { 'stats.MetricConfig': '*', 'stats.MetricDefinition': '*' },
  'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy': {
    'envoy.extensions.filters.network.zookeeper_proxy.v3.LatencyThresholdOverride': '*',
  },
};

export const inertNetworkFilters: readonly NetworkFilterFactory[] = OBSERVERS.map(([name, configType, fields]) => ({
  name,
  configType,
  fields: { [configType]: fields, ...INNER_FIELDS[configType] },
  isInert: true,
  decode: () => null,
  create: () => null,
}));
