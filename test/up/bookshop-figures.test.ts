// What the bookshop costs as it is in the repository: the time from the command until all is ready, memory, CPU.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { BOOKSHOP } from './bookshop-mesh.ts';
import { treeOf } from './process-tree.ts';
import { copyMesh, UpMesh } from './up-rig.ts';

/** Of the first output: what a person reads before doing anything. */
const MOST_LINES = 12;
/** Reports come every two seconds. */
const SETTLE_MS = 5000;
const GONE_MS = 15_000;

type Process = {
  readonly name: string;
  readonly kind: string;
  readonly rssMb: number;
  readonly proxyRssMb: number;
  readonly proxyCpuSeconds: number;
};

describe('the bookshop as it is', { skip: process.platform !== 'linux' && 'only Linux has /proc' }, () => {
  const meshes: UpMesh[] = [];
  after(async () => {
    for (const mesh of meshes) await mesh.dispose();
  });

  async function timed(t: TestContext, what: string, args: readonly string[]): Promise<UpMesh> {
    const mesh = new UpMesh(copyMesh(BOOKSHOP, 'self'), 'self');
    meshes.push(mesh);
    const { ms, output } = await mesh.start(args);
    const workloads = /is up: (.*)/.exec(output)?.[1] ?? '';
    t.diagnostic(`${what}: ${(ms / 1000).toFixed(2)} s until all is ready (${workloads})`);
    return mesh;
  }

  async function down(mesh: UpMesh): Promise<void> {
    mesh.noteProcesses();
    const ended = await mesh.heddle('down', mesh.directory);
    assert.equal(ended.code, 0, ended.output);
    const gone = await mesh.goneWithin(GONE_MS);
    assert.equal(typeof gone, 'number', String(gone));
  }

  it('starts cold, says what to do in a few lines, and ends with heddle down', async (t) => {
    rmSync(join(PROJECT_ROOT, 'dist/.compile-cache'), { recursive: true, force: true });
    const mesh = await timed(t, 'cold', []);
    const said = mesh.log('heddle').split('\n');
    const summary = said.slice(said.findIndex((line) => line.includes(' is up: '))).filter((line) => line !== '');
    assert.ok(summary.length <= MOST_LINES, summary.join('\n'));
    await down(mesh);
  });

  it('starts warm, and takes little memory while it is idle', async (t) => {
    const mesh = await timed(t, 'warm', ['--no-traffic']);
    await sleep(SETTLE_MS);
    const { workloads } = await mesh.api<{ workloads: { processes: Process[] }[] }>('/api/v1/workloads');
    const processes = workloads.flatMap((one) => one.processes);
    const sidecars = processes.filter(({ kind }) => kind === 'workload').map(({ proxyRssMb }) => proxyRssMb);
    assert.equal(sidecars.length, 7);
    const tree = treeOf(mesh.location.pid);
    const control = tree.find(({ command }) => command.includes(' control --config '));
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
    const mb = (number: number): string => `${number.toFixed(1)} MB`;
    t.diagnostic(`an idle sidecar: ${mb(Math.min(...sidecars))} to ${mb(Math.max(...sidecars))}`);
    t.diagnostic(`CPU of a sidecar: ${Math.max(...processes.map((one) => one.proxyCpuSeconds)).toFixed(2)} s at most`);
    t.diagnostic(`the control plane with its CA: ${mb(control?.rssMb ?? 0)}, ${control?.cpuSeconds} s of CPU`);
    const [rss, cpu] = [sum(tree.map(({ rssMb }) => rssMb)), sum(tree.map(({ cpuSeconds }) => cpuSeconds))];
    t.diagnostic(`all ${tree.length} processes: ${mb(rss)}, ${cpu.toFixed(2)} s of CPU`);
    await down(mesh);
  });
});
