// Tests the CA's certificates with OpenSSL as the judge, its files, and how one root follows another.
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type CaRig, openCa, openssl, scratchDirectory, verifyChain } from '../../test/support/ca-rig.ts';
import { Secret } from '../base/secret.ts';
import type { AuthorityOptions } from './authority.ts';
import { Authority } from './authority.ts';
import { selfMade } from './issuer-source.ts';

const DAY_MS = 86_400_000;
const ACCOUNT = { trustDomain: 'cluster.local', namespace: 'bookinfo', account: 'reviews' };
const directories: string[] = [];
const rigs: CaRig[] = [];
after(() => {
  for (const rig of rigs) rig.close();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function directory(): string {
  const made = scratchDirectory();
  directories.push(made);
  return made;
}

async function open(more: Partial<AuthorityOptions> = {}): Promise<CaRig> {
  const rig = await openCa(more);
  rigs.push(rig);
  return rig;
}

function publicKey(kind: 'ec' | 'rsa' | 'ed25519' = 'ec'): Buffer {
  const pair =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ed25519');
  return pair.publicKey.export({ type: 'spki', format: 'der' });
}

async function issue({ authority }: CaRig, wantedMs = 0, key = publicKey()) {
  const issued = await authority.issueWorkload(ACCOUNT, key, wantedMs);
  assert.ok(typeof issued !== 'string', String(issued));
  return issued;
}

test('a certificate of a workload reads as Istio has it', async () => {
  const rig = await open();
  const { chain, validToMs } = await issue(rig);
  assert.equal(chain.length, 1);
  const text = openssl(['x509', '-noout', '-text'], chain[0]);
  assert.match(text, /Version: 3/);
  assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/);
  assert.match(text, /Subject: *\n/);
  assert.match(text, /X509v3 Key Usage: critical\n\s+Digital Signature, Key Encipherment\n/);
  assert.match(text, /X509v3 Extended Key Usage: *\n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/);
  assert.match(text, /X509v3 Basic Constraints: critical\n\s+CA:FALSE\n/);
  assert.match(
    text,
    /X509v3 Subject Alternative Name: critical\n\s+URI:spiffe:\/\/cluster.local\/ns\/bookinfo\/sa\/reviews\n/,
  );
  const certificate = new X509Certificate(chain[0] as string);
  const nowMs = Math.floor(rig.clock.wallMs / 1000) * 1000;
  assert.equal(certificate.validFromDate.getTime(), nowMs - 60_000);
  assert.ok(Math.abs(certificate.validToDate.getTime() - validToMs) < 1000);
  assert.ok(Math.abs(certificate.validToDate.getTime() - nowMs - DAY_MS) <= 1000);
  assert.equal(verifyChain(chain, rig.authority.bundle.pem, rig.clock.wallMs), 'OK');
});

test('the root reads as one, and signs with any kind of key for any kind of key', async () => {
  for (const keyKind of ['p256', 'p384', 'rsa2048'] as const) {
    const rig = await open({ source: selfMade(directory(), null, { keyKind }) });
    const root = openssl(['x509', '-noout', '-text'], rig.authority.bundle.pem);
    assert.match(root, /Subject: O = cluster.local, CN = Heddle root 2/);
    assert.match(root, /X509v3 Key Usage: critical\n\s+Digital Signature, Certificate Sign, CRL Sign\n/);
    assert.match(root, /X509v3 Basic Constraints: critical\n\s+CA:TRUE\n/);
    for (const kind of ['ec', 'rsa', 'ed25519'] as const) {
      const { chain } = await issue(rig, 0, publicKey(kind));
      assert.equal(verifyChain(chain, rig.authority.bundle.pem, rig.clock.wallMs), 'OK', `${keyKind} for ${kind}`);
    }
  }
});

test('lives are capped: by what is allowed, and by the end of the CA', async () => {
  const source = selfMade(directory(), null, { lifeMs: 2 * DAY_MS });
  const rig = await open({ source, maxLifeMs: 3 * DAY_MS, rotateAtPart: 0 });
  const nowMs = rig.clock.wallMs;
  assert.equal((await issue(rig)).validToMs, nowMs + DAY_MS);
  assert.equal((await issue(rig, 3_600_000)).validToMs, nowMs + 3_600_000);
  assert.equal((await issue(rig, 30 * DAY_MS)).validToMs, rig.authority.issuer.validToMs);
  rig.clock.advance(3 * DAY_MS);
  assert.match(String(await rig.authority.issueWorkload(ACCOUNT, publicKey(), 0)), /certificate is over since/);
});

test('servers of the control plane get names, and are no identity', async () => {
  const rig = await open();
  const issued = await rig.authority.issueServer(['istiod.istio-system.svc', 'a.b'], publicKey(), 0);
  assert.ok(typeof issued !== 'string');
  const text = openssl(['x509', '-noout', '-text'], issued.chain[0]);
  assert.match(text, /DNS:istiod.istio-system.svc, DNS:a.b\n/);
  assert.ok(!text.includes('Client Authentication') && !text.includes('URI:'));
  const names = ['-purpose', 'sslserver', '-verify_hostname', 'istiod.istio-system.svc'];
  assert.equal(verifyChain(issued.chain, rig.authority.bundle.pem, rig.clock.wallMs, names), 'OK');
});

// ─── At rest ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a restart keeps the root; files are for their owner alone', async () => {
  const place = join(directory(), 'ca');
  const first = await open({ source: selfMade(place, null) });
  const again = await open({ source: selfMade(place, null) });
  assert.equal(again.authority.bundle.pem, first.authority.bundle.pem);
  assert.equal(again.authority.bundle.version, first.authority.bundle.version);
  assert.equal(statSync(place).mode & 0o777, 0o700);
  for (const name of readdirSync(place)) assert.equal(statSync(join(place, name)).mode & 0o777, 0o600, name);
  const key = readdirSync(place).find((name) => name.endsWith('.key')) as string;
  chmodSync(join(place, key), 0o644);
  await assert.rejects(open({ source: selfMade(place, null) }), /may be read by others/);
});

