// Tests that the control plane's own certificate is renewed in time, and follows the CA from root to root.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { openCa, scratchDirectory, verifyChain } from '../../test/support/ca-rig.ts';
import { selfMade } from './issuer-source.ts';
import { istiodNames, ServerCertificate } from './server-certificate.ts';

const HOUR_MS = 3_600_000;

test('renewed at half its life, with another key, and under the root that signs', async () => {
  const rig = await openCa({ leastAnnouncedMs: 0 });
  const { authority, clock } = rig;
  const made = await ServerCertificate.make(authority, istiodNames('istio-system', 'canary'));
  assert.ok(typeof made !== 'string', String(made));
  const first = new X509Certificate(made.chain);
  const contexts = [made.tls().context()];
  for (const name of ['istiod.istio-system.svc', 'istiod-canary.istio-system.svc', 'istio-pilot.istio-system.svc']) {
    assert.equal(first.checkHost(name), name);
  }
  assert.equal(first.checkHost('other.istio-system.svc'), undefined);

  clock.advance(11 * HOUR_MS);
  assert.equal(new X509Certificate(made.chain).serialNumber, first.serialNumber);
  clock.advance(2 * HOUR_MS);
  await until(() => new X509Certificate(made.chain).serialNumber !== first.serialNumber);
  const second = new X509Certificate(made.chain);
  assert.ok(!second.publicKey.equals(first.publicKey));
  contexts.push(made.tls().context());

  // An announced root is one more that clients' certificates may lead to; its promotion makes a new certificate.
  await authority.rotate();
  contexts.push(made.tls().context());
  assert.equal(new X509Certificate(made.chain).serialNumber, second.serialNumber);
  clock.advance(10_000);
  assert.ok(!authority.isRotating);
  await until(() => new X509Certificate(made.chain).serialNumber !== second.serialNumber);
  assert.equal(verifyChain([made.chain], authority.bundle.roots[0] as string, clock.wallMs), 'OK');
  contexts.push(made.tls().context());
  assert.equal(new Set(contexts).size, 4);
  made.close();
  rig.close();
});

test('a CA that is over makes none, and says so again and again', async () => {
  const directory = scratchDirectory();
  const rig = await openCa({ source: selfMade(directory, null, { lifeMs: 30 * HOUR_MS }), rotateAtPart: 0 });
  const made = await ServerCertificate.make(rig.authority, ['a.b']);
  assert.ok(typeof made !== 'string');
  rig.clock.advance(31 * HOUR_MS);
  await until(() =>
    rig.lines.some((line) => line.startsWith("error: the control plane's own certificate is not renewed")),
  );
  assert.match(String(await ServerCertificate.make(rig.authority, ['a.b'])), /is over since/);
  made.close();
  rig.close();
  rmSync(directory, { recursive: true });
});

async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !isTrue(); tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isTrue());
}
