// Which chain a connection takes: Envoy's rules one by one, and the table against a plain reading of those rules.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf, matchOf, ranges } from '../../../test/support/chain-facts.ts';
import type { FactsText } from '../../../test/support/chain-facts.ts';
import { Random } from '../../base/clock.ts';
import { checkFind, randomChains, randomFacts } from '../../../test/fuzz/chain-match-reference.ts';
import { compileFilterChains, findOverlap } from './filter-chain-match.ts';
import type { FilterChainMatch } from './filter-chain-match.ts';

type Chains = Readonly<Record<string, Partial<FilterChainMatch>>>;

/** The name of the chain, 'default' where there is none. */
function chooser(chains: Chains): (facts?: FactsText) => string {
  const entries = Object.entries(chains).map(([value, match]) => ({ match: matchOf(match), value }));
  const table = compileFilterChains(entries, 'default');
  return (facts) => table.find(factsOf(facts)) ?? 'none';
}

test('without chains there is the default, or nothing', () => {
  assert.equal(compileFilterChains([], 'default').find(factsOf()), 'default');
  assert.equal(compileFilterChains<string>([], null).find(factsOf()), null);
  assert.equal(compileFilterChains([{ match: null, value: 'all' }], 'default').find(factsOf()), 'all');
});

test('destination: port, then the longest prefix', () => {
  const choose = chooser({
    p80: { destinationPort: 80 },
    p81: { destinationPort: 81, serverNames: ['a'] },
    ten: { prefixRanges: ranges('10.0.0.0/8', '2001:db8::/32') },
    one: { prefixRanges: ranges('10.0.0.1') },
    six: { prefixRanges: ranges('2001:db8:1::/48') },
  });
  assert.equal(choose({ to: '10.0.0.1:80' }), 'p80');
  assert.equal(choose({ to: '10.0.0.1:82' }), 'one');
  assert.equal(choose({ to: '10.0.0.2:82' }), 'ten');
  assert.equal(choose({ to: '[2001:db8:2::1]:82' }), 'ten');
  assert.equal(choose({ to: '[2001:db8:1::1]:82' }), 'six');
  assert.equal(choose({ to: '11.0.0.2:82' }), 'default');
});

test('a branch once taken is not left, although another one leads to a chain', () => {
  const choose = chooser({ p81: { destinationPort: 81, serverNames: ['a'] }, rest: {} });
  assert.equal(choose({ to: '10.0.0.1:81', name: 'a' }), 'p81');
  assert.equal(choose({ to: '10.0.0.1:81', name: 'b' }), 'default');
  assert.equal(choose({ to: '10.0.0.1:82', name: 'b' }), 'rest');
});

test('server names: exact, then the longest wildcard suffix', () => {
  const choose = chooser({
    exact: { serverNames: ['a.x.com'] },
    sub: { serverNames: ['.x.com'] },
    com: { serverNames: ['.com'] },
  });
  const names = ['a.x.com', 'b.x.com', 'c.b.x.com', 'x.com', 'com', '.x.com', 'a.x.com.', 'a..x.com', ''];
  const expected = ['exact', 'sub', 'sub', 'com', 'default', 'sub', 'default', 'sub', 'default'];
  assert.deepEqual(
    names.map((name) => choose({ name })),
    expected,
  );
});

test('protocols: the transport, raw_buffer where nobody looked; of ALPN the first of the client that is known', () => {
  const choose = chooser({
    raw: { transportProtocol: 'raw_buffer' },
    h2: { transportProtocol: 'tls', applicationProtocols: ['h2', 'h3'] },
    h1: { transportProtocol: 'tls', applicationProtocols: ['http/1.1'] },
  });
  assert.equal(choose(), 'raw');
  assert.equal(choose({ transport: 'raw_buffer', alpn: ['h2'] }), 'raw');
  assert.equal(choose({ transport: 'tls' }), 'default');
  assert.equal(choose({ transport: 'tls', alpn: ['x', 'http/1.1', 'h2'] }), 'h1');
  assert.equal(choose({ transport: 'tls', alpn: ['h3', 'http/1.1'] }), 'h2');
});

