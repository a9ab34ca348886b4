// Tests certificate requests with OpenSSL's own reader.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { certificateRequest, type KeyKind, makeCertificateRequest, makeKey } from './certificate-request.ts';

const show = (request: string): string =>
  execFileSync('openssl', ['req', '-noout', '-text', '-verify'], { input: request, stdio: 'pipe' }).toString();

test('OpenSSL reads and verifies a request with a name', () => {
  const text = show(makeCertificateRequest('spiffe://cluster.local/ns/default/sa/a').request);
  assert.match(text, /URI:spiffe:\/\/cluster\.local\/ns\/default\/sa\/a/);
  assert.match(text, /NIST CURVE: P-256/);
  assert.match(text, /ecdsa-with-SHA256/);
});

test('a request without a name asks for none, and each has a key of its own', () => {
  const one = makeCertificateRequest('');
  assert.doesNotMatch(show(one.request), /Alternative Name/);
  assert.equal(one.key.equals(makeCertificateRequest('').key), false);
});

test('keys of other kinds are asked for, too', async () => {
  const kinds: readonly (readonly [KeyKind, RegExp])[] = [
    ['p384', /P-384/],
    ['rsa2048', /2048 bit[\s\S]*sha256WithRSAEncryption/],
  ];
  for (const [kind, expected] of kinds) {
    const key = await new Promise<KeyObject>((resolve) => makeKey(kind, resolve));
    assert.match(show(certificateRequest('spiffe://a/b', key).request), expected);
  }
});
