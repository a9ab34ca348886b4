// Clusters as the router sees them: hosts to choose from, limits to respect, connections to borrow.
import type { Address } from '../../base/byte-stream.ts';
import type { Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import type { Headers } from '../../wire/headers.ts';
import type { Scope } from '../../telemetry/metrics.ts';
import type { StreamCallbacks } from '../http/codec.ts';
import type { UpstreamInfo } from '../stream-info.ts';

/** What a load balancer may look at. */
export type LoadBalancerContext = {
  /** Consistent hash of the request, or null. */
  readonly hash: number | null;
  readonly random: Random;
  readonly requestHeaders: Headers | null;
  /** Whether a host is worth trying (retries avoid hosts that failed); asked up to `hostSelectionMaxAttempts` times. */
  shouldSelectAnother(host: Host): boolean;
  readonly hostSelectionMaxAttempts: number;
};

export type LoadBalancer = {
  /** A host to use now, or null when none is healthy enough. */
  chooseHost(context: LoadBalancerContext): Host | null;
};

export type Priority = 'DEFAULT' | 'HIGH';

/** One upstream address with all that outlives a configuration change: pools, counts, health. */
export type Host = UpstreamInfo & {
  readonly address: Address;
  readonly hostname: string;
  /** 'ip:port', as statistics and logs print it. */
  readonly name: string;
  readonly weight: number;
  readonly isHealthy: boolean;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** Asks for a stream to this host; the answer may come during the call. Returns a handle to give the wish up. */
  newStream(priority: Priority, callbacks: StreamCallbacks): StreamRequest | null;
  /** Notes the outcome for rq_success / rq_error and, later, outlier detection. */
  onResponse(status: number): void;
  onLocalFailure(reason: Failure): void;
};

/** A wish for a stream that waits for a connection. */
export type StreamRequest = { cancel(): void };

export type CircuitBreaker = {
  /** Each tries to take one unit and says whether there was one; `release*` gives it back. Counted in `*_overflow`. */
  tryRetry(): boolean;
  releaseRetry(): void;
  readonly isPendingFull: boolean;
  readonly isRequestsFull: boolean;
};

export type Cluster = {
  readonly name: string;
  /** alt_stat_name or name; the scope's prefix is 'cluster.' + it + '.'. */
  readonly statName: string;
  readonly scope: Scope;
  readonly isInMaintenance: boolean;
  readonly lb: LoadBalancer;
  readonly maxResponseHeadersBytes: number;
  circuitBreaker(priority: Priority): CircuitBreaker;
  readonly hosts: readonly Host[];
  /** Buffer limit of its connections, bytes. */
  readonly bufferLimitBytes: number;
};

/** Finds clusters by name; the router looks up at each request, so a swap takes effect at once. */
export type ClusterManager = {
  get(name: string): Cluster | null;
};
