// The one map from failures to what the client sees: status, gRPC status, response flag, details.
import type { Failure, FailureCode } from '../../base/failure.ts';
import { encodeGrpcMessage, grpcStatusOf } from '../../wire/grpc/status.ts';
import { H } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { reasonPhrase } from '../../wire/http1/reason.ts';
import { Flag } from '../stream-info.ts';
import type { HttpConfig, LocalReplyBody, LocalReplyMapper } from './http-config.ts';
import type { LocalReply } from './filter.ts';
import type { HttpStream } from './stream.ts';

/** What a downstream failure before or inside a request is answered with. */
export function replyForFailure(reason: Failure): LocalReply {
  const status = STATUS_BY_DETAIL[reason.detail] ?? STATUS[reason.code] ?? 400;
  return { status, body: reasonPhrase(status), details: reason.detail, flags: Flag.DPE };
}

const STATUS: Partial<Record<FailureCode, number>> = {
  headers_too_large: 431,
  too_many_headers: 431,
  version_not_accepted: 426,
};

const STATUS_BY_DETAIL: Readonly<Record<string, number>> = {
  'http1.invalid_transfer_encoding': 501,
  'http1.https_url_on_plaintext_connection': 403,
};

/** A reply of headers alone, as a filter made it. */
export function headersOnly(reply: LocalReply): Headers {
  const headers = new Headers();
  headers.status = reply.status;
  reply.modifyHeaders?.(headers);
  return headers;
}

export type BuiltReply = { readonly headers: Headers; readonly body: string };

/**
 * Builds the headers and body of a local reply: mappers and format of local_reply_config first, then the gRPC form for
 * gRPC requests. Source: Envoy Utility::prepareLocalReply.
 */
export function buildLocalReply(reply: LocalReply, stream: HttpStream, config: HttpConfig): BuiltReply {
  const headers = new Headers();
  headers.status = reply.status;
  stream.responseHeaders = headers;
  stream.localReplyBody = reply.body;
  // Header changes of a forwarding route hold for the proxy's own replies too; it is looked for now if it was not yet.
  const route = stream.route;
  if (route !== null && route.forward !== null && route.hasResponseMutations) route.finalizeResponse(headers, stream);
  reply.modifyHeaders?.(headers);
  let body = reply.body;
  let contentType = 'text/plain';
  const local = config.localReply;
  if (local !== null) {
    stream.info.responseCode = reply.status;
    const mapper = local.mappers.find((candidate) => candidate.matches === null || candidate.matches.matches(stream));
    if (mapper !== undefined) body = applyMapper(mapper, stream, headers, body);
    const format: LocalReplyBody | null = mapper?.bodyFormat ?? local.body;
    stream.localReplyBody = body;
    if (format !== null) {
      body = format.format.format(stream);
      contentType = format.contentType;
    }
  }
  if (stream.isGrpc) {
    const status = reply.grpcStatus ?? grpcStatusOf(headers.status);
    headers.status = 200;
    headers.set(H['content-type'], 'application/grpc');
    headers.set(H['grpc-status'], String(status));
    // Envoy ends JSON with a line feed, which no value of a header shall have.
    if (contentType === 'application/json') body = body.replace(/\n$/, '');
    if (body !== '' && stream.requestHeaders.method !== 'HEAD') headers.set(H['grpc-message'], encodeGrpcMessage(body));
    return { headers, body: '' };
  }
  if (body !== '') {
    // Envoy writes these two first.
    headers.remove(H['content-length']);
    const type = headers.get(H['content-type']) ?? contentType;
    headers.remove(H['content-type']);
    const rest = headers.kv;
    headers.kv = [];
    headers.add(H['content-length'], String(Buffer.byteLength(body, 'utf8')));
    headers.add(H['content-type'], type);
    headers.kv = headers.kv.concat(rest);
  }
  return { headers, body };
}

function applyMapper(mapper: LocalReplyMapper, stream: HttpStream, headers: Headers, body: string): string {
  // Envoy computes the headers with the code as it was.
  mapper.changeHeaders?.(headers, stream);
  if (mapper.status !== undefined) {
    headers.status = mapper.status;
    stream.info.responseCode = mapper.status;
  }
  return mapper.body ?? body;
}
