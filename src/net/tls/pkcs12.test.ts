// PKCS #12: what is in a file, with the right password and with others; hostile files.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import { makePkcs12 } from '../../../test/support/pkcs12.ts';
import { openPkcs12, spreadPassword } from './pkcs12.ts';

const ca = makeCa();
const leaf = makeCertificate({ issuer: ca });
const file = makePkcs12({ password: 'geheim ü', certificates: [ca, leaf], keyOf: leaf });

it('gives key and certificates, the one that fits the key first', () => {
  const found = openPkcs12(file, 'geheim ü');
  assert.equal(found?.key, leaf.keyPem);
  assert.equal(found?.chain, leaf.pem + ca.pem);
});

it('opens nothing with another password, or without a MAC', () => {
  assert.equal(openPkcs12(file, 'geheim'), null);
  assert.equal(openPkcs12(file, ''), null);
  assert.equal(openPkcs12(makePkcs12({ password: 'a', certificates: [leaf], keyOf: leaf, hasMac: false }), 'a'), null);
});

it('says what is missing', () => {
  const password = 'a';
  assert.deepEqual(openPkcs12(makePkcs12({ password, certificates: [leaf], keyOf: null }), password), {
    chain: '',
    key: '',
  });
  assert.equal(openPkcs12(makePkcs12({ password, certificates: [ca], keyOf: leaf }), password)?.chain, '');
});

it('spreads passwords as the specification does', () => {
  // Known answers of PKCS #12's derivation, SHA-1 (key for 3DES, IV).
  const of = { hash: 'sha1', password: Buffer.from('0073006d006500670000', 'hex'), iterations: 1 };
  const salt = Buffer.from('0a58cf64530d823f', 'hex');
  const key = spreadPassword({ ...of, salt, purpose: 1, length: 24 });
  assert.equal(key.toString('hex'), '8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3');
  const iv = spreadPassword({ ...of, salt: Buffer.from('0a58cf64530d823f', 'hex'), purpose: 2, length: 8 });
  assert.equal(iv.toString('hex'), '79993dfe048d3b76');
});

it('survives broken files', () => {
  let seed = 7;
  const next = (below: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  for (let i = 0; i < 300; i++) {
    const broken = Buffer.from(file.subarray(0, i % 3 === 0 ? next(file.length) : file.length));
    for (let j = 0; j < 3 && broken.length > 0; j++) broken[next(broken.length)] = next(256);
    assert.doesNotThrow(() => openPkcs12(broken, 'geheim ü'));
  }
  assert.equal(openPkcs12(Buffer.alloc(0), ''), null);
});