test('source type: the same address or the loopback address itself is local', () => {
  const choose = chooser({ local: { sourceType: 'SAME_IP_OR_LOOPBACK' }, out: { sourceType: 'EXTERNAL' } });
  assert.equal(choose({ from: '127.0.0.1:1' }), 'local');
  assert.equal(choose({ from: '127.0.0.2:1' }), 'out');
  assert.equal(choose({ from: '[::1]:1', to: '[::2]:1' }), 'local');
  assert.equal(choose({ from: '10.0.0.1:1', to: '10.0.0.1:2' }), 'local');
  assert.equal(choose({ from: '[::ffff:127.0.0.1]:1', to: '[::5]:1' }), 'out');
  assert.equal(choose({ from: '/client', to: '10.0.0.1:2' }), 'local');
  const some = chooser({ local: { sourceType: 'SAME_IP_OR_LOOPBACK', sourcePorts: [9] }, any: {} });
  assert.equal(some({ from: '127.0.0.1:1' }), 'default');
  assert.equal(some({ from: '9.0.0.1:1' }), 'any');
});

test('sources: the direct one, then the one that was restored, then its port', () => {
  const choose = chooser({
    proxied: { directSourcePrefixRanges: ranges('10.0.0.0/8') },
    lan: { directSourcePrefixRanges: ranges('10.0.0.0/8'), sourcePrefixRanges: ranges('192.168.0.0/16') },
    port: { sourcePorts: [1000, 1001], sourcePrefixRanges: ranges('192.168.0.0/16') },
  });
  assert.equal(choose({ direct: '10.1.1.1:5', from: '1.2.3.4:6' }), 'proxied');
  assert.equal(choose({ direct: '10.1.1.1:5', from: '192.168.3.4:6' }), 'lan');
  assert.equal(choose({ direct: '11.1.1.1:5', from: '192.168.3.4:1001' }), 'port');
  assert.equal(choose({ direct: '11.1.1.1:5', from: '192.168.3.4:1002' }), 'default');
});

test('unix sockets have no port, and 255.255.255.255 for an address', () => {
  const choose = chooser({
    port: { destinationPort: 80 },
    wide: { prefixRanges: ranges('0.0.0.0/0') },
    last: { prefixRanges: ranges('255.255.255.255/32'), sourcePorts: [7] },
  });
  assert.equal(choose({ to: '/listener', from: '/client' }), 'default');
  assert.equal(chooser({ wide: { prefixRanges: ranges('0.0.0.0/0') } })({ to: '/listener' }), 'wide');
  assert.equal(chooser({ all: { sourceType: 'EXTERNAL' } })({ to: '/listener', from: '/client' }), 'default');
});

test('a range for everything goes before none', () => {
  const choose = chooser({ none: {}, v4: { prefixRanges: ranges('0.0.0.0/0') } });
  assert.equal(choose({ to: '1.2.3.4:5' }), 'v4');
  assert.equal(choose({ to: '[::1]:5' }), 'none');
});

test('chains that overlap are found, also one with itself', () => {
  const find = (...matches: readonly Partial<FilterChainMatch>[]) => findOverlap(matches.map(matchOf));
  assert.equal(findOverlap([]), -1);
  assert.equal(findOverlap([null, matchOf()]), 1);
  assert.equal(find({ serverNames: ['a', 'b'] }, { serverNames: ['c'] }, { serverNames: ['d', 'b'] }), 2);
  assert.equal(find({ serverNames: ['a', 'a'] }), 0);
  assert.equal(find({ prefixRanges: ranges('10.0.0.1/8') }, { prefixRanges: ranges('10.0.0.0/8') }), 1);
  assert.equal(find({ sourcePorts: [1] }, { sourcePorts: [2] }, {}), -1);
  assert.equal(find({ serverNames: ['.a'] }, { serverNames: ['a'] }, { destinationPort: 1 }), -1);
});

test('the table agrees with a plain reading of the rules over random chains and connections', () => {
  const random = new Random(7);
  for (let round = 0; round < 300; round++) {
    const chains = randomChains(random);
    for (let i = 0; i < 40; i++) checkFind(chains, randomFacts(random));
  }
});
