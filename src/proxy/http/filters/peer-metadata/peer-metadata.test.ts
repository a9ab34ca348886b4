// The peer metadata filter in the four forms in which istiod configures it: what goes out, what is learned and removed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, linesOf, reasonsOf, responseHeaders } from '../../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../../test/support/filter-harness.ts';
import { openCapture } from '../../../../../test/captures/captures.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { type LocalNode, localNode } from '../../../istio/node.ts';
import { type Peer, metadataOfPeer, peerOfNode } from '../../../istio/peer.ts';
import { peerOf } from '../../../istio/peer-state.ts';
import { encodeStruct } from '../../../istio/struct-bytes.ts';
import type { Metadata } from '../../../stream-info.ts';
import { makePeerMetadata } from './peer-metadata.ts';

const HEADERS = { istio_headers: {} };
const DISCOVERY = [HEADERS, { workload_discovery: {} }];
const INBOUND = { downstream_discovery: DISCOVERY, downstream_propagation: [HEADERS] };
const OUTBOUND = { upstream_discovery: DISCOVERY, upstream_propagation: [HEADERS] };
const SKIPPING = { upstream_propagation: [{ istio_headers: { skip_external_clusters: true } }] };

function nodeOf(capture: string): LocalNode {
  return localNode(openCapture(capture).node as never, '', '');
}
const client = nodeOf('01-plain-sidecar/client');
const server = nodeOf('01-plain-sidecar/server');
const textOf = (node: LocalNode): string =>
  encodeStruct(metadataOfPeer(peerOfNode(node, new Set()))).toString('base64');

function rig(config: object, node = client, metadata: Metadata | null = null, name = 'up'): FilterHarness {
  const clusters = { get: (asked: string) => (asked === 'up' ? ({ name, metadata } as Cluster) : null) };
  return new FilterHarness(makePeerMetadata({ clusters, node }), config);
}

const shown = (node: LocalNode): string[] => [
  `x-envoy-peer-metadata-id: ${node.id}`,
  `x-envoy-peer-metadata: ${textOf(node)}`,
];
const peerLines = (stream: FakeStream): string[] =>
  linesOf(stream.requestHeaders).filter((line) => line.startsWith('x-envoy-peer'));
const objectOf = (stream: FakeStream, key: string) => stream.info.filterState?.get(key);
const stateOf = (stream: FakeStream, key: string): Peer | null => peerOf(objectOf(stream, key));

test('a client’s sidecar tells the server who asks, and learns who answered', () => {
  const stream = rig(OUTBOUND).request('/');
  stream.decodeHeaders();
  assert.deepEqual(peerLines(stream), shown(client));
  assert.equal(stream.info.filterState, null);
  const response = stream.encodeHeaders(responseHeaders(200, shown(server)));
  assert.deepEqual(linesOf(response), [':status: 200']);
  assert.equal(stateOf(stream, 'upstream_peer')?.workload, 'reviews-v1');
  assert.equal(objectOf(stream, 'upstream_peer_obj')?.fields?.['workload'], 'reviews-v1');
});

test('a server’s sidecar takes the headers away, and answers with its own', () => {
  const harness = rig(INBOUND, server);
  const stream = harness.request('/', shown(client));
  stream.decodeHeaders();
  assert.deepEqual(peerLines(stream), []);
  const peer = stateOf(stream, 'downstream_peer');
  assert.deepEqual(
    [peer?.workload, peer?.namespace, peer?.canonicalName],
    ['productpage-v1', 'bookinfo', 'productpage'],
  );
  assert.deepEqual(linesOf(stream.encodeHeaders()).slice(1), shown(server));

  const again = harness.request('/', shown(client));
  again.decodeHeaders();
  assert.equal(stateOf(again, 'downstream_peer'), peer);
});

test('nobody is told who did not tell', () => {
  const silent = rig(INBOUND, server).request('/');
  silent.decodeHeaders();
  assert.equal(silent.info.filterState, null);
  assert.deepEqual(linesOf(silent.encodeHeaders()), [':status: 200']);
  const half = rig(INBOUND, server).request('/', ['x-envoy-peer-metadata-id: who']);
  half.decodeHeaders();
  assert.deepEqual(linesOf(half.encodeHeaders()).slice(1), shown(server).slice(0, 1));
});

test('a gateway’s request carries what the gateway is, not what the client said it was', () => {
  const stream = rig(OUTBOUND).request('/', ['x-envoy-peer-metadata-id: forged', 'x-envoy-peer-metadata: Zm9yZ2Vk']);
  stream.decodeHeaders();
  assert.deepEqual(peerLines(stream), shown(client));
});

test('clusters outside the mesh are told nothing when so configured', () => {
  const asked = (config: object, istio: Record<string, unknown> | null, name = 'up'): string[] => {
    const metadata: Metadata | null = istio === null ? null : new Map([['istio', istio]]);
    const stream = rig(config, client, metadata, name).request('/', ['x-envoy-peer-metadata: forged']);
    stream.decodeHeaders();
    return peerLines(stream);
  };
  assert.equal(asked(SKIPPING, null).length, 2);
  assert.equal(asked(SKIPPING, { external: false }).length, 2);
  assert.deepEqual(asked(SKIPPING, { external: true }), []);
  assert.deepEqual(asked(SKIPPING, null, 'PassthroughCluster'), []);
  assert.equal(asked(OUTBOUND, { external: true }).length, 2);
  assert.deepEqual(asked(OUTBOUND, { disable_mx: true }), []);
});

test('waypoints share the peer with the upstream; the first method to find it counts', () => {
  const config = { downstream_discovery: [{ baggage: {} }, HEADERS], shared_with_upstream: true };
  const baggage = 'baggage: k8s.deployment.name=d,k8s.namespace.name=n';
  const stream = rig(config).request('/', [baggage, ...shown(client)]);
  stream.decodeHeaders();
  assert.equal(stateOf(stream, 'downstream_peer')?.workload, 'd');
  assert.equal(objectOf(stream, 'downstream_peer')?.sharing, 'once');
  assert.deepEqual(peerLines(stream), []);
});

test('labels are kept that the configuration names', () => {
  const metadata = { LABELS: { role: 'x', app: 'a' } };
  const node = localNode({ id: 'n', metadata }, '', '');
  const stream = rig({ ...OUTBOUND, additional_labels: ['role'] }, node).request('/');
  stream.decodeHeaders();
  const inbound = rig({ ...INBOUND, additional_labels: ['role'] }).request('/', peerLines(stream));
  inbound.decodeHeaders();
  assert.deepEqual(stateOf(inbound, 'downstream_peer')?.labels, [['role', 'x']]);
});

test('baggage does not come with answers, and a configuration may ask for nothing', () => {
  const { filter } = rig({ upstream_discovery: [{ workload_discovery: {} }] });
  assert.equal(filter.decodeHeaders, undefined);
  assert.equal(filter.encodeHeaders, undefined);
  const factory = makePeerMetadata({ clusters: { get: () => null }, node: client });
  const bad = { upstream_discovery: [{ baggage: {} }] };
  assert.equal(reasonsOf((d) => factory.decode(bad as never, d)).length, 1);
});
