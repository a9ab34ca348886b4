// The bookshop of examples/: its programs as plain processes, and the objects that stand for them, made of its
// heddle.yaml here once more and independent of what `heddle up` makes.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parseYaml } from '../../src/control/source/yaml.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';

export const BOOKSHOP = join(PROJECT_ROOT, 'examples/bookshop');
export const NAMESPACE = 'bookshop';

type Port = { readonly port: number; readonly protocol: string };
export type Program = {
  readonly command: string;
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly service?: string;
  readonly version?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly Port[];
  readonly host?: string;
  readonly port?: number;
  readonly protocol?: string;
};
export type Manifest = {
  readonly workloads: Readonly<Record<string, Program>>;
  readonly gateways: Readonly<Record<string, Program>>;
  readonly external: Readonly<Record<string, Program>>;
};

export function readBookshop(): Manifest {
  const parsed = parseYaml(readFileSync(join(BOOKSHOP, 'heddle.yaml'), 'utf8'));
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.values[0] as Manifest;
}

/** Services, pods, endpoints and accounts. `addressOf` says where a workload, a gateway or a program outside is. */
export function bookshopObjects(
  { workloads, gateways, external }: Manifest,
  addressOf: (name: string) => string,
): object[] {
  const members = new Map<string, { readonly name: string; readonly program: Program; readonly labels: object }[]>();
  const add = (service: string, name: string, program: Program, labels: object): void => {
    members.set(service, [...(members.get(service) ?? []), { name, program, labels }]);
  };
  for (const [name, program] of Object.entries(workloads)) {
    const service = program.service ?? name;
    const labels = { app: service, version: program.version, 'security.istio.io/tlsMode': 'istio', ...program.labels };
    add(service, name, program, labels);
  }
  for (const [name, program] of Object.entries(gateways)) {
    // Without the label that asks for mutual TLS: what a gateway takes stands in its Gateway objects.
    add(name, name, program, { app: name, ...program.labels });
  }
  const objects: object[] = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }];
  for (const [service, all] of members) {
    objects.push(object('v1', 'ServiceAccount', service, {}));
    for (const { name, labels } of all) objects.push(pod(name, service, addressOf(name), labels));
    const [first] = all;
    if (first?.program.ports !== undefined) objects.push(...serviceOf(service, first.program.ports, all, addressOf));
  }
  return [...objects, ...Object.entries(external).map(([name, one]) => entryOf(name, one, addressOf(name)))];
}

function object(apiVersion: string, kind: string, name: string, rest: object, labels?: object): object {
  return { apiVersion, kind, metadata: { name, namespace: NAMESPACE, labels }, ...rest };
}

function pod(name: string, account: string, ip: string, labels: object): object {
  const spec = { serviceAccountName: account, containers: [{ name: 'app', image: 'app' }] };
  return object('v1', 'Pod', name, { spec, status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] } }, labels);
}

let clusterAddresses = 0;

function serviceOf(
  service: string,
  ports: readonly Port[],
  members: readonly { readonly name: string }[],
  addressOf: (name: string) => string,
): object[] {
  const named = ports.map(({ port, protocol }) => ({ name: `${protocol}-${port}`, port, protocol: 'TCP' }));
  const spec = {
    clusterIP: `198.51.100.${(clusterAddresses++ % 250) + 1}`,
    selector: { app: service },
    ports: named.map((one) => ({ ...one, targetPort: one.port })),
  };
  const slice = {
    addressType: 'IPv4',
    ports: named,
    endpoints: members.map(({ name }) => ({
      addresses: [addressOf(name)],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name, namespace: NAMESPACE },
    })),
  };
  return [
    object('v1', 'Service', service, { spec }),
    object('discovery.k8s.io/v1', 'EndpointSlice', `${service}-1`, slice, { 'kubernetes.io/service-name': service }),
  ];
}

function entryOf(name: string, { host, port, protocol = 'http' }: Program, address: string): object {
  const spec = {
    hosts: [host],
    location: 'MESH_EXTERNAL',
    resolution: 'STATIC',
    ports: [{ number: port, name: protocol, protocol: protocol.toUpperCase() }],
    endpoints: [{ address }],
  };
  return object('networking.istio.io/v1', 'ServiceEntry', name, { spec });
}

/** What `heddle up` makes for the HTTPS port of the ingress gateway. */
export function gatewaySecret(chainPem: string, keyPem: string): object {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const data = { 'tls.crt': base64(chainPem), 'tls.key': base64(keyPem) };
  return object('v1', 'Secret', 'bookshop-cert', { type: 'kubernetes.io/tls', data });
}

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export type RunningProgram = {
  readonly output: () => string;
  /** Resolves to the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
};

/** Runs a program as heddle.yaml says; `node` is this Node. */
export function runApp(program: Program, environment: Readonly<Record<string, string>>): RunningProgram {
  const child = spawn('/bin/sh', ['-c', `exec ${program.command}`], {
    cwd: join(BOOKSHOP, program.directory),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
      ...program.environment,
      ...environment,
    },
  });
  live.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('exit', (code, signal) => {
      live.delete(child);
      resolve(signal ?? code);
    }),
  );
  return {
    output: () => output,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}
