// Reads heddle.yaml: text → manifest, or every mistake with line and column.
import { basename, dirname, resolve } from 'node:path';
import type { PathPart } from '../../control/source/finding.ts';
import { locate, parseYaml, type Place } from '../../control/source/yaml.ts';
import { Fields } from './fields.ts';
import {
  type ExternalSpec,
  type GatewayPort,
  type GatewaySpec,
  type HealthSpec,
  instanceNames,
  type Manifest,
  type PortSpec,
  type ProgramSpec,
  type Protocol,
  type WorkloadSpec,
} from './manifest.ts';

type Complain = (path: readonly PathPart[], reason: string) => void;

export type ManifestErrors = { readonly errors: readonly string[] };

const PROTOCOLS: readonly Protocol[] = ['http', 'http2', 'grpc', 'tcp', 'tls', 'https'];
const MAX_REPLICAS = 50;
/** Names of processes, sockets and objects. */
const NAME = /^[a-z0-9](?:[-a-z0-9]{0,38}[a-z0-9])?$/;

/** `file` is a path; directories in it are relative to its own. */
export function readManifest(text: string, file: string): Manifest | ManifestErrors {
  const parsed = parseYaml(text);
  if ('error' in parsed) {
    return { errors: [`${file}:${parsed.place.line}:${parsed.place.column}: ${parsed.error}`] };
  }
  const errors: { readonly place: Place; readonly reason: string }[] = [];
  const complain = (path: readonly PathPart[], reason: string): void => {
    errors.push({ place: locate(text, 0, path), reason });
  };
  const root = new Fields(parsed.values[0] ?? {}, [], complain);
  const directory = dirname(resolve(file));
  const manifest = readRoot(root, directory);
  if (errors.length === 0) checkTogether(manifest, complain);
  if (errors.length === 0) return manifest;
  errors.sort(({ place: a }, { place: b }) => a.line - b.line || a.column - b.column);
  return { errors: errors.map(({ place, reason }) => `${file}:${place.line}:${place.column}: ${reason}`) };
}

function readRoot(root: Fields, directory: string): Manifest {
  const namespace = root.name('namespace', 'default', NAME);
  const base = { directory, namespace };
  const manifest: Manifest = {
    ...base,
    hints: root.lines('try'),
    name: root.name('name', nameOf(directory), NAME),
    workloads: root.entries('workloads').map(([name, fields]) => readWorkload(name, fields, base)),
    gateways: root.entries('gateways').map(([name, fields]) => readGateway(name, fields, base)),
    externals: root.entries('external').map(([name, fields]) => readExternal(name, fields, base)),
  };
  root.end();
  return manifest;
}

/** The directory's, as far as it is one. */
function nameOf(directory: string): string {
  const words = basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return words.slice(0, 40).replace(/-$/, '') || 'mesh';
}

type Base = { readonly directory: string; readonly namespace: string };

function readWorkload(name: string, fields: Fields, base: Base): WorkloadSpec {
  checkName(name, fields);
  const ports = fields.list('ports').map(readPort);
  const service = fields.name('service', name, NAME);
  const workload: WorkloadSpec = {
    name,
    service,
    namespace: fields.name('namespace', base.namespace, NAME),
    version: fields.text('version', ''),
    account: fields.name('serviceAccount', service, NAME),
    replicas: fields.number('replicas', 1, 1, MAX_REPLICAS),
    labels: fields.texts('labels'),
    optional: fields.text('optional', ''),
    ports,
    ...readProgram(fields, base, ports[0]?.port ?? null),
  };
  fields.end();
  return workload;
}

function readProgram(fields: Fields, { directory }: Base, firstPort: number | null): ProgramSpec {
  return {
    command: fields.command('command'),
    directory: resolve(directory, fields.text('directory', '.')),
    environment: fields.texts('environment'),
    user: fields.text('user', '') || null,
    health: readHealth(fields.map('health'), firstPort),
  };
}

function readHealth(fields: Fields | null, firstPort: number | null): HealthSpec {
  const otherwise: HealthSpec = firstPort === null ? { kind: 'none' } : { kind: 'tcp', port: firstPort };
  if (fields === null) return otherwise;
  const port = fields.number('port', firstPort ?? 0, 1, 65_535);
  const path = fields.text('http', '');
  const isTcp = fields.flag('tcp');
  const command = fields.has('command') ? fields.command('command') : null;
  fields.end();
  if ([path !== '', isTcp, command !== null].filter(Boolean).length !== 1) {
    fields.complain('', 'health has one of http (a path), tcp: true, and command');
  }
  if (command !== null) return { kind: 'command', command };
  if (port === 0) fields.complain('', 'health needs a port: the workload has none');
  return isTcp ? { kind: 'tcp', port } : { kind: 'http', path, port };
}

