// Tests the PROXY header in front of a connection: whom it names, what of a list goes on, and who may share.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTransport } from '../../../test/support/fake-transport.ts';
import { makeConnection } from '../../../test/support/filter-harness.ts';
import { FakeSocket } from '../../../test/support/router-harness.ts';
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Failure } from '../../base/failure.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { readProxyHeader } from '../../wire/proxy-protocol.ts';
import { writeProxyHeader } from '../../wire/proxy-protocol-writer.ts';
import { NO_WISHES } from '../cluster/wishes.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { ConnectionInfo, FilterStateObject } from '../stream-info.ts';
import type { TransportContext, UpstreamTransportFactory } from './transport.ts';
import { upstreamProxyProtocol } from './upstream-proxy-protocol.ts';

const RAW = { typed_config: { type: 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', message: {} } };
const SERVER = { family: 'ipv4', address: '10.9.9.9', port: 99 } as const;
const ipv4 = (address: string, port: number) => ({ family: 'ipv4', address, port }) as const;

function make(message: object) {
  const inner = new FakeTransport();
  const factory: UpstreamTransportFactory = { ...inner.config.factory, configType: 'inner', create: () => inner };
  const d = new ConfigDecoder({
    unpack: (any) => any as never,
    upstreamTransport: (type) => (type === 'inner' ? factory : null),
  });
  const config = upstreamProxyProtocol.decode({ transport_socket: RAW, ...message } as never, d);
  const reasons = d.reasons.map(({ path, reason }) => `${path}: ${reason}`);
  const stats = new StatStore();
  const context = { stats, statPrefix: 'cluster.up.' } as unknown as TransportContext;
  return { transport: upstreamProxyProtocol.create(config as never, context), inner, reasons, stats };
}

type Outcome = { stream: ByteStream | null; failure: Failure | null } | null;

function connect(message: object, connection: ConnectionInfo | null, socket = new FakeSocket(SERVER)) {
  const made = make(message);
  let outcome: Outcome = null;
  const target = { ...NO_WISHES, connection, address: SERVER, hostname: '', fallbackProtocols: [] };
  const pending = made.transport.connect(socket, target, (stream, failure) => {
    outcome = { stream, failure };
  });
  return { ...made, pending, socket, outcome: () => outcome as Outcome };
}

/** A connection that a PROXY header came with. */
function told(tlvs: readonly (readonly [number, Uint8Array])[]): ConnectionInfo {
  const value = writeProxyHeader(ipv4('1.2.3.4', 11), ipv4('5.6.7.8', 22), tlvs).latin1Slice();
  const state: FilterStateObject = { value, typed: null, isReadOnly: false, lifeSpan: 'connection' };
  return makeConnection({ filterState: new Map([['envoy.network.proxy_protocol_options', state]]) });
}

function read(sent: string) {
  const bytes = Buffer.from(sent, 'latin1');
  const header = readProxyHeader(bytes, { allowsV1: true, allowsV2: true, allowsNone: false });
  const tlvs = header.tlvs.map(([type, start, end]) => [type, bytes.toString('latin1', start, end)]);
  return { header, tlvs };
}

test('version 1 names the downstream connection, or else our own', () => {
  const { socket, outcome } = connect({}, makeConnection());
  assert.equal(socket.take(), 'PROXY TCP4 10.0.0.2 10.0.0.1 40000 8080\r\n');
  assert.equal(outcome()?.stream, socket);
  assert.equal(connect({}, null).socket.take(), 'PROXY TCP4 127.0.0.1 10.9.9.9 50000 99\r\n');
  const mixed = makeConnection({ remoteAddress: { family: 'ipv6', address: '::1', port: 1 } });
  assert.match(connect({}, mixed).socket.take(), /^PROXY TCP6 ::1 /);
  const local = makeConnection({ remoteAddress: { family: 'unix', address: '/s', port: 0 } });
  assert.equal(connect({}, local).socket.take(), 'PROXY UNKNOWN\r\n');
});

test('version 2 tells what a header told before, and LOCAL where nobody is behind it', () => {
  const { header } = read(connect({ config: { version: 'V2' } }, told([])).socket.take());
  assert.deepEqual([header.source?.address, header.source?.port], ['1.2.3.4', 11]);
  assert.deepEqual([header.destination?.address, header.destination?.port], ['5.6.7.8', 22]);
  const nobody = read(connect({ config: { version: 'V2' } }, null).socket.take());
  assert.deepEqual([nobody.header.status, nobody.header.source], ['found', null]);
});

test('of a list go on what is asked for; what is added comes first and instead', () => {
  const came = told([
    [1, Buffer.from('h2')],
    [5, Buffer.from('id')],
  ]);
  const added_tlvs = [
    { type: 224, value: Buffer.from('abc') },
    { type: 5, value: Buffer.from('own') },
  ];
  const cases: [object, unknown][] = [
    [{}, []],
    [{ pass_through_tlvs: {} }, [[1, 'h2'], [5, 'id']]],
    [{ pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [5] } }, [[5, 'id']]],
    [{ pass_through_tlvs: {}, added_tlvs }, [[224, 'abc'], [5, 'own'], [1, 'h2']]],
  ]; // biome-ignore format: a table.
  for (const [config, expected] of cases) {
    const { socket } = connect({ config: { version: 'V2', ...config } }, came);
    assert.deepEqual(read(socket.take()).tlvs, expected);
  }
});

test('what has no room in a list is left out, and counted', () => {
  const added_tlvs = [40_000, 40_000, 1].map((bytes, i) => ({ type: 224 + i, value: Buffer.alloc(bytes) }));
  const { socket, stats } = connect({ config: { version: 'V2', added_tlvs } }, makeConnection());
  assert.deepEqual(
    read(socket.take()).tlvs.map(([type]) => type),
    [224, 226],
  );
  assert.equal(stats.find('cluster.up.upstream.proxyprotocol.v2_tlvs_exceed_max_length'), 1);
});

test('connections of different clients are not shared', () => {
  const { transport } = make({ config: { version: 'V2' } });
  const key = (connection: ConnectionInfo | null, of = transport): string => of.keyOf({ ...NO_WISHES, connection });
  assert.equal(transport.needsConnection, true);
  assert.equal(key(null), '');
  assert.notEqual(key(makeConnection()), key(told([])));
  assert.equal(key(told([])), key(told([[1, Buffer.from('x')]])));
  const byList = make({ tlv_as_pool_key: true }).transport;
  assert.notEqual(key(told([]), byList), key(told([[1, Buffer.from('x')]]), byList));
});

test('the handshake of the transport inside begins once the header has left', () => {
  const inside = { transport_socket: { typed_config: { type: 'inner', message: {} } } };
  const socket = new FakeSocket(SERVER);
  socket.bufferedBytes = 5;
  const { inner, outcome } = connect(inside, makeConnection(), socket);
  assert.equal(inner.handshakes.length, 0);
  socket.bufferedBytes = 0;
  socket.handler.onDrain();
  assert.equal(outcome(), null);
  inner.finish();
  assert.equal(outcome()?.stream, socket);
});

test('giving up closes the socket, or the handshake inside', () => {
  const socket = new FakeSocket(SERVER);
  socket.bufferedBytes = 5;
  const waiting = connect({}, makeConnection(), socket);
  waiting.pending.cancel();
  assert.equal(socket.isClosed, true);
  assert.equal(waiting.outcome(), null);
  const inside = { transport_socket: { typed_config: { type: 'inner', message: {} } } };
  const shaking = connect(inside, makeConnection());
  shaking.pending.cancel();
  assert.equal(shaking.inner.cancelled, 1);
});

test('what cannot take effect is refused', () => {
  assert.deepEqual(make({ config: { added_tlvs: [{ type: 1, format_string: {} }] } }).reasons, [
    'config.added_tlvs[0].format_string: is not supported yet',
  ]);
  assert.deepEqual(make({ transport_socket: undefined }).reasons, ['transport_socket: is required']);
  assert.deepEqual(make({ transport_socket: { typed_config: { type: 'other', message: {} } } }).reasons, [
    'transport_socket.typed_config: no transport socket of type other for clusters',
  ]);
});
