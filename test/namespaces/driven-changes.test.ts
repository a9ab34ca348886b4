// Random changes of objects while a load runs: proxies of both kinds take on everything, no request meets a cluster or
// route that is not there, and a control plane that is killed and comes again sends nothing twice.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { changeOnce, Load, SeededRandom, writeTouched } from './driven-changes.ts';
import { DrivenMesh } from './driven-mesh.ts';
import { hasSysAdmin, Lab } from './lab.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? Date.now() % 1_000_000);
const CHANGES = process.env['HEDDLE_LONG'] === '1' ? 2000 : 150;
/** Changes come at once or apart, so that some are merged and some are not. */
const PAUSES_MS = [0, 20, 50, 100, 150] as const;
const SETTLED_MS = 20_000;

const lab = Lab.make();
const envoy = findEnvoy();

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so there can be no pods', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else if (envoy.path !== null || arePeersRequired()) {
  let mesh: DrivenMesh;
  let load: Load | null = null;
  after(async () => {
    await load?.end();
    await mesh?.stop();
    lab.close();
  });
  before(async () => {
    mesh = await DrivenMesh.start(lab);
    writeTouched(mesh);
    await settled(mesh);
    await sleep(500);
  });
  test(`${CHANGES} random changes under load (HEDDLE_SEED=${SEED})`, { timeout: 20 * 60_000 }, async (context) => {
    load = new Load(mesh);
    await sleep(300);
    assert.deepEqual(load.failures, [], 'before anything changes');
    const random = new SeededRandom(SEED);
    for (let count = 0; count < CHANGES; count++) {
      changeOnce(mesh, random, count);
      await sleep(random.pick(...PAUSES_MS));
      if (count === CHANGES >> 1) await restart(mesh);
    }
    await settled(mesh);
    await sleep(300);
    const { calls, failures } = await load.end();
    // Until what was logged is in the files.
    await sleep(1200);
    context.diagnostic(`${calls} calls, ${failures.length} failed`);
    await judge(mesh);
    assert.deepEqual(failures.slice(0, 20), [], `${failures.length} of ${calls} calls failed`);
  });
}

/** Nobody refused anything, and nobody met what was not there. */
async function judge(mesh: DrivenMesh): Promise<void> {
  assert.equal(await mesh.metric('pilot_total_xds_rejects'), 0, mesh.control?.output.slice(-4000));
  for (const [name, pod] of mesh.pods) {
    const rejected = [...(await pod.stats('update_rejected$'))].filter(([, value]) => value > 0);
    assert.deepEqual(rejected, [], `${name}\n${pod.log.slice(-4000)}`);
    assert.match(pod.log, /^LOG 200 - /m, `${name} logs nothing`);
    const lost = pod.log.split('\n').filter((line) => /^LOG \d+ \S*(?:NR|NC)/.test(line));
    assert.deepEqual(lost, [], `${name}: no cluster, or no route`);
  }
}

/** Everything that was written is acknowledged everywhere. */
async function settled(mesh: DrivenMesh): Promise<void> {
  const end = Date.now() + SETTLED_MS;
  for (let quiet = 0; quiet < 3; await sleep(150)) {
    quiet = (await isSynced(mesh)) ? quiet + 1 : 0;
    if (Date.now() > end) assert.fail(`not settled: ${(await mesh.page('/debug/syncz')).body}`);
  }
}

async function isSynced(mesh: DrivenMesh): Promise<boolean> {
  const { status, body } = await mesh.page('/debug/syncz');
  if (status !== 200) return false;
  const rows = JSON.parse(body) as readonly Record<string, string>[];
  const states = rows.flatMap((row) => Object.entries(row).filter(([name]) => name.endsWith('_status')));
  return rows.length === mesh.pods.size && states.every(([, value]) => value === 'SYNCED');
}

/** Bytes of a response that only says what is gone. */
const MOST_WITHOUT_RESOURCES = 600;
const PUSHED = ['cds', 'eds', 'lds', 'rds', 'vhds', 'pcds'] as const;

/** Killed and started again in the middle of traffic, it finds its proxies as they are. */
async function restart(mesh: DrivenMesh): Promise<void> {
  await settled(mesh);
  await judge(mesh);
  const before = await updatesOf(mesh);
  await mesh.control?.stop('SIGKILL');
  await sleep(500);
  await mesh.startControl();
  await settled(mesh);
  assert.deepEqual(await updatesOf(mesh), before, 'proxies were updated');
  const { body } = await mesh.page('/metrics');
  for (const type of PUSHED) {
    const value = (name: string): number =>
      Number(new RegExp(`^${name}\\{type="${type}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0);
    const [bytes, pushes] = [value('pilot_xds_config_size_bytes_sum'), value('pilot_xds_pushes')];
    // An Envoy that drains a listener still asks for its routes, and is told that they are gone.
    assert.ok(
      bytes <= pushes * MOST_WITHOUT_RESOURCES,
      `${type}: ${bytes} bytes in ${pushes} responses were sent again`,
    );
  }
}

/** How many updates each proxy has had of what a control plane sends. */
async function updatesOf(mesh: DrivenMesh): Promise<Record<string, number>> {
  const out: Record<string, number> = {};
  for (const [name, pod] of mesh.pods) {
    const stats = await pod.stats('(cds|lds|rds\\..*|vhds\\..*|cluster\\..*)\\.update_success$');
    for (const [stat, value] of stats) out[`${name} ${stat}`] = value;
  }
  return out;
}
