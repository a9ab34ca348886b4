// Metadata exchange on both sides of a connection: what is said, learned, taken out and counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteStream, TlsFacts } from '../../../../base/byte-stream.ts';
import { openCapture } from '../../../../../test/captures/captures.ts';
import { NetworkHarness, networkReasons, type Talk } from '../../../../../test/support/network-harness.ts';
import { Clock } from '../../../../base/clock.ts';
import { createMemoryEngine } from '../../../../net/memory-engine.ts';
import { StatStore } from '../../../../telemetry/metrics.ts';
import type { UpstreamState } from '../../../cluster/upstream-filter.ts';
import { localNode } from '../../../istio/node.ts';
import { exchangeBytes } from '../../../istio/peer-exchange.ts';
import { peerOf } from '../../../istio/peer-state.ts';
import { makeMetadataExchange, makeUpstreamMetadataExchange } from './metadata-exchange.ts';

const CONFIG = { protocol: 'istio-peer-exchange', enable_discovery: true };
const nodeOf = (capture: string) => localNode(openCapture(capture).node as never, '', '');
const client = nodeOf('01-plain-sidecar/client');
const server = nodeOf('01-plain-sidecar/server');
const saidBy = (node: typeof client): string => exchangeBytes(node, new Set()).latin1Slice();
const tlsWith = (alpn: string): TlsFacts => ({ alpn }) as TlsFacts;
const filter = makeMetadataExchange({ node: server });

function accept(alpn: string) {
  const harness = new NetworkHarness([[filter, CONFIG]]);
  return { harness, talk: harness.connect({ tls: tlsWith(alpn) }) };
}
const stat = (stats: StatStore, name: string): number => stats.find(`metadata_exchange.${name}`) ?? 0;

const downstreamPeer = ({ connection }: Talk) => peerOf(connection.info.filterState?.get('downstream_peer'));

test('a listener’s side: the client’s words are taken out, its own come first', () => {
  const { harness, talk } = accept('istio-peer-exchange');
  assert.equal(talk.received, saidBy(server));
  const all = `${saidBy(client)}hello`;
  talk.send(all.slice(0, 5));
  talk.send(all.slice(5, 100));
  assert.equal(downstreamPeer(talk), null);
  talk.send(all.slice(100));
  assert.equal(downstreamPeer(talk)?.workload, 'productpage-v1');
  assert.equal(talk.connection.stream.bytesRead, 'hello'.length);
  assert.equal(talk.connection.stream.bytesWritten, talk.received.length - saidBy(server).length);
  talk.send(' world');
  assert.equal(talk.connection.stream.bytesRead, 'hello world'.length);
  assert.equal(stat(harness.stats, 'alpn_protocol_found'), 1);
  assert.equal(stat(harness.stats, 'metadata_added'), 1);
  assert.equal(stat(harness.stats, 'initial_header_not_found'), 1);
});

test('with another protocol nothing is said, and it is known that nothing will be', () => {
  const { harness, talk } = accept('istio');
  assert.equal(talk.received, '');
  talk.send('hello');
  assert.equal(talk.connection.info.filterState?.get('peer_not_found')?.value, 'true');
  assert.equal(talk.connection.stream.bytesRead, 5);
  assert.equal(stat(harness.stats, 'alpn_protocol_not_found'), 1);
});

test('a client that agreed and does not speak is passed on', () => {
  const { harness, talk } = accept('istio-peer-exchange');
  talk.send('GET ');
  assert.equal(talk.connection.stream.bytesRead, 0);
  talk.send('/ HTTP/1.1');
  assert.equal(talk.connection.stream.bytesRead, 14);
  assert.notEqual(talk.connection.info.filterState?.get('peer_not_found'), undefined);
  assert.equal(stat(harness.stats, 'initial_header_not_found'), 2);
  const early = accept('istio-peer-exchange').talk;
  early.send('GET ');
  early.end();
  assert.equal(early.connection.stream.bytesRead, 4);
});

test('what would fill memory ends the connection', () => {
  const { harness, talk } = accept('istio-peer-exchange');
  talk.send(`${saidBy(client).slice(0, 4)}\xff\xff\xff\xff`);
  assert.equal(talk.isClosed, true);
  assert.equal(talk.connection.localCloseReason, 'peer_metadata_too_long');
  assert.equal(stat(harness.stats, 'header_not_found'), 1);
});

test('the protocol is required', () => {
  assert.deepEqual(networkReasons(filter, {}), [{ path: 'protocol', reason: 'is required' }]);
});

function dial(alpn: string) {
  const stats = new StatStore();
  const engine = createMemoryEngine({
    clock: new Clock({ manual: true }),
    onBug: (error) => assert.fail(String(error)),
  });
  const [near, far] = engine.pair();
  Object.defineProperty(near, 'tls', { value: tlsWith(alpn) });
  const factory = makeUpstreamMetadataExchange({ node: client });
  const state: UpstreamState = new Map();
  const got = { owner: '', far: '' };
  const collect = (name: 'owner' | 'far') => ({
    onData: (chunk: Buffer, start: number, end: number): void => void (got[name] += chunk.latin1Slice(start, end)),
    onEnd: (): void => void (got[name] += '|'),
    onDrain: (): void => {},
    onClose: (): void => void (got[name] += 'x'),
  });
  far.handler = collect('far');
  let stream: ByteStream = near;
  engine.run(() => {
    stream = factory.create(CONFIG as never, { stats }).onConnected(near, state);
    stream.handler = collect('owner');
  });
  return { stats, engine, near, far, stream, state, got };
}

test('a cluster’s side: the same, on the stream that the owner gets', () => {
  const { engine, near, far, stream, state, got } = dial('istio-peer-exchange');
  assert.equal(got.far, saidBy(client));
  engine.run(() => stream.writeLatin1('question'));
  assert.equal(got.far, `${saidBy(client)}question`);
  const all = `${saidBy(server)}answer`;
  engine.run(() => far.writeLatin1(all.slice(0, 20)));
  assert.deepEqual([got.owner, state.size], ['', 0]);
  engine.run(() => far.writeLatin1(all.slice(20)));
  assert.equal(got.owner, 'answer');
  assert.equal(peerOf(state.get('upstream_peer'))?.workload, 'reviews-v1');
  assert.equal(stream.bytesRead, 'answer'.length);
  assert.equal(stream.bytesWritten, 'question'.length);
  engine.run(() => far.writeLatin1(' more'));
  engine.run(() => far.end());
  assert.equal(got.owner, 'answer more|');
  assert.equal(near.handler, stream.handler);
});

test('a cluster’s side with another protocol is the stream itself', () => {
  const { near, stream, state, stats, got } = dial('istio');
  assert.equal(stream, near);
  assert.equal(got.far, '');
  assert.notEqual(state.get('peer_not_found'), undefined);
  assert.equal(stat(stats, 'alpn_protocol_not_found'), 1);
});

test('an upstream that ends before it said anything', () => {
  const { engine, far, state, got, stream } = dial('istio-peer-exchange');
  engine.run(() => far.writeLatin1('no'));
  engine.run(() => far.end());
  assert.equal(got.owner, 'no|');
  assert.notEqual(state.get('peer_not_found'), undefined);
  assert.equal(stream.bytesRead, 2);
});
