// The proxy's own HTTP client over its clusters: what calls share.
import type { Clock, Random } from '../../../base/clock.ts';
import type { ScopeOf, StatStore } from '../../../telemetry/metrics.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ClusterManager } from '../cluster.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import { type CallHandler, type CallOptions, HttpCall } from './http-call.ts';

/** Under 'http.async-client.': Envoy's client is a router of its own. */
const CLIENT_STATS = {
  no_cluster: 'counter',
  no_route: 'counter',
  passthrough_internal_redirect_bad_location: 'counter',
  passthrough_internal_redirect_no_route: 'counter',
  passthrough_internal_redirect_predicate: 'counter',
  passthrough_internal_redirect_too_many_redirects: 'counter',
  passthrough_internal_redirect_unsafe_scheme: 'counter',
  rq_direct_response: 'counter',
  rq_overload_local_reply: 'counter',
  rq_redirect: 'counter',
  rq_reset_after_downstream_response_started: 'counter',
  rq_total: 'counter',
} as const;

export type ClientParts = {
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  /** Zone of this node, for zone statistics; '' for none. */
  readonly zone: string;
  /** This machine's address, which requests name in x-forwarded-for; '' for none. */
  readonly localAddress: string;
  /** Adds a cluster that the configuration does not have; absent where none can be added. */
  readonly addCluster?: (config: ClusterConfig) => void;
};

export class HttpClient {
  readonly parts: ClientParts;
  readonly clock: Clock;
  readonly random: Random;
  /** Made with the first call. */
  #scope: ScopeOf<typeof CLIENT_STATS> | null = null;

  /** Names of clusters that are here for one service alone; as many as there are such services. */
  readonly #own = new Set<string>();

  constructor(parts: ClientParts) {
    this.parts = parts;
    this.clock = parts.clock;
    this.random = parts.random;
  }

  get scope(): ScopeOf<typeof CLIENT_STATS> {
    this.#scope ??= this.parts.stats.scope('http.async-client.', CLIENT_STATS);
    return this.#scope;
  }

  /** Makes a cluster that is there for one service alone, once. */
  ensureCluster(config: ClusterConfig): void {
    if (this.#own.has(config.name)) return;
    this.#own.add(config.name);
    this.parts.addCluster?.(config);
  }

  /**
   * A request to a host of the cluster, which goes with `start`; `headers` are the call's from now on. Its handler may
   * hear of the end before `start` returns.
   */
  prepare(clusterName: string, headers: Headers, handler: CallHandler, options: CallOptions): HttpCall {
    return new HttpCall(this, clusterName, headers, handler, options);
  }
}
