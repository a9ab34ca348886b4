// What proxy_protocol does to a socket and counts; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonsOf } from '../../../../../test/support/filter-harness.ts';
import { ListenerFilterHarness, singleBytes } from '../../../../../test/support/listener-filter-harness.ts';
import { readProxyHeader } from '../../../../wire/proxy-protocol.ts';
import { writeProxyHeader } from '../../../../wire/proxy-protocol-writer.ts';
import { proxyProtocol } from './proxy-protocol.ts';

const SOURCE = { family: 'ipv4', address: '1.2.3.4', port: 1000 } as const;
const DESTINATION = { family: 'ipv4', address: '5.6.7.8', port: 2000 } as const;
const V1 = Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n');
const V2 = writeProxyHeader(SOURCE, DESTINATION);
const LOCAL = writeProxyHeader({ family: 'unix', address: '', port: 0 }, DESTINATION);

const withTlvs = (...tlvs: [number, string][]): Buffer => {
  const entries = tlvs.map(([type, value]) => [type, Buffer.from(value, 'latin1')] as const);
  return writeProxyHeader(SOURCE, DESTINATION, entries);
};

test('both versions restore both addresses and take the header off', () => {
  for (const header of [V1, V2]) {
    for (const pieces of [[header], singleBytes(header), [Buffer.concat([header, Buffer.from('GET /')])]]) {
      const harness = new ListenerFilterHarness(proxyProtocol);
      const { status, consumed, socket } = harness.run(pieces);
      assert.deepEqual([status, consumed], ['continue', header.length]);
      assert.deepEqual([socket.remoteAddress, socket.localAddress], [SOURCE, DESTINATION]);
      assert.equal(socket.isLocalAddressRestored, true);
      assert.equal(socket.directRemoteAddress.address, '10.0.0.2');
      assert.deepEqual(harness.counts, { [`proxy_proto.versions.v${header === V1 ? 1 : 2}.found`]: 1 });
    }
  }
});

test('LOCAL and UNKNOWN leave the addresses alone', () => {
  for (const header of [LOCAL, Buffer.from('PROXY UNKNOWN 1 2 3 4\r\n')]) {
    const { socket, consumed } = new ListenerFilterHarness(proxyProtocol).run([header]);
    assert.equal(consumed, header.length);
    assert.deepEqual([socket.remoteAddress.address, socket.localAddress.address], ['10.0.0.2', '10.0.0.1']);
    assert.equal(socket.isLocalAddressRestored, false);
  }
});

test('the destination counts as restored only when it is another', () => {
  const same = { family: 'ipv4', address: '10.0.0.1', port: 8080 } as const;
  const { socket } = new ListenerFilterHarness(proxyProtocol).run([writeProxyHeader(SOURCE, same)]);
  assert.deepEqual([socket.remoteAddress, socket.isLocalAddressRestored], [SOURCE, false]);
});

test('errors close and are counted by version, and once more as they used to be', () => {
  const table: [string, string][] = [
    ['GET / HTTP/1.1\r\n', 'not_found_disallowed'],
    ['PROXY nonsense\r\n', 'versions.v1.error'],
    [V2.subarray(0, 12).latin1Slice() + '\x11\x11\0\0', 'versions.v2.error'],
  ];
  for (const [text, counter] of table) {
    const harness = new ListenerFilterHarness(proxyProtocol, { stat_prefix: 'p' });
    assert.equal(harness.run([text]).status, 'close');
    assert.deepEqual(harness.counts, { downstream_cx_proxy_proto_error: 1, [`proxy_proto.p.${counter}`]: 1 });
  }
});

test('connections without a header may be let through', () => {
  const harness = new ListenerFilterHarness(proxyProtocol, { allow_requests_without_proxy_protocol: true });
  assert.equal(harness.run(['G']).status, 'continue');
  assert.deepEqual(harness.counts, { 'proxy_proto.not_found_allowed': 1 });
});

test('a version may be disallowed, but not both', () => {
  const harness = new ListenerFilterHarness(proxyProtocol, { disallowed_versions: ['V1'] });
  assert.equal(harness.run([V1]).status, 'close');
  assert.deepEqual(harness.counts, { 'proxy_proto.versions.v1.disallowed': 1, 'proxy_proto.versions.v1.found': 1 });
  assert.equal(harness.run([V2]).status, 'continue');
  const both = { disallowed_versions: ['V1', 'V2'] };
  assert.deepEqual(
    reasonsOf((d) => proxyProtocol.decode(both as never, d)),
    ['disallowed_versions: all proxy protocol versions are disallowed'],
  );
});

const RULES = [
  { tlv_type: 1, on_tlv_present: { key: 'one' } },
  { tlv_type: 2, on_tlv_present: { metadata_namespace: 'ns', key: 'two' } },
  { tlv_type: 3, on_tlv_present: { metadata_namespace: 'ns', key: 'b64', value_string_encoding: 'BASE64' } },
];

test('rules write entries into metadata; the first of a type counts', () => {
  const harness = new ListenerFilterHarness(proxyProtocol, { rules: RULES });
  const header = withTlvs([1, 'a\xffb\xc3\xa9\xe2\x82'], [2, 'x'], [2, 'y'], [3, '\xff\0'], [9, 'z']);
  const { socket } = harness.run([header]);
  assert.deepEqual(Object.fromEntries(socket.dynamicMetadata ?? []), {
    'envoy.filters.listener.proxy_protocol': { one: 'a!b\xc3\xa9!!' },
    ns: { two: 'x', b64: '/wA=' },
  });
  assert.equal(socket.filterState?.has('envoy.network.proxy_protocol.tlv'), false);
});

test('rules may write into filter state instead; the last of a type counts', () => {
  const harness = new ListenerFilterHarness(proxyProtocol, { rules: RULES, tlv_location: 'FILTER_STATE' });
  const { socket } = harness.run([withTlvs([2, 'x'], [2, 'y'], [1, '\xc3\xa9'])]);
  const state = socket.filterState?.get('envoy.network.proxy_protocol.tlv');
  assert.deepEqual(state?.typed, { one: '\xc3\xa9', two: 'y' });
  assert.equal(state?.value, '{"one":"\xc3\xa9","two":"y"}');
  assert.equal(socket.dynamicMetadata, null);
});

test('what goes to the next proxy is kept', () => {
  const passedOn = (pass_through_tlvs: object): number[] => {
    const { socket } = new ListenerFilterHarness(proxyProtocol, { pass_through_tlvs }).run([
      withTlvs([1, 'a'], [5, 'b']),
    ]);
    const state = socket.filterState?.get('envoy.network.proxy_protocol_options');
    const bytes = Buffer.from(state?.value ?? '', 'latin1');
    const header = readProxyHeader(bytes, { allowsV1: false, allowsV2: true, allowsNone: false });
    assert.deepEqual([header.source, header.destination], [SOURCE, DESTINATION]);
    return header.tlvs.map(([type]) => type);
  };
  assert.deepEqual(passedOn({ match_type: 'INCLUDE', tlv_type: [5] }), [5]);
  assert.deepEqual(passedOn({}), [1, 5]);
});
