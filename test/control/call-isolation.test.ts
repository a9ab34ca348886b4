// Objects of one namespace change nothing for proxies of another unless they are exported to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Called, type CallRig, CLUSTER, callRig } from './call-rig.ts';
import { stageRig } from './stage-rig.ts';

const BASE = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: b}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: b, labels: {app: web, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: web, containers: [{name: app, image: app}]}
status: {podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: b, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-1, namespace: b}}]
ports: [{name: http, port: 8080, protocol: TCP}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: b}
spec:
  hosts: [shop.example.com]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  workloadSelector: {labels: {app: shop}}
`;
const WEB = 'outbound|80||web.b.svc.cluster.local';

function proxy(namespace: string): Called {
  return { facts: { namespace }, labels: { app: 'web' }, addresses: ['10.1.0.1'] };
}

/** Versions of everything that a proxy of the namespace gets. */
function versions(rig: CallRig, namespace: string): Record<string, string> {
  const made = [...rig.resources(proxy(namespace))].map(([key, { version }]) => [key, version] as const);
  return Object.fromEntries(made.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Names of what a tenant's object changes for proxies of a namespace. */
function changed(namespace: string, object: string): string[] {
  const rig = callRig(stageRig({ 'base.yaml': BASE, 'tenant.yaml': '' }));
  const before = versions(rig, namespace);
  rig.write({ 'tenant.yaml': object });
  const after = versions(rig, namespace);
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => before[name] !== after[name]);
}

const RULE = (namespace: string, more = ''): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: ${namespace}}
spec: {host: web.b.svc.cluster.local, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}${more}}
`;

test('a rule holds for its own namespace, for the one of the service, or from the root namespace', () => {
  assert.deepEqual(changed('a', RULE('a')), [`${CLUSTER} ${WEB}`]);
  assert.deepEqual(changed('b', RULE('a')), []);
  assert.deepEqual(changed('c', RULE('a')), []);
  assert.deepEqual(changed('c', RULE('b')), [`${CLUSTER} ${WEB}`]);
  assert.deepEqual(changed('c', RULE('b', ', exportTo: ["."]')), []);
  assert.deepEqual(changed('b', RULE('b', ', exportTo: ["a"]')), []);
  assert.deepEqual(changed('a', RULE('b', ', exportTo: ["a"]')), [`${CLUSTER} ${WEB}`]);
  assert.deepEqual(changed('c', RULE('istio-system')), [`${CLUSTER} ${WEB}`]);
  assert.deepEqual(changed('c', RULE('istio-system', ', exportTo: ["."]')), []);
});

test('a rule with a wildcard holds no further', () => {
  const rule = (namespace: string): string => RULE(namespace).replace('web.b.svc.cluster.local', '"*.local"');
  assert.deepEqual(changed('c', rule('a')), []);
  assert.deepEqual(changed('c', rule('istio-system')), [`${CLUSTER} ${WEB}`]);
});

test('a rule that selects workloads selects none of other namespaces', () => {
  const rule = (namespace: string): string => RULE(namespace, ', workloadSelector: {matchLabels: {app: web}}');
  const rig = callRig(stageRig({ 'base.yaml': BASE, 'tenant.yaml': rule('b') }));
  const select = (namespace: string): unknown =>
    rig.cluster({ facts: { namespace, labels: { app: 'web' } } }, WEB)?.['circuit_breakers'];
  assert.match(JSON.stringify(select('b')), /"max_connections":1,/);
  assert.doesNotMatch(JSON.stringify(select('c')), /"max_connections":1,/);
});

test('a service is there for those to whom it is exported', () => {
  const service = (exportTo: string): string => `
apiVersion: v1
kind: Service
metadata: {name: own, namespace: a, annotations: {networking.istio.io/exportTo: "${exportTo}"}}
spec: {clusterIP: 10.0.0.9, ports: [{name: http, port: 80}]}
`;
  assert.deepEqual(changed('c', service('.')), []);
  assert.deepEqual(changed('c', service('b')), []);
  assert.deepEqual(changed('c', service('~')), []);
  assert.equal(changed('c', service('*')).length, 3);
  assert.equal(changed('a', service('.')).length, 3);
});

test('an entry is there for those to whom it is exported', () => {
  const entry = (exportTo: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: own, namespace: a}
spec:
  hosts: [own.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  exportTo: ["${exportTo}"]
  endpoints: [{address: 192.0.2.1}]
`;
  assert.deepEqual(changed('c', entry('.')), []);
  assert.deepEqual(changed('c', entry('b')), []);
  assert.equal(changed('c', entry('*')).length, 2);
});

test('an entry cannot take over the host of a service', () => {
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: thief, namespace: a}
spec:
  hosts: [web.b.svc.cluster.local]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  subjectAltNames: ["spiffe://cluster.local/ns/a/sa/thief"]
  endpoints: [{address: 192.0.2.1}]
`;
  assert.deepEqual(changed('b', entry), []);
  assert.deepEqual(changed('c', entry), []);
});

test('an entry cannot claim the workloads of another namespace', () => {
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: thief, namespace: a}
spec:
  hosts: [thief.example.com]
  exportTo: ["."]
  location: MESH_INTERNAL
  ports: [{number: 9999, targetPort: 8080, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.1.0.1}]
`;
  assert.deepEqual(changed('b', entry), []);
});

test('a machine joins services of its own namespace only', () => {
  const machine = (namespace: string, app: string): string => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: ${namespace}}
spec: {address: 192.0.2.7, labels: {app: ${app}}, serviceAccount: thief}
`;
  assert.deepEqual(changed('c', machine('a', 'web')), []);
  assert.deepEqual(changed('c', machine('a', 'shop')), []);
  assert.equal(changed('c', machine('b', 'web')).length, 2, 'its endpoint, and its account among the names');
  assert.equal(changed('c', machine('b', 'shop')).length, 2);
});

test('a slice or a pod adds to services of its own namespace only', () => {
  const slice = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-2, namespace: a, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.7], conditions: {ready: true}}]
ports: [{name: http, port: 8080, protocol: TCP}]
`;
  const pod = `
apiVersion: v1
kind: Pod
metadata: {name: shop, namespace: a, labels: {app: shop}}
spec: {serviceAccountName: thief, containers: [{name: app, image: app}]}
status: {podIP: 192.0.2.7, podIPs: [{ip: 192.0.2.7}]}
`;
  assert.deepEqual(changed('c', slice), []);
  assert.deepEqual(changed('c', pod), []);
  assert.equal(changed('c', pod.replace('namespace: a', 'namespace: b')).length, 2);
});

test('endpoints that cannot be cost nobody else theirs', () => {
  const rig = callRig(stageRig({ 'base.yaml': BASE, 'tenant.yaml': '' }));
  const before = rig.endpoints(proxy('c'), WEB);
  const broken = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-2, namespace: b, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [no-address]}, {addresses: []}, {}]
ports: [{name: http, port: 8080, protocol: TCP}]
`;
  rig.write({ 'tenant.yaml': broken });
  assert.deepEqual(rig.endpoints(proxy('c'), WEB), before);
});
