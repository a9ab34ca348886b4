// Clusters as the router sees them: hosts to choose from, limits to respect, connections to borrow.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import type { Headers } from '../../wire/headers.ts';
import type { StreamCallbacks } from '../http/codec.ts';
import type { Runtime } from '../http/filter.ts';
import type { UpstreamChain } from '../http/upstream-chain.ts';
import type { MirrorPolicy, RetryPolicy } from '../route/route.ts';
import type { ConnectionInfo, FilterStateObject, Metadata, Protocol, StreamInfo } from '../stream-info.ts';
import type { UpstreamInfo, UpstreamSource } from '../stream-info.ts';
import type { HealthStatus } from './cluster-config.ts';
import type { HostMonitor } from './outlier/host-monitor.ts';
import type { ConfigPlace } from '../xds/place.ts';
import type { TransportWishes } from '../transport/transport.ts';
import type { AutoNames, UpstreamProtocol } from './cluster-config.ts';
import type { PreviousPriorities } from './lb/previous-priorities.ts';
import type { ClusterCodeStats, ClusterScope } from './stats.ts';

/** What a load balancer may look at. */
export type LoadBalancerContext = {
  /** Consistent hash of the request, or null. */
  readonly hash: number | null;
  readonly random: Random;
  readonly requestHeaders: Headers | null;
  /** The downstream connection (ORIGINAL_DST goes where it wanted to go); null where there is none. */
  readonly connection: ConnectionInfo | null;
  /** The exchange: filter state and metadata that choose a host. */
  readonly info: StreamInfo | null;
  /** Whether a host is worth trying (retries avoid hosts that failed); asked up to `hostSelectionMaxAttempts` times. */
  shouldSelectAnother(host: Host): boolean;
  readonly hostSelectionMaxAttempts: number;
  /** Of a retry that leaves the priorities which were tried; absent or null: load decides. */
  readonly retryPriority?: PreviousPriorities | null;
};

export type LoadBalancer = {
  /** A host to use now, or null when none is healthy enough. */
  chooseHost(context: LoadBalancerContext): Host | null;
  /**
   * Where names are looked up on demand: asks for the host that `chooseHost` did not have. Null when `told` was called
   * during the call.
   */
  findHost?(context: LoadBalancerContext, told: HostCallback): HostSearch | null;
};

/** Called once; `details` say, as response-code details, why there is none. */
export type HostCallback = (host: Host | null, details: string) => void;
/** A host that is being looked for. After `cancel` nothing is told. */
export type HostSearch = { cancel(): void };

export type Priority = 'DEFAULT' | 'HIGH';

/** One upstream address with all that outlives a configuration change: pools, counts, health. */
export type Host = UpstreamInfo & {
  /** Of its endpoint, 0 the first; absent where there are none. */
  readonly priority?: number;
  readonly address: Address;
  readonly hostname: string;
  /** 'ip:port', as statistics and logs print it. */
  readonly name: string;
  readonly weight: number;
  readonly isHealthy: boolean;
  /** Of hosts that are not healthy, the degraded ones still serve. */
  readonly health: HealthStatus;
  readonly metadata: Metadata | null;
  /** Endpoint metadata 'envoy.lb' has canary: true. */
  readonly isCanary: boolean;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  /** Whoever sends to it tells what came of it; null or absent: nobody asks. */
  readonly outlier?: HostMonitor | null;
  /** Outcomes as `/clusters` shows them; the router counts. */
  rqSuccess: number;
  rqError: number;
  rqTimeout: number;
  /** Called once when the host leaves its cluster, in order of addition: what cannot outlive it (UDP sessions) ends. */
  readonly removalListeners: Set<() => void>;
  /**
   * Asks for a stream to this host; the answer may come during the call. Returns a handle to give the wish up.
   * `downstreamProtocol`: what the request came in, for clusters that speak the same; '' where it came from here.
   */
  newStream(
    priority: Priority,
    callbacks: StreamCallbacks,
    wishes?: TransportWishes | null,
    downstreamProtocol?: Protocol | '',
  ): StreamRequest | null;
  /** Asks for a connection of its own (tcp_proxy); as `newStream` otherwise. */
  newConnection(priority: Priority, options: ConnectionOptions, callbacks: ConnectionCallbacks): StreamRequest | null;
};

/** Of a connection, ms of the clock. */
export type ConnectTimes = {
  readonly startMs: number;
  /** The socket stood. */
  readonly endMs: number;
  /** Its handshake was over; 0 where there was none. */
  readonly handshakeEndMs: number;
};

/** How a connection to a host leaves. */
export type ConnectionOptions = {
  /** What its user wishes of its transport; null: nothing. */
  readonly wishes?: TransportWishes | null;
  /** Instead of the cluster's (original_src). */
  readonly source: UpstreamSource | null;
};

/** Exactly one of the two is called, perhaps during `newConnection`. */
export type ConnectionCallbacks = {
  /** Connected and owned by the caller, who sets `stream.handler` now. */
  onConnected(connection: UpstreamConnection): void;
  onConnectFailed(reason: Failure): void;
};

