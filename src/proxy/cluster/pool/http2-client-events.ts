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
    const told = toldReason(reason, code);
    if (told === REMOTE_RESET) stats.inc(i.upstream_rq_rx_reset);
    else if (told === TERMINATION) stats.inc(i.upstream_rq_pending_failure_eject);
    else if (told === PROTOCOL_ERROR) stats.inc(i.upstream_rq_tx_reset);
    user?.onReset(told);
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
    this.#client.onSettings();
  }

  onFailed(): void {
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_cx_protocol_error);
    this.#client.hasFailed = true;
  }

  count(counter: Http2Counter): void {
    // Envoy says GOAWAY to no upstream, or does not count it.
    if (counter !== 'goaway_sent') countHttp2(this.#client.codecStats, counter);
  }
}

/** Source: Envoy Http2::ConnectionImpl::onStreamClose; a head over the limits counts as the peer's reset there. */
function toldReason(reason: Failure, code: number): Failure {
  switch (reason.code) {
    case 'upstream_closed':
      return TERMINATION;
    case 'upstream_reset':
      if (code === ERROR.refusedStream) return REMOTE_REFUSED;
      if (code === ERROR.connect) return CONNECT_REFUSED;
      return code === ERROR.protocol ? PROTOCOL_ERROR : REMOTE_RESET;
    case 'headers_too_large':
    case 'too_many_headers':
      return REMOTE_RESET;
    default:
      return PROTOCOL_ERROR;
  }
}
