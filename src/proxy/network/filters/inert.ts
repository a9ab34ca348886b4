// Network filters that only observe and are not built: accepted, so that what sends them works, and listed as inert.
import type { NetworkFilterFactory } from '../filter.ts';

/**
 * Each passes every byte on in Envoy too. Fields that ask for more are refused: `delay` of mongo_proxy, and the
 * metadata that rules may go by (rbac refuses to read what these filters would write). What ends a chain (redis_proxy),
 * guards it (ext_authz, wasm) or changes what passes is not here, and so is refused.
 */
const OBSERVERS: readonly (readonly [name: string, type: string, fields: string])[] = [
  [
    'envoy.filters.network.mongo_proxy',
    'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy',
    'stat_prefix access_log commands max_bson_depth',
  ],
  ['envoy.filters.network.mysql_proxy', 'envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy', '*'],
  ['envoy.filters.network.zookeeper_proxy', 'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy', '*'],
];

/** Messages inside them. */
const INNER_FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy': {
    'envoy.extensions.filters.network.zookeeper_proxy.v3.LatencyThresholdOverride': '*',
  },
};

export const inertNetworkFilters: readonly NetworkFilterFactory[] = OBSERVERS.map(([name, configType, fields]) => ({
  name,
  configType,
  fields: { [configType]: fields, ...INNER_FIELDS[configType] },
  isInert: true,
  standIns: () => [{ name, effect: 'inert' as const }],
  decode: () => null,
  create: () => null,
}));
