// What the live page gets: figures of a window of time, the latest requests, and what changed. Plain JSON.
import type { RecentRequest, WorkloadHealth, WorkloadState } from '../../telemetry/mesh-report.ts';

/** Of requests, or of connections of TCP. */
export type Signals = {
  readonly perSecond: number;
  /** 0 to 1; null without any. */
  readonly errorShare: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
};

export type NodeKind = WorkloadHealth['kind'] | 'unknown';

export type GraphNode = {
  readonly id: string;
  readonly label: string;
  readonly namespace: string;
  readonly kind: NodeKind;
  readonly versions: readonly string[];
  readonly services: readonly string[];
  /** The worst of its processes; null where nobody tells. */
  readonly state: WorkloadState | null;
  readonly reason: string;
  readonly ready: number;
  readonly replicas: number;
  /** Of what it was asked. */
  readonly inbound: Signals;
};

export type GraphEdge = Signals & {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: 'http' | 'grpc' | 'tcp';
  readonly mutualTls: 'all' | 'some' | 'none' | 'unknown';
  readonly count: number;
  readonly errors: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly sentBytesPerSecond: number;
  readonly receivedBytesPerSecond: number;
};

export type Graph = {
  readonly atMs: number;
  /** When the last report came; 0 before the first. */
  readonly reportMs: number;
  readonly windowS: number;
  /** How much of the window was reported of. */
  readonly coveredS: number;
  readonly capture: string;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly total: Signals;
};

export type WorkloadRow = {
  readonly id: string;
  readonly workload: string;
  readonly namespace: string;
  readonly kind: NodeKind;
  readonly service: string;
  readonly version: string;
  readonly inbound: Signals;
  /** Requests per second of the last reports, the latest last. */
  readonly series: readonly number[];
  readonly processes: readonly ProcessRow[];
};

export type ProcessRow = WorkloadHealth & {
  /** Cores in use lately; null before that is known. */
  readonly cores: number | null;
  readonly proxyCores: number | null;
};

/** `n` counts up. */
export type NumberedRequest = RecentRequest & { readonly n: number };

export type ChangeReceipt = {
  readonly generation: number;
  readonly concerned: number;
  readonly accepted: number;
  readonly live: number;
  readonly waiting: readonly string[];
  readonly refusals: readonly { readonly proxy: string; readonly message: string }[];
};

export type TimelineEntry = {
  readonly id: number;
  readonly atMs: number;
  /** `rejected`: what a file says now is not taken; what it said before stays. */
  readonly action: 'added' | 'changed' | 'removed' | 'rejected';
  /** '' where a file does not even say which object it is. */
  readonly key: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** Pods, endpoints and the like, which change as workloads come and go. */
  readonly isOfWorkloads: boolean;
  /** Unified, of the YAML; '' where nothing can be shown. */
  readonly diff: string;
  /** What there is to say besides. */
  readonly message: string;
  /** Null until it is known. */
  readonly receipt: ChangeReceipt | null;
  /** From the change until all had accepted it, and lived with it. */
  readonly acceptedMs: number | null;
  readonly liveMs: number | null;
  /** A later change of the same object came before this one was live everywhere. */
  readonly isSuperseded: boolean;
  /** Of the whole mesh; `afterS` says of how many seconds that is so far. */
  readonly before: Signals | null;
  readonly after: Signals | null;
  readonly afterS: number;
};

/** What comes with each report. */
export type TrafficEvent = {
  readonly graph: Graph;
  readonly workloads: readonly WorkloadRow[];
  /** New ones, the latest last. */
  readonly requests: readonly NumberedRequest[];
  /** Requests of all time that were too many to be told. */
  readonly droppedRequests: number;
};

/** What a stream begins with, and goes on from where it lost something. */
export type HelloEvent = TrafficEvent & {
  readonly version: string;
  readonly timeline: readonly TimelineEntry[];
};

/** What is said of an object that is on its way. */
export type StatusEvent = ChangeReceipt & { readonly key: string };