test('with a passphrase the key is encrypted, also one that was there before', async () => {
  const place = directory();
  const passphrase = new Secret('correct horse');
  const bare = await open({ source: selfMade(place, null) });
  const sealed = await open({ source: selfMade(place, passphrase) });
  assert.equal(sealed.authority.bundle.pem, bare.authority.bundle.pem);
  for (const name of readdirSync(place)) {
    assert.ok(!readFileSync(join(place, name), 'utf8').includes('PRIVATE KEY'), name);
  }
  await open({ source: selfMade(place, passphrase) });
  await assert.rejects(open({ source: selfMade(place, null) }), /is sealed, and no passphrase is given/);
  await assert.rejects(open({ source: selfMade(place, new Secret('wrong')) }), /passphrase is wrong, or the file was/);
});

test('files that are gone or broken are named', async () => {
  const place = directory();
  await open({ source: selfMade(place, null) });
  const root = readdirSync(place).find((name) => name.endsWith('.pem')) as string;
  rmSync(join(place, root));
  await assert.rejects(open({ source: selfMade(place, null) }), new RegExp(`${root} is missing`));
  writeFileSync(join(place, 'trust.json'), '{"format":"x"');
  await assert.rejects(open({ source: selfMade(place, null) }), /trust.json is not what the authority wrote/);
});

// ─── Expiry ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('expiry is told from the first day', async () => {
  const rig = await open({ source: selfMade(directory(), null, { lifeMs: 40 * DAY_MS }), rotateAtPart: 0 });
  const toS = Math.floor(rig.authority.issuer.rootValidToMs / 1000);
  assert.match(rig.lines.join('\n'), /info: the root is good until .*: 39 days from now|40 days from now/);
  assert.ok(rig.registry.text().includes(`citadel_server_root_cert_expiry_timestamp ${toS}\n`));
  assert.match(rig.registry.text(), /citadel_server_cert_chain_expiry_seconds 345\d{4}/);
  rig.lines.length = 0;
  rig.clock.advance(20 * DAY_MS);
  assert.ok(rig.lines.filter((line) => line.startsWith('warning: the root is good until')).length >= 10);
  rig.clock.advance(21 * DAY_MS);
  assert.match(rig.lines.at(-1) ?? '', /critical: .*it is over/);
});

