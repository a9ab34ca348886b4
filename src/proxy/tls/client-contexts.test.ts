// Tests which clusters share one context of OpenSSL, and until when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCa } from '../../../test/support/certificates.ts';
import { clientContext } from './client-contexts.ts';
import type { CommonTlsConfig, SecretStore, ValidationSecret } from './tls-config.ts';

const ca = makeCa();
const COMMON = {
  ...{ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: '', curves: '', signatureAlgorithms: '' },
} as CommonTlsConfig;
const trust = (pem: string): ValidationSecret =>
  ({ trustedCa: Buffer.from(pem), crl: null, isCrlForLeafOnly: false }) as ValidationSecret;

test('equal settings, certificates and authorities make one context, until its last user is gone', () => {
  const secrets = {} as SecretStore;
  const make = (validation = trust(ca.pem), common = COMMON, store = secrets) => {
    const made = clientContext(store, common, [], validation);
    assert.ok('context' in made);
    return made;
  };
  const first = make();
  const second = make();
  assert.equal(first.context, second.context);
  assert.notEqual(first.context, make(trust(makeCa('other').pem)).context);
  assert.notEqual(first.context, make(trust(ca.pem), { ...COMMON, maxVersion: 'TLSv1.3' }).context);
  assert.notEqual(first.context, make(trust(ca.pem), COMMON, {} as SecretStore).context, 'another worker');
  first.release();
  assert.equal(make().context, second.context);
});

test('a context that nobody uses is made anew, and one that cannot be made is told', () => {
  const secrets = {} as SecretStore;
  const first = clientContext(secrets, COMMON, [], null);
  assert.ok('context' in first);
  first.release();
  const second = clientContext(secrets, COMMON, [], null);
  assert.ok('context' in second);
  assert.notEqual(first.context, second.context);
  const broken = clientContext(secrets, COMMON, [], trust('broken'));
  assert.ok('error' in broken);
});
