// The loads of all threads added up, as the load reporting service is told of them.
import type { Address } from '../../../base/byte-stream.ts';
import type {
  Address as AddressMessage,
  ClusterStats,
  UpstreamEndpointStats,
  UpstreamLocalityStats,
} from '../../../proto/generated/types.d.ts';
import { addressJson } from '../../admin/listeners.ts';
import type { Locality } from '../../cluster/cluster-config.ts';
import type { LoadMetric } from '../../cluster/host.ts';
import { addCounts, type ClusterLoad, type HostLoad, type LoadCounts, type LocalityLoad } from './loads.ts';

/** By name. */
type Metrics = Map<string, LoadMetric>;

type HostSum = { readonly address: Address; counts: LoadCounts; readonly metrics: Metrics };

type LocalitySum = {
  readonly priority: number;
  readonly locality: Locality;
  counts: LoadCounts;
  readonly metrics: Metrics;
  readonly hosts: Map<string, HostSum>;
};

type ClusterSum = {
  readonly name: string;
  readonly serviceName: string;
  dropped: number;
  droppedByPolicy: number;
  category: string;
  readonly localities: Map<string, LocalitySum>;
};

export class LoadSum {
  readonly #clusters = new Map<string, ClusterSum>();

  /** `isLate`: of an earlier question, whose requests on their way are long known. */
  add(load: ClusterLoad, isLate: boolean): void {
    const { name, serviceName, localities } = load;
    let cluster = this.#clusters.get(name);
    if (cluster === undefined) {
      cluster = { name, serviceName, dropped: 0, droppedByPolicy: 0, category: '', localities: new Map() };
      this.#clusters.set(name, cluster);
    }
    cluster.dropped += load.dropped;
    cluster.droppedByPolicy += load.droppedByPolicy;
    if (load.category !== '') cluster.category = load.category;
    for (const one of localities) addLocality(cluster, isLate ? withoutActive(one) : one);
  }

  get names(): IterableIterator<string> {
    return this.#clusters.keys();
  }

  /** Forgets all. */
  clear(): void {
    this.#clusters.clear();
  }

  /** Its message; null when nothing is known of the cluster. `local`: where this proxy is, if it says so. */
  statsOf(name: string, intervalMs: number, local: Locality | null): ClusterStats | null {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return null;
    const { serviceName, dropped, droppedByPolicy, category } = cluster;
    const localities = [...cluster.localities.values()]
      .filter(({ counts, metrics }) => !isZero(counts) || metrics.size > 0)
      .sort((a, b) => a.priority - b.priority || compareLocalities(a.locality, b.locality, local));
    return {
      cluster_name: name,
      ...(serviceName === '' ? {} : { cluster_service_name: serviceName }),
      ...(localities.length === 0 ? {} : { upstream_locality_stats: localities.map(localityStats) }),
      total_dropped_requests: dropped,
      ...(droppedByPolicy === 0 ? {} : { dropped_requests: [{ category, dropped_count: droppedByPolicy }] }),
      load_report_interval: durationOf(intervalMs),
    };
  }
}

function addLocality(cluster: ClusterSum, { priority, locality, counts, metrics, hosts }: LocalityLoad): void {
  const key = `${priority}\0${locality.region}\0${locality.zone}\0${locality.subZone}`;
  let sum = cluster.localities.get(key);
  if (sum === undefined) {
    sum = { priority, locality, counts, metrics: new Map(), hosts: new Map() };
    cluster.localities.set(key, sum);
  } else sum.counts = addCounts(sum.counts, counts);
  addMetrics(sum.metrics, metrics);
  for (const host of hosts) addHost(sum.hosts, host);
}

function addHost(sums: Map<string, HostSum>, { key, address, counts, metrics }: HostLoad): void {
  let sum = sums.get(key);
  if (sum === undefined) {
    sum = { address, counts, metrics: new Map() };
    sums.set(key, sum);
  } else sum.counts = addCounts(sum.counts, counts);
  addMetrics(sum.metrics, metrics);
}

function addMetrics(sums: Metrics, metrics: readonly LoadMetric[]): void {
  for (const { name, count, total } of metrics) {
    const known = sums.get(name);
    sums.set(name, { name, count: count + (known?.count ?? 0), total: total + (known?.total ?? 0) });
  }
}

function withoutActive({ counts, hosts, ...rest }: LocalityLoad): LocalityLoad {
  return {
    ...rest,
    counts: { ...counts, active: 0 },
    hosts: hosts.map((host) => ({ ...host, counts: { ...host.counts, active: 0 } })),
  };
}

function isZero({ success, error, active, issued }: LoadCounts): boolean {
  return success === 0 && error === 0 && active === 0 && issued === 0;
}

/** The proxy's own locality first, then by name. Source: Envoy PriorityStateManager::updateClusterPrioritySet. */
function compareLocalities(a: Locality, b: Locality, local: Locality | null): number {
  if (local !== null) {
    const isLocalFirst = Number(isSame(b, local)) - Number(isSame(a, local));
    if (isLocalFirst !== 0) return isLocalFirst;
  }
  return compare(a.region, b.region) || compare(a.zone, b.zone) || compare(a.subZone, b.subZone);
}

function isSame(a: Locality, b: Locality): boolean {
  return a.region === b.region && a.zone === b.zone && a.subZone === b.subZone;
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function localityStats({ priority, locality, counts, metrics, hosts }: LocalitySum): UpstreamLocalityStats {
  const { region, zone, subZone } = locality;
  const told = [...hosts.values()].filter((host) => !isZero(host.counts) || host.metrics.size > 0);
  return {
    locality: {
      ...(region === '' ? {} : { region }),
      ...(zone === '' ? {} : { zone }),
      ...(subZone === '' ? {} : { sub_zone: subZone }),
    },
    priority,
    ...requestCounts(counts),
    ...metricStats(metrics),
    ...(told.length === 0 ? {} : { upstream_endpoint_stats: told.map(endpointStats) }),
  };
}

function endpointStats({ address, counts, metrics }: HostSum): UpstreamEndpointStats {
  return { address: addressJson(address) as AddressMessage, ...requestCounts(counts), ...metricStats(metrics) };
}

function metricStats(metrics: Metrics): Pick<UpstreamLocalityStats, 'load_metric_stats'> {
  if (metrics.size === 0) return {};
  const load_metric_stats = [...metrics.values()].map(({ name, count, total }) => ({
    metric_name: name,
    num_requests_finished_with_metric: count,
    total_metric_value: total,
  }));
  return { load_metric_stats };
}

function requestCounts({ success, error, active, issued }: LoadCounts) {
  return {
    total_successful_requests: success,
    total_error_requests: error,
    total_requests_in_progress: active,
    total_issued_requests: issued,
  };
}

/** Of whole microseconds, as Envoy's. */
function durationOf(ms: number): { seconds: number; nanos: number } {
  const micros = Math.max(0, Math.round(ms * 1000));
  return { seconds: Math.floor(micros / 1_000_000), nanos: (micros % 1_000_000) * 1000 };
}
