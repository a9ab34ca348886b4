// Tests gateways' credentials: what is made of which object, who gets it, and how little is told of what is broken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { openCapture } from '../../../test/captures/captures.ts';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import { Secret } from '../../base/secret.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { toJson } from '../../proto/json-encode.ts';
import { registry } from '../../proto/registry.ts';
import { credentialResource, gatewayCredentialResource, parseCredentialName } from './credential-name.ts';
import { type Credential, findCredential } from './credentials.ts';
import type { SecretObject } from './secret-content.ts';

const CA = makeCa('ca');
const LEAF = makeCertificate({ issuer: CA, sans: [{ dns: 'a.b' }] });
const OTHER = makeCertificate({ issuer: CA });
const GATEWAY = { trustDomain: 'cluster.local', namespace: 'istio-system', account: 'gateway', workload: null };
const WEB = { ...GATEWAY, account: 'web' };

function secret(name: string, values: Record<string, string>, namespace = 'istio-system'): SecretObject {
  const data = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
  return { kind: 'Secret', namespace, name, data: { type: 'Opaque', data } };
}

const TLS_PAIR = { 'tls.crt': LEAF.chainPem, 'tls.key': LEAF.keyPem };
const OBJECTS = [
  secret('bookinfo-cred', TLS_PAIR),
  secret('mutual-cred', { ...TLS_PAIR, 'ca.crt': CA.pem }),
  secret('generic', { cert: LEAF.pem, key: LEAF.keyPem, cacert: CA.pem }),
  secret('split', { cert: LEAF.pem, key: LEAF.keyPem }),
  secret('split-cacert', { cacert: CA.pem }),
  secret('stapled', { ...TLS_PAIR, 'tls.ocsp-staple': 'staple' }),
  secret('mismatch', { 'tls.crt': OTHER.pem, 'tls.key': LEAF.keyPem }),
  secret('broken', { 'tls.crt': 'hello s3cret', 'tls.key': LEAF.keyPem }),
  secret('broken-key', { 'tls.crt': LEAF.pem, 'tls.key': 'hello s3cret' }),
  secret('empty', { 'tls.crt': '', 'tls.key': '' }),
  secret('strange', { a: '1', b: '2', c: '3', d: '4', e: '5' }),
  secret('broken-ca', { 'ca.crt': 'hello s3cret' }),
  secret('theirs', { ...TLS_PAIR, 'ca.crt': CA.pem }, 'bank'),
  secret('closed', TLS_PAIR, 'bank'),
  { kind: 'ConfigMap', namespace: 'bank', name: 'roots', data: { data: { 'ca.crt': CA.pem } } },
];

function find(
  resourceName: string,
  identity: typeof GATEWAY | null = GATEWAY,
  objects: readonly SecretObject[] = OBJECTS,
): Credential {
  const source = {
    object: (kind: string, namespace: string, name: string) =>
      objects.find((one) => one.kind === kind && one.namespace === namespace && one.name === name),
    isGranted: (from: string, to: string, name: string) =>
      from === 'istio-system' && to === 'bank' && name === 'theirs',
    mayHaveKeys: ({ account }: { readonly account: string }) => (account === 'gateway' ? null : 'it is no gateway'),
  };
  return findCredential(source, identity, resourceName);
}

function message(resourceName: string, identity = GATEWAY) {
  const found = find(resourceName, identity);
  assert.ok('message' in found, 'reason' in found ? found.reason : '');
  assert.equal(found.message.name, resourceName);
  encodeBinary(SECRET, found.message);
  return found.message;
}

function reason(resourceName: string, identity: typeof GATEWAY | null = GATEWAY): string {
  const found = find(resourceName, identity);
  assert.ok('reason' in found, `${resourceName} was given`);
  return found.reason;
}

const SECRET = registry.message('envoy.extensions.transport_sockets.tls.v3.Secret');
const bytes = (text: string) => ({ inline_bytes: Buffer.from(text) });

test('messages are as istiod has them', () => {
  const pair = { certificate_chain: bytes(LEAF.chainPem), private_key: bytes(LEAF.keyPem) };
  const name = 'kubernetes://bookinfo-cred';
  assert.deepEqual(message(name), { name, tls_certificate: pair });
  const roots = 'kubernetes://mutual-cred-cacert';
  assert.deepEqual(message(roots), { name: roots, validation_context: { trusted_ca: bytes(CA.pem) } });
  assert.deepEqual(message('kubernetes-gateway://istio-system/mutual-cred').tls_certificate, pair);
  assert.deepEqual(message('kubernetes://istio-system/generic').tls_certificate?.certificate_chain, bytes(LEAF.pem));
  assert.deepEqual(message('kubernetes://generic-cacert').validation_context?.trusted_ca, bytes(CA.pem));
  assert.deepEqual(message('kubernetes://split-cacert').validation_context?.trusted_ca, bytes(CA.pem));
  assert.deepEqual(message('kubernetes://stapled').tls_certificate?.ocsp_staple, bytes('staple'));
  assert.deepEqual(message('configmap://bank/roots', WEB).validation_context?.trusted_ca, bytes(CA.pem));
});

