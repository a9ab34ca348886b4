// Secrets from files: the first value, moves, swaps of links, broken versions, and who is told.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, it } from 'node:test';
import { makeCa, makeCertificate, type TestCertificate } from '../../../test/support/certificates.ts';
import { Clock } from '../../base/clock.ts';
import { FileWatch } from '../../net/file-watch.ts';
import { registry } from '../../proto/registry.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { unpackExtension } from '../config/environment.ts';
import { findUnsupported, mergeSupport } from '../config/support.ts';
import { SECRET_TYPE } from './secret-files.ts';
import { Secrets } from './secret-store.ts';
import { StaticSecrets } from './static-secrets.ts';
import { SECRET_FIELDS } from './tls-fields.ts';
import type { CertificateSecret, SecretHandle, SecretRef, ValidationSecret } from './tls-config.ts';

const ca = makeCa();
const leaves = [1, 2, 3].map(() => makeCertificate({ issuer: ca })) as [
  TestCertificate,
  TestCertificate,
  TestCertificate,
];
const directory = mkdtempSync(join(tmpdir(), 'heddle-secrets-'));
const file = join(directory, 'x.yaml');
const open: SecretHandle<unknown>[] = [];

afterEach(() => {
  for (const handle of open.splice(0)) handle.release();
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
});

type Json = Readonly<Record<string, unknown>>;
const ANY = { '@type': `type.googleapis.com/${SECRET_TYPE}` };
const response = (...secrets: Json[]): Json => ({ resources: secrets.map((one) => ({ ...ANY, ...one })) });
const inline = (one: TestCertificate): Json => ({
  certificate_chain: { inline_string: one.pem },
  private_key: { inline_string: one.keyPem },
});
const certificate = (one: TestCertificate, name = 'x'): Json => response({ name, tls_certificate: inline(one) });

/** As everybody should write such files. */
function moveTo(path: string, content: Json | string): void {
  writeFileSync(`${path}.tmp`, typeof content === 'string' ? content : JSON.stringify(content));
  renameSync(`${path}.tmp`, path);
}

function make(): { store: Secrets; warnings: string[]; count: (name: string) => number } {
  const stats = new StatStore();
  const warnings: string[] = [];
  const support = mergeSupport(SECRET_FIELDS);
  const store = new Secrets({
    clock: new Clock(),
    stats,
    watcher: new FileWatch(),
    environment: { unpack: unpackExtension },
    judgeUnknown: () => [],
    findUnsupported: (secret) => findUnsupported(registry.message(SECRET_TYPE) as never, secret, support),
    warn: (text) => void warnings.push(text),
    statics: new StaticSecrets(),
  });
  const count = (name: string): number => {
    for (const scope of stats.scopes()) {
      for (const stat of scope.stats()) {
        if (`${scope.prefix}${stat.name}` === name || stat.name === name) return 'value' in stat ? stat.value : -1;
      }
    }
    return -1;
  };
  return { store, warnings, count };
}

const ref = (more: Partial<{ path: string; watchedDirectory: string }> = {}): SecretRef<CertificateSecret> => ({
  kind: 'sds',
  name: 'x',
  source: { kind: 'file', path: file, watchedDirectory: '', ...more },
});

function use<T>(handle: SecretHandle<T>): SecretHandle<T> {
  open.push(handle);
  return handle;
}

