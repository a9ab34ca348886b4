// Filter chain matches as configuration has them, and chains that nothing tells apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeOrThrow, reasonsOf } from '../../../test/support/filter-harness.ts';
import { formatCidr } from '../../base/ip.ts';
import type { FilterChainMatch } from '../../proto/generated/types.d.ts';
import { decodeFilterChainMatch, rejectOverlaps } from './filter-chain-match.ts';

const decode = (message: FilterChainMatch) => decodeOrThrow((d) => decodeFilterChainMatch(message, d));

test('every field arrives', () => {
  const range = (address_prefix: string, prefix_len: number) => [{ address_prefix, prefix_len }];
  const match = decode({
    destination_port: 443,
    prefix_ranges: range('10.1.2.3', 8),
    server_names: ['A.x', '*.B.x', '.c'],
    transport_protocol: 'tls',
    application_protocols: ['h2'],
    direct_source_prefix_ranges: range('::1', 64),
    source_type: 'EXTERNAL',
    source_prefix_ranges: range('10.1.2.3', 99),
    source_ports: [1, 2],
  });
  assert.ok(match !== null);
  const { prefixRanges, directSourcePrefixRanges, sourcePrefixRanges, ...rest } = match;
  assert.deepEqual([...prefixRanges, ...directSourcePrefixRanges, ...sourcePrefixRanges].map(formatCidr), [
    '10.0.0.0/8',
    '::/64',
    '10.1.2.3/32',
  ]);
  assert.deepEqual(rest, {
    destinationPort: 443,
    serverNames: ['a.x', '.b.x', '.c'],
    transportProtocol: 'tls',
    applicationProtocols: ['h2'],
    sourceType: 'EXTERNAL',
    sourcePorts: [1, 2],
  });
  assert.equal(
    decodeOrThrow((d) => decodeFilterChainMatch(undefined, d)),
    null,
  );
});

test('a star stands before a dot, at the beginning, or not at all', () => {
  const isTaken = (name: string): boolean =>
    reasonsOf((d) => decodeFilterChainMatch({ server_names: [name] }, d)).length === 0;
  const good = ['*.a', '*.', '*.*.c', '', '.foo'];
  const bad = ['*', 'a.*', 'a*.b', '*a.b', '**', 'a.*.b'];
  assert.deepEqual([...good, ...bad].filter(isTaken), good);
  assert.deepEqual(
    reasonsOf((d) => decodeFilterChainMatch({ server_names: ['a', '*'] }, d)),
    ['server_names[1]: partial wildcards are not supported in "server_names"'],
  );
  assert.deepEqual(
    reasonsOf((d) => decodeFilterChainMatch({ source_prefix_ranges: [{ address_prefix: 'x' }] }, d)),
    ['source_prefix_ranges[0].address_prefix: "x" is no IP address'],
  );
});

test('chains that ask for the same are refused in the words of Envoy', () => {
  const refused = (...messages: readonly (FilterChainMatch | undefined)[]): string[] =>
    reasonsOf((d) => {
      const names = 'abc';
      const chains = messages.map((message, i) => ({
        name: names[i] as string,
        message,
        match: decodeFilterChainMatch(message, d),
      }));
      rejectOverlaps(chains, d);
    });
  assert.deepEqual(refused(undefined), []);
  assert.deepEqual(refused(undefined, {}), [
    "filter_chains[1].filter_chain_match: filter chain 'b' has the same matching rules defined as 'a'. " +
      'duplicate matcher is: {}',
  ]);
  assert.deepEqual(refused({}, { server_names: ['a'] }, { server_names: ['a'] }), [
    "filter_chains[2].filter_chain_match: filter chain 'c' has the same matching rules defined as 'b'. " +
      'duplicate matcher is: {"server_names":["a"]}',
  ]);
  assert.deepEqual(refused({}, { server_names: ['a', 'b'] }, { server_names: ['B'] }), [
    'filter_chains[2].filter_chain_match: multiple filter chains with overlapping matching rules are defined',
  ]);
});