/** A connected upstream connection and its share of the cluster's counts. */
export type UpstreamConnection = {
  readonly id: number;
  readonly stream: ByteStream;
  readonly host: Host;
  readonly times: ConnectTimes;
  /** What filters of the cluster know of it; they may go on learning. Absent or null: there are none. */
  readonly filterState?: ReadonlyMap<string, FilterStateObject> | null;
  /** Adds what the stream carried since the last call to the cluster's byte counters; `closed` does so too. */
  countBytes(): void;
  /**
   * The owner tells once, when the stream is gone: who ended it, and whether it was in use until then (it was, unless
   * said otherwise). Gives limits and gauges back.
   */
  closed(by: 'local' | 'remote', wasInUse?: boolean): void;
};

/** A wish for a stream that waits for a connection. */
export type StreamRequest = { cancel(): void };

export type CircuitBreaker = {
  readonly canRetry: boolean;
  /** Each tries to take one unit and says whether there was one; `release*` gives it back. Counted in `*_overflow`. */
  tryRetry(): boolean;
  releaseRetry(): void;
  readonly isPendingFull: boolean;
  readonly isRequestsFull: boolean;
  readonly isConnectionsFull: boolean;
  /** Connections and UDP sessions together. */
  readonly connections: { readonly canCreate: boolean; readonly current?: number; inc(): void; dec(): void };
  /** How many there are; absent where nobody asks. */
  readonly requests?: { readonly current: number };
  readonly pending?: { readonly current: number };
};

/** What the transports of a cluster look at. */
export type TransportWants = {
  /** Names of TLS that requests give; null: only filter state does. */
  readonly autoNames: AutoNames | null;
  /** PROXY headers name the downstream connection. */
  readonly needsConnection: boolean;
};

/** What the filters of a dynamic forward proxy need of its cluster. */
export type ForwardProxyCluster = {
  /** Of names that say no port. */
  readonly defaultPort: number;
  /** Null: its hosts are those of a DNS cache. */
  readonly subClusters: SubClusters | null;
};

/** What a sub cluster is for. */
export type SubClusterName = { readonly cluster: string; readonly host: string; readonly port: number };

/** Clusters that a dynamic forward proxy makes, one for each name and port. */
export type SubClusters = {
  /** `host` and `port`, where they are given, go before those of the authority. */
  nameOf(authority: string, host?: string, port?: number | null): SubClusterName;
  /** Whether it serves; then it counts as used. */
  touch(name: SubClusterName): boolean;
  /** Makes it where there is none. `waiting`: `waiter` is told when it serves, unless it gives up. */
  load(name: SubClusterName, waiter: ClusterWaiter): 'serving' | 'waiting' | 'overflow';
  giveUp(name: SubClusterName, waiter: ClusterWaiter): void;
};

export type ClusterWaiter = { onCluster(): void };

/** What a cluster says of its requests in place of their routes; null: the route does. */
export type ClusterPolicies = {
  readonly retry: RetryPolicy | null;
  readonly mirrors: readonly MirrorPolicy[] | null;
};

/** What came of a cluster that was asked for: it serves, the server has none, or nothing came in time. */
export type ClusterOutcome = 'available' | 'missing' | 'timeout';

/** Called once, later. */
export type ClusterAsker = { onClusterOutcome(outcome: ClusterOutcome): void };

/** Where clusters come from that nobody has yet, and how long one waits for them. */
export type ClusterDemand = { readonly place: ConfigPlace; readonly timeoutMs: number };

export type ClusterDemands = {
  /** Somebody may come to ask there: what is asked is counted from now on. */
  announce(demand: ClusterDemand): void;
  /**
   * Asks for a cluster that is not there, unless that was done before: then the server will tell of it by itself.
   * False when nobody can be asked; otherwise `asker` is told, unless it gives up.
   */
  ask(name: string, demand: ClusterDemand, asker: ClusterAsker): boolean;
  giveUp(name: string, asker: ClusterAsker): void;
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
  readonly runtime: Runtime;
  /** This share of its requests is refused, 0 to 1; absent: none. */
  readonly dropRatio?: number;
  readonly lb: LoadBalancer;
  /** common_http_protocol_options.max_stream_duration, ms; 0 = none. */
  readonly maxStreamDurationMs: number;
  /** What its connections may take from whom they are for; null where no transport asks. */
  readonly wants: TransportWants | null;
  circuitBreaker(priority: Priority): CircuitBreaker;
  /**
   * The host with that address, whatever its share of the load; 'unusable' when its health keeps wishes for it from
   * being granted, null when there is none. Absent: there are no such wishes.
   */
  hostAt?(address: string): Host | 'unusable' | null;
  readonly hosts: readonly Host[];
  /** Buffer limit of its connections, bytes. */
  readonly bufferLimitBytes: number;
  /** Null or absent: as routes say. */
  readonly policies?: ClusterPolicies | null;
  /** HTTP filters that each attempt goes through behind the router; null or absent: it has none of its own. */
  readonly httpFilters?: UpstreamChain | null;
  /** Which protocol its connections speak; absent: HTTP/1. */
  readonly httpProtocol?: UpstreamProtocol;
  /** Of a dynamic forward proxy; null or absent for others. */
  readonly forwardProxy?: ForwardProxyCluster | null;
};

/** Finds clusters by name; the router looks up at each request, so a swap takes effect at once. */
export type ClusterManager = {
  get(name: string): Cluster | null;
};
