// Attributes of an exchange or connection, under the names by which expressions of Envoy and Istio know them.
import type { Address, TlsFacts } from '../../base/byte-stream.ts';
import { parseGrpcStatus } from '../../wire/grpc/status.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { withPort } from '../formatter/address-text.ts';
import { type FilterStateObject, findFilterState, type Metadata, type StreamInfo } from '../stream-info.ts';
import type { LocalNode } from './node.ts';
import { stateOfPeer } from './peer.ts';
import { peerOf } from './peer-state.ts';

export type AttributeSource = {
  readonly info: StreamInfo;
  readonly node: LocalNode;
  /** Null of connections, and where there are none yet. */
  readonly requestHeaders: Headers | null;
  readonly responseHeaders: Headers | null;
  readonly responseTrailers: Headers | null;
};

/** Undefined: it is not there, which is an error in CEL. */
type Read = (source: AttributeSource) => string | number | boolean | object | null | undefined;

const REFERER = headerKey('referer');

function ofRequest(read: (headers: Headers) => string | undefined): Read {
  return ({ requestHeaders }) => (requestHeaders === null ? undefined : decoded(read(requestHeaders)));
}

/** Header values are bytes, one per character. */
function decoded(value: string | undefined): string | undefined {
  return value === undefined || !NOT_ASCII.test(value) ? value : Buffer.from(value, 'latin1').toString('utf8');
}
const NOT_ASCII = /[\x80-\xff]/;

