// The SPIFFE validator: each trust domain believes its own CA only. Words and most verdicts are the real Envoy's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CertificateSpec,
  makeCa,
  makeCertificate,
  type TestCertificate,
} from '../../../test/support/certificates.ts';
import { handshakeWith, testContext } from '../../../test/support/tls-handshake.ts';
import { compileStringMatch, type StringMatcher } from '../../base/matcher.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';
import { DnsNameMatcher } from './decode-validation.ts';
import { trustDomain } from './spiffe.ts';
import type { SanMatcher, ValidationSecret } from './tls-config.ts';
import { makeVerifier, needsFullHandshakes } from './verify.ts';

const past = new Date(Date.now() - 3_600_000);
const ca1 = makeCa('CA1');
const ca2 = makeCa('CA2');
const sameName = makeCa('CA1');
const inter1 = makeCa('I1', { issuer: ca1 });
const server = makeCertificate({ issuer: ca1 });

const validation: ValidationSecret = {
  trustedCa: null,
  crl: null,
  isCrlForLeafOnly: false,
  allowsExpired: false,
  sanMatchers: [],
  certificateHashes: [],
  spkiHashes: [],
  acceptsUntrusted: false,
  maxVerifyDepth: null,
  spiffeTrustDomains: new Map([
    ['td1', Buffer.from(ca1.pem)],
    ['td2', Buffer.from(ca2.pem)],
  ]),
  fingerprint: '',
};

function identity(uris: readonly string[], more: CertificateSpec = {}): TestCertificate {
  const sans = uris.map((uri) => ({ uri }));
  return makeCertificate({ issuer: ca1, sans, keyUsage: ['digitalSignature'], ...more });
}

type Dialled = { readonly verdict: string; readonly session: Buffer | null; readonly isResumed: boolean };

function makeServer(rules: ValidationSecret): (peer: TestCertificate, session?: Buffer | null) => Promise<Dialled> {
  const verifier = makeVerifier(rules, { isServer: true, wallMs: () => Date.now() });
  let seen = { verdict: '', isResumed: false };
  const serverSide = {
    certificate: server,
    // Both CAs are OpenSSL's, as in a context of several domains; tickets are on, so that the worst can be tried.
    context: { trustedCa: Buffer.from(ca1.pem + ca2.pem) },
    handshake: {
      verify: (facts: SessionFacts): string | null => {
        const verdict = verifier(facts);
        seen = { verdict: shortened(verdict?.reason ?? 'OK'), isResumed: facts.isResumed };
        return verdict?.reason ?? null;
      },
    },
  };
  const context = testContext(true, serverSide);
  return async (peer, session = null) => {
    let made: Buffer | null = null;
    const clientSide = { certificate: peer, handshake: { session, onSession: (one: Buffer) => (made = one) } };
    const result = await handshakeWith(context, testContext(false, clientSide), serverSide, clientSide);
    await new Promise((resolve) => setTimeout(resolve, 10));
    result.close();
    return { ...seen, session: made };
  };
}

function shortened(reason: string): string {
  return reason
    .replace(/^.*verify cert failed: /, '')
    .replace('X509_verify_cert: certificate verification error at depth ', 'X ')
    .replace(':TLS_error_end', '');
}

async function verdicts(
  rules: ValidationSecret,
  peers: readonly (readonly [TestCertificate, string])[],
): Promise<void> {
  const dial = makeServer(rules);
  for (const [peer, expected] of peers) {
    const name = JSON.stringify(peer.pem.length);
    assert.equal((await dial(peer)).verdict, expected, name);
  }
}

