// What goes wrong while a mesh starts or runs: it is said once and clearly, and everything else keeps running.
import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import {
  directoryWith,
  get,
  getUntil,
  leftBehind,
  markedProcesses,
  run,
  start,
  TO_WEB,
  WEB,
  webManifest,
} from './mesh-rig.ts';

const TROUBLE = `  ghost: { command: there-is-no-such-program --serve }
  lost: { command: sleep 1000, directory: nowhere }
  brief: { command: [sh, -c, "echo bye; exit 3"] }
  mute: { command: sleep 1000, ports: [{ port: 7000 }] }
  sick: { command: node web.mjs, ports: [{ port: 7001 }], health: { command: "false" } }
`;

test('programs that do not start, end at once or never get ready: told by name, and the rest runs', async (t) => {
  const port = await freePort();
  const files = { 'heddle.yaml': webManifest(port, TROUBLE), 'web.mjs': WEB, 'mesh/web.yaml': TO_WEB };
  const directory = directoryWith(t, files);
  const mesh = start(t, ['up', directory, '--timeout', '10s']);
  await mesh.said(
    /^ghost-1 +\| there is no program there-is-no-such-program \(on PATH, seen from \S+\); it is started again/m,
  );
  await mesh.said(/^lost-1 +\| there is no directory \S+\/nowhere to run sleep in; it is started again/m);
  await mesh.said(/^brief-1 +\| bye\n(?:.*\n)*?brief-1 +\| ended with status 3; it is started again at once/m);
  match((await getUntil(port, ({ status }) => status === 200)).body, /^hello \d+\n$/);
  await mesh.said(/^mute-1 +\| is not ready yet: port 7000: ECONNREFUSED; see heddle logs mute-1/m);
  await mesh.said(/^sick-1 +\| is not ready yet: false ends with 1; see heddle logs sick-1/m);
  await mesh.said(/^ghost-1 +\| is not ready yet: there is no program/m);
  // Later each time.
  await mesh.said(/^brief-1 +\| ended with status 3; it is started again in 1 s/m);
  await mesh.said(/^brief-1 +\| ended with status 3; it is started again in 2 s/m);
  doesNotMatch(mesh.printed, / is up: /);
  const logs = await run(t, ['logs', 'ghost', '--dir', directory]);
  match(logs.stdout, /heddle: there is no program there-is-no-such-program/);
  equal((await get(port)).status, 200);
  deepEqual(await mesh.stop(), { code: 0, signal: null });
  deepEqual(await leftBehind(directory), []);
});

test('--detach tells who is late when the time is over, and why a mesh ended', async (t) => {
  const text = 'workloads:\n  mute: { command: sleep 1000, ports: [{ port: 7000 }] }\n';
  const directory = directoryWith(t, { 'heddle.yaml': text });
  t.after(() => run(t, ['down', directory]));
  const isLate = /^mute-1 +\| is not ready yet: port 7000: ECONNREFUSED; see heddle logs mute-1\n/;
  // Long enough for everything else to be started: on a busy machine that may take long.
  for (const seconds of [6, 40]) {
    const late = await run(t, ['up', '-dv', '--timeout', `${seconds}s`, directory]);
    equal(late.code, 1);
    match(late.stderr, /heddle: it is not ready after \d+ s and goes on[^\n]*heddle down ends it\n$/);
    if (isLate.test(late.stderr)) break;
    equal(seconds, 6, late.stderr);
    equal((await run(t, ['down', directory])).code, 0);
  }
  const status = await run(t, ['status', '--dir', directory]);
  equal(status.code, 0);
  const down = await run(t, ['down', directory], { cwd: '/' });
  equal(down.code, 0);
  equal(down.stdout, `the mesh of ${directory} is down\n`);
  deepEqual(await leftBehind(directory), []);
  // One that cannot be started says why, on the terminal.
  writeFileSync(join(directory, 'heddle.yaml'), 'workloads: 7\n');
  const refused = await run(t, ['up', '-d', directory]);
  equal(refused.code, 1);
  match(refused.stderr, /heddle\.yaml:1:1: workloads is a map from names to settings, not 7\n$/);
  deepEqual(await leftBehind(directory), []);
});

