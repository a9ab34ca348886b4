// Reports of traffic for tests.
import type {
  EdgeDelta,
  MeshReport,
  RecentRequest,
  WorkloadHealth,
  WorkloadName,
} from '../../src/telemetry/mesh-report.ts';
import { LATENCY_BOUNDS_MS } from '../../src/telemetry/mesh-report.ts';

export function nameOf(workload: string, more: Partial<WorkloadName> = {}): WorkloadName {
  return { workload, namespace: 'shop', service: '', version: 'v1', ...more };
}

/** All of its requests took as long as the bucket's bound says. */
export function edgeOf(
  source: string,
  destination: string,
  more: Partial<EdgeDelta> & { bound?: number } = {},
): EdgeDelta {
  const { bound = 10, ...rest } = more;
  const count = rest.count ?? 10;
  const latency = new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
  latency[LATENCY_BOUNDS_MS.indexOf(bound)] = count;
  return {
    ...{ source: nameOf(source), destination: nameOf(destination, { service: `${destination}.shop` }) },
    ...{ protocol: 'http', isMutualTls: true, count, errors: 0, codes: { 200: count }, latency },
    ...{ sentBytes: 0, receivedBytes: 0 },
    ...rest,
  };
}

export function healthOf(workload: string, more: Partial<WorkloadHealth> = {}): WorkloadHealth {
  return {
    ...{ name: `${workload}-1`, workload, namespace: 'shop', service: workload, version: 'v1', kind: 'workload' },
    ...{ state: 'ready', reason: '', restarts: 0, proxy: 'heddle', isProxyReady: true },
    ...{ rssMb: 60, proxyRssMb: 70, cpuSeconds: 1, proxyCpuSeconds: 1 },
    ...more,
  };
}

export function requestOf(more: Partial<RecentRequest> = {}): RecentRequest {
  return {
    ...{
      atMs: 1_700_000_000_000,
      by: 'reviews-1',
      direction: 'inbound',
      source: 'productpage',
      destination: 'reviews',
    },
    ...{ method: 'GET', authority: 'reviews', path: '/reviews/0', protocol: 'HTTP/1.1', status: 200, grpcStatus: '' },
    ...{ flags: '-', details: 'via_upstream', durationMs: 3, requestId: 'r', upstreamCluster: 'inbound|80||' },
    ...{ upstreamHost: '127.0.0.1:80', peer: 'spiffe://cluster.local/ns/shop/sa/productpage' },
    ...more,
  };
}

export function reportOf(more: Partial<MeshReport> = {}): MeshReport {
  return {
    ...{ atMs: 1_700_000_000_000, intervalMs: 2000, capture: 'explicit', edges: [], workloads: [], requests: [] },
    ...{ droppedRequests: 0, ...more },
  };
}
