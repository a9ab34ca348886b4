// Differential cases: expressions (CEL) in headers, logs, log filters, rules of access control and matchers.
import { readFileSync } from 'node:fs';
import type { Case, Group } from '../case.ts';
import {
  address,
  any,
  bootstrap,
  cluster,
  direct,
  type Fields,
  fileLog,
  filter,
  http,
  route,
  textLog,
} from '../config.ts';
import { get, post, response } from '../messages.ts';
import { treeOf } from './cel-trees.ts';

type Row = readonly [text: string, answer: string | null | false];
const LANGUAGE = JSON.parse(
  readFileSync(new URL('../../../src/proxy/cel/testdata/language.json', import.meta.url), 'utf8'),
) as { readonly plain: readonly Row[]; readonly strings: readonly Row[] };

const ALL = { enable_string_conversion: true, enable_string_concat: true, enable_string_functions: true };
const withAll: Fields = {
  name: 'envoy.formatter.cel',
  typed_config: any('envoy.extensions.formatter.cel.v3.Cel', { cel_config: ALL }),
};

/** What cannot stand in a configuration in quotes of YAML, or in a log line, is left to the unit test. */
const loads = ([text, answer]: Row): boolean =>
  answer !== false && !text.includes('1u: 2') && !/[\n%]/.test(`${text}${answer}`);
const languageTexts = LANGUAGE.plain.filter(loads).map(([text]) => text);
const stringTexts = LANGUAGE.strings.filter(loads).map(([text]) => text);

const ATTRIBUTES: readonly string[] = [
  ...[
    'path',
    'url_path',
    'query',
    'host',
    'scheme',
    'method',
    'referer',
    'useragent',
    'protocol',
    'size',
    'total_size',
  ].map((name) => `request.${name}`),
  'request.headers_bytes',
  "request.headers['x-a']",
  "request.headers['X-A']",
  'request.headers.host',
  "request.headers[':path']",
  "'x-a' in request.headers",
  "has(request.headers['x'].y)".replace("['x'].y", '.x'),
  'has(request.headers)',
  'has(request.nope)',
  'size(request.headers) > 3',
  'request.headers',
  'request',
  "request['path']",
  'request.nope',
  'nobody.knows',
  'nobody',
  "request.headers['x-a'] == '1,2' ? 'both' : 'not both'",
  "request.headers['x-u']",
  "size(request.headers['x-u'])",
  'type(request.time) == type(request.path)',
  "request.time > timestamp('2020-01-01T00:00:00Z')",
  "request.duration < duration('1h')",
  ...['code', 'size', 'flags', 'code_details', 'grpc_status', 'trailers'].map((name) => `response.${name}`),
  "response.headers['x-b']",
  "response.headers['none']",
  "response.trailers['x-t']",
  "response.backend_latency < duration('1h')",
  ...['mtls', 'requested_server_name', 'termination_details', 'transport_failure_reason', 'tls_version'].map(
    (name) => `connection.${name}`,
  ),
  'connection.subject_peer_certificate',
  'connection.id >= 0u',
  ...['address', 'port', 'locality', 'locality.region', 'transport_failure_reason', 'request_attempt_count'].map(
    (name) => `upstream.${name}`,
  ),
  "upstream.local_address.startsWith('127.0.0.1:')",
  'upstream.tls_version',
  "source.address.startsWith('127.0.0.1:')",
  'source.port > 1',
  'destination.address',
  'destination.port',
  'metadata',
  "metadata['filter_metadata']",
  'metadata.nope',
  'metadata.filter_metadata',
  "metadata.filter_metadata['envoy.filters.http.rbac'].shadow_engine_result",
  "metadata.filter_metadata['envoy.filters.http.rbac']",
  "metadata.filter_metadata['none']",
  ...['k', 'n', 'l', 'l[0]', 'l[2][0]', 'b', 'o', 'o.p', 'z', 'e', 'nope'].map(
    (at) => `xds.route_metadata.filter_metadata.ns.${at}`,
  ),
  "xds.route_metadata.filter_metadata['ns']['k']",
  "size(xds.route_metadata.filter_metadata['ns'])",
  "xds.route_metadata.filter_metadata['ns'].n == 3",
  "xds.route_metadata.filter_metadata['ns'].n + 1",
  "xds.route_metadata.filter_metadata['none']",
  'has(metadata.filter_metadata)',
  'has(metadata.typed_filter_metadata)',
  'has(xds.route_metadata.filter_metadata.ns)',
  'has(metadata.filter_metadata.none)',
  'has(metadata.nope)',
  'filter_state',
  'size(filter_state)',
  "filter_state['fs.str']",
  "filter_state['fs.str'] == b'hello'",
  "filter_state['fs.str'] == 'hello'",
  "filter_state['fs.ip'].ip",
  "filter_state['fs.ip'].port",
  "filter_state['fs.ip']",
  "filter_state['none']",
  "upstream_filter_state['none']",
  ...[
    'cluster_name',
    'route_name',
    'virtual_host_name',
    'filter_chain_name',
    'listener_direction',
    'listener_name',
  ].map((name) => `xds.${name}`),
  'xds.node.id',
  'xds.node.cluster',
  'xds.node.metadata.a',
  'xds',
  ...['cluster', 'route', 'virtual_host', 'upstream_host', 'listener'].map(
    (name) => `xds.${name}_metadata.filter_metadata.m.k`,
  ),
  'xds.route_metadata',
  'xds.upstream_host_metadata',
];

