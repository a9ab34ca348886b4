// What the outer and the inner process of a mesh tell each other. The outer one has this machine's network and the
// terminal, the inner one runs the mesh, in networks of its own if it can. Each notices the other's end.
import type { HostPort } from '../../net/relay.ts';
import type { CaptureKind } from '../place/placement.ts';
import type { SpawnSpec } from '../process/spawn.ts';
import type { Usage } from '../process/usage.ts';

export type UpOptions = {
  readonly directory: string;
  readonly proxy: 'heddle' | 'envoy';
  /** Null: Heddle's own. */
  readonly envoyPath: string | null;
  /** Groups of workloads that are left out. */
  readonly without: readonly string[];
  readonly showsTable: boolean;
  readonly verbose: boolean;
  /** Life that proxies ask for their certificates: '24h'. */
  readonly certificateLife: string;
  /** Who is not ready after this time is told of. */
  readonly patienceMs: number;
};

export type InnerStart = UpOptions & {
  readonly capture: CaptureKind;
  /** How traffic is caught and why, in one line. */
  readonly captureText: string;
  readonly hasLoopbackRange: boolean;
  /** Users of their own for workloads can be had. */
  readonly hasUsers: boolean;
  /** Whom programs run as that are given no user. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** All run as one user in a user namespace. */
  readonly isUserNamespace: boolean;
  readonly runtime: string;
  readonly token: string;
  /** Ports of 127.0.0.1 that nobody has. */
  readonly freePorts: readonly number[];
  readonly pagePort: number;
  readonly version: string;
};

export type ToInner =
  | { readonly kind: 'start'; readonly options: InnerStart }
  | { readonly kind: 'stop' }
  | { readonly kind: 'line'; readonly id: number; readonly text: string }
  | { readonly kind: 'started'; readonly id: number; readonly pid: number | null }
  | {
      readonly kind: 'exit';
      readonly id: number;
      readonly code: number | null;
      readonly signal: string | null;
      readonly reason: string | null;
    }
  | { readonly kind: 'forwarded'; readonly id: number; readonly problem: string | null; readonly port: number }
  | { readonly kind: 'usage'; readonly groups: readonly (readonly [number, Usage])[] };

export type ToOuter =
  /** A port of 127.0.0.1 whose connections go to an address inside. With `isExact` no other port will do. */
  | {
      readonly kind: 'forward';
      readonly id: number;
      readonly port: number;
      readonly isExact: boolean;
      readonly to: HostPort;
    }
  /** What may be reached from inside. */
  | { readonly kind: 'open'; readonly targets: readonly HostPort[] }
  /** A program on this machine's own network. */
  | { readonly kind: 'spawn'; readonly id: number; readonly spec: SpawnSpec }
  | { readonly kind: 'kill'; readonly id: number; readonly signal: NodeJS.Signals }
  | { readonly kind: 'tell'; readonly id: number; readonly secret: string }
  /** Groups of processes that the inner one has, for the case that it is killed. */
  | { readonly kind: 'groups'; readonly pids: readonly number[] }
  | { readonly kind: 'usage' }
  /** Commands may ask the control plane from now on; everything is ready with `isReady`. */
  | { readonly kind: 'up'; readonly pagePort: number; readonly isReady: boolean }
  /** Nobody reads what is printed any more. */
  | { readonly kind: 'unheard' }
  | { readonly kind: 'failed'; readonly lines: readonly string[] };
