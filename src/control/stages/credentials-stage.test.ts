// Tests which credentials become resources, for whom, and that a change of one changes that one alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import { Secret } from '../../base/secret.ts';
import { Graph, type InputCollection } from '../../base/collection.ts';
import type { Mesh } from '../model/mesh.ts';
import { type ConfigObject, objectKey } from '../source/object.ts';
import { credentialsKey, credentialsStage } from './credentials-stage.ts';

const API = 'gateway.networking.k8s.io';
const CA = makeCa('ca');
const [LEAF, NEXT] = [makeCertificate({ issuer: CA }), makeCertificate({ issuer: CA })];
const KINDS = [
  'Secret',
  'ConfigMap',
  'Gateway',
  'DestinationRule',
  `${API}:Gateway`,
  'ListenerSet',
  'BackendTLSPolicy',
];

function setUp() {
  const graph = new Graph();
  const kinds = new Map<string, InputCollection<ConfigObject>>();
  for (const kind of [...KINDS, 'ReferenceGrant']) kinds.set(kind, graph.input(kind));
  const mesh = graph.input<Mesh>('mesh');
  const kind = (name: string): InputCollection<ConfigObject> => kinds.get(name) as InputCollection<ConfigObject>;
  const stage = credentialsStage({ graph, kind, mesh });
  const apply = (...objects: readonly ConfigObject[]): void => {
    graph.batch(() => {
      for (const object of objects) {
        const key = objectKey(object);
        kind(key.slice(0, key.indexOf('/'))).set(key, object);
      }
    });
  };
  const names = (namespace: string, isGateway = true): string[] =>
    stage.tables.retain(credentialsKey(namespace, isGateway)).map(({ name }) => name);
  return { graph, stage, apply, names };
}

function object(kind: string, namespace: string, name: string, more: Partial<ConfigObject>): ConfigObject {
  return {
    ...{ group: '', version: 'v1', kind, namespace, name, labels: {}, annotations: {}, creationMs: 0, generation: 0 },
    ...{ uid: '', spec: {}, data: {}, status: {} },
    ...more,
  };
}

function secret(namespace: string, name: string, leaf = LEAF, more: Record<string, string> = {}): ConfigObject {
  const values = { 'tls.crt': leaf.pem, 'tls.key': leaf.keyPem, 'ca.crt': CA.pem, ...more };
  const data = Object.fromEntries(
    Object.entries(values).map(([key, text]) => [key, new Secret(Buffer.from(text).toString('base64'))]),
  );
  return object('Secret', namespace, name, { data: { type: 'kubernetes.io/tls', data } });
}

const ISTIO_GATEWAY = object('Gateway', 'istio-system', 'gw', {
  group: 'networking.istio.io',
  spec: {
    servers: [
      { tls: { mode: 'SIMPLE', credentialName: 'web' } },
      { tls: { mode: 'MUTUAL', credentialNames: ['rsa', 'kubernetes://istio-system/web'] } },
      { tls: { mode: 'ISTIO_MUTUAL', credentialName: 'builtin://' } },
    ],
  },
});
const API_GATEWAY = object('Gateway', 'shop', 'gw', {
  group: API,
  spec: {
    listeners: [{ tls: { certificateRefs: [{ name: 'own' }, { kind: 'Secret', namespace: 'bank', name: 'lent' }] } }],
  },
});
const GRANT = object('ReferenceGrant', 'bank', 'g', {
  group: API,
  spec: {
    from: [{ group: API, kind: 'Gateway', namespace: 'shop' }],
    to: [{ group: '', kind: 'Secret', name: 'lent' }],
  },
});

