// Directories that editors, kubelets and people change while the source follows them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { FileWatch } from '../../net/file-watch.ts';
import { ConfigSource, MemorySource } from './config-source.ts';

const scratch = mkdtempSync(join(tmpdir(), 'heddle-source-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const service = (name: string, port = 80): string => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec:
  ports:
  - {name: http, port: ${port}, protocol: TCP}
`;

type Told = { readonly keys: string[]; readonly files: readonly string[] };

class Followed {
  readonly directory = mkdtempSync(join(scratch, 'dir-'));
  readonly told: Told[] = [];
  readonly source: ConfigSource;
  readonly #keepAlive = setInterval(() => {}, 1_000);

  constructor(files: Readonly<Record<string, string>>, path = '') {
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    this.source = new ConfigSource([{ path: join(this.directory, path), kind: 'objects' }], {
      clock: new Clock(),
      watcher: new FileWatch(),
    });
    this.source.onChange((changes, { files: changed }) => {
      const keys = [...changes].map(([key, object]) => (object === null ? `-${key}` : key));
      this.told.push({ keys, files: changed });
    });
    assert.equal(this.source.start(), null);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  get keys(): string[] {
    return [...this.source.objects().keys()].sort();
  }

  async until(holds: () => boolean): Promise<void> {
    const end = performance.now() + 5_000;
    while (!holds()) {
      assert.ok(performance.now() < end, `timed out; live are ${this.keys}, told ${JSON.stringify(this.told)}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#keepAlive);
    this.source.stop();
  }
}

