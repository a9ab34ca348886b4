// Fuzzes what strangers say of themselves: the preamble of TCP connections, the headers of requests, and expressions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { compileExpression, textOf } from '../../src/proxy/istio/expression.ts';
import { localNode } from '../../src/proxy/istio/node.ts';
import { metadataOfPeer, peerOfBaggage, peerOfMetadata, stateOfPeer } from '../../src/proxy/istio/peer.ts';
import { PeerCache } from '../../src/proxy/istio/peer-cache.ts';
import { exchangeBytes, KnownPeers, MAX_PEER_BYTES, PeerReader } from '../../src/proxy/istio/peer-exchange.ts';
import { decodeStruct, encodeStruct } from '../../src/proxy/istio/struct-bytes.ts';
import { StreamInfo } from '../../src/proxy/stream-info.ts';
import { makeConnection, requestHeaders } from '../support/filter-harness.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(2);
const NONE: ReadonlySet<string> = new Set();
const LABELS: ReadonlySet<string> = new Set(['role', 'app']);

function* rounds(): Generator<Random> {
  const random = new Random(seed);
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) yield random;
}

function randomNode(random: Random) {
  const text = (): string =>
    Array.from({ length: random.below(12) }, () =>
      String.fromCharCode(32 + random.below(random.below(4) === 0 ? 9000 : 95)),
    ).join('');
  const metadata: Record<string, unknown> = {};
  for (const name of ['NAME', 'NAMESPACE', 'WORKLOAD_NAME', 'OWNER', 'CLUSTER_ID', 'IDENTITY', 'REGION']) {
    if (random.below(3) > 0) metadata[name] = random.below(8) === 0 ? random.below(9) : text();
  }
  if (random.below(3) > 0) metadata['LABELS'] = { app: text(), role: text(), [text()]: text(), version: null };
  return localNode({ id: text(), metadata }, '', '');
}

function mutate(random: Random, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  for (let i = random.below(4); i > 0 && changed.length > 0; i--)
    changed[random.below(changed.length)] = random.below(256);
  const cut = random.below(4) === 0 ? random.below(changed.length + 1) : changed.length;
  return changed.subarray(0, cut);
}

test('a preamble is taken out whole, or not at all, in whatever pieces it comes', () => {
  for (const random of rounds()) {
    const node = randomNode(random);
    const said = exchangeBytes(node, LABELS);
    const isWhole = random.below(2) === 0;
    const bytes = Buffer.concat([isWhole ? said : mutate(random, said), Buffer.from('payload')]);
    const rests = [1 + random.below(40), bytes.length].map((size) => {
      const reader = new PeerReader(new KnownPeers(LABELS));
      const parts: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const chunk = bytes.subarray(at, Math.min(bytes.length, at + size));
        if (reader.outcome !== 'more') parts.push(Buffer.from(chunk));
        else parts.push(Buffer.from(reader.read(chunk, 0, chunk.length)));
        if (reader.outcome === 'too-long') break;
      }
      if (reader.outcome === 'more') parts.push(Buffer.from(reader.end()));
      return { outcome: reader.outcome, rest: Buffer.concat(parts).latin1Slice(), peer: reader.peer };
    });
    const [pieces, whole] = rests as [(typeof rests)[0], (typeof rests)[0]];
    assert.equal(pieces.outcome, whole.outcome);
    if (whole.outcome !== 'too-long') assert.equal(pieces.rest, whole.rest);
    assert.deepEqual(pieces.peer, whole.peer);
    assert.ok(whole.rest.length <= bytes.length && bytes.length < MAX_PEER_BYTES);
    if (!isWhole) continue;
    assert.equal(whole.rest, 'payload');
    const own = peerOfMetadata(node.metadata, LABELS);
    // What was said is said again in the same words.
    assert.deepEqual(metadataOfPeer(whole.peer as never), metadataOfPeer(peerOfMetadata(metadataOfPeer(own), LABELS)));
  }
});

test('headers of peers are read or not, and what was read can be told', () => {
  const cache = new PeerCache(LABELS, 'filter-chain', false);
  for (const random of rounds()) {
    const struct = encodeStruct(metadataOfPeer(peerOfMetadata(randomNode(random).metadata, NONE)));
    const text = mutate(random, struct).toString('base64');
    const changed = random.below(3) === 0 ? mutate(random, Buffer.from(text)).latin1Slice() : text;
    const found = cache.find(`id${random.below(700)}`, changed);
    if (found === null) continue;
    assert.ok(decodeStruct(encodeStruct(stateOfPeer(found.peer))) !== null);
    assert.equal(typeof found.state.value, 'string');
    peerOfBaggage(changed);
  }
});

const WORDS = [
  'request', 'response', 'filter_state', 'metadata', 'node', 'xds', 'path', 'headers', 'code', '.', '[', ']', '(', ')',
  "'x'", '"a.b"', '1', '2.5', '+', '-', '==', '!=', '<', '>=', '&&', '||', '!', '?', ':', 'has', 'string', 'int',
  'size', 'startsWith', 'true', 'null', 'upstream_peer', 'labels', ',', ' ', '~', "'", '\\',
]; // biome-ignore format: a list.

test('expressions are refused with a reason or have a value', () => {
  const info = new StreamInfo(makeConnection(), 0, 0);
  const node = localNode({ metadata: { LABELS: { a: 'b' } } }, '', '');
  const source = {
    info,
    requestHeaders: requestHeaders('/a?b', ['x: y']),
    responseHeaders: null,
    responseTrailers: null,
  };
  let values = 0;
  for (const random of rounds()) {
    const length = 1 + random.below(12);
    const text = Array.from({ length }, () => WORDS[random.below(WORDS.length)]).join('');
    const compiled = compileExpression(text, node);
    if (typeof compiled === 'string') {
      assert.ok(compiled.length > 0);
      continue;
    }
    values++;
    assert.equal(typeof textOf(compiled.evaluate(source)), 'string');
  }
  assert.ok(values > 0);
});
