// Capture and proxy started, used and ended again and again, the proxy and the command also by kill -9: no rule, no
// process, no namespace and no descriptor is left behind.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { startProxy } from '../support/proxy-process.ts';
import { Lab } from './lab.ts';
import { MeshClient } from './mesh-client.ts';

/** The long form is run by hand. */
const IS_LONG = process.env['HEDDLE_LONG'] === '1';
const ROUNDS = IS_LONG ? 300 : 5;
const HEDDLE = join(PROJECT_ROOT, 'bin/heddle');
const CONFIG = `${readFileSync(join(PROJECT_ROOT, 'examples/capture/pod.yaml'), 'utf8')}
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
`;
const PROXY_USER = ['setpriv', '--reuid', '1337', '--regid', '1337', '--clear-groups'];
/** What ends is gone a moment later. */
const MAX_POLLS = 100;

const folder = mkdtempSync(join(tmpdir(), 'heddle-rounds-'));
chmodSync(folder, 0o777);
after(() => rmSync(folder, { recursive: true }));

const first = Lab.make();
if (typeof first === 'string') {
  test('namespaces are refused, so nothing can be captured', () => assert.match(first, /unshare/));
} else {
  first.close();
  test(`${ROUNDS} starts and stops leave nothing behind`, { timeout: 1_800_000 }, () => rounds());
}

async function rounds(): Promise<void> {
  // The first round loads what stays.
  await round(0);
  const before = resources();
  for (let i = 1; i < ROUNDS; i++) {
    await round(i);
    if (IS_LONG && i % 50 === 0) console.log(i, JSON.stringify(resources()));
  }
  await until(() => resources().descriptors <= before.descriptors);
  const now = resources();
  assert.ok(now.descriptors <= before.descriptors, `descriptors: ${before.descriptors}, then ${now.descriptors}`);
  if (IS_LONG) console.log(JSON.stringify({ before, now }));
}

/** A pod's life. Back-ends take turns; of three proxies one is killed, and of three commands one half-way. */
async function round(index: number): Promise<void> {
  const pod = Lab.make();
  assert.ok(pod instanceof Lab);
  const untouched = inPlace(pod);
  const options = ['apply', '--backend', index % 2 === 0 ? 'nft' : 'iptables', '--redirect-dns', '--capture-all-dns'];
  if (index % 3 === 1) await killHalfWay(options, (index * 7) % 130);
  const proxy = await startProxy('heddle', CONFIG, folder, [], PROXY_USER);
  try {
    heddle(options);
    const [out, back] = await Promise.all([ask(pod, 'home', '10.99.0.2:8000'), ask(pod, 'far', '10.99.0.1:8000')]);
    assert.deepEqual([out, back], ['captured on its way out\n', 'captured on its way in\n'], `round ${index}`);
    if (index % 3 === 2) process.kill(proxy.pid, 'SIGKILL');
  } finally {
    await proxy.stop();
  }
  assert.equal(await ask(pod, 'home', '10.99.0.2:8000'), 'ECONNREFUSED', 'closed without the proxy');
  // Pods also go with their rules in place.
  if (index % 5 !== 4) {
    heddle(['clean']);
    assert.equal(inPlace(pod), untouched, `round ${index}`);
  }
  // The number of a namespace that is gone may be another's.
  await until(() => company().length === 0);
  assert.deepEqual(company(), [], `processes after round ${index}`);
  pod.close();
}

async function ask(pod: Lab, from: 'home' | 'far', to: string): Promise<string> {
  const { body, instead } = await new MeshClient(pod[from]).call({ to });
  return instead ?? body;
}

function heddle(args: readonly string[]): void {
  const { status, stderr } = spawnSync(HEDDLE, ['intercept', ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** At any time between its start and its end. */
async function killHalfWay(options: readonly string[], afterMs: number): Promise<void> {
  const child = spawn(HEDDLE, ['intercept', ...options], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  await Promise.race([sleep(afterMs), ended]);
  child.kill('SIGKILL');
  await ended;
}

/** Everything that capture may change. */
function inPlace(pod: Lab): string {
  const lists = ['nft list ruleset', 'ip rule', 'ip -6 rule', 'ip route show table 133', 'ip address show dev lo'];
  return pod.home.command('sh', ['-c', lists.join('; ')]);
}

/** Other processes that are where this one is. */
function company(): string[] {
  const here = readlinkSync('/proc/thread-self/ns/net');
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readlinkSync(`/proc/${pid}/ns/net`) === here;
    } catch {
      return false;
    }
  });
}

type Resources = {
  readonly descriptors: number;
  readonly rssMb: number;
  /** Of the whole machine, so only to be looked at. */
  readonly namespaces: number;
  readonly files: number;
  readonly slabMb: number;
};

function resources(): Resources {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
    namespaces: Number(/^net_namespace +(\d+)/m.exec(readable('/proc/slabinfo'))?.[1] ?? -1),
    files: Number.parseInt(readable('/proc/sys/fs/file-nr'), 10),
    slabMb: Math.round(Number(/^Slab: +(\d+)/m.exec(readable('/proc/meminfo'))?.[1] ?? 0) / 1024),
  };
}

function readable(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < MAX_POLLS && !holds(); i++) await sleep(10);
}
