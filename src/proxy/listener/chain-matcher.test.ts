// Chains chosen by a tree of matchers; the expectations are what the real Envoy did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf } from '../../../test/support/chain-facts.ts';
import type { FactsText } from '../../../test/support/chain-facts.ts';
import { decodeOrThrow, reasonsOf } from '../../../test/support/filter-harness.ts';
import type { MatcherPb, OnMatchPb } from '../matcher/matcher.ts';
import type { FilterStateObject } from '../stream-info.ts';
import { NO_CHAIN, decodeChainMatcher } from './chain-matcher.ts';
import type { ChainMatcher } from './chain-matcher.ts';

const INPUTS = 'envoy.extensions.matching.common_inputs.network.v3';
const CHAINS = ['a', 'b', 'c', 'd', 'e', 'f'];

const extension = (type: string, message: unknown) => ({ name: 'x', typed_config: { type, message } });
const input = (name: string, fields: object = {}) => extension(`${INPUTS}.${name}`, fields);
const chain = (name: string): OnMatchPb => ({ action: extension('google.protobuf.StringValue', name) });
const exact = (from: object, map: Record<string, OnMatchPb>, rest: MatcherPb = {}): MatcherPb => ({
  matcher_tree: { input: from, exact_match_map: { map } },
  ...rest,
});
const custom = (from: object, type: string, fields: object, rest: MatcherPb = {}): MatcherPb => ({
  matcher_tree: { input: from, custom_match: extension(`xds.type.matcher.v3.${type}`, fields) },
  ...rest,
});
/** A chain, but only for port 443. */
const on443 = (name: string): OnMatchPb => ({ matcher: exact(input('DestinationPortInput'), { 443: chain(name) }) });

function compile(message: MatcherPb): ChainMatcher {
  return decodeOrThrow((d) => decodeChainMatcher(message, d, CHAINS)) as ChainMatcher;
}

/** The names of the chains for some connections; '-' for the default. */
function choose(message: MatcherPb, ...facts: readonly FactsText[]): string {
  const matcher = compile(message);
  return facts.map((each) => matcher.find({ ...factsOf(each), filterState: null }) ?? '-').join(' ');
}

test('nothing found is the default chain; a chain that there is not is no chain', () => {
  const message = exact(input('ServerNameInput'), { x: chain('a'), y: chain('default') });
  assert.equal(choose(message, { name: 'x' }, { name: 'z' }, {}), 'a - -');
  assert.equal(compile(message).find({ ...factsOf({ name: 'y' }), filterState: null }), NO_CHAIN);
  assert.equal(choose({}, {}), '-');
  assert.equal(choose({ on_no_match: chain('b') }, {}), 'b');
});

test('every input of the network', () => {
  const by = (name: string, value: string, facts: FactsText): string =>
    choose(exact(input(name), { [value]: chain('a') }), facts);
  assert.equal(by('DestinationIPInput', '::5', { to: '[::5]:1', from: '[::6]:2' }), 'a');
  assert.equal(by('DestinationPortInput', '81', { to: '1.2.3.4:81' }), 'a');
  assert.equal(by('SourceIPInput', '1.2.3.4', { from: '1.2.3.4:5', direct: '127.0.0.1:1' }), 'a');
  assert.equal(by('DirectSourceIPInput', '127.0.0.1', { from: '1.2.3.4:5', direct: '127.0.0.1:1' }), 'a');
  assert.equal(by('SourcePortInput', '0', { from: '1.2.3.4:0' }), 'a');
  assert.equal(by('SourceTypeInput', 'local', { from: '127.0.0.1:5' }), 'a');
  assert.equal(by('SourceTypeInput', 'local', { from: '127.0.0.2:5' }), '-');
  assert.equal(by('TransportProtocolInput', 'raw_buffer', {}), 'a');
  assert.equal(by('TransportProtocolInput', 'tls', { transport: 'tls' }), 'a');
  assert.equal(by('ApplicationProtocolInput', "'h2','http/1.1'", { alpn: ['h2', 'http/1.1'] }), 'a');
  assert.equal(by('ApplicationProtocolInput', '', {}), '-');
  assert.equal(by('SourcePortInput', '0', { from: '/client' }), '-');
});

test('filter state is read as text', () => {
  const matcher = compile(exact(input('FilterStateInput', { key: 'k' }), { v: chain('a') }));
  const object: FilterStateObject = { value: 'v', typed: null, isReadOnly: true, lifeSpan: 'connection' };
  assert.equal(matcher.find({ ...factsOf(), filterState: new Map([['k', object]]) }), 'a');
  assert.equal(matcher.find({ ...factsOf(), filterState: new Map([['l', object]]) }), null);
  assert.equal(matcher.find({ ...factsOf(), filterState: null }), null);
});

