// Verdicts on peers of real handshakes; the words are recorded from the real Envoy.
import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import * as make from '../../../test/support/certificates.ts';
import * as d from '../../../test/support/der-writer.ts';
import { handshake, handshakeWith, testContext } from '../../../test/support/tls-handshake.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';
import { compileStringMatch, type StringMatcher } from '../../base/matcher.ts';
import { DnsNameMatcher } from './decode-validation.ts';
import type { SanMatcher, ValidationSecret } from './tls-config.ts';
import { makeVerifier, needsFullHandshakes, type Verdict } from './verify.ts';

const HOUR_MS = 3_600_000;
const past = new Date(Date.now() - HOUR_MS);
const future = new Date(Date.now() + HOUR_MS);

const ca = make.makeCa('CA');
const sameName = make.makeCa('CA');
const other = make.makeCa('Other');
const inter = make.makeCa('I', { issuer: ca });
const inter2 = make.makeCa('I2', { issuer: inter });
const expiredInter = make.makeCa('XI', { issuer: ca, notAfter: past });
const noCa = make.makeCertificate({ subject: 'N', issuer: ca });
const noSigner = make.makeCa('NS', { issuer: ca, keyUsage: ['digitalSignature'] });
const path0 = make.makeCa('P0', { issuer: ca, pathLength: 0 });
const underPath0 = make.makeCa('UP0', { issuer: path0 });
const expiredCa = make.makeCa('XC', { notAfter: past });
const constrained = make.makeCa('NC', {
  issuer: ca,
  extensions: [['2.5.29.30', true, d.sequence(d.der(0xa0, d.sequence(d.der(0x82, 'good.com'))))]],
});
const server = make.makeCertificate({ issuer: ca });
const spec = make.makeCertificate;

const CERTIFICATES = {
  good: spec({
    issuer: ca,
    sans: [{ dns: 'a.example.com' }, { uri: 'spiffe://td/a' }, { ip: '1.2.3.4' }, { email: 'a@b' }],
  }),
  expired: spec({ issuer: ca, notAfter: past }),
  future: spec({ issuer: ca, notBefore: future }),
  unknown: spec({ issuer: other }),
  unknownExpired: spec({ issuer: other, notAfter: past }),
  self: spec({ subject: 'self' }),
  selfExpired: spec({ subject: 'self', notAfter: past }),
  badSignature: spec({ issuer: sameName }),
  viaInter: spec({ issuer: inter }),
  viaInter2: spec({ issuer: inter2 }),
  viaExpired: spec({ issuer: expiredInter }),
  viaNoCa: spec({ issuer: noCa }),
  viaNoSigner: spec({ issuer: noSigner }),
  viaPath0: spec({ issuer: path0 }),
  viaUnderPath0: spec({ issuer: underPath0 }),
  viaExpiredCa: spec({ issuer: expiredCa }),
  constrainedGood: spec({ issuer: constrained, sans: [{ dns: 'a.good.com' }] }),
  constrainedBad: spec({ issuer: constrained, sans: [{ dns: 'a.bad.com' }] }),
  serverOnly: spec({ issuer: ca, extendedKeyUsage: ['serverAuth'] }),
  anyUsage: spec({ issuer: ca, extendedKeyUsage: ['any'] }),
  noSigning: spec({ issuer: ca, keyUsage: ['keyEncipherment'] }),
  keyAgreement: spec({ issuer: ca, keyUsage: ['keyAgreement'] }),
  critical: spec({ issuer: ca, extensions: [['1.2.3.4', true, d.utf8('x')]] }),
  isCa: spec({ issuer: ca, isCa: true }),
  noSan: spec({ issuer: ca }),
  nameOnly: spec({ issuer: ca, subject: 'a.example.com' }),
  wild: spec({ issuer: ca, sans: [{ dns: '*.example.com' }] }),
  nul: spec({ issuer: ca, sans: [{ dns: 'a.example.com\0.evil' }] }),
  otherName: spec({ issuer: ca, sans: [{ otherName: '1.2.3.4', value: d.utf8('on') }] }),
  revoked: spec({ issuer: ca }),
  revokedInter: spec({ issuer: inter }),
};
type Name = keyof typeof CERTIFICATES;

