// Chains chosen by filter_chain_matcher: inputs, lists, maps, IP ranges, domains, and nothing that matches.
import type { Case, Group } from '../case.ts';
import { any, bootstrap } from '../config.ts';
import type { Fields } from '../config.ts';
import { byDefault, connectionsCase, inspectingListener, namedChain, proxyProtocol } from './chain-match-client.ts';
import type { Connection } from './chain-match-client.ts';

const NETWORK = 'envoy.extensions.matching.common_inputs.network.v3';
const CHAINS = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => namedChain(name));

type OnMatch = Fields;
type Predicate = Fields;

export const input = (name: string, fields: Fields = {}): Fields => ({
  name,
  typed_config: any(`${NETWORK}.${name}`, fields),
});
export const chain = (name: string): OnMatch => ({
  action: { name: 'chain', typed_config: any('google.protobuf.StringValue', { value: name }) },
});
export const exactMap = (from: Fields, map: Readonly<Record<string, OnMatch>>, rest: Fields = {}): Fields => ({
  matcher_tree: { input: from, exact_match_map: { map } },
  ...rest,
});
export const customTree = (from: Fields, type: string, fields: Fields, rest: Fields = {}): Fields => ({
  matcher_tree: {
    input: from,
    custom_match: { name: 'custom', typed_config: any(`xds.type.matcher.v3.${type}`, fields) },
  },
  ...rest,
});
const list = (entries: readonly (readonly [Predicate, OnMatch])[], rest: Fields = {}): Fields => ({
  matcher_list: { matchers: entries.map(([predicate, on_match]) => ({ predicate, on_match })) },
  ...rest,
});
const is = (from: Fields, exact: string): Predicate => ({ single_predicate: { input: from, value_match: { exact } } });
const hasAny = (from: Fields): Predicate => ({
  single_predicate: { input: from, value_match: { safe_regex: { google_re2: {}, regex: '.*' } } },
});
const not = (predicate: Predicate): Predicate => ({ not_matcher: predicate });
/** A chain, but only for port 443. */
const on443 = (name: string): OnMatch => ({ matcher: exactMap(input('DestinationPortInput'), { 443: chain(name) }) });

type Row = {
  readonly name: string;
  readonly matcher: Fields;
  readonly connections: readonly Connection[];
  readonly around?: Fields;
};

const named = (...names: readonly string[]): Connection[] => names.map((name) => ({ tls: { name } }));
const from = (...addresses: readonly string[]): Connection[] =>
  addresses.map((address) => ({ from: address, to: address.includes('[') ? '[2001:db8::1]:443' : '10.0.0.1:443' }));
const elsewhere = (connections: readonly Connection[]): Connection[] =>
  connections.map((connection) => ({ ...connection, to: '10.0.0.1:80' }));

/** What an input gives: one of these values, another one, or none. */
function probe(name: string, values: readonly string[], connections: readonly Connection[], around?: Fields): Row {
  const own = input(name);
  const entries = values.map((value, i) => [is(own, value), chain('abcd'[i] as string)] as const);
  const matcher = list([...entries, [hasAny(own), chain('e')], [not(hasAny(own)), chain('f')]]);
  return { name: `values of ${name}`, matcher, connections, ...(around === undefined ? {} : { around }) };
}

const inputs: readonly Row[] = [
  probe('DestinationIPInput', ['10.0.0.1', '::5'], [{}, { to: '[0:0::5]:1', from: '[::6]:1' }, { to: '10.0.0.2:1' }]),
  probe('DestinationPortInput', ['443', '0443'], [{}, { to: '10.0.0.1:44' }]),
  probe('SourceIPInput', ['192.0.2.7', '127.0.0.1', '::6'], [{}, { to: '[::5]:1', from: '[::6]:1' }]),
  probe('SourcePortInput', ['4000', '0'], [{}, { from: '192.0.2.7:0' }, { from: '192.0.2.7:1' }]),
  probe('DirectSourceIPInput', ['192.0.2.7', '127.0.0.1', '127.0.0.2'], [{}, { direct: '127.0.0.2' }]),
  probe('SourceTypeInput', ['local', 'external'], [...from('127.0.0.1:1', '127.0.0.2:1', '10.0.0.1:1')]),
  probe('ServerNameInput', ['x', 'X'], [...named('x', 'X', 'y'), {}, { tls: null }]),
  probe('TransportProtocolInput', ['tls', 'raw_buffer'], [{}, { tls: null }]),
  {
    ...probe('TransportProtocolInput', ['tls', 'raw_buffer'], [{}], { listener_filters: [proxyProtocol] }),
    name: 'transport protocol that nobody looked for',
  },
  probe(
    'ApplicationProtocolInput',
    ["'h2','http/1.1'", "'h2'", 'h2'],
    [['h2', 'http/1.1'], ['h2'], ['http/1.1', 'h2'], ["a'b"], undefined].map((alpn) => ({
      tls: alpn === undefined ? {} : { alpn },
    })),
  ),
  {
    name: 'no network namespace',
    matcher: exactMap(input('NetworkNamespaceInput'), { '/n': chain('a') }, { on_no_match: chain('b') }),
    connections: [{}],
  },
  {
    name: 'filter state that nobody set',
    matcher: list([
      [hasAny(input('FilterStateInput', { key: 'k' })), chain('a')],
      [not(hasAny(input('FilterStateInput', { key: 'k' }))), chain('b')],
    ]),
    connections: [{}],
  },
];

