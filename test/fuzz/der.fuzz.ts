// Fuzzes the DER reader and the certificate parts above it: nothing throws, nothing lies outside, OpenSSL agrees.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { readCertificateNames } from '../../src/net/tls/certificate-names.ts';
import { readCertificateParts } from '../../src/net/tls/certificate-parts.ts';
import { type DerElement, derChildren, readDer } from '../../src/wire/der.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { utf8 } from '../support/der-writer.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(3);
const CA = makeCa();
const CORPUS = [
  CA.der,
  makeCertificate({
    issuer: CA,
    subject: [
      ['C', 'DE'],
      ['CN', 'a,b'],
      ['1.2.3.4', 'x'],
    ],
    sans: [
      { uri: 'spiffe://a/b' },
      { dns: 'a.b' },
      { ip: '1.2.3.4' },
      { email: 'a@b' },
      { otherName: '1.2.3', value: utf8('x') },
    ],
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['clientAuth'],
  }).der,
];

function mutate(random: Random): Buffer {
  let bytes = Buffer.from(CORPUS[random.below(CORPUS.length)] as Buffer);
  for (let i = random.below(5); i >= 0 && bytes.length > 0; i--) {
    const at = random.below(bytes.length);
    const kind = random.below(5);
    if (kind < 2) bytes[at] = random.below(256);
    else if (kind === 2) bytes[at] = [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30][random.below(8)] as number;
    else if (kind === 3) bytes = bytes.subarray(0, at);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(3))]);
  }
  return bytes;
}

/** Elements lie inside their parents, one after the other. */
function walk(bytes: Buffer, element: DerElement, depth: number): void {
  assert.ok(element.from < element.start && element.start <= element.end && element.end <= bytes.length);
  if (depth === 20 || (element.tag & 0x20) === 0) return;
  const children = derChildren(bytes, element);
  if (children === null) return;
  let at = element.start;
  for (const child of children) {
    assert.equal(child.from, at);
    at = child.end;
    walk(bytes, child, depth + 1);
  }
  assert.equal(at, element.end);
}

/** What OpenSSL reads as a certificate, with the same names of the two kinds that it tells apart plainly. */
function compare(bytes: Buffer): boolean {
  let theirs: X509Certificate;
  try {
    theirs = new X509Certificate(bytes);
  } catch {
    return false;
  }
  const names = readCertificateNames(bytes);
  const parts = readCertificateParts(bytes);
  if (parts === null) return false;
  assert.equal(parts.validToMs, theirs.validToDate.getTime());
  const { subjectAltName = '' } = theirs;
  if (/^[\w:/., -]*$/.test(subjectAltName)) {
    for (const uri of names.uriSans) assert.ok(subjectAltName.includes(`URI:${uri}`), subjectAltName);
  }
  return true;
}

test(`DER of certificates, ${seconds} s from seed ${seed}`, (t) => {
  const random = new Random(seed);
  const until = performance.now() + seconds * 1000;
  let inputs = 0;
  let read = 0;
  while (performance.now() < until) {
    const bytes = mutate(random);
    inputs++;
    try {
      const whole = readDer(bytes, 0, bytes.length);
      if (whole !== null) walk(bytes, whole, 0);
      if (compare(bytes)) read++;
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}: ${bytes.toString('hex')}`, { cause: error });
    }
  }
  t.diagnostic(`${inputs} inputs, ${read} of them still a certificate`);
});
