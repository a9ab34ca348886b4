// Sources of dynamic configuration that both proxies must refuse, or accept: each type from each kind of server.
import { bootstrap, cluster, type Fields, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const service = { grpc_services: [{ envoy_grpc: { cluster_name: 'control' } }] };
const rest = { cluster_names: ['control'], refresh_delay: '1s' };
const api = (type: string): Fields => ({
  api_type: type,
  transport_api_version: 'V3',
  ...(type === 'REST' ? rest : service),
});
const from = (type: string): Fields => ({ api_config_source: api(type), resource_api_version: 'V3' });
const ADS: Fields = { ads: {}, resource_api_version: 'V3' };

const control = cluster('control', ['free.control']);
const around = (fields: Fields, manager: Fields = {}): Fields =>
  bootstrap({ listeners: [http({ name: 'main', hcm: manager })], clusters: [cluster('a'), control], around: fields });

const WAYS = ['GRPC', 'DELTA_GRPC', 'REST'];

/** Virtual hosts of a table that comes in place. */
const vhds = (config_source: Fields): Fields => ({ route_config: { name: 'r', vhds: { config_source } } });

const good: readonly (readonly [string, Fields])[] = [
  ...WAYS.slice(0, 2).map(
    (way) => [`ads_config by ${way}`, around({ dynamic_resources: { ads_config: api(way) } })] as const,
  ),
  ...WAYS.map((way) => {
    const fields = {
      dynamic_resources: { cds_config: from(way), lds_config: from(way) },
      layered_runtime: { layers: [{ name: 'a', rtds_layer: { name: 'a', rtds_config: from(way) } }] },
    };
    const manager = { route_config: undefined, rds: { route_config_name: 'r', config_source: from(way) } };
    return [`all by ${way}`, around(fields, manager)] as const;
  }),
];

const NOT_AGGREGATED = 'must be of non-aggregated gRPC';
const VHDS = 'is supported as a config source';
const bad: readonly (readonly [string, Fields, string])[] = [
  ...['REST', 'AGGREGATED_GRPC', 'AGGREGATED_DELTA_GRPC'].map(
    (way) => [`ads_config by ${way}`, around({ dynamic_resources: { ads_config: api(way) } }), NOT_AGGREGATED] as const,
  ),
  ...['GRPC', 'REST'].map((way) => [`virtual hosts by ${way}`, around({}, vhds(from(way))), VHDS] as const),
];

export const configSourceCases: readonly ConfigCase[] = [
  ...good.map(([name, config]) => ({ name: `source: ${name}`, config, isGood: true })),
  {
    name: 'source: no ads_config to ask',
    config: around({ dynamic_resources: { cds_config: ADS } }),
    mentions: ['cds_config.ads: there is no dynamic_resources.ads_config'],
    stricter: 'nobody would ever be asked',
  },
  ...bad.map(([name, config, text]) => ({ name: `source: ${name}`, config, mentions: [text] })),
];