function pathOnly(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

function queryOnly(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? '' : path.slice(query + 1);
}

/** As a map from names to values. */
class HeaderMap extends Map<string, string> {
  readonly #headers: Headers | null;
  constructor(headers: Headers | null) {
    super();
    this.#headers = headers;
  }
  override get(name: string): string | undefined {
    if (typeof name !== 'string') return undefined;
    return decoded(this.#headers?.getAll(headerKey(name.toLowerCase())));
  }
}

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
  headers: ({ requestHeaders }) => new HeaderMap(requestHeaders),
  protocol: ({ info }) => info.protocol || undefined,
  size: ({ info }) => info.bytesReceived,
  total_size: ({ info }) => info.downstreamWireBytesReceived,
};

const RESPONSE: Readonly<Record<string, Read>> = {
  code: ({ info }) => info.responseCode || undefined,
  code_details: ({ info }) => info.responseCodeDetails || undefined,
  flags: ({ info }) => info.flags,
  headers: ({ responseHeaders }) => new HeaderMap(responseHeaders),
  trailers: ({ responseTrailers }) => new HeaderMap(responseTrailers),
  grpc_status: ({ responseHeaders, responseTrailers }) =>
    parseGrpcStatus(responseTrailers?.get(H['grpc-status']) ?? responseHeaders?.get(H['grpc-status'])) ?? undefined,
  size: ({ info }) => info.bytesSent,
  total_size: ({ info }) => info.downstreamWireBytesSent,
};

function addressOf(find: (info: StreamInfo) => Address | null | undefined): Readonly<Record<'address' | 'port', Read>> {
  return {
    address({ info }) {
      const address = find(info);
      return address === null || address === undefined ? undefined : withPort(address);
    },
    port: ({ info }) => find(info)?.port,
  };
}

type FindTls = (info: StreamInfo) => TlsFacts | null;

function certificatesOf(find: FindTls): Readonly<Record<string, Read>> {
  return {
    tls_version: ({ info }) => find(info)?.version,
    subject_local_certificate: ({ info }) => find(info)?.localCertificate?.subject,
    subject_peer_certificate: ({ info }) => find(info)?.peerCertificate?.subject,
    uri_san_local_certificate: ({ info }) => find(info)?.localCertificate?.uriSans[0],
    uri_san_peer_certificate: ({ info }) => find(info)?.peerCertificate?.uriSans[0],
    dns_san_local_certificate: ({ info }) => find(info)?.localCertificate?.dnsSans[0],
    dns_san_peer_certificate: ({ info }) => find(info)?.peerCertificate?.dnsSans[0],
    sha256_peer_certificate_digest: ({ info }) => find(info)?.peerCertificate?.sha256,
  };
}

const CONNECTION: Readonly<Record<string, Read>> = {
  ...certificatesOf((info) => info.connection.tls),
  id: ({ info }) => info.connection.id,
  mtls: ({ info }) => (info.connection.tls?.peerCertificate ?? null) !== null,
  requested_server_name: ({ info }) => info.connection.requestedServerName,
  termination_details: ({ info }) => info.connection.terminationDetails || undefined,
  transport_failure_reason: ({ info }) => info.downstreamTransportFailureReason || undefined,
};

const UPSTREAM: Readonly<Record<string, Read>> = {
  ...certificatesOf((info) => info.upstreamTls),
  ...addressOf((info) => info.upstream?.address),
  local_address: ({ info }) => (info.upstreamLocalAddress === null ? undefined : withPort(info.upstreamLocalAddress)),
  transport_failure_reason: ({ info }) => info.upstreamTransportFailureReason || undefined,
  request_attempt_count: ({ info }) => info.attemptCount,
};

/** As the message envoy.config.core.v3.Metadata is seen. */
function messageOf(metadata: Metadata | null | undefined): object {
  return { filter_metadata: metadata ?? new Map() };
}

const XDS: Readonly<Record<string, Read>> = {
  cluster_name: ({ info }) => info.clusterName || undefined,
  cluster_metadata: ({ info }) => messageOf(info.clusterMetadata),
  route_name: ({ info }) => info.routeName || undefined,
  route_metadata: ({ info }) => messageOf(info.routeMetadata),
  virtual_host_name: ({ info }) => info.virtualHostName || undefined,
  virtual_host_metadata: ({ info }) => messageOf(info.virtualHostMetadata),
  upstream_host_metadata: ({ info }) => messageOf(info.upstreamHostMetadata),
  filter_chain_name: ({ info }) => info.connection.filterChainName,
  listener_metadata: ({ info }) => messageOf(info.connection.listenerMetadata),
  listener_direction: ({ info }) => DIRECTIONS.indexOf(info.connection.trafficDirection ?? 'UNSPECIFIED'),
  node: ({ node }) => ({ id: node.id, metadata: node.metadata }),
};
const DIRECTIONS = ['UNSPECIFIED', 'INBOUND', 'OUTBOUND'];

/** Objects of filter state by their keys. */
class StateMap extends Map<string, unknown> {
  readonly #find: (key: string) => FilterStateObject | undefined;
  constructor(find: (key: string) => FilterStateObject | undefined) {
    super();
    this.#find = find;
  }
  override get(key: string): unknown {
    const object = this.#find(key);
    if (object === undefined) return undefined;
    const peer = peerOf(object);
    return peer === null ? Buffer.from(object.value, 'latin1').toString('utf8') : stateOfPeer(peer);
  }
}

const WHOLE: Readonly<Record<string, Read>> = {
  metadata: ({ info }) => messageOf(info.dynamicMetadata),
  filter_state: ({ info }) => new StateMap((key) => findFilterState(info, key)),
  upstream_filter_state: ({ info }) => new StateMap((key) => info.upstreamFilterState?.get(key)),
  node: ({ node }) => ({ id: node.id, metadata: node.metadata }),
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

/** First names of attributes with the second ones; 'map': of any name. */
export const ATTRIBUTES: ReadonlyMap<string, ReadonlySet<string> | 'map'> = new Map<
  string,
  ReadonlySet<string> | 'map'
>([
  ...Object.entries(GROUPS).map(([root, names]) => [root, new Set(Object.keys(names))] as const),
  ...Object.keys(WHOLE).map((root) => [root, 'map'] as const),
]);

export function attribute(
  source: AttributeSource,
  root: string,
  name: string,
): string | number | boolean | object | null | undefined {
  return (GROUPS[root]?.[name] ?? WHOLE[root])?.(source);
}
