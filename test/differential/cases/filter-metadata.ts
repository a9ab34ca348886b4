// Differential cases: the filters header_to_metadata and set_metadata.
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, route, textLog } from '../config.ts';
import { get, response } from '../messages.ts';

const HEADER = 'envoy.extensions.filters.http.header_to_metadata.v3.Config';
const HEADER_NAME = 'envoy.filters.http.header_to_metadata';
const SET = 'envoy.extensions.filters.http.set_metadata.v3.Config';
const SET_NAME = 'envoy.filters.http.set_metadata';
const log = [
  textLog(
    'code=%RESPONSE_CODE% own=%DYNAMIC_METADATA(envoy.filters.http.header_to_metadata)% a=%DYNAMIC_METADATA(a)% ' +
      'b=%DYNAMIC_METADATA(b)% c=%DYNAMIC_METADATA(c)% route=%ROUTE_NAME%\n',
  ),
];
const per = (prefix: string, config: Fields): Fields =>
  route(prefix, 'a', {}, { typed_per_filter_config: { [HEADER_NAME]: any(HEADER, config) } });
const rewrite = (regex: string, substitution: string): Fields => ({
  regex_value_rewrite: { pattern: { google_re2: {}, regex }, substitution },
});

const rules: readonly Fields[] = [
  { header: 'x-text', on_header_present: { key: 'text' }, on_header_missing: { key: 'text', value: 'none' } },
  { header: 'x-gone', on_header_present: { metadata_namespace: 'a', key: 'gone' }, remove: true },
  { header: 'x-gone', on_header_missing: { metadata_namespace: 'a', key: 'was', value: 'gone before' } },
  { header: 'x-fixed', on_header_present: { metadata_namespace: 'b', key: 'fixed', value: 'instead' } },
  { header: 'x-number', on_header_present: { metadata_namespace: 'b', key: 'number', type: 'NUMBER' } },
  { header: 'x-base64', on_header_present: { metadata_namespace: 'b', key: 'base64', encode: 'BASE64' } },
  {
    header: 'x-proto',
    on_header_present: { metadata_namespace: 'b', key: 'proto', type: 'PROTOBUF_VALUE', encode: 'BASE64' },
  },
  { header: 'x-raw-proto', on_header_present: { metadata_namespace: 'b', key: 'raw', type: 'PROTOBUF_VALUE' } },
  {
    header: ':path',
    on_header_present: { metadata_namespace: 'a', key: 'segment', ...rewrite('^/(\\w+)/?.*$', '\\1') },
  },
  { header: 'x-regex', on_header_present: { metadata_namespace: 'a', key: 'regex', ...rewrite('a+', '') } },
  { cookie: 'session', on_header_present: { metadata_namespace: 'c', key: 'session' } },
  { cookie: 'session', on_header_missing: { metadata_namespace: 'c', key: 'session', value: 'no session' } },
  { cookie: 'n', on_header_present: { metadata_namespace: 'c', key: 'n', type: 'NUMBER' } },
  { header: 'X-Upper', on_header_present: { metadata_namespace: 'c', key: 'upper' } },
  { header: 'x-twice', on_header_present: { metadata_namespace: 'c', key: 'twice' } },
  { header: 'x-twice', on_header_present: { metadata_namespace: 'c', key: 'twice', value: 'the later rule' } },
];
const responses: readonly Fields[] = [
  { header: ':status', on_header_present: { metadata_namespace: 'a', key: 'status', type: 'NUMBER' } },
  { header: 'x-text', on_header_present: { key: 'answer' }, remove: true },
  { header: 'x-none', on_header_missing: { metadata_namespace: 'c', key: 'none', value: '1', type: 'NUMBER' } },
];

const headerListener = http({
  name: 'header',
  log,
  filters: [filter(HEADER_NAME, HEADER, { request_rules: rules, response_rules: responses, stat_prefix: 'counted' })],
  routes: [
    per('/route', {
      request_rules: [{ header: 'x-text', on_header_present: { metadata_namespace: 'a', key: 'of-route' } }],
    }),
    per('/answers', {
      response_rules: [{ header: 'x-text', on_header_present: { metadata_namespace: 'a', key: 'of-answer' } }],
      stat_prefix: 'own',
    }),
    direct({ prefix: '/direct' }, 200, 'd'),
    route('/', 'a'),
  ],
});
const routed = http({
  name: 'routed',
  log,
  filters: [
    filter(HEADER_NAME, HEADER, {
      request_rules: [{ header: 'x-version', on_header_present: { metadata_namespace: 'a', key: 'version' } }],
    }),
  ],
  routes: [
    {
      name: 'canary',
      match: {
        prefix: '/',
        dynamic_metadata: [{ filter: 'a', path: [{ key: 'version' }], value: { string_match: { exact: 'canary' } } }],
      },
      route: { cluster: 'a' },
    },
    route('/', 'a', {}, { name: 'stable' }),
  ],
});

