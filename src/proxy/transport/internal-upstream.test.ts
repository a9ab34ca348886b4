// Tests what internal_upstream passes on: metadata of hosts and clusters, filter state that is shared, and how far.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTransport } from '../../../test/support/fake-transport.ts';
import { makeConnection } from '../../../test/support/filter-harness.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { internalAddress } from '../../net/address.ts';
import { NO_WISHES, sharedStateKey, wishesOf } from '../cluster/wishes.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { FilterStateObject, Metadata } from '../stream-info.ts';
import { internalUpstream } from './internal-upstream.ts';
import { PassedOn } from './passed-on.ts';
import type { SharedState, TransportContext, UpstreamTransportFactory } from './transport.ts';

const RAW = { typed_config: { type: 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', message: {} } };

function make(message: object) {
  const inner = new FakeTransport();
  const factory: UpstreamTransportFactory = { ...inner.config.factory, configType: 'inner', create: () => inner };
  const d = new ConfigDecoder({
    unpack: (any) => any as never,
    upstreamTransport: (type) => (type === 'inner' ? factory : null),
  });
  const config = internalUpstream.decode({ transport_socket: RAW, ...message } as never, d);
  const reasons = d.reasons.map(({ path, reason }) => `${path}: ${reason}`);
  const stats = new StatStore();
  const context = { stats, statPrefix: 'cluster.up.' } as unknown as TransportContext;
  return { transport: internalUpstream.create(config as never, context), inner, reasons, stats };
}

const host = (name: string) => ({ kind: { host: {} }, name });
const cluster = (name: string) => ({ kind: { cluster: {} }, name });
const metadata = (fields: Record<string, Record<string, unknown>>): Metadata => new Map(Object.entries(fields));

function object(value: string, more: Partial<FilterStateObject> = {}): FilterStateObject {
  return { value, typed: value, isReadOnly: false, lifeSpan: 'request', ...more };
}

function left(message: object, target: { host?: Metadata; cluster?: Metadata; state?: SharedState }) {
  const made = make(message);
  const passed = made.transport.leaves?.({
    ...NO_WISHES,
    address: internalAddress('in'),
    hostname: '',
    fallbackProtocols: [],
    hostMetadata: target.host ?? null,
    clusterMetadata: target.cluster ?? null,
    sharedState: target.state ?? null,
  });
  assert.ok(passed === undefined || passed instanceof PassedOn);
  return { ...made, passed };
}

test('nothing is left where there is nothing to tell', () => {
  const { passed, stats } = left({}, { host: metadata({ a: { x: 1 } }) });
  assert.equal(passed, undefined);
  assert.equal(stats.find('cluster.up.internal_upstream.no_metadata'), 0);
});

test('metadata comes from where it was asked for, the later source of a name instead of the earlier', () => {
  const sources = { passthrough_metadata: [host('a'), cluster('b'), cluster('both'), host('both'), host('missing')] };
  const target = {
    host: metadata({ a: { from: 'host' }, both: { h: 1 }, other: { x: 1 } }),
    cluster: metadata({ a: { from: 'cluster' }, b: { from: 'cluster' }, both: { c: 1 } }),
  };
  const { passed, stats } = left(sources, target);
  assert.deepEqual(passed?.metadata, metadata({ a: { from: 'host' }, b: { from: 'cluster' }, both: { h: 1 } }));
  assert.equal(stats.find('cluster.up.internal_upstream.no_metadata'), 1);
  // Filters of the connection may write to it; the configuration stays.
  assert.notEqual(passed?.metadata?.get('a'), target.host.get('a'));
});

test('objects become the connection’s; only transitive ones go further', () => {
  const state = new Map([
    ['once', object('1', { sharing: 'once' })],
    ['further', object('2', { sharing: 'transitive', isHashable: true })],
  ]);
  const { passed } = left({}, { state });
  assert.deepEqual(passed?.filterState?.get('once'), object('1', { lifeSpan: 'connection' }));
  const further = passed?.filterState?.get('further');
  assert.deepEqual([further?.sharing, further?.lifeSpan, further?.isHashable], ['transitive', 'connection', true]);
});

test('the inner transport goes on with the connection', () => {
  const { transport, inner } = make({ transport_socket: { typed_config: { type: 'inner', message: {} } } });
  assert.equal(transport.passesState, true);
  transport.close();
  assert.equal(inner.isClosed, true);
});

test('metadata of requests and routes is refused', () => {
  const { reasons } = make({
    passthrough_metadata: [{ kind: { request: {} }, name: 'x' }, host('x'), { kind: { route: {} }, name: 'x' }],
  });
  assert.deepEqual(reasons, [
    'passthrough_metadata[0].kind: metadata type is not supported: only host and cluster are',
    'passthrough_metadata[2].kind: metadata type is not supported: only host and cluster are',
  ]);
});

test('wishes carry what is marked, the request’s own before its connection’s', () => {
  const connection = makeConnection({
    filterState: new Map([
      ['a', object('of the connection', { sharing: 'once' })],
      ['b', object('of the connection', { sharing: 'once' })],
      ['c', object('stays')],
    ]),
  });
  const own = new Map([['a', object('of the request', { sharing: 'transitive' })]]);
  const wishes = wishesOf({ filterState: own, connection }, null);
  assert.deepEqual(
    [...(wishes?.sharedState ?? [])].map(([key, { value }]) => [key, value]),
    [
      ['a', 'of the request'],
      ['b', 'of the connection'],
    ],
  );
  assert.equal(wishesOf({ filterState: new Map([['c', object('stays')]]), connection: null }, null), null);
  assert.equal(wishesOf({ filterState: null, connection: null }, null), null);
});

test('only hashable objects keep connections apart', () => {
  const key = (more: Partial<FilterStateObject>, value = 'v') => sharedStateKey(new Map([['k', object(value, more)]]));
  assert.equal(key({}), '');
  assert.notEqual(key({ isHashable: true }), '');
  assert.notEqual(key({ isHashable: true }), key({ isHashable: true }, 'w'));
  assert.equal(sharedStateKey(null), '');
});
