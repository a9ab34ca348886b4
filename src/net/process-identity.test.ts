// A process is told from a later one of its number.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { isAlive, startOf } from './process-identity.ts';

test('the start of a process is its own, and stays', async (t) => {
  const own = startOf(process.pid);
  assert.notEqual(own, '');
  assert.equal(startOf(process.pid), own);
  assert.ok(isAlive(process.pid, own));
  assert.ok(isAlive(process.pid, ''), 'where nothing is known the number decides');
  assert.ok(!isAlive(process.pid, `${own}1`), 'another one');
  const child = spawn('sleep', ['1000']);
  t.after(() => child.kill('SIGKILL'));
  const pid = child.pid as number;
  assert.notEqual(startOf(pid), own);
  assert.ok(isAlive(pid, startOf(pid)));
  const gone = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  assert.ok(!isAlive(pid, ''));
  assert.equal(startOf(pid), '');
});

test('numbers that are none', () => {
  for (const pid of [0, -1, Number.NaN]) assert.ok(!isAlive(pid, ''));
});