// ─── Rotation ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('a new root signs only after all know it, and the old one goes when what it signed is over', async () => {
  const place = directory();
  const rig = await open({ source: selfMade(place, null) });
  const { authority, clock, waiting } = rig;
  const [oldRoot, oldVersion] = [authority.bundle.pem, authority.bundle.version];
  const before = await issue(rig);
  let changes = 0;
  authority.onChange(() => changes++);
  waiting.push('a', 'b');
  assert.equal(await authority.rotate(), null);
  assert.match(String(await authority.rotate()), /under way/);
  assert.equal(changes, 1);
  assert.notEqual(authority.bundle.version, oldVersion);
  assert.equal(authority.bundle.roots.length, 2);

  // Announced, for as long as somebody has not acknowledged it.
  clock.advance(3_600_000);
  const during = await issue(rig);
  assert.equal(verifyChain(during.chain, oldRoot, clock.wallMs), 'OK');
  assert.ok(rig.lines.some((line) => line.includes('waits for 2 proxies to acknowledge it, such as a, b')));

  // A restart in between changes nothing, and proxies get their time again.
  const again = await open({ source: selfMade(place, null), clock });
  assert.equal(again.authority.bundle.version, authority.bundle.version);
  assert.equal(again.authority.issuer.id, authority.issuer.id);
  assert.ok(again.authority.isRotating);
  clock.advance(200_000);
  assert.ok(again.authority.isRotating);
  again.close();

  waiting.length = 0;
  authority.onBundleAcknowledged();
  assert.ok(!authority.isRotating);
  const after = await issue(rig);
  const newRoot = authority.bundle.roots[0] as string;
  assert.notEqual(newRoot, oldRoot);
  assert.equal(verifyChain(after.chain, newRoot, clock.wallMs), 'OK');
  assert.match(verifyChain(after.chain, oldRoot, clock.wallMs), /unable to get local issuer/);
  for (const { chain } of [before, during, after]) {
    assert.equal(verifyChain(chain, authority.bundle.pem, clock.wallMs), 'OK');
  }
  assert.equal(readdirSync(place).filter((name) => name.endsWith('.key')).length, 1);

  clock.advance(DAY_MS - 60_000);
  assert.equal(authority.bundle.roots.length, 2);
  clock.advance(180_000);
  assert.deepEqual(authority.bundle.roots, [newRoot]);
});

test('proxies that are away have a time to come back', async () => {
  const rig = await open();
  await rig.authority.rotate();
  rig.authority.onBundleAcknowledged();
  rig.clock.advance(290_000);
  assert.ok(rig.authority.isRotating);
  rig.clock.advance(20_000);
  assert.ok(!rig.authority.isRotating);
});

test('a root that ends is followed by itself, even where nobody acknowledges', async () => {
  const rig = await open({ source: selfMade(directory(), null, { lifeMs: 10 * DAY_MS }) });
  rig.waiting.push('dead');
  rig.clock.advance(8.1 * DAY_MS);
  while (!rig.authority.isRotating) await new Promise((resolve) => setTimeout(resolve, 2));
  const old = rig.authority.issuer.id;
  rig.clock.advance(1.5 * DAY_MS);
  assert.notEqual(rig.authority.issuer.id, old);
});

test('the key never shows in what is printed', async () => {
  const { inspect } = await import('node:util');
  const rig = await open();
  const text = inspect(rig.authority, { depth: 20, showHidden: true }) + JSON.stringify(rig.authority.issuer);
  assert.ok(!/PRIVATE|"d":|privateExponent/.test(text));
  assert.ok(rig.authority instanceof Authority);
  const key = rig.authority.issuer.signer.key;
  assert.notEqual(createPublicKey(key).export({ type: 'spki', format: 'pem' }), '');
});
