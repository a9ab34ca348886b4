// Tests what a node may say of itself, and who may be a gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNodeId } from '../base/node-id.ts';
import { checkNode, type ClaimingNode, gatewayPolicy } from './node-claims.ts';

const IDENTITY = { trustDomain: 'cluster.local', namespace: 'shop', account: 'web', workload: null };
const nobody = (): string => 'no gateway';

function node(
  more: Record<string, unknown> = {},
  id = 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local',
): ClaimingNode {
  return { id, metadata: { NAMESPACE: 'shop', SERVICE_ACCOUNT: 'web', ...more } };
}

test('ids of nodes', () => {
  assert.deepEqual(parseNodeId('router~10.0.3.1~gw.1-a.istio-system~istio-system.svc.cluster.local'), {
    ...{ role: 'router', ip: '10.0.3.1', name: 'gw.1-a', namespace: 'istio-system' },
    domain: 'istio-system.svc.cluster.local',
  });
  for (const bad of [
    '',
    'a',
    'sidecar~1~a.b',
    'sidecar~1~a.b~c~d',
    'pilot~1~a.b~c',
    'sidecar~1~ab~c',
    'sidecar~1~.b~c',
    'sidecar~1~a.~c',
    `sidecar~1~a.b~${'c'.repeat(2000)}`,
  ]) {
    assert.equal(typeof parseNodeId(bad), 'string', bad);
  }
});

test('a node is its identity, or is refused', () => {
  assert.equal(checkNode(IDENTITY, node(), nobody), null);
  assert.equal(checkNode(IDENTITY, { id: node().id }, nobody), null);
  assert.equal(checkNode(IDENTITY, node({}, 'sidecar~10.0.0.1~web-1.shop~cluster.local'), nobody), null);
  const cases: readonly (readonly [ClaimingNode, RegExp])[] = [
    [{}, /is not TYPE~IP/],
    [
      node({}, 'sidecar~10.0.0.1~web-1.bank~bank.svc.cluster.local'),
      /claims namespace "bank" in its id, its identity is of shop\/web/,
    ],
    [node({}, 'sidecar~10.0.0.1~web-1.shop~bank.svc.cluster.local'), /claims the domain "bank.svc/],
    [node({ NAMESPACE: 'bank' }), /claims NAMESPACE "bank"/],
    [node({ NAMESPACE: ['shop'] }), /claims NAMESPACE/],
    [node({ CONFIG_NAMESPACE: 'bank' }), /claims CONFIG_NAMESPACE "bank"/],
    [node({ SERVICE_ACCOUNT: 'root' }), /claims SERVICE_ACCOUNT "root"/],
    [node({}, 'router~10.0.0.1~web-1.shop~shop.svc.cluster.local'), /no gateway/],
    [node({}, 'waypoint~10.0.0.1~web-1.shop~shop.svc.cluster.local'), /no gateway/],
  ];
  for (const [claiming, expected] of cases) assert.match(String(checkNode(IDENTITY, claiming, nobody)), expected);
  const bound = { ...IDENTITY, workload: 'web-2' };
  assert.match(String(checkNode(bound, node(), nobody)), /claims to be "web-1", its credential is that of web-2/);
  assert.equal(checkNode({ ...IDENTITY, workload: 'web-1' }, node(), nobody), null);
});

test('gateways are those that a Gateway selects or that were made for one', () => {
  const workload = (account: string, labels: Record<string, string>) => ({ namespace: 'shop', account, labels });
  const workloads = [
    workload('web', { app: 'web' }),
    workload('edge', { istio: 'ingressgateway', app: 'edge' }),
    workload('made', { 'gateway.networking.k8s.io/gateway-name': 'gw' }),
    workload('way', {
      'gateway.networking.k8s.io/gateway-name': 'w',
      'gateway.networking.k8s.io/gateway-class-name': 'istio-waypoint',
    }),
  ];
  const selectors = [
    { namespace: null, labels: { istio: 'ingressgateway' } },
    { namespace: null, labels: {} },
    { namespace: 'other', labels: { app: 'web' } },
  ];
  const policy = gatewayPolicy(workloads, selectors);
  const may = (role: 'router' | 'waypoint' | 'ztunnel', account: string, one = policy): boolean =>
    one(role, { namespace: 'shop', account }) === null;
  assert.deepEqual(
    ['web', 'edge', 'made', 'way', 'unknown'].map((account) => may('router', account)),
    [false, true, true, false, true],
  );
  assert.deepEqual(
    ['web', 'edge', 'made', 'way'].map((account) => may('waypoint', account)),
    [false, false, false, true],
  );
  assert.ok(!may('ztunnel', 'unknown') && !may('ztunnel', 'web'));
  assert.ok(!may('router', 'unknown', gatewayPolicy(workloads, selectors, true)));
  assert.match(
    String(policy('router', { namespace: 'shop', account: 'web' })),
    /no workload of shop\/web is a router: no Gateway selects one/,
  );
});
