// Placement → units: for each place its program, and the command of its proxy.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExternalPlace, GatewayPlace, WorkloadPlace } from '../place/placement.ts';
import type { RunningProgram, SpawnEvents, SpawnSpec } from '../process/spawn.ts';
import { Supervised } from '../process/supervised.ts';
import { agentEnvironment } from './environment.ts';
import type { Mesh } from './mesh.ts';
import { externalProgram, type ProgramEvents, type Program, workloadProgram } from './programs.ts';
import { selfCommand } from './self.ts';
import { Unit, type UnitFacts } from './unit.ts';

export function makeUnits(mesh: Mesh): Unit[] {
  const { placement } = mesh;
  return [
    ...placement.workloads.map((place) => workloadUnit(mesh, place)),
    ...placement.gateways.map((place) => gatewayUnit(mesh, place)),
    ...placement.externals.map((place) => externalUnit(mesh, place)),
  ];
}

export function workloadUnit(mesh: Mesh, place: WorkloadPlace): Unit {
  const { spec, name } = place;
  const facts: UnitFacts = {
    ...({ name, kind: 'workload' } as const),
    ...{ proxy: mesh.options.proxy, workload: spec.name, namespace: place.namespace },
    service: spec.ports.length === 0 ? '' : spec.service,
    version: spec.version,
  };
  const unit: Unit = makeUnit(mesh, place, facts, (events) => workloadProgram(mesh, place, events));
  return unit;
}

function gatewayUnit(mesh: Mesh, place: GatewayPlace): Unit {
  const { name, namespace, kind } = place;
  const facts = { name, workload: name, namespace, service: name, version: '', kind, proxy: mesh.options.proxy };
  return makeUnit(mesh, place, facts, null);
}

export function externalUnit(mesh: Mesh, place: ExternalPlace): Unit {
  const { spec, name } = place;
  const facts: UnitFacts = {
    ...{ name, workload: name, namespace: spec.namespace, service: spec.host },
    ...({ version: '', kind: 'external', proxy: 'none' } as const),
  };
  const make = (events: ProgramEvents): Program => externalProgram(mesh, place, events);
  return new Unit(facts, { proxy: null, program: make, adminSocket: '', changed: () => mesh.changed() });
}

function makeUnit(
  mesh: Mesh,
  place: WorkloadPlace | GatewayPlace,
  facts: UnitFacts,
  program: ((events: ProgramEvents) => Program) | null,
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
  const unit = new Unit(facts, { proxy, program, adminSocket, changed: () => mesh.changed() });
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
