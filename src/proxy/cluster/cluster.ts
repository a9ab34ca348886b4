// Clusters as the router sees them: hosts to choose from, limits to respect, connections to borrow.
import type { Address } from '../../base/byte-stream.ts';
import type { Random } from '../../base/clock.ts';
import type { Headers } from '../../wire/headers.ts';
import type { StreamCallbacks } from '../http/codec.ts';
import type { Metadata, UpstreamInfo } from '../stream-info.ts';
import type { ClusterCodeStats, ClusterScope } from './stats.ts';

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
  readonly metadata: Metadata | null;
  /** Endpoint metadata 'envoy.lb' has canary: true. */
  readonly isCanary: boolean;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  /** Outcomes as `/clusters` shows them; the router counts. */
  rqSuccess: number;
  rqError: number;
  rqTimeout: number;
  /** Asks for a stream to this host; the answer may come during the call. Returns a handle to give the wish up. */
  newStream(priority: Priority, callbacks: StreamCallbacks): StreamRequest | null;
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
  readonly metadata: Metadata | null;
  /** alt_stat_name or name; the scope's prefix is 'cluster.' + it + '.'. */
  readonly statName: string;
  readonly scope: ClusterScope;
  /** Counters per response code. */
  readonly codes: ClusterCodeStats;
  /** Draws whether this request meets maintenance mode (runtime upstream.maintenance_mode.NAME). */
  isInMaintenance(): boolean;
  readonly lb: LoadBalancer;
  /** common_http_protocol_options.max_stream_duration, ms; 0 = none. */
  readonly maxStreamDurationMs: number;
  circuitBreaker(priority: Priority): CircuitBreaker;
  readonly hosts: readonly Host[];
  /** Buffer limit of its connections, bytes. */
  readonly bufferLimitBytes: number;
};

/** Finds clusters by name; the router looks up at each request, so a swap takes effect at once. */
export type ClusterManager = {
  get(name: string): Cluster | null;
};
