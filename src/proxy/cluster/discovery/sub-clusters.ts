// A dynamic forward proxy without hosts of its own: each name and port that is asked for becomes a cluster.
import type { Clock, Timer } from '../../../base/clock.ts';
import { hostKeyOf, splitHost, subClusterName } from '../../dns-cache/host-key.ts';
import type {
  ClusterWaiter,
  Host,
  HostCallback,
  LoadBalancer,
  LoadBalancerContext,
  SubClusterName,
  SubClusters,
} from '../cluster.ts';
import type { ClusterConfig, SubClustersConfig } from '../cluster-config.ts';
import { askedHost, askedPort } from './dynamic-forward-proxy.ts';

/** Where the clusters are put. */
export type SubClusterTable = {
  get(name: string): Made | null;
  /** Also one that does not serve yet. */
  latest(name: string): Made | null;
  set(config: ClusterConfig): unknown;
  remove(name: string): boolean;
  awaitCluster(name: string, waiter: ClusterWaiter): void;
  giveUp(name: string, waiter: ClusterWaiter): void;
};
type Made = { readonly config: ClusterConfig; readonly lb: LoadBalancer };

export type SubClusterParts = {
  /** The name of the cluster whose sub clusters they are. */
  readonly parent: string;
  readonly table: SubClusterTable;
  readonly clock: Clock;
  /** Of names that say none. */
  readonly defaultPort: number;
};

/** Clients choose what is kept here. */
const MAX_KEPT = 4096;

export class SubClusterLoadBalancer implements LoadBalancer, SubClusters {
  readonly #config: SubClustersConfig;
  readonly #parts: SubClusterParts;
  readonly #idle: Timer;
  /** When each of its clusters was used last, ms of the clock. */
  readonly #used = new Map<string, number>();
  /** By what requests say, so that a request builds no text. */
  readonly #names = new Map<string, SubClusterName>();

  constructor(config: SubClustersConfig, parts: SubClusterParts) {
    this.#config = config;
    this.#parts = parts;
    this.#idle = parts.clock.timer(removeIdle, this);
  }

  start(): void {
    this.#idle.arm(this.#config.ttlMs);
  }

  /** Its clusters go with it. */
  close(): void {
    this.#idle.disarm();
    for (const name of this.#used.keys()) this.#remove(name);
    this.#used.clear();
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    const authority = askedHost(context);
    if (authority === '') return null;
    const port = askedPort(context);
    const name = this.#nameOf(port === null ? authority : hostKeyOf(authority, port));
    return this.#serving(name)?.lb.chooseHost(context) ?? null;
  }

  /** Only the filter makes clusters. */
  findHost(context: LoadBalancerContext, told: HostCallback): null {
    told(null, askedHost(context) === '' ? 'empty_host_header' : 'no_healthy_upstream');
    return null;
  }

  // ─── For the filter ─────────────────────────────────────────────────────────────────────────────────────────────

  nameOf(authority: string, host?: string, port?: number | null): SubClusterName {
    const asked = this.#nameOf(authority);
    if (host === undefined && (port ?? null) === null) return asked;
    return named(host ?? asked.host, port ?? asked.port);
  }

  #nameOf(authority: string): SubClusterName {
    let name = this.#names.get(authority);
    if (name === undefined) {
      const { host, port } = splitHost(authority, this.#parts.defaultPort);
      name = named(host, port);
      if (this.#names.size >= MAX_KEPT) this.#names.clear();
      this.#names.set(authority, name);
    }
    return name;
  }

  touch(name: SubClusterName): boolean {
    if (!this.#used.has(name.cluster) || this.#serving(name) === null) return false;
    this.#used.set(name.cluster, this.#parts.clock.nowMs);
    return true;
  }

  load(name: SubClusterName, waiter: ClusterWaiter): 'serving' | 'waiting' | 'overflow' {
    const { table, clock } = this.#parts;
    if (!this.#used.has(name.cluster) && this.#used.size >= this.#config.maxClusters) return 'overflow';
    this.#used.set(name.cluster, clock.nowMs);
    if (!this.#isOwn(table.latest(name.cluster))) table.set(this.#configOf(name));
    if (this.#serving(name) !== null) return 'serving';
    table.awaitCluster(name.cluster, waiter);
    return 'waiting';
  }

  giveUp(name: SubClusterName, waiter: ClusterWaiter): void {
    this.#parts.table.giveUp(name.cluster, waiter);
  }

  // ─── Its clusters ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Another dynamic forward proxy may have made one of that name, with other settings: that one is not for us. */
  #isOwn(made: Made | null): made is Made {
    return made?.config.origin?.fingerprint === this.#config.fingerprint;
  }

  #serving({ cluster }: SubClusterName): Made | null {
    const made = this.#parts.table.get(cluster);
    return this.#isOwn(made) ? made : null;
  }

  #configOf({ cluster, host, port }: SubClusterName): ClusterConfig {
    const { template, fingerprint, lbPolicy } = this.#config;
    const names = template.discovery.names.map((one) => ({
      ...one,
      name: host,
      port,
      endpoint: { ...one.endpoint, hostname: host },
    }));
    const hasOwnStats = template.statName === template.name;
    return Object.freeze({
      ...template,
      name: cluster,
      statName: hasOwnStats ? cluster : template.statName,
      discovery: Object.freeze({ ...template.discovery, names: Object.freeze(names) }),
      addedViaApi: true,
      origin: Object.freeze({
        ...{ parent: this.#parts.parent, host, port },
        ...{ lbPolicy, fingerprint, wallMs: this.#parts.clock.wallMs },
      }),
    });
  }

  #remove(name: string): void {
    const { table } = this.#parts;
    if (this.#isOwn(table.latest(name))) table.remove(name);
  }

  /** Source: Envoy Cluster::checkIdleSubCluster: looks every TTL, so that one may live for two. */
  removeIdle(): void {
    const { ttlMs } = this.#config;
    const { nowMs } = this.#parts.clock;
    for (const [name, usedMs] of this.#used) {
      if (nowMs - usedMs <= ttlMs) continue;
      this.#used.delete(name);
      this.#remove(name);
    }
    this.#idle.arm(ttlMs);
  }
}

function named(host: string, port: number): SubClusterName {
  return Object.freeze({ cluster: subClusterName(host, port), host, port });
}

function removeIdle(balancer: SubClusterLoadBalancer): void {
  balancer.removeIdle();
}
