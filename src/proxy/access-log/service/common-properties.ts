// What entries of HTTP and of TCP have in common: envoy.data.accesslog.v3.AccessLogCommon.
import type { Address, CertificateFacts, TlsFacts } from '../../../base/byte-stream.ts';
import { packAny } from '../../../proto/any.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import {
  type ConnectionInfo,
  Flag,
  type FilterStateObject,
  findFilterState,
  RESPONSE_FLAGS,
  type StreamInfo,
} from '../../stream-info.ts';
import { cipherId } from './cipher-ids.ts';
import type { CustomTagValue } from './custom-tags.ts';
import { ProtoWriter } from './proto-writer.ts';
import { textOf } from './utf8.ts';

export type CommonSettings = {
  readonly filterStateKeys: readonly string[];
  readonly customTags: readonly CustomTagValue[];
};

/** Numbers of AccessLogCommon's fields. */
const F = {
  downstream_remote_address: 2, downstream_local_address: 3, tls_properties: 4, start_time: 5, time_to_last_rx_byte: 6,
  time_to_first_upstream_tx_byte: 7, time_to_last_upstream_tx_byte: 8, time_to_first_upstream_rx_byte: 9,
  time_to_last_upstream_rx_byte: 10, time_to_first_downstream_tx_byte: 11, time_to_last_downstream_tx_byte: 12,
  upstream_remote_address: 13, upstream_local_address: 14, upstream_cluster: 15, response_flags: 16, metadata: 17,
  upstream_transport_failure_reason: 18, route_name: 19, downstream_direct_remote_address: 20,
  filter_state_objects: 21, custom_tags: 22, duration: 23, upstream_request_attempt_count: 24,
  connection_termination_details: 25, stream_id: 26, intermediate_log_entry: 27,
  downstream_transport_failure_reason: 28, downstream_wire_bytes_sent: 29, downstream_wire_bytes_received: 30,
  upstream_wire_bytes_sent: 31, upstream_wire_bytes_received: 32, access_log_type: 33,
} as const; // biome-ignore format: a table.

/** Source: Envoy GrpcCommon::Utility::extractCommonAccessLogProperties. */
export function writeCommon(w: ProtoWriter, ctx: FormatContext, settings: CommonSettings): void {
  const { info } = ctx;
  const { connection } = info;
  writeAddress(w, F.downstream_remote_address, info.remoteAddress);
  writeAddress(w, F.downstream_local_address, connection.localAddress);
  writeTls(w, connection);
  writeStartTime(w, info.startWallMs);
  writeTimes(w, info);
  writeUpstream(w, info);
  if (info.flags !== 0) writeFlags(w, info.flags);
  writeMetadata(w, info);
  w.unicode(F.route_name, info.routeName);
  writeAddress(w, F.downstream_direct_remote_address, connection.directRemoteAddress);
  for (const key of settings.filterStateKeys) writeFilterState(w, info, key);
  for (const { tag, value } of settings.customTags) writeTag(w, tag, value(ctx));
  writeDuration(w, F.duration, info, info.endMs);
  w.number(F.upstream_request_attempt_count, info.attemptCount);
  w.text(F.connection_termination_details, connection.terminationDetails);
  w.text(F.stream_id, info.requestId);
  w.flag(F.intermediate_log_entry, info.endMs === 0);
  w.text(F.downstream_transport_failure_reason, info.downstreamTransportFailureReason);
  w.number(F.downstream_wire_bytes_sent, info.downstreamWireBytesSent);
  w.number(F.downstream_wire_bytes_received, info.downstreamWireBytesReceived);
  w.number(F.upstream_wire_bytes_sent, info.upstreamWireBytesSent);
  w.number(F.upstream_wire_bytes_received, info.upstreamWireBytesReceived);
  w.number(F.access_log_type, logType(ctx.accessLogType));
}

