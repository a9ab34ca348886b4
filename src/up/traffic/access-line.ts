// Lines of proxies' access logs, JSON with Istio's keys → requests as they are shown; whatever else is printed is none.
import type { RecentRequest } from '../../telemetry/mesh-report.ts';

export type AccessLine = RecentRequest & {
  /** Of the connection to the upstream; null where the line does not tell. */
  readonly isMutualTls: boolean | null;
  readonly sentBytes: number;
  readonly receivedBytes: number;
};

/** `namesOf` an address 'IP:PORT' is the workload whose it is, '' for nobody's. */
export function readAccessLine(
  text: string,
  { name: by, workload }: { readonly name: string; readonly workload: string },
  namesOf: (address: string) => string,
): AccessLine | null {
  if (text[0] !== '{') return null;
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
  if (value['upstream_cluster'] === undefined && value['response_flags'] === undefined) return null;
  const of = (key: string): string => {
    const one = value[key];
    return one === undefined || one === null || one === '-' ? '' : String(one);
  };
  const cluster = of('upstream_cluster');
  const direction = cluster.startsWith('inbound|') || cluster === 'InboundPassthroughCluster' ? 'inbound' : 'outbound';
  const peer = of('downstream_peer_uri_san');
  const [, , , host = ''] = cluster.split('|');
  const upstream = namesOf(of('upstream_host'));
  const startMs = Date.parse(of('start_time'));
  return {
    atMs: Number.isNaN(startMs) ? Date.now() : startMs,
    by,
    direction,
    source: direction === 'inbound' ? accountOf(peer) : workload,
    destination: direction === 'inbound' ? workload : upstream || serviceOf(host) || of('authority'),
    method: of('method'),
    authority: of('authority'),
    path: of('path'),
    protocol: of('protocol') || 'TCP',
    status: Number(of('response_code')) || 0,
    grpcStatus: of('grpc_status') || of('grpc_status_number'),
    flags: of('response_flags') || '-',
    details: [
      of('response_code_details'),
      of('upstream_transport_failure_reason'),
      of('connection_termination_details'),
    ]
      .filter((part) => part !== '')
      .join('; '),
    durationMs: Number(of('duration')) || 0,
    requestId: of('request_id'),
    upstreamCluster: cluster,
    upstreamHost: of('upstream_host'),
    peer,
    isMutualTls: mutualTls(value, of),
    sentBytes: Number(of('bytes_sent')) || 0,
    receivedBytes: Number(of('bytes_received')) || 0,
  };
}

/** TLS to somebody without an identity is none. */
function mutualTls(value: Readonly<Record<string, unknown>>, of: (key: string) => string): boolean | null {
  if (value['upstream_tls_version'] === undefined || of('upstream_host') === '') return null;
  if (of('upstream_tls_version') === '') return false;
  return value['upstream_peer_uri_san'] === undefined ? null : of('upstream_peer_uri_san').startsWith('spiffe://');
}

/** spiffe://DOMAIN/ns/NS/sa/ACCOUNT → ACCOUNT. */
function accountOf(peer: string): string {
  return /\/sa\/([^/]+)$/.exec(peer)?.[1] ?? '';
}

/** reviews of reviews.shop.svc.cluster.local; other hosts whole. */
export function serviceOf(host: string): string {
  return /^([^.]+)\.[^.]+\.svc\./.exec(host)?.[1] ?? host;
}
