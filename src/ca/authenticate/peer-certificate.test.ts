// Tests whom a client certificate makes of a caller, at the time of each call.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, test } from 'node:test';
import { openCa } from '../../../test/support/ca-rig.ts';
import type { TlsFacts } from '../../base/byte-stream.ts';
import { Secret } from '../../base/secret.ts';
import { Certificate } from '../../net/tls/certificate.ts';
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { type CertificateParts, NO_NAME, writeCertificate } from '../signing/certificate-writer.ts';
import { authenticate, callFacts, type CallFacts, tokenProblem, type Verdict } from './authenticator.ts';
import { peerCertificate } from './peer-certificate.ts';

const DAY_MS = 86_400_000;
const rig = await openCa({ leastAnnouncedMs: 0 });
after(() => rig.close());
const { authority, clock } = rig;
const authenticator = peerCertificate(authority, clock);
const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });

/** A certificate under the root that signs now. */
async function certificate(uris: readonly string[], more: Partial<CertificateParts> = {}): Promise<Certificate> {
  const [fromMs, toMs] = [clock.wallMs - 60_000, clock.wallMs + DAY_MS];
  const parts = { publicKey, subject: NO_NAME, uris, dnsNames: [], fromMs, toMs, usage: 'workload' as const, ...more };
  return new Certificate(await writeCertificate(authority.issuer.signer, parts));
}

function verdictOf(peer: Certificate | null): Verdict {
  const tls = { peerCertificate: peer } as unknown as TlsFacts;
  const remoteAddress = { family: 'ipv4', address: '10.0.0.1', port: 1 } as const;
  return authenticator.authenticate({ tls, remoteAddress, bearer: null }) as Verdict;
}

function reasonOf(peer: Certificate | null): string {
  const verdict = verdictOf(peer);
  assert.ok('reason' in verdict, 'it was believed');
  return verdict.reason;
}

test('one account of the mesh, by any of its names', async () => {
  for (const domain of ['cluster.local', 'old.local']) {
    const verdict = verdictOf(await certificate([`spiffe://${domain}/ns/a/sa/b`]));
    assert.ok('identity' in verdict, JSON.stringify(verdict));
    const identity = { trustDomain: 'cluster.local', namespace: 'a', account: 'b', workload: null };
    assert.deepEqual(verdict, { identity, by: 'client certificate', settle: null });
  }
});

test('who is not exactly that is nobody', async () => {
  const own = 'spiffe://cluster.local/ns/a/sa/b';
  assert.equal(reasonOf(null), 'none was shown');
  assert.match(reasonOf(await certificate([own, 'spiffe://cluster.local/ns/a/sa/c'])), /has 2 URIs/);
  assert.match(reasonOf(await certificate([], { dnsNames: ['a.b'] })), /has no URI/);
  assert.match(
    reasonOf(await certificate(['spiffe://other.local/ns/a/sa/b'])),
    /trust domain other.local is not the mesh's/,
  );
  assert.match(reasonOf(await certificate(['spiffe://cluster.local/ns/a/sa/b/c'])), /is no account of a mesh/);
  assert.match(reasonOf(await certificate([own], { usage: 'server' })), /unsupported certificate purpose/);
  assert.match(reasonOf(await certificate([own], { toMs: clock.wallMs - 1000 })), /certificate has expired/);
  const stranger = await openCa();
  const foreign = await stranger.authority.issueWorkload(
    { trustDomain: '', namespace: 'a', account: 'b' },
    publicKey,
    0,
  );
  assert.ok(typeof foreign !== 'string');
  const der = Buffer.from((foreign.chain[0] as string).replace(/-----.*-----|\s/g, ''), 'base64');
  assert.match(reasonOf(new Certificate(der)), /unable to get local issuer certificate/);
  stranger.close();
});

test('a connection is no older than its certificate, or the trust in its root', async () => {
  const peer = await certificate(['spiffe://cluster.local/ns/a/sa/b'], { toMs: clock.wallMs + 10 * DAY_MS });
  assert.ok('identity' in verdictOf(peer));
  await authority.rotate();
  assert.ok('identity' in verdictOf(peer));
  clock.advance(10_000);
  assert.ok(!authority.isRotating && 'identity' in verdictOf(peer));
  clock.advance(2 * DAY_MS);
  assert.match(reasonOf(peer), /unable to get local issuer certificate/);
  const short = await certificate(['spiffe://cluster.local/ns/a/sa/b']);
  assert.ok('identity' in verdictOf(short));
  clock.advance(2 * DAY_MS);
  assert.match(reasonOf(short), /certificate has expired/);
});

test('tokens travel encrypted, or not beyond the machine', () => {
  const facts = (address: string, more: Partial<CallFacts> = {}): CallFacts => ({
    ...{ tls: null, remoteAddress: { family: 'ipv4', address, port: 1 }, bearer: new Secret('x') },
    ...more,
  });
  assert.equal(tokenProblem(facts('127.0.0.1')), null);
  assert.equal(tokenProblem(facts('10.0.0.1')), 'it came in plain text');
  assert.equal(tokenProblem(facts('10.0.0.1', { tls: {} as TlsFacts })), null);
  assert.equal(tokenProblem(facts('x', { remoteAddress: { family: 'unix', address: 'x', port: 0 } })), null);
  assert.equal(tokenProblem(facts('127.0.0.1', { bearer: null })), 'none was sent');
});

test('a bearer token is one word', () => {
  const of = (value: string): string | undefined => {
    const headers = new Headers();
    headers.add(headerKey('authorization'), value);
    const remoteAddress = { family: 'ipv4', address: '127.0.0.1', port: 1 } as const;
    return callFacts({ headers, tls: null, remoteAddress }).bearer?.reveal();
  };
  assert.equal(of('Bearer abc.def-_~+/='), 'abc.def-_~+/=');
  assert.equal(of('bearer abc'), 'abc');
  for (const bad of ['', 'abc', 'Basic abc', 'Bearer ', 'Bearer a b', 'Bearer a,b', `Bearer ${'a'.repeat(20_000)}`]) {
    assert.equal(of(bad), undefined, bad.slice(0, 20));
  }
});

test('the first proof wins, and without one all reasons are told', async () => {
  const no = (name: string) => ({ name, authenticate: () => ({ reason: `${name} says no` }) });
  const identity = { trustDomain: 'a', namespace: 'b', account: 'c', workload: null };
  const yes = { name: 'yes', authenticate: async () => ({ identity, by: 'yes', settle: null }) };
  const facts = { tls: null, bearer: null, remoteAddress: { family: 'ipv4', address: '', port: 0 } } as const;
  assert.deepEqual(await authenticate([no('a'), yes, no('b')], facts), { identity, by: 'yes', settle: null });
  assert.deepEqual(await authenticate([no('a'), no('b')], facts), { reasons: ['a: a says no', 'b: b says no'] });
});