function readPort(fields: Fields): PortSpec {
  const port = fields.required('port', 1, 65_535);
  const protocol = fields.oneOf('protocol', 'http', PROTOCOLS);
  const spec = {
    port,
    protocol,
    name: fields.name('name', `${protocol}-${port}`, /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/),
    listens: fields.has('listens') ? fields.required('listens', 1, 65_535) : null,
  };
  fields.end();
  return spec;
}

function readGateway(name: string, fields: Fields, base: Base): GatewaySpec {
  checkName(name, fields);
  const gateway: GatewaySpec = {
    name,
    role: fields.oneOf('role', 'ingress', ['ingress', 'egress']),
    namespace: fields.name('namespace', base.namespace, NAME),
    account: fields.name('serviceAccount', name, NAME),
    labels: fields.texts('labels'),
    ports: fields.list('ports').map(readGatewayPort),
  };
  if (gateway.ports.length === 0) fields.complain('', `the gateway ${name} has no ports: add ports: [{ port: 80 }]`);
  fields.end();
  return gateway;
}

function readGatewayPort(fields: Fields): GatewayPort {
  const port = fields.required('port', 1, 65_535);
  const protocol = fields.oneOf('protocol', 'http', PROTOCOLS);
  const spec = {
    port,
    protocol,
    name: fields.name('name', `${protocol}-${port}`, NAME),
    host: fields.has('host') ? fields.required('host', 1, 65_535) : null,
  };
  fields.end();
  return spec;
}

function readExternal(name: string, fields: Fields, base: Base): ExternalSpec {
  checkName(name, fields);
  const port = fields.required('port', 1, 65_535);
  const external: ExternalSpec = {
    name,
    port,
    host: fields.name('host', '', /^[a-z0-9*](?:[-a-z0-9.]{0,251}[a-z0-9])$/i),
    protocol: fields.oneOf('protocol', 'http', PROTOCOLS),
    namespace: fields.name('namespace', base.namespace, NAME),
    ...readProgram(fields, base, port),
  };
  fields.end();
  return external;
}

function checkName(name: string, fields: Fields): void {
  if (NAME.test(name)) return;
  fields.complain('', `${JSON.stringify(name)} is no name: up to 40 of a-z, 0-9 and -, as Kubernetes names Services`);
}

/** Each number and each name once. */
function checkPorts(
  path: readonly PathPart[],
  ports: readonly { readonly port: number; readonly name: string }[],
  complain: Complain,
): void {
  for (const [index, { port, name }] of ports.entries()) {
    const before = ports.slice(0, index);
    if (before.some((other) => other.port === port)) complain([...path, 'ports', index], `port ${port} is there twice`);
    else if (before.some((other) => other.name === name)) {
      complain([...path, 'ports', index], `two ports are called ${name}`);
    }
  }
}

function checkTogether(manifest: Manifest, complain: Complain): void {
  const { workloads, gateways, externals } = manifest;
  if (workloads.length === 0) complain([], 'there is nothing to run: add workloads');
  const seen = new Map<string, string>();
  const sections = { workloads, gateways, external: externals };
  for (const [section, all] of Object.entries(sections)) {
    for (const { name } of all) {
      const other = seen.get(name);
      if (other !== undefined) complain([section, name], `${name} is a name in ${other} already`);
      seen.set(name, section);
    }
  }
  for (const workload of workloads) {
    for (const process of instanceNames(workload)) {
      const section = seen.get(process);
      if (section !== undefined) {
        complain([section, process], `${process} is what a process of the workload ${workload.name} is called`);
      }
    }
    checkPorts(['workloads', workload.name], workload.ports, complain);
  }
  for (const { name, ports } of gateways) checkPorts(['gateways', name], ports, complain);
  const hosts = new Map<number, string>();
  for (const { name, ports } of gateways) {
    for (const [index, { host }] of ports.entries()) {
      if (host === null) continue;
      const other = hosts.get(host);
      if (other !== undefined) {
        complain(['gateways', name, 'ports', index, 'host'], `port ${host} is wanted by ${other} already`);
      }
      hosts.set(host, name);
    }
  }
}
