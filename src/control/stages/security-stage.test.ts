// Which policies hold for a workload, and what closes it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stageRig } from '../../../test/control/stage-rig.ts';
import { accessFilters } from '../generate/rbac/filters.ts';
import { type Labels, workloadKey } from '../model/labels.ts';
import { type Security, securityStage } from './security-stage.ts';

const PEER = (name: string, namespace: string, spec: string, created = ''): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: ${name}, namespace: ${namespace}${created === '' ? '' : `, creationTimestamp: "${created}"`}}
spec: ${spec}
---`;

function securityOf(text: string, namespace: string, labels: Labels = {}): Security {
  return securityStage(stageRig({ 'a.yaml': text }).inputs).security.retain(workloadKey(namespace, labels));
}

describe('mTLS modes', () => {
  test('the narrower object decides, and what it leaves open is the wider one’s', () => {
    const text =
      PEER('default', 'istio-system', '{mtls: {mode: STRICT}}') +
      PEER('default', 'shop', '{mtls: {mode: PERMISSIVE}}') +
      PEER('one', 'shop', '{selector: {matchLabels: {app: one}}, portLevelMtls: {"80": {mode: DISABLE}, "81": {}}}');
    assert.equal(securityOf(text, 'other').mtls.mode, 'STRICT');
    assert.equal(securityOf(text, 'shop').mtls.mode, 'PERMISSIVE');
    const { mtls } = securityOf(text, 'shop', { app: 'one' });
    assert.equal(mtls.mode, 'PERMISSIVE');
    assert.deepEqual(
      [...mtls.ports],
      [
        [80, 'DISABLE'],
        [81, 'PERMISSIVE'],
      ],
    );
    assert.deepEqual(mtls.origins, [
      'PeerAuthentication/shop/one',
      'PeerAuthentication/shop/default',
      'PeerAuthentication/istio-system/default',
    ]);
  });

  test('of two for the same the older counts, and the younger is complained of', () => {
    const text =
      PEER('young', 'shop', '{mtls: {mode: DISABLE}}', '2026-02-01T00:00:00Z') +
      PEER('old', 'shop', '{mtls: {mode: STRICT}}', '2026-01-01T00:00:00Z') +
      PEER('rooted', 'istio-system', '{selector: {matchLabels: {app: one}}, mtls: {mode: DISABLE}}');
    assert.equal(securityOf(text, 'shop', { app: 'one' }).mtls.mode, 'STRICT');
    const { complaints } = securityStage(stageRig({ 'a.yaml': text }).inputs);
    assert.match(complaints.get('PeerAuthentication/shop/young')?.[0]?.message ?? '', /shop\/old is older/);
    assert.equal(complaints.get('PeerAuthentication/shop/old'), undefined);
    assert.match(complaints.get('PeerAuthentication/istio-system/rooted')?.[0]?.message ?? '', /root namespace/);
  });

  test('callers are told what is said, and nothing where nothing is', () => {
    const rig = stageRig({ 'a.yaml': PEER('default', 'shop', '{mtls: {mode: STRICT}}') });
    const { lookup } = securityStage(rig.inputs);
    const asked = rig.inputs.graph.memo('asked', (_key, read) => [
      lookup.ofNamespace(read, 'shop'),
      lookup.ofNamespace(read, 'other'),
      lookup.ofPort(read, 'other', {}, 80),
    ]);
    assert.deepEqual(asked.retain(''), ['STRICT', null, 'PERMISSIVE']);
  });
});

describe('guards that are not effective yet', () => {
  const JWT = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  selector: {matchLabels: {app: one}}
  jwtRules: [{issuer: someone, jwksUri: "https://example.com/keys"}]
---`;

  test('they close what they select, and nothing else', () => {
    assert.deepEqual(securityOf(JWT, 'shop', { app: 'two' }).closedBy, []);
    assert.deepEqual(securityOf(JWT, 'other', { app: 'one' }).closedBy, []);
    const { closedBy, policies } = securityOf(JWT, 'shop', { app: 'one', version: 'v1' });
    assert.deepEqual(
      closedBy.map(({ origin }) => origin),
      ['RequestAuthentication/shop/jwt'],
    );
    const { http, tcp } = accessFilters({ policies, closedBy, trustDomains: ['cluster.local'] });
    for (const filter of [http[0], tcp[0]]) {
      const everybody = { permissions: [{ any: true }], principals: [{ any: true }] };
      const message = filter?.typed_config?.message as { rules?: unknown } | undefined;
      assert.deepEqual(message?.rules, {
        action: 'DENY',
        policies: { 'heddle-closed-by[RequestAuthentication/shop/jwt]': everybody },
      });
    }
  });

  test('the object is told which, and how to open them', () => {
    const { complaints } = securityStage(stageRig({ 'a.yaml': JWT }).inputs);
    assert.deepEqual(complaints.get('RequestAuthentication/shop/jwt'), [
      {
        objectKey: 'RequestAuthentication/shop/jwt',
        fieldPath: '',
        message:
          'not yet effective: closes workloads app=one of namespace shop, because tokens of requests are not yet ' +
          'verified',
        remedy: 'remove it to open them again, or express it as an AuthorizationPolicy with ALLOW or DENY',
        severity: 'error',
      },
    ]);
  });

  test('custom actions and guarding plugins close, others do not', () => {
    const custom = (annotations: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ext, namespace: shop, annotations: {${annotations}}}
spec: {action: CUSTOM, provider: {name: mine}, rules: [{to: [{operation: {paths: ["/admin"]}}]}]}
`;
    assert.equal(securityOf(custom(''), 'shop').closedBy.length, 1);
    assert.equal(securityOf(custom('istio.io/dry-run: "true"'), 'shop').closedBy.length, 0);
    const plugin = (spec: string): string => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: plugin, namespace: shop}
spec: {url: "oci://example.com/plugin:1", ${spec}}
`;
    assert.equal(securityOf(plugin('phase: AUTHN'), 'shop').closedBy.length, 1);
    assert.equal(securityOf(plugin('failStrategy: FAIL_CLOSE'), 'shop').closedBy.length, 1);
    assert.equal(securityOf(plugin('phase: STATS'), 'shop').closedBy.length, 0);
    assert.equal(securityOf(plugin('phase: AUTHZ, match: [{mode: CLIENT}]'), 'shop').closedBy.length, 0);
  });
});

describe('where policies hold', () => {
  const POLICY = (namespace: string, spec: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: ${namespace}}
spec: ${spec}
---`;

  test('in their namespace; those of the root namespace everywhere, also by labels', () => {
    assert.equal(securityOf(POLICY('shop', '{}'), 'shop').policies.length, 1);
    assert.equal(securityOf(POLICY('shop', '{}'), 'other').policies.length, 0);
    assert.equal(securityOf(POLICY('istio-system', '{}'), 'other').policies.length, 1);
    const rooted = POLICY('istio-system', '{selector: {matchLabels: {app: one}}}');
    assert.equal(securityOf(rooted, 'other', { app: 'one' }).policies.length, 1);
    assert.equal(securityOf(rooted, 'other', { app: 'two' }).policies.length, 0);
  });

  test('named targets are not workloads, but proxies know the gateway that they are', () => {
    const text = POLICY('shop', '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}]}');
    assert.equal(securityOf(text, 'shop', { app: 'one' }).policies.length, 0);
    const labels = { 'gateway.networking.k8s.io/gateway-name': 'front' };
    assert.equal(securityOf(text, 'shop', labels).policies.length, 1);
    assert.equal(securityOf(text, 'other', labels).policies.length, 0);
  });
});
