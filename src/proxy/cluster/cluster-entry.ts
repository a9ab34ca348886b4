// A cluster at run time: its hosts, load balancer, circuit breakers and statistics.
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { Resolver, ResolverSettings } from '../../net/resolver/resolver.ts';
import { whenAll } from '../../base/when-all.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { Runtime } from '../http/filter.ts';
import type { UpstreamChain } from '../http/upstream-chain.ts';
import { type Http2CodecScope, http2StatsOf } from '../codec/http2-stats.ts';
import type { Metadata } from '../stream-info.ts';
import type { TransportServices } from '../transport/transport.ts';
import type { DnsCache } from '../dns-cache/dns-cache.ts';
import type { DnsCaches } from '../dns-cache/dns-caches.ts';
import type { Holders } from '../xds/holders.ts';
import { Breaker } from './circuit-breaker.ts';
import type {
  Cluster,
  ClusterPolicies,
  ForwardProxyCluster,
  LoadBalancer,
  Priority,
  TransportWants,
} from './cluster.ts';
import type {
  ClusterConfig,
  DnsDiscoveryConfig,
  EdsConfig,
  EdsHealth,
  EndpointConfig,
  EndpointsConfig,
  ForwardProxyConfig,
  OriginalDstConfig,
  UpstreamProtocol,
} from './cluster-config.ts';
import { DnsDiscovery } from './discovery/dns.ts';
import { ForwardProxyLoadBalancer } from './discovery/dynamic-forward-proxy.ts';
import { EdsDiscovery } from './discovery/eds.ts';
import { OriginalDstLoadBalancer } from './discovery/original-dst.ts';
import { SubClusterLoadBalancer, type SubClusterTable } from './discovery/sub-clusters.ts';
import { HostEntry, hostKey } from './host.ts';
import { PriorityLoadBalancer } from './lb/load-balancer.ts';
import { OutlierDetector, type OutlierParts } from './outlier/detector.ts';
import { MeteredHost } from './orca/metered-host.ts';
import type { Dialer, PoolContext } from './pool/dialing.ts';
import { makePriorityHosts, type PriorityHosts } from './priority-set.ts';
import { CLUSTER_STATS, ClusterCodeStats, type ClusterScope } from './stats.ts';
import { ClusterTransports, type MatchedEndpoint } from './transports.ts';

export type ClusterDependencies = {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly runtime: Runtime;
  /** Counts of all workers; absent where there is one. */
  readonly shared?: SharedCells;
  /** Absent where no cluster has a transport socket. */
  readonly transports?: TransportServices;
  /** Assignments of EDS clusters; absent where there is no such cluster. */
  readonly endpoints?: Holders<EndpointsConfig>;
  /** What outlier detection needs; absent where no cluster has any. */
  readonly outliers?: OutlierParts;
  /** Of dynamic forward proxies; absent where there is no such cluster. */
  readonly dnsCaches?: DnsCaches;
  /** For DNS clusters; asked once per different settings. */
  readonly makeResolver: (settings: ResolverSettings) => Resolver;
};

/** What the table of clusters gives to each of them. */
export type ClusterContext = ClusterDependencies & {
  readonly resolverFor: (settings: ResolverSettings) => Resolver;
  /** Clusters of the same settings share a resolver; the last one to go closes it. */
  readonly releaseResolver: (settings: ResolverSettings) => void;
  /** Whether a listener of this proxy is bound to the address. */
  readonly isOwnAddress: (address: Address) => boolean;
  /** Where dynamic forward proxies put the clusters that they make. */
  readonly table: SubClusterTable;
};

type LoadBalancerOfItsOwn = OriginalDstLoadBalancer | ForwardProxyLoadBalancer | SubClusterLoadBalancer;
type Discovery = DnsDiscovery | EdsDiscovery | LoadBalancerOfItsOwn;

/** Source: Envoy HostUtility::createOverrideHostStatus. */
const WISHED_HEALTH: ReadonlySet<EdsHealth> = new Set<EdsHealth>(['UNKNOWN', 'HEALTHY', 'DEGRADED']);

