// What an attempt writes into the stream's info, and what it changes in the request's headers.
import { H, type HeaderKey, headerName } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import type { ForwardAction, Route } from '../../../route/route.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import type { RequestEncoder } from '../../codec.ts';
import type { Router, RouterStream } from './router.ts';

/** The request goes to this cluster. */
export function noteCluster(info: StreamInfo, { name, statName, metadata }: Cluster): void {
  info.clusterName = name;
  info.clusterAltStatName = statName;
  info.clusterMetadata = metadata;
}

/** The request goes out on this connection, for which it waited since `wishedMs`. */
export function noteConnection(info: StreamInfo, encoder: RequestEncoder, wishedMs: number, nowMs: number): void {
  const { connection } = encoder;
  info.upstreamLocalAddress = connection.localAddress;
  info.upstreamRemoteAddress = connection.remoteAddress;
  info.upstreamConnectionId = connection.id;
  info.upstreamProtocol = encoder.protocol;
  info.upstreamTls = connection.tls;
  // Envoy forgets of an earlier attempt why it failed, but only in front of a raw connection.
  if (encoder.protocol === '') info.upstreamTransportFailureReason = '';
  info.upstreamConnectionPoolReadyMs = nowMs - wishedMs;
  info.upstreamTimes = encoder.times;
  info.firstUpstreamTxMs = nowMs;
  info.lastUpstreamTxMs = nowMs;
  info.firstUpstreamRxMs = 0;
}

/** Another attempt begins: what the access log tells of the one before. */
export function noteEarlierAttempt(info: StreamInfo): void {
  if (info.upstream === null) return;
  info.earlierUpstreams ??= [];
  info.earlierUpstreams.push(info.upstream);
  info.upstream = null;
  info.upstreamHostMetadata = null;
  if (info.upstreamConnectionId === 0) return;
  info.earlierUpstreamConnectionIds ??= [];
  info.earlierUpstreamConnectionIds.push(info.upstreamConnectionId);
  info.upstreamConnectionId = 0;
}

/** The attempt is over: its bytes count, those of earlier ones stay. */
export function noteBytes(info: StreamInfo, encoder: RequestEncoder): void {
  info.upstreamWireBytesSent += encoder.wireBytesSent;
  info.upstreamWireBytesReceived += encoder.wireBytesReceived;
  info.upstreamHeaderBytesSent += encoder.headerBytesSent;
  info.upstreamHeaderBytesReceived += encoder.headerBytesReceived;
}

/** Bytes of body that may be kept for a retry. */
export function retryBufferLimit(route: Route, streamLimitBytes: number): number {
  const own = route.requestBufferLimitBytes;
  if (own === undefined) return streamLimitBytes;
  return route.requestBufferLimitIsCapped ? Math.min(own, streamLimitBytes) : own;
}

/** The prefix that x-envoy-upstream-alt-stat-name asks for, with its dot, or ''; the header goes no further. */
export function takeAltStatPrefix(headers: Headers): string {
  if (!headers.mayHave(H['x-envoy-upstream-alt-stat-name'])) return '';
  const name = headers.get(H['x-envoy-upstream-alt-stat-name']);
  headers.remove(H['x-envoy-upstream-alt-stat-name']);
  return name === undefined || name === '' ? '' : `${name}.`;
}

/** What the route changes of a request, which guards may still want as it came. */
export function finalizeHead(route: Route, stream: RouterStream, headers: Headers, keepsOriginal: boolean): void {
  stream.keepHead();
  route.finalizeRequest(headers, stream, keepsOriginal);
}

/** match_upstream of scheme_header_transformation. */
export function matchScheme(headers: Headers, encoder: RequestEncoder): void {
  headers.scheme = encoder.connection.tls === null ? 'http' : 'https';
}

type Rewritten = {
  readonly router: Router;
  readonly stream: RouterStream;
  readonly headers: Headers;
  readonly forward: ForwardAction;
};

/** auto_host_rewrite. Source: Envoy Http::Utility::updateAuthority. */
export function rewriteAuthority({ router, stream, headers, forward }: Rewritten, hostname: string): void {
  const before = headers.authority;
  if (hostname === '') return;
  stream.keepHead();
  if (forward.appendXForwardedHost && before !== '') headers.appendValue(H['x-forwarded-host'], before);
  if (!router.config.suppressEnvoyHeaders) headers.set(H['x-envoy-original-host'], before);
  headers.authority = hostname;
}

/** Most answers take less; their times need no conversion. */
const SHORT_TIMES: readonly string[] = Array.from({ length: 256 }, (_, ms) => String(ms));

export function setServiceTime(response: Headers, ms: number): void {
  response.set(H['x-envoy-upstream-service-time'], ms < 256 ? (SHORT_TIMES[ms] as string) : String(ms));
}

/**
 * Body and details of the answer to a request that lacks a field because no message can carry it.
 * Source: Envoy UpstreamRequest::acceptHeadersFromRouter, which finds out when it writes the request.
 */
export function unsendableField(key: HeaderKey): [body: string, details: string] {
  const body = `invalid header value for: ${headerName(key)}`;
  return [body, `filter_removed_required_request_headers{${body.replaceAll(' ', '_')}}`];
}