/** Waits for a condition that a watch brings about. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.fail(`did not happen: ${what}`);
}
const quiet = (): Promise<void> => new Promise((done) => setTimeout(done, 60));
const chainOf = (handle: SecretHandle<CertificateSecret>): string | undefined => handle.current?.chain.toString();

it('has the first value at once, and the next after a move', async () => {
  moveTo(file, certificate(leaves[0]));
  const { store, count, warnings } = make();
  const first = use(store.certificate(ref()));
  const second = use(store.certificate(ref()));
  assert.equal(chainOf(first), leaves[0].pem);
  let told = 0;
  for (const handle of [first, second]) handle.onChange(() => told++);
  moveTo(file, certificate(leaves[1]));
  await until(() => told === 2, 'both are told');
  assert.equal(chainOf(second), leaves[1].pem);
  assert.equal(count('sds.x.update_attempt'), 2, 'one watch for both');
  assert.equal(count('sds.x.update_success'), 2);
  moveTo(file, certificate(leaves[1]));
  await until(() => count('sds.x.update_success') === 3, 'the same again is read');
  assert.equal(told, 2, 'but nobody is told');
  assert.deepEqual(warnings, []);
});

it('does not look at what is written in place, nor at other files', async () => {
  moveTo(file, certificate(leaves[0]));
  const { store, count } = make();
  const handle = use(store.certificate(ref()));
  writeFileSync(file, JSON.stringify(certificate(leaves[1])));
  moveTo(join(directory, 'other'), 'x');
  await quiet();
  assert.equal(chainOf(handle), leaves[0].pem);
  assert.equal(count('sds.x.update_attempt'), 1);
});

it('keeps the last good one when the next is broken, and says so', async () => {
  moveTo(file, certificate(leaves[0]));
  const { store, count, warnings } = make();
  const handle = use(store.certificate(ref()));
  const broken: readonly (readonly [string, Json | string, RegExp, 'failure' | 'rejected'])[] = [
    ['no YAML', '{', /broken YAML/, 'failure'],
    ['a list', '[]', /not a mapping/, 'failure'],
    [
      'another key',
      response({ name: 'x', tls_certificate: { ...inline(leaves[0]), private_key: inline(leaves[1])['private_key'] } }),
      /tls_certificate\.private_key: Failed to load private key from <inline>.*KEY_VALUES_MISMATCH/,
      'rejected',
    ],
    ['another name', certificate(leaves[1], 'y'), /Unexpected SDS secret \(expecting x\): y/, 'rejected'],
    ['nothing', response(), /Missing SDS resources for x in onConfigUpdate\(\)/, 'rejected'],
    [
      'two',
      response({ name: 'x' }, { name: 'y' }),
      /Unexpected SDS secrets length for x, number of added resources 2/,
      'rejected',
    ],
    ['another kind', response({ name: 'x', validation_context: {} }), /of another kind/, 'rejected'],
    [
      'a node',
      { resources: [{ '@type': 'type.googleapis.com/envoy.config.core.v3.Node' }] },
      /Unable to unpack as/,
      'rejected',
    ],
    [
      'a field that is not there',
      response({
        name: 'x',
        tls_certificate: { ...inline(leaves[1]), signed_certificate_timestamp: [{ inline_string: 'x' }] },
      }),
      /signed_certificate_timestamp: is not supported/,
      'rejected',
    ],
  ];
  let [failed, rejected] = [0, 0];
  for (const [what, content, text, kind] of broken) {
    moveTo(file, content);
    if (kind === 'failure') failed++;
    else rejected++;
    await until(() => warnings.length === failed + rejected, what);
    assert.match(warnings.at(-1) ?? '', text, what);
    assert.match(warnings.at(-1) ?? '', /^Filesystem config update .*'x' of .*x\.yaml; the last good one stays in use/);
    assert.equal(chainOf(handle), leaves[0].pem, what);
    assert.equal(count('sds.x.update_failure'), failed);
    assert.equal(count('sds.x.update_rejected'), rejected);
  }
  moveTo(file, certificate(leaves[2]));
  await until(() => chainOf(handle) === leaves[2].pem, 'a good one after all');
});

it('waits for a file that is broken at first', async () => {
  writeFileSync(file, '{');
  const { store, count } = make();
  const handle = use(store.certificate(ref()));
  assert.equal(handle.current, null);
  assert.equal(count('sds.x.update_failure'), 1);
  let told = 0;
  handle.onChange(() => told++);
  // Written in place: it counts while nothing good was read.
  writeFileSync(file, JSON.stringify(certificate(leaves[0])));
  await until(() => told === 1, 'the first value');
});

it('follows links that are swapped in a watched directory', async () => {
  const volume = join(directory, 'volume');
  for (const [i, leaf] of leaves.entries()) {
    mkdirSync(join(volume, `v${i}`), { recursive: true });
    writeFileSync(join(volume, `v${i}`, 'x.yaml'), JSON.stringify(certificate(leaf)));
  }
  const swap = (i: number): void => {
    symlinkSync(`v${i}`, join(volume, '..data_tmp'));
    renameSync(join(volume, '..data_tmp'), join(volume, '..data'));
  };
  swap(0);
  const { store, count } = make();
  const path = join(volume, '..data', 'x.yaml');
  const handle = use(store.certificate(ref({ path, watchedDirectory: volume })));
  for (const i of [1, 2, 0]) {
    swap(i);
    await until(() => chainOf(handle) === leaves[i]?.pem, `version ${i}`);
  }
  assert.equal(count('sds.x.update_success'), 4);
});

it('reads the files that a secret names when they are moved', async () => {
  const [chain, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  const put = (chainOfLeaf: TestCertificate, keyOfLeaf: TestCertificate): void => {
    moveTo(key, keyOfLeaf.keyPem);
    moveTo(chain, chainOfLeaf.pem);
  };
  put(leaves[0], leaves[0]);
  const files = { certificate_chain: { filename: chain }, private_key: { filename: key } };
  moveTo(file, response({ name: 'x', tls_certificate: files }));
  const { store, count, warnings } = make();
  const handle = use(store.certificate(ref()));
  put(leaves[1], leaves[1]);
  await until(() => chainOf(handle) === leaves[1].pem, 'both files');
  warnings.length = 0;
  moveTo(key, leaves[2].keyPem);
  await until(() => warnings.length > 0, 'a key without its certificate');
  assert.match(warnings[0] ?? '', /^Failed to reload certificates: .*KEY_VALUES_MISMATCH.*stays in use/);
  assert.equal(chainOf(handle), leaves[1].pem);
  assert.ok(count('sds.x.key_rotation_failed') > 0);
  moveTo(chain, leaves[2].pem);
  await until(() => chainOf(handle) === leaves[2].pem, 'its certificate');
  assert.equal(count('sds.x.update_attempt'), 1, 'the secret itself did not change');
});

it('refuses for all what does not fit one of them', async () => {
  const trust = (pem: string): Json =>
    response({ name: 'x', validation_context: pem === '' ? {} : { trusted_ca: { inline_string: pem } } });
  const other = makeCa('other');
  moveTo(file, trust(ca.pem));
  const { store, warnings } = make();
  const source = { kind: 'file', path: file, watchedDirectory: '' } as const;
  const plain = use(store.validation({ kind: 'sds', name: 'x', source }));
  const check = (value: ValidationSecret): string | null => (value.trustedCa === null ? 'there is no CA' : null);
  use(store.validation({ kind: 'sds', name: 'x', source, check }));
  moveTo(file, trust(''));
  await until(() => warnings.length === 1, 'refused');
  assert.match(warnings[0] ?? '', /rejected: there is no CA/);
  assert.equal(plain.current?.trustedCa?.toString(), ca.pem);
  moveTo(file, trust(other.pem));
  await until(() => plain.current?.trustedCa?.toString() === other.pem, 'a good one');
});

it('watches no longer than somebody uses it', async () => {
  moveTo(file, certificate(leaves[0]));
  const { store, count } = make();
  const first = store.certificate(ref());
  const second = store.certificate(ref());
  let told = 0;
  first.onChange(() => told++);
  first.release();
  first.release();
  moveTo(file, certificate(leaves[1]));
  await until(() => chainOf(second) === leaves[1].pem, 'the other still has it');
  assert.equal(told, 0);
  second.release();
  moveTo(file, certificate(leaves[2]));
  await quiet();
  const again = use(store.certificate(ref()));
  assert.equal(chainOf(again), leaves[2].pem);
  assert.equal(count('sds.x.update_attempt'), 1, 'it began anew');
});

it('takes a Resource around a secret, YAML, and a version', () => {
  const secret = { ...ANY, name: 'x', tls_certificate: inline(leaves[0]) };
  const resource = { '@type': 'type.googleapis.com/envoy.service.discovery.v3.Resource', name: 'x', resource: secret };
  moveTo(file, `# a comment\nversion_info: "7"\nresources: [${JSON.stringify(resource)}]\n`);
  const { store, count } = make();
  const handle = use(store.certificate(ref()));
  assert.equal(chainOf(handle), leaves[0].pem);
  // xxHash64 of the version, as Envoy shows it.
  assert.equal(count('sds.x.version'), Number(1750302349509622455n));
});
