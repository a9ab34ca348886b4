// Placement → units: for each place the command of its proxy and of its program, and where they run.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProgramSpec } from '../manifest/manifest.ts';
import { FIRST_USER, findProgram } from '../launch/capability.ts';
import type { ExternalPlace, GatewayPlace, HostPort, WorkloadPlace } from '../place/placement.ts';
import type { RunningProgram, SpawnEvents, SpawnSpec } from '../process/spawn.ts';
import { Supervised } from '../process/supervised.ts';
import { agentEnvironment, externalEnvironment, workloadEnvironment } from './environment.ts';
import type { Mesh } from './mesh.ts';
import { resolverOf, selfCommand } from './self.ts';
import { healthProbe, type Probe } from './probe.ts';
import { Unit, type UnitFacts } from './unit.ts';
import { findUser } from './users.ts';

export function makeUnits(mesh: Mesh): Unit[] {
  const { placement } = mesh;
  return [
    ...placement.workloads.map((place, index) => workloadUnit(mesh, place, index)),
    ...placement.gateways.map((place) => gatewayUnit(mesh, place)),
    ...placement.externals.map((place) => externalUnit(mesh, place)),
  ];
}

function workloadUnit(mesh: Mesh, place: WorkloadPlace, index: number): Unit {
  const { placement, manifest, options } = mesh;
  const { spec, name } = place;
  const user = userOf(mesh, spec, FIRST_USER + index);
  const home = homeOf(mesh, name, user);
  const environment = workloadEnvironment(place, placement, manifest, home);
  const network = mesh.networkOf(name);
  const app = programOf(mesh, name, {
    spec: {
      name,
      ...runOf(mesh, spec, place.namespace, user),
      environment,
      directory: spec.directory,
      inherits: 'nothing',
    },
    where: { network, isOutside: false },
    ended: () => unit.ended('app'),
    started: (program) => unit.started(program),
  });
  const at = (port: number): HostPort => {
    const placed = place.ports.find(({ spec: one, container }) => one.port === port || container === port);
    return network === null
      ? (placed?.app ?? { address: '127.0.0.1', port })
      : { address: place.address, port: placed?.container ?? port };
  };
  const probe = healthProbe(spec.health, { network, at, environment, directory: spec.directory });
  const facts = {
    workload: spec.name,
    namespace: place.namespace,
    service: spec.ports.length === 0 ? '' : spec.service,
    version: spec.version,
  };
  const unit = makeUnit(mesh, place, { ...facts, name, kind: 'workload', proxy: options.proxy }, app, probe);
  return unit;
}

function gatewayUnit(mesh: Mesh, place: GatewayPlace): Unit {
  const { name, namespace, kind } = place;
  const facts = { name, workload: name, namespace, service: name, version: '', kind, proxy: mesh.options.proxy };
  return makeUnit(mesh, place, facts, null, () => Promise.resolve(''));
}

function externalUnit(mesh: Mesh, { spec, name, app: at }: ExternalPlace): Unit {
  const user = null;
  const home = homeOf(mesh, name, user);
  const environment = externalEnvironment({ kind: 'external', spec, name, app: at }, home);
  // It goes with the outer process, whatever becomes of that.
  const guard = findProgram('setpriv');
  const command =
    guard === null || process.platform !== 'linux' ? spec.command : [guard, '--pdeathsig', 'KILL', ...spec.command];
  const app = programOf(mesh, name, {
    spec: { name, command, environment, directory: spec.directory, user, inherits: 'nothing' },
    where: { network: null, isOutside: true },
    ended: () => unit.ended('app'),
    started: (program) => unit.started(program),
  });
  // From here it cannot be asked where networks differ: it counts as ready once it runs.
  const probe: Probe =
    mesh.options.capture === 'explicit'
      ? healthProbe(spec.health, { network: null, at: () => at, environment, directory: spec.directory })
      : () => Promise.resolve('');
  const facts = {
    name,
    workload: name,
    namespace: spec.namespace,
    service: spec.host,
    version: '',
    kind: 'external',
    proxy: 'none',
  } as const;
  const unit = new Unit(facts, { proxy: null, app, adminSocket: '', probe, changed: () => mesh.changed() });
  return unit;
}

function makeUnit(
  mesh: Mesh,
  place: WorkloadPlace | GatewayPlace,
  facts: UnitFacts,
  app: Supervised | null,
  probe: Probe,
): Unit {
  const { options, placement } = mesh;
  const { name, namespace, account } = place;
  const adminSocket = join(options.runtime, `${name}.admin`);
  const isOutside = place.kind === 'egress' && options.capture === 'namespaces';
  const discovery = isOutside ? placement.hostDiscovery : placement.discovery;
  const own = join(options.runtime, 'agents', name);
  mkdirSync(own, { recursive: true, mode: 0o700 });
  const spec: SpawnSpec = {
    name,
    command: [
      ...selfCommand(),
      ...['agent', 'proxy', place.kind === 'workload' ? 'sidecar' : 'router'],
      ...[
        '--discovery',
        `${discovery.address}:${discovery.port}`,
        '--root-ca',
        join(mesh.state, 'control', 'root-cert.pem'),
      ],
      ...['--join-token', '/dev/fd/3', '--uds', own, '--configPath', own],
      ...(options.proxy === 'envoy' ? ['--envoy', options.envoyPath ?? 'envoy'] : []),
    ],
    environment: agentEnvironment(place, placement, options, adminSocket),
    directory: own,
    user: null,
    inherits: 'secret',
  };
  const log = mesh.logOf(`${name}.proxy`);
  const start = async (events: SpawnEvents): Promise<RunningProgram | null> => {
    const network = isOutside ? null : mesh.networkOf(name);
    const program = await mesh.spawner.start(spec, { network, isOutside }, events);
    if (program !== null) void giveToken(mesh, program, namespace, account, isOutside);
    return program;
  };
  const proxy = new Supervised(name, start, {
    line: (text) => {
      log.line(text);
      mesh.traffic?.proxyLine(facts, text);
    },
    started: (program) => unit.started(program),
    ended: (how) => {
      mesh.narrator.tell(name, `its proxy ${how}`);
      unit.ended('proxy');
    },
  });
  const unit = new Unit(facts, { proxy, app, adminSocket, probe, changed: () => mesh.changed() });
  return unit;
}

/** Good for the account, while this very process lives. */
async function giveToken(
  mesh: Mesh,
  program: RunningProgram,
  namespace: string,
  account: string,
  isOutside: boolean,
): Promise<void> {
  let token: string | null = null;
  while (token === null) token = await mesh.control.link.token(namespace, account, isOutside ? null : program.pid);
  program.tell(token);
}

type ProgramParts = {
  readonly spec: SpawnSpec;
  readonly where: { readonly network: number | null; readonly isOutside: boolean };
  readonly started: (program: RunningProgram) => void;
  readonly ended: () => void;
};

function programOf(mesh: Mesh, name: string, { spec, where, started, ended }: ProgramParts): Supervised {
  const log = mesh.logOf(name);
  return new Supervised(name, (events) => mesh.spawner.start(spec, where, events), {
    line: (text) => {
      log.line(text);
      mesh.narrator.line(name, text);
    },
    started,
    ended: (how) => {
      log.line(`heddle: ${how}`);
      mesh.narrator.tell(name, how);
      ended();
    },
  });
}

type User = { readonly uid: number; readonly gid: number } | null;

function userOf({ options }: Mesh, { user }: ProgramSpec, own: number): User {
  if (!options.hasUsers) return null;
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
