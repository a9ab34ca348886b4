// What a connection manager does to headers at the edge: trust, forwarding fields, request id, server and date.
import type { Address } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';
import type { Random } from '../../base/clock.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConnectionInfo } from '../stream-info.ts';
import { addressFromList, appendPeer, detectClient, forwardedFor } from './client-address.ts';
import type { HttpConfig } from './http-config.ts';
import { keepTrailersOnly } from './http1-request.ts';

/** Fields that only an internal caller may set. Source: Envoy conn_manager_utility.cc, mutateRequestHeaders. */
const INTERNAL_ONLY: readonly number[] = [
  H['x-envoy-retriable-status-codes'],
  H['x-envoy-retriable-header-names'],
  H['x-envoy-retry-on'],
  H['x-envoy-retry-grpc-on'],
  H['x-envoy-max-retries'],
  H['x-envoy-upstream-alt-stat-name'],
  H['x-envoy-upstream-rq-timeout-ms'],
  H['x-envoy-upstream-rq-per-try-timeout-ms'],
  H['x-envoy-upstream-rq-timeout-alt-response'],
  H['x-envoy-expected-rq-timeout-ms'],
  H['x-envoy-force-trace'],
  H['x-envoy-ip-tags'],
  H['x-envoy-original-url'],
  H['x-envoy-hedge-on-per-try-timeout'],
];

function maskOf(ids: readonly number[], from: number, to: number): number {
  let mask = 0;
  for (const id of ids) if (id >= from && id < to) mask |= 1 << (id - from);
  return mask;
}
const INTERNAL_BITS0 = maskOf(INTERNAL_ONLY, 0, 31);
const INTERNAL_BITS1 = maskOf(INTERNAL_ONLY, 31, 62);

/** Removes several fields, at the price of one comparison when none of them is there. */
function removeInternalOnly(headers: Headers): void {
  if ((headers.bits0 & INTERNAL_BITS0) === 0 && (headers.bits1 & INTERNAL_BITS1) === 0) return;
  for (const id of INTERNAL_ONLY) headers.remove(id);
}

/**
 * Applies the rules for x-forwarded-*, x-envoy-* and x-request-id to a request; returns the client's address, or null
 * when detection refuses the request (`detectionStatus` says how).
 * Source: Envoy ConnectionManagerUtility::mutateRequestHeaders.
 */