test('ports of this machine that somebody has: others are used, and said', async (t) => {
  const [port, page] = [await freePort(), await freePort()];
  const servers = [port, page].map((taken) => createServer().listen(taken, '127.0.0.1'));
  t.after(() => {
    for (const server of servers) server.close();
  });
  const files = { 'heddle.yaml': webManifest(port), 'web.mjs': WEB, 'mesh/web.yaml': TO_WEB };
  const directory = directoryWith(t, files);
  const mesh = start(t, ['up', directory, '--page-port', String(page)]);
  await mesh.ready();
  const words = new RegExp(`^ingress +\\| port ${port} is taken by another program; (\\d+) is used in its place$`, 'm');
  const [, chosen = ''] = await mesh.said(words);
  await mesh.said(new RegExp(`application +http://localhost:${chosen}/`));
  equal((await get(Number(chosen))).status, 200);
  const [, shown = ''] = await mesh.said(/mesh +http:\/\/127\.0\.0\.1:(\d+)\/#token=/);
  ok(Number(shown) !== page);
  // What no page or token protects is nobody's business.
  equal((await get(Number(shown), '/api/v1/objects')).status, 401);
  equal((await mesh.stop()).code, 0);
});

test('YAML that breaks while the mesh runs is told with its place, and the last good stays', async (t) => {
  const port = await freePort();
  const files = { 'heddle.yaml': webManifest(port), 'web.mjs': WEB, 'mesh/web.yaml': TO_WEB };
  const directory = directoryWith(t, files);
  const path = join(directory, 'mesh/web.yaml');
  const mesh = start(t, ['up', directory]);
  await mesh.ready();
  equal((await get(port)).status, 200);
  const broken: readonly (readonly [string, RegExp])[] = [
    [TO_WEB.replace("hosts: ['*']\n", "hosts: ['*'\n"), /control +\| \S+\/mesh\/web\.yaml:\d+:\d+: /],
    [
      TO_WEB.replace('destination: { host: web }', 'destination: 7'),
      /control +\| \S+\/mesh\/web\.yaml:14:\d+: VirtualService\/default\/web: spec\.http\[0\]\.route\[0\]\.destination/,
    ],
  ];
  for (const [text, words] of broken) {
    writeFileSync(path, text);
    await mesh.said(words, 10_000);
    await sleep(300);
    equal((await get(port)).status, 200);
  }
  const answer = "http: [{ directResponse: { status: 203, body: { string: 'mended' } } }]";
  writeFileSync(path, TO_WEB.replace(/http: .*/, answer));
  deepEqual(await getUntil(port, ({ status }) => status === 203), { status: 203, body: 'mended' });
  rmSync(path);
  equal((await getUntil(port, ({ status }) => status !== 203)).status === 203, false);
  equal((await mesh.stop()).code, 0);
});

const QUICK = `workloads:
  quick: { command: sleep 1000 }
`;
const DEAF = `${QUICK}  deaf: { command: [sh, -c, "trap '' TERM INT HUP; while :; do sleep 1; done"] }
`;

test('SIGTERM and Ctrl-C end everything in order with status 0, also a program that does not listen', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const isDeaf = signal === 'SIGINT';
    const directory = directoryWith(t, { 'heddle.yaml': isDeaf ? DEAF : QUICK });
    const mesh = start(t, ['up', directory, '--capture', isDeaf ? 'explicit' : 'auto']);
    await mesh.ready();
    const beganMs = Date.now();
    // As a terminal does: to the whole group of processes.
    process.kill(-mesh.pid, signal);
    deepEqual(await mesh.end, { code: 0, signal: null }, mesh.printed);
    const tookMs = Date.now() - beganMs;
    ok(tookMs < 10_000, `${signal} took ${tookMs} ms`);
    deepEqual(await leftBehind(directory), []);
  }
});

test('a second Ctrl-C ends everything at once, and so does one before anything is ready', async (t) => {
  const directory = directoryWith(t, { 'heddle.yaml': DEAF });
  const mesh = start(t, ['up', directory, '--capture', 'explicit']);
  await mesh.ready();
  process.kill(-mesh.pid, 'SIGINT');
  await sleep(500);
  ok(markedProcesses().length > 0, 'the deaf one has its time');
  const beganMs = Date.now();
  process.kill(-mesh.pid, 'SIGINT');
  await mesh.end;
  ok(Date.now() - beganMs < 2000);
  deepEqual(await leftBehind(directory), []);
  for (const afterMs of [150, 400, 800]) {
    const early = start(t, ['up', directory]);
    await sleep(afterMs);
    process.kill(-early.pid, 'SIGINT');
    await early.end;
    deepEqual(await leftBehind(directory), [], `after ${afterMs} ms`);
  }
});

test('whoever reads the output may go: the mesh ends in order with the next line', async (t) => {
  const talker = 'workloads:\n  talker: { command: [sh, -c, "while :; do echo hello; sleep 0.1; done"] }\n';
  const directory = directoryWith(t, { 'heddle.yaml': talker });
  const mesh = start(t, ['up', directory]);
  await mesh.ready();
  mesh.child.stdout?.destroy();
  deepEqual(await mesh.end, { code: 0, signal: null });
  deepEqual(await leftBehind(directory), []);
});
