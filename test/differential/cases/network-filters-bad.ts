// Configurations of network filters that are refused, and those that pass although nothing is built for them.
import { any, bootstrap, type Fields, filter } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import { echo, network } from './network-filters.ts';

const PACKAGE = 'envoy.extensions.filters.network';

const withFilters = (filters: readonly Fields[]): Fields =>
  bootstrap({ listeners: [network({ name: 'main', filters })], clusters: [] });
const before = (type: string, fields: Fields): Fields =>
  withFilters([filter('it', `${PACKAGE}.${type}`, fields), echo]);

const ANY = [{ any: true }];
const header = { header: { name: 'a', present_match: true } };
const rbac = (permission: Fields): Fields =>
  before('rbac.v3.RBAC', {
    stat_prefix: 'p',
    rules: { action: 'DENY', policies: { x: { permissions: [permission], principals: ANY } } },
  });
const input = (type: string, fields: Fields = {}): Fields => ({
  stat_prefix: 'p',
  matcher: {
    matcher_tree: {
      input: { name: 'input', typed_config: any(type, fields) },
      exact_match_map: {
        map: { a: { action: { name: 'act', typed_config: any('envoy.config.rbac.v3.Action', { name: 'x' }) } } },
      },
    },
  },
});
const value = (fields: Fields): Fields => ({
  on_new_connection: [{ format_string: { text_format_source: { inline_string: 'v' } }, ...fields }],
});

export const networkConfigCases: readonly ConfigCase[] = [
  { name: 'network rbac with a header rule', config: rbac(header), mentions: ['header', 'RBAC network filter'] },
  { name: 'network rbac with a header rule inside', config: rbac({ not_rule: header }), mentions: ['not_rule.header'] },
  { name: 'network rbac without stat_prefix', config: before('rbac.v3.RBAC', {}), mentions: ['stat_prefix'] },
  {
    name: 'network rbac matching a header',
    config: before('rbac.v3.RBAC', input('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: 'a' })),
    mentions: ['RBAC network filter cannot match'],
  },
  {
    name: 'network rbac by metadata of a filter that is inert',
    config: rbac({
      metadata: { filter: 'envoy.filters.network.mysql_proxy', path: [{ key: 'a' }], value: { present_match: true } },
    }),
    mentions: ['mysql_proxy'],
    stricter: 'nothing would be denied',
  },
  {
    name: 'connection limit of zero',
    config: before('connection_limit.v3.ConnectionLimit', { stat_prefix: 'p', max_connections: 0 }),
    mentions: ['max_connections'],
  },
  {
    name: 'network rate limit that fills too often',
    config: before('local_ratelimit.v3.LocalRateLimit', {
      stat_prefix: 'p',
      token_bucket: { max_tokens: 1, fill_interval: '0.01s' },
    }),
    mentions: ['fill_interval', '50'],
  },
  {
    name: 'network rate limit without bucket',
    config: before('local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'p' }),
    mentions: ['token_bucket'],
  },
  {
    name: 'filter state of no kind',
    config: before('set_filter_state.v3.Config', value({ object_key: 'k' })),
    mentions: ['on_new_connection[0]', "'k' does not have an object factory"],
  },
  {
    name: 'filter state of a kind that there is not',
    config: before('set_filter_state.v3.Config', value({ object_key: 'k', factory_key: 'no.such' })),
    mentions: ["'k' does not have an object factory"],
  },
  {
    name: 'filter state of an unknown command',
    config: before('set_filter_state.v3.Config', {
      on_new_connection: [
        { object_key: 'envoy.string', format_string: { text_format_source: { inline_string: '%NO_SUCH%' } } },
      ],
    }),
    mentions: ['NO_SUCH'],
  },
  {
    name: 'direct response from a variable that is not set',
    config: withFilters([
      filter('say', `${PACKAGE}.direct_response.v3.Config`, { response: { environment_variable: 'NO_SUCH_VARIABLE' } }),
    ]),
    mentions: ['NO_SUCH_VARIABLE'],
  },
  {
    name: 'direct response from a file that is not there',
    config: withFilters([
      filter('say', `${PACKAGE}.direct_response.v3.Config`, { response: { filename: '/no/such/file' } }),
    ]),
    mentions: ['/no/such/file'],
  },
  {
    name: 'a network filter behind the terminal one',
    config: withFilters([echo, echo]),
    mentions: ['filters'],
  },
  {
    name: 'a chain without terminal filter',
    config: withFilters([filter('sni', `${PACKAGE}.sni_cluster.v3.SniCluster`)]),
    mentions: ['filters'],
  },
  {
    name: 'mongo_proxy observes',
    config: before('mongo_proxy.v3.MongoProxy', { stat_prefix: 'p', commands: ['find'] }),
    isGood: true,
  },
  {
    name: 'zookeeper_proxy observes',
    config: before('zookeeper_proxy.v3.ZooKeeperProxy', { stat_prefix: 'p', max_packet_bytes: 1000 }),
    isGood: true,
  },
  {
    name: 'mongo_proxy that delays',
    config: before('mongo_proxy.v3.MongoProxy', {
      stat_prefix: 'p',
      delay: { fixed_delay: '1s', percentage: { numerator: 1 } },
    }),
    mentions: ['delay'],
    stricter: 'nothing would be delayed',
  },
  {
    name: 'mongo_proxy that tells rules what it saw',
    config: before('mongo_proxy.v3.MongoProxy', { stat_prefix: 'p', emit_dynamic_metadata: true }),
    mentions: ['emit_dynamic_metadata'],
    stricter: 'rules could not see it',
  },
];
