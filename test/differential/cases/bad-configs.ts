// Configurations that both proxies must refuse (or accept), and what Heddle's message must name.
import type { Fields } from '../config.ts';
import {
  address,
  any,
  bootstrap,
  cluster,
  direct,
  filter,
  http,
  match,
  route,
  routerFilter,
  toYaml,
} from '../config.ts';

export type ConfigCase = {
  readonly name: string;
  readonly config: unknown;
  /** Texts that Heddle's message must contain: the resource, the field path, the reason. */
  readonly mentions?: readonly string[];
  /** True for a configuration that both must accept. */
  readonly isGood?: boolean;
  /** Why Heddle refuses what Envoy accepts. */
  readonly stricter?: string;
};

const goodListener = http({ name: 'main' });
const a = cluster('a');

function withListener(listener: Fields, clusters: readonly Fields[] = [a]): Fields {
  return bootstrap({ listeners: [listener], clusters });
}
const withHcm = (hcm: Fields): Fields => withListener(http({ name: 'main', hcm }));
const withRoute = (entry: Fields): Fields => withListener(http({ name: 'main', routes: [entry] }));
const withAction = (action: Fields): Fields => withRoute(route('/', 'a', action));
const withMatch = (matcher: Fields): Fields => withRoute(match(matcher, 'a'));
const withFilter = (entry: Fields): Fields => withListener(http({ name: 'main', filters: [entry] }));
function withCluster(fields: Fields): Fields {
  return withListener(goodListener, [{ ...a, ...fields }]);
}
function withBootstrap(fields: Fields): Fields {
  return bootstrap({ listeners: [goodListener], clusters: [a], around: fields });
}
function withLog(text: string): Fields {
  return withListener(
    http({
      name: 'main',
      log: [
        {
          name: 'l',
          typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
            path: '{{log}}',
            log_format: { text_format_source: { inline_string: text } },
          }),
        },
      ],
    }),
  );
}