const requests: readonly (readonly [string, readonly string[]])[] = [
  ['nothing', []],
  ['text', ['x-text: some text']],
  ['empty text', ['x-text:']],
  ['text twice', ['x-text: one', 'x-text: two']],
  ['gone', ['x-gone: 1']],
  ['fixed', ['x-fixed: 1']],
  ['fixed, empty', ['x-fixed:']],
  ...['1', '-1.5e3', ' 7 ', '0x10', '1,2', 'abc', '', '.5', '5.', '+3'].map(
    (number) => [`number '${number}'`, [`x-number: ${number}`]] as const,
  ),
  ...['aGVsbG8=', 'aGVsbG8', 'aGVsbG8==', '####', 'aGVsbG9', 'YQ==', 'YR==', 'a', '', 'aGVs bG8=', '_-8='].map(
    (text) => [`base64 '${text}'`, [`x-base64: ${text}`]] as const,
  ),
  ...['GgR0ZXh0', 'EQAAAAAAAPA/', 'IAE=', 'CAA=', 'KgwKCgoBaxIFGgN2YWw=', '', 'AAAA', '/////w=='].map(
    (text) => [`proto '${text}'`, [`x-proto: ${text}`]] as const,
  ),
  ['raw proto', ['x-raw-proto: \x1a\x04text']],
  ['regex, nothing left', ['x-regex: aaa']],
  ['regex', ['x-regex: banana']],
  ['regex, no match', ['x-regex: xyz']],
  ['cookie', ['cookie: a=b; session=abc; n=12']],
  ['cookie twice', ['cookie: session=one', 'cookie: session=two']],
  ['cookie in quotes', ['cookie: session="quoted"']],
  ['cookie, empty', ['cookie: session=; n=']],
  ['cookie, no number', ['cookie: n=many']],
  ['upper', ['x-UPPER: 1']],
  ['twice', ['x-twice: 1']],
  ['long', [`x-text: ${'x'.repeat(8191)}`]],
  ['too long', [`x-text: ${'x'.repeat(8192)}`]],
];
const headerCases: readonly Case[] = [
  ...requests.map(([name, lines]): Case => ({ name: `header ${name}`, to: 'header', send: get('/x/y', ...lines) })),
  ...['/route', '/answers', '/direct'].map(
    (path): Case => ({ name: `header ${path}`, to: 'header', send: get(path, 'x-text: asked') }),
  ),
  {
    name: 'header answer',
    to: 'header',
    send: get('/x'),
    upstream: [response(404, 'x', 'x-text: answered', 'x-none: 1')],
  },
  {
    name: 'header names',
    to: 'header',
    send: get('/x'),
    admin: ['GET /stats?filter=http_filter_name'],
    view: ({ admin }: Observation) =>
      admin?.['GET /stats?filter=http_filter_name']?.body.split('\n').map((line) => line.split(':')[0]),
  },
  { name: 'routed canary', to: 'routed', send: get('/', 'x-version: canary') },
  { name: 'routed stable', to: 'routed', send: get('/', 'x-version: stable') },
].map((test: Case): Case => ({ stats: ['http_filter_name'], ...test }));

const entry = (namespace: string, value: Fields, around: Fields = {}): Fields => ({
  metadata_namespace: namespace,
  value,
  ...around,
});
const overwrite = { allow_overwrite: true };
const struct = {
  text: 'one',
  number: 1,
  list: [1, { k: 'v' }],
  deep: { a: 1, b: { c: [true] } },
  none: null,
  yes: true,
};
const sets: Readonly<Record<string, Fields>> = {
  old: { metadata_namespace: 'a', value: struct },
  one: { metadata: [entry('a', struct)] },
  twice: { metadata: [entry('a', { k: 1, l: [1] }), entry('a', { k: 2, m: 3 })] },
  over: {
    metadata: [
      entry('a', struct),
      entry(
        'a',
        { text: 'two', number: '2', list: [2], deep: { a: { x: 1 }, b: { c: [false], d: 1 } }, none: 1, new: 1 },
        overwrite,
      ),
    ],
  },
  'over-first': { metadata: [entry('a', { k: 1 }, overwrite), entry('a', { k: 2 }), entry('b', { k: 1 })] },
  'old-and-new': {
    metadata_namespace: 'a',
    value: { k: 1 },
    metadata: [entry('a', { l: 1 }, overwrite), entry('c', {})],
  },
  typed: { metadata: [{ metadata_namespace: 'a', typed_value: any('google.protobuf.StringValue', { value: 'x' }) }] },
  'without-a-value': { metadata: [{ metadata_namespace: 'a' }] },
  empty: {},
};
const setCases: readonly Case[] = [
  ...Object.keys(sets).map((name): Case => ({ name: `set ${name}`, to: `set-${name}`, send: get('/') })),
  { name: 'set after header', to: 'set-after', send: get('/', 'x-k: 1') },
  { name: 'set names', to: 'set-one', send: get('/'), admin: ['GET /stats?filter=set_metadata'] },
].map((test): Case => ({ stats: ['set_metadata'], ...test }));

const listeners = [
  headerListener,
  routed,
  ...Object.entries(sets).map(([name, config]) =>
    http({ name: `set-${name}`, log, filters: [filter(SET_NAME, SET, config)] }),
  ),
  http({
    name: 'set-after',
    log,
    filters: [
      filter(HEADER_NAME, HEADER, {
        request_rules: [{ header: 'x-k', on_header_present: { metadata_namespace: 'a', key: 'k' } }],
      }),
      filter(SET_NAME, SET, { metadata: [entry('a', { k: 2 }), entry('a', { l: 2 }, overwrite)] }),
    ],
  }),
];
const config = bootstrap({ listeners, clusters: [cluster('a')] });
const quick = (cases: readonly Case[]): readonly Case[] =>
  cases.map((test) => ({ probeMs: 5, upstream: [response(200, 'ok', 'x-text: answered')], ...test }));

export const filterMetadataGroups: readonly Group[] = [
  { name: 'filter header_to_metadata', config, cases: quick(headerCases) },
  { name: 'filter set_metadata', config, cases: quick(setCases) },
];