test('what is named becomes a resource for whoever may have it', () => {
  const { apply, names } = setUp();
  apply(ISTIO_GATEWAY, secret('istio-system', 'web'), secret('istio-system', 'unnamed'), secret('shop', 'web'));
  assert.deepEqual(names('istio-system'), [
    'kubernetes://istio-system/web',
    'kubernetes://istio-system/web-cacert',
    'kubernetes://web',
    'kubernetes://web-cacert',
  ]);
  assert.deepEqual(names('istio-system', false), ['kubernetes://istio-system/web-cacert', 'kubernetes://web-cacert']);
  // Another namespace's gateway has its own of that name.
  assert.deepEqual(names('shop'), ['kubernetes://web', 'kubernetes://web-cacert']);
});

test('another namespace is opened by its grant, and closed with it', () => {
  const { graph, apply, names } = setUp();
  apply(API_GATEWAY, secret('shop', 'own'), secret('bank', 'lent'), secret('bank', 'kept'));
  const own = ['kubernetes-gateway://shop/own', 'kubernetes-gateway://shop/own-cacert'];
  const lent = ['kubernetes-gateway://bank/lent', 'kubernetes-gateway://bank/lent-cacert'];
  assert.deepEqual(names('shop'), own);
  apply(GRANT);
  assert.deepEqual(names('shop'), [...lent, ...own]);
  assert.deepEqual(names('evil'), []);
  apply({ ...GRANT, spec: { ...GRANT.spec, to: [{ group: '', kind: 'Secret', name: 'kept' }] } });
  assert.deepEqual(names('shop'), own);
  apply({ ...GRANT, spec: { ...GRANT.spec, to: [{ group: '', kind: 'Secret' }] } });
  assert.deepEqual(names('shop'), [...lent, ...own]);
  for (const from of [
    { group: API, kind: 'HTTPRoute', namespace: 'shop' },
    { group: API, kind: 'Gateway', namespace: 'x' },
  ]) {
    apply({ ...GRANT, spec: { from: [from], to: [{ group: '', kind: 'Secret' }] } });
    assert.deepEqual(names('shop'), own);
  }
  assert.ok(graph.recomputed.size > 0);
});

test('roots in a ConfigMap are for everybody', () => {
  const { apply, names } = setUp();
  const policy = object('BackendTLSPolicy', 'shop', 'p', {
    group: API,
    spec: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'roots' }] } },
  });
  apply(policy, object('ConfigMap', 'shop', 'roots', { data: { data: { 'ca.crt': CA.pem } } }));
  for (const namespace of ['shop', 'other']) assert.deepEqual(names(namespace, false), ['configmap://shop/roots']);
});

test('a renewed certificate changes its resource alone, and a touched file nothing', () => {
  const { graph, stage, apply } = setUp();
  const key = credentialsKey('istio-system', true);
  apply(ISTIO_GATEWAY, secret('istio-system', 'web'), secret('istio-system', 'rsa'));
  stage.tables.retain(key);
  const versions = (): Map<string, string> =>
    new Map(stage.tables.get(key)?.map(({ name, version }) => [name, version]));
  const before = versions();
  apply(secret('istio-system', 'web'));
  assert.equal(graph.recomputed.get('secrets') ?? 0, 0);
  apply(secret('istio-system', 'web', NEXT));
  const after = versions();
  const changed = [...after].filter(([name, version]) => before.get(name) !== version).map(([name]) => name);
  assert.deepEqual(changed, ['kubernetes://istio-system/web', 'kubernetes://web']);
  assert.deepEqual(stage.tables.get(key)?.find(({ name }) => name === 'kubernetes://web')?.causes, [
    'Secret/istio-system/web',
  ]);
});

test('a broken Secret is told of, and keeps nobody else back', () => {
  const { stage, apply, names } = setUp();
  apply(ISTIO_GATEWAY, secret('istio-system', 'web'), secret('istio-system', 'rsa', LEAF, { 'tls.key': NEXT.keyPem }));
  assert.ok(names('istio-system').includes('kubernetes://web') && !names('istio-system').includes('kubernetes://rsa'));
  assert.match(
    stage.problems.get('Secret/istio-system/rsa') ?? '',
    /^Secret istio-system\/rsa: Failed to load private key/,
  );
  assert.equal(stage.problems.size, 1);
});
