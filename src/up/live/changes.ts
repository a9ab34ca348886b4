// Two plans of one mesh → what has to be done to the running one, and what of it waits for the next start.
import type { PathPart } from '../../control/source/finding.ts';
import type { ExternalSpec, GatewaySpec, WorkloadSpec } from '../manifest/manifest.ts';
import { type ExternalPlace, isRawTcp, type Placement, serviceHost, type WorkloadPlace } from '../place/placement.ts';

export type Later = { readonly path: readonly PathPart[]; readonly reason: string };

/** Names of processes; with what of them changed, where they stay. */
export type Changes = {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Program and proxy are another's: who they are, or where they listen. */
  readonly renewed: ReadonlyMap<string, readonly string[]>;
  /** Only the program is. */
  readonly restarted: ReadonlyMap<string, readonly string[]>;
  readonly later: readonly Later[];
  /** As it is once all of it is done. */
  readonly placement: Placement;
};

const PROGRAM = ['command', 'directory', 'environment', 'health', 'user'] as const;
const WORKLOAD = ['namespace', 'service', 'version', 'account', 'labels', 'ports'] as const;
const EXTERNAL = ['host', 'port', 'protocol', 'namespace'] as const;
const NEXT_TIME = 'takes effect with the next heddle up';

type Place = WorkloadPlace | ExternalPlace;

export function compare(before: Placement, after: Placement): Changes {
  const renewed = new Map<string, readonly string[]>();
  const restarted = new Map<string, readonly string[]>();
  const known = new Map<string, Place>([...before.workloads, ...before.externals].map((place) => [place.name, place]));
  const wanted = [...after.workloads, ...after.externals];
  for (const place of wanted) {
    const old = known.get(place.name);
    if (old === undefined) continue;
    const whole = wholeChanges(old, place);
    const program = changedOf(PROGRAM, old.spec, place.spec);
    if (whole.length > 0) renewed.set(place.name, [...whole, ...program]);
    // A program that begins anew is told of its peers, and its proxy has to know them too.
    else if (program.length > 0) (hasSamePeers(old, place) ? restarted : renewed).set(place.name, program);
  }
  const isWanted = new Set(wanted.map(({ name }) => name));
  return {
    ...{ renewed, restarted },
    added: wanted.flatMap(({ name }) => (known.has(name) ? [] : [name])),
    removed: [...known.keys()].filter((name) => !isWanted.has(name)),
    later: [...gatewayChanges(before, after), ...newPeers(before, after)],
    placement: {
      ...after,
      gateways: before.gateways,
      // Who goes on knows whom it knew.
      workloads: after.workloads.map((place) => {
        const old = known.get(place.name);
        return old?.kind === 'workload' && !renewed.has(place.name) ? { ...place, outbound: old.outbound } : place;
      }),
    },
  };
}

function wholeChanges(old: Place, place: Place): string[] {
  if (old.kind === 'workload' && place.kind === 'workload') return changedOf(WORKLOAD, old.spec, place.spec);
  if (old.kind === 'external' && place.kind === 'external') return changedOf(EXTERNAL, old.spec, place.spec);
  return ['what it is'];
}

function changedOf<T extends WorkloadSpec | ExternalSpec>(fields: readonly (keyof T)[], old: T, now: T): string[] {
  return fields.filter((field) => JSON.stringify(old[field]) !== JSON.stringify(now[field])).map(String);
}

function hasSamePeers(old: Place, place: Place): boolean {
  if (old.kind !== 'workload' || place.kind !== 'workload') return true;
  return JSON.stringify([...old.outbound]) === JSON.stringify([...place.outbound]);
}

/** Gateways have ports of this machine and ways out of the mesh, which are made once. */
function gatewayChanges(before: Placement, after: Placement): Later[] {
  const old = new Map(before.gateways.map(({ spec }) => [spec.name, spec]));
  const now = new Map<string, GatewaySpec>(after.gateways.map(({ spec }) => [spec.name, spec]));
  const changed = [...now.values()].filter((spec) => JSON.stringify(old.get(spec.name)) !== JSON.stringify(spec));
  return [
    ...changed.map(({ name }) => {
      const what = old.has(name) ? `what changed of the gateway ${name}` : `the gateway ${name}`;
      return { path: ['gateways', name], reason: `${what} ${NEXT_TIME}` };
    }),
    ...[...old.keys()].flatMap((name) =>
      now.has(name) ? [] : [{ path: ['gateways'], reason: `that the gateway ${name} is gone ${NEXT_TIME}` }],
    ),
  ];
}

/** In explicit mode each proxy listens for the TCP services that were there when it started. */
function newPeers(before: Placement, after: Placement): Later[] {
  const others = before.workloads.filter(({ name }) => after.workloads.some((place) => place.name === name));
  if (after.capture !== 'explicit' || others.length === 0) return [];
  const isNew = (key: string): boolean => others.some(({ outbound }) => !outbound.has(key));
  const reason = 'programs that run already are told where to call it by TCP when they are started again';
  const found = new Map<string, Later>();
  for (const { spec } of after.workloads) {
    const host = serviceHost(spec.service, spec.namespace);
    if (spec.ports.some(({ protocol, port }) => isRawTcp(protocol) && isNew(`${host}:${port}`))) {
      found.set(spec.name, { path: ['workloads', spec.name], reason: `${spec.name}: ${reason}` });
    }
  }
  for (const { spec } of after.externals) {
    if (isRawTcp(spec.protocol) && isNew(`${spec.host}:${spec.port}`)) {
      found.set(spec.name, { path: ['external', spec.name], reason: `${spec.name}: ${reason}` });
    }
  }
  return [...found.values()];
}
