// The calls of one connection as HTTP/2 tells of them.
import type { Failure } from '../../base/failure.ts';
import type { Headers } from '../../wire/headers.ts';
import type { Http2Events } from '../../wire/http2/events.ts';
import type { Http2Stream } from '../../wire/http2/stream.ts';
import type { ClientCall } from './client-call.ts';
import type { ClientConnection } from './client-connection.ts';

type Wire = Http2Stream<ClientCall>;

export class ClientCalls implements Http2Events<ClientCall> {
  readonly #connection: ClientConnection;

  constructor(connection: ClientConnection) {
    this.#connection = connection;
  }

  onOutput(): void {
    this.#connection.announce();
  }

  onHead(wire: Wire, headers: Headers, endStream: boolean): void {
    wire.user?.onHead(headers, endStream);
  }

  onInterimHead(): void {}

  onData(wire: Wire, buf: Buffer, start: number, end: number, endStream: boolean): void {
    wire.user?.onData(buf, start, end, endStream);
  }

  onTrailers(wire: Wire, trailers: Headers): void {
    wire.user?.onTrailers(trailers);
  }

  onRefused(): void {}

  onReset(wire: Wire, reason: Failure): void {
    wire.user?.onGone(reason.detail);
  }

  onClosed(wire: Wire): void {
    wire.user?.onGone('the call ended');
    this.#connection.onCallOver();
  }

  onAboveWatermark(): void {}

  onBelowWatermark(wire: Wire): void {
    wire.user?.onDrain();
  }

  onGoaway(): void {
    this.#connection.onGoaway();
  }

  onPingAck(): void {}

  onSettings(): void {}

  onFailed(): void {
    this.#connection.onFailed();
  }

  count(): void {}
}
