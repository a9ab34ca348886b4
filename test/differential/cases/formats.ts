// Differential cases: every command of formats with its parameters, in headers, log lines and JSON.
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, direct, type Fields, fileLog, filter, http, route } from '../config.ts';
import { get, post, response } from '../messages.ts';

/** Of times and ids only what does not vary; `#` stands for '%' in texts. */
const COMMANDS: readonly string[] = [
  '%REQ(x-a)%', '%REQ(x-none?x-a)%', '%REQ(x-a?x-none)%', '%REQ(:path):5%', '%REQ(:METHOD)%', '%REQ(host)%',
  '%REQ(:scheme)%', '%REQ(x-none)%', '%RESP(x-b)%', '%RESP(x-b):1%', '%RESP(x-none?x-b)%', '%RESP(:status)%',
  '%TRAILER(x-t)%', '%PATH%', '%PATH(NQ)%', '%PATH(WQ:PATH):4%', '%PATH(NQ:ORIG)%', '%PATH(WQ:ORIG_OR_PATH)%',
  '%QUERY_PARAM(c)%', '%QUERY_PARAM(e)%', '%QUERY_PARAM(e):1%', '%QUERY_PARAM(none)%', '%QUERY_PARAMS%',
  '%QUERY_PARAMS(DECODED)%', '%QUERY_PARAMS(ORIG):3%',
  '%PROTOCOL%', '%RESPONSE_CODE%', '%RESPONSE_CODE_DETAILS%', '%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%',
  '%RESPONSE_CODE_DETAILS(X)%', '%CONNECTION_TERMINATION_DETAILS%', '%RESPONSE_FLAGS%', '%RESPONSE_FLAGS_LONG%',
  '%BYTES_RECEIVED%', '%BYTES_SENT%', '%BYTES_RETRANSMITTED%', '%PACKETS_RETRANSMITTED%', '%DOWNSTREAM_CX_RTT%',
  '%UPSTREAM_CLUSTER%', '%UPSTREAM_CLUSTER_RAW%', '%UPSTREAM_HOST%', '%UPSTREAM_HOST_NAME%',
  '%UPSTREAM_HOST_NAME_WITHOUT_PORT%', '%UPSTREAM_HOSTS_ATTEMPTED%', '%UPSTREAM_PROTOCOL%',
  '%UPSTREAM_REMOTE_ADDRESS%', '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '%UPSTREAM_REMOTE_PORT%',
  '%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '%UPSTREAM_TRANSPORT_FAILURE_REASON%', '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(33)%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%', '%DOWNSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '%DOWNSTREAM_LOCAL_PORT%', '%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%',
  '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%', '%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%',
  '%DOWNSTREAM_TLS_VERSION%', '%DOWNSTREAM_TLS_CIPHER%', '%DOWNSTREAM_TLS_GROUP%', '%UPSTREAM_TLS_GROUP%',
  '%DOWNSTREAM_PEER_SUBJECT%', '%DOWNSTREAM_PEER_URI_SAN%', '%DOWNSTREAM_PEER_CERT_V_START%',
  '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%', '%DOWNSTREAM_DETECTED_CLOSE_TYPE%', '%DOWNSTREAM_LOCAL_CLOSE_REASON%',
  '%DOWNSTREAM_HANDSHAKE_DURATION%', '%ROUNDTRIP_DURATION%', '%TLS_JA3_FINGERPRINT%',
  '%ROUTE_NAME%', '%VIRTUAL_CLUSTER_NAME%', '%FILTER_CHAIN_NAME%', '%LISTENER_NAME%', '%HOSTNAME%',
  '%REQUESTED_SERVER_NAME%', '%REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)%', '%REQUESTED_SERVER_NAME(SNI_FIRST:HOST)%',
  '%ENVIRONMENT(HOME)%', '%ENVIRONMENT(HOME):2%', '%ENVIRONMENT(NO_SUCH_VARIABLE)%', '%CUSTOM_FLAGS%', '%TRACE_ID%',
  '%SPAN_ID%', '%GRPC_STATUS%', '%GRPC_STATUS(SNAKE_STRING)%', '%GRPC_STATUS(NUMBER)%', '%GRPC_STATUS_NUMBER%',
  '%LOCAL_REPLY_BODY%', '%ACCESS_LOG_TYPE%', '%REQUEST_HEADERS_BYTES%', '%RESPONSE_TRAILERS_BYTES%',
  '%FILTER_STATE(fs.str)%', '%FILTER_STATE(fs.str:PLAIN)%', '%FILTER_STATE(fs.str:PLAIN):2%',
  '%FILTER_STATE(fs.str:TYPED)%', '%FILTER_STATE(fs.str:TYPED):3%', '%FILTER_STATE(fs.str:FIELD:x)%',
  '%FILTER_STATE(fs.ip:FIELD:ip)%', '%FILTER_STATE(fs.ip:FIELD:port)%', '%FILTER_STATE(fs.ip:PLAIN)%',
  '%FILTER_STATE(none)%', '%FILTER_STATE(none:PLAIN)%', '%UPSTREAM_FILTER_STATE(fs.shared:PLAIN)%',
  '%UPSTREAM_FILTER_STATE(none)%',
  '%DYNAMIC_METADATA(envoy.filters.http.rbac)%', '%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_engine_result)%',
  '%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_engine_result):2%', '%DYNAMIC_METADATA(none)%',
  '%DYNAMIC_METADATA(envoy.filters.http.rbac:none:x)%', '%METADATA(DYNAMIC:envoy.filters.http.rbac)%',
  '%METADATA(ROUTE:m)%', '%METADATA(ROUTE:m:s)%', '%METADATA(ROUTE:m:n)%', '%METADATA(ROUTE:m:big)%',
  '%METADATA(ROUTE:m:l)%', '%METADATA(ROUTE:m:o)%', '%METADATA(ROUTE:m:o:p)%', '%METADATA(ROUTE:m:o):3%',
  '%METADATA(ROUTE:m:b)%', '%METADATA(ROUTE:m:z)%', '%METADATA(VIRTUAL_HOST:m:k)%', '%METADATA(LISTENER:m:k)%',
  '%METADATA(CLUSTER:m:k)%', '%METADATA(UPSTREAM_HOST:m:k)%', '%CLUSTER_METADATA(m:k)%', '%UPSTREAM_METADATA(m:k)%',
  '%METADATA(LISTENER_FILTER_CHAIN:m:k)%',
  '%START_TIME(abc)%', '%START_TIME(#%)%', '%EMIT_TIME(x)%', '%START_TIME(%Y)%', '%START_TIME(%Y-%m-%d %A %B %Ez)%',
  '%START_TIME_LOCAL(%Y)%', '%EMIT_TIME(%G %j)%',
  '%COMMON_DURATION(DS_RX_BEG:NOPE)%', '%COMMON_DURATION(NOPE:DS_TX_END:us)%',
  '%COALESCE({"operators":[{"command":"REQ","param":"x-none"},"PROTOCOL"]})%',
  '%COALESCE({"operators":[{"command":"REQ","param":"x-none"},{"command":"REQ","param":":path","max_length":3}]})%',
  '%COALESCE({"operators":["RESPONSE_CODE"]})%',
  '%COALESCE({"operators":[{"command":"METADATA","param":"ROUTE:m:o"}]}):4%',
  '%COALESCE({"operators":[{"command":"METADATA","param":"ROUTE:m:o"}]})%',
  '%COALESCE({"operators":[{"command":"CEL","param":"1+1"},"PROTOCOL"]})%',
  '%COALESCE({"operators":["ROUTE_NAME",{"command":"REQ","param":"x-none"}]})%',
  '%XFCC_VALUE(uri)%', '%XFCC_VALUE(Subject)%', '%XFCC_VALUE(BY)%', '%XFCC_VALUE(hash)%', '%XFCC_VALUE(dns)%',
  '%XFCC_VALUE(uri):2%',
  '%CEL(request.path):4%', "%CEL('a):3')%", "%CEL(')')%", '%TYPED_CEL(response.code)%', '%TYPED_CEL(request.headers)%',
  '%TYPED_CEL(request.path):3%',
  'a%PROTOCOL%b', '%PROTOCOL%%RESPONSE_CODE%', '%%', 'a%%b%REQ(x-a)%', 'plain', '%REQ(x-u)%',
]; // biome-ignore format: a list.

