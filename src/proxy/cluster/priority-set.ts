// The hosts of a cluster by priority and locality, and which share of the requests each priority gets.
import type { HealthStatus } from './cluster-config.ts';
import type { HostEntry } from './host.ts';

/** Hosts of one locality; arrays are replaced, never changed. */
export type LocalityHosts = {
  readonly hosts: readonly HostEntry[];
  readonly healthy: readonly HostEntry[];
  readonly degraded: readonly HostEntry[];
  readonly weight: number;
};

export type PriorityHosts = {
  readonly priority: number;
  readonly hosts: readonly HostEntry[];
  readonly healthy: readonly HostEntry[];
  readonly degraded: readonly HostEntry[];
  readonly localities: readonly LocalityHosts[];
};

export function makePriorityHosts(priority: number, hosts: readonly HostEntry[]): PriorityHosts {
  const byLocality = new Map<string, HostEntry[]>();
  for (const host of hosts) {
    const { region, zone, subZone } = host.locality;
    const key = `${region}\0${zone}\0${subZone}`;
    const list = byLocality.get(key);
    if (list === undefined) byLocality.set(key, [host]);
    else list.push(host);
  }
  const localities = [...byLocality.values()].map((list) => ({
    hosts: list,
    healthy: withHealth(list, 'HEALTHY'),
    degraded: withHealth(list, 'DEGRADED'),
    weight: list[0]?.endpoint.localityWeight ?? 0,
  }));
  return {
    priority,
    hosts,
    healthy: withHealth(hosts, 'HEALTHY'),
    degraded: withHealth(hosts, 'DEGRADED'),
    localities,
  };
}

function withHealth(hosts: readonly HostEntry[], health: HealthStatus): readonly HostEntry[] {
  return hosts.filter((host) => host.health === health);
}

/** Shares in per cent of the requests by priority; those of healthy and degraded hosts add up to 100, or to 0. */
export type PriorityLoad = {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  readonly isPanicking: readonly boolean[];
};

/**
 * Spreads load over the priorities: each takes what its healthy hosts, times the overprovisioning factor, can bear, and
 * the rest spills to the next. A priority panics (uses all its hosts) when too few are healthy and the others cannot
 * make up for it. Source: Envoy "Priority levels" and "Panic threshold".
 */
export function computePriorityLoad(
  priorities: readonly PriorityHosts[],
  overprovisioning: number,
  panicThreshold: number,
): PriorityLoad {
  const { healthy: healthyHealth, degraded: degradedHealth } = computeAvailability(priorities, overprovisioning);
  const total = Math.min(100, sum(healthyHealth) + sum(degradedHealth));

  const isPanicking = priorities.map((p) => {
    if (total === 100) return false;
    const usable = p.hosts.length === 0 ? 0 : (100 * (p.healthy.length + p.degraded.length)) / p.hosts.length;
    return usable < panicThreshold;
  });
  if (total === 0 || isPanicking.every((panics) => panics)) {
    return { healthy: loadByHostCount(priorities), degraded: priorities.map(() => 0), isPanicking };
  }
  let left = 100;
  const share = (health: number): number => {
    const load = Math.min(left, Math.floor((health * 100) / total));
    left -= load;
    return load;
  };
  const healthy = healthyHealth.map(share);
  const degraded = degradedHealth.map(share);
  if (left > 0) {
    // What rounding left goes to the first priority that serves at all.
    const first = healthyHealth.findIndex((health) => health > 0);
    if (first >= 0) healthy[first] = (healthy[first] as number) + left;
    else {
      const firstDegraded = degradedHealth.findIndex((health) => health > 0);
      degraded[firstDegraded] = (degraded[firstDegraded] as number) + left;
    }
  }
  return { healthy, degraded, isPanicking };
}

/** How much each priority can take, in per cent. */
export type PriorityAvailability = { readonly healthy: readonly number[]; readonly degraded: readonly number[] };

export function computeAvailability(
  priorities: readonly PriorityHosts[],
  overprovisioning: number,
): PriorityAvailability {
  const share = (count: number, total: number): number =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioning * count) / total));
  return {
    healthy: priorities.map((p) => share(p.healthy.length, p.hosts.length)),
    degraded: priorities.map((p) => share(p.degraded.length, p.hosts.length)),
  };
}

/** When every priority panics, load follows the numbers of hosts. */
function loadByHostCount(priorities: readonly PriorityHosts[]): number[] {
  const total = sum(priorities.map((p) => p.hosts.length));
  if (total === 0) return priorities.map((_, i) => (i === 0 ? 100 : 0));
  const load = priorities.map((p) => Math.floor((100 * p.hosts.length) / total));
  const first = priorities.findIndex((p) => p.hosts.length > 0);
  load[first] = (load[first] as number) + 100 - sum(load);
  return load;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
