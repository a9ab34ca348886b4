// What a mesh on one machine reports of its traffic: counted by the proxies, gathered beside them, shown by the control
// plane. Plain JSON, so that it can go between processes.

/** A workload as Istio's metrics name it; 'unknown' where nothing is known. */
export type WorkloadName = {
  readonly workload: string;
  readonly namespace: string;
  /** The Service that was called, '' for none and on the source's side. */
  readonly service: string;
  readonly version: string;
};

/** Requests, or connections of TCP, of one interval from one workload to another, as the calling side counted them. */
export type EdgeDelta = {
  readonly source: WorkloadName;
  readonly destination: WorkloadName;
  readonly protocol: 'http' | 'grpc' | 'tcp';
  /** Null where the calling side does not know. */
  readonly isMutualTls: boolean | null;
  /** Requests; connections that were opened, of TCP. */
  readonly count: number;
  /** Of them: 5xx, no answer, or a gRPC status that is a server's fault. */
  readonly errors: number;
  /** By HTTP status; '0' for no answer. Empty for TCP. */
  readonly codes: Readonly<Record<string, number>>;
  /** Bucket counts, not cumulative, of milliseconds up to `LATENCY_BOUNDS_MS[i]`; one more for all above. */
  readonly latency: readonly number[];
  /** Of TCP. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
};

/** Istio's buckets of istio_request_duration_milliseconds. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

export type WorkloadState = 'starting' | 'ready' | 'not ready' | 'restarting' | 'failed' | 'stopped';

export type WorkloadHealth = {
  /** The process's name, which is its pod's: reviews-v1-1. */
  readonly name: string;
  readonly workload: string;
  readonly namespace: string;
  readonly service: string;
  readonly version: string;
  readonly kind: 'workload' | 'ingress' | 'egress' | 'external';
  readonly state: WorkloadState;
  /** Why it is not ready; '' when it is. */
  readonly reason: string;
  readonly restarts: number;
  readonly proxy: 'heddle' | 'envoy' | 'none';
  readonly isProxyReady: boolean;
  readonly rssMb: number;
  readonly proxyRssMb: number;
  /** Since the start. */
  readonly cpuSeconds: number;
  readonly proxyCpuSeconds: number;
};

/** One line of an access log. */
export type RecentRequest = {
  readonly atMs: number;
  /** Whose proxy wrote it: the process's name. */
  readonly by: string;
  readonly direction: 'inbound' | 'outbound' | 'gateway';
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly protocol: string;
  /** 0: no answer. */
  readonly status: number;
  readonly grpcStatus: string;
  /** Envoy's response flags, '-' for none; and its response code details. */
  readonly flags: string;
  readonly details: string;
  readonly durationMs: number;
  readonly requestId: string;
  readonly upstreamCluster: string;
  readonly upstreamHost: string;
  readonly peer: string;
};

/** Of one interval. */
export type MeshReport = {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly intervalMs: number;
  /** How traffic is caught, in one line. */
  readonly capture: string;
  readonly edges: readonly EdgeDelta[];
  readonly workloads: readonly WorkloadHealth[];
  /** The newest ones; what came too fast is left out and counted. */
  readonly requests: readonly RecentRequest[];
  readonly droppedRequests: number;
};
