// Entries of access log services: one exchange or connection as envoy.data.accesslog.v3 has it.
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { Message, MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { H, type HeaderKey, headerName } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import type { Protocol } from '../../stream-info.ts';
import { type CommonSettings, commonProperties } from './common-properties.ts';
import { textOf } from './utf8.ts';

export type HttpEntrySettings = CommonSettings & {
  readonly requestHeaders: readonly HeaderKey[];
  readonly responseHeaders: readonly HeaderKey[];
  readonly responseTrailers: readonly HeaderKey[];
};

const PROTOCOLS: Readonly<Record<Protocol, string>> = {
  'HTTP/1.0': 'HTTP10',
  'HTTP/1.1': 'HTTP11',
  'HTTP/2': 'HTTP2',
  'HTTP/3': 'HTTP3',
};
/** Names of envoy.config.core.v3.RequestMethod. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** A TCPAccessLogEntry, encoded. */
export function tcpEntry(ctx: FormatContext, settings: CommonSettings): Uint8Array {
  const { info } = ctx;
  const type = registry.message('envoy.data.accesslog.v3.TCPAccessLogEntry') as MessageType;
  return encodeBinary(type, {
    common_properties: commonProperties(ctx, settings),
    connection_properties: { received_bytes: info.bytesReceived, sent_bytes: info.bytesSent },
  });
}

/** An HTTPAccessLogEntry, encoded. Source: Envoy HttpGrpcAccessLog::emitLog. */
export function httpEntry(ctx: FormatContext, settings: HttpEntrySettings): Uint8Array {
  const { protocol } = ctx.info;
  const type = registry.message('envoy.data.accesslog.v3.HTTPAccessLogEntry') as MessageType;
  return encodeBinary(type, {
    common_properties: commonProperties(ctx, settings),
    ...(protocol === '' ? {} : { protocol_version: PROTOCOLS[protocol] }),
    request: requestProperties(ctx, settings),
    response: responseProperties(ctx, settings),
  });
}

function requestProperties({ info, requestHeaders }: FormatContext, settings: HttpEntrySettings): Message {
  const request: Message = {
    request_body_bytes: info.bytesReceived,
    upstream_header_bytes_sent: info.upstreamHeaderBytesSent,
    downstream_header_bytes_received: info.downstreamHeaderBytesReceived,
  };
  if (requestHeaders === null) return request;
  const { method } = requestHeaders;
  if (METHODS.has(method)) request['request_method'] = method;
  request['scheme'] = textOf(requestHeaders.scheme);
  request['authority'] = textOf(requestHeaders.authority);
  request['path'] = textOf(requestHeaders.path);
  request['user_agent'] = first(requestHeaders, H['user-agent']);
  request['referer'] = first(requestHeaders, H.referer);
  request['forwarded_for'] = first(requestHeaders, H['x-forwarded-for']);
  request['request_id'] = first(requestHeaders, H['x-request-id']);
  request['original_path'] = first(requestHeaders, H['x-envoy-original-path']);
  request['request_headers_bytes'] = byteSize(requestHeaders);
  addFields(request, 'request_headers', requestHeaders, settings.requestHeaders);
  return request;
}

function responseProperties(ctx: FormatContext, settings: HttpEntrySettings): Message {
  const { info, responseHeaders, responseTrailers } = ctx;
  const response: Message = {
    response_body_bytes: info.bytesSent,
    response_code_details: textOf(info.responseCodeDetails),
    upstream_header_bytes_received: info.upstreamHeaderBytesReceived,
    downstream_header_bytes_sent: info.downstreamHeaderBytesSent,
  };
  if (info.responseCode > 0) response['response_code'] = info.responseCode;
  if (responseHeaders !== null) {
    response['response_headers_bytes'] = byteSize(responseHeaders);
    addFields(response, 'response_headers', responseHeaders, settings.responseHeaders);
  }
  if (responseTrailers !== null) {
    addFields(response, 'response_trailers', responseTrailers, settings.responseTrailers);
  }
  return response;
}

function first(headers: Headers, key: HeaderKey): string {
  return textOf(headers.get(key) ?? '');
}

/** Names and values, pseudo-headers too. Source: Envoy HeaderMapImpl::byteSize. */
function byteSize(headers: Headers): number {
  let bytes = 0;
  headers.forEach((name, value) => {
    bytes += name.length + value.length;
  });
  return bytes;
}

function addFields(message: Message, field: string, headers: Headers, keys: readonly HeaderKey[]): void {
  let fields: Message | null = null;
  for (const key of keys) {
    const value = headers.getAll(key);
    if (value === undefined) continue;
    fields ??= {};
    fields[headerName(key)] = textOf(value);
  }
  if (fields !== null) message[field] = fields;
}
