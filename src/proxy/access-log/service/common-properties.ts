// What entries of HTTP and of TCP have in common: envoy.data.accesslog.v3.AccessLogCommon.
import type { Address, CertificateFacts, TlsFacts } from '../../../base/byte-stream.ts';
import { packAny } from '../../../proto/any.ts';
import type { Message, MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import { Flag, type FilterStateObject, findFilterState, type StreamInfo } from '../../stream-info.ts';
import { cipherId } from './cipher-ids.ts';
import type { CustomTagValue } from './custom-tags.ts';
import { textOf } from './utf8.ts';

export type CommonSettings = {
  readonly filterStateKeys: readonly string[];
  readonly customTags: readonly CustomTagValue[];
};

/** Source: Envoy GrpcCommon::Utility::extractCommonAccessLogProperties; in the order of its fields. */
export function commonProperties(ctx: FormatContext, settings: CommonSettings): Message {
  const { info } = ctx;
  const { connection } = info;
  const common: Message = {
    downstream_remote_address: addressMessage(info.remoteAddress),
    downstream_local_address: addressMessage(connection.localAddress),
    downstream_direct_remote_address: addressMessage(connection.directRemoteAddress),
    start_time: timestamp(info.startWallMs),
    downstream_wire_bytes_sent: info.downstreamWireBytesSent,
    downstream_wire_bytes_received: info.downstreamWireBytesReceived,
    upstream_wire_bytes_sent: info.upstreamWireBytesSent,
    upstream_wire_bytes_received: info.upstreamWireBytesReceived,
  };
  const tls = tlsProperties(connection.tls, textOf(connection.requestedServerName), connection.ja3Hash ?? '');
  if (tls !== null) common['tls_properties'] = tls;
  addTimes(common, info);
  addUpstream(common, info);
  if (info.routeName !== '') common['route_name'] = textOf(info.routeName);
  if (info.attemptCount > 0) common['upstream_request_attempt_count'] = info.attemptCount;
  if (connection.terminationDetails !== '') common['connection_termination_details'] = connection.terminationDetails;
  const flags = responseFlags(info.flags);
  if (flags !== null) common['response_flags'] = flags;
  addMetadata(common, info);
  addFilterState(common, info, settings.filterStateKeys);
  addTags(common, ctx, settings.customTags);
  if (info.requestId !== '') common['stream_id'] = textOf(info.requestId);
  if (info.downstreamTransportFailureReason !== '') {
    common['downstream_transport_failure_reason'] = textOf(info.downstreamTransportFailureReason);
  }
  if (info.endMs === 0) common['intermediate_log_entry'] = true;
  const type = logType(ctx.accessLogType);
  if (type !== 0) common['access_log_type'] = type;
  return common;
}

function addTimes(common: Message, info: StreamInfo): void {
  const add = (name: string, atMs: number): void => {
    if (atMs > 0) common[name] = duration(atMs - info.startMs);
  };
  add('duration', info.endMs);
  add('time_to_last_rx_byte', info.lastDownstreamRxMs);
  add('time_to_first_upstream_tx_byte', info.firstUpstreamTxMs);
  add('time_to_last_upstream_tx_byte', info.lastUpstreamTxMs);
  add('time_to_first_upstream_rx_byte', info.firstUpstreamRxMs);
  add('time_to_last_upstream_rx_byte', info.lastUpstreamRxMs);
  add('time_to_first_downstream_tx_byte', info.firstDownstreamTxMs);
  if (info.firstDownstreamTxMs > 0) add('time_to_last_downstream_tx_byte', info.lastDownstreamTxMs);
}

function addUpstream(common: Message, info: StreamInfo): void {
  if (info.upstream !== null) {
    common['upstream_remote_address'] = addressMessage(info.upstream.address);
    common['upstream_cluster'] = info.clusterName;
  }
  if (info.upstreamLocalAddress !== null) common['upstream_local_address'] = addressMessage(info.upstreamLocalAddress);
  if (info.upstreamTransportFailureReason !== '') {
    common['upstream_transport_failure_reason'] = textOf(info.upstreamTransportFailureReason);
  }
}

export function addressMessage(address: Address): Message {
  const { family } = address;
  if (family === 'unix') return { pipe: { path: address.address } };
  if (family === 'internal') {
    return { envoy_internal_address: { server_listener_name: address.address, endpoint_id: address.endpointId ?? '' } };
  }
  return { socket_address: { address: address.address, port_value: address.port } };
}

/** `wallMs` since 1970. */
function timestamp(wallMs: number): Message {
  // Envoy's clock tells microseconds.
  const micros = Math.floor(wallMs * 1000);
  const seconds = Math.floor(micros / 1e6);
  return { seconds, nanos: (micros - seconds * 1e6) * 1000 };
}

function duration(ms: number): Message {
  const nanos = Math.round(Math.max(0, ms) * 1e6);
  const seconds = Math.floor(nanos / 1e9);
  return { seconds, nanos: nanos - seconds * 1e9 };
}

// ─── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const TLS_VERSIONS: Readonly<Record<string, string>> = {
  TLSv1: 'TLSv1',
  'TLSv1.1': 'TLSv1_1',
  'TLSv1.2': 'TLSv1_2',
  'TLSv1.3': 'TLSv1_3',
};

