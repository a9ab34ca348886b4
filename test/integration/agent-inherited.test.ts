// What an agent inherits of its parent: a token that proves who it is, and a pipe that says that it is still wanted.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arePeersRequired, findEnvoy, PROJECT_ROOT } from '../support/find-envoy.ts';
import { canRunEnvoy } from './agent-rig.ts';
import { TestMesh } from './agent-mesh-rig.ts';
import { ownAddress, run, status } from './explicit-rig.ts';

const noEnvoy = canRunEnvoy() || arePeersRequired() ? false : 'the real Envoy is not installed';
const OBJECTS = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: lone, namespace: shop}';
const children: ChildProcess[] = [];
const meshes: TestMesh[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const mesh of meshes) await mesh.stop();
});

type Agent = { readonly child: ChildProcess; readonly address: string; readonly adminSocket: string; output: string };

function start(mesh: TestMesh, kind: 'heddle' | 'envoy'): Agent {
  const address = ownAddress();
  const adminSocket = join(mesh.directory, `${kind}.admin`);
  const args = [
    ...['agent', 'proxy', 'sidecar', '--join-token', '/dev/fd/3', '--discovery', mesh.discovery],
    ...['--root-ca', mesh.rootPath, '--uds', join(mesh.directory, kind, 'uds')],
    ...['--configPath', join(mesh.directory, kind, 'proxy')],
    ...(kind === 'envoy' ? ['--envoy', findEnvoy().path ?? ''] : []),
  ];
  const child = spawn(join(PROJECT_ROOT, 'bin', 'heddle'), args, {
    cwd: mesh.directory,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...{ POD_NAME: 'lone', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'lone', INSTANCE_IP: address },
      ISTIOD_SAN: 'istiod.istio-system.svc',
      HEDDLE_ADMIN_SOCKET: adminSocket,
      HEDDLE_PARENT_FD: '4',
      ISTIO_METAJSON_EXPLICIT: '{}',
      PROXY_CONFIG: '{"concurrency": 1}',
    },
  });
  children.push(child);
  const agent = { child, address, adminSocket, output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      agent.output += chunk.toString();
    });
  }
  return agent;
}

async function until(what: string, agent: Agent, check: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await check()); i++) {
    if (i > 600) throw new Error(`${what} did not come\n${agent.output.slice(-3000)}`);
    await sleep(25);
  }
}

/** Processes that have the name of the directory in their command line. */
function processesOf(directory: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const isOf = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(directory);
    } catch {
      return false;
    }
  };
  return pids.filter(isOf).map(Number);
}

for (const kind of ['heddle', 'envoy'] as const) {
  const skip = process.platform !== 'linux' ? 'reads /proc' : kind === 'envoy' ? noEnvoy : false;
  test(`${kind}: a token and a parent on descriptors`, { skip, timeout: 60_000 }, async () => {
    const mesh = await TestMesh.start(OBJECTS);
    meshes.push(mesh);
    const agent = start(mesh, kind);
    // It waits for its parent, which knows its pid by now.
    await sleep(300);
    (agent.child.stdio[3] as Writable).end(`${readFileSync(mesh.token('shop/lone'), 'utf8')}\n`);
    await until('readiness', agent, async () => (await status(`http://${agent.address}:15020/healthz/ready`)) === 200);
    const { stdout } = await run('curl', ['-sS', '--unix-socket', agent.adminSocket, 'http://admin/ready'], 0);
    assert.equal(stdout, 'LIVE\n');
    const own = join(mesh.directory, kind);
    assert.ok(processesOf(own).length >= (kind === 'envoy' ? 2 : 1));
    // The parent dies: nobody says so, its end of the pipe is closed by the kernel.
    (agent.child.stdio[4] as Writable).destroy();
    await until('the end', agent, () => agent.child.exitCode !== null);
    await until('the end of all', agent, () => processesOf(own).length === 0);
    // What it left in the file system stands in nobody's way.
    assert.equal(existsSync(agent.adminSocket), true);
    const next = start(mesh, kind);
    (next.child.stdio[3] as Writable).end(readFileSync(mesh.token('shop/lone')));
    await until('readiness', next, async () => (await status(`http://${next.address}:15020/healthz/ready`)) === 200);
    const again = await run('curl', ['-sS', '--unix-socket', next.adminSocket, 'http://admin/ready'], 0);
    assert.equal(again.stdout, 'LIVE\n');
    next.child.kill('SIGKILL');
    await until('the end of the second', next, () => processesOf(own).length === 0);
  });
}

test('what cannot be used is said at once', { timeout: 30_000 }, async () => {
  const agent = (variables: Readonly<Record<string, string>>, args: readonly string[] = []) =>
    new Promise<{ code: number | null; text: string }>((resolve) => {
      const child = spawn(join(PROJECT_ROOT, 'bin', 'heddle'), ['agent', ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, ...variables },
      });
      children.push(child);
      let text = '';
      child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.on('close', (code) => resolve({ code, text }));
    });
  const cases: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{ HEDDLE_PARENT_FD: 'four' }, /HEDDLE_PARENT_FD: four is no number/],
    [{ HEDDLE_PARENT_FD: '97' }, /HEDDLE_PARENT_FD: descriptor 97: EBADF/],
    [{ HEDDLE_PARENT_FD: '1' }, /HEDDLE_PARENT_FD: descriptor 1 is neither a pipe nor a socket/],
    [{ HEDDLE_ADMIN_SOCKET: 'relative' }, /HEDDLE_ADMIN_SOCKET: relative is no absolute path/],
    [{ HEDDLE_ADMIN_SOCKET: `/${'x'.repeat(120)}` }, /longer than the 103 bytes/],
    [{ ISTIO_METAJSON_EXPLICIT: '{}' }, /INSTANCE_IP: explicit mode needs/],
    [
      { ISTIO_METAJSON_EXPLICIT: '{"inbound": {"http": {}}}', INSTANCE_IP: '127.0.0.9' },
      /ISTIO_METAJSON_EXPLICIT: EXPLICIT\.inbound\["http"\]: the name is no port/,
    ],
  ];
  for (const [variables, expected] of cases) {
    const { code, text } = await agent(variables);
    assert.equal(code, 1, text);
    assert.match(text, expected);
  }
});
