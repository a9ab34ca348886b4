// Configurations of listener filters that cannot be: both proxies refuse them, or Heddle says why it is stricter.
import { bootstrap } from '../config.ts';
import type { Fields } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import { listenerFilter, watchedListener } from './listener-client.ts';

type FilterName = Parameters<typeof listenerFilter>[0];

const AT = 'listener_filters[0].typed_config';

function configCase(name: FilterName, fields: Fields, expected: Partial<ConfigCase>): ConfigCase {
  const config = bootstrap({ listeners: [watchedListener('main', [listenerFilter(name, fields)])], clusters: [] });
  return { name: `${name} ${JSON.stringify(fields)}`, config, ...expected };
}

const bad = (name: FilterName, fields: Fields, ...mentions: readonly string[]): ConfigCase =>
  configCase(name, fields, { mentions: [AT, ...mentions] });
const good = (name: FilterName, fields: Fields): ConfigCase => configCase(name, fields, { isGood: true });

const bucket = (fields: Fields): Fields => ({ stat_prefix: 'x', token_bucket: { fill_interval: '1s', ...fields } });

export const listenerFilterConfigCases: readonly ConfigCase[] = [
  good('tls_inspector', { max_client_hello_size: 256, initial_read_buffer_size: 512 }),
  bad('tls_inspector', { max_client_hello_size: 255 }, 'max_client_hello_size'),
  bad('tls_inspector', { max_client_hello_size: 16_385 }, 'max_client_hello_size'),
  bad('tls_inspector', { initial_read_buffer_size: 255 }, 'initial_read_buffer_size'),
  bad('tls_inspector', { initial_read_buffer_size: 65_537 }, 'initial_read_buffer_size'),
  good('http_inspector', {}),
  good('original_dst', {}),
  good('original_src', { mark: 5 }),
  configCase('original_src', { bind_port: true }, { mentions: ['bind_port'], stricter: 'Envoy ignores the field' }),
  good('proxy_protocol', { rules: [{ tlv_type: 255, on_tlv_present: { key: 'a' } }], stat_prefix: 'x' }),
  bad('proxy_protocol', { disallowed_versions: ['V1', 'V2'] }, 'all proxy protocol versions are disallowed'),
  bad('proxy_protocol', { rules: [{ tlv_type: 256, on_tlv_present: { key: 'a' } }] }, 'rules[0].tlv_type'),
  bad('proxy_protocol', { rules: [{ tlv_type: 1, on_tlv_present: {} }] }, 'rules[0].on_tlv_present.key'),
  bad('proxy_protocol', { pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [300] } }, 'tlv_type[0]'),
  good('local_ratelimit', bucket({ max_tokens: 1 })),
  good('local_ratelimit', bucket({ max_tokens: 0 })),
  bad('local_ratelimit', {}, 'stat_prefix'),
  bad('local_ratelimit', { stat_prefix: 'x' }, 'token_bucket'),
  bad('local_ratelimit', bucket({ max_tokens: 1, fill_interval: '0.04s' }), 'fill_interval'),
  bad('local_ratelimit', bucket({ max_tokens: 1, tokens_per_fill: 0 }), 'tokens_per_fill'),
];
