// Where everything of a mesh is: addresses, ports and names of processes, decided before anything starts.
import { createHash } from 'node:crypto';
import type { HostPort } from '../../net/relay.ts';
import type { PathPart } from '../../control/source/finding.ts';
import {
  type ExternalSpec,
  type GatewaySpec,
  instanceNames,
  type Manifest,
  type PortSpec,
  type WorkloadSpec,
} from '../manifest/manifest.ts';

/** How calls are caught. 'namespaces': each workload in a network of its own; 'explicit': applications are told. */
export type CaptureKind = 'namespaces' | 'explicit';

export type PlacedPort = {
  readonly spec: PortSpec;
  /** Of the pod: what Services call its target port. */
  readonly container: number;
  /** Where the endpoint is called: the container's port, or one in its place where that cannot be had. */
  readonly target: number;
  /** Where the program listens. */
  readonly app: HostPort;
};

type Placed = {
  /** Of process, pod, log and sockets. */
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the pod. */
  readonly address: string;
};

export type WorkloadPlace = Placed & {
  readonly kind: 'workload';
  readonly spec: WorkloadSpec;
  readonly ports: readonly PlacedPort[];
  /** In explicit mode: the HTTP proxy of its own, and where each TCP service is reached, by 'HOST:PORT'. */
  readonly httpProxy: HostPort | null;
  readonly outbound: ReadonlyMap<string, HostPort>;
};

export type GatewayPlace = Placed & {
  readonly kind: 'ingress' | 'egress';
  readonly spec: GatewaySpec;
  /** Where the proxy listens: the egress gateway stands on this machine's own network, whatever its pod's address. */
  readonly bind: string;
  /** Ports of the Service and where the proxy listens. */
  readonly ports: readonly { readonly port: number; readonly target: number; readonly name: string }[];
};

export type ExternalPlace = {
  readonly kind: 'external';
  readonly name: string;
  readonly spec: ExternalSpec;
  readonly app: HostPort;
};

export type Placement = {
  readonly capture: CaptureKind;
  readonly workloads: readonly WorkloadPlace[];
  readonly gateways: readonly GatewayPlace[];
  readonly externals: readonly ExternalPlace[];
  /** Where proxies find the control plane. */
  readonly discovery: HostPort;
  /** The same for those on this machine's own network. */
  readonly hostDiscovery: HostPort;
};

export type PlacementParts = {
  readonly capture: CaptureKind;
  /** Every address 127.x.y.z is this machine's own. */
  readonly hasLoopbackRange: boolean;
  /** A number that tells meshes of this machine apart. */
  readonly seed: number;
  /** A port of 127.0.0.1 that nobody has. */
  readonly freePort: () => number;
  /** What was given before, so that whoever stays has what it had; it is added to. */
  readonly given?: Given;
};

/** Addresses and ports by what they are for. Nothing of it is ever given to another. */
export class Given {
  next = 10;
  readonly addresses = new Map<string, string>();
  readonly ports = new Map<string, number>();
}

/** What cannot be placed, and what of heddle.yaml asks for it. */
export class PlaceProblem extends Error {
  readonly path: readonly PathPart[];

  constructor(path: readonly PathPart[], reason: string) {
    super(reason);
    this.path = path;
  }
}

const POD_NETWORK = '10.244';
export const BRIDGE_ADDRESS = `${POD_NETWORK}.0.1`;
const DISCOVERY_PORT = 15_012;
/** Below it only root may listen; Istio's gateways do the same. */
const FIRST_FREE_PORT = 1024;
const HIGH_PORTS = 8000;

export function placeMesh(manifest: Manifest, parts: PlacementParts): Placement {
  const place = new Placer(manifest, parts);
  const workloads = manifest.workloads.flatMap((spec) => place.workload(spec));
  const gateways = manifest.gateways.map((spec) => place.gateway(spec));
  const externals = manifest.externals.map((spec) => place.external(spec));
  return { capture: parts.capture, workloads, gateways, externals, ...place.discovery() };
}

export function serviceHost(service: string, namespace: string): string {
  return `${service}.${namespace}.svc.cluster.local`;
}

class Placer {
  readonly #manifest: Manifest;
  readonly #parts: PlacementParts;
  readonly #given: Given;
  readonly #fixed = new Map<number, string>();

  constructor(manifest: Manifest, parts: PlacementParts) {
    this.#manifest = manifest;
    this.#parts = parts;
    this.#given = parts.given ?? new Given();
  }

