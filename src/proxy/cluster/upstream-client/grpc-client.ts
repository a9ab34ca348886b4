// A gRPC service as the proxy calls it: unary and streaming calls over one of its clusters.
import { encodeBinary } from '../../../proto/binary-encode.ts';
import { GRPC } from '../../../wire/grpc/status.ts';
import type { Headers } from '../../../wire/headers.ts';
import { GrpcCall, type GrpcHandler, type GrpcMethod, type GrpcOptions, type GrpcTarget } from './grpc-call.ts';
import type { HttpClient } from './http-client.ts';

/** The end of a unary call: `response` is null unless the status is OK. */
export type UnaryResult<Response> = {
  readonly status: number;
  readonly message: string;
  readonly response: Response | null;
  readonly trailers: Headers | null;
};

export class GrpcClient {
  readonly http: HttpClient;
  readonly target: GrpcTarget;

  constructor(http: HttpClient, target: GrpcTarget) {
    this.http = http;
    this.target = target;
  }

  /** Opens a call in which both sides may send any number of messages; its handler may hear `onClose` during it. */
  stream<Request, Response>(
    method: GrpcMethod<Request, Response>,
    handler: GrpcHandler<Response>,
    options: GrpcOptions = {},
  ): GrpcCall<Request, Response> {
    const call = new GrpcCall(method, handler, this.target.maxMessageBytes);
    call.start(this.http, this.target, options, options.timeoutMs ?? 0);
    return call;
  }

  /** Sends one message and tells of the one that comes back; perhaps during the call. */
  unary<Request, Response>(
    method: GrpcMethod<Request, Response>,
    request: Request,
    onResult: (result: UnaryResult<Response>) => void,
    options: GrpcOptions = {},
  ): GrpcCall<Request, Response> {
    return this.unaryBytes(method, encodeBinary(method.request, request), onResult, options);
  }

  /** As `unary`, of an encoded message. */
  unaryBytes<Request, Response>(
    method: GrpcMethod<Request, Response>,
    request: Uint8Array,
    onResult: (result: UnaryResult<Response>) => void,
    options: GrpcOptions = {},
  ): GrpcCall<Request, Response> {
    let response: Response | null = null;
    const handler: GrpcHandler<Response> = {
      // Source: Envoy AsyncRequestImpl: the last one counts.
      onMessage(message) {
        response = message;
      },
      onClose(status, message, trailers) {
        // An answer without a message is none.
        const isMissing = status === GRPC.ok && response === null;
        const isGood = status === GRPC.ok && !isMissing;
        onResult({ status: isMissing ? GRPC.internal : status, message, response: isGood ? response : null, trailers });
      },
    };
    const call = new GrpcCall(method, handler, this.target.maxMessageBytes);
    call.start(this.http, this.target, options, options.timeoutMs ?? this.target.timeoutMs);
    if (!call.isOver) call.sendBytes(request, true);
    return call;
  }
}