/** envoy.config.core.v3.Address. */
function writeAddress(w: ProtoWriter, field: number, { family, address, port, endpointId }: Address): void {
  const start = w.open(field);
  const inner = w.open(family === 'unix' ? 2 : family === 'internal' ? 3 : 1);
  if (family === 'unix') w.text(1, address);
  else if (family === 'internal') {
    w.text(1, address);
    w.text(2, endpointId ?? '');
  } else {
    w.text(2, address);
    // The port is told even where it is 0: it is one of a oneof.
    if (port > 0) w.number(3, port);
  }
  w.close(inner);
  w.close(start);
}

// ─── Times ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `wallMs` since 1970. */
function writeStartTime(w: ProtoWriter, wallMs: number): void {
  // Envoy's clock tells microseconds.
  const micros = Math.floor(wallMs * 1000);
  const seconds = Math.floor(micros / 1e6);
  const start = w.open(F.start_time);
  w.number(1, seconds);
  w.number(2, (micros - seconds * 1e6) * 1000);
  w.close(start);
}

function writeTimes(w: ProtoWriter, info: StreamInfo): void {
  writeDuration(w, F.time_to_last_rx_byte, info, info.lastDownstreamRxMs);
  writeDuration(w, F.time_to_first_upstream_tx_byte, info, info.firstUpstreamTxMs);
  writeDuration(w, F.time_to_last_upstream_tx_byte, info, info.lastUpstreamTxMs);
  writeDuration(w, F.time_to_first_upstream_rx_byte, info, info.firstUpstreamRxMs);
  writeDuration(w, F.time_to_last_upstream_rx_byte, info, info.lastUpstreamRxMs);
  writeDuration(w, F.time_to_first_downstream_tx_byte, info, info.firstDownstreamTxMs);
  if (info.firstDownstreamTxMs > 0) {
    writeDuration(w, F.time_to_last_downstream_tx_byte, info, info.lastDownstreamTxMs);
  }
}

/** Since the start; 0 did not happen. */
function writeDuration(w: ProtoWriter, field: number, info: StreamInfo, atMs: number): void {
  if (atMs <= 0) return;
  const nanos = Math.round(Math.max(0, atMs - info.startMs) * 1e6);
  const seconds = Math.floor(nanos / 1e9);
  const start = w.open(field);
  w.number(1, seconds);
  w.number(2, nanos - seconds * 1e9);
  w.close(start);
}

// ─── Upstream and flags ─────────────────────────────────────────────────────────────────────────────────────────────

function writeUpstream(w: ProtoWriter, info: StreamInfo): void {
  if (info.upstream !== null) writeAddress(w, F.upstream_remote_address, info.upstream.address);
  if (info.upstreamLocalAddress !== null) writeAddress(w, F.upstream_local_address, info.upstreamLocalAddress);
  if (info.upstream !== null) w.unicode(F.upstream_cluster, info.clusterName);
  w.text(F.upstream_transport_failure_reason, info.upstreamTransportFailureReason);
}

/** Fields of ResponseFlags by name of the flag; those that came later have none. */
const FLAG_FIELDS: Readonly<Record<string, number>> = {
  LH: 1, UH: 2, UT: 3, LR: 4, UR: 5, UF: 6, UC: 7, UO: 8, NR: 9, DI: 10, FI: 11, RL: 12, RLSE: 14, DC: 15, URX: 16,
  SI: 17, IH: 18, DPE: 19, UMSDR: 20, RFCF: 21, NFCF: 22, DT: 23, UPE: 24, NC: 25, OM: 26, DF: 27, DR: 28,
}; // biome-ignore format: a table.
const UNAUTHORIZED_DETAILS = 13;
const EXTERNAL_SERVICE = 1;

/** Few combinations occur. */
const MAX_FLAGS = 256;
const encodedFlags = new Map<number, Uint8Array>();

