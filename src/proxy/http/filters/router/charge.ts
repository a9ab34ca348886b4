// Counts responses and their times: on the cluster, by origin of the request, by zone, on virtual clusters and routes.
import { hasGrpcContentType } from '../../../../wire/grpc/request.ts';
import { parseGrpcStatus } from '../../../../wire/grpc/status.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster, Host } from '../../../cluster/cluster.ts';
import type { CodeStats } from '../../../cluster/stats.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import type { Router } from './router.ts';
import type { RouteStats } from './route-stats.ts';

/** What counting needs to know of a forwarded request. */
export type Charged = {
  readonly router: Pick<Router, 'config' | 'zone'>;
  readonly isGrpc: boolean;
  readonly info: StreamInfo;
  readonly headers: Headers;
  readonly cluster: Cluster;
  readonly virtualCluster: RouteStats | null;
  readonly routeStats: RouteStats | null;
  /** From x-envoy-upstream-alt-stat-name, with its dot; '' for none. */
  readonly altStatPrefix: string;
};

/** As the request goes on: a filter may have made gRPC of it (grpc_web), and its own replies then are none. */
export function isGrpcRequest(headers: Headers): boolean {
  return headers.mayHave(H['content-type']) && hasGrpcContentType(headers);
}

/** Source: Envoy Router::Filter::chargeUpstreamCode, CodeStatsImpl::chargeResponseStat. */
export function chargeCode(request: Charged, status: number, host: Host | null, response: Headers | null): void {
  const { config, zone } = request.router;
  if (!config.dynamicStats || request.info.isHealthCheck) return;
  // Envoy suppresses the counters without a category alone.
  const onlyCompleted = config.suppressGrpcCodeStats && request.isGrpc;
  const { codes } = request.cluster;
  const isInternal = isInternalRequest(request.headers);
  codes.plain.charge(status, onlyCompleted);
  (isInternal ? codes.internal : codes.external).charge(status);
  if (isCanary(host, response)) codes.canary.charge(status);
  if (zone !== '') zoneStats(request, host)?.charge(status);
  if (request.virtualCluster !== null) request.virtualCluster.codes.charge(status);
  if (request.routeStats !== null) request.routeStats.codes.charge(status);
  const alt = request.altStatPrefix;
  if (alt !== '') {
    codes.other(alt)?.charge(status, onlyCompleted);
    codes.other(`${alt}${isInternal ? 'internal.' : 'external.'}`)?.charge(status);
  }
  if (host !== null && status >= 500 && status < 600) host.rqError++;
}

/** Besides its code: the request was refused because there are too many. */
export function chargeDropped({ router, info, cluster }: Charged): void {
  if (router.config.dynamicStats && !info.isHealthCheck) cluster.codes.dropped++;
}

export function chargeTime(request: Charged, ms: number, host: Host, response: Headers | null): void {
  const { config, zone } = request.router;
  if (!config.dynamicStats || request.info.isHealthCheck) return;
  const { codes } = request.cluster;
  const isInternal = isInternalRequest(request.headers);
  codes.plain.chargeTime(ms);
  (isInternal ? codes.internal : codes.external).chargeTime(ms);
  if (isCanary(host, response)) codes.canary.chargeTime(ms);
  if (zone !== '') zoneStats(request, host)?.chargeTime(ms);
  if (request.virtualCluster !== null) request.virtualCluster.codes.chargeTime(ms);
  if (request.routeStats !== null) request.routeStats.codes.chargeTime(ms);
  const alt = request.altStatPrefix;
  if (alt !== '') {
    codes.other(alt)?.chargeTime(ms);
    codes.other(`${alt}${isInternal ? 'internal.' : 'external.'}`)?.chargeTime(ms);
  }
}

function isInternalRequest(headers: Headers): boolean {
  return headers.mayHave(H['x-envoy-internal']) && headers.get(H['x-envoy-internal']) === 'true';
}

function isCanary(host: Host | null, response: Headers | null): boolean {
  if (host?.isCanary === true) return true;
  return (
    response?.mayHave(H['x-envoy-upstream-canary']) === true && response.get(H['x-envoy-upstream-canary']) === 'true'
  );
}

function zoneStats(request: Charged, host: Host | null): CodeStats | null {
  const to = host?.locality.zone ?? '';
  return to === '' ? null : request.cluster.codes.other(`zone.${request.router.zone}.${to}.`);
}

/** Statuses for which Envoy takes no HTTP status of a server's error. */
const GRPC_NO_SERVER_ERROR: ReadonlySet<number> = new Set([0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 16]);

/**
 * rq_success or rq_error of a gRPC exchange from its grpc-status, once it is known. Returns true while it is not: the
 * trailers will tell. Source: Envoy handleNon5xxResponseHeaders.
 */
export function noteGrpcOutcome(headers: Headers, host: Host, endStream: boolean): boolean {
  if (headers.status >= 500) return false;
  if (!endStream) return true;
  const status = parseGrpcStatus(headers.get(H['grpc-status']));
  if (status !== null && GRPC_NO_SERVER_ERROR.has(status)) host.rqSuccess++;
  else host.rqError++;
  return false;
}