/** Expressions that are other before the end of the exchange. */
const meta = (value: Fields): Fields => ({ metadata: { filter_metadata: { m: value } } });

const state = (key: string, factory: string, text: string): Fields => ({
  ...{ object_key: key, factory_key: factory },
  format_string: { text_format_source: { inline_string: text } },
});
const stateFilter = filter('state', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
  on_request_headers: [
    state('fs.str', 'envoy.string', 'hello'),
    state('fs.ip', 'envoy.network.transport_socket.original_dst_address', '10.0.0.1:80'),
  ],
});
/** Writes dynamic metadata without changing anything. */
const setMetadata = filter('shadow', 'envoy.extensions.filters.http.rbac.v3.RBAC', {
  shadow_rules: { action: 'ALLOW', policies: { p: { permissions: [{ any: true }], principals: [{ any: true }] } } },
});
const routeMetadata: Fields = {
  metadata: {
    filter_metadata: {
      m: { k: 'route' },
      ns: { k: 'v', n: 3, l: [1, 'x', [2]], b: true, o: { p: 'q' }, z: null, e: 'é"' },
    },
  },
};

const endpoints: Fields = {
  load_assignment: {
    cluster_name: 'a',
    endpoints: [
      {
        locality: { region: 'r', zone: 'z', sub_zone: 's' },
        lb_endpoints: [{ endpoint: { address: address('backend.a') }, ...meta({ k: 'host' }) }],
      },
    ],
  },
  ...meta({ k: 'cluster' }),
};

const lines = (texts: readonly string[], command: string, formatters: readonly Fields[] = []): Fields[] =>
  texts.map((text) =>
    fileLog({
      log_format: {
        text_format_source: { inline_string: `${text.replaceAll('%', '')} => %${command}(${text})%\n` },
        formatters,
      },
    }),
  );
const json = (texts: readonly string[], formatters: readonly Fields[] = []): Fields =>
  fileLog({
    log_format: { json_format: Object.fromEntries(texts.map((text) => [text, `%TYPED_CEL(${text})%`])), formatters },
  });

const virtualHost = (routes: readonly Fields[]): Fields => ({
  ...{ name: 'host', domains: ['*'], routes },
  ...meta({ k: 'vhost' }),
});

/** So many expressions per case, each a header of the response. */
const PER_CASE = 8;
function batches(name: string, texts: readonly string[]): { routes: Fields[]; cases: Case[] } {
  const routes: Fields[] = [];
  const cases: Case[] = [];
  for (let at = 0; at < texts.length; at += PER_CASE) {
    const batch = texts.slice(at, at + PER_CASE);
    const prefix = `/${name}-${at}-`;
    routes.push({
      ...route(prefix, 'a'),
      ...routeMetadata,
      response_headers_to_add: batch.map((text, i) => ({ header: { key: `x-v${i}`, value: `%CEL(${text})%` } })),
    });
    cases.push({
      name: `${name}: ${batch[0]} …`,
      send: get(prefix, 'x-a: 1', 'x-a: 2', 'user-agent: agent'),
      upstream: [response(200, 'ok', 'x-b: c')],
    });
  }
  return { routes, cases };
}

const language = batches('language', languageTexts);
/** When the head of a response is written the last byte may have come, or not. */
const attributes = batches(
  'attribute',
  ATTRIBUTES.filter((text) => text !== "response.backend_latency < duration('1h')"),
);

