// Secrets from servers that name files: the files are watched, whoever sent the secret.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AdsServer } from '../support/ads-server.ts';
import type { TestCertificate } from '../support/certificates.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { type Json, scratchFolder, until } from './heddle.ts';
import { issue, named, put, SdsRig, type Way } from './sds-rig.ts';

const tls = (way: Way): Json => ({
  common_tls_context: { tls_certificate_sds_secret_configs: [named('default', way)] },
});

function moveInto(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Kubernetes' way: the files lie behind a link that is replaced. */
function publish(folder: string, version: string, { chainPem, keyPem }: TestCertificate): void {
  const own = join(folder, version);
  mkdirSync(own);
  writeFileSync(join(own, 'cert.pem'), chainPem);
  writeFileSync(join(own, 'key.pem'), keyPem);
  rmSync(join(folder, 'data.new'), { force: true });
  symlinkSync(version, join(folder, 'data.new'));
  renameSync(join(folder, 'data.new'), join(folder, 'data'));
}

const secret = (folder: string, more: Json = {}): Json => ({
  name: 'default',
  tls_certificate: {
    certificate_chain: { filename: join(folder, 'cert.pem') },
    private_key: { filename: join(folder, 'key.pem') },
    ...more,
  },
});

async function eachFile(kind: ProxyKind, args: readonly string[] = []): Promise<void> {
  const folder = scratchFolder();
  const server = new AdsServer();
  const [one, two, three] = [issue('one'), issue('two'), issue('three')];
  moveInto(join(folder, 'cert.pem'), one.chainPem);
  moveInto(join(folder, 'key.pem'), one.keyPem);
  put(server, 'default', secret(folder));
  const listeners = [
    { name: 'a', tls: tls('GRPC') },
    { name: 'b', tls: tls('GRPC') },
  ];
  const rig = await SdsRig.start(server, { way: 'GRPC', listeners, kind, arguments: args });
  const serves = (name: string): Promise<void> =>
    until(`it is ${name}`, async () => {
      return (await rig.ask('a')) === `CN=${name}` && (await rig.ask('b')) === `CN=${name}`;
    });
  try {
    await serves('one');
    moveInto(join(folder, 'key.pem'), two.keyPem);
    // Envoy counts once for each file.
    const failed = async (): Promise<boolean> =>
      Number((await rig.stats('sds.default.'))['key_rotation_failed']) === (kind === 'envoy' ? 2 : 1);
    await until('half a change is none', failed);
    await serves('one');
    moveInto(join(folder, 'cert.pem'), two.chainPem);
    await serves('two');
    put(server, 'default', {
      name: 'default',
      tls_certificate: {
        certificate_chain: { inline_string: three.chainPem },
        private_key: { inline_string: three.keyPem },
      },
    });
    await serves('three');
    moveInto(join(folder, 'cert.pem'), one.chainPem);
    moveInto(join(folder, 'key.pem'), one.keyPem);
    await serves('three');
  } finally {
    await rig.stop();
  }
}

async function directory(kind: ProxyKind): Promise<void> {
  const folder = scratchFolder();
  const server = new AdsServer();
  publish(folder, 'v1', issue('one'));
  put(server, 'default', secret(join(folder, 'data'), { watched_directory: { path: folder } }));
  const rig = await SdsRig.start(server, { way: 'ADS', listeners: [{ name: 'a', tls: tls('ADS') }], kind });
  try {
    await until('it serves', async () => (await rig.ask('a')) === 'CN=one');
    publish(folder, 'v2', issue('two'));
    await until('it changes', async () => (await rig.ask('a')) === 'CN=two');
    const { key_rotation_failed: failed, update_success: successes } = await rig.stats('sds.default.');
    assert.deepEqual([failed, successes], ['0', '1']);
  } finally {
    await rig.stop();
  }
}

for (const kind of findEnvoy().path === null ? (['heddle'] as const) : (['envoy', 'heddle'] as const)) {
  test(`files of a secret that a server sent are watched (${kind})`, () => eachFile(kind));
  test(`so is the directory that it names (${kind})`, () => directory(kind));
}
test('files of a secret that a server sent are watched (two workers)', () =>
  eachFile('heddle', ['--concurrency', '2']));
