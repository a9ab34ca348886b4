// Contexts from configurations: what is refused, in Envoy's words, and what a handshake makes of the rest.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  type KeyKind,
  makeCa,
  makeCertificate,
  makeCrl,
  type TestCertificate,
} from '../../../test/support/certificates.ts';
import { handshake, handshakeWith, type SideOptions, testContext } from '../../../test/support/tls-handshake.ts';
import { type ContextCertificate, makeSecureContext, type SecureContextOptions } from './secure-context.ts';
import type { SessionFacts } from './session-facts.ts';

const ca = makeCa();
const server = makeCertificate({ issuer: ca, sans: [{ dns: 'a' }] });

const BASE: SecureContextOptions = {
  isServer: true,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: '',
  curves: '',
  signatureAlgorithms: '',
  certificates: [],
  trustedCa: null,
  crl: null,
  sessionIdContext: 'one',
  ticketKeys: [],
  hasTickets: true,
  sessionTimeoutS: 0,
  prefersClientCiphers: false,
};

function pair({ pem, keyPem }: TestCertificate, more: Partial<ContextCertificate> = {}): ContextCertificate {
  return { chain: Buffer.from(pem), key: Buffer.from(keyPem), password: '', ...more };
}

function errorOf(options: Partial<SecureContextOptions>): string | null {
  const made = makeSecureContext({ ...BASE, certificates: [pair(server)], ...options });
  return 'error' in made ? made.error : null;
}

test('certificates and keys are checked as Envoy checks them', () => {
  const kinds: readonly (readonly [KeyKind, string | null])[] = [
    ['p256', null],
    ['p384', null],
    ['p521', null],
    ['ed25519', null],
    ['rsa2048', null],
    ['rsa1024', ', only RSA certificates with 2048-bit or larger keys are supported'],
    ['rsa512', ', only RSA certificates with 2048-bit or larger keys are supported'],
  ];
  for (const [key, reason] of kinds) {
    const expected = reason === null ? null : `Failed to load certificate chain from <inline>${reason}`;
    assert.equal(errorOf({ certificates: [pair(makeCertificate({ key }))] }), expected, key);
  }
  const p224 = generateKeyPairSync('ec', { namedCurve: 'P-224' }).privateKey;
  assert.equal(
    errorOf({ certificates: [pair(makeCertificate({ key: p224 }))] }),
    'Failed to load certificate chain from <inline>',
  );
  const ec = makeCertificate();
  const rsa = makeCertificate({ key: 'rsa2048' });
  const encrypted = ec.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' });
  const junk = Buffer.from('junk');
  const failed = 'Failed to load private key from <inline>, Cause: error:';
  const cases: readonly (readonly [ContextCertificate, string | null])[] = [
    [
      pair(ec, { key: Buffer.from(server.keyPem) }),
      `${failed}0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH`,
    ],
    [
      pair(ec, { key: Buffer.from(rsa.keyPem) }),
      `${failed}0b000073:X.509 certificate routines:OPENSSL_internal:KEY_TYPE_MISMATCH`,
    ],
    [pair(ec, { key: junk }), `${failed}0900006e:PEM routines:OPENSSL_internal:NO_START_LINE`],
    [pair(ec, { key: Buffer.from(encrypted) }), `${failed}09000068:PEM routines:OPENSSL_internal:BAD_PASSWORD_READ`],
    [
      pair(ec, { key: Buffer.from(encrypted), password: 'no' }),
      `${failed}1e000065:Cipher functions:OPENSSL_internal:BAD_DECRYPT`,
    ],
    [pair(ec, { key: Buffer.from(encrypted), password: 'secret' }), null],
    [pair(ec, { chain: junk, chainName: '/a.pem' }), 'Failed to load certificate chain from /a.pem'],
    [
      pair(ec, { chain: Buffer.alloc(0) }),
      'Failed to load incomplete certificate from <inline>: certificate chain not set',
    ],
    [pair(ec, { key: Buffer.alloc(0), keyName: '/a.key' }), 'Failed to load incomplete private key from path: /a.key'],
  ];
  for (const [one, expected] of cases) assert.equal(errorOf({ certificates: [one] }), expected);
  assert.equal(errorOf({ certificates: [] }), 'No TLS certificates found for server context');
  assert.equal(errorOf({ certificates: [], isServer: false }), null);
});

