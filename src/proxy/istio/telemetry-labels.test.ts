// Labels of both ends in Istio's order and with Istio's words for what is not known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { localNode, NO_NODE } from './node.ts';
import { peerOfEndpoint, peerOfNode } from './peer.ts';
import { type EndFacts, endLabels, localLabels, needsHost, serviceOf } from './telemetry-labels.ts';

const client = localNode(openCapture('01-plain-sidecar/client').node as never, '', '');
const server = localNode(openCapture('01-plain-sidecar/server').node as never, '', '');
const peerOf = (node: typeof client) => peerOfNode(node, new Set());
const REVIEWS = { host: 'reviews.bookinfo.svc.cluster.local', name: 'reviews', namespace: 'bookinfo' };
const CLIENT_ID = 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage';
const SERVER_ID = 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-reviews';

const NOTHING: EndFacts = {
  reporter: 'source',
  clusterName: '',
  service: null,
  routeName: '',
  host: '',
  peer: null,
  endpoint: null,
  peerPrincipal: '',
  localPrincipal: '',
};

function labels(facts: Partial<EndFacts>, node = client): Record<string, string> {
  const list = endLabels({ ...NOTHING, ...facts }, localLabels(node));
  const object: Record<string, string> = {};
  for (let i = 0; i < list.length; i += 2) object[list[i] as string] = list[i + 1] as string;
  return object;
}

/** As expectations of Istio's own tests name them, in order. */
const ORDER =
  'reporter source_workload source_canonical_service source_canonical_revision source_workload_namespace ' +
  'source_principal source_app source_version source_cluster destination_workload destination_workload_namespace ' +
  'destination_principal destination_app destination_version destination_service destination_canonical_service ' +
  'destination_canonical_revision destination_service_name destination_service_namespace destination_cluster';

test('a source knows itself, its peer and the service', () => {
  const shown = labels({
    clusterName: 'outbound|9080||reviews.bookinfo.svc.cluster.local',
    service: REVIEWS,
    host: 'reviews:9080',
    peer: peerOf(server),
    peerPrincipal: SERVER_ID,
    localPrincipal: CLIENT_ID,
  });
  assert.equal(Object.keys(shown).join(' '), ORDER);
  assert.deepEqual(shown, {
    reporter: 'source',
    source_workload: 'productpage-v1',
    source_canonical_service: 'productpage',
    source_canonical_revision: 'v1',
    source_workload_namespace: 'bookinfo',
    source_principal: CLIENT_ID,
    source_app: 'productpage',
    source_version: 'v1',
    source_cluster: 'Kubernetes',
    destination_workload: 'reviews-v1',
    destination_workload_namespace: 'bookinfo',
    destination_principal: SERVER_ID,
    destination_app: 'reviews',
    destination_version: 'v1',
    destination_service: 'reviews.bookinfo.svc.cluster.local',
    destination_canonical_service: 'reviews',
    destination_canonical_revision: 'v1',
    destination_service_name: 'reviews',
    destination_service_namespace: 'bookinfo',
    destination_cluster: 'Kubernetes',
  });
});

test('a destination knows itself, and tells of an unknown source so', () => {
  const shown = labels({ reporter: 'destination', service: REVIEWS, clusterName: 'inbound|9080||' }, server);
  assert.equal(Object.keys(shown).join(' '), ORDER);
  assert.deepEqual(Object.values(shown).slice(0, 9), [
    'destination', 'unknown', 'unknown', 'latest', 'unknown', 'unknown', 'unknown', 'unknown', 'unknown',
  ]); // biome-ignore format: a list.
  assert.deepEqual(Object.values(shown).slice(9), [
    'reviews-v1', 'bookinfo', 'unknown', 'reviews', 'v1', 'reviews.bookinfo.svc.cluster.local', 'reviews', 'v1',
    'reviews', 'bookinfo', 'Kubernetes',
  ]); // biome-ignore format: a list.
});

test('without a service in the cluster’s metadata the host names it, and without a host the workload does', () => {
  const inbound = { reporter: 'destination', clusterName: 'inbound|9080||' } as const;
  const byHost = labels({ ...inbound, host: 'a.b:80' }, server);
  assert.deepEqual([byHost['destination_service'], byHost['destination_service_name']], ['a.b:80', 'a.b:80']);
  const none = labels(inbound, server);
  assert.deepEqual([none['destination_service'], none['destination_service_name']], ['reviews', 'reviews']);
  const source = labels({ clusterName: 'x' });
  assert.deepEqual([source['destination_service'], source['destination_service_name']], ['unknown', 'unknown']);
  assert.equal(source['destination_service_namespace'], 'unknown');
  const partly = labels({ service: { host: 'a.b.c', name: null, namespace: '' }, peerPrincipal: SERVER_ID });
  assert.deepEqual(
    [partly['destination_service_name'], partly['destination_service_namespace'], partly['destination_workload']],
    ['a', 'bookinfo', 'unknown'],
  );
});

test('what leads to no service has a name of its own', () => {
  const of = (facts: Partial<EndFacts>): unknown[] => {
    const shown = labels({ ...facts, host: 'example.com' });
    return [shown['destination_service'], shown['destination_service_name']];
  };
  assert.deepEqual(of({ clusterName: 'PassthroughCluster' }), ['example.com', 'PassthroughCluster']);
  assert.deepEqual(of({ routeName: 'block_all' }), ['example.com', 'BlackHoleCluster']);
  assert.deepEqual(of({ routeName: 'allow_any', service: REVIEWS }), ['example.com', 'PassthroughCluster']);
  assert.equal(needsHost(serviceOf({ services: [REVIEWS] }), 'x', ''), false);
  assert.equal(needsHost(serviceOf({ services: [REVIEWS] }), 'x', 'block_all'), true);
  assert.equal(needsHost(serviceOf({ services: [] }), 'x', ''), true);
  assert.equal(needsHost(serviceOf(undefined), 'x', ''), true);
});

test('a principal’s namespace comes before the peer’s', () => {
  const peer = peerOfEndpoint('w;metadata-ns;s;r;c');
  assert.equal(labels({ peer })['destination_workload_namespace'], 'metadata-ns');
  const principal = 'spiffe://td/ns/other/sa/x';
  assert.equal(labels({ peer, peerPrincipal: principal })['destination_workload_namespace'], 'other');
  assert.equal(labels({ peer, peerPrincipal: 'spiffe://td/ns/last' })['destination_workload_namespace'], 'last');
  assert.equal(labels({ peer, peerPrincipal: 'spiffe://td/x' })['destination_workload_namespace'], 'metadata-ns');
});

test('a waypoint speaks of two others', () => {
  const shown = labels({
    reporter: 'waypoint',
    service: REVIEWS,
    peer: peerOf(client),
    peerPrincipal: CLIENT_ID,
    localPrincipal: 'spiffe://cluster.local/ns/bookinfo/sa/waypoint',
    endpoint: peerOf(server),
  });
  assert.equal(Object.keys(shown).join(' '), ORDER);
  assert.equal(shown['source_workload'], 'productpage-v1');
  assert.equal(shown['destination_workload'], 'reviews-v1');
  assert.equal(shown['destination_principal'], 'unknown');
  const unknown = labels({ reporter: 'waypoint' });
  assert.equal(unknown['destination_canonical_revision'], 'unknown');
  assert.equal(unknown['source_canonical_revision'], 'latest');
});

test('what a proxy does not know of itself is empty', () => {
  const shown = labels({}, NO_NODE);
  assert.deepEqual([shown['source_workload'], shown['source_app'], shown['source_principal']], ['', '', 'unknown']);
});