export const configCases: readonly ConfigCase[] = [
  { name: 'good configuration', config: withListener(goodListener), isGood: true },
  { name: 'empty document', config: '' },
  { name: 'empty object', config: '{}', isGood: true },
  { name: 'broken YAML', config: 'static_resources: [\n  - : :', mentions: [] },
  { name: 'tab indentation', config: 'static_resources:\n\tlisteners: []', mentions: [] },
  { name: 'a list at the top', config: '- a\n- b\n', mentions: [] },
  { name: 'a string at the top', config: 'just text\n', mentions: [] },
  { name: 'unknown top field', config: withBootstrap({ nonsense: 1 }), mentions: ['nonsense'] },
  { name: 'unknown listener field', config: withListener({ ...goodListener, adress: {} }), mentions: ['adress'] },
  { name: 'unknown connection manager field', config: withHcm({ sever_name: 'x' }), mentions: ['sever_name'] },
  { name: 'unknown route field', config: withRoute({ ...route('/', 'a'), rout: {} }), mentions: ['rout'] },
  { name: 'unknown cluster field', config: withCluster({ typo_field: true }), mentions: ['typo_field'] },
  { name: 'wrong type, number for text', config: withHcm({ server_name: 5 }), mentions: ['server_name'] },
  {
    name: 'wrong type, text for number',
    config: withHcm({ max_request_headers_kb: 'many' }),
    mentions: ['max_request_headers_kb'],
  },
  {
    name: 'wrong type, text for boolean',
    config: withHcm({ use_remote_address: 'perhaps' }),
    mentions: ['use_remote_address'],
  },
  { name: 'wrong type, list for object', config: withAction({ retry_policy: [] }), mentions: ['retry_policy'] },
  {
    name: 'wrong type, object for list',
    config: withListener(http({ name: 'main', hcm: { access_log: {} } })),
    mentions: ['access_log'],
  },
  {
    name: 'unknown enum value',
    config: withHcm({ server_header_transformation: 'SOMETIMES' }),
    mentions: ['server_header_transformation', 'SOMETIMES'],
  },
  { name: 'bad duration', config: withAction({ timeout: 'fast' }), mentions: ['timeout'] },
  { name: 'duration without unit', config: withAction({ timeout: '5' }), mentions: ['timeout'] },
  {
    name: 'negative number for unsigned',
    config: withHcm({ max_request_headers_kb: -1 }),
    mentions: ['max_request_headers_kb'],
  },
  {
    name: 'number too large',
    config: withHcm({ max_request_headers_kb: 99999999999 }),
    mentions: ['max_request_headers_kb'],
  },
  {
    name: 'two of a oneof',
    config: withRoute({ match: { prefix: '/', path: '/x' }, route: { cluster: 'a' } }),
    mentions: ['match'],
  },
  { name: 'route without match', config: withRoute({ route: { cluster: 'a' } }), mentions: ['match'] },
  { name: 'route without action', config: withRoute({ match: { prefix: '/' } }), mentions: ['action'] },
  { name: 'match without path specifier', config: withMatch({}), mentions: ['path_specifier'] },
  {
    name: 'route without cluster specifier',
    config: withRoute({ match: { prefix: '/' }, route: {} }),
    mentions: ['cluster_specifier'],
  },
  {
    name: 'virtual host without name',
    config: withListener(http({ name: 'main', virtualHosts: [{ domains: ['*'], routes: [] }] })),
    mentions: ['name'],
  },
  {
    name: 'virtual host without domains',
    config: withListener(http({ name: 'main', virtualHosts: [{ name: 'v', routes: [] }] })),
    mentions: ['domains'],
  },
  {
    name: 'duplicate domain',
    config: withListener(
      http({
        name: 'main',
        virtualHosts: [
          { name: 'v', domains: ['x'], routes: [] },
          { name: 'w', domains: ['x'], routes: [] },
        ],
      }),
    ),
    mentions: ['x'],
  },
  {
    name: 'two wildcards',
    config: withListener(
      http({
        name: 'main',
        virtualHosts: [
          { name: 'v', domains: ['*'], routes: [] },
          { name: 'w', domains: ['*'], routes: [] },
        ],
      }),
    ),
    mentions: [],
  },
  {
    name: 'duplicate virtual host name',
    config: withListener(
      http({
        name: 'main',
        virtualHosts: [
          { name: 'v', domains: ['x'], routes: [] },
          { name: 'v', domains: ['y'], routes: [] },
        ],
      }),
    ),
    isGood: true,
  },
  {
    name: 'duplicate domain in another case',
    config: withListener(
      http({
        name: 'main',
        virtualHosts: [
          { name: 'v', domains: ['x.example'], routes: [] },
          { name: 'w', domains: ['X.EXAMPLE'], routes: [] },
        ],
      }),
    ),
    mentions: [],
  },
  { name: 'unknown cluster', config: withRoute(route('/', 'nowhere')), mentions: ['nowhere'] },
  {
    name: 'unknown cluster in weights',
    config: withRoute({
      match: { prefix: '/' },
      route: { weighted_clusters: { clusters: [{ name: 'nowhere', weight: 1 }] } },
    }),
    mentions: ['nowhere'],
  },
  {
    name: 'weights sum to zero',
    config: withRoute({
      match: { prefix: '/' },
      route: { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } },
    }),
    mentions: [],
  },
  {
    name: 'unknown mirror cluster',
    config: withAction({ request_mirror_policies: [{ cluster: 'nowhere' }] }),
    mentions: ['nowhere'],
  },
  { name: 'bad regex', config: withMatch({ safe_regex: { regex: '(' } }), mentions: ['('] },
  { name: 'regex with lookahead', config: withMatch({ safe_regex: { regex: '(?=a)' } }), mentions: ['(?='] },
  { name: 'empty regex', config: withMatch({ safe_regex: { regex: '' } }), mentions: ['regex'] },
  {
    name: 'path_separated_prefix with trailing slash',
    config: withMatch({ path_separated_prefix: '/a/' }),
    mentions: ['path_separated_prefix'],
  },
  {
    name: 'header matcher without name',
    config: withMatch({ prefix: '/', headers: [{ present_match: true }] }),
    mentions: ['name'],
  },
  {
    name: 'bad rewrite substitution',
    config: withAction({ regex_rewrite: { pattern: { regex: '/(a)' }, substitution: '\\2' } }),
    stricter: 'the rewrite could never be applied',
  },
  {
    name: 'prefix and regex rewrite',
    config: withAction({ prefix_rewrite: '/x', regex_rewrite: { pattern: { regex: 'a' }, substitution: 'b' } }),
    mentions: ['rewrite'],
  },
  { name: 'bad direct response status', config: withRoute(direct({ prefix: '/' }, 99)), mentions: ['status'] },
  { name: 'direct response status 600', config: withRoute(direct({ prefix: '/' }, 600)), mentions: ['status'] },
  {
    name: 'redirect code unknown',
    config: withRoute({ match: { prefix: '/' }, redirect: { response_code: 'OK' } }),
    mentions: ['response_code'],
  },
  {
    name: 'header to add without name',
    config: withRoute({ ...route('/', 'a'), request_headers_to_add: [{ header: { key: '', value: 'x' } }] }),
    mentions: ['key'],
  },
  {
    name: 'header name with newline',
    config: withRoute({ ...route('/', 'a'), request_headers_to_add: [{ header: { key: 'a\nb', value: 'x' } }] }),
    mentions: ['key'],
  },
  {
    name: 'pseudo-header to add',
    config: withRoute({ ...route('/', 'a'), request_headers_to_add: [{ header: { key: ':path', value: 'x' } }] }),
    mentions: ['key'],
  },
  {
    name: 'host header to remove',
    config: withRoute({ ...route('/', 'a'), request_headers_to_remove: ['host'] }),
    mentions: ['host'],
  },
  {
    name: 'unknown operator in a header',
    config: withRoute({ ...route('/', 'a'), request_headers_to_add: [{ header: { key: 'x', value: '%NONSENSE%' } }] }),
    mentions: ['NONSENSE'],
  },
  {
    name: 'unclosed operator in a header',
    config: withRoute({ ...route('/', 'a'), request_headers_to_add: [{ header: { key: 'x', value: '%REQ(X' } }] }),
    mentions: [],
  },
  { name: 'unknown operator in a log', config: withLog('%NONSENSE%'), mentions: ['NONSENSE'] },
  { name: 'unclosed operator in a log', config: withLog('%REQ(X%'), mentions: [] },
  { name: 'bad length in a log operator', config: withLog('%REQ(X):abc%'), mentions: [] },
  {
    name: 'log path empty',
    config: withListener(
      http({
        name: 'main',
        log: [{ name: 'l', typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path: '' }) }],
      }),
    ),
    mentions: ['path'],
  },
  {
    name: 'log directory missing',
    config: withListener(
      http({
        name: 'main',
        log: [
          {
            name: 'l',
            typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path: '{{dir}}/none/x.log' }),
          },
        ],
      }),
    ),
    mentions: ['none/x.log'],
  },
  {
    name: 'bad numerator denominator',
    config: withAction({
      request_mirror_policies: [
        { cluster: 'a', runtime_fraction: { default_value: { numerator: 1, denominator: 'DOZEN' } } },
      ],
    }),
    mentions: ['denominator'],
  },
  { name: 'retry_on unknown word', config: withAction({ retry_policy: { retry_on: 'sometimes' } }), isGood: true },
  {
    name: 'retry back-off without base',
    config: withAction({ retry_policy: { retry_on: '5xx', retry_back_off: { max_interval: '1s' } } }),
    mentions: ['base_interval'],
  },
  {
    name: 'retry back-off upside down',
    config: withAction({
      retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '1s', max_interval: '0.1s' } },
    }),
    mentions: ['interval'],
  },
  {
    name: 'unknown HTTP filter',
    config: withFilter({ name: 'x', typed_config: any('envoy.extensions.filters.http.nonsense.v3.Nonsense') }),
    mentions: ['nonsense'],
  },
  {
    name: 'unknown any type',
    config: withFilter({ name: 'x', typed_config: { '@type': 'type.googleapis.com/no.such.Type' } }),
    mentions: ['no.such.Type'],
  },
  {
    name: 'filter without config',
    config: withFilter({ name: 'envoy.filters.http.fault' }),
    mentions: ['envoy.filters.http.fault'],
  },
  { name: 'any without type', config: withFilter({ name: 'x', typed_config: { a: 1 } }), mentions: [] },
  {
    name: 'wrong type for the filter field',
    config: withFilter(
      filter('envoy.filters.http.fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault', {
        abort: { http_status: 50, percentage: { numerator: 1 } },
      }),
    ),
    mentions: ['http_status'],
  },
  {
    name: 'fault delay of zero',
    config: withFilter(
      filter('envoy.filters.http.fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault', {
        delay: { fixed_delay: '0s', percentage: { numerator: 1 } },
      }),
    ),
    mentions: ['fixed_delay'],
  },
  {
    name: 'rate limit without stat_prefix',
    config: withFilter(
      filter(
        'envoy.filters.http.local_ratelimit',
        'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
        {},
      ),
    ),
    mentions: ['stat_prefix'],
  },
  {
    name: 'rate limit fill interval too short',
    config: withFilter(
      filter('envoy.filters.http.local_ratelimit', 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
        stat_prefix: 'x',
        token_bucket: { max_tokens: 1, fill_interval: '0.001s' },
      }),
    ),
    mentions: ['fill_interval'],
  },
  {
    name: 'rbac policy without permissions',
    config: withFilter(
      filter('envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC', {
        rules: { action: 'ALLOW', policies: { p: { principals: [{ any: true }] } } },
      }),
    ),
    mentions: ['permissions'],
  },
  {
    name: 'rbac bad CIDR',
    config: withFilter(
      filter('envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC', {
        rules: {
          action: 'ALLOW',
          policies: {
            p: {
              permissions: [{ any: true }],
              principals: [{ direct_remote_ip: { address_prefix: 'x', prefix_len: 8 } }],
            },
          },
        },
      }),
    ),
    mentions: ['address_prefix'],
  },
  {
    name: 'router not last',
    config: withListener(
      http({
        name: 'main',
        hcm: {
          http_filters: [routerFilter, filter('envoy.filters.http.cors', 'envoy.extensions.filters.http.cors.v3.Cors')],
        },
      }),
    ),
    mentions: ['router'],
  },
  {
    name: 'no HTTP filters',
    config: withListener(http({ name: 'main', hcm: { http_filters: [] } })),
    stricter: 'no request could ever be answered',
  },
  {
    name: 'per-filter config of the wrong type',
    config: withRoute({
      ...route('/', 'a'),
      typed_per_filter_config: { 'envoy.filters.http.fault': any('no.such.Type') },
    }),
    mentions: ['no.such.Type'],
  },
  {
    name: 'per-filter config for an unknown filter',
    config: withRoute({
      ...route('/', 'a'),
      typed_per_filter_config: { 'no.such.filter': any('envoy.extensions.filters.http.fault.v3.HTTPFault') },
    }),
    isGood: true,
  },
  { name: 'stat_prefix missing', config: withHcm({ stat_prefix: '' }), mentions: ['stat_prefix'] },
  {
    name: 'no route specifier',
    config: withListener({
      name: 'main',
      address: address('listen.main'),
      filter_chains: [
        {
          filters: [
            {
              name: 'h',
              typed_config: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
                stat_prefix: 'x',
                http_filters: [routerFilter],
              }),
            },
          ],
        },
      ],
    }),
    mentions: ['route_specifier'],
  },
  {
    name: 'max_request_headers_kb too large',
    config: withHcm({ max_request_headers_kb: 10000 }),
    mentions: ['max_request_headers_kb'],
  },
  {
    name: 'strip_matching and strip_any',
    config: withHcm({ strip_matching_host_port: true, strip_any_host_port: true }),
    mentions: ['host_port'],
  },
  {
    name: 'listener without address',
    config: withListener({ ...goodListener, address: undefined }),
    mentions: ['address'],
  },
  {
    name: 'listener with bad address',
    config: withListener({
      ...goodListener,
      address: { socket_address: { address: 'not an address', port_value: 1 } },
    }),
    mentions: ['not an address'],
  },
  {
    name: 'port too large',
    config: withListener({ ...goodListener, address: { socket_address: { address: '127.0.0.1', port_value: 70000 } } }),
    mentions: ['port_value'],
  },
  {
    name: 'duplicate listener name',
    config: bootstrap({
      listeners: [goodListener, { ...goodListener, address: address('listen.other') }],
      clusters: [a],
    }),
    stricter: 'one of the two would be dropped in silence',
  },
  {
    name: 'duplicate listener address',
    config: bootstrap({ listeners: [goodListener, { ...goodListener, name: 'again' }], clusters: [a] }),
    mentions: ['again'],
  },
  {
    name: 'two equal filter chain matches',
    config: withListener({
      ...goodListener,
      filter_chains: [...(goodListener['filter_chains'] as Fields[]), ...(goodListener['filter_chains'] as Fields[])],
    }),
    mentions: ['filter_chain'],
  },
  {
    name: 'listener without filter chains',
    config: withListener({ name: 'main', address: address('listen.main') }),
    mentions: [],
  },
  {
    name: 'unknown network filter',
    config: withListener({
      ...goodListener,
      filter_chains: [{ filters: [{ name: 'x', typed_config: any('no.such.Type') }] }],
    }),
    mentions: ['no.such.Type'],
  },
  { name: 'cluster without name', config: withCluster({ name: '' }), mentions: ['name'] },
  { name: 'duplicate cluster', config: withListener(goodListener, [a, a]), mentions: ['a'] },
  {
    name: 'cluster connect_timeout zero',
    config: withCluster({ connect_timeout: '0s' }),
    mentions: ['connect_timeout'],
  },
  {
    name: 'cluster with bad endpoint address',
    config: withCluster({
      load_assignment: {
        cluster_name: 'a',
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'localhost', port_value: 80 } } } }] },
        ],
      },
    }),
    mentions: ['localhost'],
  },
  {
    name: 'cluster endpoint without port',
    config: withCluster({
      load_assignment: {
        cluster_name: 'a',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1' } } } }] }],
      },
    }),
    mentions: ['port'],
  },
  {
    name: 'cluster weight zero',
    config: withCluster({
      load_assignment: {
        cluster_name: 'a',
        endpoints: [{ lb_endpoints: [{ load_balancing_weight: 0, endpoint: { address: address('backend.a') } }] }],
      },
    }),
    mentions: ['load_balancing_weight'],
  },
  {
    name: 'cluster_name missing',
    config: withCluster({ load_assignment: { endpoints: [] } }),
    mentions: ['cluster_name'],
  },
  {
    name: 'static cluster without load_assignment',
    config: withListener(goodListener, [{ name: 'a', type: 'STATIC' }]),
    isGood: true,
  },
  { name: 'cluster lb_policy unknown', config: withCluster({ lb_policy: 'BEST' }), mentions: ['lb_policy'] },
  {
    name: 'thresholds with bad retry budget',
    config: withCluster({ circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 200 } } }] } }),
    mentions: ['budget_percent'],
  },
  {
    name: 'admin port too large',
    config: withBootstrap({ admin: { address: { socket_address: { address: '127.0.0.1', port_value: 99999 } } } }),
    mentions: ['port_value'],
  },
  {
    name: 'stats flush interval too long',
    config: withBootstrap({ stats_flush_interval: '600s' }),
    mentions: ['stats_flush_interval'],
  },
  {
    name: 'two runtime layers of one name',
    config: withBootstrap({
      layered_runtime: {
        layers: [
          { name: 'x', static_layer: {} },
          { name: 'x', admin_layer: {} },
        ],
      },
    }),
    mentions: ['x'],
  },
  {
    name: 'runtime layer without name',
    config: withBootstrap({ layered_runtime: { layers: [{ static_layer: {} }] } }),
    mentions: ['name'],
  },
];

export function configText(test: ConfigCase): string {
  return typeof test.config === 'string' ? test.config : toYaml(test.config);
}