export function mutateRequestHeaders(
  headers: Headers,
  config: HttpConfig,
  connection: ConnectionInfo,
  random: Random,
  isUpgrade: boolean,
  internalOnly: readonly string[],
): Address | null {
  if (!isUpgrade) {
    if (headers.mayHave(H.connection)) headers.remove(H.connection);
    if (headers.mayHave(H.upgrade)) headers.remove(H.upgrade);
  }
  if (headers.mayHave(H.te)) keepTrailersOnly(headers);
  if (headers.mayHave(H['x-envoy-internal'])) headers.remove(H['x-envoy-internal']);
  if (headers.mayHave(H['keep-alive'])) headers.remove(H['keep-alive']);
  if (headers.mayHave(H['proxy-connection'])) headers.remove(H['proxy-connection']);
  if (headers.mayHave(H['transfer-encoding'])) headers.remove(H['transfer-encoding']);

  let address: Address | null = null;
  let isTrusted: boolean;
  if (config.useRemoteAddress) {
    const list = forwardedFor(headers);
    isTrusted = list === undefined;
    if (config.xffNumTrustedHops > 0 && list !== undefined) {
      address = addressFromList(list, config.xffNumTrustedHops - 1);
    }
    address ??= connection.remoteAddress;
    if (!config.skipXffAppend) appendPeer(headers, connection, config);
    if (config.xffNumTrustedHops === 0) {
      headers.set(H['x-forwarded-proto'], schemeOf(connection, config));
      if (config.appendXForwardedPort) setPort(headers, connection);
    }
  } else {
    const found = detectClient(config.addressDetections, headers, connection, config);
    if (found.rejectStatus !== 0) {
      detectionStatus = found.rejectStatus;
      return null;
    }
    ({ address, isTrusted } = found);
  }
  if (!headers.mayHave(H['x-forwarded-proto']) || !headers.has(H['x-forwarded-proto'])) {
    headers.set(H['x-forwarded-proto'], schemeOf(connection, config));
  }
  if (config.appendXForwardedPort && !headers.has(H['x-forwarded-port'])) setPort(headers, connection);
  if (config.schemeOverwrite !== '') {
    headers.scheme = config.schemeOverwrite;
    headers.set(H['x-forwarded-proto'], config.schemeOverwrite);
  }
  if (headers.scheme !== 'http' && headers.scheme !== 'https') headers.scheme = headers.scheme.toLowerCase();
  if (headers.scheme !== 'http' && headers.scheme !== 'https') {
    const proto = (headers.get(H['x-forwarded-proto']) as string).toLowerCase();
    headers.scheme = proto === 'http' || proto === 'https' ? proto : connection.tls === null ? 'http' : 'https';
  }

  const isInternal = isTrusted && address !== null && config.isInternalAddress(address.address);
  const isEdge = !isInternal && config.useRemoteAddress;
  const isExternalKnown = isEdge && address !== null;
  address ??= connection.remoteAddress;
  if (isInternal) headers.set(H['x-envoy-internal'], 'true');
  else {
    if (isEdge) {
      headers.remove(H['x-envoy-downstream-service-cluster']);
      headers.remove(H['x-envoy-downstream-service-node']);
      headers.remove(H['x-envoy-decorator-operation']);
      headers.remove(H['x-envoy-original-path']);
      headers.remove(H['x-envoy-original-host']);
    }
    removeInternalOnly(headers);
    for (const name of internalOnly) headers.remove(headerKey(name));
  }
  if (config.userAgent !== '') {
    headers.set(H['x-envoy-downstream-service-cluster'], config.userAgent);
    if (!headers.get(H['user-agent'])) headers.set(H['user-agent'], config.userAgent);
    if (config.nodeId !== '') headers.set(H['x-envoy-downstream-service-node'], config.nodeId);
  }
  if (config.via !== '') headers.appendValue(H.via, config.via, ', ');
  if (isExternalKnown && hasIp(address)) headers.set(H['x-envoy-external-address'], address.address);
  if (config.generateRequestId) setRequestId(headers, config, isEdge, random);
  return address;
}

function setRequestId(headers: Headers, config: HttpConfig, isEdge: boolean, random: Random): void {
  const given = headers.mayHave(H['x-request-id']) ? headers.get(H['x-request-id']) : undefined;
  if (given !== undefined) {
    if (given !== '' && (!isEdge || config.preserveExternalRequestId)) return;
    headers.set(H['x-request-id'], random.uuid());
    return;
  }
  headers.add(H['x-request-id'], random.uuid());
}

/** Of the refusal that `mutateRequestHeaders` reported last. */
export let detectionStatus = 0;

/** How the client came: by the port that it wanted where a proxy tells it, else by whether there is TLS. */
function schemeOf(connection: ConnectionInfo, { schemeByPort }: HttpConfig): 'http' | 'https' {
  if (schemeByPort !== null && connection.isLocalAddressRestored === true) {
    const scheme = schemeByPort.get(connection.localAddress.port);
    if (scheme !== undefined) return scheme;
  }
  return connection.tls === null ? 'http' : 'https';
}

function setPort(headers: Headers, { localAddress }: ConnectionInfo): void {
  if (hasIp(localAddress)) headers.set(H['x-forwarded-port'], String(localAddress.port));
}

/** Fields that an answer must not carry on: hop-by-hop ones. Source: Envoy mutateResponseHeaders. */
export function mutateResponseHeaders(
  headers: Headers,
  config: HttpConfig,
  requestHeaders: Headers,
  isUpgrade: boolean,
): void {
  if (!isUpgrade || headers.status !== 101) {
    if (headers.mayHave(H.connection)) headers.remove(H.connection);
    if (headers.mayHave(H.upgrade)) headers.remove(H.upgrade);
  }
  if (headers.mayHave(H['transfer-encoding'])) headers.remove(H['transfer-encoding']);
  if (headers.mayHave(H['keep-alive'])) headers.remove(H['keep-alive']);
  if (headers.mayHave(H['proxy-connection'])) headers.remove(H['proxy-connection']);
  if (config.alwaysSetRequestIdInResponse || requestHeaders.has(H['x-envoy-force-trace'])) {
    const id = requestHeaders.get(H['x-request-id']);
    if (id !== undefined) headers.set(H['x-request-id'], id);
  }
  if (config.via !== '') headers.appendValue(H.via, config.via, ', ');
}
