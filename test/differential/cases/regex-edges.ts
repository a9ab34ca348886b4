// Differential cases: regular expressions where engines differ, against RE2 in Envoy.
import { EDGES } from '../../regex/edges.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, http, match } from '../config.ts';
import { get } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';

const routes: readonly Fields[] = EDGES.map(({ pattern }, i) =>
  direct(
    {
      prefix: '/',
      headers: [
        { name: 'x-pattern', string_match: { exact: String(i) } },
        { name: 'x-value', string_match: { safe_regex: { regex: pattern } } },
      ],
    },
    200,
  ),
);

const config = bootstrap({
  listeners: [http({ name: 'main', routes, log: null })],
  clusters: [cluster('a')],
  around: {
    layered_runtime: {
      layers: [{ name: 'static', static_layer: { 're2.max_program_size.error_level': 1_000_000 } }],
    },
  },
});

const cases: readonly Case[] = EDGES.map(({ about, values }, i) => ({
  name: about,
  send: values.flatMap((value, n) => [get('/', `x-pattern: ${i}`, `x-value: ${value}`), { read: n + 1 }]),
  view: ({ clients }) => clients[0]?.responses.map(({ line }) => line.includes('200')),
}));

// ── what becomes of a path ──
const REWRITES: readonly (readonly [pattern: string, substitution: string, path: string])[] = [
  ['a', 'b', '/banana'],
  ['a*', 'x', '/baac'],
  ['^', '/p', '/a'],
  ['$', '!', '/a'],
  ['/([^/]+)/([^/]+)', '/\\2/\\1', '/a/b/c/d/e'],
  ['(a)|(b)', '<\\1|\\2>', '/ab'],
  ['(?:(a)|(b))*', '<\\1\\2>', '/ab'],
  ['(a|ab)(c|bcd)(d*)', '[\\1,\\2,\\3]', '/abcd'],
  ['(a+)(a*)', '[\\1,\\2]', '/aaa'],
  ['(a+?)(a*)', '[\\1,\\2]', '/aaa'],
  ['(a*)+', '[\\1]', '/baab'],
  ['(|a)*', '[\\1]', '/aa'],
  ['(|a)+', '[\\1]', '/aa'],
  ['\\b', '.', '/ab-cd'],
  ['\\B', '.', '/abc'],
  ['(?i)A', 'x', '/aAbB'],
  ['.', '\\0\\0', '/ab'],
  ['[^/]', '\\\\', '/ab'],
  ['(.)(.)', '\\2\\1', '/abcd'],
  ['b?', 'x', '/abc'],
  ['(x)?a', '[\\1]', '/xaa'],
];
const rewriteRoutes = REWRITES.map(([pattern, substitution], i) =>
  match({ prefix: '/', headers: [{ name: 'x-n', string_match: { exact: String(i) } }] }, 'a', {
    regex_rewrite: { pattern: { regex: pattern }, substitution },
  }),
);

export const regexEdgeGroups: readonly Group[] = [
  { name: 'regex edges', config, cases },
  {
    name: 'regex rewrites',
    config: bootstrap({ listeners: [http({ name: 'main', routes: rewriteRoutes })], clusters: [cluster('a')] }),
    cases: REWRITES.map(([pattern, substitution, path], i) => ({
      name: `${pattern} to ${substitution} in ${path}`,
      send: get(`${path}?a=${path}`, `x-n: ${i}`),
    })),
  },
];

const REFUSED = ['(?=a)', '(?<!a)b', '(a)\\1', 'a**', 'a{1001}', '[b-a]', '[[:nope:]]', '(?x)a', '\\Z', '[a', '*a'];

/** Some of those that RE2 refuses: so does Heddle. */
export const regexConfigCases: readonly ConfigCase[] = REFUSED.map((regex) => ({
  name: `regex ${regex}`,
  config: bootstrap({
    listeners: [http({ name: 'main', routes: [match({ safe_regex: { regex } }, 'a')] })],
    clusters: [cluster('a')],
  }),
  mentions: ['safe_regex.regex'],
}));
