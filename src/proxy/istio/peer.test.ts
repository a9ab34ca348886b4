// Workloads in all forms in which Istio tells of them, with the node metadata of a captured sidecar.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { localNode } from './node.ts';
import { metadataOfPeer, peerOfBaggage, peerOfEndpoint, peerOfMetadata, peerOfNode, textOfPeer } from './peer.ts';
import { fieldsOfPeer, stateOfPeer } from './peer.ts';
import { PeerCache } from './peer-cache.ts';
import { peerOf } from './peer-state.ts';
import { decodeStruct, decodeStructAny, encodeStruct, encodeStructAny } from './struct-bytes.ts';

const NONE: ReadonlySet<string> = new Set();
const { node } = openCapture('01-plain-sidecar/client');
const metadata = node['metadata'] as Readonly<Record<string, unknown>>;

test('a sidecar tells what it is', () => {
  const locality = { region: 'region1', zone: 'zone1' };
  const own = localNode({ id: 'sidecar~1', metadata, locality }, '', '');
  const peer = peerOfNode(own, NONE);
  assert.deepEqual(metadataOfPeer(peer), {
    NAME: 'productpage-v1',
    NAMESPACE: 'bookinfo',
    WORKLOAD_NAME: 'productpage-v1',
    CLUSTER_ID: 'Kubernetes',
    LABELS: {
      'service.istio.io/canonical-name': 'productpage',
      'service.istio.io/canonical-revision': 'v1',
      app: 'productpage',
      version: 'v1',
    },
    OWNER: 'kubernetes://apis/apps/v1/namespaces/bookinfo/deployments/productpage-v1',
    REGION: 'region1',
    AVAILABILITY_ZONE: 'zone1',
  });
  assert.deepEqual(stateOfPeer(peer), {
    type: 'deployment',
    workload: 'productpage-v1',
    name: 'productpage-v1',
    cluster: 'Kubernetes',
    namespace: 'bookinfo',
    service: 'productpage',
    revision: 'v1',
    app: 'productpage',
    version: 'v1',
    region: 'region1',
    availability_zone: 'zone1',
  });
  assert.equal(fieldsOfPeer(peer)['workload'], 'productpage-v1');
  assert.equal(
    textOfPeer(peer),
    'type=deployment,workload=productpage-v1,name=productpage-v1,cluster=Kubernetes,namespace=bookinfo,' +
      'service=productpage,revision=v1,app=productpage,version=v1,region=region1,availability_zone=zone1',
  );
  assert.deepEqual(peerOfMetadata(metadataOfPeer(peer), NONE), peer);
});

test('the command line’s names come first, and a node may say nothing', () => {
  const own = localNode({ id: 'a', locality: { zone: 'z' } }, 'b', 'y');
  assert.deepEqual([own.id, own.zone], ['b', 'y']);
  const peer = peerOfNode(localNode(undefined, '', ''), NONE);
  assert.deepEqual(metadataOfPeer(peer), { LABELS: {} });
  assert.deepEqual(stateOfPeer(peer), {});
});

test('labels: qualified names come before short ones, further ones when asked for', () => {
  const labels = { app: 'a', 'app.kubernetes.io/name': 'b', version: 'v1', role: 'gateway', tier: 'x' };
  const peer = peerOfMetadata({ LABELS: labels }, new Set(['role', 'app', 'gone']));
  assert.deepEqual([peer.app, peer.version, peer.labels], ['b', 'v1', [['role', 'gateway']]]);
  assert.deepEqual(stateOfPeer(peer)['labels'], { role: 'gateway' });
  assert.deepEqual(peerOfMetadata({ LABELS: 'x', NAME: 1 }, NONE).instance, '');
});

test('owners give the kind of a workload', () => {
  const typeOf = (OWNER: string): string => peerOfMetadata({ OWNER, WORKLOAD_NAME: 'w' }, NONE).type;
  assert.equal(typeOf('kubernetes://apis/apps/v1/namespaces/n/deployments/w'), 'deployment');
  assert.equal(typeOf('kubernetes://apis/batch/v1/namespaces/n/cronjobs/w'), 'cronjob');
  assert.equal(typeOf('kubernetes://apis/v1/namespaces/n/statefulsets/w'), '');
  assert.equal(typeOf('w'), '');
});

test('endpoint metadata and baggage', () => {
  const endpoint = peerOfEndpoint('reviews-v1;bookinfo;reviews;v1;Kubernetes');
  assert.deepEqual(stateOfPeer(endpoint as never), {
    workload: 'reviews-v1',
    name: '',
    cluster: 'Kubernetes',
    namespace: 'bookinfo',
    service: 'reviews',
    revision: 'v1',
  });
  assert.equal(peerOfEndpoint('a;b;c;d'), null);
  const baggage =
    'k8s.cluster.name=c1,k8s.namespace.name=ns,k8s.deployment.name=d,service.name=s,service.version=v2,a=b,' +
    'cloud.region=r';
  const { cluster, namespace, workload, type, canonicalName, app, canonicalRevision, version, region } =
    peerOfBaggage(baggage);
  assert.deepEqual(
    [cluster, namespace, workload, type, canonicalName, app, canonicalRevision, version, region],
    ['c1', 'ns', 'd', 'deployment', 's', 's', 'v2', 'v2', 'r'],
  );
});

test('a Struct is the same bytes however it was put together', () => {
  const bytes = encodeStruct({ b: 'x', a: { c: 'y' } });
  assert.equal(bytes.toString('hex'), '0a110a0161120c2a0a0a080a016312031a01790a080a016212031a0178');
  assert.deepEqual(encodeStruct({ a: { c: 'y' }, b: 'x' }), bytes);
  assert.equal(JSON.stringify(decodeStruct(bytes)), '{"a":{"c":"y"},"b":"x"}');
  assert.equal(decodeStruct(Buffer.from('ff', 'hex')), null);
  const any = encodeStructAny({ a: 'b' });
  assert.match(any.latin1Slice(), /^\n.type\.googleapis\.com\/google\.protobuf\.Struct/);
  assert.equal(JSON.stringify(decodeStructAny(any)), '{"a":"b"}');
  assert.equal(decodeStructAny(Buffer.from('ff', 'hex')), null);
  assert.deepEqual(decodeStructAny(Buffer.alloc(0)), {});
});

test('a peer that repeats itself is read once, and an id alone is not believed', () => {
  const cache = new PeerCache(NONE, 'filter-chain', false);
  const a = encodeStruct({ NAMESPACE: 'a' }).toString('base64');
  const b = encodeStruct({ NAMESPACE: 'b' }).toString('base64');
  const first = cache.find('id', a);
  assert.equal(first?.peer.namespace, 'a');
  assert.equal(cache.find('other', b)?.peer.namespace, 'b');
  assert.equal(cache.find('id', a), first);
  assert.equal(cache.find('id', b)?.peer.namespace, 'b');
  assert.equal(peerOf(first?.state), first?.peer);
  assert.equal(cache.find('', a)?.peer.namespace, 'a');
  assert.equal(cache.find('x', '!!')?.peer.namespace, '');
  assert.equal(cache.find('x', '/w=='), null);
  assert.equal(cache.find('x', a.replace(/=+$/, ''))?.peer.namespace, 'a');
  for (let i = 0; i < 600; i++) assert.equal(cache.find(`id${i}`, a)?.peer.namespace, 'a');
});