test('trust and algorithms are checked as Envoy checks them', () => {
  const junk = Buffer.from('junk');
  const trustedCa = Buffer.from(ca.pem);
  const cases: readonly (readonly [Partial<SecureContextOptions>, string | null])[] = [
    [{ trustedCa }, null],
    [{ trustedCa: junk }, 'Failed to load trusted CA certificates from <inline>'],
    [{ trustedCa: Buffer.from(ca.keyPem), trustedCaName: '/ca' }, 'Failed to load trusted CA certificates from /ca'],
    [{ crl: junk }, 'Failed to load CRL from <inline> without trusted CA'],
    [{ trustedCa, crl: junk }, 'Failed to load CRL from <inline>'],
    [{ trustedCa, crl: Buffer.from(makeCrl({ issuer: ca })) }, null],
    [
      { ciphers: 'JUNK:AES128-SHA' },
      'Failed to initialize cipher suites JUNK:AES128-SHA. ' +
        'The following ciphers were rejected when tried individually: JUNK',
    ],
    [{ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA' }, null],
    [{ curves: 'JUNK' }, 'Failed to initialize ECDH curves JUNK'],
    [{ curves: 'P-521:P-384:X25519MLKEM768' }, null],
    [{ signatureAlgorithms: 'JUNK' }, 'Failed to initialize TLS signature algorithms JUNK'],
    [{ minVersion: 'TLSv1' }, null],
    [{ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, null],
  ];
  for (const [options, expected] of cases) assert.equal(errorOf(options), expected);
});

const trusting: SideOptions = { certificate: server, requests: false };

test('the defaults agree on what two of us agree on', async () => {
  const { client, close } = await handshake(trusting, {});
  close();
  assert.equal(client.facts?.version, 'TLSv1.3');
  assert.equal(client.facts?.cipher, 'TLS_AES_128_GCM_SHA256');
  assert.equal(client.facts?.chainError === '', false, 'nobody is trusted without being named');
  const old = await handshake(trusting, { context: { maxVersion: 'TLSv1.2' } });
  old.close();
  assert.equal(old.client.facts?.cipher, 'ECDHE-ECDSA-AES128-GCM-SHA256');
});

test('the kind of certificate follows what the client can check', async () => {
  const rsa = makeCertificate({ issuer: ca, key: 'rsa2048', subject: 'rsa' });
  const both = { certificates: [pair(rsa), pair(server), pair(makeCertificate({ subject: 'second' }))] };
  for (const [signatureAlgorithms, subject] of [
    ['', 'CN=test'],
    ['rsa_pss_rsae_sha256', 'CN=rsa'],
  ] as const) {
    const {
      client,
      server: own,
      close,
    } = await handshake({ context: both, requests: false }, { context: { signatureAlgorithms } });
    close();
    assert.equal(client.facts?.peerCertificate?.subject, subject);
    assert.equal(own.facts?.localCertificate?.subject, subject);
  }
});

// ─── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────

type Dialled = { readonly isResumed: boolean; readonly session: Buffer | null; readonly peer: string };

async function dial(
  context: Partial<SecureContextOptions>,
  client: Partial<SecureContextOptions>,
  session: Buffer | null,
): Promise<Dialled> {
  let made: Buffer | null = null;
  const clientSide: SideOptions = { context: client, handshake: { session, onSession: (one) => (made = one) } };
  const serverSide = { ...trusting, context };
  const result = await handshakeWith(
    testContext(true, serverSide),
    testContext(false, clientSide),
    serverSide,
    clientSide,
  );
  const facts = result.client.facts as SessionFacts;
  await new Promise((resolve) => setTimeout(resolve, 10));
  result.close();
  return { isResumed: facts.isResumed, session: made, peer: facts.peerCertificate?.dnsSans.join() ?? '' };
}

test('sessions are resumed under the same trust and keys only', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const bytes of [48, 80]) {
      const [one, two, three] = [randomBytes(bytes), randomBytes(bytes), randomBytes(bytes)];
      const client = { maxVersion };
      const first = await dial({ sessionIdContext: 'a', ticketKeys: [one] }, client, null);
      assert.deepEqual([first.isResumed, first.peer], [false, 'a']);
      const again = async (context: Partial<SecureContextOptions>): Promise<boolean> => {
        const { isResumed, peer } = await dial(context, client, first.session);
        assert.equal(peer, 'a');
        return isResumed;
      };
      assert.equal(await again({ sessionIdContext: 'a', ticketKeys: [one] }), true);
      assert.equal(await again({ sessionIdContext: 'b', ticketKeys: [one] }), false, 'another trust');
      assert.equal(await again({ sessionIdContext: 'a', ticketKeys: [two] }), false, 'another key');
      assert.equal(await again({ sessionIdContext: 'a', ticketKeys: [two, one] }), true, 'a key before the last');
      assert.equal(await again({ sessionIdContext: 'a', ticketKeys: [two, three] }), false, 'keys of others');
      assert.equal(
        await again({ sessionIdContext: 'b', ticketKeys: [two, one] }),
        false,
        'another trust, several keys',
      );
    }
  }
});

test('without tickets nothing is resumed', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const keys = { ticketKeys: [randomBytes(48)], hasTickets: false };
    const first = await dial(keys, { maxVersion }, null);
    const again = await dial(keys, { maxVersion }, first.session);
    assert.equal(again.isResumed, false);
  }
});
