// One row of the measurement: a mesh, its control plane, a fleet; each kind of change several times.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlServer } from './control-server.ts';
import type { Fleet, FleetState } from './fleet.ts';
import { type FileChange, MeshFiles } from './mesh-files.ts';
import type { ProxyKind } from './sidecar.ts';

export type Scale = { readonly services: number; readonly proxies: number; readonly kind: ProxyKind };

/** One kind of change; figures are medians over all of them unless they say otherwise. */
export type ChangeFigures = {
  readonly cpuS: number;
  readonly mb: number;
  /** Resources per proxy. */
  readonly resources: Readonly<Record<string, number>>;
  /** From the file's change to the acknowledgement of the last proxy. */
  readonly lastMs: { readonly p50: number; readonly p99: number };
  /** To that of each proxy. */
  readonly eachMs: { readonly p50: number; readonly p99: number };
};

export type Figures = {
  readonly scale: Scale;
  readonly startCpuS: number;
  readonly rssMb: { readonly idle: number; readonly connected: number; readonly peak: number };
  readonly connect: {
    readonly cpuS: number;
    readonly seconds: number;
    readonly mb: number;
    readonly distinctMb: number;
  };
  readonly changes: {
    readonly route: ChangeFigures;
    readonly endpoint: ChangeFigures;
    readonly service: ChangeFigures;
  };
  readonly holds: FleetState['holds'];
  readonly hosts: FleetState['hosts'];
  /** Why the figures do not count. */
  readonly problems: readonly string[];
};

export type Place = {
  readonly command: readonly string[];
  readonly scratch: string;
  readonly core: number;
  /** Changes of each kind. */
  readonly rounds: number;
  readonly say: (text: string) => void;
};

const CONNECT_TIMEOUT_MS = 120_000;
const CHANGE_TIMEOUT_MS = 30_000;
/** Between changes, so that each is the first after quiet. */
const REST_MS = 1_000;
const MB = 1e6;

export async function measure(scale: Scale, fleet: Fleet, place: Place): Promise<Figures> {
  const folder = mkdtempSync(join(place.scratch, 'mesh-'));
  const files = new MeshFiles(folder, scale.services);
  const server = await ControlServer.start(place.command, folder, place.core, join(place.scratch, 'control.log'));
  try {
    return await measureServer(scale, fleet, place, files, server);
  } finally {
    await fleet.ask({ do: 'disconnect' });
    await server.stop();
    for (const path of [folder, `${folder}.state`]) rmSync(path, { recursive: true, force: true });
  }
}

async function measureServer(
  scale: Scale,
  fleet: Fleet,
  place: Place,
  files: MeshFiles,
  server: ControlServer,
): Promise<Figures> {
  const { kind, services, proxies } = scale;
  await server.untilIdle();
  const startCpuS = server.cpuMs / 1000;
  const idle = server.rssMb;
  place.say(`${name(scale)}: idle after ${startCpuS.toFixed(1)} s CPU, ${idle.toFixed(0)} MB`);

  const beginMs = Date.now();
  const beginCpuMs = server.cpuMs;
  const { port } = server;
  const timeoutMs = CONNECT_TIMEOUT_MS;
  const first = await fleet.ask({ do: 'connect', port, kind, services, timeoutMs, count: proxies });
  const seconds = (Math.max(...first.doneMs) - beginMs) / 1000;
  await server.untilIdle();
  const connect = {
    cpuS: (server.cpuMs - beginCpuMs) / 1000,
    seconds,
    mb: first.bytes / MB,
    distinctMb: first.distinctBytes / MB,
  };
  const connected = server.rssMb;
  place.say(`${name(scale)}: connected in ${seconds.toFixed(1)} s, ${connect.cpuS.toFixed(2)} s CPU`);
  const problems = [...problemsOf('connect', first), ...emptyOf(first, services)];

  const change = async (what: string, next: () => FileChange): Promise<ChangeFigures> => {
    const figures = await measureChanges(kind, fleet, server, next, place.rounds);
    problems.push(...figures.problems.map((problem) => `${what}: ${problem}`));
    place.say(
      `${name(scale)}: ${what} ${figures.cpuS.toFixed(3)} s CPU, last after ${figures.lastMs.p50.toFixed(0)} ms`,
    );
    return figures;
  };
  const changes = {
    route: await change('route', () => files.changeRoute()),
    endpoint: await change('endpoint', () => files.changeEndpoint()),
    service: await change('service', () => files.addService()),
  };
  const { holds, hosts } = await fleet.ask({ do: 'settle', timeoutMs: CHANGE_TIMEOUT_MS });
  const rssMb = { idle, connected, peak: server.peakMb };
  return { scale, startCpuS, rssMb, connect, changes, holds, hosts, problems: [...new Set(problems)] };
}

async function measureChanges(
  kind: ProxyKind,
  fleet: Fleet,
  server: ControlServer,
  next: () => FileChange,
  rounds: number,
): Promise<ChangeFigures & { readonly problems: readonly string[] }> {
  const cpuS: number[] = [];
  const mb: number[] = [];
  const last: number[] = [];
  const each: number[] = [];
  const problems: string[] = [];
  let resources: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    await sleep(REST_MS);
    const change = next();
    await fleet.ask({ do: 'expect', text: change.text, types: change.types, kind });
    const beginCpuMs = server.cpuMs;
    const beginMs = performance.timeOrigin + performance.now();
    change.apply();
    const state = await fleet.ask({ do: 'settle', timeoutMs: CHANGE_TIMEOUT_MS });
    await server.untilIdle();
    cpuS.push((server.cpuMs - beginCpuMs) / 1000);
    mb.push(state.bytes / MB);
    if (state.missing === 0) last.push(Math.max(...state.doneMs) - beginMs);
    for (const doneMs of state.doneMs) each.push(doneMs - beginMs);
    problems.push(...problemsOf('', state));
    const count = state.doneMs.length + state.missing;
    resources = Object.fromEntries(Object.entries(state.resources).map(([type, sum]) => [type, sum / count]));
  }
  const spread = (values: readonly number[]) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) });
  return {
    cpuS: quantile(cpuS, 0.5),
    mb: quantile(mb, 0.5),
    resources,
    lastMs: spread(last),
    eachMs: spread(each),
    problems,
  };
}

function problemsOf(what: string, { problems, missing }: FleetState): string[] {
  const late = missing === 0 ? [] : [`${what}${what === '' ? '' : ': '}${missing} proxies did not get all of it`];
  return [...problems, ...late];
}

/** A control plane that sends nothing is fast. */
function emptyOf({ holds, hosts }: FleetState, services: number): string[] {
  const few = ['cds', 'eds'].filter((type) => (holds[type]?.[0] ?? 0) < services);
  return [
    ...few.map((type) => `a proxy has ${holds[type]?.[0]} resources of ${type}`),
    ...(hosts[0] < services ? [`a proxy has ${hosts[0]} virtual hosts`] : []),
  ];
}

/** The value that this share of all are not above. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function name({ kind, services, proxies }: Scale): string {
  return `${proxies} ${kind} × ${services}`;
}
