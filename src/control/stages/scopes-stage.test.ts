// What proxies of a namespace see, with and without a Sidecar, and what nobody can make them see.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MeshState } from '../mesh-state.ts';
import type { Scope } from '../model/scope.ts';
import { MemorySource } from '../source/config-source.ts';
import { workloadKey } from '../model/labels.ts';

const service = (name: string, namespace: string, exportTo = '*'): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}, annotations: {networking.istio.io/exportTo: "${exportTo}"}}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}, {name: tcp, port: 9000}]}
---`;

const sidecar = (name: string, namespace: string, spec: string): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
---`;

const entry = (name: string, namespace: string, host: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec: {hosts: [${host}], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---`;

const route = (name: string, namespace: string, host: string, to: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: ${namespace}}
spec: {hosts: [${host}], http: [{route: [{destination: {host: ${to}}}]}]}
---`;

function meshOf(text: string): MeshState {
  const source = new MemorySource({ 'a.yaml': text });
  const state = new MeshState({ cluster: 'c', clusterDomain: 'cluster.local', network: '' });
  source.onChange((changes) => void state.apply(changes));
  source.start();
  assert.deepEqual(
    source.findings().filter(({ severity }) => severity === 'error'),
    [],
  );
  return state;
}

function scopeOf(state: MeshState, key: string): Scope {
  return state.stages.scopes.scopes.retain(key);
}

/** Short names: 'a/one'. */
function names(keys: readonly string[]): string[] {
  return keys.map((key) => key.replace('.svc.cluster.local', '').replace(/^([^/]+)\/([^.]+)\.\1$/, '$2/$1')).sort();
}

describe('without a Sidecar', () => {
  it('what is exported is seen', () => {
    const state = meshOf(
      service('a', 'one') +
        service('b', 'two') +
        service('c', 'two', '.') +
        service('d', 'two', 'one') +
        service('e', 'two', '~'),
    );
    assert.deepEqual(names(scopeOf(state, 'one').services), ['a/one', 'b/two', 'd/two']);
    assert.deepEqual(names(scopeOf(state, 'two').services), ['a/one', 'b/two', 'c/two']);
  });

  it('a host belongs to Kubernetes first, whoever claims it', () => {
    const state = meshOf(entry('claim', 'two', 'a.one.svc.cluster.local') + service('a', 'one'));
    assert.deepEqual(scopeOf(state, 'three').services, ['one/a.one.svc.cluster.local']);
  });
});

describe('with a Sidecar', () => {
  const all = service('a', 'one') + service('b', 'two') + service('c', 'two') + route('r', 'two', 'b', 'c');

  it('only what it names is seen, with what routes lead to', () => {
    const state = meshOf(all + sidecar('s', 'one', '{egress: [{hosts: ["two/b.two.svc.cluster.local"]}]}'));
    const scope = scopeOf(state, 'one|one/s');
    assert.deepEqual(names(scope.egress[0]?.services ?? []), ['b/two']);
    assert.deepEqual(names(scope.services), ['b/two', 'c/two'], 'clusters of destinations are there');
    assert.deepEqual(scope.egress[0]?.routes, ['VirtualService/two/r']);
  });

  it("'.' is its own namespace, '~' is nothing", () => {
    const state = meshOf(
      all + sidecar('s', 'one', '{egress: [{hosts: ["./*"]}]}') + sidecar('t', 'two', '{egress: [{hosts: ["~/*"]}]}'),
    );
    assert.deepEqual(names(scopeOf(state, 'one|one/s').services), ['a/one']);
    assert.deepEqual(scopeOf(state, 'two|two/t').services, []);
  });

  it('a listener of a port has services of that port', () => {
    const state = meshOf(
      all +
        sidecar(
          's',
          'one',
          '{egress: [{port: {number: 81, protocol: HTTP, name: x}, hosts: ["*/*"]}, {hosts: ["./*"]}]}',
        ),
    );
    const [first, second] = scopeOf(state, 'one|one/s').egress;
    assert.deepEqual([first?.services, names(second?.services ?? [])], [[], ['a/one']]);
  });

  it('the one that selects the workload, else that of the namespace, else that of the mesh', () => {
    const state = meshOf(
      sidecar('own', 'one', '{workloadSelector: {labels: {app: a}}, egress: [{hosts: ["./*"]}]}') +
        sidecar('default', 'two', '{egress: [{hosts: ["./*"]}]}') +
        sidecar('default', 'istio-system', '{egress: [{hosts: ["./*"]}]}') +
        sidecar('selecting', 'istio-system', '{workloadSelector: {labels: {app: z}}, egress: [{hosts: ["./*"]}]}'),
    );
    const of = (namespace: string, labels: Record<string, string>): string =>
      state.stages.scopes.sidecarOf.retain(workloadKey(namespace, labels));
    assert.equal(of('one', { app: 'a', x: 'y' }), 'one/own');
    assert.equal(of('one', { app: 'b' }), 'istio-system/default');
    assert.equal(of('two', {}), 'two/default');
    assert.equal(of('three', { app: 'z' }), 'istio-system/default', 'one that selects is for its own namespace');
  });

  it('one of another namespace changes nothing', () => {
    const without = scopeOf(meshOf(all), 'one');
    const state = meshOf(
      all + sidecar('s', 'two', '{outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["./*"]}]}'),
    );
    assert.deepEqual(scopeOf(state, 'one'), without);
    assert.equal(state.stages.scopes.sidecarOf.retain(workloadKey('one', {})), '');
  });
});

it('routes that a namespace keeps for itself come first there, and are unknown elsewhere', () => {
  const own = route('own', 'one', 'a', 'a').replace('http:', 'exportTo: ["."], http:');
  const state = meshOf(
    service('a', 'one') + route('all', 'two', 'a.one.svc.cluster.local', 'a.one.svc.cluster.local') + own,
  );
  assert.deepEqual(scopeOf(state, 'one').egress[0]?.routes, ['VirtualService/one/own', 'VirtualService/two/all']);
  assert.deepEqual(scopeOf(state, 'three').egress[0]?.routes, ['VirtualService/two/all']);
});
