// A cluster at run time: its hosts, load balancer, circuit breakers and statistics.
import type { Clock, Random } from '../../base/clock.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { Runtime } from '../http/filter.ts';
import type { Metadata } from '../stream-info.ts';
import { Breaker } from './circuit-breaker.ts';
import type { Cluster, Priority } from './cluster.ts';
import type { ClusterConfig, EndpointsConfig } from './cluster-config.ts';
import { HostEntry, hostKey } from './host.ts';
import { PriorityLoadBalancer } from './lb/load-balancer.ts';
import type { Dialer, PoolContext } from './pool/dialing.ts';
import { makePriorityHosts, type PriorityHosts } from './priority-set.ts';
import { CLUSTER_STATS, ClusterCodeStats, type ClusterScope } from './stats.ts';

export type ClusterDependencies = {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly runtime: Runtime;
  /** Counts of all workers; absent where there is one. */
  readonly shared?: SharedCells;
};

const NEVER = Object.freeze({ numerator: 0, denominator: 100 } as const);

export class ClusterEntry implements Cluster {
  readonly name: string;
  readonly statName: string;
  readonly metadata: Metadata | null;
  readonly config: ClusterConfig;
  readonly scope: ClusterScope;
  readonly codes: ClusterCodeStats;
  readonly lb: PriorityLoadBalancer;
  readonly breakers: { readonly DEFAULT: Breaker; readonly HIGH: Breaker };
  readonly maxStreamDurationMs: number;
  readonly bufferLimitBytes: number;
  readonly #dependencies: ClusterDependencies;
  readonly #context: PoolContext;
  readonly #maintenanceKey: string;
  #hosts: readonly HostEntry[] = [];
  #byKey = new Map<string, HostEntry>();
  #priorities: readonly PriorityHosts[] = [];

  /** `version`: counts of limits begin anew with each, and are those of the same version in all workers. */
  constructor(config: ClusterConfig, dependencies: ClusterDependencies, version = 0) {
    const { stats, clock, dialer, random, shared } = dependencies;
    const cells =
      shared === undefined || shared.isLocal ? null : { shared, name: `cluster ${config.name} ${version} breaker` };
    this.config = config;
    this.name = config.name;
    this.statName = config.statName;
    this.metadata = config.metadata;
    this.maxStreamDurationMs = config.http.maxStreamDurationMs;
    this.bufferLimitBytes = config.bufferLimitBytes;
    this.#dependencies = dependencies;
    this.#maintenanceKey = `upstream.maintenance_mode.${config.name}`;
    this.scope = stats.scope(`cluster.${config.statName}.`, CLUSTER_STATS);
    this.codes = new ClusterCodeStats(this.scope);
    this.breakers = {
      DEFAULT: new Breaker(config.breakers.DEFAULT, 'DEFAULT', this.scope, cells),
      HIGH: new Breaker(config.breakers.HIGH, 'HIGH', this.scope, cells),
    };
    this.#context = { config, dialer, clock, stats: this.scope };
    this.lb = new PriorityLoadBalancer(
      { ...config, policy: config.lb, runtime: dependencies.runtime },
      this.scope,
      random,
    );
    this.scope.set(this.scope.i.warming_state, 0);
    this.setEndpoints(config.endpoints);
  }

  get hosts(): readonly HostEntry[] {
    return this.#hosts;
  }

  get priorities(): readonly PriorityHosts[] {
    return this.#priorities;
  }

  circuitBreaker(priority: Priority): Breaker {
    return this.breakers[priority];
  }

  isInMaintenance(): boolean {
    const { runtime, random } = this.#dependencies;
    return runtime.featureEnabled(this.#maintenanceKey, NEVER, random);
  }

  /** Takes a new list of endpoints: hosts that stay keep their connections and counts, the others drain. */
  setEndpoints(endpoints: EndpointsConfig): void {
    const before = this.#byKey;
    const byKey = new Map<string, HostEntry>();
    const byPriority: HostEntry[][] = [[]];
    for (const endpoint of endpoints.endpoints) {
      const key = hostKey(endpoint);
      // The first of equal endpoints counts.
      if (byKey.has(key)) continue;
      let host = before.get(key);
      if (host === undefined) {
        host = new HostEntry(this.#context, this.breakers, endpoint);
        this.scope.inc(this.scope.i['default.total_match_count']);
      } else host.update(endpoint);
      byKey.set(key, host);
      while (byPriority.length <= endpoint.priority) byPriority.push([]);
      byPriority[endpoint.priority]?.push(host);
    }
    this.#byKey = byKey;
    this.#hosts = [...byKey.values()];
    this.#priorities = byPriority.map((hosts, priority) => makePriorityHosts(priority, hosts));
    this.lb.update(this.#priorities, endpoints.overprovisioningFactor);
    const removed = [...before].filter(([key]) => !byKey.has(key));
    if (removed.length > 0 || this.#hosts.some((host) => before.get(hostKey(host.endpoint)) !== host)) {
      this.scope.inc(this.scope.i.membership_change);
    }
    this.#setMembership();
    for (const [, host] of removed) host.drain(() => {});
  }

  #setMembership(): void {
    const { scope } = this;
    const hosts = this.#hosts;
    scope.set(scope.i.membership_excluded, 0);
    scope.set(scope.i.membership_total, hosts.length);
    scope.set(scope.i.membership_healthy, hosts.filter((host) => host.isHealthy).length);
    scope.set(scope.i.membership_degraded, hosts.filter((host) => host.health === 'DEGRADED').length);
  }

  /** The cluster is gone: connections end with their requests, then the statistics go. */
  close(): void {
    let waiting = 1;
    const done = (): void => {
      if (--waiting > 0) return;
      this.breakers.DEFAULT.release();
      this.breakers.HIGH.release();
      this.scope.release();
    };
    for (const host of this.#hosts) {
      waiting++;
      host.drain(done);
    }
    done();
  }
}
