// The traffic of a small shop, as a mesh would report it every two seconds: for tests and pictures of the live page.
import type { EdgeDelta, MeshReport, RecentRequest, WorkloadHealth } from '../../src/telemetry/mesh-report.ts';
import { edgeOf, healthOf, nameOf, reportOf, requestOf } from './mesh-reports.ts';

const UNKNOWN = nameOf('unknown', { namespace: 'unknown', version: 'unknown' });
const OUTSIDE = nameOf('unknown', { namespace: 'unknown', service: 'quotes.example.com', version: 'unknown' });

/** `tick` counts the reports. */
export function shopReport(tick: number, atMs: number): MeshReport {
  const wave = 1 + 0.25 * Math.sin(tick / 5);
  const count = (base: number): number => Math.round(base * wave);
  return reportOf({
    atMs,
    capture: 'traffic is caught in network namespaces: every connection passes a proxy',
    edges: edgesOf(count),
    workloads: healthOfShop(tick),
    requests: requestsOf(tick, atMs),
  });
}

function edgesOf(count: (base: number) => number): EdgeDelta[] {
  const [few, some, many] = [count(4), count(10), count(24)];
  const failed = Math.max(1, Math.round(few * 0.12));
  return [
    edgeOf('', 'ingress', {
      source: UNKNOWN,
      count: many,
      isMutualTls: false,
      bound: 50,
      codes: { 200: many - 1, 404: 1 },
    }),
    edgeOf('ingress', 'shop', { count: many, bound: 50, codes: { 200: many - 1, 404: 1 } }),
    edgeOf('shop', 'details', { count: some, bound: 10 }),
    edgeOf('shop', 'reviews-v1', { count: Math.round(many * 0.8), bound: 25 }),
    edgeOf('shop', 'reviews-v2', { count: few, errors: failed, codes: { 200: few - failed, 503: failed }, bound: 250 }),
    edgeOf('reviews-v2', 'ratings', { count: few, bound: 5, protocol: 'grpc' }),
    edgeOf('reviews-v1', 'ratings', { count: some, bound: 5, protocol: 'grpc' }),
    edgeOf('shop', 'orders', { count: some, bound: 25, errors: some > 10 ? 1 : 0, codes: { 200: some - 1, 503: 1 } }),
    edgeOf('orders', 'stock', { count: 1, codes: {}, bound: 5, protocol: 'tcp', sentBytes: 4200, receivedBytes: 9600 }),
    edgeOf('shop', 'egress', { count: few, bound: 100 }),
    edgeOf('egress', '', { destination: OUTSIDE, count: few, isMutualTls: false, bound: 100 }),
  ];
}

function healthOfShop(tick: number): WorkloadHealth[] {
  const of = (workload: string, cpu: number, more: Partial<WorkloadHealth> = {}): WorkloadHealth =>
    healthOf(workload, { version: '', cpuSeconds: tick * cpu, proxyCpuSeconds: tick * cpu * 0.6, ...more });
  return [
    of('ingress', 0.05, { kind: 'ingress', rssMb: 0, name: 'ingress', service: '' }),
    of('egress', 0.01, { kind: 'egress', rssMb: 0, name: 'egress', service: '' }),
    of('shop', 0.08, { rssMb: 71 }),
    of('details', 0.02),
    of('reviews-v1', 0.03, { version: 'v1', service: 'reviews' }),
    of('reviews-v2', 0.03, {
      ...{ version: 'v2', service: 'reviews', restarts: 2 },
      ...(tick % 30 > 26 ? { state: 'restarting', reason: 'exit code 1; starts again in 2 s' } : {}),
    }),
    of('ratings', 0.02, { version: 'v1' }),
    of('orders', 0.02),
    of('orders', 0.01, { name: 'orders-2' }),
    of('stock', 0.01, { rssMb: 48 }),
  ];
}

function requestsOf(tick: number, atMs: number): RecentRequest[] {
  const from = (source: string, destination: string, path: string, more: Partial<RecentRequest> = {}): RecentRequest =>
    requestOf({
      ...{ atMs: atMs - 900, by: `${source}-1`, direction: 'outbound', source, destination, path },
      ...{ authority: destination.replace(/-v\d$/, ''), durationMs: 4 + ((tick * 7) % 30) },
      ...{ requestId: `7f0c9a1e-0000-4000-8000-${String(tick).padStart(12, '0')}` },
      ...{ upstreamCluster: `outbound|80||${destination}.shop.svc.cluster.local`, upstreamHost: '10.96.0.14:8080' },
      ...{ peer: `spiffe://cluster.local/ns/shop/sa/${destination}` },
      ...more,
    });
  const failed = {
    status: 503,
    flags: 'URX,UF',
    details: 'upstream_reset_before_response_started{connection_failure}',
  };
  return [
    from('ingress', 'shop', `/books/${tick % 40}`, { direction: 'gateway', authority: 'shop.localhost' }),
    from('shop', 'details', `/details/${tick % 40}`),
    from('shop', 'reviews-v1', `/reviews/${tick % 40}`),
    from('reviews-v1', 'ratings', '/shop.Ratings/Get', { method: 'POST', protocol: 'HTTP/2', grpcStatus: '0' }),
    ...(tick % 3 === 0 ? [from('shop', 'reviews-v2', `/reviews/${tick % 40}`, { ...failed, durationMs: 241 })] : []),
    ...(tick % 5 === 0
      ? [from('traffic', 'orders', '/admin', { status: 403, details: 'rbac_access_denied_matched_policy[none]' })]
      : []),
  ];
}
