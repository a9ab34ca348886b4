// Several roots at once: their order, directories of applications, and overlays.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { FileWatch } from '../../net/file-watch.ts';
import { type ConfigRoot, ConfigSource } from './config-source.ts';

const scratch = mkdtempSync(join(tmpdir(), 'heddle-roots-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const account = (name: string, label = 'x'): string =>
  `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ${name}, labels: {a: ${label}}}\n`;

class Place {
  readonly directory = mkdtempSync(join(scratch, 'dir-'));
  readonly #keepAlive = setInterval(() => {}, 1_000);
  #source: ConfigSource | null = null;

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(this.directory, name, '..'), { recursive: true });
      writeFileSync(join(this.directory, name), text);
    }
  }

  start(...roots: readonly (readonly [string, ConfigRoot['kind']])[]): ConfigSource {
    const paths = roots.map(([name, kind]) => ({ path: join(this.directory, name), kind }));
    this.#source = new ConfigSource(paths, { clock: new Clock(), watcher: new FileWatch() });
    assert.equal(this.#source.start(), null);
    return this.#source;
  }

  /** Names and labels of what is live. */
  get live(): string {
    const objects = [...(this.#source?.objects().values() ?? [])];
    return objects
      .map(({ name, labels }) => `${name}=${labels['a']}`)
      .sort()
      .join(' ');
  }

  async until(expected: string): Promise<void> {
    const end = performance.now() + 5_000;
    while (this.live !== expected) {
      assert.ok(performance.now() < end, `${this.live} instead of ${expected}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#keepAlive);
    this.#source?.stop();
  }
}

test('roots are read in their order, told once, and each is followed', async () => {
  using place = new Place();
  place.write({ 'b/x.yaml': account('one', 'b'), 'a/x.yaml': account('one', 'a'), 'a/y.json': '' });
  let told = 0;
  const source = new ConfigSource(
    ['b', 'a'].map((name) => ({ path: join(place.directory, name), kind: 'objects' as const })),
    { clock: new Clock(), watcher: new FileWatch() },
  );
  source.onChange(() => told++);
  source.start();
  source.stop();
  assert.equal(told, 1);
  const followed = place.start(['b', 'objects'], ['a', 'objects']);
  assert.equal(place.live, 'one=b');
  const [finding] = followed.findings();
  assert.match(finding?.message ?? '', /is defined in \S+\/b\/x\.yaml:1 and again in \S+\/a\/x\.yaml; the first stays/);
  place.write({ 'a/z.yaml': account('two', 'a') });
  await place.until('one=b two=a');
  rmSync(join(place.directory, 'b/x.yaml'));
  await place.until('one=a two=a');
});

test('of the directory of an application only YAML with objects counts', async () => {
  using place = new Place();
  place.write({
    'app/mesh/one.yml': account('one'),
    'app/heddle.yaml': 'workloads: {}\n',
    'app/package.json': '{"name": "app"}',
    'app/tsconfig.json': '{ // a comment\n}',
    'app/node_modules/p/k.yaml': account('three'),
    'app/deep/node_modules/p/k.yaml': account('four'),
    'app/openapi.yaml': 'openapi: 3.1.0\n---\n- 1\n---\nmetadata: {}\n',
    'app/.heddle/objects/o.yaml': account('five'),
  });
  const source = place.start(['app', 'application']);
  assert.equal(place.live, 'one=x');
  assert.deepEqual(
    source.findings().map(({ severity, file, line }) => [severity, file.slice(place.directory.length), line]),
    [['information', '/app/openapi.yaml', 1]],
  );
  // What claims to be an object is held to it, as everywhere.
  place.write({ 'app/broken.yaml': 'kind: Service\nmetadata: {name: x}\n', 'app/two.yaml': account('two') });
  await place.until('one=x two=x');
  assert.match(
    source
      .findings()
      .map(({ message }) => message)
      .join(),
    /apiVersion is missing/,
  );
  // Nothing of these is looked into when it comes later either.
  place.write({ 'app/late/node_modules/p.yaml': account('six'), 'app/late/seven.yaml': account('seven') });
  await place.until('one=x seven=x two=x');
});

test('an overlay is made for its owner, and followed', async () => {
  using place = new Place();
  place.write({ 'app/one.yaml': account('one') });
  place.start(['app', 'application'], ['app/.heddle/objects', 'overlay']);
  assert.equal(statSync(join(place.directory, 'app/.heddle/objects')).mode & 0o777, 0o700);
  place.write({ 'app/.heddle/objects/two.yaml': account('two', 'o') });
  await place.until('one=x two=o');
  rmSync(join(place.directory, 'app/.heddle/objects/two.yaml'));
  await place.until('one=x');
});
