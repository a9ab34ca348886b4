// What is kept running: started again later each time, until it is told to stop.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RunningProgram, SpawnEvents } from './spawn.ts';
import { Supervised } from './supervised.ts';

type Rig = {
  readonly supervised: Supervised;
  readonly said: string[];
  readonly kills: string[];
  readonly runs: SpawnEvents[];
  /** Lets that much time pass, and what waits for it happen. */
  pass(ms: number): Promise<void>;
};

function rig(t: TestContext, starts: 'well' | 'not' | 'later' = 'well'): Rig {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const said: string[] = [];
  const kills: string[] = [];
  const runs: SpawnEvents[] = [];
  const program: RunningProgram = {
    ...{ pid: 7, socket: null, tell: () => undefined },
    kill: (signal) => kills.push(signal),
  };
  const start = (events: SpawnEvents): RunningProgram | null | Promise<RunningProgram | null> => {
    runs.push(events);
    if (starts === 'not') events.exit(null, null, 'there is no program x');
    if (starts === 'later') return new Promise((resolve) => setTimeout(() => resolve(program), 100));
    return starts === 'not' ? null : program;
  };
  const supervised = new Supervised('x', start, {
    line: (text) => said.push(text),
    started: ({ pid }) => said.push(`runs as ${pid}`),
    ended: (how) => said.push(how),
  });
  const pass = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  return { supervised, said, kills, runs, pass };
}

test('what ends is started again, later each time up to half a minute', async (t) => {
  const { supervised, said, runs, pass } = rig(t);
  await supervised.start();
  const waits = [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
  for (const [round, waitMs] of waits.entries()) {
    runs.at(-1)?.exit(3, null, null);
    assert.equal(supervised.pid, null);
    assert.equal(supervised.trouble, 'ended with status 3');
    await pass(waitMs - 1);
    assert.equal(runs.length, round + 1, `not before ${waitMs} ms`);
    await pass(1);
    assert.equal(runs.length, round + 2, `after ${waitMs} ms`);
    assert.equal(supervised.trouble, '');
  }
  assert.equal(supervised.restarts, waits.length);
  assert.deepEqual(said.slice(0, 4), [
    ...['runs as 7', 'ended with status 3; it is started again at once', 'runs as 7'],
    'ended with status 3; it is started again at once',
  ]);
  assert.ok(said.includes('ended with status 3; it is started again in 30 s'));
});

test('who ran well for a while is started again at once', async (t) => {
  const { supervised, said, runs, pass } = rig(t);
  await supervised.start();
  for (const waitMs of [250, 500, 1000, 2000]) {
    runs.at(-1)?.exit(1, null, null);
    await pass(waitMs);
  }
  await pass(20_001);
  runs.at(-1)?.exit(null, 'SIGKILL', null);
  assert.equal(said.at(-1), 'was ended by SIGKILL; it is started again at once');
});

test('what cannot even be started is tried again', async (t) => {
  const { supervised, said, runs, pass } = rig(t, 'not');
  await supervised.start();
  assert.equal(supervised.trouble, 'there is no program x');
  await pass(250);
  assert.equal(runs.length, 2);
  assert.deepEqual(said[0], 'there is no program x; it is started again at once');
});

test('told to stop it is asked, then killed, and nothing starts it again', async (t) => {
  const { supervised, said, kills, runs, pass } = rig(t);
  await supervised.start();
  let isGone = false;
  const stopped = supervised.stop(5000).then(() => {
    isGone = true;
  });
  await pass(0);
  await pass(4999);
  assert.deepEqual([kills, isGone], [['SIGTERM'], false]);
  await pass(1);
  assert.deepEqual(kills, ['SIGTERM', 'SIGKILL']);
  runs[0]?.exit(null, 'SIGKILL', null);
  await stopped;
  await pass(60_000);
  assert.equal(runs.length, 1);
  assert.deepEqual(said, ['runs as 7'], 'that it ended is no news');
});

test('told to stop while it waits, or while it is being started', async (t) => {
  await t.test('while it waits', async (inner) => {
    const { supervised, runs, pass } = rig(inner);
    await supervised.start();
    runs[0]?.exit(0, null, null);
    await supervised.stop();
    await pass(60_000);
    assert.equal(runs.length, 1);
  });
  await t.test('while it is being started', async (inner) => {
    const { supervised, kills, runs, pass } = rig(inner, 'later');
    void supervised.start();
    let isGone = false;
    const stopped = supervised.stop().then(() => {
      isGone = true;
    });
    await pass(50);
    assert.equal(isGone, false);
    await pass(60);
    await pass(0);
    assert.equal(kills[0], 'SIGTERM');
    assert.equal(isGone, false);
    runs[0]?.exit(0, null, null);
    await stopped;
  });
});
