// What every request passes before its filters: the rules of the edge, in the order of Envoy's decodeHeaders.
import { hasGrpcContentType } from '../../wire/grpc/request.ts';
import { H } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { isUpgrade } from '../../wire/http2/upgrade.ts';
import type { Route } from '../route/route.ts';
import { mutateClientCert } from './client-cert-header.ts';
import type { HttpConnection } from './connection-manager.ts';
import { detectionStatus, mutateRequestHeaders } from './headers-policy.ts';
import { normalizeAuthority, normalizePath } from './path-policy.ts';
import { applyFieldMutations } from './filters/header-mutation/field-mutations.ts';
import type { HttpStream } from './stream.ts';

const NO_NAMES: readonly string[] = [];

/**
 * False when the request has been answered already. Source: Envoy ConnectionManagerImpl::ActiveStream::decodeHeaders.
 */
export function acceptRequest(connection: HttpConnection, stream: HttpStream, headers: Headers): boolean {
  const { config, info } = connection;
  const { encoder } = stream;
  stream.info.protocol = encoder.protocol;
  stream.isGrpc = hasGrpcContentType(headers);
  if (headers.mayHave(H.expect) && !config.proxy100Continue) {
    if (headers.get(H.expect)?.toLowerCase() === '100-continue') {
      headers.remove(H.expect);
      stream.sendContinue(continueHeaders());
    }
  }
  if (encoder.protocol === 'HTTP/1.0' && !headers.hasAuthority && config.http1.defaultHostForHttp10 !== '') {
    headers.authority = config.http1.defaultHostForHttp10;
    headers.hasAuthority = true;
  }
  if (!headers.hasAuthority) {
    stream.sendLocalReply({ status: 400, body: '', details: 'missing_host_header' });
    return false;
  }
  if (!acceptTarget(connection, stream, headers)) return false;
  stream.isUpgrade = encoder.isUpgradeRequest;
  if (config.earlyHeaders !== null) {
    applyFieldMutations(config.earlyHeaders, headers, stream);
    stream.isGrpc = hasGrpcContentType(headers);
  }
  const table = config.routes.current;
  const client = mutateRequestHeaders(
    headers,
    config,
    info,
    connection.random,
    stream.isUpgrade && isUpgrade(headers),
    table === null ? NO_NAMES : table.internalOnlyHeaders,
  );
  if (client === null) {
    connection.stats.inc(connection.stats.i.downstream_rq_rejected_via_ip_detection);
    const details = 'rejecting_because_detection_failed';
    stream.sendLocalReply({ status: detectionStatus, body: '', details });
    return false;
  }
  stream.info.remoteAddress = client;
  connection.clientCert = mutateClientCert(headers, config.clientCert, stream.info, connection.clientCert);
  if (headers.mayHave(H['x-request-id'])) stream.info.requestId = headers.get(H['x-request-id']) ?? '';
  return true;
}

/** Host and path as the rules want them, of a request that starts over too; false when it has been answered. */
export function acceptTarget(connection: HttpConnection, stream: HttpStream, headers: Headers): boolean {
  const path = headers.path;
  if (path !== '' && path.charCodeAt(0) !== 0x2f) {
    connection.stats.inc(connection.stats.i.downstream_rq_non_relative_path);
    stream.sendLocalReply({ status: 404, body: '', details: 'absolute_path_rejected' });
    return false;
  }
  if (!normalize(connection, stream, headers, path)) return false;
  const { config } = connection;
  const strips = config.stripMatchingHostPort || config.stripAnyHostPort || config.stripTrailingHostDot;
  // Of a CONNECT the port is where it wants to go.
  if (strips && headers.method !== 'CONNECT') {
    headers.authority = normalizeAuthority(headers.authority, config, connection.info.localAddress.port);
  }
  return true;
}

function normalize(connection: HttpConnection, stream: HttpStream, headers: Headers, path: string): boolean {
  const { config, stats } = connection;
  if (path.includes('#')) {
    stats.inc(stats.i.downstream_rq_failed_path_normalization);
    stream.sendLocalReply({ status: 400, body: '', details: 'path_normalization_failed' });
    return false;
  }
  if (!config.normalizePath && !config.mergeSlashes && config.escapedSlashes === 'KEEP_UNCHANGED') return true;
  const result = normalizePath(path, config);
  headers.path = result.path;
  // Clients of gRPC follow no redirects.
  if (result.action === 'reject' || (result.action === 'redirect' && hasGrpcContentType(headers))) {
    stats.inc(stats.i.downstream_rq_failed_path_normalization);
    stream.sendLocalReply({ status: 400, body: '', details: 'path_normalization_failed' });
    return false;
  }
  if (result.action === 'redirect') {
    stats.inc(stats.i.downstream_rq_redirected_with_normalized_path);
    stream.sendLocalReply({
      status: 307,
      body: '',
      details: 'path_normalization_failed',
      modifyHeaders: (reply) => reply.set(H.location, result.path),
    });
    return false;
  }
  return true;
}

/** What a request wants to become, lower case: 'websocket', 'connect'; '' for nothing else. */
export function upgradeType(headers: Headers): string {
  return (headers.get(H.upgrade) ?? (headers.method === 'CONNECT' ? 'connect' : '')).toLowerCase();
}

/** Whether an upgrade (or CONNECT) is allowed here; answers 403 when it is not. Without a route it fails later. */
export function acceptUpgrade(connection: HttpConnection, stream: HttpStream, route: Route | null): boolean {
  const { requestHeaders: headers } = stream;
  const { stats } = connection;
  const type = upgradeType(headers);
  const byRoute = route?.forward?.upgrades.get(type);
  if (byRoute ?? connection.config.upgrades.get(type) ?? false) {
    if (!stream.isUpgradeCounted) connection.countUpgrade(stream);
    const chain = connection.manager.upgradeChains.get(type);
    if (chain !== undefined) stream.useChain(chain);
    return true;
  }
  if (route === null) return true;
  stats.inc(stats.i.downstream_rq_ws_on_non_ws_route);
  // What the client may have sent behind it must not be taken for a request.
  connection.startDrain();
  stream.sendLocalReply({ status: 403, body: '', details: 'upgrade_failed' });
  return false;
}

/** A head for a bare 100 Continue. */
function continueHeaders(): Headers {
  const headers = new Headers();
  headers.status = 100;
  return headers;
}