const NOTHING: ValidationSecret = {
  trustedCa: null,
  crl: null,
  isCrlForLeafOnly: false,
  allowsExpired: false,
  sanMatchers: [],
  certificateHashes: [],
  spkiHashes: [],
  acceptsUntrusted: false,
  maxVerifyDepth: null,
  spiffeTrustDomains: null,
  fingerprint: '',
};
const CA: ValidationSecret = { ...NOTHING, trustedCa: Buffer.from(ca.pem) };

/** 'VF ' stands for a refused certificate, 'X N: ' for what was found at a depth. */
function shortened(reason: string | null): string {
  return (reason ?? 'let in')
    .replace('TLS_error:|', '')
    .replace(':TLS_error_end', '')
    .replace('268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ', 'VF ')
    .replace('X509_verify_cert: certificate verification error at depth ', 'X ')
    .replace('certificate revocation check against provided CRLs failed: ', 'CRL ')
    .replace(/^436207716:.*public key routines\|/, 'BS ');
}

type Judged = { readonly verdict: Verdict | null; readonly facts: SessionFacts; readonly failure: string | null };

async function judge(
  validation: ValidationSecret | null,
  peer: make.TestCertificate | null,
  isServer = true,
  names: readonly string[] | null = null,
): Promise<Judged> {
  const verifier = makeVerifier(validation, { isServer, wallMs: () => Date.now() });
  let verdict: Verdict | null = null;
  const context = {
    trustedCa: validation?.trustedCa ?? null,
    crl: validation?.isCrlForLeafOnly === true ? null : (validation?.crl ?? null),
  };
  const judging = {
    context,
    handshake: {
      verify: (facts: SessionFacts): string | null => {
        verdict = verifier(facts, names);
        return verdict?.reason ?? null;
      },
    },
  };
  const { [isServer ? 'server' : 'client']: side, close } = isServer
    ? await handshake({ certificate: server, ...judging }, { certificate: peer })
    : await handshake({ certificate: peer, requests: false }, judging);
  close();
  assert.ok(side.facts !== null, side.failure ?? 'no facts');
  assert.equal(side.failure, (verdict as Verdict | null)?.reason ?? null);
  return { verdict, facts: side.facts, failure: side.failure };
}

async function check(
  validation: ValidationSecret,
  expected: Partial<Record<Name, string>>,
  isServer = true,
): Promise<void> {
  for (const [name, text] of Object.entries(expected)) {
    const { verdict, facts } = await judge(validation, CERTIFICATES[name as Name], isServer);
    const found = verdict === null ? (facts.isPeerVerified ? 'OK' : 'OK, unverified') : shortened(verdict.reason);
    assert.equal(found, text, name);
    if (text.startsWith('VF X')) assert.equal(verdict?.stat, 'fail_verify_error');
    if (text.startsWith('VF SAN')) assert.equal(verdict?.stat, 'fail_verify_san');
    if (text.startsWith('VF cert hash')) assert.equal(verdict?.stat, 'fail_verify_cert_hash');
  }
}

