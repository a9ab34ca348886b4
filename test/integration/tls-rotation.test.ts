// Secrets from files change under load: nothing fails, sessions go on, and a broken file leaves what was good.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { any, type Fields } from '../differential/config.ts';
import { ca, client, server, type TlsContext } from '../differential/cases/tls-fixtures.ts';
import { makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { REQUEST, TlsRig } from './tls-rig.ts';

/** HEDDLE_ROTATION_S runs it longer: two minutes with a rotation every two seconds is the bar. */
const SECONDS = Number(process.env['HEDDLE_ROTATION_S'] ?? 6);
const EVERY_MS = SECONDS > 30 ? 2000 : 400;
const CLIENTS = 4;

const identity = (of: Pick<TestCertificate, 'chainPem' | 'keyPem'>): string =>
  JSON.stringify({
    resources: [
      any('envoy.extensions.transport_sockets.tls.v3.Secret', {
        name: 'identity',
        tls_certificate: {
          certificate_chain: { inline_string: of.chainPem },
          private_key: { inline_string: of.keyPem },
        },
      }),
    ],
  });
const secret: Fields = {
  name: 'identity',
  sds_config: { path_config_source: { path: '{{dir}}/identity.json', watched_directory: { path: '{{dir}}' } } },
};
const rotating: TlsContext = {
  certificates: [],
  requires: true,
  common: { tls_certificate_sds_secret_configs: [secret] },
};
const fresh = (name: string): TestCertificate =>
  makeCertificate({ issuer: ca, subject: name, sans: [{ dns: 'test.example' }] });

describe('rotation', () => {
  let rig: TlsRig;
  before(async () => {
    rig = await TlsRig.start({ rotating }, { files: { 'identity.json': identity(server) } });
  });
  after(() => rig.stop());

  it(`goes on for ${SECONDS} s under load without a failure`, { timeout: SECONDS * 1000 + 30_000 }, async () => {
    let isOver = false;
    let full = 0;
    let resumed = 0;
    const failures: string[] = [];
    const seen = new Set<string>();
    const load = async (number: number): Promise<void> => {
      for (let i = 0; !isOver; i++) {
        // Every other connection resumes the one before; all show the same certificate.
        const resume = i % 2 === 0 ? {} : { resume: `load ${number}` };
        const outcome = await rig.ask('rotating', { certificate: client, save: `load ${number}`, ...resume });
        if (outcome.peer?.includes('CN=client') !== true) failures.push(JSON.stringify(outcome));
        else if (outcome.isResumed) resumed++;
        else full++;
        if (i % 2 === 1 && !outcome.isResumed) failures.push('a session was not resumed');
        await sleep(5);
      }
    };
    const kept = rig.run('rotating', [
      { tls: { certificate: client } },
      REQUEST,
      { read: 1 },
      { wait: SECONDS * 1000 },
      REQUEST,
      { read: 2 },
    ]);
    const loads = Array.from({ length: CLIENTS }, (_, number) => load(number));
    const end = performance.now() + SECONDS * 1000;
    for (let round = 0; performance.now() < end; round++) {
      rig.write('identity.json', identity(fresh(`round ${round}`)));
      await sleep(EVERY_MS);
      const shown = await rig.run('rotating', [{ tls: { certificate: client } }]);
      seen.add(shown.tls?.server ?? '');
    }
    isOver = true;
    await Promise.all(loads);
    assert.deepEqual(failures, []);
    assert.ok(full > 10 && resumed > 10, `${full} full handshakes, ${resumed} resumed`);
    assert.ok(seen.size >= Math.floor((SECONDS * 1000) / (EVERY_MS * 2)), `only ${seen.size} certificates were seen`);
    const { responses, fate } = await kept;
    assert.deepEqual([responses.length, fate], [2, 'open'], 'a connection did not outlive the rotations');
  });

  it('keeps the last good one when a file is broken', async () => {
    const good = fresh('good');
    rig.write('identity.json', identity(good));
    await sleep(300);
    const mixed = { chainPem: fresh('mixed').chainPem, keyPem: good.keyPem };
    for (const broken of ['', '{', '{"resources": []}', identity(mixed), identity({ ...good, keyPem: 'no key' })]) {
      rig.write('identity.json', broken);
      await sleep(200);
      const shown = await rig.run('rotating', [{ tls: { certificate: client } }, REQUEST, { read: 1 }]);
      assert.equal(shown.tls?.server, 'CN=good', broken.slice(0, 40));
      assert.equal(shown.responses.length, 1);
    }
    // Loudly: each is in the log with its reason.
    assert.match(rig.proxy.output, /identity/);
    rig.write('identity.json', identity(fresh('back')));
    await sleep(300);
    const shown = await rig.run('rotating', [{ tls: { certificate: client } }]);
    assert.equal(shown.tls?.server, 'CN=back');
  });
});
