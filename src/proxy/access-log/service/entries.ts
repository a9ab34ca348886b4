// Entries of access log services: one exchange or connection as envoy.data.accesslog.v3 has it.
import { H, type HeaderKey, headerName } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import type { Protocol } from '../../stream-info.ts';
import { type CommonSettings, writeCommon } from './common-properties.ts';
import { ProtoWriter } from './proto-writer.ts';

export type HttpEntrySettings = CommonSettings & {
  readonly requestHeaders: readonly HeaderKey[];
  readonly responseHeaders: readonly HeaderKey[];
  readonly responseTrailers: readonly HeaderKey[];
};

/** Numbers of HTTPAccessLogEntry.HTTPVersion and of envoy.config.core.v3.RequestMethod. */
const PROTOCOLS: Readonly<Record<Protocol, number>> = { 'HTTP/1.0': 1, 'HTTP/1.1': 2, 'HTTP/2': 3, 'HTTP/3': 4 };
const METHODS = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'].map((name, i) => [name, i + 1]),
);

/** Numbers of fields: of both entries, of HTTPRequestProperties and of HTTPResponseProperties. */
const ENTRY = { common_properties: 1, connection_properties: 2, protocol_version: 2, request: 3, response: 4 } as const;
const REQUEST = {
  request_method: 1, scheme: 2, authority: 3, path: 5, user_agent: 6, referer: 7, forwarded_for: 8, request_id: 9,
  original_path: 10, request_headers_bytes: 11, request_body_bytes: 12, request_headers: 13,
  upstream_header_bytes_sent: 14, downstream_header_bytes_received: 15,
} as const; // biome-ignore format: a table.
const RESPONSE = {
  response_code: 1, response_headers_bytes: 2, response_body_bytes: 3, response_headers: 4, response_trailers: 5,
  response_code_details: 6, upstream_header_bytes_received: 7, downstream_header_bytes_sent: 8,
} as const; // biome-ignore format: a table.

/** An entry is written in one go, so one writer serves all loggers. */
const writer = new ProtoWriter();

/** A TCPAccessLogEntry, encoded. */
export function tcpEntry(ctx: FormatContext, settings: CommonSettings): Uint8Array {
  const { info } = ctx;
  begin(ctx, settings);
  const start = writer.open(ENTRY.connection_properties);
  writer.number(1, info.bytesReceived);
  writer.number(2, info.bytesSent);
  writer.close(start);
  return writer.finish();
}

/** An HTTPAccessLogEntry, encoded. Source: Envoy HttpGrpcAccessLog::emitLog. */
export function httpEntry(ctx: FormatContext, settings: HttpEntrySettings): Uint8Array {
  const { protocol } = ctx.info;
  begin(ctx, settings);
  if (protocol !== '') writer.number(ENTRY.protocol_version, PROTOCOLS[protocol]);
  const request = writer.open(ENTRY.request);
  writeRequest(writer, ctx, settings);
  writer.close(request);
  const response = writer.open(ENTRY.response);
  writeResponse(writer, ctx, settings);
  writer.close(response);
  return writer.finish();
}

function begin(ctx: FormatContext, settings: CommonSettings): void {
  writer.start();
  const start = writer.open(ENTRY.common_properties);
  writeCommon(writer, ctx, settings);
  writer.close(start);
}

function writeRequest(w: ProtoWriter, { info, requestHeaders }: FormatContext, settings: HttpEntrySettings): void {
  if (requestHeaders !== null) {
    w.number(REQUEST.request_method, METHODS.get(requestHeaders.method) ?? 0);
    w.text(REQUEST.scheme, requestHeaders.scheme);
    w.text(REQUEST.authority, requestHeaders.authority);
    w.text(REQUEST.path, requestHeaders.path);
    writeFirst(w, REQUEST.user_agent, requestHeaders, H['user-agent']);
    writeFirst(w, REQUEST.referer, requestHeaders, H.referer);
    writeFirst(w, REQUEST.forwarded_for, requestHeaders, H['x-forwarded-for']);
    writeFirst(w, REQUEST.request_id, requestHeaders, H['x-request-id']);
    writeFirst(w, REQUEST.original_path, requestHeaders, H['x-envoy-original-path']);
    w.number(REQUEST.request_headers_bytes, byteSize(requestHeaders));
  }
  w.number(REQUEST.request_body_bytes, info.bytesReceived);
  if (requestHeaders !== null) writeFields(w, REQUEST.request_headers, requestHeaders, settings.requestHeaders);
  w.number(REQUEST.upstream_header_bytes_sent, info.upstreamHeaderBytesSent);
  w.number(REQUEST.downstream_header_bytes_received, info.downstreamHeaderBytesReceived);
}

function writeResponse(w: ProtoWriter, ctx: FormatContext, settings: HttpEntrySettings): void {
  const { info, responseHeaders, responseTrailers } = ctx;
  if (info.responseCode > 0) w.wrapped(RESPONSE.response_code, info.responseCode);
  if (responseHeaders !== null) w.number(RESPONSE.response_headers_bytes, byteSize(responseHeaders));
  w.number(RESPONSE.response_body_bytes, info.bytesSent);
  if (responseHeaders !== null) writeFields(w, RESPONSE.response_headers, responseHeaders, settings.responseHeaders);
  if (responseTrailers !== null) {
    writeFields(w, RESPONSE.response_trailers, responseTrailers, settings.responseTrailers);
  }
  w.text(RESPONSE.response_code_details, info.responseCodeDetails ?? '');
  w.number(RESPONSE.upstream_header_bytes_received, info.upstreamHeaderBytesReceived);
  w.number(RESPONSE.downstream_header_bytes_sent, info.downstreamHeaderBytesSent);
}

function writeFirst(w: ProtoWriter, field: number, headers: Headers, key: HeaderKey): void {
  const value = headers.get(key);
  if (value !== undefined) w.text(field, value);
}

/** A map from name to value. */
function writeFields(w: ProtoWriter, field: number, headers: Headers, keys: readonly HeaderKey[]): void {
  for (const key of keys) {
    const value = headers.getAll(key);
    if (value === undefined) continue;
    const start = w.open(field);
    w.text(1, headerName(key));
    w.text(2, value);
    w.close(start);
  }
}

/** Names and values, pseudo-headers too. Source: Envoy HeaderMapImpl::byteSize. */
function byteSize(headers: Headers): number {
  let bytes = 0;
  headers.forEach((name, value) => {
    bytes += name.length + value.length;
  });
  return bytes;
}
