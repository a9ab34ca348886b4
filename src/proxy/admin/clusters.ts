// Admin endpoint /clusters: limits and hosts of every cluster.
import { compileRegex } from '../../base/regex.ts';
import { type ClusterStatus, HOST_COUNTS, type HostStatus, type SuccessRates } from '../workers/crew.ts';
import { type AdminHandler, type AdminResponse, badRequest } from './admin-handler.ts';
import { CLUSTERS_PARAMS } from './help-texts.ts';
import type { AdminContext } from './handlers.ts';
import { addressJson } from './listeners.ts';
import { JsonList, JsonTree, jsonDocument } from './json-writer.ts';

export function clustersHandlers({ proxy }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/clusters',
      help: 'upstream cluster status',
      mutates: false,
      params: CLUSTERS_PARAMS,
      handle: (request) => {
        const filter = request.query.get('filter');
        const regex = filter === null ? null : compileRegex(filter);
        if (regex !== null && 'error' in regex) return badRequest('Invalid re2 regex');
        const isWanted = (name: string): boolean => regex === null || regex.search(name);
        const show = request.query.get('format') === 'json' ? asJson : asText;
        return { later: (answer) => proxy.crew.clusters((clusters) => answer(show(clusters, isWanted))) };
      },
    },
  ];
}

type Show = (clusters: Iterable<ClusterStatus>, isWanted: (name: string) => boolean) => AdminResponse;

const asJson: Show = (clusters, isWanted) => {
  const cluster_statuses = new JsonList(function* () {
    for (const cluster of clusters) if (isWanted(cluster.name)) yield clusterJson(cluster);
  });
  return { status: 200, contentType: 'application/json', body: jsonDocument(new JsonTree({ cluster_statuses })) };
};

const asText: Show = (clusters, isWanted) => ({ status: 200, body: textOf(clusters, isWanted) });

const LIMIT_NAMES = [
  ['max_connections', 'maxConnections'],
  ['max_pending_requests', 'maxPendingRequests'],
  ['max_requests', 'maxRequests'],
  ['max_retries', 'maxRetries'],
] as const;

function* textOf(clusters: Iterable<ClusterStatus>, isWanted: (name: string) => boolean): Generator<string> {
  for (const cluster of clusters) {
    const { name } = cluster;
    if (!isWanted(name)) continue;
    yield `${name}::observability_name::${cluster.statName}\n`;
    if (cluster.outliers !== undefined) {
      const { external, local } = cluster.outliers;
      yield `${name}::outlier::success_rate_average::${short(external.average)}\n`;
      yield `${name}::outlier::success_rate_ejection_threshold::${short(external.threshold)}\n`;
      yield `${name}::outlier::local_origin_success_rate_average::${short(local.average)}\n`;
      yield `${name}::outlier::local_origin_success_rate_ejection_threshold::${short(local.threshold)}\n`;
    }
    for (const [title, priority] of [
      ['default', 'DEFAULT'],
      ['high', 'HIGH'],
    ] as const) {
      const limits = cluster.limits[priority];
      for (const [limit, field] of LIMIT_NAMES) yield `${name}::${title}_priority::${limit}::${limits[field]}\n`;
    }
    yield `${name}::added_via_api::${cluster.addedViaApi}\n`;
    for (const host of cluster.hosts) yield hostText(name, host);
  }
}

function hostText(cluster: string, host: HostStatus): string {
  const prefix = `${cluster}::${host.name}::`;
  const { locality } = host;
  let text = '';
  for (const [i, [name]] of HOST_COUNTS.entries()) text += `${prefix}${name}::${host.counts[i]}\n`;
  text += `${prefix}hostname::${host.hostname}\n${prefix}health_flags::${host.healthFlags}\n`;
  text += `${prefix}weight::${host.weight}\n${prefix}region::${locality.region}\n${prefix}zone::${locality.zone}\n`;
  text += `${prefix}sub_zone::${locality.subZone}\n${prefix}canary::${host.isCanary}\n`;
  text += `${prefix}priority::${host.priority}\n${prefix}success_rate::${short(host.successRate)}\n`;
  return `${text}${prefix}local_origin_success_rate::${short(host.localOriginSuccessRate)}\n`;
}

/** As Envoy's texts have numbers: six digits. */
function short(value: number): string {
  return value === -1 ? '-1' : String(Number(value.toPrecision(6)));
}

function clusterJson(cluster: ClusterStatus): unknown {
  const limits = (['DEFAULT', 'HIGH'] as const).map((priority) => {
    const l = cluster.limits[priority];
    return {
      ...(priority === 'DEFAULT' ? {} : { priority }),
      max_connections: l.maxConnections,
      max_pending_requests: l.maxPendingRequests,
      max_requests: l.maxRequests,
      max_retries: l.maxRetries,
    };
  });
  return {
    name: cluster.name,
    ...thresholdOf('success_rate_ejection_threshold', cluster.outliers?.external),
    ...(cluster.hosts.length === 0 ? {} : { host_statuses: cluster.hosts.map(hostJson) }),
    ...thresholdOf('local_origin_success_rate_ejection_threshold', cluster.outliers?.local),
    circuit_breakers: { thresholds: limits },
    observability_name: cluster.statName,
  };
}

/** Source: Envoy clusters_handler.cc, which tells only those above 0. */
function thresholdOf(field: string, rates: SuccessRates | undefined): object {
  return rates === undefined || rates.threshold <= 0 ? {} : { [field]: { value: rates.threshold } };
}

/** A `Percent`; absent where there is none. */
function percentOf(field: string, value: number): object {
  return value < 0 ? {} : { [field]: value === 0 ? {} : { value } };
}

function hostJson(host: HostStatus): unknown {
  const stats = (gauges: boolean): unknown[] =>
    HOST_COUNTS.flatMap(([name, isGauge], i) => {
      if (isGauge !== gauges) return [];
      const value = host.counts[i] ?? 0;
      return [{ ...(isGauge ? { type: 'GAUGE' } : {}), ...(value === 0 ? {} : { value: String(value) }), name }];
    });
  const { locality } = host;
  return {
    address: addressJson(host.address),
    stats: [...stats(false), ...stats(true)],
    health_status: {
      ...(host.healthFlags.includes('/failed_outlier_check') ? { failed_outlier_check: true } : {}),
      eds_health_status: host.edsHealth === 'UNKNOWN' ? 'HEALTHY' : host.edsHealth,
      ...(host.healthFlags.includes('/degraded_outlier') ? { failed_degraded_outlier_detection: true } : {}),
    },
    ...percentOf('success_rate', host.successRate),
    ...(host.hostname === '' ? {} : { hostname: host.hostname }),
    weight: host.weight,
    ...(host.priority === 0 ? {} : { priority: host.priority }),
    ...percentOf('local_origin_success_rate', host.localOriginSuccessRate),
    locality: {
      ...(locality.region === '' ? {} : { region: locality.region }),
      ...(locality.zone === '' ? {} : { zone: locality.zone }),
      ...(locality.subZone === '' ? {} : { sub_zone: locality.subZone }),
    },
  };
}