test('a gateway of Istio got the same', () => {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  const captured = openCapture('09-gateway-https-sds/gateway').types.get(type) ?? [];
  assert.equal(captured.length, 3);
  const bytesOf = (resource: string, ...path: string[]): string => {
    let at: unknown = captured.find(({ name }) => name === resource)?.json;
    for (const field of path) at = (at as Record<string, unknown>)[field];
    return at as string;
  };
  // What the user wrote, taken from what the gateway got.
  const data = {
    'tls.crt': bytesOf('kubernetes://mutual-cred', 'tls_certificate', 'certificate_chain', 'inline_bytes'),
    'tls.key': bytesOf('kubernetes://mutual-cred', 'tls_certificate', 'private_key', 'inline_bytes'),
    'ca.crt': bytesOf('kubernetes://mutual-cred-cacert', 'validation_context', 'trusted_ca', 'inline_bytes'),
  };
  const objects = ['bookinfo-cred', 'mutual-cred'].map((name) => ({
    ...{ kind: 'Secret', namespace: 'istio-system', name, data: { data } },
  }));
  for (const { name, json } of captured) {
    const found = find(name, GATEWAY, objects);
    assert.ok('message' in found, 'reason' in found ? found.reason : '');
    const message = toJson(SECRET, found.message, { preserveProtoFieldNames: true }) as Record<string, unknown>;
    assert.deepEqual({ '@type': type, ...message }, json);
  }
});

test('who may have what', () => {
  assert.match(reason('kubernetes://bookinfo-cred', null), /proved no identity/);
  assert.match(reason('kubernetes://bookinfo-cred', WEB), /istio-system\/web may not have .*: it is no gateway/);
  assert.match(reason('kubernetes-gateway://istio-system/mutual-cred', WEB), /it is no gateway/);
  // Roots are no secret, within a namespace.
  assert.ok('message' in find('kubernetes://mutual-cred-cacert', WEB));
  assert.match(reason('kubernetes://bank/theirs'), /it is of another namespace/);
  assert.match(reason('kubernetes://bank/theirs-cacert', WEB), /it is of another namespace/);
  assert.match(reason('kubernetes-gateway://bank/closed'), /requires a ReferenceGrant/);
  assert.match(
    reason('kubernetes-gateway://bank/theirs', { ...GATEWAY, namespace: 'evil' }),
    /requires a ReferenceGrant/,
  );
  assert.ok('message' in find('kubernetes-gateway://bank/theirs'));
  assert.ok('message' in find('kubernetes-gateway://bank/theirs-cacert'));
});

test('what is broken is refused with its name, and without its data', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['kubernetes://none', /^secret istio-system\/none not found$/],
    ['kubernetes://none-cacert', /^secret istio-system\/none not found$/],
    [
      'kubernetes://mismatch',
      /^Secret istio-system\/mismatch: Failed to load private key from "tls.key", .*KEY_VALUES_MISMATCH/,
    ],
    ['kubernetes://broken', /^Secret istio-system\/broken: Failed to load certificate chain from "tls.crt"/],
    ['kubernetes://broken-key', /^Secret istio-system\/broken-key: Failed to load private key from "tls.key"/],
    ['kubernetes://empty', /^Secret istio-system\/empty: found keys "tls.crt" and "tls.key", but they were empty$/],
    [
      'kubernetes://strange',
      /expected keys \(cert and key\) or \(tls.crt and tls.key\); found: a, b, c, and 2 more...$/,
    ],
    [
      'kubernetes://broken-ca-cacert',
      /^Secret istio-system\/broken-ca: Failed to load trusted CA certificates from "ca.crt"/,
    ],
    ['kubernetes://bookinfo-cred-cacert', /expected keys cacert or ca.crt; found: tls.crt, tls.key$/],
  ];
  for (const [name, expected] of cases) {
    assert.match(reason(name), expected);
    assert.ok(!reason(name).includes('s3cret'));
  }
});

test('names', () => {
  assert.equal(credentialResource('a'), 'kubernetes://a');
  assert.equal(credentialResource('kubernetes-gateway://a/b'), 'kubernetes-gateway://a/b');
  assert.equal(credentialResource('configmap://a/b'), 'configmap://a/b');
  assert.equal(credentialResource('builtin://'), 'default');
  assert.equal(gatewayCredentialResource('ns', 'a'), 'kubernetes-gateway://ns/a');
  for (const bad of [
    '',
    'a',
    'default',
    'kubernetes://',
    'kubernetes:///a',
    'kubernetes://a/',
    'kubernetes://a/b/c',
    'kubernetes://../a',
    'kubernetes-gateway://a',
    'kubernetes-gateway:///a',
    'kubernetes-gateway://a/',
    'configmap://a',
    'vault://a',
    'file-cert:a~b',
    `kubernetes://${'a'.repeat(2000)}`,
  ]) {
    assert.equal(typeof parseCredentialName(bad, 'own'), 'string', bad);
  }
});

test('a Secret as the source has it serves its proxy, and shows nothing', () => {
  const sealed = OBJECTS.map((one) => {
    const values = Object.entries(one.data['data'] as Record<string, string>);
    const isSecret = one.kind === 'Secret';
    const data = Object.fromEntries(values.map(([key, text]) => [key, isSecret ? new Secret(text) : text]));
    return { ...one, data: { ...one.data, data } };
  });
  for (const name of ['kubernetes://mutual-cred', 'kubernetes://mutual-cred-cacert', 'configmap://bank/roots']) {
    assert.deepEqual(find(name, GATEWAY, sealed), find(name));
  }
  const text = Buffer.from(LEAF.keyPem).toString('base64');
  assert.ok(JSON.stringify(OBJECTS[0]).includes(text));
  assert.ok(!(inspect(sealed[0], { depth: 9 }) + JSON.stringify(sealed[0])).includes(text.slice(0, 40)));
});