test('a chain leads to a trusted certificate, or the first complaint is told', async () => {
  await check(CA, {
    good: 'OK',
    expired: 'VF X 0: certificate has expired',
    future: 'VF X 0: certificate is not yet valid',
    unknown: 'VF X 0: unable to get local issuer certificate',
    unknownExpired: 'VF X 0: unable to get local issuer certificate',
    self: 'VF X 0: self signed certificate',
    selfExpired: 'VF X 0: self signed certificate',
    badSignature: 'BS VF X 0: certificate signature failure',
    viaInter: 'OK',
    viaInter2: 'OK',
    viaExpired: 'VF X 1: certificate has expired',
    viaNoCa: 'VF X 1: invalid CA certificate',
    viaNoSigner: 'VF X 0: unable to get local issuer certificate',
    viaPath0: 'OK',
    viaUnderPath0: 'VF X 2: path length constraint exceeded',
    constrainedGood: 'OK',
    constrainedBad: 'VF X 0: permitted subtree violation',
    serverOnly: 'VF X 0: unsupported certificate purpose',
    anyUsage: 'VF X 0: unsupported certificate purpose',
    noSigning: '268435758:SSL routines:OPENSSL_internal:KEY_USAGE_BIT_INCORRECT',
    keyAgreement: '268435758:SSL routines:OPENSSL_internal:KEY_USAGE_BIT_INCORRECT',
    critical: 'VF X 0: unhandled critical extension',
    isCa: 'OK',
    noSan: 'OK',
  });
});

test('a trusted certificate need not be self-signed, and must be valid itself', async () => {
  await check(
    { ...CA, trustedCa: Buffer.from(inter.pem) },
    { viaInter: 'OK', viaInter2: 'OK', good: 'VF X 0: unable to get local issuer certificate' },
  );
  const several = Buffer.from(ca.pem + other.pem + expiredCa.pem + expiredInter.pem);
  await check(
    { ...CA, trustedCa: several },
    {
      viaExpiredCa: 'VF X 1: certificate has expired',
      viaExpired: 'VF X 1: certificate has expired',
      unknown: 'OK',
    },
  );
});

test('a stranger who brings his own root is told of that', async () => {
  const verifier = makeVerifier(CA, { isServer: true, wallMs: () => Date.now() });
  let reason: string | null = null;
  const verify = (facts: SessionFacts): string | null => {
    reason = verifier(facts)?.reason ?? null;
    return reason;
  };
  const serverSide = { certificate: server, context: { trustedCa: CA.trustedCa }, handshake: { verify } };
  const result = await handshake(serverSide, { certificate: CERTIFICATES.unknown, more: other.pem });
  result.close();
  assert.equal(shortened(reason), 'VF X 1: self signed certificate in certificate chain');
});

test('without anything to ask everybody is let in', async () => {
  await check(NOTHING, { good: 'OK, unverified', unknown: 'OK, unverified', expired: 'OK, unverified' });
  const { verdict, facts } = await judge(CA, null);
  assert.equal(verdict, null);
  assert.equal(facts.isPeerVerified, false);
});

test('allow_expired_certificate forgives time and nothing else', async () => {
  const forgiving = { ...CA, allowsExpired: true };
  await check(forgiving, {
    expired: 'OK',
    future: 'OK',
    viaExpired: 'OK',
    unknownExpired: 'VF X 0: unable to get local issuer certificate',
    selfExpired: 'VF X 0: self signed certificate',
    badSignature: 'BS VF X 0: certificate signature failure',
  });
  assert.equal(needsFullHandshakes(forgiving), true);
  assert.equal(needsFullHandshakes(CA), false);
});

test('ACCEPT_UNTRUSTED counts and lets in', async () => {
  const untrusted = { ...CA, acceptsUntrusted: true, sanMatchers: [dns('a.example.com')] };
  await check(untrusted, { good: 'OK', unknown: 'let in', expired: 'let in', noSan: 'let in' });
  assert.equal((await judge(untrusted, CERTIFICATES.unknown)).verdict?.stat, 'fail_verify_error');
  assert.equal((await judge(untrusted, CERTIFICATES.noSan)).verdict?.stat, 'fail_verify_san');
});

test('max_verify_depth counts the trusted certificate', async () => {
  const short = 'VF X 1: unable to get local issuer certificate';
  await check({ ...CA, maxVerifyDepth: 0 }, { good: 'OK', viaInter: short });
  await check({ ...CA, maxVerifyDepth: 1 }, { good: 'OK', viaInter: short, viaInter2: short });
  await check(
    { ...CA, maxVerifyDepth: 2 },
    { viaInter: 'OK', constrainedGood: 'OK', viaInter2: 'VF X 2: unable to get local issuer certificate' },
  );
  await check({ ...CA, maxVerifyDepth: 3 }, { viaInter2: 'OK' });
});