test('ranges: the longest that leads somewhere, then those around it', () => {
  const range = (text: string, on_match: OnMatchPb, exclusive = false) => {
    const [address_prefix, length] = text.split('/');
    return { ranges: [{ address_prefix, prefix_len: Number(length) }], on_match, exclusive };
  };
  const by = (ranges: readonly object[], ...facts: readonly FactsText[]): string =>
    choose(
      custom(input('SourceIPInput'), 'IPMatcher', { range_matchers: ranges }, { on_no_match: chain('d') }),
      ...facts,
    );
  const inner = { from: '10.1.9.9:1' };
  const innerElsewhere = { ...inner, to: '1.1.1.1:80' };
  const [ten, one] = [range('10.0.0.0/8', chain('a')), range('10.1.0.0/16', on443('b'))];
  const nested = [ten, one, range('10.1.2.0/24', chain('c')), range('::/0', chain('c'))];
  const places = ['10.9.9.9:1', '10.1.2.9:1', '11.1.2.9:1', '[::7]:1'].map((from) => ({ from }));
  assert.equal(by(nested, inner, innerElsewhere, ...places, { from: '/client' }), 'b a a c d c d');
  const outer = range('0.0.0.0/0', chain('e'));
  assert.equal(by([range('10.0.0.0/8', chain('a'), true), one, outer], { from: '10.9.9.9:1' }, inner), 'a b');
  assert.equal(by([range('10.0.0.0/8', chain('a'), true), one, outer], innerElsewhere), 'e');
  assert.equal(by([ten, range('10.1.0.0/16', on443('b'), true)], inner, innerElsewhere), 'b a');
  assert.equal(by([range('10.0.0.0/8', on443('a')), range('10.0.0.0/8', chain('b'))], inner, innerElsewhere), 'a b');
  assert.equal(by([range('10.0.0.0/8', on443('a')), range('10.0.0.0/8', chain('b'), true)], innerElsewhere), 'd');
  assert.equal(by([]), '');
  const onPort = custom(input('SourcePortInput'), 'IPMatcher', { range_matchers: [outer] });
  assert.equal(choose(onPort, inner), '-');
});

test('domains: the name, then wildcards from the longest to the star', () => {
  const domains = [
    { domains: ['a.x.com'], on_match: on443('a') },
    { domains: ['*.x.com'], on_match: on443('b') },
    { domains: ['*.com', 'Q.org', '*.W.org'], on_match: chain('c') },
    { domains: ['*'], on_match: chain('d') },
    { domains: ['.z'], on_match: chain('e') },
    { domains: ['t.'], on_match: chain('f') },
  ];
  const by = (list: readonly object[], names: string, port = 443): string =>
    choose(
      custom(input('ServerNameInput'), 'ServerNameMatcher', { domain_matchers: list }, { on_no_match: chain('e') }),
      ...names.split(' ').map((name) => ({ name, to: `1.1.1.1:${port}` })),
    );
  const names = 'a.x.com b.x.com b.a.x.com x.com com q.org a.w.org .z y.z .com t. t a.com. ';
  assert.equal(by(domains, names), 'a b b c d d d e d c f d d e');
  assert.equal(by(domains, names, 80), 'c c c c d d d e d c f d d e');
  assert.equal(by(domains.slice(0, 2), 'a.x.com b.x.com .x.com x'), 'a b b e');
  assert.equal(by(domains.slice(0, 2), 'a.x.com b.x.com .x.com x', 80), 'e e e e');
});

test('what Envoy refuses is refused in its words', () => {
  const refused = (message: MatcherPb): string[] =>
    reasonsOf((d) => decodeChainMatcher(message, d, CHAINS)).map((reason) => reason.replace(/^[^:]*: /, ''));
  const domain = (...names: readonly string[]): MatcherPb =>
    custom(input('ServerNameInput'), 'ServerNameMatcher', {
      domain_matchers: names.map((name) => ({ domains: [name], on_match: chain('a') })),
    });
  const shape = (name: string): string => `Invalid wildcard domain format: ${name}. `;
  for (const name of ['*a', 'a.*', 'a*b', '**', '*.']) {
    assert.deepEqual(refused(domain(name)), [`${shape(name)}Only '*' and '*.domain' patterns are supported`]);
  }
  assert.deepEqual(refused(domain('*.*.a')), [`${shape('*.*.a')}Multiple wildcards are not supported`]);
  assert.deepEqual(refused(domain('')), ['Empty domain in ServerNameMatcher']);
  assert.deepEqual(refused(domain('a.b', 'A.b', 'a.b')), ['Duplicate domain in ServerNameMatcher: a.b']);
  assert.deepEqual(refused(domain('*', '*')), ['Duplicate domain in ServerNameMatcher: *']);
  const isUnknown = (type: string): string => `${type} is not supported as an input here`;
  const metadata = `${INPUTS}.DynamicMetadataInput`;
  assert.deepEqual(refused(exact(extension(metadata, {}), { a: chain('a') })), [isUnknown(metadata)]);
  assert.deepEqual(refused(custom(input('SourceIPInput'), 'CelMatcher', {})), [
    'xds.type.matcher.v3.CelMatcher is not supported as a matcher here',
  ]);
  assert.deepEqual(refused({ on_no_match: { ...chain('a'), keep_matching: true } }), ['is not supported: remove it']);
  assert.deepEqual(refused({ on_no_match: {} }), ['is required: matcher or action']);
  assert.equal(refused({ on_no_match: { action: extension('envoy.config.rbac.v3.Action', {}) } }).length, 1);
});

test('equal configurations have equal fingerprints', () => {
  const [a, b] = [chain('a'), chain('b')].map((on_no_match) => compile({ on_no_match }).fingerprint);
  assert.equal(a, compile({ on_no_match: chain('a') }).fingerprint);
  assert.notEqual(a, b);
});
