// Differential cases: early header mutations, schemes, x-forwarded-proto, and what runtime values set at the edge.
import { makeCertificate } from '../../support/certificates.ts';
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, http, match, route, textLog } from '../config.ts';
import { get, request } from '../messages.ts';
import { customHeader } from './hcm-address.ts';

const EARLY = 'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation';

export function early(...mutations: readonly Fields[]): Fields {
  return { name: 'envoy.http.early_header_mutation.header_mutation', typed_config: any(EARLY, { mutations }) };
}

function append(key: string, value: string, around: Fields = {}): Fields {
  return { append: { header: { key, value }, ...around } };
}

function listener(name: string, hcm: Fields, routes: readonly Fields[] = [route('/', 'a')]): Fields {
  const log = [
    textLog(
      '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %ROUTE_NAME% ' +
        '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(X-REQUEST-ID)% ' +
        '%REQ(:SCHEME)% %REQ(X-FORWARDED-PROTO)%\n',
    ),
  ];
  return http({ name, routes, log, hcm });
}

const FORMATS = early(
  append('x-method', '%REQ(:METHOD)%'),
  append('x-path', '%REQ(:PATH)%'),
  append('x-peer', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'),
  append('x-direct', '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%'),
  append('x-protocol', '%PROTOCOL%'),
  append('x-id', '<%REQ(X-REQUEST-ID)%>'),
  append('x-route', '<%ROUTE_NAME%>'),
  append('x-code', '<%RESPONSE_CODE%>'),
  append('x-copy', '%REQ(X-GIVEN)%'),
  append('x-xff', '<%REQ(X-FORWARDED-FOR)%>'),
);

const earlyListeners: readonly Fields[] = [
  listener('formats', { early_header_mutation_extensions: [FORMATS] }),
  listener('actions', {
    early_header_mutation_extensions: [
      early(
        append('x-add', 'early'),
        append('x-absent', 'early', { append_action: 'ADD_IF_ABSENT' }),
        append('x-over', 'early', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
        append('x-exists', 'early', { append_action: 'OVERWRITE_IF_EXISTS' }),
        append('x-empty', '%REQ(X-NONE)%'),
        append('x-kept', '%REQ(X-NONE)%', { keep_empty_value: true }),
        { remove: 'x-gone' },
        { remove_on_match: { key_matcher: { prefix: 'x-secret-' } } },
      ),
    ],
  }),
  listener('two', {
    early_header_mutation_extensions: [
      early(append('x-first', '1')),
      early(append('x-second', '<%REQ(x-first)%>'), { remove: 'x-first' }),
    ],
  }),
  listener('routes', { early_header_mutation_extensions: [early(append('x-tenant', 'blue'))] }, [
    match({ prefix: '/', headers: [{ name: 'x-tenant', string_match: { exact: 'blue' } }] }, 'a', {}, { name: 'blue' }),
    route('/', 'a', {}, { name: 'others' }),
  ]),
  listener('trust', {
    use_remote_address: true,
    xff_num_trusted_hops: 1,
    early_header_mutation_extensions: [
      early(
        append('x-forwarded-for', '203.0.113.5'),
        append('x-envoy-retry-on', '5xx'),
        append('x-request-id', 'mine'),
      ),
    ],
  }),
  listener('trust-local', {
    early_header_mutation_extensions: [
      early(
        append('x-forwarded-for', '203.0.113.5'),
        append('x-forwarded-proto', 'https', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
        append('x-envoy-retry-on', '5xx'),
      ),
    ],
  }),
  listener('detection', {
    original_ip_detection_extensions: [customHeader({ header_name: 'x-real-ip' })],
    early_header_mutation_extensions: [early(append('x-real-ip', '203.0.113.6'))],
  }),
  listener('hop-by-hop', {
    early_header_mutation_extensions: [
      early(append('connection', 'x-nominated'), append('upgrade', 'websocket'), append('te', 'gzip')),
    ],
  }),
  listener('split', {
    early_header_mutation_extensions: [
      early(append('x-query', '%PATH(WQ:PATH)%'), append('x-decoded', '%REQ(X-GIVEN)%')),
    ],
  }),
];

const earlyCases: readonly Case[] = [
  { name: 'formats', to: 'formats', send: get('/p?q=1', 'x-given: yes', 'x-request-id: given') },
  { name: 'formats: nothing given', to: 'formats', send: get('/p') },
  {
    name: 'formats: two given',
    to: 'formats',
    send: get('/p', 'x-given: 1', 'x-given: 2', 'x-forwarded-for: 10.9.9.9'),
  },
  { name: 'formats: a client behind', to: 'formats', send: get('/p', 'x-forwarded-for: 203.0.113.9') },
  { name: 'actions: nothing given', to: 'actions', send: get('/') },
  {
    name: 'actions: all given',
    to: 'actions',
    send: get(
      '/',
      ...['add', 'absent', 'over', 'exists', 'empty', 'kept', 'gone', 'secret-a', 'secret-b'].map((n) => `x-${n}: own`),
    ),
  },
  { name: 'two extensions, one after the other', to: 'two', send: get('/') },
  { name: 'routes by what was added', to: 'routes', send: get('/') },
  { name: 'routes by what was added, and given', to: 'routes', send: get('/', 'x-tenant: red') },
  { name: 'before trust is judged', to: 'trust', send: get('/') },
  { name: 'before trust is judged, forwarded', to: 'trust', send: get('/', 'x-forwarded-for: 198.51.100.2') },
  { name: 'before trust is judged, no edge', to: 'trust-local', send: get('/') },
  { name: 'before the address is found', to: 'detection', send: get('/') },
  { name: 'connection headers', to: 'hop-by-hop', send: get('/', 'x-nominated: 1') },
  { name: 'a request without authority', to: 'formats', send: 'GET / HTTP/1.1\r\n\r\n' },
  { name: 'a request that cannot be read', to: 'formats', send: 'GET / HTTP/1.1\r\nbad header: 1\r\n\r\n' },
  { name: 'bytes in the path', to: 'split', send: get('/a%0d%0ax-split:1', 'x-given: a%0d%0ax-split: 1') },
];

// ── scheme and x-forwarded-proto ──
const schemeListeners: readonly Fields[] = [
  listener('main', {}),
  listener('overwrite', { scheme_header_transformation: { scheme_to_overwrite: 'https' } }),
  listener('match-upstream', { scheme_header_transformation: { match_upstream: true } }),
  listener('match-and-overwrite', {
    scheme_header_transformation: { match_upstream: true, scheme_to_overwrite: 'https' },
  }),
  listener('match-edge', { use_remote_address: true, scheme_header_transformation: { match_upstream: true } }),
  listener('edge', { use_remote_address: true }),
  listener('edge-hops', { use_remote_address: true, xff_num_trusted_hops: 1 }),
  ...[
    ['proto-https', { https_destination_ports: ['{{listen.proto-https}}'] }],
    ['proto-http', { http_destination_ports: ['{{listen.proto-http}}'] }],
    ['proto-other', { https_destination_ports: [443], http_destination_ports: [80] }],
    [
      'proto-both',
      { https_destination_ports: ['{{listen.proto-both}}'], http_destination_ports: ['{{listen.proto-both}}'] },
    ],
    ['proto-empty', {}],
  ].flatMap(([name, forward]) => [
    listener(name as string, { forward_proto_config: forward }),
    proxied(`${name as string}-pp`, (forward as Fields) ?? {}),
    proxied(`${name as string}-pp-edge`, (forward as Fields) ?? {}, { use_remote_address: true }),
  ]),
];

/** Behind PROXY protocol, where the port is the one that the client wanted. */
function proxied(name: string, forward: Fields, hcm: Fields = {}): Fields {
  const shifted = JSON.parse(JSON.stringify(forward).replaceAll(/"\{\{[^"]*\}\}"/g, '4443')) as Fields;
  return {
    ...listener(name, { forward_proto_config: shifted, ...hcm }),
    listener_filters: [
      {
        name: 'envoy.filters.listener.proxy_protocol',
        typed_config: any('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol'),
      },
    ],
  };
}

const PROXY_4443 = 'PROXY TCP4 203.0.113.20 203.0.113.21 50000 4443\r\n';
const PROXY_443 = 'PROXY TCP4 203.0.113.20 203.0.113.21 50000 443\r\n';
const PROXY_80 = 'PROXY TCP4 203.0.113.20 203.0.113.21 50000 80\r\n';

const schemeCases: readonly Case[] = [
  ...['main', 'overwrite', 'match-upstream', 'match-and-overwrite', 'match-edge', 'edge', 'edge-hops'].flatMap(
    (to): Case[] => [
      { name: `${to}: plain`, to, send: get('/') },
      { name: `${to}: x-forwarded-proto https`, to, send: get('/', 'x-forwarded-proto: https') },
      { name: `${to}: x-forwarded-proto HTTPS`, to, send: get('/', 'x-forwarded-proto: HTTPS') },
      { name: `${to}: x-forwarded-proto unknown`, to, send: get('/', 'x-forwarded-proto: ws') },
      { name: `${to}: absolute https`, to, send: get('https://other.example/') },
    ],
  ),
  ...['proto-https', 'proto-http', 'proto-other', 'proto-both', 'proto-empty'].flatMap((to): Case[] => [
    { name: `${to}: plain`, to, send: get('/') },
    { name: `${to}: given`, to, send: get('/', 'x-forwarded-proto: https') },
    ...['pp', 'pp-edge'].flatMap((kind): Case[] => [
      { name: `${to}: ${kind}, 4443`, to: `${to}-${kind}`, send: PROXY_4443 + get('/') },
      { name: `${to}: ${kind}, 443`, to: `${to}-${kind}`, send: PROXY_443 + get('/') },
      {
        name: `${to}: ${kind}, 80, https given`,
        to: `${to}-${kind}`,
        send: PROXY_80 + get('/', 'x-forwarded-proto: https'),
      },
    ]),
  ]),
];

// ── runtime values ──
function withRuntime(name: string, values: Fields, listeners: readonly Fields[], cases: readonly Case[]): Group {
  return {
    name: `hcm runtime ${name}`,
    config: bootstrap({
      listeners,
      clusters: [cluster('a')],
      around: { layered_runtime: { layers: [{ name: 'static', static_layer: values }] } },
    }),
    cases: cases.map((test): Case => ({ probeMs: 5, ...test })),
  };
}
const plain = [
  listener('main', {}),
  listener('off', {
    normalize_path: false,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    max_request_headers_kb: 60,
  }),
  listener('on', { normalize_path: true, path_with_escaped_slashes_action: 'REJECT_REQUEST' }),
  listener('merge', { merge_slashes: true }),
];
function paths(...targets: readonly string[]): Case[] {
  return ['main', 'off', 'on', 'merge'].flatMap((to) =>
    targets.map((path): Case => ({ name: `${to}: ${path}`, to, send: get(path) })),
  );
}
const runtimeGroups: readonly Group[] = [
  withRuntime('normalize', { 'http_connection_manager.normalize_path': 100 }, plain, paths('/a/../b', '/a//b', '/%41')),
  withRuntime('normalize half', { 'http_connection_manager.normalize_path': 0 }, plain, paths('/a/../b')),
  ...[1, 2, 3, 4, 5, 77].map((action) =>
    withRuntime(
      `escaped slashes ${action}`,
      { 'http_connection_manager.path_with_escaped_slashes_action': action },
      plain,
      paths('/a%2Fb'),
    ),
  ),
  withRuntime(
    'escaped slashes disabled',
    {
      'http_connection_manager.path_with_escaped_slashes_action': 4,
      'http_connection_manager.path_with_escaped_slashes_action_enabled': 0,
    },
    plain,
    paths('/a%2Fb'),
  ),
  withRuntime(
    'limits',
    {
      'envoy.reloadable_features.max_request_headers_size_kb': 2,
      'envoy.reloadable_features.max_request_headers_count': 5,
    },
    [...plain, listener('count', { common_http_protocol_options: { max_headers_count: 50 } })],
    [
      ...['main', 'off', 'count'].flatMap((to): Case[] => [
        { name: `${to}: a head of 3 KiB`, to, send: get('/', `x-large: ${'v'.repeat(3000)}`) },
        {
          name: `${to}: ten fields`,
          to,
          send: request(
            'GET',
            '/',
            Array.from({ length: 10 }, (_, i) => `x-${i}: 1`),
          ),
        },
      ]),
      { name: 'main: small', send: get('/') },
    ],
  ),
];

const quick = (cases: readonly Case[]): Case[] => cases.map((test): Case => ({ probeMs: 5, ...test }));
const OVER_TLS = ['main', 'overwrite', 'match-upstream', 'match-edge'];
const certificate = makeCertificate({ sans: [{ dns: 'up.example' }] });
const tlsContext = any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext');

export const hcmEdgeGroups: readonly Group[] = [
  {
    name: 'hcm early mutation',
    config: bootstrap({ listeners: [listener('main', {}), ...earlyListeners], clusters: [cluster('a')] }),
    cases: quick(earlyCases),
  },
  {
    name: 'hcm scheme',
    config: bootstrap({ listeners: schemeListeners, clusters: [cluster('a')] }),
    cases: quick(schemeCases),
  },
  {
    name: 'hcm scheme over TLS',
    config: bootstrap({
      listeners: schemeListeners,
      clusters: [
        cluster('a', ['a'], {
          transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tlsContext },
        }),
      ],
    }),
    upstreamTls: { a: { cert: certificate.chainPem, key: certificate.keyPem } },
    cases: quick(OVER_TLS.map((to) => ({ name: to, to, send: get('/') }))),
  },
  ...runtimeGroups,
];