const sni = input('ServerNameInput');

const shapes: readonly Row[] = [
  { name: 'an empty matcher', matcher: {}, connections: [{}] },
  { name: 'only on_no_match', matcher: { on_no_match: chain('a') }, connections: [{}] },
  {
    name: 'a chain that there is not',
    matcher: exactMap(sni, { x: chain('nowhere'), y: chain(''), z: chain('default'), w: chain('a') }),
    connections: named('x', 'y', 'z', 'w', 'v'),
  },
  {
    name: 'a nested matcher that takes nothing',
    matcher: exactMap(sni, { x: on443('a') }, { on_no_match: chain('b') }),
    connections: [...named('x'), ...elsewhere(named('x')), {}],
  },
  {
    name: 'a list goes on after a nested matcher that takes nothing',
    matcher: list([
      [is(sni, 'x'), on443('a')],
      [hasAny(sni), chain('b')],
    ]),
    connections: [...named('x', 'y'), ...elsewhere(named('x')), {}],
  },
  {
    name: 'prefixes, the longest first',
    matcher: {
      matcher_tree: {
        input: sni,
        prefix_match_map: { map: { a: chain('a'), ab: on443('b'), abc: chain('d'), '': chain('c') } },
      },
    },
    connections: [...named('ax', 'abx', 'abcd', 'x'), ...elsewhere(named('abx')), {}],
  },
  {
    name: 'and, or, not',
    matcher: list([
      [{ and_matcher: { predicate: [is(sni, 'x'), is(input('DestinationPortInput'), '443')] } }, chain('a')],
      [{ or_matcher: { predicate: [is(sni, 'x'), is(sni, 'y')] } }, chain('b')],
      [not({ or_matcher: { predicate: [is(sni, 'z'), not(hasAny(sni))] } }), chain('c')],
    ]),
    connections: [...named('x', 'y', 'z', 'w'), ...elsewhere(named('x')), {}],
  },
  {
    name: 'values without regard to case',
    matcher: list([
      [{ single_predicate: { input: sni, value_match: { exact: 'X', ignore_case: true } } }, chain('a')],
      [{ single_predicate: { input: sni, value_match: { prefix: 'y' } } }, chain('b')],
      [{ single_predicate: { input: sni, value_match: { suffix: '.z' } } }, chain('c')],
      [{ single_predicate: { input: sni, value_match: { contains: 'q' } } }, chain('d')],
    ]),
    connections: named('x', 'y.a', 'a.z', 'aqa', 'n'),
  },
];

const range = (text: string, on_match: OnMatch, around: Fields = {}): Fields => {
  const [address_prefix, length] = text.split('/');
  return { ranges: [{ address_prefix, prefix_len: Number(length) }], on_match, ...around };
};
const ranges = (...range_matchers: readonly Fields[]): Fields =>
  customTree(input('SourceIPInput'), 'IPMatcher', { range_matchers }, { on_no_match: chain('d') });
const [TEN, INNER] = [range('10.0.0.0/8', chain('a')), range('10.1.0.0/16', on443('b'))];
const IN_INNER = from('10.1.9.9:1');
const INSIDE_AND_ELSEWHERE = [...IN_INNER, ...elsewhere(IN_INNER)];

