// The proxy as its own agent: keys in memory, a certificate that an authority signs, renewal, and roots that change.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdsServer } from '../support/ads-server.ts';
import { CertificateAuthority } from '../support/certificate-authority.ts';
import { makeCa, makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { type Json, scratchFolder, until } from './heddle.ts';
import {
  apiSource,
  certificate,
  http2Cluster,
  issue,
  local,
  mutualCluster,
  mutualGate,
  named,
  put,
  SdsRig,
  SECRET,
  typed,
} from './sds-rig.ts';

/** HEDDLE_ROTATION_S runs it longer: 5 minutes with certificates of 20 s is the bar. */
const SECONDS = Number(process.env['HEDDLE_ROTATION_S'] ?? 30);
const LIFE_MS = 20_000;
/** What is asked for, and so how long an old root counts: peers show certificates under it to the end. */
const VALIDITY_S = SECONDS * 2;
const CLIENTS = 3;
const IDENTITY = 'spiffe://test/ns/a/sa/b';

const stops = new Set<() => Promise<void> | void>();
after(async () => {
  for (const stop of stops) await stop();
});

const extension = (fields: Json): Json => ({
  bootstrap_extensions: [
    { name: 'certificates', typed_config: typed('heddle.certificate_client.v1.CertificateClient', fields) },
  ],
});
const authority: Json = {
  envoy_grpc: {
    cluster_name: 'ca',
    retry_policy: { retry_back_off: { base_interval: '0.05s', max_interval: '0.2s' } },
  },
};
const mutual = (certificateName: string): Json => ({
  require_client_certificate: true,
  common_tls_context: {
    tls_certificate_sds_secret_configs: [named(certificateName, 'GRPC', '0s')],
    validation_context_sds_secret_config: named('ROOTCA', 'GRPC', '0s'),
  },
});

type Own = {
  readonly rig: SdsRig;
  readonly authority: CertificateAuthority;
  readonly server: AdsServer;
  readonly tokenPath: string;
  stop(): Promise<void>;
};

async function startOwn(prepare: (signer: CertificateAuthority) => void, ...args: string[]): Promise<Own> {
  const signer = new CertificateAuthority();
  prepare(signer);
  const server = new AdsServer();
  put(server, 'gateway', certificate('gateway', issue('gateway', signer.root)));
  const tokenPath = join(scratchFolder(), 'token');
  writeFileSync(tokenPath, 'first\n');
  const rig = await SdsRig.start(server, {
    way: 'GRPC',
    listeners: [
      { name: 'own', tls: mutual('default') },
      { name: 'other', tls: mutual('gateway') },
    ],
    clusters: [http2Cluster('ca', local(signer.port))],
    more: extension({
      certificate_authority: authority,
      token_path: tokenPath,
      identity: IDENTITY,
      validity: `${VALIDITY_S}s`,
    }),
    arguments: args,
  });
  const stop = async (): Promise<void> => {
    stops.delete(stop);
    await rig.stop();
    signer.stop();
  };
  stops.add(stop);
  return { rig, authority: signer, server, tokenPath, stop };
}

const peer = (root: TestCertificate): TestCertificate => makeCertificate({ issuer: root, subject: 'peer' });

for (const args of [[], ['--concurrency', '2']]) {
  it(`asks the authority with its token, and serves with what it gets (${args.join(' ')})`, async () => {
    const own = await startOwn(() => {}, ...args);
    const { rig, server, authority: signer } = own;
    const client = peer(signer.root);
    await until('it serves', async () => (await rig.ask('own', { certificate: client })) === 'CN=workload');
    assert.deepEqual(signer.signed, [{ token: 'Bearer first', names: `URI:${IDENTITY}`, validityS: VALIDITY_S }]);
    // Other secrets still come from the server, which is not asked for the proxy's own.
    assert.equal(await rig.ask('other', { certificate: client }), 'CN=gateway');
    assert.deepEqual([...new Set(server.of(SECRET).flatMap(({ names }) => names))], ['gateway']);
    assert.equal(await rig.ask('own', { certificate: peer(makeCa('stranger')) }), '');
    const stats = await rig.stats('certificate_client.');
    assert.equal(stats['csr_sent'], '1');
    const endsInS = Number(stats['expiration_unix_time_seconds']) - Date.now() / 1000;
    assert.ok(endsInS > 3500 && endsInS <= 3600, String(endsInS));
    assert.equal((await rig.stats('sds.default.'))['update_success'], '1');
    await own.stop();
  });
}

for (const args of [[], ['--concurrency', '2']]) {
  it(`shows its certificate to its own control plane (${args.join(' ')})`, async () => {
    const signer = new CertificateAuthority();
    const server = new AdsServer();
    put(server, 'gateway', certificate('gateway', issue('gateway', signer.root)));
    const gate = await mutualGate(server.port, issue('gate', signer.root), signer.root);
    const { port } = gate.address() as { port: number };
    const context = {
      tls_certificate_sds_secret_configs: [named('default', 'GRPC', '0s')],
      validation_context_sds_secret_config: named('ROOTCA', 'GRPC', '0s'),
    };
    const { transport_socket } = mutualCluster('gate', port, context);
    const gatePlace = { api_config_source: apiSource('GRPC', 'gate'), resource_api_version: 'V3' };
    const secret = { name: 'gateway', sds_config: { ...gatePlace, initial_fetch_timeout: '0s' } };
    const rig = await SdsRig.start(server, {
      way: 'GRPC',
      listeners: [{ name: 'a', tls: { common_tls_context: { tls_certificate_sds_secret_configs: [secret] } } }],
      clusters: [http2Cluster('ca', local(signer.port)), { ...http2Cluster('gate', local(port)), transport_socket }],
      more: extension({ certificate_authority: authority }),
      arguments: args,
    });
    const stop = async (): Promise<void> => {
      stops.delete(stop);
      await rig.stop();
      gate.close();
      signer.stop();
    };
    stops.add(stop);
    assert.equal(await rig.ask('a'), 'CN=gateway');
    await stop();
  });
}

it('tries again after refusals, and its listener waits until it has a certificate', async () => {
  const own = await startOwn((signer) => {
    signer.refusals = 3;
  });
  assert.equal(own.authority.signed.length, 1);
  assert.equal(await own.rig.ask('own', { certificate: peer(own.authority.root) }), 'CN=workload');
  assert.match(own.rig.proxy.output, /no certificate: ca answered with status 7: not today \(there is none yet; again/);
  const { csr_failed, csr_sent } = await own.rig.stats('certificate_client.');
  assert.deepEqual([csr_failed, csr_sent], ['3', '4']);
  await own.stop();
});

it(`renews under load for ${SECONDS} s without a failed request`, { timeout: SECONDS * 1000 + 30_000 }, async () => {
  const own = await startOwn((signer) => {
    signer.lifeMs = LIFE_MS;
  });
  const { rig, authority: signer } = own;
  const first = signer.root;
  // Peers show certificates of the root before the change all the time.
  const client = peer(first);
  await until('it serves', async () => (await rig.ask('own', { certificate: client })) !== '');
  let isOver = false;
  let count = 0;
  const failures: string[] = [];
  const load = async (): Promise<void> => {
    while (!isOver) {
      const seen = await rig.ask('own', { certificate: client });
      if (seen === 'CN=workload') count++;
      else failures.push(`${new Date().toISOString()} ${JSON.stringify(seen)}`);
      await sleep(10);
    }
  };
  const loads = Array.from({ length: CLIENTS }, load);
  await sleep((SECONDS * 1000) / 3);
  signer.root = makeCa('second root');
  writeFileSync(`${own.tokenPath}.new`, 'second');
  renameSync(`${own.tokenPath}.new`, own.tokenPath);
  await sleep((SECONDS * 1000 * 2) / 3);
  // The new root is believed in beside the old one.
  assert.equal(await rig.ask('own', { certificate: peer(signer.root) }), 'CN=workload');
  isOver = true;
  await Promise.all(loads);
  assert.deepEqual(failures.slice(0, 5), []);
  assert.ok(count > SECONDS * 10, `only ${count} requests`);
  const renewals = signer.signed.length - 1;
  assert.ok(renewals >= Math.floor(SECONDS / 20) && renewals <= Math.ceil(SECONDS / 9), `${renewals} renewals`);
  assert.equal(signer.signed.at(-1)?.token, 'Bearer second');
  assert.equal((await rig.stats('certificate_client.'))['roots'], '2');
  await own.stop();
});
