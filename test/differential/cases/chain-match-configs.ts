// Filter chains and matcher trees that cannot be: both proxies refuse them.
import { any, bootstrap, filter } from '../config.ts';
import type { Fields } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import { inspectingListener, namedChain, tlsInspector } from './chain-match-client.ts';
import { chain, customTree, exactMap, input } from './chain-match-trees.ts';

const MATCH = 'listeners[0].filter_chains[0].filter_chain_match';
const TREE = 'listeners[0].filter_chain_matcher';

function withChains(chains: readonly Fields[], around: Fields = {}): Fields {
  return bootstrap({ listeners: [inspectingListener('main', chains, around)], clusters: [] });
}
const withMatch = (match: Fields): Fields => withChains([namedChain('one', match)]);
const withTree = (filter_chain_matcher: Fields): Fields =>
  withChains([namedChain('one'), namedChain('two')], { filter_chain_matcher });
const withDomain = (...domains: readonly string[]): Fields =>
  withTree(
    customTree(input('ServerNameInput'), 'ServerNameMatcher', {
      domain_matchers: domains.map((domain) => ({ domains: [domain], on_match: chain('one') })),
    }),
  );
const withPredicate = (filter_disabled: Fields): Fields =>
  withChains([namedChain('one')], { listener_filters: [{ ...tlsInspector, filter_disabled }] });
const range = (address_prefix: string, prefix_len: number): Fields => ({ address_prefix, prefix_len });
const sni = input('ServerNameInput');
const toOne = { x: chain('one') };

const names: readonly ConfigCase[] = ['*', 'a.*', 'a*b', '*a.b', '**', 'a.*.b'].map((name) => ({
  name: `server name ${name}`,
  config: withMatch({ server_names: ['good', name] }),
  mentions: [`${MATCH}.server_names[1]`, 'partial wildcards are not supported in "server_names"'],
}));

const overlaps: readonly ConfigCase[] = [
  {
    name: 'two chains without a match',
    config: withChains([namedChain('one'), namedChain('two', {})]),
    mentions: ["filter chain 'two' has the same matching rules defined as 'one'. duplicate matcher is: {}"],
  },
  {
    name: 'two chains with the same match',
    config: withChains([namedChain('one', { server_names: ['a'] }), namedChain('two', { server_names: ['a'] })]),
    mentions: ['duplicate matcher is: {"server_names":["a"]}'],
  },
  ...(
    [
      ['server names', { server_names: ['a'] }, { server_names: ['b', 'a'] }],
      ['server names of another case', { server_names: ['a'] }, { server_names: ['A'] }],
      ['an empty server name', {}, { server_names: [''] }],
      ['a wildcard and a leading dot', { server_names: ['*.a'] }, { server_names: ['.a'] }],
      ['ranges', { prefix_ranges: [range('10.0.0.1', 8)] }, { prefix_ranges: [range('10.0.0.0', 8)] }],
      ['source ports', { source_ports: [1, 2] }, { source_ports: [2, 3] }],
    ] as const
  ).map(([name, one, two]) => ({
    name: `chains that overlap in ${name}`,
    config: withChains([namedChain('one', one), namedChain('two', two)]),
    mentions: ['multiple filter chains with overlapping matching rules are defined', 'filter_chains[1]'],
  })),
  { name: 'a chain that overlaps with itself', config: withMatch({ server_names: ['a', 'a'] }), mentions: [MATCH] },
];

const fields: readonly ConfigCase[] = [
  { name: 'address_suffix', config: withMatch({ address_suffix: '1.2' }), mentions: [`${MATCH}.address_suffix`] },
  { name: 'suffix_len', config: withMatch({ suffix_len: 0 }), mentions: [`${MATCH}.suffix_len`] },
  { name: 'destination port 0', config: withMatch({ destination_port: 0 }), mentions: [`${MATCH}.destination_port`] },
  { name: 'source port too large', config: withMatch({ source_ports: [70_000] }), mentions: [`${MATCH}.source_ports`] },
  { name: 'a range of no address', config: withMatch({ prefix_ranges: [range('x', 8)] }), mentions: [MATCH] },
  { name: 'a range too long', config: withMatch({ prefix_ranges: [range('::', 129)] }), mentions: [MATCH] },
  {
    name: 'a match of the default chain',
    config: withChains([namedChain('one')], { default_filter_chain: namedChain('two', { server_names: ['a'] }) }),
    stricter: 'the match would be ignored in silence',
    mentions: ['listeners[0].default_filter_chain.filter_chain_match'],
  },
  {
    name: 'an empty match of the default chain',
    config: withChains([namedChain('one')], { default_filter_chain: namedChain('two', {}) }),
    isGood: true,
  },
  { name: 'a range longer than IPv4', config: withMatch({ prefix_ranges: [range('10.0.0.0', 64)] }), isGood: true },
  {
    name: 'chains that look alike and are not',
    config: withChains([
      namedChain('one', { server_names: ['*.', '.foo', '*.*.c'] }),
      namedChain('two', { prefix_ranges: [range('0.0.0.0', 0)] }),
      namedChain('three', { transport_protocol: 'odd' }),
      namedChain('four'),
    ]),
    isGood: true,
  },
];

