// Differential cases: virtual hosts, and matching by path, headers and query parameters.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, direct, http } from '../config.ts';
import { get } from '../messages.ts';

function answer(name: string, matcher: Fields, around: Fields = {}): Fields {
  return direct({ prefix: '/', ...matcher }, 200, name, { name, ...around });
}

function headerRoutes(matchers: readonly (readonly [string, Fields])[]): Fields[] {
  return matchers.map(([path, matcher]) => direct({ path, headers: [matcher] }, 200, 'matched'));
}

// ── virtual hosts ──
const hostNames = [
  ...['exact.example', 'EXACT.example', 'exact.example:8080', 'port.example:8080', 'port.example', 'port.example:9090'],
  ...['a.suffix.example', 'a.b.suffix.example', 'suffix.example', '.suffix.example', 'long.a.suffix.example'],
  ...['prefix.one', 'prefix.', 'prefix.two.example', 'prefix-x.example', 'unknown.example', 'a.suffix.example:80'],
];
const virtualHostCases: readonly Case[] = hostNames.map((host) => ({
  name: `host ${host}`,
  to: 'hosts',
  send: get('/', `host: ${host}`),
}));
const virtualHosts = [
  ['exact', ['exact.example']],
  ['port', ['port.example:8080']],
  ['suffix', ['*.suffix.example']],
  ['longer-suffix', ['*.a.suffix.example', '*-x.example']],
  ['prefix', ['prefix.*']],
  ['longer-prefix', ['prefix.two.*']],
  ['everything', ['*']],
].map(([name, domains]) => ({ name, domains, routes: [answer(String(name), {})] }));

// ── path matching ──
const pathCases: readonly Case[] = [
  ...['/path', '/path/', '/path?x=1', '/PATH', '/path2', '/prefix', '/prefix/', '/prefixed', '/PREFIX/x', '/prefix?q'],
  ...['/regex/123', '/regex/12a', '/regex/123/more', '/regex/123?q=1', '/sep', '/sep/', '/sep/x', '/sepx', '/sep?x=1'],
  ...[
    '/ci/path',
    '/CI/Path',
    '/ciprefix/x',
    '/CIPREFIX/x',
    '/',
    '//path',
    '/a/../path',
    '/%70ath',
    '/regex/',
    '/alt/cat',
    '/alt/dog',
  ],
].map((path) => ({ name: `path ${path}`, to: 'paths', send: get(path) }));
const pathRoutes = [
  direct({ path: '/path' }, 200, 'exact'),
  direct({ prefix: '/prefix' }, 200, 'prefix'),
  direct({ safe_regex: { regex: '/regex/[0-9]+' } }, 200, 'regex'),
  direct({ safe_regex: { regex: '/alt/(cat|dog)' } }, 200, 'alternation'),
  direct({ path_separated_prefix: '/sep' }, 200, 'separated'),
  direct({ path: '/ci/path', case_sensitive: false }, 200, 'insensitive path'),
  direct({ prefix: '/ciprefix', case_sensitive: false }, 200, 'insensitive prefix'),
];

// ── header and query matching ──
const headerMatchers: readonly (readonly [string, Fields])[] = [
  ['/exact', { name: 'x-h', string_match: { exact: 'value' } }],
  ['/exact-ci', { name: 'x-h', string_match: { exact: 'value', ignore_case: true } }],
  ['/prefix', { name: 'x-h', string_match: { prefix: 'val' } }],
  ['/suffix', { name: 'x-h', string_match: { suffix: 'lue' } }],
  ['/contains', { name: 'x-h', string_match: { contains: 'alu' } }],
  ['/contains-ci', { name: 'x-h', string_match: { contains: 'ALU', ignore_case: true } }],
  ['/regex', { name: 'x-h', string_match: { safe_regex: { regex: 'v[a-z]+' } } }],
  ['/range', { name: 'x-h', range_match: { start: -10, end: 10 } }],
  ['/present', { name: 'x-h', present_match: true }],
  ['/absent', { name: 'x-h', present_match: false }],
  ['/invert', { name: 'x-h', string_match: { exact: 'value' }, invert_match: true }],
  ['/invert-present', { name: 'x-h', present_match: true, invert_match: true }],
  ['/missing-empty', { name: 'x-h', string_match: { exact: '' }, treat_missing_header_as_empty: true }],
  [
    '/invert-missing-empty',
    { name: 'x-h', string_match: { exact: 'value' }, invert_match: true, treat_missing_header_as_empty: true },
  ],
  ['/method', { name: ':method', string_match: { exact: 'GET' } }],
  ['/authority', { name: ':authority', string_match: { prefix: 'test' } }],
  ['/scheme', { name: ':scheme', string_match: { exact: 'http' } }],
  ['/host', { name: 'host', string_match: { exact: 'test.example' } }],
];
const headerCases: readonly Case[] = headerMatchers
  .flatMap(([path]) =>
    [[], ['x-h: value'], ['x-h: VALUE'], ['x-h: 5'], ['x-h:'], ['x-h: value', 'x-h: other']].map(
      (headers): Case => ({
        name: `header ${path} with ${JSON.stringify(headers)}`,
        to: 'headers',
        send: get(path, ...headers),
      }),
    ),
  )
  .filter((_, i) => i % 6 < 3 || i % 3 === 0 || [47, 46].includes(i));
const rangeCases: readonly Case[] = [
  '-10',
  '-11',
  '9',
  '10',
  '1.5',
  ' 3',
  '+3',
  '0x3',
  'abc',
  '99999999999999999999',
].map((value) => ({
  name: `header range ${value}`,
  to: 'headers',
  send: get('/range', `x-h: ${value}`),
}));

const queryMatchers: readonly (readonly [string, Fields])[] = [
  ['/q-exact', { name: 'k', string_match: { exact: 'v' } }],
  ['/q-prefix', { name: 'k', string_match: { prefix: 'v' } }],
  ['/q-regex', { name: 'k', string_match: { safe_regex: { regex: '[0-9]+' } } }],
  ['/q-ci', { name: 'k', string_match: { exact: 'V', ignore_case: true } }],
  ['/q-present', { name: 'k', present_match: true }],
  ['/q-absent', { name: 'k', present_match: false }],
  ['/q-bare', { name: 'k' }],
];
const queryRoutes = queryMatchers.map(([path, matcher]) =>
  direct({ path, query_parameters: [matcher] }, 200, 'matched'),
);
const queryCases: readonly Case[] = queryMatchers
  .flatMap(([path]) =>
    ['', '?k=v', '?k', '?k=', '?a=1&k=v2', '?k=12', '?K=v', '?k=a&k=v', '?%6b=v', '?k=%76'].map(
      (query): Case => ({ name: `query ${path}${query}`, to: 'headers', send: get(path + query) }),
    ),
  )
  .filter((_, i) => i % 10 < 4 || i % 4 === 1);

export const routeMatchGroups: readonly Group[] = [
  {
    name: 'routing',
    config: bootstrap({
      listeners: [
        http({ name: 'hosts', virtualHosts }),
        http({ name: 'paths', routes: pathRoutes }),
        http({ name: 'headers', routes: [...headerRoutes(headerMatchers), ...queryRoutes] }),
      ],
      clusters: [cluster('a')],
    }),
    cases: [...virtualHostCases, ...pathCases, ...headerCases, ...rangeCases, ...queryCases].map(
      (test): Case => ({ probeMs: 5, ...test }),
    ),
  },
];
