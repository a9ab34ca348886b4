// Logs of programs: lines in order, a file that does not grow for ever, and a disk that is full.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogFile } from './log-file.ts';

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-log-file-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'logs/a.log');
}

test('lines are written together, in order, after what was there, for their owner alone', async (t) => {
  const path = place(t);
  mkdirSync(join(path, '..'));
  writeFileSync(path, 'before\n');
  const log = new LogFile(path, assert.fail);
  for (const line of ['one', '', 'zwei ü']) log.line(line);
  assert.equal(readFileSync(path, 'utf8'), 'before\n');
  await sleep(200);
  assert.equal(readFileSync(path, 'utf8'), 'before\none\n\nzwei ü\n');
  rmSync(path);
  log.line('anew');
  log.flush();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a file that is large is put aside, once', (t) => {
  const path = place(t);
  mkdirSync(join(path, '..'));
  const line = 'x'.repeat(1024 * 1024 - 1);
  const log = new LogFile(path, assert.fail);
  for (let megabytes = 0; megabytes < 40; megabytes++) {
    log.line(line);
    log.flush();
  }
  assert.ok(statSync(path).size <= 17 * 1024 * 1024);
  assert.equal(statSync(`${path}.1`).size, 17 * 1024 * 1024);
  assert.ok(!existsSync(`${path}.2`));
});

test('what cannot be written is told once, and again only after it worked', (t) => {
  const path = place(t);
  const problems: string[] = [];
  const log = new LogFile(path, (problem) => problems.push(problem));
  for (let round = 0; round < 5; round++) {
    log.line('lost');
    log.flush();
  }
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /\/a\.log: ENOENT.*; lines are lost meanwhile$/);
  mkdirSync(join(path, '..'));
  log.line('kept');
  log.flush();
  assert.equal(readFileSync(path, 'utf8'), 'kept\n');
  rmSync(join(path, '..'), { recursive: true });
  log.line('lost');
  log.flush();
  assert.equal(problems.length, 2);
});

test('more than can be held between two writes is lost, not kept in memory', (t) => {
  const path = place(t);
  mkdirSync(join(path, '..'));
  const log = new LogFile(path, assert.fail);
  for (let round = 0; round < 100; round++) log.line('y'.repeat(100_000));
  log.flush();
  const { size } = statSync(path);
  assert.ok(size > 4_000_000 && size < 4_500_000, String(size));
});