/** Runtime key, per cent. Source: Envoy ClusterImplBase::DropOverloadRuntimeKey. */
const DROP_LIMIT = 'load_balancing_policy.drop_overload_limit';
const NEVER = Object.freeze({ numerator: 0, denominator: 100 } as const);

export class ClusterEntry implements Cluster {
  readonly name: string;
  readonly statName: string;
  readonly metadata: Metadata | null;
  readonly config: ClusterConfig;
  readonly scope: ClusterScope;
  readonly codes: ClusterCodeStats;
  readonly lb: LoadBalancer;
  readonly breakers: { readonly DEFAULT: Breaker; readonly HIGH: Breaker };
  readonly maxStreamDurationMs: number;
  readonly bufferLimitBytes: number;
  readonly policies: ClusterPolicies | null;
  readonly httpFilters: UpstreamChain | null;
  readonly httpProtocol: UpstreamProtocol;
  readonly #dependencies: ClusterContext;
  readonly #context: PoolContext;
  /** Made with the first connection of HTTP/2. */
  #http2Stats: Http2CodecScope | null = null;
  /** Made with the first request. */
  #maintenanceKey: string | null = null;
  /** Null where hosts are made on demand. */
  readonly #balancer: PriorityLoadBalancer | null;
  /** Null where all connections are plain. */
  readonly #transports: ClusterTransports | null;
  /** Null where there is no outlier detection. */
  readonly detector: OutlierDetector | null;
  readonly wants: TransportWants | null;
  dropRatio = 0;
  /** The last one that there was. */
  dropCategory = '';
  /** What keeps the hosts up to date besides the configuration. */
  readonly #discovery: Discovery | null;
  /** Of a dynamic forward proxy: given back at the end. */
  #dnsCache: DnsCache | null = null;
  readonly forwardProxy: ForwardProxyCluster | null;
  /** Hosts came or went; set by the table of clusters once the cluster is in use. */
  onHostsChanged: (() => void) | null = null;
  /** Of `#byKey`; made when asked for. */
  #hosts: readonly HostEntry[] | null = null;
  #byKey = new Map<string, HostEntry>();
  /** Of `hosts`; made when asked for. */
  #byAddress: Map<string, HostEntry> | null = null;
  #priorities: readonly PriorityHosts[] = [];
  #overprovisioning = 0;

  /** `version`: counts of limits begin anew with each, and are those of the same version in all workers. */
  constructor(config: ClusterConfig, dependencies: ClusterContext, version = 0) {
    const { stats, clock, dialer, random, shared } = dependencies;
    const cells =
      shared === undefined || shared.isLocal ? null : { shared, name: `cluster ${config.name} ${version} breaker` };
    this.config = config;
    this.name = config.name;
    this.statName = config.statName;
    this.metadata = config.metadata;
    this.maxStreamDurationMs = config.http.maxStreamDurationMs;
    this.httpProtocol = config.http.protocol;
    this.bufferLimitBytes = config.bufferLimitBytes;
    this.#dependencies = dependencies;
    this.scope = stats.scope(`cluster.${config.statName}.`, CLUSTER_STATS);
    this.codes = new ClusterCodeStats(this.scope);
    this.breakers = {
      DEFAULT: new Breaker(config.breakers.DEFAULT, 'DEFAULT', this.scope, cells),
      HIGH: new Breaker(config.breakers.HIGH, 'HIGH', this.scope, cells),
    };
    this.readRuntime();
    const http2Stats = () => (this.#http2Stats ??= http2StatsOf(this.scope));
    const made = config.filters?.map(({ factory, config: own }) => factory.create(own as never, { stats }));
    const filters = made === undefined || made.length === 0 ? undefined : { filters: made };
    const { runtime } = dependencies;
    this.#context = { config, dialer, clock, random, runtime, stats: this.scope, http2Stats, ...filters };
    this.policies = config.http.policies;
    this.httpFilters = this.#makeHttpFilters();
    const isPlain = config.transport === null && config.transportMatches.length === 0;
    this.#transports = isPlain ? null : new ClusterTransports(config, this.scope, dependencies.transports);
    this.detector = this.#makeDetector(version);
    const needsConnection = this.#transports?.needsConnection ?? false;
    const { autoNames } = config.http;
    this.wants = isPlain && autoNames === null ? null : { autoNames, needsConnection };
    const { discovery } = config;
    this.#balancer =
      discovery.kind === 'ORIGINAL_DST' || discovery.kind === 'FORWARD_PROXY'
        ? null
        : new PriorityLoadBalancer(config, runtime, this.scope, random, clock);
    this.#discovery = discovery.kind === 'STATIC' ? null : this.#discover(discovery);
    this.lb = this.#balancer ?? (this.#discovery as LoadBalancerOfItsOwn);
    const subClusters = this.#discovery instanceof SubClusterLoadBalancer ? this.#discovery : null;
    this.forwardProxy = discovery.kind === 'FORWARD_PROXY' ? { defaultPort: discovery.defaultPort, subClusters } : null;
    this.scope.set(this.scope.i.warming_state, 0);
    this.setEndpoints(config.endpoints);
  }

  #makeHttpFilters(): UpstreamChain | null {
    const { filters } = this.config.http;
    if (filters === null) return null;
    const { stats, clock, random, runtime, shared } = this.#dependencies;
    const context = { statPrefix: `cluster.${this.statName}.`, scope: this.scope, stats, clock, random, runtime };
    return filters.create(shared === undefined ? context : { ...context, shared });
  }