const ownCrl = make.makeCrl({ issuer: ca, revoked: [CERTIFICATES.revoked] });
const interCrl = make.makeCrl({ issuer: inter, revoked: [CERTIFICATES.revokedInter] });
const revoked = 'VF X 0: CRL certificate revoked';
const noCrl = 'VF X 0: CRL unable to get certificate CRL';

test('revocation lists cover every certificate, or the leaf alone', async () => {
  const crl = (text: string, more: Partial<ValidationSecret> = {}): ValidationSecret => ({
    ...CA,
    crl: Buffer.from(text),
    ...more,
  });
  await check(crl(ownCrl), { good: 'OK', revoked, viaInter: noCrl, revokedInter: noCrl });
  await check(crl(ownCrl + interCrl), { good: 'OK', revoked, viaInter: 'OK', revokedInter: revoked });
  await check(crl(interCrl), { good: noCrl, viaInter: 'VF X 1: CRL unable to get certificate CRL' });
  const leaf = crl(interCrl, { isCrlForLeafOnly: true });
  await check(leaf, { good: noCrl, viaInter: 'OK', revokedInter: revoked });
  await check(crl(ownCrl, { isCrlForLeafOnly: true }), { good: 'OK', revoked });
  await check(crl(make.makeCrl({ issuer: ca, nextUpdate: past })), { good: 'VF X 0: CRL CRL has expired' });
  await check(crl(make.makeCrl({ issuer: ca, nextUpdate: past }), { allowsExpired: true }), { good: 'OK' });
  await check(crl(make.makeCrl({ issuer: ca, lastUpdate: future })), { good: 'VF X 0: CRL CRL is not yet valid' });
  await check(crl(make.makeCrl({ issuer: ca, signer: other })), { good: 'BS VF X 0: CRL signature failure' });
  await check({ ...CA, trustedCa: Buffer.from(ca.pem + ownCrl) }, { good: 'OK', revoked });
});

function dns(name: string): SanMatcher {
  return { type: 'DNS', matcher: new DnsNameMatcher(name), oid: '' };
}
function san(type: SanMatcher['type'], value: string, kind: 'exact' | 'prefix' = 'exact', oid = ''): SanMatcher {
  const matcher = compileStringMatch({ kind, value, ignoreCase: false }) as StringMatcher;
  return { type, matcher, oid };
}

test('one of the names is enough, each of its own kind', async () => {
  const all = 'VF SAN matcher, certificate SANs are [a.example.com, spiffe://td/a, 1.2.3.4, a@b]';
  const none = 'VF SAN matcher, certificate SANs are []';
  const named = (...sanMatchers: SanMatcher[]): ValidationSecret => ({ ...CA, sanMatchers });
  await check(named(dns('a.example.com')), {
    good: 'OK',
    wild: 'OK',
    noSan: none,
    nameOnly: none,
    nul: 'VF SAN matcher, certificate SANs are [a.example.com\0.evil]',
  });
  await check(named(san('DNS', 'a.', 'prefix')), {
    good: 'OK',
    nul: 'OK',
    wild: 'VF SAN matcher, certificate SANs are [*.example.com]',
  });
  await check(named(san('URI', 'spiffe://td/a')), { good: 'OK', noSan: none });
  await check(named(san('URI', 'a.example.com')), { good: all });
  await check(named(san('EMAIL', 'a@b')), { good: 'OK' });
  await check(named(san('IP_ADDRESS', '1.2.3.4')), { good: 'OK' });
  await check(named(san('OTHER_NAME', 'on', 'exact', '1.2.3.4')), { otherName: 'OK', good: all });
  await check(named(san('OTHER_NAME', 'on', 'exact', '1.2.3.5')), {
    otherName: 'VF SAN matcher, certificate SANs are [on]',
  });
  await check(named(san('EMAIL', 'x'), san('URI', 'spiffe://', 'prefix')), { good: 'OK' });
});

