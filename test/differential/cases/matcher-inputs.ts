// Differential cases: what trees of matchers look at and compare with besides texts.
import type { Case, Group, Observation } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, route } from '../config.ts';
import { get, response } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const CUSTOM_RESPONSE = 'envoy.extensions.filters.http.custom_response.v3.CustomResponse';
const INPUTS = 'envoy.extensions.matching.common_inputs';
const MATCHERS = 'envoy.extensions.matching.input_matchers';

const extension = (type: string, fields: Fields = {}): Fields => ({ name: 'x', typed_config: any(type, fields) });
const header = (name: string): Fields =>
  extension('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: name });
const metadata = (...path: readonly string[]): Fields =>
  extension(`${INPUTS}.network.v3.DynamicMetadataInput`, { filter: 'test', path: path.map((key) => ({ key })) });
const variable = (name: string): Fields => extension(`${INPUTS}.environment_variable.v3.Config`, { name });
const sourceType = extension(`${INPUTS}.network.v3.SourceTypeInput`);
const custom = (type: string, fields: Fields): Fields => ({ custom_match: extension(`${MATCHERS}.${type}`, fields) });

const hashing = (fields: Fields): Fields => custom('consistent_hashing.v3.ConsistentHashing', fields);
const ranges = (...prefixes: readonly string[]): Fields =>
  custom('ip.v3.Ip', {
    stat_prefix: 'ranges',
    cidr_ranges: prefixes.map((each) => {
      const [address_prefix, length] = each.split('/');
      return { address_prefix, prefix_len: Number(length) };
    }),
  });
const fraction = (numerator: number, fields: Fields = {}, key = ''): Fields =>
  custom('runtime_fraction.v3.RuntimeFraction', {
    runtime_fraction: { default_value: { numerator }, ...(key === '' ? {} : { runtime_key: key }) },
    ...fields,
  });
const value = (matcher: Fields, fields: Fields = {}): Fields =>
  custom('metadata.v3.Metadata', { value: matcher, ...fields });

const single = (input: Fields, match: Fields): Fields => ({ single_predicate: { input, ...match } });
const list = (...matchers: readonly (readonly [Fields, Fields])[]): Fields => ({
  matcher_list: { matchers: matchers.map(([predicate, on_match]) => ({ predicate, on_match })) },
});
const allow: Fields = { action: extension('envoy.config.rbac.v3.Action', { name: 'in' }) };
const rbac = (matcher: Fields): Fields => filter('envoy.filters.http.rbac', RBAC, { matcher });

/** Whoever the predicate holds of is let in. */
const asked: Readonly<Record<string, Fields>> = {
  hashing: single(header('x-a'), hashing({ threshold: 5, modulo: 10 })),
  seeded: single(header('x-a'), hashing({ threshold: 50, modulo: 100, seed: '12345678901234' })),
  never: single(header('x-a'), hashing({ threshold: 7, modulo: 7 })),
  ranges: single(header('x-a'), ranges('10.0.0.0/8', '192.168.1.7/32', '2001:db8::/32')),
  source: single(extension(`${INPUTS}.network.v3.SourceIPInput`), ranges('127.0.0.0/8')),
  half: single(header('x-a'), fraction(50)),
  seededHalf: single(header('x-a'), fraction(50, { seed: 77 })),
  tuned: single(header('x-a'), fraction(0, {}, 'matcher.tuned')),
  everyone: single(header('x-a'), fraction(100)),
  text: single(metadata('text'), value({ string_match: { prefix: 'v' } })),
  deep: single(metadata('deep', 'number'), value({ double_match: { exact: 3 } })),
  inverted: single(metadata('text'), value({ string_match: { exact: 'other' } }, { invert: true })),
  present: single(metadata('text'), value({ present_match: true })),
  absent: single(metadata('no'), value({ present_match: true })),
  notPresent: single(metadata('no'), value({ present_match: false })),
  notAbsent: single(metadata('text'), value({ present_match: false })),
  list: single(metadata('list'), value({ list_match: { one_of: { string_match: { exact: 'b' } } } })),
  wrongInput: single(header('x-a'), value({ present_match: true }, { invert: true })),
  wrongMatcher: single(metadata('text'), { value_match: { exact: 'value' } }),
  wrongHash: single(metadata('text'), hashing({ threshold: 0, modulo: 1 })),
  // Of a variable that is there Envoy 1.40 compares memory that it has given back: only its absence can be compared.
  noVariable: single(variable('HEDDLE_NOT_THERE'), { value_match: { safe_regex: { google_re2: {}, regex: '.*' } } }),
  not: { not_matcher: single(header('x-a'), hashing({ threshold: 5, modulo: 10 })) },
};

const setMetadata = filter('envoy.filters.http.set_metadata', 'envoy.extensions.filters.http.set_metadata.v3.Config', {
  metadata: [
    { metadata_namespace: 'test', value: { text: 'value', deep: { number: 3 }, list: ['a', 'b'], none: null } },
  ],
});

const TEXTS = ['a', 'b', 'c', 'd', 'user-1', 'user-2', 'user-3', '10.1.2.3', '192.168.1.7', '192.168.1.8'];
const MORE = ['2001:db8::1', '::ffff:10.0.0.1', '1.2.3', '10.0.0.1:80', 'é', 'x'.repeat(40)];

const askedGroup: Group = {
  name: 'matchers: inputs',
  config: bootstrap({
    listeners: Object.entries(asked).map(([name, predicate]) =>
      http({ name, filters: [setMetadata, rbac(list([predicate, allow]))] }),
    ),
    clusters: [cluster('a')],
    around: {
      layered_runtime: { layers: [{ name: 'static', static_layer: { matcher: { tuned: 30 } } }] },
    },
  }),
  cases: Object.keys(asked).flatMap((name): Case[] =>
    [get('/'), ...[...TEXTS, ...MORE].map((text) => get('/', `x-a: ${text}`)), get('/', 'x-a:')].map((send, i) => ({
      name: `${name} ${i}`,
      to: name,
      send,
      upstream: [response(200)],
      stats: ['^ranges\\.'],
    })),
  ),
};

const answer = (text: string): Fields => ({
  action: extension('envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy', {
    body: { inline_string: text },
    status_code: 299,
  }),
});
const keep = (then: Fields): Fields => ({ ...then, keep_matching: true });
const answered: Readonly<Record<string, Fields>> = {
  sourceType: list([single(sourceType, { value_match: { exact: 'local' } }), answer('local')]),
  metadata: list([single(metadata('text'), value({ string_match: { exact: 'value' } })), answer('metadata')]),
  expression: list([
    single(extension('xds.type.matcher.v3.HttpAttributesCelMatchInput'), {
      custom_match: extension('xds.type.matcher.v3.CelMatcher', {
        expr_match: { cel_expr_parsed: { expr: { id: 1, const_expr: { bool_value: true } } } },
      }),
    }),
    answer('expression'),
  ]),
};

const answeredGroup: Group = {
  name: 'matchers: of responses',
  config: bootstrap({
    listeners: Object.entries(answered).map(([name, custom_response_matcher]) =>
      http({
        name,
        filters: [
          setMetadata,
          filter('envoy.filters.http.custom_response', CUSTOM_RESPONSE, { custom_response_matcher }),
        ],
      }),
    ),
    clusters: [cluster('a')],
  }),
  cases: Object.keys(answered).flatMap((name): Case[] =>
    [500, 200].map((code) => ({
      name: `${name} of ${code}`,
      to: name,
      send: get('/'),
      upstream: [response(code)],
      view,
    })),
  ),
};

/** Envoy writes empty details as they are, and Heddle as '-', as what is missing. */
function view(observation: Observation): unknown {
  return {
    ...observation,
    log: observation.log.map((line) => line.replace('details= ', 'details=- ')),
  };
}

export const matcherInputGroups: readonly Group[] = [askedGroup, answeredGroup];

const config = (filters: readonly Fields[], around: Fields = {}): Fields =>
  bootstrap({ listeners: [http({ name: 'main', filters, ...around })], clusters: [cluster('a', ['free.a'])] });
const judged = (name: string, input: Fields, match: Fields, row: Partial<ConfigCase>): ConfigCase => ({
  name: `matchers: ${name}`,
  config: config([rbac(list([single(input, match), allow]))]),
  ...row,
});
const bad = (...mentions: string[]): Partial<ConfigCase> => ({ mentions });

export const matcherInputConfigCases: readonly ConfigCase[] = [
  judged('hashing above its modulo', header('a'), hashing({ threshold: 11, modulo: 10 }), bad('threshold')),
  judged('hashing up to its modulo', header('a'), hashing({ threshold: 10, modulo: 10 }), { isGood: true }),
  judged('hashing without a modulo', header('a'), hashing({ threshold: 0 }), bad('modulo')),
  judged('ranges of nothing', header('a'), ranges(), bad('cidr_ranges')),
  judged('a range that is none', header('a'), ranges('10.0.0/8'), bad('cidr_ranges[0]', '10.0.0')),
  judged(
    'ranges that nobody counts',
    header('a'),
    custom('ip.v3.Ip', { cidr_ranges: [{ address_prefix: '::', prefix_len: 0 }] }),
    bad('stat_prefix'),
  ),
  judged(
    'a fraction that is missing',
    header('a'),
    custom('runtime_fraction.v3.RuntimeFraction', {}),
    bad('runtime_fraction'),
  ),
  judged('a metadata value that is missing', metadata('k'), custom('metadata.v3.Metadata', {}), bad('value')),
  judged(
    'metadata without a namespace',
    extension(`${INPUTS}.network.v3.DynamicMetadataInput`, { path: [{ key: 'k' }] }),
    value({ present_match: true }),
    bad('filter'),
  ),
  judged('metadata without a path', metadata(), value({ present_match: true }), bad('path')),
  judged('a variable without a name', variable(''), { value_match: { exact: 'x' } }, bad('name')),
  judged(
    'an expression on a header',
    header('a'),
    {
      custom_match: extension('xds.type.matcher.v3.CelMatcher', {
        expr_match: { cel_expr_parsed: { expr: { id: 1, const_expr: { bool_value: true } } } },
      }),
    },
    bad('CelMatcher'),
  ),
  judged(
    'an expression’s input and a text',
    extension('xds.type.matcher.v3.HttpAttributesCelMatchInput'),
    { value_match: { exact: 'x' } },
    bad('HttpAttributesCelMatchInput'),
  ),
  judged('the source’s type in rbac', sourceType, { value_match: { exact: 'local' } }, bad('SourceTypeInput')),
  judged(
    'an action as a matcher',
    header('a'),
    { custom_match: extension('envoy.config.rbac.v3.Action', { name: 'x' }) },
    bad('envoy.config.rbac.v3.Action'),
  ),
  {
    name: 'matchers: keep_matching in rbac',
    config: config([rbac(list([single(header('a'), { value_match: { exact: 'x' } }), keep(allow)]))]),
    ...bad('keep_matching'),
  },
  {
    name: 'matchers: keep_matching of routes',
    config: config([], {
      virtualHosts: [
        {
          name: 'all',
          domains: ['*'],
          matcher: list([
            single(header('a'), { value_match: { exact: 'x' } }),
            keep({ action: extension('envoy.config.route.v3.Route', route('/', 'a')) }),
          ]),
        },
      ],
    }),
    ...bad('keep_matching'),
  },
  {
    name: 'matchers: keep_matching of custom responses',
    config: config([
      filter('envoy.filters.http.custom_response', CUSTOM_RESPONSE, {
        custom_response_matcher: list([single(sourceType, { value_match: { exact: 'local' } }), keep(answer('kept'))]),
      }),
    ]),
    ...bad('keep_matching'),
    stricter: 'Envoy does not keep matching: neither what comes behind nor on_no_match is asked',
  },
  {
    name: 'matchers: metadata for routes',
    config: config([], {
      virtualHosts: [
        {
          name: 'all',
          domains: ['*'],
          matcher: list([
            single(metadata('k'), value({ present_match: true })),
            { action: extension('envoy.config.route.v3.Route', route('/', 'a')) },
          ]),
        },
      ],
    }),
    ...bad('DynamicMetadataInput'),
  },
];
