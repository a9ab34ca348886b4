// The gRPC-Web filter (envoy.filters.http.grpc_web): lets browsers, which know no trailers, call gRPC services.
import { Base64Reader } from '../../../../wire/grpc/base64.ts';
import { frameMessage, MESSAGE_TRAILERS } from '../../../../wire/grpc/framing.ts';
import { GRPC_CONTENT_TYPE, isGrpcResponse } from '../../../../wire/grpc/request.ts';
import { encodeGrpcMessageBytes, grpcStatusOf } from '../../../../wire/grpc/status.ts';
import { H, headerName, type HeaderKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ClusterManager } from '../../../cluster/cluster.ts';
import { defineHttpFilter } from '../../filter.ts';
import type {
  BodyData,
  DataStatus,
  FilterContext,
  FilterStream,
  HeadersStatus,
  HttpFilter,
  HttpFilterFactory,
} from '../../filter.ts';
import { clusterOf, methodStatName, type MethodStats, MethodTable } from '../grpc-stats/method-stats.ts';
import { TextResponse } from './text-response.ts';

const NAME = 'envoy.filters.http.grpc_web';
const TYPE = 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb';

const WEB = 'application/grpc-web';
const WEB_PROTO = 'application/grpc-web+proto';
const WEB_TEXT = 'application/grpc-web-text';
const WEB_TEXT_PROTO = 'application/grpc-web-text+proto';
const REQUEST_TYPES: ReadonlySet<string> = new Set([WEB, WEB_PROTO, WEB_TEXT, WEB_TEXT_PROTO]);

const BAD_TEXT = 'Bad gRPC-web request, invalid base64 data.';
/** Of a body that is no gRPC in several pieces, so much becomes the message. Source: Envoy's grpc_web filter. */
const MAX_MESSAGE_BYTES = 16_384;
const NO_BYTES = Buffer.alloc(0);

/** Statistics of the call's method, when it goes to a cluster and names one. */
class WebCall {
  readonly stats: MethodStats | null;
  /** What is read of a text request; null for a binary one. */
  readonly reader: Base64Reader | null;
  readonly text: TextResponse | null;
  /** The response is no gRPC: its body becomes the status's message. */
  isForeign = false;

  constructor(stats: MethodStats | null, isTextRequest: boolean, isTextResponse: boolean) {
    this.stats = stats;
    this.reader = isTextRequest ? new Base64Reader() : null;
    this.text = isTextResponse ? new TextResponse() : null;
  }
}

class GrpcWebFilter implements HttpFilter {
  readonly #slot: number;
  readonly #clusters: ClusterManager;
  readonly #methods: MethodTable;

  constructor(context: FilterContext, clusters: ClusterManager, methods: MethodTable) {
    this.#slot = context.slot;
    this.#clusters = clusters;
    this.#methods = methods;
  }

  decodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    const type = headers.get(H['content-type']);
    if (type === undefined || headers.path === '' || !REQUEST_TYPES.has(type)) return 'continue';
    const accept = headers.get(H.accept);
    // The length is that of the text, or of what goes on in other pieces.
    headers.remove(H['content-length']);
    const cluster = clusterOf(stream.route, this.#clusters);
    const name = methodStatName(headers.path);
    const stats = cluster === null || name === null ? null : this.#methods.get(cluster, name);
    stream.slot[this.#slot] = new WebCall(stats, isText(type), accept !== undefined && isText(accept));
    headers.set(H['content-type'], GRPC_CONTENT_TYPE);
    headers.set(H.te, 'trailers');
    if (!headers.has(H['grpc-accept-encoding'])) headers.add(H['grpc-accept-encoding'], 'identity');
    return 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const reader = this.#call(stream)?.reader ?? null;
    if (reader === null) return 'continue';
    const available = reader.heldBytes + data.length;
    if (endStream && available % 4 !== 0) return refuse(stream, 'grpc_base_64_decode_failed_bad_size');
    const bytes = reader.read(data.buffer, data.start, data.end);
    if (bytes === null) return refuse(stream, 'grpc_base_64_decode_failed');
    data.set(bytes);
    return bytes.length === 0 && !endStream ? 'stop-no-buffer' : 'continue';
  }

  /** Digits of a quad that is not complete are left out, in Envoy too. */
  decodeTrailers(): 'continue' {
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    const call = this.#call(stream);
    if (call === undefined) return 'continue';
    call.stats?.chargeStatus(headers.get(H['grpc-status']));
    call.isForeign = !isGrpcResponse(headers, endStream) && !isWebResponse(headers);
    headers.remove(H['content-length']);
    headers.set(H['content-type'], call.text === null ? WEB_PROTO : WEB_TEXT_PROTO);
    return endStream || !call.isForeign ? 'continue' : 'stop';
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const call = this.#call(stream);
    if (call === undefined) return 'continue';
    if (call.isForeign) return this.#collect(stream, call, data, endStream);
    if (call.text === null) return 'continue';
    const digits = call.text.encode(data.buffer, data.start, data.end, endStream);
    if (digits.length === 0 && !endStream) return 'stop-no-buffer';
    data.set(digits);
    return 'continue';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    const call = this.#call(stream);
    if (call === undefined) return 'continue';
    call.stats?.chargeStatus(trailers.get(H['grpc-status']));
    if (call.isForeign) {
      call.isForeign = false;
      this.#setMessage(stream, null);
      return 'continue';
    }
    const frame = frameMessage(trailerBlock(trailers), MESSAGE_TRAILERS);
    const { text } = call;
    stream.addEncodedData(this.#slot, text === null ? frame : text.encode(frame, 0, frame.length, true));
    trailers.removeIf(() => true);
    return 'continue';
  }

  #call(stream: FilterStream): WebCall | undefined {
    return stream.slot[this.#slot] as WebCall | undefined;
  }

  /** A body that is no gRPC waits, as much of it as can become the message; what the buffer limit says holds for it. */
  #collect(stream: FilterStream, call: WebCall, data: BodyData, endStream: boolean): DataStatus {
    const room = Math.max(0, MAX_MESSAGE_BYTES - stream.heldEncodedBytes(this.#slot));
    if (!endStream) {
      data.end = Math.min(data.end, data.start + room);
      return 'stop-and-buffer';
    }
    call.isForeign = false;
    if (stream.info.responseCodeDetails === 'via_upstream' && data.length > 0) {
      stream.addEncodedData(this.#slot, data.copy().subarray(0, room));
      // Perhaps it was too much, and another reply has gone out instead.
      if (stream.isDestroyed) return 'stop-no-buffer';
      data.set(NO_BYTES);
    }
    this.#setMessage(stream, data);
    data.set(NO_BYTES);
    return 'continue';
  }

  /** What waits becomes grpc-message; a reply of our own does as a whole. */
  #setMessage(stream: FilterStream, own: BodyData | null): void {
    const headers = stream.responseHeaders as Headers;
    const held = stream.takeEncodedData(this.#slot) ?? NO_BYTES;
    const message = own === null || own.length === 0 ? held : own.buffer.subarray(own.start, own.end);
    headers.set(H['grpc-message'], encodeGrpcMessageBytes(message));
    headers.set(H['grpc-status'], String(grpcStatusOf(headers.status)));
    headers.set(H['content-length'], '0');
  }
}

function isText(type: string): boolean {
  return type === WEB_TEXT || type === WEB_TEXT_PROTO;
}

/** An upstream that speaks gRPC-Web itself. */
function isWebResponse(headers: Headers): boolean {
  if (headers.status !== 200) return false;
  const type = (headers.get(H['content-type']) ?? '').split(';', 1)[0]?.trimEnd().toLowerCase();
  return type === WEB_PROTO || type === WEB;
}

function trailerBlock(trailers: Headers): Buffer {
  const { kv } = trailers;
  let text = '';
  for (let i = 0; i < kv.length; i += 2) text += `${headerName(kv[i] as HeaderKey)}:${kv[i + 1] as string}\r\n`;
  return Buffer.from(text, 'latin1');
}

function refuse(stream: FilterStream, details: string): 'stop-no-buffer' {
  stream.sendLocalReply({ status: 400, body: BAD_TEXT, details });
  return 'stop-no-buffer';
}

/** Makes the filter of a worker out of its clusters. */
export function makeGrpcWeb(parts: { readonly clusters: ClusterManager }): HttpFilterFactory {
  const methods = new MethodTable('grpc-web');
  return defineHttpFilter<null>({
    name: NAME,
    configType: TYPE,
    fields: { [TYPE]: '' },
    decode: () => null,
    create: (_, context) => new GrpcWebFilter(context, parts.clusters, methods),
  });
}
