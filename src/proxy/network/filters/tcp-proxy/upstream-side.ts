// The upstream half of a session: hands its bytes on, and lives on alone while what is queued still leaves.
import type { ByteStream, ByteStreamHandler } from '../../../../base/byte-stream.ts';
import type { Clock, Timer } from '../../../../base/clock.ts';
import type { Failure } from '../../../../base/failure.ts';
import type { UpstreamConnection } from '../../../cluster/cluster.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import type { TcpProxyScope } from './stats.ts';

/** The other half, as this one sees it. */
export type UpstreamUser = {
  onUpstreamData(chunk: Buffer, start: number, end: number): void;
  onUpstreamEnd(): void;
  onUpstreamDrain(): void;
  onUpstreamClose(failure: Failure | null): void;
};

/** States: in use → (downstream is gone) closing, with a flush if bytes are queued → closed. */
export class UpstreamSide implements ByteStreamHandler {
  readonly stream: ByteStream;
  readonly connection: UpstreamConnection;
  #user: UpstreamUser | null;
  #flush: Flush | null = null;

  constructor(connection: UpstreamConnection, user: UpstreamUser) {
    this.connection = connection;
    this.stream = connection.stream;
    this.#user = user;
    this.stream.handler = this;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    this.#user?.onUpstreamData(chunk, start, end);
  }

  onEnd(): void {
    this.#user?.onUpstreamEnd();
  }

  onDrain(): void {
    this.#user?.onUpstreamDrain();
  }

  onClose(failure: Failure | null): void {
    const user = this.#user;
    this.#user = null;
    this.#flush?.end();
    const isLocal = failure === null ? user === null : failure.side === 'local';
    this.connection.closed(isLocal ? 'local' : 'remote');
    user?.onUpstreamClose(failure);
  }

  /** The downstream is gone, and with it whoever wanted to read. */
  destroy(reset: boolean): void {
    this.#user = null;
    this.stream.destroy(reset);
  }

  /** The downstream ended in good order: what it sent still leaves, within the idle timeout. */
  closeAfterFlush(clock: Clock, idleMs: number | null, stats: TcpProxyScope): void {
    const { stream } = this;
    this.#user = null;
    stream.close();
    stream.flush();
    if (stream.bufferedBytes > 0) this.#flush = new Flush(stream, clock, idleMs, stats);
  }
}

/** Counts an upstream whose downstream is gone while bytes still leave, and ends it when none does any more. */
class Flush {
  readonly #stream: ByteStream;
  readonly #stats: TcpProxyScope;
  readonly #timer: Timer | null;
  readonly #idleMs: number;
  #written: number;

  constructor(stream: ByteStream, clock: Clock, idleMs: number | null, stats: TcpProxyScope) {
    this.#stream = stream;
    this.#stats = stats;
    this.#idleMs = idleMs ?? 0;
    this.#written = stream.bytesWritten;
    stats.inc(stats.i.upstream_flush_total);
    stats.inc(stats.i.upstream_flush_active);
    this.#timer = idleMs === null ? null : clock.timer(checkFlush, this);
    this.#timer?.arm(this.#idleMs);
  }

  /** For the timer. */
  check(): void {
    const written = this.#stream.bytesWritten;
    if (written !== this.#written) {
      this.#written = written;
      this.#timer?.arm(this.#idleMs);
      return;
    }
    this.#stats.inc(this.#stats.i.idle_timeout);
    this.#stream.destroy();
  }

  end(): void {
    this.#timer?.disarm();
    this.#stats.dec(this.#stats.i.upstream_flush_active);
  }
}

function checkFlush(flush: Flush): void {
  flush.check();
}

/** What a log tells of the upstream connection. */
export function fillUpstream(seen: StreamInfo, { stream, id, times, filterState }: UpstreamConnection): void {
  seen.upstreamFilterState = filterState ?? null;
  seen.upstreamLocalAddress = stream.localAddress;
  seen.upstreamRemoteAddress = stream.remoteAddress;
  seen.upstreamConnectionId = id;
  seen.upstreamTls = stream.tls;
  seen.upstreamTimes = times;
}
