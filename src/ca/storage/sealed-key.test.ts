// Tests keys at rest: only the passphrase opens them, and no change of the file goes unnoticed.
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Secret } from '../../base/secret.ts';
import { openKey, sealKey } from './sealed-key.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const PASSPHRASE = new Secret('correct horse');

test('sealed and opened', async () => {
  const sealed = await sealKey(new Secret(PEM), PASSPHRASE);
  assert.ok(!sealed.includes('PRIVATE') && !sealed.includes(PEM.split('\n')[1] as string));
  assert.notEqual(await sealKey(new Secret(PEM), PASSPHRASE), sealed);
  const opened = await openKey(sealed, PASSPHRASE);
  assert.ok(typeof opened !== 'string' && opened.wasSealed && opened.key.equals(privateKey));
  assert.equal(await openKey(sealed, null), 'is sealed, and no passphrase is given');
  assert.match(String(await openKey(sealed, new Secret('other'))), /wrong, or the file was changed/);
});

test('a change anywhere is noticed', async () => {
  const sealed = JSON.parse(await sealKey(new Secret(PEM), PASSPHRASE)) as Record<string, string>;
  for (const field of ['salt', 'iv', 'tag', 'key']) {
    const bytes = Buffer.from(sealed[field] as string, 'base64');
    bytes[bytes.length - 1]! ^= 1;
    for (const value of [bytes.toString('base64'), '', bytes.subarray(1).toString('base64')]) {
      const changed = JSON.stringify({ ...sealed, [field]: value });
      assert.equal(typeof (await openKey(changed, PASSPHRASE)), 'string', field);
    }
  }
  for (const text of ['{}', '{', '{"format":"heddle-sealed-key-2"}']) {
    assert.equal(await openKey(text, PASSPHRASE), 'is neither PEM nor a sealed key');
  }
});

test('PEM of every kind', async () => {
  const encrypted = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  }) as string;
  const sec1 = privateKey.export({ type: 'sec1', format: 'pem' }) as string;
  for (const [text, passphrase] of [
    [PEM, null],
    [sec1, null],
    [PEM, PASSPHRASE],
    [encrypted, new Secret('x')],
  ] as const) {
    const opened = await openKey(text, passphrase);
    assert.ok(typeof opened !== 'string', String(opened));
    assert.ok(opened.key.equals(createPrivateKey(PEM)));
    assert.equal(opened.wasSealed, text === encrypted);
  }
  assert.equal(await openKey(encrypted, null), 'is encrypted, and no passphrase is given');
  assert.equal(await openKey(encrypted, new Secret('y')), 'cannot be opened: wrong passphrase?');
  assert.equal(await openKey('hello', null), 'is no private key in PEM');
});
