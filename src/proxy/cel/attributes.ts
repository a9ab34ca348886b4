// Attributes of an exchange or connection, under the names by which expressions of Envoy and Istio know them.
import type { Address, TlsFacts } from '../../base/byte-stream.ts';
import { Duration, Timestamp, Uint, type Value } from '../../base/cel/values.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { withPort } from '../formatter/address-text.ts';
import { grpcStatus } from '../formatter/header-commands.ts';
import { urlEncoded } from '../formatter/tls-commands.ts';
import { findFilterState, type Metadata, type StreamInfo } from '../stream-info.ts';
import { HeaderMap, metadataMessage, MessageMap, OpenMap, stateMap } from './maps.ts';
import type { CelNode } from './node-message.ts';

export type AttributeSource = {
  readonly info: StreamInfo;
  /** Null of connections, and where there are none yet. */
  readonly requestHeaders: Headers | null;
  readonly responseHeaders: Headers | null;
  readonly responseTrailers: Headers | null;
};

/** Undefined: it is not there, which is an error in CEL. */
export type Read = (source: AttributeSource) => Value | undefined;

const REFERER = headerKey('referer');

function ofRequest(read: (headers: Headers) => string | undefined): Read {
  return ({ requestHeaders }) => (requestHeaders === null ? undefined : read(requestHeaders));
}