  #makeDetector(version: number): OutlierDetector | null {
    const { outliers: config, http } = this.config;
    if (config === undefined) return null;
    const { outliers: parts, clock, random, runtime, stats } = this.#dependencies;
    if (parts === undefined) throw new Error(`cluster ${this.name}: there is no memory for outlier detection`);
    return new OutlierDetector(config, {
      ...{ parts, clock, random, runtime, stats },
      clusterName: this.name,
      statName: this.statName,
      key: `${this.name} ${version}`,
      errorMatcher: http.errorMatcher ?? null,
      onHealthChanged: () => this.#healthChanged(),
    });
  }

  #discover(config: DnsDiscoveryConfig | EdsConfig | OriginalDstConfig | ForwardProxyConfig): Discovery {
    const { clock, random, resolverFor, isOwnAddress } = this.#dependencies;
    const stats = this.scope;
    if (config.kind === 'EDS') {
      const { endpoints: holders } = this.#dependencies;
      if (holders === undefined) throw new Error(`cluster ${this.name}: there is nobody to ask for endpoints`);
      return new EdsDiscovery(config, { holders, stats, onEndpoints: (endpoints) => this.setEndpoints(endpoints) });
    }
    if (config.kind === 'ORIGINAL_DST') {
      return new OriginalDstLoadBalancer(config, {
        clock,
        stats,
        clusterName: this.name,
        isOwnAddress,
        addHost: (endpoint) => this.#addHost(endpoint),
        removeHosts: (hosts) => this.#removeHosts(hosts),
      });
    }
    if (config.kind === 'FORWARD_PROXY') {
      const { dnsCaches } = this.#dependencies;
      if (dnsCaches === undefined) throw new Error(`cluster ${this.name}: there are no DNS caches`);
      this.#dnsCache = dnsCaches.acquire(config.cache);
      const { subClusters, defaultPort } = config;
      if (subClusters !== null) {
        const { table } = this.#dependencies;
        return new SubClusterLoadBalancer(subClusters, { parent: this.name, table, clock, defaultPort });
      }
      return new ForwardProxyLoadBalancer({
        cache: this.#dnsCache,
        defaultPort,
        addHost: (endpoint) => this.#addHost(endpoint),
        removeHosts: (hosts) => this.#removeHosts(hosts),
      });
    }
    const { endpoints: policy } = this.config;
    return new DnsDiscovery(config, {
      resolver: resolverFor(config.resolver),
      clock,
      random,
      stats,
      countMatches: (endpoint, count) => {
        for (let i = 0; i < count; i++) this.#countMatch(endpoint);
      },
      onEndpoints: (endpoints) => this.setEndpoints({ ...policy, endpoints }),
    });
  }

  /** `onInitialized` is called once, perhaps now: the cluster has hosts, or knows that it has none yet. */
  start(onInitialized: () => void): void {
    let waiting = 3;
    const done = (): void => {
      if (--waiting === 0) onInitialized();
    };
    if (this.#transports === null) done();
    else this.#transports.whenSettled(done);
    if (this.httpFilters === null) done();
    else this.httpFilters.whenSettled(done);
    if (this.#discovery instanceof DnsDiscovery || this.#discovery instanceof EdsDiscovery) {
      this.#discovery.start(done);
      return;
    }
    this.#discovery?.start();
    done();
  }

  get hosts(): readonly HostEntry[] {
    this.#hosts ??= [...this.#byKey.values()];
    return this.#hosts;
  }

  hostAt(address: string): HostEntry | 'unusable' | null {
    this.#byAddress ??= new Map(this.hosts.toReversed().map((host) => [host.name, host]));
    const host = this.#byAddress.get(address);
    if (host === undefined) return null;
    const health = host.outlier?.isEjected === true ? 'UNHEALTHY' : host.endpoint.edsHealth;
    return (this.config.wishedHealth ?? WISHED_HEALTH).has(health) ? host : 'unusable';
  }

  get priorities(): readonly PriorityHosts[] {
    return this.#priorities;
  }

  circuitBreaker(priority: Priority): Breaker {
    return this.breakers[priority];
  }

  get runtime(): Runtime {
    return this.#dependencies.runtime;
  }

  /** Runtime values have changed. */
  readRuntime(): void {
    const { runtime } = this.#dependencies;
    this.breakers.DEFAULT.readRuntime(runtime, `circuit_breakers.${this.name}.default.`);
    this.breakers.HIGH.readRuntime(runtime, `circuit_breakers.${this.name}.high.`);
  }

  isInMaintenance(): boolean {
    const { runtime, random } = this.#dependencies;
    this.#maintenanceKey ??= `upstream.maintenance_mode.${this.name}`;
    return runtime.featureEnabled(this.#maintenanceKey, NEVER, random);
  }

  /** Takes a new list of endpoints: hosts that stay keep their connections and counts, the others drain. */
  setEndpoints(endpoints: EndpointsConfig): void {
    const before = this.#byKey;
    const byKey = new Map<string, HostEntry>();
    const byPriority: HostEntry[][] = [[]];
    let added = 0;
    for (const endpoint of endpoints.endpoints) {
      const key = hostKey(endpoint);
      // The first of equal endpoints counts.
      if (byKey.has(key)) continue;
      let host = before.get(key);
      if (host === undefined) {
        host = this.#makeHost(endpoint);
        added++;
      } else this.#updateHost(host, endpoint);
      byKey.set(key, host);
      while (byPriority.length <= endpoint.priority) byPriority.push([]);
      byPriority[endpoint.priority]?.push(host);
    }
    this.#setDropOverload(endpoints);
    this.#byKey = byKey;
    this.#hosts = null;
    this.#byAddress = null;
    this.#priorities = byPriority.map((hosts, priority) => makePriorityHosts(priority, hosts));
    this.#overprovisioning = endpoints.overprovisioningFactor;
    this.#balancer?.update(this.#priorities, this.#overprovisioning);
    const removed: HostEntry[] = [];
    for (const [key, host] of before) if (!byKey.has(key)) removed.push(host);
    for (const host of removed) this.#unwatch(host);
    this.#setMembership();
    if (added > 0 || removed.length > 0) this.#hostsChanged();
    for (const host of removed) host.drain(() => {});
  }

  #setDropOverload({ dropOverload }: EndpointsConfig): void {
    this.dropRatio = 0;
    if (dropOverload === undefined) return;
    const mostPercent = this.#dependencies.runtime.number(DROP_LIMIT, 100);
    this.dropRatio = Math.min(dropOverload.ratio, mostPercent / 100);
    this.dropCategory = dropOverload.category;
  }

  #makeHost(endpoint: EndpointConfig): HostEntry {
    const transports = this.#transports;
    // DNS discovery counts by itself: every address of every answer.
    if (!(this.#discovery instanceof DnsDiscovery)) this.#countMatch(endpoint);
    const transport = transports === null ? null : transports.find(endpoint).transport;
    const { loadMetrics } = this.config;
    const host =
      loadMetrics === undefined
        ? new HostEntry(this.#context, this.breakers, endpoint, transport)
        : new MeteredHost(loadMetrics, this.#context, this.breakers, endpoint, transport);
    if (this.detector !== null) host.outlier = this.detector.add(host, hostKey(endpoint));
    return host;
  }

  /** It leaves the cluster: what comes of its last requests is nobody's affair. */
  #unwatch(host: HostEntry): void {
    if (host.outlier !== null) this.detector?.remove(host.outlier);
  }

  /** Outlier detection has put hosts out or back. */
  #healthChanged(): void {
    this.#priorities = this.#priorities.map(({ priority, hosts }) => makePriorityHosts(priority, hosts));
    this.#balancer?.update(this.#priorities, this.#overprovisioning);
    this.#setMembership();
  }

  #countMatch(endpoint: MatchedEndpoint): void {
    const { scope } = this;
    scope.inc(this.#transports?.find(endpoint).cell ?? scope.i['default.total_match_count']);
  }

  #updateHost(host: HostEntry, endpoint: EndpointConfig): void {
    const before = host.endpoint;
    host.update(endpoint);
    const transports = this.#transports;
    if (transports === null) return;
    if (before.metadata === endpoint.metadata && before.localityMetadata === endpoint.localityMetadata) return;
    host.useTransport(transports.find(endpoint).transport);
  }

  /** A host made on demand; there is no list of endpoints then. */
  #addHost(endpoint: EndpointConfig): HostEntry {
    const host = this.#makeHost(endpoint);
    this.#byKey.set(hostKey(endpoint), host);
    this.#hostsOnDemandChanged();
    return host;
  }

  #removeHosts(hosts: readonly HostEntry[]): void {
    for (const host of hosts) {
      this.#byKey.delete(hostKey(host.endpoint));
      this.#unwatch(host);
    }
    this.#hostsOnDemandChanged();
    for (const host of hosts) host.drain(() => {});
  }

  #hostsOnDemandChanged(): void {
    const { scope } = this;
    this.#hosts = null;
    this.#byAddress = null;
    scope.set(scope.i.membership_total, this.#byKey.size);
    if (this.detector === null) scope.set(scope.i.membership_healthy, this.#byKey.size);
    else this.#setMembership();
    this.#hostsChanged();
  }

  #hostsChanged(): void {
    this.scope.inc(this.scope.i.membership_change);
    this.onHostsChanged?.();
  }

  #setMembership(): void {
    const { scope } = this;
    let healthy = 0;
    let degraded = 0;
    for (const host of this.#byKey.values()) {
      if (host.isHealthy) healthy++;
      else if (host.health === 'DEGRADED') degraded++;
    }
    scope.set(scope.i.membership_excluded, 0);
    scope.set(scope.i.membership_total, this.#byKey.size);
    scope.set(scope.i.membership_healthy, healthy);
    scope.set(scope.i.membership_degraded, degraded);
  }

  /** The cluster is gone: connections end with their requests, then the statistics go. */
  close(): void {
    this.onHostsChanged = null;
    this.detector?.close();
    this.#discovery?.close();
    if (this.#dnsCache !== null) this.#dependencies.dnsCaches?.release(this.#dnsCache);
    const { discovery } = this.config;
    if (discovery.kind === 'DNS') this.#dependencies.releaseResolver(discovery.resolver);
    const drained = (): void => {
      this.breakers.DEFAULT.release();
      this.breakers.HIGH.release();
      this.#transports?.close();
      this.httpFilters?.close();
      this.#http2Stats?.release();
      this.scope.release();
    };
    whenAll(this.#byKey.values(), (host, called) => host.drain(called), drained);
  }
}