function tlsProperties(tls: TlsFacts | null, serverName: string, ja3: string): Message | null {
  if (tls === null && serverName === '' && ja3 === '') return null;
  const properties: Message = { tls_sni_hostname: serverName, ja3_fingerprint: ja3 };
  if (tls === null) return properties;
  properties['local_certificate_properties'] = certificateProperties(tls.localCertificate);
  const peer = tls.peerCertificate;
  properties['peer_certificate_properties'] =
    peer === null ? {} : { ...certificateProperties(peer), issuer: textOf(peer.issuer) };
  properties['tls_session_id'] = tls.sessionId;
  properties['tls_version'] = TLS_VERSIONS[tls.version] ?? 'VERSION_UNSPECIFIED';
  properties['tls_cipher_suite'] = cipherId(tls.cipher);
  return properties;
}

function certificateProperties(certificate: CertificateFacts | null): Message {
  if (certificate === null) return {};
  const names = certificate.uriSans.map((uri) => ({ uri: textOf(uri) }));
  return { subject: textOf(certificate.subject), ...(names.length === 0 ? {} : { subject_alt_name: names }) };
}

// ─── Flags, metadata, filter state, tags ────────────────────────────────────────────────────────────────────────────

/** Fields of envoy.data.accesslog.v3.ResponseFlags; those that came later have none. */
const FLAG_FIELDS: readonly (readonly [number, string])[] = [
  [Flag.LH, 'failed_local_healthcheck'], [Flag.UH, 'no_healthy_upstream'], [Flag.UT, 'upstream_request_timeout'],
  [Flag.LR, 'local_reset'], [Flag.UR, 'upstream_remote_reset'], [Flag.UF, 'upstream_connection_failure'],
  [Flag.UC, 'upstream_connection_termination'], [Flag.UO, 'upstream_overflow'], [Flag.NR, 'no_route_found'],
  [Flag.DI, 'delay_injected'], [Flag.FI, 'fault_injected'], [Flag.RL, 'rate_limited'],
  [Flag.RLSE, 'rate_limit_service_error'], [Flag.DC, 'downstream_connection_termination'],
  [Flag.URX, 'upstream_retry_limit_exceeded'], [Flag.SI, 'stream_idle_timeout'],
  [Flag.IH, 'invalid_envoy_request_headers'], [Flag.DPE, 'downstream_protocol_error'],
  [Flag.UMSDR, 'upstream_max_stream_duration_reached'], [Flag.RFCF, 'response_from_cache_filter'],
  [Flag.NFCF, 'no_filter_config_found'], [Flag.DT, 'duration_timeout'], [Flag.UPE, 'upstream_protocol_error'],
  [Flag.NC, 'no_cluster_found'], [Flag.OM, 'overload_manager'], [Flag.DF, 'dns_resolution_failure'],
  [Flag.DR, 'downstream_remote_reset'],
]; // biome-ignore format: a table.

function responseFlags(flags: number): Message | null {
  if (flags === 0) return null;
  const message: Message = {};
  for (const [bit, field] of FLAG_FIELDS) if ((flags & bit) !== 0) message[field] = true;
  if ((flags & Flag.UAEX) !== 0) message['unauthorized_details'] = { reason: 'EXTERNAL_SERVICE' };
  return message;
}

function addMetadata(common: Message, { dynamicMetadata }: StreamInfo): void {
  if (dynamicMetadata === null || dynamicMetadata.size === 0) return;
  common['metadata'] = { filter_metadata: Object.fromEntries(dynamicMetadata) };
}

function addFilterState(common: Message, info: StreamInfo, keys: readonly string[]): void {
  let objects: Message | null = null;
  for (const key of keys) {
    const object = findFilterState(info, key);
    const packed = object === undefined ? null : packFilterState(object);
    if (packed === null) continue;
    objects ??= {};
    objects[key] = packed;
  }
  if (objects !== null) common['filter_state_objects'] = objects;
}

/** As Envoy's objects serialise themselves; null for those that do not. */
export function packFilterState(object: FilterStateObject): unknown {
  const { typed } = object;
  if (typed === null || typed === undefined) return null;
  const pack = (name: string, message: unknown): unknown =>
    packAny(registry.message(`google.protobuf.${name}`) as MessageType<unknown>, message);
  if (object.isUint64 === true) return pack('UInt64Value', BigInt(object.value));
  if (typeof typed === 'string') return pack('StringValue', textOf(typed));
  if (typeof typed === 'boolean') return pack('BoolValue', typed);
  if (typeof typed === 'number') return pack('UInt32Value', typed);
  return pack('Struct', typed);
}

function addTags(common: Message, ctx: FormatContext, tags: readonly CustomTagValue[]): void {
  let values: Message | null = null;
  for (const { tag, value } of tags) {
    const text = value(ctx);
    if (text === '') continue;
    values ??= {};
    values[tag] = text;
  }
  if (values !== null) common['custom_tags'] = values;
}

const types = new Map<string, number>();

/** Number of an access-log type; 0 for NotSet and for those that the message does not know. */
function logType(name: string): number {
  let number = types.get(name);
  if (number === undefined) {
    number = registry.enum('envoy.data.accesslog.v3.AccessLogType').number(name) ?? 0;
    types.set(name, number);
  }
  return number;
}
