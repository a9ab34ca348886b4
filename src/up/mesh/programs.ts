// The programs of workloads and of hosts outside: how each is run, where and as whom, and how it is asked for health.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../launch/capability.ts';
import type { ProgramSpec } from '../manifest/manifest.ts';
import type { HostPort } from '../../net/relay.ts';
import type { ExternalPlace, WorkloadPlace } from '../place/placement.ts';
import type { RunningProgram, SpawnSpec } from '../process/spawn.ts';
import { Supervised } from '../process/supervised.ts';
import { externalEnvironment, workloadEnvironment } from './environment.ts';
import type { Mesh } from './mesh.ts';
import { healthProbe, type Probe } from './probe.ts';
import { resolverOf } from './self.ts';
import { findUser } from './users.ts';

export type Program = { readonly app: Supervised; readonly probe: Probe };

/** Who hears of its runs. */
export type ProgramEvents = {
  started(program: RunningProgram): void;
  ended(): void;
};

export function workloadProgram(mesh: Mesh, place: WorkloadPlace, events: ProgramEvents): Program {
  const { placement, manifest } = mesh;
  const { spec, name } = place;
  const user = userOf(mesh, spec, name);
  const home = homeOf(mesh, name, user);
  const environment = workloadEnvironment(place, placement, manifest, home);
  const network = mesh.networkOf(name);
  const { directory } = spec;
  const run = runOf(mesh, spec, place.namespace, user);
  const parts = { spec: { name, ...run, environment, directory, inherits: 'nothing' } as const, events };
  const at = (port: number): HostPort => {
    const placed = place.ports.find(({ spec: one, container }) => one.port === port || container === port);
    return network === null
      ? (placed?.app ?? { address: '127.0.0.1', port })
      : { address: place.address, port: placed?.container ?? port };
  };
  return {
    app: programOf(mesh, name, { ...parts, where: { network, isOutside: false } }),
    probe: healthProbe(spec.health, { network, at, environment, directory, user }),
  };
}

export function externalProgram(mesh: Mesh, place: ExternalPlace, events: ProgramEvents): Program {
  const { spec, name, app: at } = place;
  const user = null;
  const { directory } = spec;
  const environment = externalEnvironment(place, homeOf(mesh, name, user));
  // It goes with the outer process, whatever becomes of that.
  const guard = findProgram('setpriv');
  const command =
    guard === null || process.platform !== 'linux' ? spec.command : [guard, '--pdeathsig', 'KILL', ...spec.command];
  const parts = { spec: { name, command, environment, directory, user, inherits: 'nothing' } as const, events };
  return {
    app: programOf(mesh, name, { ...parts, where: { network: null, isOutside: true } }),
    // From here it cannot be asked where networks differ: it counts as ready once it runs.
    probe:
      mesh.options.capture === 'explicit'
        ? healthProbe(spec.health, { network: null, at: () => at, environment, directory, user })
        : () => Promise.resolve(''),
  };
}

type ProgramParts = {
  readonly spec: SpawnSpec;
  readonly where: { readonly network: number | null; readonly isOutside: boolean };
  readonly events: ProgramEvents;
};

function programOf(mesh: Mesh, name: string, { spec, where, events: { started, ended } }: ProgramParts): Supervised {
  const log = mesh.logOf(name);
  return new Supervised(name, (events) => mesh.spawner.start(spec, where, events), {
    line: (text) => {
      log.line(text);
      mesh.narrator.line(name, text);
    },
    started: (program) => started(program),
    ended: (how) => {
      log.line(`heddle: ${how}`);
      mesh.narrator.tell(name, how);
      ended();
    },
  });
}

type User = { readonly uid: number; readonly gid: number } | null;

function userOf(mesh: Mesh, { user }: ProgramSpec, name: string): User {
  if (!mesh.options.hasUsers) return null;
  const own = mesh.userNumberOf(name);
  return (user === null ? null : findUser(user)) ?? { uid: own, gid: own };
}

function homeOf({ options }: Mesh, name: string, user: User): string {
  const homes = join(options.runtime, 'home');
  mkdirSync(homes, { recursive: true, mode: 0o711 });
  const home = join(homes, name);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (user !== null) chownSync(home, user.uid, user.gid);
  return home;
}

/** How it is run, and as whom it is started. */
function runOf(
  { options, manifest }: Mesh,
  { command }: ProgramSpec,
  namespace: string,
  user: User,
): { readonly command: readonly string[]; readonly user: User } {
  const { uid, gid } = options.user;
  // In a user namespace of the mesh a program would be root of it, and could undo the capture: it gets one below.
  const below = options.isUserNamespace ? ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`] : [];
  if (options.capture !== 'namespaces' || namespace === manifest.namespace) {
    return { command: [...below, ...command], user };
  }
  // Names are looked up in its own namespace first. Whoever mounts is root, and becomes the user only then.
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const become = user === null ? [] : ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--'];
  const file = resolverOf(options, namespace);
  return {
    command: ['unshare', '--mount', '/bin/sh', '-c', script, file, ...become, ...below, ...command],
    user: null,
  };
}
