// What an upstream HTTP/2 connection has to say, passed on to the exchange or the connection that it is about.
import type { Failure } from '../../../base/failure.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { Http2Events } from '../../../wire/http2/events.ts';
import type { Http2Counter } from '../../../wire/http2/flood-guard.ts';
import { ERROR } from '../../../wire/http2/frames/constants.ts';
import type { Http2Stream } from '../../../wire/http2/stream.ts';
import { countHttp2 } from '../../codec/http2-stats.ts';
import { BodyData } from '../../http/filter.ts';
import { CONNECT_REFUSED, PROTOCOL_ERROR, REMOTE_REFUSED, REMOTE_RESET, TERMINATION } from '../failures.ts';
import type { Http2ClientConnection } from './http2-client.ts';
import type { Http2Exchange } from './http2-exchange.ts';

type Stream = Http2Stream<Http2Exchange>;

export class Http2ClientEvents implements Http2Events<Http2Exchange> {
  readonly #client: Http2ClientConnection;
  readonly #data = new BodyData();
  #hasSeenGoaway = false;

  constructor(client: Http2ClientConnection) {
    this.#client = client;
  }

  onOutput(): void {
    this.#client.socket.announceTurnEnd();
  }

  onInterimHead({ user }: Stream, headers: Headers): void {
    user?.onInterimHead(headers);
  }

  onHead({ user }: Stream, headers: Headers, endStream: boolean): void {
    user?.onHead(headers, endStream);
  }

  onData({ user }: Stream, buf: Buffer, start: number, end: number, endStream: boolean): void {
    user?.onData(this.#data.set(buf, start, end, false), endStream);
  }

  onTrailers({ user }: Stream, trailers: Headers): void {
    user?.onTrailers(trailers);
  }

  onRefused(): void {
    // Only servers refuse.
  }

  onReset({ user }: Stream, reason: Failure, code: number): void {
    const { stats } = this.#client;
    const { i } = stats;
    if (reason.scope === 'connection') this.#client.hadRequest = true;
    if (reason.code === 'upstream_reset') {
      if (code === ERROR.refusedStream) user?.onReset(REMOTE_REFUSED);
      else if (code === ERROR.connect) user?.onReset(CONNECT_REFUSED);
      else {
        stats.inc(i.upstream_rq_rx_reset);
        user?.onReset(REMOTE_RESET);
      }
    } else if (reason === TERMINATION) {
      stats.inc(i.upstream_rq_pending_failure_eject);
      user?.onReset(TERMINATION);
    } else {
      stats.inc(i.upstream_rq_tx_reset);
      user?.onReset(PROTOCOL_ERROR);
    }
  }

  onClosed(_stream: Stream): void {
    const { codecStats } = this.#client;
    codecStats.dec(codecStats.i.streams_active);
    this.#client.onStreamGone();
  }

  onAboveWatermark({ user }: Stream): void {
    user?.onAboveWatermark();
  }

  onBelowWatermark({ user }: Stream): void {
    user?.onBelowWatermark();
  }

  onGoaway(): void {
    if (this.#hasSeenGoaway) return;
    this.#hasSeenGoaway = true;
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_cx_close_notify);
    this.#client.isDraining = true;
    this.#client.onRoom();
  }

  onPingAck(): void {
    this.#client.keepalive?.onAck();
  }

  onSettings(): void {
    this.#client.onRoom();
  }

  onFailed(): void {
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_cx_protocol_error);
    this.#client.hasFailed = true;
  }

  count(counter: Http2Counter): void {
    countHttp2(this.#client.codecStats, counter);
  }
}
