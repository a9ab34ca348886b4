// The bridge for HTTP/1 (envoy.filters.http.grpc_http1_bridge): unary gRPC calls of clients that know no trailers.
import { MESSAGE_HEAD_BYTES, writeMessageHead } from '../../../../wire/grpc/framing.ts';
import { GRPC_CONTENT_TYPE, hasGrpcContentType, isGrpcResponse } from '../../../../wire/grpc/request.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { BodyData, DataStatus, FilterContext, FilterStream, HeadersStatus, HttpFilter } from '../../filter.ts';

const NAME = 'envoy.filters.http.grpc_http1_bridge';
const TYPE = 'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config';
const PROTOBUF_CONTENT_TYPE = 'application/x-protobuf';

type BridgePb = { upgrade_protobuf_to_grpc?: boolean; ignore_query_parameters?: boolean };
type BridgeConfig = { readonly upgradesProtobuf: boolean; readonly ignoresQuery: boolean };

/** A call that is bridged. */
class BridgedCall {
  /** The body is a bare message: it gets a head on its way there, and the answer loses its own. */
  readonly isUpgraded: boolean;
  /** Bytes of that head that are still to come. */
  responseHeadBytes = 0;

  constructor(isUpgraded: boolean) {
    this.isUpgraded = isUpgraded;
  }
}

class GrpcHttp1Bridge implements HttpFilter {
  readonly #config: BridgeConfig;
  readonly #slot: number;

  constructor(config: BridgeConfig, context: FilterContext) {
    this.#config = config;
    this.#slot = context.slot;
  }

  decodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    if (headers.path === '') return 'continue';
    const isUpgraded = this.#config.upgradesProtobuf && headers.get(H['content-type']) === PROTOBUF_CONTENT_TYPE;
    if (isUpgraded) {
      headers.set(H['content-type'], GRPC_CONTENT_TYPE);
      headers.remove(H['content-length']);
      stream.clearRouteCache();
    }
    const { protocol } = stream.info;
    if (protocol === 'HTTP/2' || protocol === 'HTTP/3' || !hasGrpcContentType(headers)) return 'continue';
    stream.slot[this.#slot] = new BridgedCall(isUpgraded);
    const query = this.#config.ignoresQuery ? headers.path.indexOf('?') : -1;
    if (query >= 0) headers.path = headers.path.slice(0, query);
    return 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    if (this.#call(stream)?.isUpgraded !== true) return 'continue';
    if (!endStream) return 'stop-and-buffer';
    data.set(framed(stream.takeDecodedData(this.#slot), data));
    return 'continue';
  }

  decodeTrailers(stream: FilterStream): 'continue' {
    if (this.#call(stream)?.isUpgraded !== true) return 'continue';
    const held = stream.takeDecodedData(this.#slot);
    if (held !== null) stream.addDecodedData(this.#slot, framed(held, null));
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    const call = this.#call(stream);
    if (endStream || call === undefined) return 'continue';
    if (call.isUpgraded && isGrpcResponse(headers, false)) {
      call.responseHeadBytes = MESSAGE_HEAD_BYTES;
      headers.remove(H['content-length']);
    }
    return 'stop';
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const call = this.#call(stream);
    if (call === undefined) return 'continue';
    if (call.responseHeadBytes > 0) {
      const bytes = Math.min(call.responseHeadBytes, data.length);
      call.responseHeadBytes -= bytes;
      data.start += bytes;
    }
    return endStream ? 'continue' : 'stop-and-buffer';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    if (this.#call(stream) === undefined) return 'continue';
    const headers = stream.responseHeaders as Headers;
    const status = trailers.get(H['grpc-status']);
    if (status !== undefined) {
      if (!/^\+?0+$/.test(status)) headers.status = 503;
      headers.set(H['grpc-status'], status);
    }
    const message = trailers.get(H['grpc-message']);
    if (message !== undefined) headers.set(H['grpc-message'], message);
    // The whole body is here: with its length a client can tell that it got all of it.
    headers.set(H['content-length'], String(stream.heldEncodedBytes(this.#slot)));
    return 'continue';
  }

  #call(stream: FilterStream): BridgedCall | undefined {
    return stream.slot[this.#slot] as BridgedCall | undefined;
  }
}

/** What was held and what came last as one message with its head. */
function framed(held: Buffer | null, last: BodyData | null): Buffer {
  const heldBytes = held === null ? 0 : held.length;
  const length = heldBytes + (last === null ? 0 : last.length);
  const message = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES + length);
  writeMessageHead(message, 0, 0, length);
  held?.copy(message, MESSAGE_HEAD_BYTES);
  last?.buffer.copy(message, MESSAGE_HEAD_BYTES + heldBytes, last.start, last.end);
  return message;
}

export const grpcHttp1Bridge = defineHttpFilter<BridgeConfig, unknown, BridgePb>({
  name: NAME,
  configType: TYPE,
  fields: { [TYPE]: 'upgrade_protobuf_to_grpc ignore_query_parameters' },
  decode: (message) =>
    Object.freeze({
      upgradesProtobuf: message.upgrade_protobuf_to_grpc ?? false,
      ignoresQuery: message.ignore_query_parameters ?? false,
    }),
  create: (config, context) => new GrpcHttp1Bridge(config, context),
});
