// Nodes as proxies send them, and those that cannot be read.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { readNode } from './node.ts';
import type { ProxyNode } from './proxy.ts';

const ID = 'sidecar~10.0.1.1~productpage-v1.dots.bookinfo~bookinfo.svc.cluster.local';

function read(metadata: Record<string, unknown>, id = ID): ProxyNode {
  const node = readNode({ id, metadata });
  assert.ok(!('error' in node), 'error' in node ? node.error : '');
  return node;
}

it('reads the id', () => {
  const { role, name, namespace, dnsDomain, addresses } = read({});
  assert.deepEqual(
    { role, name, namespace, dnsDomain, addresses },
    {
      ...{ role: 'sidecar', name: 'productpage-v1.dots', namespace: 'bookinfo' },
      ...{ dnsDomain: 'bookinfo.svc.cluster.local', addresses: ['10.0.1.1'] },
    },
  );
});

it('knows kinds by what the node says, never by its user agent', () => {
  assert.equal(read({}).kind, 'envoy');
  assert.equal(read({ ISTIO_VERSION: '1.32.0' }).kind, 'istio-proxy');
  assert.equal(read({ ISTIO_VERSION: '1.32.0', HEDDLE_VERSION: '1' }).kind, 'heddle');
  assert.equal(read({ ISTIO_VERSION: '1.32.0', HEDDLE_PROXY: 'envoy' }).kind, 'envoy');
  assert.equal(read({ HEDDLE_VERSION: '1', GENERATOR: 'grpc' }).kind, 'grpc');
});

it('takes addresses, labels and modes from metadata', () => {
  const node = read({
    ...{ INSTANCE_IPS: '10.0.0.1, fd00::1', LABELS: { app: 'a', bad: 7, 'istio-locality': 'r.z.s' } },
    ...{ INTERCEPTION_MODE: 'NONE', DNS_CAPTURE: 'true', HTTP10: '1' },
  });
  assert.deepEqual(node.addresses, ['10.0.0.1', 'fd00::1']);
  assert.deepEqual(node.labels, { app: 'a', 'istio-locality': 'r.z.s' });
  assert.deepEqual(node.locality, { region: 'r', zone: 'z', subZone: 's' });
  assert.deepEqual([node.interception, node.dnsCapture, node.http10], ['NONE', true, true]);
});

it('says what is wrong with an id', () => {
  for (const id of [
    '',
    'sidecar',
    'x~1.1.1.1~a.b~c',
    'sidecar~1.1.1.1~a.b~c~d',
    'sidecar~1.1.1.1~ab~c',
    `sidecar~1~a.b~${'c'.repeat(2000)}`,
  ]) {
    const node = readNode({ id });
    assert.ok('error' in node && node.error.includes('node id'), id);
  }
});

it('keeps what a node says within bounds', () => {
  const labels = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`l${i}`, 'v']));
  const node = read({
    LABELS: labels,
    INSTANCE_IPS: Array(1000).fill('1.1.1.1').join(','),
    WORKLOAD_NAME: 'w'.repeat(5000),
  });
  assert.equal(Object.keys(node.labels).length, 256);
  assert.ok(node.addresses.length <= 64);
  assert.equal(node.workloadName, '');
});
