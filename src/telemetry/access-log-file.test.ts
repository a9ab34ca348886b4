// The sink of access logs: buffering, flushing, reopening, limits.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, read, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Clock } from '../base/clock.ts';
import { allocateSharedMemory, SharedMemory } from '../base/shared-memory.ts';
import { AccessLogFile, AccessLogFiles } from './access-log-file.ts';
import { StatStore } from './metrics.ts';

function setUp(t: { after(done: () => void): void }, maxBufferedBytes?: number) {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-log-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const clock = new Clock({ manual: true });
  const store = new StatStore();
  const files = new AccessLogFiles({ clock, store, ...(maxBufferedBytes === undefined ? {} : { maxBufferedBytes }) });
  const path = join(directory, 'access.log');
  const file = files.open(path);
  assert.ok(file instanceof AccessLogFile);
  const stat = (name: string): number => store.find(`filesystem.${name}`) ?? -1;
  const drain = (): Promise<void> => new Promise((done) => files.drain(done));
  return { clock, store, files, path, file, stat, drain, directory };
}

test('lines leave at the flush interval, as bytes', async (t) => {
  const { clock, file, path, stat, drain } = setUp(t);
  file.write('caf\xc3\xa9\n');
  file.write('two\n');
  assert.equal(stat('write_buffered'), 2);
  assert.equal(stat('write_total_buffered'), 10);
  clock.advance(9_000);
  assert.equal(readFileSync(path, 'utf8'), '');
  clock.advance(1_100);
  assert.equal(stat('flushed_by_timer'), 1);
  await drain();
  assert.equal(readFileSync(path, 'utf8'), 'café\ntwo\n');
  assert.equal(stat('write_completed'), 1);
  assert.equal(stat('write_total_buffered'), 0);
});

test('64 KiB leave at once and order is kept', async (t) => {
  const { file, path, drain, stat } = setUp(t);
  let expected = '';
  for (let i = 0; i < 3000; i++) {
    const line = `${i} ${'x'.repeat(90)}\n`;
    expected += line;
    file.write(line);
  }
  await drain();
  assert.equal(readFileSync(path, 'latin1'), expected);
  assert.ok(stat('write_completed') >= 2);
});

test('one object per path; reopening moves on after what was buffered', async (t) => {
  const { files, file, path, drain } = setUp(t);
  assert.equal(files.open(path), file);
  file.write('old\n');
  renameSync(path, `${path}.1`);
  files.reopen();
  await drain();
  file.write('new\n');
  files.flushSync();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'old\n');
  assert.equal(readFileSync(path, 'utf8'), 'new\n');
});

test('reopening and draining do not wait for lines that come later', async (t) => {
  const { files, file, path, directory } = setUp(t);
  file.write('first\n');
  renameSync(path, join(directory, 'moved'));
  files.reopen();
  let drained = false;
  files.drain(() => {
    drained = true;
  });
  for (let i = 0; i < 2000 && !drained; i++) {
    file.write(`${i}\n`);
    files.drain(() => {});
    await sleep(1);
  }
  assert.equal(drained, true);
  await new Promise<void>((done) => files.drain(done));
  assert.match(readFileSync(join(directory, 'moved'), 'utf8'), /^first\n/);
  assert.match(readFileSync(path, 'utf8'), /\d+\n$/);
});

test('beyond the limit lines are dropped and counted', async (t) => {
  const { file, path, drain, stat } = setUp(t, 100);
  for (let i = 0; i < 30; i++) file.write('123456789\n');
  assert.equal(stat('write_dropped'), 19);
  await drain();
  assert.equal(readFileSync(path, 'utf8').length, 110);
});

test('a reader that stalls costs no line below the limit, and no order', { timeout: 20_000 }, async (t) => {
  const { directory } = setUp(t);
  const path = join(directory, 'slow');
  execFileSync('mkfifo', [path]);
  // Open for both, so that neither end waits for the other.
  const reader = openSync(path, 'r+');
  const store = new StatStore();
  const files = new AccessLogFiles({ clock: new Clock(), store, flushBytes: 4_000, maxBufferedBytes: 2_000_000 });
  const file = files.open(path);
  assert.ok(file instanceof AccessLogFile);
  let expected = '';
  // Far more than a pipe takes.
  for (let i = 0; i < 10_000; i++) {
    const line = `${i}${' '.repeat(90)}\n`;
    file.write(line);
    expected += line;
  }
  await sleep(100);
  assert.equal(store.find('filesystem.write_dropped'), 0);
  const drained = new Promise<void>((done) => files.drain(done));
  let text = '';
  const chunk = Buffer.alloc(100_000);
  const readSome = promisify(read);
  while (text.length < expected.length) {
    const { bytesRead } = await readSome(reader, chunk, 0, chunk.length, null);
    text += chunk.latin1Slice(0, bytesRead);
  }
  await drained;
  closeSync(reader);
  assert.ok(text === expected);
  assert.equal(store.find('filesystem.write_dropped'), 0);
  assert.equal(store.find('filesystem.write_total_buffered'), 0);
});

test('a path that cannot be opened says why', (t) => {
  const { files, directory } = setUp(t);
  const path = join(directory, 'no', 'file');
  assert.equal(files.open(path), `unable to open file '${path}': No such file or directory`);
});

test('workers that append to one pipe do not mix their lines', { timeout: 20_000 }, async (t) => {
  const { directory } = setUp(t);
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  // Open for both, so that neither end waits for the other.
  const reader = openSync(path, 'r+');
  const memory = allocateSharedMemory(3);
  const clock = new Clock();
  const workers = [1, 2].map((owner) => {
    const files = new AccessLogFiles({
      clock,
      store: new StatStore(),
      flushBytes: 100_000,
      shared: new SharedMemory(memory, owner, 3),
    });
    const file = files.open(path);
    assert.ok(file instanceof AccessLogFile);
    return { owner, files, file };
  });
  let expected = 0;
  for (const { owner, file } of workers) {
    for (let i = 0; i < 100; i++) {
      const line = `${String(owner).repeat(3_000)}\n`;
      file.write(line);
      expected += line.length;
    }
  }
  const drained = Promise.all(workers.map(({ files }) => new Promise<void>((done) => files.drain(done))));
  let text = '';
  const chunk = Buffer.alloc(10_000);
  const readSome = promisify(read);
  while (text.length < expected) {
    const { bytesRead } = await readSome(reader, chunk, 0, chunk.length, null);
    text += chunk.latin1Slice(0, bytesRead);
  }
  await drained;
  closeSync(reader);
  assert.equal(text.length, expected);
  for (const line of text.trimEnd().split('\n')) assert.match(line, /^(1{3000}|2{3000})$/);
});
