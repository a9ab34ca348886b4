// The TCP connections to one host at one priority: each is dialled for one wish and belongs to who wished for it.
import type { ByteStream } from '../../../base/byte-stream.ts';
import type { Failure } from '../../../base/failure.ts';
import type { FilterStateObject, UpstreamSource } from '../../stream-info.ts';
import type { Breaker } from '../circuit-breaker.ts';
import type { ConnectionCallbacks, ConnectTimes, Host, StreamRequest, UpstreamConnection } from '../cluster.ts';
import type { HostCounts } from '../host.ts';
import { upstreamStateOf } from '../upstream-filter.ts';
import { dialFrom, type DialOptions, DialingPool, type EndedBy, type PoolContext } from './dialing.ts';

export class TcpPool extends DialingPool<ConnectionCallbacks> {
  protected readonly source: DialOptions | null;
  readonly #owner: Host;
  #connections = 0;

  constructor(context: PoolContext, host: Host & HostCounts, breaker: Breaker, source: UpstreamSource | null) {
    super(context, host.address, host, breaker);
    this.#owner = host;
    this.source = dialFrom(source);
  }

  protected get clientCount(): number {
    return this.#connections;
  }

  /** Null when it was refused at once. */
  newConnection(callbacks: ConnectionCallbacks): StreamRequest | null {
    return this.wait(callbacks);
  }

  /** Ends when its connections and wishes have; connections in use stay as long as they like. */
  drain(onDrained: () => void): void {
    this.isDraining = true;
    this.onDrained = onDrained;
    this.checkDrained();
  }

  protected countConnection(): void {}

  protected tellFailure(callbacks: ConnectionCallbacks, reason: Failure): void {
    callbacks.onConnectFailed(reason);
  }

  protected override cancelled(): void {
    this.dropExcessDials();
  }

  protected drained(): void {}

  protected dialled(stream: ByteStream, times: ConnectTimes): void {
    const pending = this.first;
    if (pending === null) {
      // Those who wished for it failed with another dial.
      stream.destroy();
      this.countClosed(times.startMs, 'local', false);
      this.checkDrained();
      return;
    }
    this.unlink(pending);
    this.exchangeStarts();
    this.#connections++;
    pending.callbacks.onConnected(new TcpConnection(this, stream, this.#owner, times));
  }

  /** For the connection. */
  ended(startedMs: number, by: EndedBy, wasInUse: boolean): void {
    this.#connections--;
    this.exchangeOver();
    this.countClosed(startedMs, by, wasInUse);
    if (this.first !== null) this.connectMore();
    this.checkDrained();
  }
}

class TcpConnection implements UpstreamConnection {
  readonly id: number;
  readonly stream: ByteStream;
  readonly host: Host;
  readonly times: ConnectTimes;
  readonly #pool: TcpPool;
  #isOver = false;
  #rxCounted = 0;
  #txCounted = 0;

  constructor(pool: TcpPool, stream: ByteStream, host: Host, times: ConnectTimes) {
    this.#pool = pool;
    this.id = stream.id;
    this.stream = stream;
    this.host = host;
    this.times = times;
  }

  get filterState(): ReadonlyMap<string, FilterStateObject> | null {
    return upstreamStateOf(this.stream);
  }

  countBytes(): void {
    const { stats } = this.#pool;
    const { bytesRead, bytesWritten } = this.stream;
    if (bytesRead !== this.#rxCounted) stats.add(stats.i.upstream_cx_rx_bytes_total, bytesRead - this.#rxCounted);
    if (bytesWritten !== this.#txCounted) {
      stats.add(stats.i.upstream_cx_tx_bytes_total, bytesWritten - this.#txCounted);
    }
    this.#rxCounted = bytesRead;
    this.#txCounted = bytesWritten;
  }

  closed(by: EndedBy, wasInUse = true): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.countBytes();
    this.#pool.ended(this.times.startMs, by, wasInUse);
  }
}