const isHeaderValue = (text: string): boolean => !/^(plain|%%)$/.test(text);
const state = (key: string, factory: string, text: string, more: Fields = {}): Fields => ({
  ...{ object_key: key, factory_key: factory, ...more },
  format_string: { text_format_source: { inline_string: text } },
});
const filters: readonly Fields[] = [
  filter('state', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      state('fs.str', 'envoy.string', 'hello'),
      state('fs.ip', 'envoy.network.transport_socket.original_dst_address', '10.0.0.1:80'),
      state('fs.shared', 'envoy.string', 'shared', { shared_with_upstream: 'ONCE' }),
    ],
  }),
  filter('shadow', 'envoy.extensions.filters.http.rbac.v3.RBAC', {
    shadow_rules: { action: 'ALLOW', policies: { p: { permissions: [{ any: true }], principals: [{ any: true }] } } },
  }),
];
const meta = (value: Fields): Fields => ({ metadata: { filter_metadata: { m: value } } });
const routeMeta = meta({
  s: 'é"\\',
  n: 3,
  big: 1_000_000,
  l: [1, 'x', [2], { a: null }],
  o: { p: 'q' },
  b: true,
  z: null,
});

const endpoints: Fields = {
  load_assignment: {
    cluster_name: 'a',
    endpoints: [
      { lb_endpoints: [{ endpoint: { address: address('backend.a'), hostname: 'host.a' }, ...meta({ k: 'h' }) }] },
    ],
  },
  ...meta({ k: 'c' }),
};
const common = {
  listener: { ...meta({ k: 'l' }) },
  hcm: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' },
};
const XFCC = 'x-forwarded-client-cert: By=spiffe://a;Hash=12;Subject="CN=x,O=\\"y\\"";URI=u1,By=z;URI=u2;DNS=d';