const ipRanges: readonly Row[] = [
  {
    name: 'ranges, the longest first',
    matcher: ranges(TEN, INNER, range('10.1.2.0/24', chain('c')), range('::/0', chain('e'))),
    connections: [
      ...INSIDE_AND_ELSEWHERE,
      ...from('10.9.9.9:1', '10.1.2.9:1', '11.1.2.9:1', '[::7]:1', '[::ffff:10.1.2.9]:1'),
    ],
  },
  {
    name: 'an exclusive outer range is not come back to',
    matcher: ranges(range('10.0.0.0/8', chain('a'), { exclusive: true }), INNER, range('0.0.0.0/0', chain('e'))),
    connections: [...INSIDE_AND_ELSEWHERE, ...from('10.9.9.9:1')],
  },
  {
    name: 'an exclusive inner range gives way',
    matcher: ranges(TEN, range('10.1.0.0/16', on443('b'), { exclusive: true })),
    connections: INSIDE_AND_ELSEWHERE,
  },
  {
    name: 'the same range twice',
    matcher: ranges(range('10.0.0.0/8', on443('a')), range('10.0.0.0/8', chain('b'))),
    connections: INSIDE_AND_ELSEWHERE,
  },
  {
    name: 'the same range twice, the second exclusive',
    matcher: ranges(range('10.0.0.0/8', on443('a')), range('10.0.0.0/8', chain('b'), { exclusive: true })),
    connections: INSIDE_AND_ELSEWHERE,
  },
  { name: 'no ranges', matcher: ranges(), connections: [{}] },
  {
    name: 'ranges of what is no address',
    matcher: customTree(input('SourcePortInput'), 'IPMatcher', { range_matchers: [range('0.0.0.0/0', chain('a'))] }),
    connections: [{}],
  },
];

const domain = (domains: readonly string[], on_match: OnMatch): Fields => ({ domains, on_match });
const domains = (...domain_matchers: readonly Fields[]): Fields =>
  customTree(sni, 'ServerNameMatcher', { domain_matchers }, { on_no_match: chain('e') });
const [NAME, WILDCARD] = [domain(['a.x.com'], on443('a')), domain(['*.x.com'], on443('b'))];
const NAMES = 'a.x.com b.x.com b.a.x.com A.X.com x.com com q.org a.w.org .z y.z .com t. t a.com.'.split(' ');

const serverNames: readonly Row[] = [
  {
    name: 'domains, the longest wildcard first',
    matcher: domains(
      NAME,
      WILDCARD,
      domain(['*.com', 'Q.org', '*.W.org'], chain('c')),
      domain(['*'], chain('d')),
      domain(['.z'], chain('e')),
      domain(['t.'], chain('f')),
    ),
    connections: [...named(...NAMES), ...elsewhere(named(...NAMES)), {}],
  },
  {
    name: 'domains without a star',
    matcher: domains(NAME, WILDCARD),
    connections: [...named('a.x.com', 'b.x.com', '.x.com', 'x'), ...elsewhere(named('a.x.com', 'b.x.com'))],
  },
  { name: 'a star alone', matcher: domains(domain(['*'], chain('a'))), connections: [...named('x'), {}] },
  {
    name: 'domains of a port',
    matcher: customTree(input('DestinationPortInput'), 'ServerNameMatcher', {
      domain_matchers: [domain(['443'], chain('a')), domain(['*'], chain('b'))],
    }),
    connections: [{}, { to: '10.0.0.1:80' }],
  },
];

/** What a control plane sends for a waypoint: addresses, then ports or protocols. */
const waypoint: Row = {
  name: 'addresses, then ports or protocols',
  matcher: customTree(input('DestinationIPInput'), 'IPMatcher', {
    range_matchers: [
      range('10.0.0.1/32', { matcher: exactMap(input('DestinationPortInput'), { 443: chain('a'), 80: chain('b') }) }),
      range('10.0.0.2/32', {
        matcher: exactMap(
          input('ApplicationProtocolInput'),
          { "'h2c'": chain('c'), "'http/1.1'": chain('c') },
          { on_no_match: chain('d') },
        ),
      }),
    ],
  }),
  connections: [
    {},
    { to: '10.0.0.1:80' },
    { to: '10.0.0.1:81' },
    { to: '10.0.0.2:81', tls: { alpn: ['http/1.1'] } },
    { to: '10.0.0.2:81', tls: null },
    { to: '10.0.0.3:80' },
  ],
};

const rows: readonly Row[] = [...inputs, ...shapes, ...ipRanges, ...serverNames, waypoint];

export const chainTreeGroup: Group = {
  name: 'filter_chain_matcher',
  config: bootstrap({
    listeners: rows.map(({ matcher, around }, i) =>
      inspectingListener(`tree${i}`, CHAINS, { filter_chain_matcher: matcher, ...byDefault, ...around }),
    ),
    clusters: [],
  }),
  cases: rows.map(({ name, connections }, i): Case => connectionsCase(name, `tree${i}`, connections)),
};
