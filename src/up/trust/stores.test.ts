// Stores of other machines: what is run on them, and what is found in them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { GatewayCa, gatewayRootPath } from '../mesh/gateway-ca.ts';
import { type Certificate, certificatesOf, readCertificate } from './certificate.ts';
import { type Machine, missingForBrowsers, storesOf } from './stores.ts';

type Fake = Machine & { readonly runs: string[] };

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-trust-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function rootIn(directory: string): Promise<Certificate> {
  await GatewayCa.open(directory);
  return readCertificate(gatewayRootPath(directory));
}

function machine(directory: string, programs: readonly string[], more: Partial<Machine> = {}): Fake {
  const runs: string[] = [];
  const note = (program: string, args: readonly string[]): void => {
    runs.push([program, ...args].join(' '));
  };
  return {
    ...{ platform: 'linux', root: join(directory, 'root'), home: join(directory, 'home'), isRoot: true, runs },
    find: (program) => (programs.includes(program) ? `/usr/bin/${program}` : null),
    run(program, args) {
      note(program, args);
      return null;
    },
    read: () => null,
    ...more,
  };
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

test("Debian's store: a file of this root alone, and what is in the bundle counts", async (t) => {
  const directory = scratch(t);
  const certificate = await rootIn(directory);
  const other = await rootIn(join(directory, 'other'));
  const fake = machine(directory, ['update-ca-certificates', 'trust']);
  const [store, ...more] = storesOf(fake);
  assert.ok(store !== undefined);
  assert.deepEqual(more, []);
  const local = join(fake.root, 'usr/local/share/ca-certificates');
  write(join(local, 'mine.crt'), 'mine');
  assert.equal(store.has(certificate), false);
  assert.equal(store.add(certificate), null);
  assert.equal(store.add(other), null);
  assert.notEqual(other.fileName, certificate.fileName);
  assert.match(certificate.fileName, /^heddle-gateways-[0-9a-f]{16}$/);
  assert.equal(readFileSync(join(local, `${certificate.fileName}.crt`), 'utf8'), certificate.pem);
  assert.equal(store.has(certificate), false, 'not before the bundle has it');
  write(join(fake.root, 'etc/ssl/certs/ca-certificates.crt'), `# roots\n${other.pem}not one\n${certificate.pem}`);
  assert.equal(store.has(certificate), true);
  assert.equal(store.remove(certificate), null);
  assert.deepEqual(readdirSync(local).sort(), [`${other.fileName}.crt`, 'mine.crt']);
  const update = 'update-ca-certificates';
  assert.deepEqual(fake.runs, [update, update, `${update} --fresh`]);
});

test('what a program complains of is told, and a store of root is not for others', async (t) => {
  const directory = scratch(t);
  const certificate = await rootIn(directory);
  const [store] = storesOf(machine(directory, ['trust'], { isRoot: false, run: () => 'trust: not permitted' }));
  assert.equal(store?.needsRoot, true);
  assert.equal(store?.add(certificate), 'trust: not permitted');
  const [debian] = storesOf(machine(directory, ['update-ca-certificates'], { root: '/dev/null' }));
  assert.match(debian?.add(certificate) ?? '', /ENOTDIR/);
});

test("Fedora's store and the keychain of macOS", async (t) => {
  const directory = scratch(t);
  const certificate = await rootIn(directory);
  const { file, sha1 } = certificate;
  const fedora = machine(directory, ['trust']);
  const [anchors] = storesOf(fedora);
  anchors?.add(certificate);
  anchors?.remove(certificate);
  assert.deepEqual(fedora.runs, [`trust anchor --store ${file}`, `trust anchor --remove ${file}`]);
  const mac = machine(directory, ['security'], {
    platform: 'darwin',
    read: () => `SHA-1 hash: ${sha1}\n`,
  });
  const [keychain] = storesOf(mac);
  assert.equal(keychain?.has(certificate), true);
  keychain?.add(certificate);
  keychain?.remove(certificate);
  const system = '/Library/Keychains/System.keychain';
  assert.deepEqual(mac.runs, [
    `security add-trusted-cert -d -r trustRoot -k ${system} ${file}`,
    `security remove-trusted-cert -d ${file}`,
    `security delete-certificate -Z ${sha1} ${system}`,
  ]);
});

test("browsers' own stores: those that are there, by certutil, or a word where that is missing", async (t) => {
  const directory = scratch(t);
  const certificate = await rootIn(directory);
  const bare = machine(directory, ['certutil']);
  assert.deepEqual(storesOf(bare), []);
  const chromium = join(bare.home, '.pki/nssdb');
  const firefox = join(bare.home, '.mozilla/firefox/ab12.default-release');
  for (const database of [chromium, firefox]) write(join(database, 'cert9.db'), '');
  write(join(bare.home, '.mozilla/firefox/profiles.ini'), '');
  const stores = storesOf(bare);
  assert.deepEqual(
    stores.map(({ name, where, needsRoot }) => [name, where, needsRoot]),
    [
      ['Chromium', chromium, false],
      ['Firefox', firefox, false],
    ],
  );
  for (const store of stores) store.add(certificate);
  stores[0]?.remove(certificate);
  const { fileName, file } = certificate;
  assert.deepEqual(bare.runs, [
    `certutil -d sql:${chromium} -A -t C,, -n ${fileName} -i ${file}`,
    `certutil -d sql:${firefox} -A -t C,, -n ${fileName} -i ${file}`,
    `certutil -d sql:${chromium} -D -n ${fileName}`,
  ]);
  assert.equal(missingForBrowsers(bare), null);
  assert.match(missingForBrowsers(machine(directory, [])) ?? '', /^Chromium and Firefox trust by stores of their own/);
  assert.equal(missingForBrowsers(machine(join(directory, 'nobody'), [])), null);
});

test('what is no certificate is none', (t) => {
  const file = join(scratch(t), 'root.pem');
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  assert.deepEqual(certificatesOf(broken), []);
  writeFileSync(file, broken);
  assert.throws(() => readCertificate(file), /has no certificate: delete it, and heddle up makes another one/);
});
