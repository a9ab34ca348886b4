// What heddle.yaml says to run: plain data, with every default filled in.

export type Protocol = 'http' | 'http2' | 'grpc' | 'tcp' | 'tls' | 'https';

export type PortSpec = {
  /** As a Service names it: http-9080. */
  readonly name: string;
  /** What others call it by. */
  readonly port: number;
  readonly protocol: Protocol;
  /** The program's fixed port; null where it obeys $PORT. */
  readonly listens: number | null;
};

export type HealthSpec =
  | { readonly kind: 'http'; readonly path: string; readonly port: number }
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'command'; readonly command: readonly string[] }
  /** It is ready when it runs: no ports, nothing to ask. */
  | { readonly kind: 'none' };

export type ProgramSpec = {
  readonly command: readonly string[];
  /** Absolute. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly health: HealthSpec;
  /** A user of this system to run as; null: one of its own where that is possible. */
  readonly user: string | null;
};

export type WorkloadSpec = ProgramSpec & {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly version: string;
  readonly account: string;
  readonly replicas: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PortSpec[];
  /** The group of workloads that a switch leaves out ('traffic'); '' for none. */
  readonly optional: string;
};

export type GatewayPort = {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Of this machine, where it is wanted; null: it is not opened there. */
  readonly host: number | null;
};

export type GatewaySpec = {
  readonly name: string;
  readonly role: 'ingress' | 'egress';
  readonly namespace: string;
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly GatewayPort[];
};

/** A program outside of the mesh that stands for a host elsewhere. */
export type ExternalSpec = ProgramSpec & {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly namespace: string;
};

export type Manifest = {
  readonly name: string;
  /** Of heddle.yaml, absolute. */
  readonly directory: string;
  readonly namespace: string;
  /** What a new user may try, a line each. */
  readonly hints: readonly string[];
  readonly workloads: readonly WorkloadSpec[];
  readonly gateways: readonly GatewaySpec[];
  readonly externals: readonly ExternalSpec[];
};

export const MANIFEST_FILE = 'heddle.yaml';

/** Names of the processes of a workload: its own, with a number where there are several. */
export function instanceNames(workload: Pick<WorkloadSpec, 'name' | 'replicas'>): readonly string[] {
  return Array.from({ length: workload.replicas }, (_, index) => `${workload.name}-${index + 1}`);
}
