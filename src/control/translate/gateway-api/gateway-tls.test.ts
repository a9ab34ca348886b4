// TLS of listeners: modes, options, certificates that may be named, and what is asked of callers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewaySpec, ListenerTls } from './gateway-spec.ts';
import { clientRoots, listenerTls, type MadeTls, type NamingContext } from './gateway-tls.ts';

const NAMING: NamingContext = {
  namespace: 'edge',
  isGranted: (kind, namespace) => kind === 'Secret' && namespace === 'safe',
  whyNoCertificate: (_namespace, name) => (name === 'missing' ? 'there is none' : null),
  whyNoRoots: (_kind, _namespace, name) => (name === 'missing' ? 'there is none' : null),
};

function made(tls: ListenerTls, spec: GatewaySpec = {}, isAutoPassthrough = false): MadeTls {
  const clients = clientRoots(spec, 443, NAMING);
  return listenerTls({ name: 'l', protocol: 'HTTPS', port: 443, tls }, { ...NAMING, isAutoPassthrough, clients });
}

test('TLS is passed through as a whole, that of another network by the names of the mesh', () => {
  assert.equal(made({ mode: 'Passthrough' }).tls?.mode, 'PASSTHROUGH');
  assert.equal(made({ mode: 'Passthrough' }, {}, true).tls?.mode, 'AUTO_PASSTHROUGH');
});

test('one certificate for each kind of key, of which one that is of no use is left out', () => {
  const two = made({ certificateRefs: [{ name: 'a' }, { name: 'b', namespace: 'safe' }] });
  assert.deepEqual(two.tls?.credentials, ['kubernetes-gateway://edge/a', 'kubernetes-gateway://safe/b']);
  const one = made({ certificateRefs: [{ name: 'missing' }, { name: 'b' }] });
  assert.deepEqual(one.tls?.credentials, ['kubernetes-gateway://edge/b']);
  assert.deepEqual(
    one.problems.map(({ field }) => field),
    ['tls.certificateRefs[0]'],
  );
  const three = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  for (const certificateRefs of [[], three, [{ name: 'missing' }]]) assert.equal(made({ certificateRefs }).tls, null);
});

test('what is no Secret, and what nobody granted, is no certificate', () => {
  const problem = (ref: object): string => made({ certificateRefs: [ref] }).problems[0]?.message ?? '';
  assert.match(problem({ kind: 'ConfigMap', name: 'a' }), /^InvalidCertificateRef: a ConfigMap/);
  assert.match(problem({ group: 'example.com', name: 'a' }), /^InvalidCertificateRef/);
  assert.match(problem({ name: 'a', namespace: 'vault' }), /^RefNotPermitted: .*vault lets edge/);
});

test("Istio's options", () => {
  const mode = (text: string): MadeTls['tls'] =>
    made({ certificateRefs: [{ name: 'a' }], options: { 'gateway.istio.io/tls-terminate-mode': text } }).tls;
  assert.equal(mode('MUTUAL')?.mode, 'MUTUAL');
  assert.equal(mode('OPTIONAL_MUTUAL')?.mode, 'OPTIONAL_MUTUAL');
  assert.deepEqual([mode('ISTIO_MUTUAL')?.mode, mode('ISTIO_MUTUAL')?.credentials], ['ISTIO_MUTUAL', []]);
  assert.deepEqual([mode('ISTIO_SIMPLE')?.mode, mode('ISTIO_SIMPLE')?.credentials], ['SIMPLE', ['builtin://']]);
  const ciphers = { 'gateway.istio.io/tls-cipher-suites': 'AES128-GCM-SHA256, AES256-GCM-SHA384' };
  const { tls } = made({ certificateRefs: [{ name: 'a' }], options: ciphers });
  assert.deepEqual(tls?.cipherSuites, ['AES128-GCM-SHA256', 'AES256-GCM-SHA384']);
});

test('callers are checked as the port says, before what all ports say', () => {
  const roots = (name: string, mode?: 'AllowInsecureFallback'): object => ({
    validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name }], ...(mode && { mode }) },
  });
  const tls = { certificateRefs: [{ name: 'a' }] };
  const all = { tls: { frontend: { default: roots('all') } } };
  assert.deepEqual([made(tls, all).tls?.mode, made(tls, all).tls?.caCredential], ['MUTUAL', 'configmap://edge/all']);
  const own = {
    tls: { frontend: { default: roots('all'), perPort: [{ port: 443, tls: roots('own', 'AllowInsecureFallback') }] } },
  };
  assert.deepEqual(
    [made(tls, own).tls?.mode, made(tls, own).tls?.caCredential],
    ['OPTIONAL_MUTUAL', 'configmap://edge/own'],
  );
  const none = { tls: { frontend: { default: roots('all'), perPort: [{ port: 443, tls: {} }] } } };
  assert.equal(made(tls, none).tls?.mode, 'SIMPLE');
  // An option does not lower what the Gateway asks for, and without authorities nobody is let in.
  const lost = { tls: { frontend: { default: roots('missing') } } };
  for (const option of ['', 'ISTIO_SIMPLE', 'MUTUAL']) {
    assert.equal(made({ ...tls, options: { 'gateway.istio.io/tls-terminate-mode': option } }, lost).tls, null);
  }
});

test('authorities are those of one Secret or ConfigMap that may be named', () => {
  const problem = (...refs: object[]): string =>
    clientRoots({ tls: { frontend: { default: { validation: { caCertificateRefs: refs } } } } }, 443, NAMING).problem
      ?.message ?? '';
  assert.equal(problem({ group: '', kind: 'Secret', name: 'a', namespace: 'safe' }), '');
  assert.match(problem({ group: '', kind: 'ConfigMap', name: 'a', namespace: 'safe' }), /^RefNotPermitted/);
  assert.match(problem({ group: '', kind: 'Service', name: 'a' }), /^InvalidCACertificateKind/);
  assert.match(problem({ name: 'a' }, { name: 'b' }), /^InvalidCACertificateRef/);
});