describe('a directory', () => {
  test('is read with all that is below it, in the order of paths', () => {
    const directory = mkdtempSync(join(scratch, 'dir-'));
    mkdirSync(join(directory, 'b/c'), { recursive: true });
    writeFileSync(join(directory, 'z.yaml'), service('z'));
    writeFileSync(
      join(directory, 'b/c/a.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } }),
    );
    writeFileSync(join(directory, '.hidden.yaml'), service('hidden'));
    writeFileSync(join(directory, 'b/readme.md'), service('text'));
    const source = new ConfigSource([{ path: directory, kind: 'objects' }], {
      clock: new Clock(),
      watcher: new FileWatch(),
    });
    let files: readonly string[] = [];
    source.onChange((_, cause) => (files = cause.files));
    source.start();
    source.stop();
    assert.deepEqual([...source.objects().keys()], ['Namespace//n', 'Service/shop/z']);
    assert.deepEqual(
      files,
      ['b/c/a.json', 'z.yaml'].map((name) => join(directory, name)),
    );
  });

  test('tells of a file that is written, moved into place, and deleted', async () => {
    using followed = new Followed({ 'a.yaml': service('a') });
    followed.write('b.yaml', service('b'));
    await followed.until(() => followed.keys.length === 2);
    followed.write('b.yaml.tmp', service('b', 81));
    renameSync(followed.path('b.yaml.tmp'), followed.path('b.yaml'));
    await followed.until(() => JSON.stringify(followed.source.objects().get('Service/shop/b')?.spec).includes('81'));
    unlinkSync(followed.path('a.yaml'));
    await followed.until(() => followed.keys.length === 1);
    assert.deepEqual(followed.told.at(-1)?.keys, ['-Service/shop/a']);
  });

  test('notices a change at once', async () => {
    using followed = new Followed({ 'a.yaml': service('a') });
    const times: number[] = [];
    for (let round = 1; round <= 5; round++) {
      const told = followed.told.length;
      followed.write('a.yaml', service('a', round));
      const start = performance.now();
      await followed.until(() => followed.told.length > told);
      times.push(performance.now() - start);
    }
    assert.ok(Math.min(...times) < 60, `took ${times}`);
  });

  test('follows directories that come and go', async () => {
    using followed = new Followed({});
    mkdirSync(followed.path('x/y'), { recursive: true });
    followed.write('x/y/a.yaml', service('a'));
    await followed.until(() => followed.keys.length === 1);
    followed.write('x/y/b.yaml', service('b'));
    await followed.until(() => followed.keys.length === 2);
    renameSync(followed.path('x'), followed.path('w'));
    await followed.until(() => followed.source.positionOf('Service/shop/a')?.file.includes('/w/') === true);
    rmSync(followed.path('w'), { recursive: true });
    await followed.until(() => followed.keys.length === 0);
  });

  test('that is gone keeps what it said, and is followed when it is back', async () => {
    using followed = new Followed({});
    mkdirSync(followed.path('root'));
    followed.write('root/a.yaml', service('a'));
    followed.write('root/b.yaml', service('b'));
    using own = new Followed({}, `../${basename(followed.directory)}/root`);
    const before = ['Service/shop/a', 'Service/shop/b'];
    rmSync(followed.path('root'), { recursive: true });
    await own.until(() => own.source.findings().some(({ message }) => message.startsWith('it is gone')));
    assert.deepEqual(own.keys, before);
    mkdirSync(followed.path('root'));
    followed.write('root/a.yaml', service('a'));
    await own.until(() => own.keys.length === 1);
    assert.deepEqual(own.source.findings(), []);
    followed.write('root/c.yaml', service('c'));
    await own.until(() => own.keys.includes('Service/shop/c'));
    // Another directory in its place.
    mkdirSync(followed.path('other'));
    followed.write('other/d.yaml', service('d'));
    renameSync(followed.path('root'), followed.path('old'));
    renameSync(followed.path('other'), followed.path('root'));
    await own.until(() => own.keys.join() === 'Service/shop/d');
    followed.write('root/e.yaml', service('e'));
    await own.until(() => own.keys.includes('Service/shop/e'));
  });

  test('of another in place of one below is followed, too', async () => {
    using followed = new Followed({});
    for (const name of ['x', 'y']) mkdirSync(followed.path(name));
    followed.write('x/a.yaml', service('a'));
    followed.write('y/b.yaml', service('b'));
    await followed.until(() => followed.keys.length === 2);
    renameSync(followed.path('x'), followed.path('.x'));
    renameSync(followed.path('y'), followed.path('x'));
    await followed.until(() => followed.keys.join() === 'Service/shop/b');
    followed.write('x/c.yaml', service('c'));
    await followed.until(() => followed.keys.length === 2);
  });

  test('with what is no file in place of one keeps its last version, and does not wait for it', async () => {
    using followed = new Followed({ 'a.yaml': service('a'), 'b.yaml': service('b'), 'c.yaml': service('c') });
    const error = (name: string): string | undefined =>
      followed.source.findings().find(({ file }) => file.endsWith(name))?.message;
    unlinkSync(followed.path('a.yaml'));
    execFileSync('mkfifo', [followed.path('a.yaml')]);
    await followed.until(() => error('a.yaml') === 'it is no regular file');
    unlinkSync(followed.path('b.yaml'));
    symlinkSync(followed.path('b.yaml'), followed.path('b.yaml'));
    await followed.until(() => /cannot be read/.test(error('b.yaml') ?? ''));
    assert.deepEqual(
      followed.keys,
      ['a', 'b', 'c'].map((name) => `Service/shop/${name}`),
    );
    unlinkSync(followed.path('c.yaml'));
    mkdirSync(followed.path('c.yaml'));
    followed.write('c.yaml/d.yaml', service('d'));
    await followed.until(() => followed.keys.includes('Service/shop/d') && followed.keys.length === 3);
    unlinkSync(followed.path('a.yaml'));
    followed.write('a.yaml', service('z'));
    await followed.until(() => followed.keys.includes('Service/shop/z') && !followed.keys.includes('Service/shop/a'));
    assert.equal(error('a.yaml'), undefined);
  });

  test("follows the kubelet's swap of a link", async () => {
    using followed = new Followed({});
    mkdirSync(followed.path('..1'));
    followed.write('..1/a.yaml', service('a'));
    symlinkSync('..1', followed.path('..data'));
    symlinkSync('..data/a.yaml', followed.path('a.yaml'));
    await followed.until(() => followed.keys.length === 1);
    mkdirSync(followed.path('..2'));
    followed.write('..2/a.yaml', service('a', 99));
    symlinkSync('..2', followed.path('..tmp'));
    renameSync(followed.path('..tmp'), followed.path('..data'));
    await followed.until(() => JSON.stringify(followed.source.objects().get('Service/shop/a')?.spec).includes('99'));
  });

  test('does not flicker while a file is written in place', async () => {
    using followed = new Followed({ 'a.yaml': service('a') });
    const told = followed.told.length;
    followed.write('a.yaml', '');
    await new Promise((resolve) => setTimeout(resolve, 25));
    followed.write('a.yaml', service('a', 81));
    await followed.until(() => followed.told.length > told);
    assert.deepEqual(
      followed.told.slice(told).map(({ keys }) => keys),
      [['Service/shop/a']],
    );
  });

  test('may be one file', async () => {
    using followed = new Followed(
      { 'bundle.yaml': `${service('a')}---\n${service('b')}`, 'c.yaml': service('c') },
      'bundle.yaml',
    );
    assert.deepEqual(followed.keys, ['Service/shop/a', 'Service/shop/b']);
    followed.write('c.yaml', service('c', 2));
    followed.write('bundle.yaml', service('b'));
    await followed.until(() => followed.keys.length === 1);
  });
});

describe('objects', () => {
  const keysOf = (source: MemorySource): string[] => [...source.objects().keys()].sort();

  test('of two files that define the same: the first stays, the error names both', () => {
    const source = new MemorySource({ 'a.yaml': service('x', 1), 'b.yaml': `# two\n---\n${service('x', 2)}` });
    source.start();
    assert.deepEqual(source.objects().get('Service/shop/x')?.spec, {
      ports: [{ name: 'http', port: 1, protocol: 'TCP' }],
    });
    const [finding, ...more] = source.findings();
    assert.equal(more.length, 0);
    assert.equal(finding?.file, 'b.yaml');
    assert.equal(finding?.line, 3);
    assert.match(finding?.message ?? '', /defined in a\.yaml:1 and again in b\.yaml/);
    source.write({ 'a.yaml': null });
    assert.deepEqual(source.objects().get('Service/shop/x')?.spec, {
      ports: [{ name: 'http', port: 2, protocol: 'TCP' }],
    });
    assert.deepEqual(source.findings(), []);
    // Who was there first keeps it, whatever the names.
    source.write({ 'a.yaml': service('x', 3) });
    assert.deepEqual(source.objects().get('Service/shop/x')?.spec, {
      ports: [{ name: 'http', port: 2, protocol: 'TCP' }],
    });
  });

  test('of a file that does not parse stay as they were', () => {
    const source = new MemorySource({ 'a.yaml': `${service('a')}---\n${service('b')}---\n${service('c')}` });
    source.start();
    source.write({ 'a.yaml': `${service('a', 5)}---\n${service('b')}  - bad: [\n---\n` });
    assert.deepEqual(keysOf(source), ['Service/shop/a', 'Service/shop/b', 'Service/shop/c']);
    assert.deepEqual(source.objects().get('Service/shop/a')?.spec, {
      ports: [{ name: 'http', port: 5, protocol: 'TCP' }],
    });
    const [finding] = source.findings();
    assert.equal(finding?.severity, 'error');
    assert.ok((finding?.line ?? 0) >= 14, JSON.stringify(finding));
    source.write({ 'a.yaml': service('a', 5) });
    assert.deepEqual(keysOf(source), ['Service/shop/a']);
    assert.deepEqual(source.findings(), []);
  });

  test('are told only when they differ', () => {
    const source = new MemorySource({ 'a.yaml': service('a') });
    const told: string[][] = [];
    source.onChange((changes) => told.push([...changes.keys()]));
    source.start();
    source.write({ 'a.yaml': `# a comment\n${service('a')}` });
    source.write({ 'a.yaml': null, 'b.yaml': service('a') });
    source.write({ 'b.yaml': service('a', 7) });
    assert.deepEqual(told, [['Service/shop/a'], [], [], ['Service/shop/a']]);
  });

  test('have a place, and so have their fields', () => {
    const item = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n', labels: { a: 'b' } } });
    const text = `---\n${service('a')}---\napiVersion: v1\nkind: List\nitems:\n- ${item}\n`;
    const source = new MemorySource({ 'a.yaml': text });
    source.start();
    assert.deepEqual(source.positionOf('Service/shop/a'), { file: 'a.yaml', line: 2, column: 1 });
    assert.deepEqual(source.positionOf('Service/shop/a', 'spec.ports[0].port'), {
      file: 'a.yaml',
      line: 7,
      column: 18,
    });
    assert.deepEqual(source.positionOf('Namespace//n', 'metadata.labels'), { file: 'a.yaml', line: 12, column: 64 });
    assert.equal(source.positionOf('Service/shop/none'), null);
  });

  test('of mesh configuration are found in all three forms', () => {
    const mesh = 'trustDomain: a.example\n';
    const map = `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    rootNamespace: x
    ${mesh}`;
    const operator = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: i}
spec:
  meshConfig:
    ${mesh}`;
    for (const files of [{ 'mesh.yaml': mesh }, { 'm.yaml': map }, { 'o.yaml': operator }]) {
      const source = new MemorySource(files);
      source.start();
      assert.equal(source.objects().get('MeshConfig//mesh')?.spec['trustDomain'], 'a.example', JSON.stringify(files));
    }
    const source = new MemorySource({ 'm.yaml': map });
    source.start();
    assert.deepEqual(source.positionOf('MeshConfig//mesh', 'spec.trustDomain'), { file: 'm.yaml', line: 7, column: 5 });
  });
});
