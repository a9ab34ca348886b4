// Configurations of clusters on demand that are refused, and why.
import { bootstrap, cluster, type Fields, filter, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const ON_DEMAND = 'envoy.extensions.filters.http.on_demand.v3';

const withFilter = (odcds: Fields): Fields => {
  const each = filter('on_demand', `${ON_DEMAND}.OnDemand`, { odcds });
  return bootstrap({ listeners: [http({ name: 'main', filters: [each] })], clusters: [cluster('a', ['free.a'])] });
};
const source = (api_type: string): Fields => ({
  resource_api_version: 'V3',
  api_config_source: {
    ...{ api_type, transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'a' } }] },
  },
});
const UNSAFE = 'Envoy ends with the first answer that is not in delta form';

export const onDemandConfigCases: readonly ConfigCase[] = [
  {
    name: 'on_demand: clusters from a server of its own',
    config: withFilter({ source: source('DELTA_GRPC') }),
    isGood: true,
  },
  { name: 'on_demand: clusters from nowhere', config: withFilter({}), mentions: ['odcds.source', 'is required'] },
  {
    name: 'on_demand: clusters from an aggregated server',
    config: withFilter({ source: source('AGGREGATED_DELTA_GRPC') }),
    mentions: ['odcds.source', 'DELTA_GRPC'],
  },
  {
    name: 'on_demand: clusters in whole states',
    config: withFilter({ source: source('GRPC') }),
    mentions: ['odcds.source', 'delta form'],
    stricter: UNSAFE,
  },
  {
    name: 'on_demand: a locator of clusters',
    config: withFilter({ source: source('DELTA_GRPC'), resources_locator: 'foo' }),
    mentions: ['resources_locator'],
  },
  {
    name: 'on_demand: less than no time',
    config: withFilter({ source: source('DELTA_GRPC'), timeout: '-1s' }),
    mentions: ['odcds.timeout', 'Expected positive duration'],
  },
];