test('pins: certificate or key, one is enough', async () => {
  const { good, noSan } = CERTIFICATES;
  const hash = createHash('sha256').update(good.der).digest('hex');
  const key = createPublicKey(good.key as never).export({ type: 'spki', format: 'der' });
  const spki = createHash('sha256').update(key).digest('base64');
  const noSanHash = createHash('sha256').update(noSan.der).digest('hex').toUpperCase();
  const bad = 'VF cert hash and spki';
  await check({ ...NOTHING, certificateHashes: [hash] }, { good: 'OK', noSan: bad, unknown: bad });
  await check({ ...NOTHING, spkiHashes: [spki] }, { good: 'OK', noSan: bad });
  const colons = (noSanHash.match(/../g) ?? []).join(':');
  await check(
    { ...NOTHING, spkiHashes: [spki], certificateHashes: [colons] },
    { good: 'OK', noSan: 'OK', unknown: bad },
  );
  await check(
    { ...CA, certificateHashes: [hash] },
    { good: 'OK', noSan: bad, unknown: 'VF X 0: unable to get local issuer certificate' },
  );
});

test('a client asks the same of servers, and names that come with the connection', async () => {
  await check(
    CA,
    {
      good: 'OK',
      expired: 'VF X 0: certificate has expired',
      unknown: 'VF X 0: unable to get local issuer certificate',
      self: 'VF X 0: self signed certificate',
      serverOnly: 'OK',
      anyUsage: 'VF X 0: unsupported certificate purpose',
      viaInter2: 'OK',
    },
    false,
  );
  const good = await judge(CA, CERTIFICATES.good, false, ['zz', 'A.example.com']);
  assert.equal(good.verdict, null);
  const { verdict } = await judge(CA, CERTIFICATES.good, false, ['b.example.com']);
  assert.equal(
    shortened(verdict?.reason ?? null),
    'VF verify SAN list, expected SANs: [b.example.com], ' +
      'certificate SANs: [a.example.com, spiffe://td/a, 1.2.3.4, a@b]',
  );
  assert.equal(verdict?.stat, 'fail_verify_san');
});

test('resumed sessions are judged again', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    let now = Date.now();
    const verifier = makeVerifier(CA, { isServer: true, wallMs: () => now });
    const seen: [boolean, string | null][] = [];
    const serverSide = {
      certificate: server,
      handshake: {
        verify: (facts: SessionFacts): string | null => {
          const reason = verifier(facts)?.reason ?? null;
          seen.push([facts.isResumed, reason]);
          return reason;
        },
      },
    };
    const serverContext = testContext(true, { ...serverSide, context: { trustedCa: CA.trustedCa, maxVersion } });
    const dial = async (peer: make.TestCertificate, session: Buffer | null): Promise<Buffer | null> => {
      let made: Buffer | null = null;
      const clientSide = { certificate: peer, handshake: { session, onSession: (one: Buffer) => (made = one) } };
      const clientContext = testContext(false, clientSide);
      const result = await handshakeWith(serverContext, clientContext, serverSide, clientSide);
      await new Promise((resolve) => setTimeout(resolve, 20));
      result.close();
      return made;
    };
    const session = await dial(CERTIFICATES.good, null);
    assert.ok(session !== null);
    await dial(CERTIFICATES.good, session);
    now += 90 * 24 * HOUR_MS;
    await dial(CERTIFICATES.good, session);
    now = Date.now();
    assert.deepEqual(
      seen.map(([isResumed, reason]) => [isResumed, reason === null ? 'OK' : shortened(reason)]),
      [
        [false, 'OK'],
        [true, 'OK'],
        [true, 'VF X 0: certificate has expired'],
      ],
      maxVersion,
    );
  }
});
