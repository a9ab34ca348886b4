// A proxy under measurement whose configuration comes from a control plane in this process.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Capture } from '../../test/captures/captures.ts';
import { agentBootstrap, makeIdentities, serveIdentity } from '../../test/captures/serve.ts';
import { AdsServer } from '../../test/support/ads-server.ts';
import { exactCpuMs, freePort, type Program, rssKb, startProgram, stopProgram, waitForPort } from './process.ts';
import type { PeerName, ProxyPlace } from './proxies.ts';

export type XdsForm = 'GRPC' | 'DELTA_GRPC';

export type XdsProxy = {
  readonly ads: AdsServer;
  readonly program: Program;
  /** Values of statistics by name. */
  stats(filter: string): Promise<ReadonlyMap<string, number>>;
  /** Waits until nothing goes on in it: no CPU time of note for a while. */
  settle(): Promise<void>;
  cpuMs(): number;
  rssMb(): number;
  stop(): Promise<void>;
};

const IDENTITY = 'ns/bookinfo/sa/bookinfo-productpage';
/** What an idle proxy may use in that time. */
const QUIET_MS = 400;
const QUIET_CPU_MS = 1.5;
const LONGEST_MS = 60_000;

let started = 0;

/**
 * The server holds its answers back: `ads.release()` lets them go. Secrets of the mesh are served, and all else that
 * the caller puts there.
 */
export async function startXdsProxy(
  peer: 'envoy' | 'heddle',
  place: ProxyPlace,
  node: Pick<Capture, 'node'>,
  form: XdsForm,
): Promise<XdsProxy> {
  const ads = new AdsServer();
  ads.isHolding = true;
  const identities = makeIdentities();
  serveIdentity(ads, identities, identities.of(IDENTITY));
  started += 1;
  const directory = join(place.scratch, `xds-${started}-${peer}`);
  mkdirSync(directory);
  const adminPort = await freePort();
  const bootstrap = JSON.parse(agentBootstrap(ads.port, node, form)) as Record<string, unknown>;
  bootstrap.admin = { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } };
  const path = join(directory, 'envoy.yaml');
  writeFileSync(path, JSON.stringify(bootstrap));
  const command = [...commandOf(peer, place), '-c', path, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'];
  const program = startProgram(place.core, command, join(directory, 'output.log'), { HEDDLE_NODE: process.execPath });
  const stop = async (): Promise<void> => {
    await stopProgram(program);
    ads.stop();
  };
  const cpuMs = (): number => exactCpuMs(program.pid);
  try {
    await waitForPort(program, adminPort);
    await ads.until(() => ads.requests.length > 0, LONGEST_MS, `${peer} asks for nothing`);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...{ ads, program, stop, cpuMs },
    stats: (filter) => statsOf(adminPort, filter),
    settle: () => settle(cpuMs),
    rssMb: () => rssKb(program.pid) / 1024,
  };
}

function commandOf(peer: PeerName, { programs }: ProxyPlace): readonly string[] {
  return peer === 'envoy' ? [programs.envoy] : [programs.heddle, 'proxy'];
}

async function settle(cpuMs: () => number): Promise<void> {
  for (const deadline = performance.now() + LONGEST_MS; performance.now() < deadline; ) {
    const before = cpuMs();
    await sleep(QUIET_MS);
    if (cpuMs() - before < QUIET_CPU_MS) return;
  }
  throw new Error('the proxy does not come to rest');
}

async function statsOf(adminPort: number, filter: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/stats?filter=${encodeURIComponent(filter)}`);
  const lines = (await response.text()).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const at = line.lastIndexOf(': ');
      return at < 0 || Number.isNaN(Number(line.slice(at + 2)))
        ? []
        : [[line.slice(0, at), Number(line.slice(at + 2))]];
    }),
  );
}
