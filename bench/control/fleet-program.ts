// The proxies of the bench, in a process of their own: commands come from the parent, answers go back to it.
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import type { FleetAnswer, FleetCommand, FleetState } from './fleet.ts';
import { NAMESPACE, podOf } from './mesh-files.ts';
import { ResourceChecks, TYPES } from './resource-checks.ts';
import { Expectation, type ProxyKind, Sidecar } from './sidecar.ts';

/** How long nothing may come before all is taken as settled. */
const QUIET_MS = 300;

let checks = new ResourceChecks();
let fleet: Sidecar[] = [];
let ended: string[] = [];
let lastTakenMs = 0;
let waiting = new Set<Sidecar>();
let doneMs: number[] = [];
let isReady: (sidecar: Sidecar) => boolean = () => true;
let resolve: () => void = () => {};

/** Comparable between processes of one machine. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function nodeOf(kind: ProxyKind, index: number, services: number): Buffer {
  const { name, address, app } = podOf(index, services);
  const metadata = {
    NAME: name,
    NAMESPACE,
    OWNER: `kubernetes://apis/apps/v1/namespaces/${NAMESPACE}/deployments/${app}`,
    WORKLOAD_NAME: app,
    INSTANCE_IPS: address,
    LABELS: {
      app,
      'security.istio.io/tlsMode': 'istio',
      'service.istio.io/canonical-name': app,
      'service.istio.io/canonical-revision': 'latest',
    },
    SERVICE_ACCOUNT: app,
    ISTIO_VERSION: '1.32.0',
    ...(kind === 'heddle' ? { HEDDLE_VERSION: '0.1.0' } : {}),
    INTERCEPTION_MODE: 'REDIRECT',
    MESH_ID: 'cluster.local',
    CLUSTER_ID: 'Kubernetes',
    PROXY_CONFIG: { serviceCluster: `${app}.${NAMESPACE}`, concurrency: 2, statusPort: 15020 },
  };
  const id = `sidecar~${address}~${name}.${NAMESPACE}~${NAMESPACE}.svc.cluster.local`;
  const type = registry.message('envoy.config.core.v3.Node');
  return Buffer.from(
    encodeBinary(type, fromJson(type, { id, cluster: `${app}.${NAMESPACE}`, metadata }, new Report())),
  );
}

function onTaken(sidecar: Sidecar): void {
  lastTakenMs = nowMs();
  if (!waiting.has(sidecar) || !isReady(sidecar)) return;
  waiting.delete(sidecar);
  doneMs.push(lastTakenMs);
  if (waiting.size === 0) resolve();
}

function waitFor(ready: (sidecar: Sidecar) => boolean): void {
  waiting = new Set(fleet);
  doneMs = [];
  isReady = ready;
}

/** Until all have what they wait for, and nothing more comes. */
async function settle(timeoutMs: number): Promise<FleetState> {
  const done = new Promise<void>((finish) => (resolve = finish));
  if (waiting.size > 0) await Promise.race([done, sleep(timeoutMs)]);
  const deadline = nowMs() + timeoutMs;
  while (nowMs() - lastTakenMs < QUIET_MS && nowMs() < deadline) await sleep(QUIET_MS / 3);
  checks.decodeNew();
  return state();
}

function state(): FleetState {
  const sum = (count: (sidecar: Sidecar) => number): number => fleet.reduce((total, one) => total + count(one), 0);
  const range = (count: (sidecar: Sidecar) => number): [number, number] => [
    Math.min(...fleet.map(count)),
    Math.max(...fleet.map(count)),
  ];
  const types = Object.entries(TYPES);
  const counts = types.map(([name, typeUrl]) => [name, sum((one) => one.resources.get(typeUrl) ?? 0)] as const);
  return {
    doneMs,
    missing: waiting.size,
    bytes: sum((one) => one.bytes),
    resources: Object.fromEntries(counts),
    holds: { ...Object.fromEntries(types.map(([name, url]) => [name, range((one) => one.count(url))])) },
    hosts: range((one) => one.hosts),
    problems: [...checks.problems, ...ended],
    distinctBytes: checks.distinctBytes,
  };
}

function start(command: FleetCommand & { readonly do: 'connect' }): void {
  for (const sidecar of fleet) sidecar.close();
  checks = new ResourceChecks();
  fleet = [];
  ended = [];
  for (let i = 0; i < command.count; i++) {
    const { port } = command;
    const onEnd = (reason: string): void => {
      if (ended.length < 20) ended.push(`proxy ${i}: ${reason}`);
    };
    const node = nodeOf(command.kind, i, command.services);
    fleet.push(new Sidecar({ port, node, checks, onEnd, onTaken }));
  }
  waitFor((sidecar) => sidecar.isSynced);
}

async function run(command: FleetCommand): Promise<FleetAnswer> {
  switch (command.do) {
    case 'connect':
      start(command);
      return { state: await settle(command.timeoutMs) };
    case 'expect': {
      const types = command.types.map((name) => {
        if (name !== 'hosts') return TYPES[name];
        return command.kind === 'heddle' ? TYPES.vhds : TYPES.rds;
      });
      const expectation = new Expectation(command.text, types);
      for (const sidecar of fleet) sidecar.resetCounts();
      for (const sidecar of fleet) sidecar.expect(expectation);
      waitFor((sidecar) => sidecar.isDone);
      return { state: state() };
    }
    case 'settle':
      return { state: await settle(command.timeoutMs) };
    case 'disconnect':
      for (const sidecar of fleet) sidecar.close();
      fleet = [];
      return { state: null };
  }
}

process.on('message', (command: FleetCommand) => {
  void run(command).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => process.exit());