const texts = COMMANDS.map((text) => text.replaceAll('#', '%'));
const headerTexts = texts.filter(isHeaderValue);
const headerRoutes = headerTexts.map((text, i) => ({
  ...route(`/r${i}-`, 'a'),
  name: `r${i}`,
  ...routeMeta,
  request_headers_to_add: [{ header: { key: 'x-v', value: text } }],
  response_headers_to_add: [
    { header: { key: 'x-v', value: text } },
    { header: { key: 'x-kept', value: `[${text}]` }, keep_empty_value: true },
  ],
}));
/** What the response weighs on its way is not what it weighs when it is logged, and not the same in both. */
const isSteady = (text: string): boolean => !/REQUEST_HEADERS_BYTES|DURATION/.test(text);
const headerCases: readonly Case[] = headerTexts.flatMap((text, i) =>
  isSteady(text)
    ? [
        {
          name: text,
          send: get(`/r${i}-?c=d&e=%20f`, 'x-a: 1', 'x-a: 2', XFCC, 'x-u: \xc3\xa9\xff'),
          upstream: [response(200, 'ok', 'x-b: cd')],
        },
      ]
    : [],
);

const shape = Object.fromEntries(texts.map((text, i) => [`f${String(i).padStart(3, '0')}`, text]));
const nested = {
  ...{ z: 'last', a: '%PROTOCOL%', number: 1, large: 1_000_000, yes: true, no: false, nothing: null },
  list: ['%RESPONSE_CODE%', 'x%RESPONSE_CODE%', 2, ['%REQ(x-none)%'], { b: '%BYTES_SENT%' }],
  object: { z: '%REQ(x-none)%', a: { deep: '%REQ(x-a)%', none: '%REQ(x-none)%' }, empty: {} },
  mixed: '%REQ(x-none)%|%REQ(x-a)%',
  empty: '',
  'quo"te': '%REQ(x-u)%',
};
const log = (format: Fields): Fields => fileLog({ log_format: format });
const cel: Fields = {
  name: 'envoy.formatter.cel',
  typed_config: any('envoy.extensions.formatter.cel.v3.Cel', { cel_config: { enable_string_functions: true } }),
};
const logs: readonly Fields[] = [
  ...texts.map((text, i) => log({ text_format_source: { inline_string: `${i} ${text}\n` } })),
  log({ json_format: shape }),
  log({ json_format: shape, omit_empty_values: true }),
  log({ json_format: nested }),
  log({ json_format: nested, omit_empty_values: true }),
  log({ json_format: nested, json_format_options: { sort_properties: true } }),
  log({ text_format_source: { inline_string: '%REQ(x-none)%|%ROUTE_NAME%|%REQ(x-a)%\n' }, omit_empty_values: true }),
  log({
    text_format_source: { inline_string: '%CEL(\'AbC\'.lowerAscii())% %COALESCE({"operators":["PROTOCOL"]})%\n' },
    formatters: [cel],
  }),
  log({
    text_format_source: { inline_string: '%REQ_WITHOUT_QUERY(:path)% %REQ_WITHOUT_QUERY(x-none?:path):3%\n' },
    formatters: [
      {
        name: 'envoy.formatter.req_without_query',
        typed_config: any('envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery'),
      },
    ],
  }),
];
const logCases: readonly Case[] = [
  {
    name: 'a response',
    send: get('/named?c=d&e=%20f', 'x-a: 1', 'x-a: 2', XFCC),
    upstream: [response(200, 'ok', 'x-b: cd')],
  },
  { name: 'bytes beyond ASCII', send: get('/named', 'x-u: \xc3\xa9\xff', 'x-a: "\\'), upstream: [response(200)] },
  { name: 'UTF-8', send: get('/named', 'x-u: \xc3\xa9', 'x-a: \xe2\x82\xac'), upstream: [response(200)] },
  { name: 'a large body', send: post('/named', 'x'.repeat(100_000)), upstream: [response(200, 'y'.repeat(50_000))] },
  { name: 'a size of zeros', send: post('/named', 'x'.repeat(1000)), upstream: [response(200, 'y'.repeat(120_000))] },
  {
    name: 'gRPC',
    send: post('/named', '', 'content-type: application/grpc'),
    upstream: [response(200, '', 'grpc-status: 7')],
  },
  { name: 'a direct response', send: get('/direct') },
  { name: 'no route', send: get('/none') },
  { name: 'nobody there', send: get('/dead') },
  { name: 'no HTTP', send: 'NO\r\n\r\n' },
];

