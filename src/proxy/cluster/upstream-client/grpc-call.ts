// One gRPC call of the proxy's own, unary or streaming: messages both ways until the other side tells its status.
import type { TransportWishes } from '../../transport/transport.ts';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { frameMessage, frameStart, GrpcMessageReader } from '../../../wire/grpc/framing.ts';
import { decodeGrpcMessage, GRPC, grpcStatusOf, parseGrpcStatus } from '../../../wire/grpc/status.ts';
import { grpcTimeout } from '../../../wire/grpc/timeout.ts';
import { H } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import type { BodyData } from '../../http/filter.ts';
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import type { BackOffConfig } from '../../../base/back-off.ts';
import type { StreamInfo } from '../../stream-info.ts';
import type { CallFailure } from './call-failure.ts';
import type { CallRetryPolicy } from './call-retry.ts';
import type { HttpClient } from './http-client.ts';
import type { CallHandler, HttpCall } from './http-call.ts';

/** One method of a service. */
export type GrpcMethod<Request, Response> = {
  /** '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs'. */
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  /** Instead of encoding a message whole: its parts. Nobody changes them, so that one may be sent again. */
  readonly encodeParts?: (message: Request) => readonly Buffer[];
};

/** Of a gRPC service as configured: where calls go, and what is common to all of them. */
/** Adds what authenticates a call to its head; returns why it cannot, '' when it did. */
export type CallCredentials = (headers: Headers) => string;

export type GrpcTarget = {
  readonly clusterName: string;
  readonly authority: string;
  /** Of a call that brings none of its own; 0 for none. */
  readonly timeoutMs: number;
  /** Adds the service's initial metadata; `info` null: of no exchange. */
  readonly addMetadata: ((headers: Headers, info: StreamInfo | null) => void) | null;
  /** null for none. A call whose credentials fail ends as UNAUTHENTICATED, unsent. */
  readonly callCredentials: CallCredentials | null;
  /** Longer messages end the call; Infinity for no limit. */
  readonly maxMessageBytes: number;
  readonly skipsEnvoyHeaders: boolean;
  /** Of calls that bring none of their own; null for none. */
  readonly retry: CallRetryPolicy | null;
  /** How streams that are to stand all the time are opened again; null: as their user has it. */
  readonly streamBackOff: BackOffConfig | null;
  /** A cluster that is there for this service alone; null: one of the configuration. */
  readonly ownCluster: ClusterConfig | null;
  /** Calls are counted as 'grpc.THIS.streams_total' and 'streams_closed_N'; null: they are not. */
  readonly counts: string | null;
};

/** What a call hears: metadata, messages, then `onClose` exactly once unless it was cancelled. */
export type GrpcHandler<Response> = {
  onHeaders?(headers: Headers): void;
  onMessage(message: Response): void;
  /** `trailers` are those of the other side, or null where it sent none. */
  onClose(status: number, message: string, trailers: Headers | null): void;
  /** What was sent waits no longer: `isAboveWatermark` is false again. */
  onDrain?(): void;
};

export type GrpcOptions = {
  /** Instead of the service's timeout; 0 for none. Streams have none unless they are given one. */
  readonly timeoutMs?: number;
  readonly info?: StreamInfo | null;
  readonly wishes?: TransportWishes | null;
  readonly retry?: CallRetryPolicy | null;
  readonly hash?: number | null;
  /** Changes the request's head before it goes. */
  readonly changeHeaders?: (headers: Headers) => void;
};

/** Source: Envoy GoogleAsyncClientImpl. */
const GOOGLE_STATS = { streams_total: 'counter' } as const;

/** Received messages of this size at most where nothing else is said. Source: gRPC's own default. */
export const DEFAULT_MESSAGE_BYTES = 4 * 1024 * 1024;

export class GrpcCall<Request, Response> implements CallHandler {
  readonly #method: GrpcMethod<Request, Response>;
  readonly #handler: GrpcHandler<Response>;
  readonly #reader: GrpcMessageReader;
  #call: HttpCall | null = null;
  /** Of the service, where its calls are counted. */
  #scope: ScopeOf<typeof GOOGLE_STATS> | null = null;
  /** A message that cannot be read ended the call while a piece of its body is being read. */
  #isBroken = false;
  /** Over: the handler hears nothing more, and nothing is sent. */
  isOver = false;

