// The raw TCP connection behind a CONNECT (or POST) that this proxy ends: answered 200 as soon as it stands.
import type { ByteStream, ByteStreamHandler } from '../../../../base/byte-stream.ts';
import type { Failure } from '../../../../base/failure.ts';
import { Headers } from '../../../../wire/headers.ts';
import { writeProxyHeader, writeProxyHeaderV1 } from '../../../../wire/proxy-protocol-writer.ts';
import type {
  Cluster,
  ConnectionCallbacks,
  ConnectTimes,
  Host,
  Priority,
  StreamRequest,
  UpstreamConnection,
} from '../../../cluster/cluster.ts';
import { TERMINATION } from '../../../cluster/failures.ts';
import type { ConnectConfig } from '../../../route/route.ts';
import type { ConnectionInfo } from '../../../stream-info.ts';
import type { TransportWishes } from '../../../transport/transport.ts';
import type { RequestEncoder, StreamCallbacks, UpstreamConnectionInfo } from '../../codec.ts';
import { BodyData } from '../../filter.ts';

/** Whether a request of that method ends here, its body going on as raw bytes. Source: Envoy Router::createConnPool. */
export function endsTunnel(config: ConnectConfig, method: string): boolean {
  return method === 'CONNECT' || (config.allowPost && method === 'POST');
}

/** What dialling takes besides the host. */
export type TunnelEnd = {
  readonly config: ConnectConfig;
  readonly cluster: Cluster;
  readonly priority: Priority;
  readonly wishes: TransportWishes | null;
  /** Whom a PROXY header names. */
  readonly downstream: ConnectionInfo;
};

/** Asks the host for a connection of the exchange's own; as `Host.newStream`, which it takes the place of. */
export function newTcpStream(host: Host, end: TunnelEnd, callbacks: StreamCallbacks): StreamRequest | null {
  const { priority, wishes, downstream } = end;
  const source = downstream.upstreamSource ?? null;
  return host.newConnection(priority, { source, wishes }, new TcpUpstream(end, callbacks));
}

const EMPTY = Buffer.alloc(0);

//   dialling ─► open ─┬─ FIN of the upstream, then of the client (POST): closed in good order
//                     ├─ FIN of the upstream first: the exchange is over, what the client still sends is lost
//                     └─ reset of either side
class TcpUpstream implements RequestEncoder, ConnectionCallbacks, ByteStreamHandler {
  readonly protocol = '';
  wireBytesReceived = 0;
  wireBytesSent = 0;
  /** Of the PROXY header: there are no others. */
  headerBytesSent = 0;
  readonly headerBytesReceived = 0;
  readonly #end: TunnelEnd;
  #callbacks: StreamCallbacks | null;
  #connection!: UpstreamConnection;
  #stream!: ByteStream;
  readonly #data = new BodyData();
  #isAbove = false;
  #pauses = 0;
  #isRequestOver = false;
  /** This side ends the connection. */
  #isGivenUp = false;

  constructor(end: TunnelEnd, callbacks: StreamCallbacks) {
    this.#end = end;
    this.#callbacks = callbacks;
  }

  // ─── The connection ─────────────────────────────────────────────────────────────────────────────────────────────

  onConnected(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#stream = connection.stream;
    this.#stream.handler = this;
    this.#callbacks?.onPoolReady(this);
  }

  onConnectFailed(reason: Failure): void {
    this.#callbacks?.onPoolFailure(reason);
  }

  get connection(): UpstreamConnectionInfo {
    return this.#stream;
  }
  get times(): ConnectTimes {
    return this.#connection.times;
  }

  // ─── Towards the upstream ───────────────────────────────────────────────────────────────────────────────────────

  /** The head goes nowhere; a PROXY header may. The answer comes at once. */
  encodeHeaders(_headers: Headers, endStream: boolean): void {
    const { config, downstream } = this.#end;
    if (config.proxyHeader !== 0) {
      const write = config.proxyHeader === 1 ? writeProxyHeaderV1 : writeProxyHeader;
      const header = write(downstream.remoteAddress, downstream.localAddress);
      this.headerBytesSent = header.length;
      this.wireBytesSent = header.length;
      this.#stream.write(header);
    }
    if (endStream) this.#requestEnds();
    const answer = new Headers();
    answer.status = 200;
    this.#callbacks?.decodeHeaders(answer, false);
  }

  encodeData(data: BodyData, endStream: boolean): void {
    if (this.#callbacks === null) return;
    const stream = this.#stream;
    const length = data.end - data.start;
    if (length > 0) {
      this.wireBytesSent += length;
      if (data.owned) stream.write(data.buffer.subarray(data.start, data.end));
      else stream.writeBorrowed(data.buffer, data.start, data.end);
    }
    if (endStream) this.#requestEnds();
    else if (stream.isAboveHighWatermark) this.#pauseClient();
  }

  encodeTrailers(): void {
    if (this.#callbacks !== null) this.#requestEnds();
  }

  #requestEnds(): void {
    this.#isRequestOver = true;
    this.#stream.end();
  }

  resetStream(): void {
    if (this.#callbacks === null) return;
    this.#callbacks = null;
    this.#destroy();
  }

  #destroy(): void {
    this.#isGivenUp = true;
    this.#stream.destroy();
  }

  /** The system may still take what is queued. */
  #pauseClient(): void {
    this.#stream.flush();
    if (this.#isAbove || !this.#stream.isAboveHighWatermark) return;
    this.#isAbove = true;
    const { scope } = this.#end.cluster;
    scope.inc(scope.i.upstream_flow_control_backed_up_total);
    this.#callbacks?.onAboveWatermark();
  }

  get isAboveWatermark(): boolean {
    return this.#isAbove;
  }

  onDrain(): void {
    if (!this.#isAbove) return;
    this.#isAbove = false;
    const { scope } = this.#end.cluster;
    scope.inc(scope.i.upstream_flow_control_drained_total);
    this.#callbacks?.onBelowWatermark();
  }

  pauseReading(): void {
    if (this.#callbacks === null) return;
    const { scope } = this.#end.cluster;
    if (this.#pauses++ === 0) scope.inc(scope.i.upstream_flow_control_paused_reading_total);
    this.#stream.pause();
  }

  resumeReading(): void {
    if (this.#callbacks === null || this.#pauses === 0) return;
    const { scope } = this.#end.cluster;
    if (--this.#pauses === 0) scope.inc(scope.i.upstream_flow_control_resumed_reading_total);
    this.#stream.resume();
  }

  // ─── From the upstream ──────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    this.wireBytesReceived += end - start;
    this.#callbacks?.decodeData(this.#data.set(chunk, start, end, false), false);
  }

  onEnd(): void {
    const callbacks = this.#callbacks;
    if (callbacks === null) return;
    this.#callbacks = null;
    // Whatever the client might still say, nobody answers it.
    if (!this.#isRequestOver) this.#destroy();
    callbacks.decodeData(this.#data.set(EMPTY, 0, 0, true), true);
  }

  onClose(failure: Failure | null): void {
    const callbacks = this.#callbacks;
    this.#callbacks = null;
    const isLocal = this.#isGivenUp || failure?.side === 'local';
    // After both directions ended in order the exchange was over before its connection.
    const isOrderly = failure === null && callbacks === null && !this.#isGivenUp;
    this.#connection.closed(isLocal ? 'local' : 'remote', !isOrderly);
    callbacks?.onReset(TERMINATION);
  }
}
