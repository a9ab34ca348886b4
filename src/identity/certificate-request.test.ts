// Tests certificate requests with OpenSSL's own reader.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { makeCertificateRequest } from './certificate-request.ts';

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
