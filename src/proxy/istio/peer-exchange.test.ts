// The preamble of TCP connections between sidecars: its bytes, and how it is read in any pieces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { localNode, NO_NODE } from './node.ts';
import { exchangeBytes, KnownPeers, MAX_PEER_BYTES, PeerReader } from './peer-exchange.ts';
import { decodeStructAny } from './struct-bytes.ts';

const NONE: ReadonlySet<string> = new Set();
const node = localNode(openCapture('01-plain-sidecar/client').node as never, '', '');
const bytes = exchangeBytes(node, NONE);

function read(reader: PeerReader, chunk: Buffer): string {
  return reader.read(chunk, 0, chunk.length).latin1Slice();
}

test('magic, length, and an Any with what the node says of itself', () => {
  assert.equal(bytes.subarray(0, 4).toString('hex'), '3d230467');
  assert.equal(bytes.readUInt32BE(4), bytes.length - 8);
  const struct = decodeStructAny(bytes.subarray(8)) as Record<string, unknown>;
  assert.deepEqual(Object.keys(struct), ['x-envoy-peer-metadata', 'x-envoy-peer-metadata-id']);
  assert.equal(struct['x-envoy-peer-metadata-id'], node.id);
  const peer = struct['x-envoy-peer-metadata'] as Record<string, unknown>;
  assert.deepEqual(Object.keys(peer), ['CLUSTER_ID', 'LABELS', 'NAME', 'NAMESPACE', 'OWNER', 'WORKLOAD_NAME']);
  const nobody = decodeStructAny(exchangeBytes(NO_NODE, NONE).subarray(8)) as Record<string, unknown>;
  assert.deepEqual(Object.keys(nobody), ['x-envoy-peer-metadata']);
});

test('it is read in whatever pieces it comes, and what follows is left alone', () => {
  const all = Buffer.concat([bytes, Buffer.from('hello')]);
  for (const size of [1, 3, 7, 8, 9, 100, bytes.length, all.length]) {
    const reader = new PeerReader(new KnownPeers(NONE));
    let rest = '';
    for (let at = 0; at < all.length; at += size) {
      if (reader.outcome === 'more') rest += read(reader, all.subarray(at, at + size));
      else rest += all.subarray(at, at + size).latin1Slice();
    }
    assert.equal(rest, 'hello', String(size));
    assert.equal(reader.outcome, 'found');
    assert.equal(reader.peer?.workload, 'productpage-v1');
  }
});

test('a peer that does not speak so keeps its bytes', () => {
  const reader = new PeerReader(new KnownPeers(NONE));
  assert.equal(read(reader, Buffer.from('GET')), '');
  assert.equal(read(reader, Buffer.from(' / HTTP/1.1')), 'GET / HTTP/1.1');
  assert.equal(reader.outcome, 'no-head');
  const short = new PeerReader(new KnownPeers(NONE));
  assert.equal(read(short, Buffer.from('GET')), '');
  assert.equal(short.end().latin1Slice(), 'GET');
});

test('what cannot be read or is too long, and ends in the middle', () => {
  const garbage = Buffer.concat([bytes.subarray(0, 4), Buffer.from([0, 0, 0, 2, 0xff, 0xff]), Buffer.from('hello')]);
  const reader = new PeerReader(new KnownPeers(NONE));
  assert.equal(read(reader, garbage), 'hello');
  assert.deepEqual([reader.outcome, reader.peer], ['no-peer', null]);

  const long = Buffer.from(bytes.subarray(0, 8));
  long.writeUInt32BE(MAX_PEER_BYTES + 1, 4);
  const tooLong = new PeerReader(new KnownPeers(NONE));
  assert.equal(read(tooLong, long), '');
  assert.equal(tooLong.outcome, 'too-long');

  const cut = new PeerReader(new KnownPeers(NONE));
  assert.equal(read(cut, bytes.subarray(0, 50)), '');
  assert.equal(cut.end().length, 0);

  const empty = new PeerReader(new KnownPeers(NONE));
  read(empty, Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(4)]));
  assert.deepEqual([empty.outcome, empty.peer], ['found', null]);
});

test('who says the same again is the same', () => {
  const known = new KnownPeers(NONE);
  const any = bytes.subarray(8);
  const first = known.find(any);
  assert.equal(first?.workload, 'productpage-v1');
  assert.equal(known.find(Buffer.from(any)), first);
  for (let i = 0; i < 600; i++) {
    const other = exchangeBytes({ ...NO_NODE, id: String(i) }, NONE).subarray(8);
    assert.equal(known.find(other)?.workload, '');
  }
  assert.deepEqual(known.find(any), first);
});
