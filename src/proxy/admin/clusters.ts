// Admin endpoint /clusters: limits and hosts of every cluster.
import type { ClusterEntry } from '../cluster/cluster-entry.ts';
import type { HostEntry } from '../cluster/host.ts';
import { compileRegex } from '../../base/regex.ts';
import type { AdminHandler } from './admin-filter.ts';
import type { AdminContext } from './handlers.ts';
import { addressJson } from './listeners.ts';
import { json } from './server.ts';

export function clustersHandlers({ proxy }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/clusters',
      help: 'upstream cluster status',
      mutates: false,
      handle: (request) => {
        const filter = request.query.get('filter');
        const regex = filter === null ? null : compileRegex(filter);
        if (regex !== null && 'error' in regex) return { status: 400, body: `Invalid re2 regex: ${regex.error}` };
        const clusters = [...proxy.worker.clusters.all()].filter((c) => regex === null || regex.search(c.name));
        if (request.query.get('format') === 'json') {
          const statuses = clusters.map(clusterJson);
          return {
            status: 200,
            contentType: 'application/json',
            body: json(statuses.length === 0 ? {} : { cluster_statuses: statuses }),
          };
        }
        return { status: 200, body: textOf(clusters) };
      },
    },
  ];
}

const LIMIT_NAMES = [
  ['max_connections', 'maxConnections'],
  ['max_pending_requests', 'maxPendingRequests'],
  ['max_requests', 'maxRequests'],
  ['max_retries', 'maxRetries'],
] as const;

function* textOf(clusters: readonly ClusterEntry[]): Generator<string> {
  for (const cluster of clusters) {
    const { name } = cluster;
    yield `${name}::observability_name::${cluster.statName}\n`;
    for (const [title, priority] of [
      ['default', 'DEFAULT'],
      ['high', 'HIGH'],
    ] as const) {
      const { limits } = cluster.circuitBreaker(priority);
      for (const [limit, field] of LIMIT_NAMES) yield `${name}::${title}_priority::${limit}::${limits[field]}\n`;
    }
    yield `${name}::added_via_api::${cluster.config.addedViaApi}\n`;
    for (const host of cluster.hosts) yield hostText(name, host);
  }
}

function counters(host: HostEntry): readonly (readonly [string, number, boolean])[] {
  return [
    ['cx_active', host.cxActive, true],
    ['cx_connect_fail', host.cxConnectFail, false],
    ['cx_total', host.cxTotal, false],
    ['rq_active', host.rqActive, true],
    ['rq_error', host.rqError, false],
    ['rq_pending_active', host.rqPendingActive, true],
    ['rq_success', host.rqSuccess, false],
    ['rq_timeout', host.rqTimeout, false],
    ['rq_total', host.rqTotal, false],
  ];
}

function hostText(cluster: string, host: HostEntry): string {
  const prefix = `${cluster}::${host.name}::`;
  const { locality } = host;
  let text = '';
  for (const [name, value] of counters(host)) text += `${prefix}${name}::${value}\n`;
  text += `${prefix}hostname::${host.hostname}\n${prefix}health_flags::${host.healthFlags}\n`;
  text += `${prefix}weight::${host.weight}\n${prefix}region::${locality.region}\n${prefix}zone::${locality.zone}\n`;
  text += `${prefix}sub_zone::${locality.subZone}\n${prefix}canary::${host.isCanary}\n`;
  text += `${prefix}priority::${host.priority}\n${prefix}success_rate::-1\n`;
  return `${text}${prefix}local_origin_success_rate::-1\n`;
}

function clusterJson(cluster: ClusterEntry): unknown {
  const limits = (['DEFAULT', 'HIGH'] as const).map((priority) => {
    const { limits: l } = cluster.circuitBreaker(priority);
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
    ...(cluster.hosts.length === 0 ? {} : { host_statuses: cluster.hosts.map(hostJson) }),
    circuit_breakers: { thresholds: limits },
    observability_name: cluster.statName,
  };
}

function hostJson(host: HostEntry): unknown {
  const counts = counters(host);
  const stat = ([name, value, isGauge]: readonly [string, number, boolean]): unknown => ({
    ...(isGauge ? { type: 'GAUGE' } : {}),
    ...(value === 0 ? {} : { value: String(value) }),
    name,
  });
  const { locality } = host;
  return {
    address: addressJson(host.address),
    stats: [...counts.filter((c) => !c[2]).map(stat), ...counts.filter((c) => c[2]).map(stat)],
    health_status: { eds_health_status: host.endpoint.edsHealth === 'UNKNOWN' ? 'HEALTHY' : host.endpoint.edsHealth },
    ...(host.hostname === '' ? {} : { hostname: host.hostname }),
    weight: host.weight,
    ...(host.priority === 0 ? {} : { priority: host.priority }),
    locality: {
      ...(locality.region === '' ? {} : { region: locality.region }),
      ...(locality.zone === '' ? {} : { zone: locality.zone }),
      ...(locality.subZone === '' ? {} : { sub_zone: locality.subZone }),
    },
  };
}