const requests: readonly Case[] = [
  {
    name: 'a request with everything',
    send: post('/named?x=1&y#f'.replace('#f', ''), 'body', 'x-a: 1', 'x-a: 2', 'user-agent: agent', 'referer: r'),
    upstream: [response(200, 'ok', 'x-b: c')],
  },
  { name: 'a request with little', send: get('/named'), upstream: [response(204)] },
  { name: 'a failing backend', send: get('/named'), upstream: [response(503, 'no')] },
  {
    name: 'gRPC',
    send: post('/named', '', 'content-type: application/grpc'),
    upstream: [response(200, '', 'grpc-status: 7')],
  },
  { name: 'a direct response', send: get('/direct') },
  { name: 'bytes beyond ASCII', send: get('/named', 'x-u: \xc3\xa9\xff'), upstream: [response(200, 'ok')] },
  { name: 'nobody there', send: get('/dead') },
  { name: 'no HTTP', send: 'NO\r\n\r\n' },
];

const node = { node: { id: 'differential', cluster: 'differential', metadata: { a: 'b', n: 1 } } };

const CONDITIONS: readonly string[] = [
  'true',
  'false',
  "request.headers['x-role'] == 'admin'",
  "request.headers['none'] == 'admin'",
  "!(request.headers['none'] == 'admin')",
  "request.headers['none'] == 'admin' || true",
  "request.url_path.startsWith('/c')",
  "request.method in ['GET', 'HEAD']",
  "has(request.headers['x-role']) ? 1 > 0 : false".replace("['x-role']", '.host'),
  "request.path.matches('^/c-[0-9]+-$')",
  "source.address.startsWith('127.')",
  "metadata.filter_metadata['envoy.filters.http.rbac'].shadow_engine_result == 'allowed'",
  "filter_state['fs.str'] == b'hello'",
  "'1'",
  '1 / 0 == 1',
  'response.code == 200',
  "xds.node.id == 'differential'",
  "xds.route_name == 'none'",
  "timestamp('2020-01-01T00:00:00Z') < request.time",
  'connection.mtls || source.port > 1',
  "{'a': 1u, 'b': 2.5}['b'] > 2.0",
  'size([b"a", null, -1]) == 3',
];

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const RBAC_ROUTE = 'envoy.extensions.filters.http.rbac.v3.RBACPerRoute';
const ANYONE = { permissions: [{ any: true }], principals: [{ any: true }] };
const withRbac = (prefix: string, rbac: Fields): Fields =>
  route(prefix, 'a', {}, { typed_per_filter_config: { rbac: any(RBAC_ROUTE, { rbac }) } });
const rbacCases = CONDITIONS.flatMap((text, i): { route: Fields; test: Case }[] =>
  (['ALLOW', 'DENY'] as const).map((action) => {
    const prefix = `/c-${i * 2 + Number(action === 'DENY')}-`;
    const policies = { p: { ...ANYONE, condition: treeOf(text) } };
    return {
      route: withRbac(prefix, { rules: { action, policies } }),
      test: {
        name: `${action} ${text}`,
        send: get(prefix, 'x-role: admin'),
        upstream: [response(200, 'ok')],
        stats: ['rbac'],
      },
    };
  }),
);
const more: readonly (readonly [string, Fields])[] = [
  ['checked', { ...ANYONE, checked_condition: { expr: treeOf("request.headers['x-role'] == 'admin'") } }],
  ['checked, false', { ...ANYONE, checked_condition: { expr: treeOf('false') } }],
  ['concat', { ...ANYONE, cel_config: ALL, condition: treeOf("request.method + request.path == 'GET/more-2-'") }],
  ['functions', { ...ANYONE, cel_config: ALL, condition: treeOf("request.path.split('-')[1] == string(3)") }],
  ['no concat', { ...ANYONE, condition: treeOf("request.method + 'x' == 'GETx'") }],
  [
    'permission first',
    { permissions: [{ not_rule: { any: true } }], principals: [{ any: true }], condition: treeOf('true') },
  ],
];
const rbacMore = more.map(([name, policy], i) => ({
  route: withRbac(`/more-${i}-`, { rules: { action: 'ALLOW', policies: { p: policy } } }),
  test: { name, send: get(`/more-${i}-`, 'x-role: admin'), upstream: [response(200, 'ok')] } as Case,
}));