const trees: readonly ConfigCase[] = [
  ...['*a', 'a.*', 'a*b', '**', '*.', '*.*.a'].map((name) => ({
    name: `domain ${name}`,
    config: withDomain(name),
    mentions: [`Invalid wildcard domain format: ${name}. `, TREE],
  })),
  { name: 'empty domain', config: withDomain(''), mentions: ['Empty domain in ServerNameMatcher'] },
  {
    name: 'the same domain twice',
    config: withDomain('a.b', 'a.b'),
    mentions: ['Duplicate domain in ServerNameMatcher: a.b'],
  },
  { name: 'domains that differ in case', config: withDomain('a.b', 'A.b'), isGood: true },
  {
    name: 'a matcher over a chain without a name',
    config: withChains([namedChain('')], { filter_chain_matcher: exactMap(sni, toOne) }),
    mentions: ['filter_chains[0].name'],
  },
  {
    name: 'a matcher over chains of one name',
    config: withChains([namedChain('one'), namedChain('one')], { filter_chain_matcher: exactMap(sni, toOne) }),
    mentions: ['filter_chains[1].name'],
  },
  {
    name: 'a matcher over a chain that has a match',
    config: withChains([namedChain('one', { server_names: ['a'] })], { filter_chain_matcher: exactMap(sni, toOne) }),
    stricter: 'the match would be ignored in silence',
    mentions: [MATCH],
  },
  {
    name: 'a matcher that names a chain that there is not',
    config: withTree(exactMap(sni, { x: chain('nowhere') })),
    isGood: true,
  },
  {
    name: 'an action that is no name',
    config: withTree(exactMap(sni, { x: { action: { name: 'x', typed_config: any('envoy.config.rbac.v3.Action') } } })),
    mentions: ['envoy.config.rbac.v3.Action', TREE],
  },
  { name: 'a match without an action', config: withTree(exactMap(sni, { x: {} })), mentions: [TREE] },
  {
    name: 'a matcher that keeps matching',
    config: withTree(exactMap(sni, { x: { ...chain('one'), keep_matching: true } })),
    stricter: 'the first connection would end Envoy',
    mentions: ['keep_matching'],
  },
  ...(
    [
      ['of metadata', input('DynamicMetadataInput', { filter: 'f', path: [{ key: 'k' }] })],
      [
        'of a request',
        { name: 'x', typed_config: any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: 'x' }) },
      ],
      ['of filter state without a key', input('FilterStateInput')],
    ] as const
  ).map(([name, from]) => ({
    name: `an input ${name}`,
    config: withTree(exactMap(from, toOne)),
    mentions: [`${TREE}.matcher_tree.input`],
  })),
  {
    name: 'a custom matcher that there is not',
    config: withTree(customTree(input('SourcePortInput'), 'Int32RangeMatcher', {})),
    mentions: ['Int32RangeMatcher'],
  },
  { name: 'an empty map', config: withTree(exactMap(sni, {})), mentions: [TREE] },
];

/** rbac knows fewer inputs than the choice of a chain. */
const rbacInputs: readonly ConfigCase[] = ['SourceTypeInput', 'TransportProtocolInput', 'ApplicationProtocolInput'].map(
  (name) => {
    const matcher = exactMap(input(name), {
      x: { action: { name: 'x', typed_config: any('envoy.config.rbac.v3.Action', { name: 'x' }) } },
    });
    const rbac = filter('rbac', 'envoy.extensions.filters.network.rbac.v3.RBAC', { stat_prefix: 'x', matcher });
    const echo = filter('echo', 'envoy.extensions.filters.network.echo.v3.Echo');
    return {
      name: `a matcher of rbac with ${name}`,
      config: withChains([{ filters: [rbac, echo] }]),
      mentions: [name],
    };
  },
);

const predicates: readonly ConfigCase[] = [
  { name: 'filter_disabled without a rule', config: withPredicate({}), mentions: ['filter_disabled'] },
  { name: 'filter_disabled, any_match false', config: withPredicate({ any_match: false }), mentions: ['any_match'] },
  {
    name: 'filter_disabled, or_match of one',
    config: withPredicate({ or_match: { rules: [{ any_match: true }] } }),
    mentions: ['or_match'],
  },
  {
    name: 'filter_disabled, a range the wrong way round',
    config: withPredicate({ destination_port_range: { start: 5, end: 2 } }),
    isGood: true,
  },
];

export const chainConfigCases: readonly ConfigCase[] = [
  ...names,
  ...overlaps,
  ...fields,
  ...trees,
  ...rbacInputs,
  ...predicates,
];
