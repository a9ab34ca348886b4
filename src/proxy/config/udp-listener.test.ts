// Decoding UDP listeners: what is taken, and everything that would have no effect is refused with its path.
import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeOrThrow, reasonsOf } from '../../../test/support/filter-harness.ts';
import { udpListenerMessage } from '../../../test/support/udp-harness.ts';
import type { UdpProxyConfig } from '../udp/udp-proxy-config.ts';
import { decodeUdpListener } from './udp-listener.ts';

const TO_A = { cluster: 'a' };

function reasons(proxy: object, change: object = {}): string[] {
  return reasonsOf((d) => decodeUdpListener(udpListenerMessage(proxy, change), d));
}

function decode(proxy: object, change: object = {}) {
  const config = decodeOrThrow((d) => decodeUdpListener(udpListenerMessage(proxy, change), d));
  assert.ok(config !== null);
  return { ...config, proxy: config.filter.config as UdpProxyConfig };
}

test('defaults are those of Envoy', () => {
  const { maxRxDatagramBytes, proxy } = decode(TO_A);
  assert.equal(maxRxDatagramBytes, 1500);
  assert.equal(proxy.maxUpstreamDatagramBytes, Number.POSITIVE_INFINITY);
  assert.equal(proxy.idleTimeoutMs, 60_000);
  assert.equal(proxy.isPerPacket, false);
  assert.equal(proxy.logIntervalMs, 0);
  assert.deepEqual(proxy.route.clusterNames, ['a']);
});

test('sizes count where GRO is off', () => {
  const socket = (size: number, gro?: boolean) => ({ max_rx_datagram_size: size, prefer_gro: gro });
  const down = (config: object) => ({ udp_listener_config: { downstream_socket_config: config } });
  assert.equal(decode(TO_A, down(socket(9000))).maxRxDatagramBytes, 9000);
  assert.equal(decode(TO_A, down(socket(9000, true))).maxRxDatagramBytes, Number.POSITIVE_INFINITY);
  assert.equal(decode({ ...TO_A, upstream_socket_config: socket(900, false) }).proxy.maxUpstreamDatagramBytes, 900);
});

test('a hash is of the source or of a key', () => {
  const from = (address: string) => ({ family: 'ipv4', address, port: 1 }) as const;
  const bySource = decode({ ...TO_A, hash_policies: [{ source_ip: true }] }).proxy.hash;
  assert.equal(bySource(from('10.0.0.1')), bySource(from('10.0.0.1')));
  assert.notEqual(bySource(from('10.0.0.1')), bySource(from('10.0.0.2')));
  const byKey = decode({ ...TO_A, hash_policies: [{ key: 'k' }] }).proxy.hash;
  assert.equal(byKey(from('10.0.0.1')), byKey(from('10.0.0.2')));
  assert.equal(decode(TO_A).proxy.hash(from('10.0.0.1')), null);
});

test('what has no effect on a UDP listener is refused', () => {
  assert.deepEqual(reasons(TO_A, { filter_chains: [{}] }), [
    'filter_chains: 1 filter chain(s) specified for connection-less UDP listener.',
  ]);
  assert.deepEqual(reasons(TO_A, { bind_to_port: false }), ['bind_to_port: false is not supported for UDP listeners']);
  const fields = {
    use_original_dst: true,
    listener_filters_timeout: { seconds: 1, nanos: 0 },
    tcp_backlog_size: 5,
    per_connection_buffer_limit_bytes: 5,
    connection_balance_config: { exact_balance: {} },
    access_log: [{}],
  };
  for (const [field, value] of Object.entries(fields)) {
    assert.deepEqual(reasons(TO_A, { [field]: value }), [`${field}: has no effect on a UDP listener`]);
  }
  assert.deepEqual(reasons(TO_A, { udp_listener_config: { quic_options: {} } }), [
    'udp_listener_config.quic_options: QUIC is not supported',
  ]);
});

test('there is exactly one filter, and it is one for datagrams', () => {
  const [filter] = udpListenerMessage(TO_A).listener_filters ?? [];
  assert.deepEqual(reasons(TO_A, { listener_filters: [] }), [
    'listener_filters: is required: a UDP listener needs a listener filter',
  ]);
  assert.deepEqual(reasons(TO_A, { listener_filters: [filter, filter] }), [
    'listener_filters[1]: no datagram would reach a second UDP listener filter',
  ]);
  assert.deepEqual(reasons(TO_A, { listener_filters: [{ ...filter, filter_disabled: { any_match: true } }] }), [
    'listener_filters[0].filter_disabled: has no effect on a UDP listener filter',
  ]);
});