const celMatcher = (match: Fields): Fields => ({
  matcher_list: {
    matchers: [
      {
        predicate: {
          single_predicate: {
            input: { name: 'attributes', typed_config: any('xds.type.matcher.v3.HttpAttributesCelMatchInput') },
            custom_match: { name: 'cel', typed_config: any('xds.type.matcher.v3.CelMatcher', { expr_match: match }) },
          },
        },
        on_match: {
          action: {
            name: 'allow',
            typed_config: any('envoy.config.rbac.v3.Action', { name: 'allow', action: 'ALLOW' }),
          },
        },
      },
    ],
  },
});
const matches: readonly (readonly [string, Fields])[] = [
  ['parsed', { parsed_expr: { expr: treeOf("request.headers['x-role'] == 'admin'") } }],
  ['checked', { checked_expr: { expr: treeOf("request.path.startsWith('/m')") } }],
  ['parsed by its new name', { cel_expr_parsed: { expr: treeOf("request.headers['x-role'] == 'admin'") } }],
  ['checked by its new name', { cel_expr_checked: { expr: treeOf('false') } }],
  ['an error', { cel_expr_parsed: { expr: treeOf("request.headers['none'] == 'admin'") } }],
  ['no boolean', { cel_expr_parsed: { expr: treeOf('1') } }],
  ['the node', { cel_expr_parsed: { expr: treeOf("xds.node.id == 'differential'") } }],
  [
    'metadata',
    {
      cel_expr_parsed: {
        expr: treeOf("metadata.filter_metadata['envoy.filters.http.rbac'].shadow_engine_result == 'allowed'"),
      },
    },
  ],
];
const matcherCases = matches.map(([name, match], i) => ({
  route: withRbac(`/m-${i}-`, { matcher: celMatcher(match) }),
  test: { name, send: get(`/m-${i}-`, 'x-role: admin'), upstream: [response(200, 'ok')] } as Case,
}));

export const celGroups: readonly Group[] = [
  {
    name: 'cel headers',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          virtualHosts: [virtualHost([...language.routes, ...attributes.routes])],
          filters: [setMetadata, stateFilter],
          listener: { traffic_direction: 'OUTBOUND', ...meta({ k: 'listener' }) },
        }),
      ],
      clusters: [cluster('a', ['a'], endpoints)],
      around: node,
    }),
    cases: [...language.cases, ...attributes.cases],
  },
  {
    name: 'cel logs',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          virtualHosts: [
            virtualHost([
              direct({ prefix: '/direct' }, 200, 'direct'),
              route('/dead', 'dead'),
              { ...route('/named', 'a'), name: 'named', ...routeMetadata },
            ]),
          ],
          filters: [setMetadata, stateFilter],
          listener: { traffic_direction: 'INBOUND', ...meta({ k: 'listener' }) },
          log: [
            ...lines(ATTRIBUTES, 'CEL'),
            ...lines(ATTRIBUTES, 'TYPED_CEL'),
            json([...ATTRIBUTES, ...languageTexts.filter((text) => !/inf|nan|\/ 0\.0/.test(text))]),
            json(
              stringTexts.filter((text) => !/\/ ?0\.0/.test(text)),
              [withAll],
            ),
            ...lines(stringTexts, 'CEL', [withAll]),
          ],
        }),
      ],
      clusters: [cluster('a', ['a'], endpoints), cluster('dead', ['free.dead'])],
      around: node,
    }),
    cases: requests,
  },
  {
    name: 'cel rbac',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          routes: [...rbacCases, ...rbacMore, ...matcherCases].map(({ route: one }) => one),
          filters: [setMetadata, stateFilter, filter('rbac', RBAC)],
        }),
      ],
      clusters: [cluster('a')],
      around: node,
    }),
    cases: [...rbacCases, ...rbacMore, ...matcherCases].map(({ test }) => test),
  },
  {
    name: 'cel log filter',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          log: [
            "request.path + 'x' == '/concatx'",
            "string(response.code) == '200'",
            "request.path.split('/')[1].upperAscii() == 'SPLIT'",
            "request.headers['x'] == '1' && has(response.headers['y'])".replace("['y']", '.y'),
            "upstream.locality.region == ''",
            "xds.node.metadata.a == 'b'",
            'request.nope || true',
          ].map((expression, i) => ({
            ...textLog(`${i}\n`),
            filter: {
              extension_filter: {
                name: 'cel',
                typed_config: any('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', {
                  ...{ expression, cel_config: ALL },
                }),
              },
            },
          })),
        }),
      ],
      clusters: [cluster('a')],
      around: node,
    }),
    cases: ['/concat', '/split', '/'].map((path) => ({
      name: path,
      send: get(path, 'x: 1'),
      upstream: [response(200, 'ok', 'y: 2')],
    })),
  },
];