  discovery(): Pick<Placement, 'discovery' | 'hostDiscovery'> {
    const hostDiscovery = this.#loopback('discovery');
    if (this.#parts.capture === 'explicit') return { discovery: hostDiscovery, hostDiscovery };
    return { discovery: { address: BRIDGE_ADDRESS, port: DISCOVERY_PORT }, hostDiscovery };
  }

  workload(spec: WorkloadSpec): WorkloadPlace[] {
    return instanceNames(spec).map((name) => {
      const isExplicit = this.#parts.capture === 'explicit';
      return {
        kind: 'workload',
        ...{ name, spec, namespace: spec.namespace, account: spec.account },
        labels: { app: spec.service, ...(spec.version === '' ? {} : { version: spec.version }), ...spec.labels },
        address: this.#address(name),
        ports: spec.ports.map((port, index) => this.#port(spec, port, { name, index })),
        httpProxy: isExplicit ? this.#loopback(`${name} proxy`) : null,
        outbound: isExplicit ? this.#outbound(name) : new Map(),
      };
    });
  }

  gateway(spec: GatewaySpec): GatewayPlace {
    const { name } = spec;
    // The egress gateway is the mesh's way out: it runs on this machine's own network.
    const isOutside = spec.role === 'egress' && this.#parts.capture === 'namespaces';
    const { hasLoopbackRange } = this.#parts;
    const address = isOutside ? this.#podAddress(name) : this.#address(name);
    const outside = hasLoopbackRange ? () => this.#loopbackAddress(`${name} outside`) : () => '127.0.0.1';
    const bind = isOutside ? outside() : address;
    return {
      kind: spec.role,
      ...{ name, spec, namespace: spec.namespace, account: spec.account },
      labels: { app: name, ...spec.labels },
      ...{ address, bind },
      ports: spec.ports.map(({ port, name: portName }) => {
        const key = `${name} port ${port}`;
        const target = bind === '127.0.0.1' ? this.#freePort(key) : this.#gatewayTarget(port, key);
        return { port, name: portName, target };
      }),
    };
  }

  external(spec: ExternalSpec): ExternalPlace {
    return { kind: 'external', name: spec.name, spec, app: this.#loopback(`${spec.name} program`) };
  }

  #address(key: string): string {
    const { capture, hasLoopbackRange } = this.#parts;
    if (capture === 'namespaces') return this.#podAddress(key);
    return hasLoopbackRange ? this.#loopbackAddress(key) : '127.0.0.1';
  }

  #podAddress(key: string): string {
    return this.#once(key, (number) => `${POD_NETWORK}.${Math.floor(number / 250)}.${(number % 250) + 2}`);
  }

  #loopbackAddress(key: string): string {
    const { seed } = this.#parts;
    return this.#once(key, (number) => {
      const third = ((seed >>> 7) & 0xff) ^ Math.floor(number / 250);
      return `127.${64 + (seed % 128)}.${third}.${(number % 250) + 2}`;
    });
  }

  #once(key: string, make: (number: number) => string): string {
    const { addresses } = this.#given;
    const address = addresses.get(key) ?? make(this.#given.next++);
    addresses.set(key, address);
    return address;
  }

  #freePort(key: string): number {
    const { ports } = this.#given;
    const port = ports.get(key) ?? this.#parts.freePort();
    ports.set(key, port);
    return port;
  }

  #loopback(key: string): HostPort {
    return { address: '127.0.0.1', port: this.#freePort(key) };
  }

  #port(workload: WorkloadSpec, spec: PortSpec, { name, index }: { name: string; index: number }): PlacedPort {
    const container = spec.listens ?? spec.port;
    const { capture, hasLoopbackRange } = this.#parts;
    if (capture === 'namespaces') return { spec, container, target: container, app: { address: '', port: container } };
    if (spec.listens !== null) this.#claim(workload, spec.listens, index);
    const app = { address: '127.0.0.1', port: spec.listens ?? this.#freePort(`${name} program ${spec.port}`) };
    // A program with a port of its own may take it on all addresses, and below 1024 only root may.
    const isOwn = hasLoopbackRange && spec.listens === null && container >= FIRST_FREE_PORT;
    return { spec, container, target: isOwn ? container : this.#freePort(`${name} port ${container}`), app };
  }

  /** On one network two programs cannot have one port. */
  #claim({ name, replicas }: WorkloadSpec, port: number, index: number): void {
    const other = this.#fixed.get(port) ?? (replicas > 1 ? `another replica of ${name}` : undefined);
    if (other !== undefined) {
      throw new PlaceProblem(
        ['workloads', name, 'ports', index, 'listens'],
        `${name} listens on port ${port} whatever it is told (listens: ${port}), and so does ${other}: ` +
          'without network namespaces only one of them can; let it obey $PORT, or give it another port',
      );
    }
    this.#fixed.set(port, name);
  }

  #outbound(name: string): ReadonlyMap<string, HostPort> {
    const found = new Map<string, HostPort>();
    const add = (key: string): void => {
      if (!found.has(key)) found.set(key, this.#loopback(`${name} to ${key}`));
    };
    for (const peer of this.#manifest.workloads) {
      for (const { port, protocol } of peer.ports) {
        if (isRawTcp(protocol)) add(`${serviceHost(peer.service, peer.namespace)}:${port}`);
      }
    }
    for (const { host, port, protocol } of this.#manifest.externals) {
      if (isRawTcp(protocol)) add(`${host}:${port}`);
    }
    return found;
  }

  #gatewayTarget(port: number, key: string): number {
    const { capture, hasLoopbackRange } = this.#parts;
    const high = port < FIRST_FREE_PORT ? port + HIGH_PORTS : port;
    return capture === 'namespaces' || hasLoopbackRange ? high : this.#freePort(key);
  }
}

export function isRawTcp(protocol: PortSpec['protocol']): boolean {
  return protocol === 'tcp' || protocol === 'tls' || protocol === 'https';
}

/** The same for the same directory, so that addresses stay. */
export function seedOf(directory: string): number {
  return createHash('sha256').update(directory).digest().readUInt32BE(0);
}