const OPTIONS = { name: 'cel', formatters: [cel] };
const lower = "%CEL('AbC'.lowerAscii())%";
const ATTEMPTS =
  '%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT% %UPSTREAM_HOST_NAMES_ATTEMPTED% ' +
  '%UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n';
const retry = (on: string, retries: number): Fields => ({ retry_policy: { retry_on: on, num_retries: retries } });
export const formatGroups: readonly Group[] = [
  {
    name: 'formats of attempts',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          routes: [
            route('/one-dead', 'one-dead', retry('connect-failure', 2)),
            route('/all-dead', 'dead', retry('connect-failure', 2)),
            route('/failing', 'a', retry('5xx', 2)),
            route('/dead', 'dead'),
            route('/', 'a'),
          ],
          log: [log({ text_format_source: { inline_string: ATTEMPTS } })],
        }),
      ],
      clusters: [cluster('a'), cluster('dead', ['free.dead']), cluster('one-dead', ['free.dead', 'a'])],
    }),
    cases: [
      ...['/', '/dead', '/all-dead'].map((path) => ({ name: path, send: get(path), upstream: [response(200, 'ok')] })),
      { name: '/failing', send: get('/failing'), upstream: [response(503), response(503), response(200)] },
      { name: '/one-dead', send: get('/one-dead'), upstream: [response(200, 'ok'), response(200, 'ok')] },
    ],
  },
  {
    name: 'formats in headers',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          virtualHosts: [{ name: 'host', domains: ['*'], routes: headerRoutes, ...meta({ k: 'v' }) }],
          filters,
          ...common,
        }),
      ],
      clusters: [cluster('a', ['a'], endpoints)],
    }),
    cases: headerCases,
  },
  {
    name: 'formats in logs',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          virtualHosts: [
            {
              ...{ name: 'host', domains: ['*'], ...meta({ k: 'v' }) },
              routes: [
                { ...route('/named', 'a'), name: 'named', ...routeMeta },
                direct({ prefix: '/direct' }, 200, 'direct'),
                route('/dead', 'dead'),
              ],
            },
          ],
          filters,
          ...common,
          log: logs,
        }),
      ],
      clusters: [cluster('a', ['a'], endpoints), cluster('dead', ['free.dead'])],
    }),
    cases: logCases,
  },
  {
    name: 'formats elsewhere',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          filters: [
            filter('mutation', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
              mutations: {
                request_mutations: [{ append: { header: { key: 'x-q', value: lower } } }],
                query_parameter_mutations: [{ append: { record: { key: 'q', value: lower } } }],
                response_mutations: [{ append: { header: { key: 'x-r', value: `${lower} %RESP(x-b)%` } } }],
                formatters: OPTIONS.formatters,
              },
            }),
          ],
          routes: [
            {
              match: { prefix: '/text' },
              direct_response: {
                status: 200,
                body: { inline_string: 'body' },
                body_format: {
                  text_format_source: { inline_string: `${lower} %LOCAL_REPLY_BODY% %REQ(:path)%\n` },
                  ...{ content_type: 'text/html', formatters: OPTIONS.formatters },
                },
              },
            },
            {
              match: { prefix: '/json' },
              direct_response: {
                status: 200,
                body_format: { json_format: { c: lower, n: '%RESPONSE_CODE%' }, formatters: OPTIONS.formatters },
              },
            },
            {
              ...route('/split', 'a'),
              response_headers_to_add: [{ header: { key: 'x-v', value: "%CEL('a\\r\\nx-more: b')%" } }],
              request_headers_to_add: [{ header: { key: 'x-v', value: "%CEL('a\\r\\nx-more: b')%" } }],
            },
            route('/', 'a'),
          ],
        }),
        http({
          name: 'local',
          routes: [route('/dead', 'dead')],
          hcm: {
            local_reply_config: {
              body_format: {
                json_format: { c: lower, code: '%RESPONSE_CODE%', body: '%LOCAL_REPLY_BODY%', none: '%REQ(x)%' },
                formatters: OPTIONS.formatters,
              },
            },
          },
        }),
      ],
      clusters: [cluster('a'), cluster('dead', ['free.dead'])],
    }),
    cases: [
      { name: 'mutations', send: get('/a?b'), upstream: [response(200, 'ok', 'x-b: c')] },
      { name: 'a value with a line end', send: get('/split'), upstream: [response(200, 'ok')] },
      { name: 'a body in text', send: get('/text') },
      { name: 'a body in JSON', send: get('/json') },
      { name: 'a local reply', to: 'local', send: get('/dead') },
    ],
  },
];