function pathOnly(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

function queryOnly(path: string): string {
  const query = path.indexOf('?');
  if (query < 0) return '';
  const fragment = path.indexOf('#', query);
  return path.slice(query + 1, fragment < 0 ? undefined : fragment);
}

/** Milliseconds, good to a microsecond. */
function durationOf(ms: number): Duration {
  return new Duration(BigInt(Math.round(ms * 1e6)));
}

function contentLength(headers: Headers | null): number | undefined | null {
  const text = headers?.get(H['content-length']);
  if (text === undefined) return null;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

const bytesIn = (headers: Headers | null): number => headers?.byteSize() ?? 0;

const REQUEST: Readonly<Record<string, Read>> = {
  path: ofRequest(({ path }) => path || undefined),
  url_path: ofRequest(({ path }) => (path === '' ? undefined : pathOnly(path))),
  query: ofRequest(({ path }) => (path === '' ? undefined : queryOnly(path))),
  host: ofRequest((headers) => headers.get(H[':authority'])),
  scheme: ofRequest(({ scheme }) => scheme || undefined),
  method: ofRequest(({ method }) => method || undefined),
  referer: ofRequest((headers) => headers.get(REFERER)),
  useragent: ofRequest((headers) => headers.get(H['user-agent'])),
  id: ofRequest((headers) => headers.get(H['x-request-id'])),
  headers: ({ requestHeaders }) => new HeaderMap(requestHeaders, true),
  headers_bytes: ({ requestHeaders }) => bytesIn(requestHeaders),
  protocol: ({ info }) => info.protocol || undefined,
  size({ info, requestHeaders }) {
    const length = contentLength(requestHeaders);
    return length === null ? info.bytesReceived : length;
  },
  total_size: ({ info, requestHeaders }) => info.bytesReceived + bytesIn(requestHeaders),
  time: ({ info }) => new Timestamp(BigInt(Math.floor(info.startWallMs * 1000 + 0.25)) * 1000n),
  duration: ({ info }) => (info.endMs === 0 ? undefined : durationOf(info.endMs - info.startMs)),
};

const RESPONSE: Readonly<Record<string, Read>> = {
  code: ({ info }) => info.responseCode || undefined,
  code_details: ({ info }) => info.responseCodeDetails ?? undefined,
  flags: ({ info }) => info.flags,
  headers: ({ responseHeaders }) => new HeaderMap(responseHeaders, false),
  headers_bytes: ({ responseHeaders }) => bytesIn(responseHeaders),
  trailers: ({ responseTrailers }) => new HeaderMap(responseTrailers, false),
  grpc_status(source) {
    const status = grpcStatus(source, true);
    return status === null ? undefined : status > 16 ? -1 : status;
  },
  size: ({ info }) => info.bytesSent,
  total_size: ({ info, responseHeaders, responseTrailers }) =>
    info.bytesSent + bytesIn(responseHeaders) + bytesIn(responseTrailers),
  backend_latency({ info }) {
    if (info.lastUpstreamRxMs === 0 || info.firstUpstreamTxMs === 0) return undefined;
    return durationOf(info.lastUpstreamRxMs - info.firstUpstreamTxMs);
  },
};

function addressOf(find: (info: StreamInfo) => Address | null | undefined): Readonly<Record<'address' | 'port', Read>> {
  return {
    address({ info }) {
      const address = find(info);
      return address === null || address === undefined ? undefined : withPort(address);
    },
    port({ info }) {
      const address = find(info);
      if (address === null || address === undefined) return undefined;
      return address.family === 'ipv4' || address.family === 'ipv6' ? address.port : undefined;
    },
  };
}

type FindTls = (info: StreamInfo) => TlsFacts | null;

function certificatesOf(find: FindTls): Readonly<Record<string, Read>> {
  const ofSession = (read: (tls: TlsFacts) => string | undefined): Read => {
    return ({ info }) => {
      const tls = find(info);
      return tls === null ? undefined : read(tls);
    };
  };
  return {
    tls_version: ofSession((tls) => tls.version),
    subject_local_certificate: ofSession((tls) => tls.localCertificate?.subject ?? ''),
    subject_peer_certificate: ofSession((tls) => tls.peerCertificate?.subject ?? ''),
    uri_san_local_certificate: ofSession((tls) => tls.localCertificate?.uriSans[0]),
    uri_san_peer_certificate: ofSession((tls) => tls.peerCertificate?.uriSans[0]),
    dns_san_local_certificate: ofSession((tls) => tls.localCertificate?.dnsSans[0]),
    dns_san_peer_certificate: ofSession((tls) => tls.peerCertificate?.dnsSans[0]),
    sha256_peer_certificate_digest: ofSession((tls) => tls.peerCertificate?.sha256),
    peer_certificate: ofSession(({ peerCertificate: peer }) => (peer === null ? undefined : urlEncoded(peer.pem))),
  };
}

const CONNECTION: Readonly<Record<string, Read>> = {
  ...certificatesOf((info) => info.connection.tls),
  id: ({ info }) => new Uint(info.connection.id),
  mtls: ({ info }) => (info.connection.tls?.peerCertificate ?? null) !== null,
  requested_server_name: ({ info }) => info.connection.requestedServerName,
  termination_details: ({ info }) => info.connection.terminationDetails || undefined,
  transport_failure_reason: ({ info }) => info.downstreamTransportFailureReason || undefined,
};

const UPSTREAM: Readonly<Record<string, Read>> = {
  ...certificatesOf((info) => info.upstreamTls),
  ...addressOf((info) => info.upstream?.address),
  local_address: ({ info }) => (info.upstreamLocalAddress === null ? undefined : withPort(info.upstreamLocalAddress)),
  locality({ info }) {
    const locality = info.upstream?.locality;
    if (locality === undefined) return undefined;
    return new MessageMap({ region: locality.region, zone: locality.zone, sub_zone: locality.subZone });
  },
  transport_failure_reason: ({ info }) =>
    info.upstream === null ? info.upstreamTransportFailureReason || undefined : info.upstreamTransportFailureReason,
  cx_pool_ready_duration: ({ info }) =>
    info.upstreamConnectionId === 0 ? undefined : durationOf(info.upstreamConnectionPoolReadyMs),
  request_attempt_count: ({ info }) => new Uint(info.attemptCount),
};

/** A host without metadata has a null for it. */
function orNull(metadata: Metadata | null | undefined): Value {
  return metadata === null || metadata === undefined || metadata.size === 0 ? null : metadataMessage(metadata, true);
}

const XDS: Readonly<Record<string, Read>> = {
  cluster_name: ({ info }) => info.clusterName || undefined,
  cluster_metadata: ({ info }) => (info.clusterName === '' ? undefined : metadataMessage(info.clusterMetadata, true)),
  route_name: ({ info }) => (info.hasRoute ? info.routeName : undefined),
  route_metadata: ({ info }) => (info.hasRoute ? metadataMessage(info.routeMetadata, true) : undefined),
  virtual_host_name: ({ info }) => info.virtualHostName || undefined,
  virtual_host_metadata: ({ info }) =>
    info.virtualHostName === '' ? undefined : metadataMessage(info.virtualHostMetadata, true),
  upstream_host_metadata: ({ info }) => (info.upstream === null ? undefined : orNull(info.upstreamHostMetadata)),
  upstream_host_locality_metadata: ({ info }) =>
    info.upstream === null ? undefined : orNull(info.upstream.endpoint?.localityMetadata),
  filter_chain_name: ({ info }) => info.connection.filterChainName,
  listener_metadata: ({ info }) => metadataMessage(info.connection.listenerMetadata, true),
  listener_direction: ({ info }) => DIRECTIONS.indexOf(info.connection.trafficDirection ?? 'UNSPECIFIED'),
};
const DIRECTIONS = ['UNSPECIFIED', 'INBOUND', 'OUTBOUND'];

/** Attributes that are values of their own. */
const WHOLE: Readonly<Record<string, Read>> = {
  metadata: ({ info }) => metadataMessage(info.dynamicMetadata, false),
  filter_state: ({ info }) => stateMap((key) => findFilterState(info, key)),
  upstream_filter_state: ({ info }) =>
    info.upstreamLocalAddress === null ? undefined : stateMap((key) => info.upstreamFilterState?.get(key)),
};

const GROUPS: Readonly<Record<string, Readonly<Record<string, Read>>>> = {
  request: REQUEST,
  response: RESPONSE,
  source: addressOf((info) => info.remoteAddress),
  destination: addressOf((info) => info.connection.localAddress),
  connection: CONNECTION,
  upstream: UPSTREAM,
  xds: XDS,
};

/** Attributes of Envoy that are not known here, with the reason why. */
const UNKNOWN: ReadonlyMap<string, string> = new Map([
  ['upstream.num_endpoints', 'the number of endpoints is not known to an exchange'],
]);

/** What reads the attribute of this very path; null: there is none. A text says why it cannot be read. */
export function attributeOf(path: readonly string[], node: CelNode | null): Read | string | null {
  const [root = '', name, last] = path;
  if (path.length === 1) return Object.hasOwn(WHOLE, root) ? (WHOLE[root] as Read) : wholeGroup(root, node);
  if (path.length === 2) {
    const reason = UNKNOWN.get(`${root}.${name}`);
    if (reason !== undefined) return `${root}.${name} is not supported: ${reason}`;
    if (root === 'xds' && name === 'node' && node !== null) return () => node;
    const group = Object.hasOwn(GROUPS, root) ? GROUPS[root] : undefined;
    return group !== undefined && Object.hasOwn(group, name as string) ? (group[name as string] as Read) : null;
  }
  if (path.length !== 3 || name === undefined || last === undefined || last === '') return null;
  const key = headerKey(last.toLowerCase());
  switch (`${root}.${name}`) {
    case 'request.headers': {
      const found = key === H.host ? H[':authority'] : key;
      return ({ requestHeaders }) => requestHeaders?.getAll(found);
    }
    case 'response.headers':
      return ({ responseHeaders }) => responseHeaders?.getAll(key);
    case 'response.trailers':
      return ({ responseTrailers }) => responseTrailers?.getAll(key);
    default:
      return null;
  }
}

function wholeGroup(root: string, node: CelNode | null): Read | null {
  const group = Object.hasOwn(GROUPS, root) ? GROUPS[root] : undefined;
  if (group === undefined) return null;
  return (source) =>
    new OpenMap((name) => {
      if (root === 'xds' && name === 'node') return node ?? undefined;
      return Object.hasOwn(group, name) ? group[name]?.(source) : undefined;
    });
}