test('the identity names the domain, and the domain names the CA', async () => {
  await verdicts(validation, [
    [identity(['spiffe://td1/a']), 'OK'],
    [identity(['spiffe://td2/a'], { issuer: ca2 }), 'OK'],
    [identity(['spiffe://td2/a']), 'X 0: unable to get local issuer certificate'],
    [identity(['spiffe://td1/a'], { issuer: ca2 }), 'X 0: unable to get local issuer certificate'],
    [identity(['spiffe://td1/a'], { issuer: inter1 }), 'OK'],
    [identity(['spiffe://td2/a'], { issuer: inter1 }), 'X 1: unable to get local issuer certificate'],
    [identity(['spiffe://td1/a'], { issuer: sameName }), 'X 0: certificate signature failure'],
    [identity(['spiffe://td1/a'], { notAfter: past }), 'X 0: certificate has expired'],
    [identity(['spiffe://td1/a'], { extendedKeyUsage: ['serverAuth'] }), 'OK'],
  ]);
});

test('what is no identity finds no bundle', async () => {
  const none = 'no trust bundle store';
  const uris = ['https://td1/a', 'spiffe://tdX/a', 'spiffe://td1', 'spiffe:///a', 'SPIFFE://td1/a', 'spiffe://TD1/a'];
  const more = ['spiffe://td1:80/a', 'spiffe://u@td1/a', 'spiffe://td1?x/a', 'spiffe://td1\0/a'];
  await verdicts(validation, [
    [identity([]), none],
    ...[...uris, ...more].map((uri) => [identity([uri]), none] as const),
  ]);
  assert.equal(trustDomain('spiffe://td1/'), 'td1');
});

test('certificates that may sign, and those with two URIs, are no identities', async () => {
  const bad = 'cert precheck';
  await verdicts(validation, [
    [identity(['spiffe://td1/a'], { isCa: true }), bad],
    [identity(['spiffe://td1/a'], { keyUsage: ['digitalSignature', 'keyCertSign'] }), bad],
    [identity(['spiffe://td1/a'], { keyUsage: ['digitalSignature', 'cRLSign'] }), bad],
    [makeCertificate({ issuer: ca1, sans: [{ uri: 'spiffe://td1/a' }] }), bad],
    [identity(['spiffe://td1/a', 'spiffe://td1/b']), bad],
    [identity(['spiffe://td1/a', 'https://x']), bad],
  ]);
});

test('matchers of URIs count, others do not', async () => {
  const matcher = compileStringMatch({ kind: 'exact', value: 'spiffe://td1/b', ignoreCase: false }) as StringMatcher;
  const uri: SanMatcher = { type: 'URI', matcher, oid: '' };
  const dns: SanMatcher = { type: 'DNS', matcher: new DnsNameMatcher('x'), oid: '' };
  await verdicts({ ...validation, sanMatchers: [uri, dns] }, [
    [identity(['spiffe://td1/a']), 'SAN match'],
    [identity(['spiffe://td1/b']), 'OK'],
  ]);
  await verdicts({ ...validation, sanMatchers: [dns] }, [[identity(['spiffe://td1/a']), 'OK']]);
  await verdicts({ ...validation, allowsExpired: true }, [
    [identity(['spiffe://td1/a'], { notAfter: past }), 'OK'],
    [identity(['spiffe://td1/a'], { notAfter: past, issuer: ca2 }), 'X 0: unable to get local issuer certificate'],
  ]);
});

test('a ticket from a refused handshake opens no door', async () => {
  assert.equal(needsFullHandshakes(validation), true);
  const dial = makeServer(validation);
  const good = await dial(identity(['spiffe://td1/a']));
  assert.equal(good.verdict, 'OK');
  const again = await dial(identity(['spiffe://td1/a']), good.session);
  assert.deepEqual([again.isResumed, again.verdict], [true, 'OK']);
  // The other domain's CA is known to OpenSSL, so the session says that the chain was good.
  const thief = identity(['spiffe://td1/a'], { issuer: ca2 });
  const refused = await dial(thief);
  assert.equal(refused.verdict, 'X 0: unable to get local issuer certificate');
  if (refused.session === null) return;
  const second = await dial(thief, refused.session);
  assert.deepEqual([second.isResumed, second.verdict], [true, 'X 0: unable to get local issuer certificate']);
});