function writeFlags(w: ProtoWriter, flags: number): void {
  let bytes = encodedFlags.get(flags);
  if (bytes === undefined) {
    bytes = encodeFlags(flags);
    if (encodedFlags.size < MAX_FLAGS) encodedFlags.set(flags, bytes);
  }
  w.bytes(F.response_flags, bytes);
}

function encodeFlags(flags: number): Uint8Array {
  const w = new ProtoWriter();
  for (const [name] of RESPONSE_FLAGS) {
    if ((flags & Flag[name]) === 0) continue;
    if (name === 'UAEX') {
      const details = w.open(UNAUTHORIZED_DETAILS);
      w.number(1, EXTERNAL_SERVICE);
      w.close(details);
    } else w.flag(FLAG_FIELDS[name] ?? 0, FLAG_FIELDS[name] !== undefined);
  }
  return w.finish();
}

// ─── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const TLS_VERSIONS: Readonly<Record<string, string>> = {
  TLSv1: 'TLSv1',
  'TLSv1.1': 'TLSv1_1',
  'TLSv1.2': 'TLSv1_2',
  'TLSv1.3': 'TLSv1_3',
};
/** Encoded once for all requests of a connection. */
const encodedTls = new WeakMap<TlsFacts, Uint8Array>();

function writeTls(w: ProtoWriter, connection: ConnectionInfo): void {
  const { tls, requestedServerName, ja3Hash = '' } = connection;
  if (tls === null && requestedServerName === '' && ja3Hash === '') return;
  let bytes = tls === null ? undefined : encodedTls.get(tls);
  if (bytes === undefined) {
    const type = registry.message('envoy.data.accesslog.v3.TLSProperties') as MessageType<unknown>;
    const names = { tls_sni_hostname: textOf(requestedServerName), ja3_fingerprint: ja3Hash };
    bytes = encodeBinary(type, tls === null ? names : { ...names, ...sessionProperties(tls) });
    if (tls !== null) encodedTls.set(tls, bytes);
  }
  w.bytes(F.tls_properties, bytes);
}

function sessionProperties(tls: TlsFacts): object {
  const peer = tls.peerCertificate;
  return {
    local_certificate_properties: certificateProperties(tls.localCertificate),
    peer_certificate_properties: peer === null ? {} : { ...certificateProperties(peer), issuer: textOf(peer.issuer) },
    tls_session_id: tls.sessionId,
    tls_version: TLS_VERSIONS[tls.version] ?? 'VERSION_UNSPECIFIED',
    tls_cipher_suite: cipherId(tls.cipher),
  };
}

function certificateProperties(certificate: CertificateFacts | null): object {
  if (certificate === null) return {};
  const names = certificate.uriSans.map((uri) => ({ uri: textOf(uri) }));
  return { subject: textOf(certificate.subject), ...(names.length === 0 ? {} : { subject_alt_name: names }) };
}

// ─── Metadata, filter state, tags ───────────────────────────────────────────────────────────────────────────────────

function writeMetadata(w: ProtoWriter, { dynamicMetadata }: StreamInfo): void {
  if (dynamicMetadata === null || dynamicMetadata.size === 0) return;
  const type = registry.message('envoy.config.core.v3.Metadata') as MessageType<unknown>;
  w.bytes(F.metadata, encodeBinary(type, { filter_metadata: Object.fromEntries(dynamicMetadata) }));
}

function writeFilterState(w: ProtoWriter, info: StreamInfo, key: string): void {
  const object = findFilterState(info, key);
  const packed = object === undefined ? null : packFilterState(object);
  if (packed === null) return;
  const start = w.open(F.filter_state_objects);
  w.unicode(1, key);
  w.bytes(2, encodeBinary(registry.message('google.protobuf.Any') as MessageType<unknown>, packed));
  w.close(start);
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

function writeTag(w: ProtoWriter, tag: string, text: string): void {
  if (text === '') return;
  const start = w.open(F.custom_tags);
  w.unicode(1, tag);
  w.unicode(2, text);
  w.close(start);
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
