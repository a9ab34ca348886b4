// Edits of heddle.yaml while the mesh runs: what changed is done and said, the rest stays, and mistakes change nothing.
import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import {
  commandOf,
  directoryWith,
  get,
  getUntil,
  leftBehind,
  markedProcesses,
  start,
  TO_WEB,
  WEB,
} from './mesh-rig.ts';

type Web = { readonly word?: string; readonly replicas?: number; readonly version?: string; readonly more?: string };

function manifest(port: number, { word = 'first', replicas = 1, version = 'v1', more = '' }: Web): string {
  return `name: live
gateways:
  ingress:
    ports: [{ port: 80, protocol: http, host: ${port} }]
workloads:
  web:
    command: node web.mjs
    version: ${version}
    replicas: ${replicas}
    environment: { WORD: ${word} }
    ports: [{ port: 8000, protocol: http }]
  other:
    command: sleep 1111
${more}`;
}

const pidsOf = (command: string): number[] => markedProcesses().filter((pid) => commandOf(pid) === command);

for (const capture of ['namespaces', 'explicit']) {
  test(`changes of heddle.yaml, ${capture}`, async (t) => {
    const port = await freePort();
    const directory = directoryWith(t, {
      'heddle.yaml': manifest(port, {}),
      'web.mjs': WEB,
      'mesh/web.yaml': TO_WEB,
    });
    const write = (text: string): void => writeFileSync(join(directory, 'heddle.yaml'), text);
    const answers = (word: string): Promise<unknown> =>
      getUntil(port, ({ body }) => body.startsWith(`${word} `), 20_000);
    const mesh = start(t, ['up', directory, '--capture', capture]);
    await mesh.ready();
    const others = pidsOf('sleep 1111');
    equal(others.length, 1);

    await t.test('a mistake is told with its place, and changes nothing', async () => {
      const before = (await get(port)).body;
      write(manifest(port, { replicas: 0, more: '  bad: { comand: x }\n' }));
      await mesh.said(/heddle +\| \S+\/heddle\.yaml:9:5: replicas is a number from 1 to 50, not 0\n/);
      await mesh.said(/heddle +\| \S+\/heddle\.yaml:14:3: bad needs command: /);
      await mesh.said(/heddle +\| \S+\/heddle\.yaml:14:10: there is no comand here: /);
      await mesh.said(/heddle +\| the mesh goes on as it was\n/);
      equal((await get(port)).body, before);
      write(manifest(port, {}));
      await mesh.said(/heddle +\| heddle\.yaml is right again, and nothing of it changed\n/);
      equal((await get(port)).body, before);
    });

    await t.test('an environment that changed: the program begins anew with it, and nothing else does', async () => {
      write(manifest(port, { word: 'second' }));
      await mesh.said(/heddle +\| web-1 is started again: its environment changed\n/);
      await answers('second');
      deepEqual(pidsOf('sleep 1111'), others);
    });

    await t.test('one replica more, and then all of them anew without a failed request', async () => {
      write(manifest(port, { word: 'second', replicas: 2 }));
      await mesh.said(/heddle +\| web-2 is new\n/);
      const seen = new Set<string>();
      for (const end = Date.now() + 20_000; seen.size < 2 && Date.now() < end; ) seen.add((await get(port)).body);
      equal(seen.size, 2, 'both answer');
      write(manifest(port, { word: 'third', replicas: 2 }));
      const failed: unknown[] = [];
      const now = new Set<string>();
      for (const end = Date.now() + 30_000; Date.now() < end; await sleep(10)) {
        const answer = await get(port);
        if (answer.status !== 200) failed.push(answer);
        if (answer.body.startsWith('third ')) now.add(answer.body);
        if (now.size === 2) break;
      }
      equal(now.size, 2, mesh.printed);
      deepEqual(failed, []);
      await mesh.said(/(?:heddle +\| web-1 is started again: its environment changed\n[\s\S]*){2}/);
    });

    await t.test('another version: objects, proxy and program are made anew', async () => {
      write(manifest(port, { word: 'fourth', version: 'v2' }));
      await mesh.said(/heddle +\| web-2 is ended: heddle\.yaml has it no more\n/);
      await mesh.said(/heddle +\| web-1 is made anew: its version, environment changed\n/);
      await answers('fourth');
      const pods = readFileSync(join(directory, '.heddle/generated/endpoints.yaml'), 'utf8');
      match(pods, /version: v2/);
      ok(!/web-2|version: v1/.test(pods), pods);
      for (let round = 0; round < 5; round++) match((await get(port)).body, /^fourth /);
    });

    await t.test('a workload that is new is called, and ended when it is gone', async () => {
      const api = '  api: { command: node web.mjs, environment: { WORD: api }, ports: [{ port: 8001 }] }\n';
      write(manifest(port, { word: 'fourth', version: 'v2', more: api }));
      await mesh.said(/heddle +\| api-1 is new\n/);
      writeFileSync(join(directory, 'mesh/web.yaml'), TO_WEB.replace('host: web }', 'host: api }'));
      await answers('api');
      writeFileSync(join(directory, 'mesh/web.yaml'), TO_WEB);
      await answers('fourth');
      write(manifest(port, { word: 'fourth', version: 'v2' }));
      await mesh.said(/heddle +\| api-1 is ended: heddle\.yaml has it no more\n/);
      for (const end = Date.now() + 10_000; pidsOf('node web.mjs').length > 1 && Date.now() < end; ) await sleep(50);
      equal(pidsOf('node web.mjs').length, 1);
    });

    await t.test('what waits for the next start is said so, with its place', async () => {
      const text = manifest(port, { word: 'fourth', version: 'v2' });
      write(text.replace(`host: ${port}`, 'host: 1'));
      await mesh.said(
        /heddle +\| \S+\/heddle\.yaml:3:3: what changed of the gateway ingress takes effect with the next/,
      );
      equal((await get(port)).status, 200);
      if (capture === 'explicit') {
        write(`${text}  db: { command: node web.mjs, ports: [{ port: 5000, protocol: tcp }] }\n`);
        await mesh.said(
          /heddle +\| \S+\/heddle\.yaml:14:3: db: programs that run already are told where to call it by TCP/,
        );
      }
      rmSync(join(directory, 'heddle.yaml'));
      await mesh.said(/heddle +\| \S+\/heddle\.yaml is gone\n/);
      match((await get(port)).body, /^fourth /);
    });
    notEqual(others[0], undefined);
    deepEqual(pidsOf('sleep 1111'), others);
    equal((await mesh.stop()).code, 0);
    deepEqual(await leftBehind(directory), []);
  });
}
