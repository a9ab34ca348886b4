// The calls of one connection: each is a stream of HTTP/2 below and a method of a service above.
import type { Failure } from '../base/failure.ts';
import { encodeGrpcMessage, GRPC } from '../wire/grpc/status.ts';
import { H } from '../wire/header-names.ts';
import { Headers } from '../wire/headers.ts';
import type { Http2Events } from '../wire/http2/events.ts';
import { ERROR } from '../wire/http2/frames/constants.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import type { ConnectionOwner, GrpcConnection } from './connection.ts';
import { GrpcServerCall, responseHead } from './server-call.ts';
import type { AnyServerMethod } from './service.ts';
import { grpcStatus, writeStatus } from './status.ts';

type Wire = Http2Stream<GrpcServerCall>;

export class ServerCalls implements Http2Events<GrpcServerCall> {
  readonly #connection: GrpcConnection;
  readonly #owner: ConnectionOwner;

  constructor(connection: GrpcConnection, owner: ConnectionOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  onOutput(): void {
    this.#connection.announce();
  }

  onHead(wire: Wire, headers: Headers, endStream: boolean): void {
    const method = this.#admit(wire, headers);
    if (method === null) return;
    this.#owner.onCallStarted();
    const call = new GrpcServerCall(this.#connection, wire, method, headers);
    wire.user = call;
    call.start();
    if (endStream) call.onTrailers();
  }

  /** The method that is called; null when the call was refused. */
  #admit(wire: Wire, headers: Headers): AnyServerMethod | null {
    const type = headers.get(H['content-type']) ?? '';
    if (headers.method !== 'POST') return this.#refuseHttp(wire, 405);
    // Source: gRPC over HTTP/2, "Content-Type": otherwise 415, so that other clients do not take it for success.
    if (!/^application\/grpc(?:[+;]|$)/.test(type)) return this.#refuseHttp(wire, 415);
    const encoding = headers.get(H['grpc-encoding']) ?? 'identity';
    if (encoding !== 'identity') {
      return this.#refuse(wire, GRPC.unimplemented, `compression ${encoding} is not supported`);
    }
    const method = this.#owner.method(headers.path);
    return method ?? this.#refuse(wire, GRPC.unimplemented, `unknown method ${headers.path}`);
  }

  #refuse(wire: Wire, code: number, message: string): null {
    const head = responseHead(null);
    head.add(H['grpc-accept-encoding'], 'identity');
    writeStatus(head, grpcStatus(code, message));
    return this.#answer(wire, head);
  }

  #refuseHttp(wire: Wire, status: number): null {
    const head = new Headers();
    head.status = status;
    head.add(H['grpc-message'], encodeGrpcMessage('this is a gRPC server'));
    return this.#answer(wire, head);
  }

  #answer(wire: Wire, head: Headers): null {
    const { http2 } = this.#connection;
    http2.sendHead(wire, head, true);
    if (!wire.isClosed && !wire.isRemoteClosed) http2.resetAfterEnd(wire, ERROR.noError);
    return null;
  }

  onInterimHead(): void {}

  onData(wire: Wire, buf: Buffer, start: number, end: number, endStream: boolean): void {
    if (wire.user === null) this.#connection.http2.returnCredit(wire, end - start);
    else wire.user.onData(buf, start, end, endStream);
  }

  onTrailers(wire: Wire): void {
    wire.user?.onTrailers();
  }

  onRefused(): void {}

  onReset(wire: Wire, reason: Failure): void {
    wire.user?.onReset(reason.scope === 'connection');
  }

  onClosed(): void {
    this.#connection.announce();
  }

  onAboveWatermark(): void {}

  onBelowWatermark(wire: Wire): void {
    wire.user?.onDrain();
  }

  onGoaway(): void {}

  onPingAck(buf: Buffer, at: number): void {
    this.#connection.onPingAck(buf, at);
  }

  onSettings(): void {}

  onFailed(): void {
    this.#connection.onFailed();
  }

  count(): void {}
}
