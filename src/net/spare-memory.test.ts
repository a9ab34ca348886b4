// Memory that is given back: how much that is, and that everything works afterwards.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const MODULE = join(import.meta.dirname, 'spare-memory.ts');
const NATIVE = join(import.meta.dirname, 'native.ts');

/** Runs a script in a process of its own; what it prints as JSON. */
async function run(script: string): Promise<Record<string, number>> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, number>;
}

const MEASURE = `
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
const fileKb = () => Number.parseInt(readFileSync('/proc/self/status', 'utf8').split('RssFile:')[1]);
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));
const spin = async () => {
  for (const end = performance.now() + 20; performance.now() < end; );
  await pause(1);
};
const work = async (ms, isOver = () => false) => {
  for (const end = performance.now() + ms; performance.now() < end && !isOver(); ) await spin();
};
const LONG_MS = 30_000;
`;

test('pages of the program go, and come back when they are needed', {
  skip: process.platform !== 'linux',
}, async () => {
  const told = await run(`${MEASURE}
    import { giveBackMemory } from ${JSON.stringify(MODULE)};
    import { nativeProblem } from ${JSON.stringify(NATIVE)};
    if (nativeProblem() !== null) throw new Error(nativeProblem());
    const before = fileKb();
    giveBackMemory();
    const after = fileKb();
    const sum = [1, 2, 3].map((n) => createHash('sha256').update(String(n)).digest('hex').length).join();
    console.log(JSON.stringify({ before, after, isWhole: Number(sum === '64,64,64'), gc: Number('gc' in globalThis) }));
  `);
  const { before = 0, after = 0, isWhole, gc } = told;
  assert.ok(after < before / 2, `${before} kB of files before, ${after} after`);
  assert.deepEqual({ isWhole, gc }, { isWhole: 1, gc: 0 });
});

test('it waits for readiness and quiet, and happens once', { skip: process.platform !== 'linux' }, async () => {
  const {
    busy = 0,
    unready = 0,
    quiet = 0,
    later = 0,
  } = await run(`${MEASURE}
    import { giveBackWhenQuiet } from ${JSON.stringify(MODULE)};
    let isReady = false;
    giveBackWhenQuiet(() => isReady, 500, 500);
    await pause(1100);
    const unready = fileKb();
    isReady = true;
    await work(1100);
    const busy = fileKb();
    for (const end = performance.now() + LONG_MS; performance.now() < end && fileKb() > 0.7 * busy; ) await pause(100);
    const quiet = fileKb();
    for (let i = 0; i < 50; i++) createHash('sha256').update('x').digest();
    const touched = fileKb();
    await pause(1100);
    console.log(JSON.stringify({ unready, busy, quiet, touched, later: Number(fileKb() >= touched) }));
  `);
  assert.ok(busy > 0.9 * unready, `${unready} kB before, ${busy} while busy`);
  assert.ok(quiet < 0.7 * busy, `${busy} kB while busy, ${quiet} when quiet`);
  assert.equal(later, 1);
});

test('pages that only starting touched go once it is over, also under work', {
  skip: process.platform !== 'linux',
}, async () => {
  const {
    starting = 0,
    started = 0,
    then = 0,
  } = await run(`${MEASURE}
    import { dropPagesOnceStarted } from ${JSON.stringify(MODULE)};
    let isReady = false;
    dropPagesOnceStarted(() => isReady, 150);
    await work(700);
    const starting = fileKb();
    isReady = true;
    await work(LONG_MS, () => fileKb() < 0.7 * starting);
    const started = fileKb();
    for (let i = 0; i < 50; i++) createHash('sha256').update('x').digest();
    const touched = fileKb();
    await work(500);
    console.log(JSON.stringify({ starting, started, then: Number(fileKb() >= touched) }));
  `);
  assert.ok(started < 0.7 * starting, `${starting} kB while it starts, ${started} afterwards`);
  assert.equal(then, 1);
});