  constructor(method: GrpcMethod<Request, Response>, handler: GrpcHandler<Response>, maxMessageBytes: number) {
    this.#method = method;
    this.#handler = handler;
    this.#reader = new GrpcMessageReader(maxMessageBytes, {
      onMessage: (flags, buf, start, end) => this.#message(flags, buf, start, end),
    });
  }

  start(client: HttpClient, target: GrpcTarget, options: GrpcOptions, timeoutMs: number): void {
    const headers = grpcHead(target.authority, this.#method.path, timeoutMs);
    const info = options.info ?? null;
    target.addMetadata?.(headers, info);
    const failure = target.callCredentials?.(headers) ?? '';
    options.changeHeaders?.(headers);
    const { wishes = null, hash = null } = options;
    const { skipsEnvoyHeaders, ownCluster, counts } = target;
    const retry = options.retry ?? target.retry;
    if (ownCluster !== null) client.ensureCluster(ownCluster);
    if (counts !== null) {
      this.#scope = client.parts.stats.scope(`grpc.${counts}.`, GOOGLE_STATS);
      this.#scope.inc(this.#scope.i.streams_total);
    }
    if (failure !== '') {
      this.#close(GRPC.unauthenticated, failure, null);
      return;
    }
    const settings = { timeoutMs, info, retry, wishes, hash, skipsEnvoyHeaders };
    const call = client.prepare(target.clusterName, headers, this, settings);
    this.#call = call;
    call.start(false);
  }

  // ─── The way out ────────────────────────────────────────────────────────────────────────────────────────────────

  send(message: Request, endStream = false): void {
    const { request, encodeParts } = this.#method;
    if (encodeParts === undefined) this.sendBytes(encodeBinary(request, message), endStream);
    else this.#sendParts(encodeParts(message), endStream);
  }

  #sendParts(parts: readonly Buffer[], endStream: boolean): void {
    const [first = NOTHING, ...others] = parts;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (!this.isOver) this.#call?.sendData(frameStart(first, length), endStream && others.length === 0);
    for (const [i, part] of others.entries()) {
      if (!this.isOver) this.#call?.sendData(part, endStream && i === others.length - 1);
    }
  }

  /** As `send`, of an encoded message. */
  sendBytes(message: Uint8Array, endStream = false): void {
    if (!this.isOver) this.#call?.sendData(frameMessage(message), endStream);
  }

  /** No message follows. */
  end(): void {
    if (!this.isOver) this.#call?.sendData(NOTHING, true);
  }

  get isAboveWatermark(): boolean {
    return this.#call?.isAboveWatermark ?? false;
  }

  pauseReading(): void {
    this.#call?.pauseReading();
  }

  resumeReading(): void {
    this.#call?.resumeReading();
  }

  /** Gives the call up: the handler hears nothing more. */
  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#call?.cancel();
  }

  // ─── The way in ─────────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(headers: Headers, endStream: boolean): void {
    if (this.isOver) return;
    if (endStream) {
      const status = parseGrpcStatus(headers.get(H['grpc-status']));
      if (headers.status !== 200 && status === null) this.#close(grpcStatusOf(headers.status), '', null);
      else this.#closeBy(headers);
      return;
    }
    // Source: Envoy Grpc::AsyncStreamImpl::onHeaders.
    if (headers.status !== 200) this.#abort(GRPC.cancelled, '');
    else this.#handler.onHeaders?.(headers);
  }

  onData(data: BodyData, endStream: boolean): void {
    if (this.isOver) return;
    if (!this.#reader.read(data.buffer, data.start, data.end) && this.#reader.isTooLarge) {
      this.#abort(GRPC.resourceExhausted, '');
    } else if (this.#isBroken) this.#abort(GRPC.internal, '');
    else if (endStream && !this.isOver) this.#close(GRPC.unknown, '', null);
  }

  #message(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.isOver || this.#isBroken) return;
    // Nothing was offered that the other side might compress with.
    const message =
      flags === 0 || start === end ? decodeBinary(this.#method.response, buf.subarray(start, end)) : undefined;
    if (message === undefined) this.#isBroken = true;
    else this.#handler.onMessage(message);
  }

  onTrailers(trailers: Headers): void {
    if (!this.isOver) this.#closeBy(trailers);
  }

  onFailure({ status, text, isAfterStart }: CallFailure): void {
    if (this.isOver) return;
    // Source: Envoy AsyncStreamImpl: a local answer before the response, a reset in it.
    this.#close(isAfterStart ? GRPC.internal : grpcStatusOf(status), isAfterStart ? '' : text, null);
  }

  onAboveWatermark(): void {}

  onBelowWatermark(): void {
    if (!this.isOver) this.#handler.onDrain?.();
  }

  #closeBy(trailers: Headers): void {
    const status = parseGrpcStatus(trailers.get(H['grpc-status'])) ?? GRPC.unknown;
    this.#close(status, decodeGrpcMessage(trailers.get(H['grpc-message']) ?? ''), trailers);
  }

  #close(status: number, message: string, trailers: Headers | null): void {
    this.isOver = true;
    this.#countEnd(status);
    this.#handler.onClose(status, message, trailers);
  }

  #abort(status: number, message: string): void {
    this.#call?.cancel();
    this.#close(status, message, null);
  }

  #countEnd(status: number): void {
    const scope = this.#scope;
    if (scope !== null && status >= 0) scope.inc(scope.dynamicCounter(`streams_closed_${status}`));
  }
}

const NOTHING = Buffer.alloc(0);

/** The head of a call. Source: gRPC over HTTP/2, "Requests"; Envoy Grpc::Common::prepareHeaders for the order. */
function grpcHead(authority: string, path: string, timeoutMs: number): Headers {
  const headers = new Headers();
  headers.method = 'POST';
  headers.path = path;
  headers.authority = authority;
  headers.hasAuthority = true;
  headers.scheme = 'http';
  headers.add(H.te, 'trailers');
  if (timeoutMs > 0) headers.add(H['grpc-timeout'], grpcTimeout(timeoutMs));
  headers.add(H['content-type'], 'application/grpc');
  return headers;
}
