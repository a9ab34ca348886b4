// A connection's way through an HTTP proxy: one CONNECT (or POST) exchange, used like a byte stream once it is agreed.
import type { Address, ByteStream, ByteStreamHandler, TlsFacts } from '../../../../base/byte-stream.ts';
import { type Failure, failure } from '../../../../base/failure.ts';
import { Headers } from '../../../../wire/headers.ts';
import type {
  ConnectionCallbacks,
  ConnectTimes,
  Host,
  StreamRequest,
  UpstreamConnection,
} from '../../../cluster/cluster.ts';
import { tcpLogContext } from '../../../formatter/tcp-log-context.ts';
import type { RequestEncoder, StreamCallbacks } from '../../../http/codec.ts';
import { BodyData } from '../../../http/filter.ts';
import type { FilterStateObject, StreamInfo } from '../../../stream-info.ts';
import type { TransportWishes } from '../../../transport/transport.ts';
import type { TunnelConfig } from './tunnel-config.ts';

/** Source: Envoy TunnelResponseHeaders::key, TunnelResponseTrailers::key. */
const HEADERS_KEY = 'envoy.tcp_proxy.propagate_response_headers';
const TRAILERS_KEY = 'envoy.tcp_proxy.propagate_response_trailers';
/** Source: Envoy TcpProxy, where %DYNAMIC_METADATA% finds the request's id. */
const METADATA_NAMESPACE = 'envoy.filters.network.tcp_proxy';

const EMPTY = Buffer.alloc(0);
const NOBODY: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

/** What opening takes besides the host. */
export type TunnelUse = {
  readonly config: TunnelConfig;
  /** The downstream connection: formats read it, and what the proxy says becomes its filter state. */
  readonly info: StreamInfo;
  readonly wishes: TransportWishes | null;
  readonly requestId: () => string;
};

type WireBytes = Pick<
  StreamInfo,
  'upstreamWireBytesReceived' | 'upstreamWireBytesSent' | 'upstreamHeaderBytesReceived' | 'upstreamHeaderBytesSent'
>;

//   waiting for a stream ─► asked ─┬─ agreed ─► open ─► END_STREAM each way, reset, close
//                                  └─ refused, or the stream died: onConnectFailed
export class Tunnel implements StreamCallbacks, ByteStream, StreamRequest, UpstreamConnection {
  handler: ByteStreamHandler = NOBODY;
  readonly host: Host;
  bytesRead = 0;
  bytesWritten = 0;
  /** What is queued is the codec's: an idle tunnel is idle, whatever waits there. Source: Envoy HttpUpstream. */
  readonly bufferedBytes = 0;
  readonly #use: TunnelUse;
  #callbacks: ConnectionCallbacks | null;
  #pending: StreamRequest | null = null;
  #encoder: RequestEncoder | null = null;
  /** For its facts, which stay when it is over. */
  #asked: RequestEncoder | null = null;
  readonly #data = new BodyData();
  #isEnded = false;
  #isPeerEnded = false;
  isClosed = false;
  isAboveHighWatermark = false;
  /** Of the attempts before. */
  readonly #before: WireBytes;

  constructor(host: Host, use: TunnelUse, callbacks: ConnectionCallbacks) {
    const { upstreamWireBytesReceived, upstreamWireBytesSent } = use.info;
    const { upstreamHeaderBytesReceived, upstreamHeaderBytesSent } = use.info;
    this.host = host;
    this.#use = use;
    this.#callbacks = callbacks;
    this.#before = {
      upstreamWireBytesReceived,
      upstreamWireBytesSent,
      upstreamHeaderBytesReceived,
      upstreamHeaderBytesSent,
    };
  }

  /** Asks for a stream; the answer may come during the call. */
  open(): void {
    const pending = this.host.newStream('DEFAULT', this, this.#use.wishes);
    if (this.#callbacks !== null && this.#encoder === null) this.#pending = pending;
  }

  /** The proxy was asked for the tunnel, and has not said yes. */
  get isWaiting(): boolean {
    return this.#callbacks !== null && this.#encoder !== null;
  }

  /** For an access log: what all attempts carried so far. */
  tellBytes(seen: StreamInfo): void {
    const encoder = this.#asked;
    if (encoder === null) return;
    const before = this.#before;
    // Envoy counts what the tunnel carried as the exchange's and as the relay's.
    seen.upstreamWireBytesReceived = before.upstreamWireBytesReceived + encoder.wireBytesReceived + this.bytesRead;
    seen.upstreamWireBytesSent = before.upstreamWireBytesSent + encoder.wireBytesSent + this.bytesWritten;
    seen.upstreamHeaderBytesReceived = before.upstreamHeaderBytesReceived + encoder.headerBytesReceived;
    seen.upstreamHeaderBytesSent = before.upstreamHeaderBytesSent + encoder.headerBytesSent;
  }

  // ─── The wish for a stream ──────────────────────────────────────────────────────────────────────────────────────

  onPoolReady(encoder: RequestEncoder): void {
    this.#pending = null;
    this.#encoder = encoder;
    this.#asked = encoder;
    encoder.carryConnection?.();
    encoder.encodeHeaders(this.#request(encoder), false);
  }

  #request(encoder: RequestEncoder): Headers {
    const { config, info } = this.#use;
    const context = tcpLogContext(info, 'NotSet');
    const headers = new Headers();
    headers.method = config.path === null ? 'CONNECT' : 'POST';
    headers.authority = config.hostname.format(context);
    headers.hasAuthority = true;
    if (config.path !== null) {
      headers.path = config.path;
      if (encoder.protocol === 'HTTP/2') headers.scheme = encoder.connection.tls === null ? 'http' : 'https';
    }
    if (config.requestId !== null) {
      const id = this.#use.requestId();
      headers.set(config.requestId.header, id);
      info.setMetadata(METADATA_NAMESPACE, { [config.requestId.metadataKey]: id });
    }
    config.headers?.apply(headers, context);
    return headers;
  }

  onPoolFailure(reason: Failure): void {
    this.#pending = null;
    this.#fail(reason);
  }

  #fail(reason: Failure): void {
    const callbacks = this.#callbacks;
    this.#callbacks = null;
    this.#encoder = null;
    this.isClosed = true;
    callbacks?.onConnectFailed(reason);
  }

  cancel(): void {
    this.#callbacks = null;
    this.#pending?.cancel();
    this.#pending = null;
    this.#drop();
  }

  // ─── What the proxy says ────────────────────────────────────────────────────────────────────────────────────────

  decode1xx(): void {}

  decodeHeaders(headers: Headers, endStream: boolean): void {
    const { config, info } = this.#use;
    const encoder = this.#encoder;
    const callbacks = this.#callbacks;
    if (encoder === null || callbacks === null) return;
    const { status } = headers;
    if (config.propagatesHeaders) note(info, HEADERS_KEY, headers);
    const isYes = encoder.protocol === 'HTTP/2' ? status === 200 : status >= 200 && status < 300;
    if (!isYes || endStream) {
      this.#drop();
      this.#fail(failure('connect_failed', 'upstream', 'connection', `tunnel_response:${status}`));
      return;
    }
    this.#callbacks = null;
    callbacks.onConnected(this);
  }

  decodeData(data: BodyData, endStream: boolean): void {
    const { handler } = this;
    if (data.end > data.start) {
      this.bytesRead += data.end - data.start;
      handler.onData(data.buffer, data.start, data.end);
    }
    if (endStream) this.#peerEnds();
  }

  decodeTrailers(trailers: Headers): void {
    if (this.#use.config.propagatesTrailers) note(this.#use.info, TRAILERS_KEY, trailers);
    this.#peerEnds();
  }

  #peerEnds(): void {
    const encoder = this.#encoder;
    if (encoder === null) return;
    this.#isPeerEnded = true;
    // HTTP/1 has one end for both directions.
    if (this.#isEnded || encoder.protocol !== 'HTTP/2') this.#over();
    else this.handler.onEnd();
  }

  onReset(reason: Failure): void {
    if (this.#callbacks !== null) this.#fail(reason);
    // RFC 9113 §8.1: a reset behind END_STREAM says that the rest is not wanted, not that something was lost.
    else this.#over(isStreamReset(reason) && !this.#isPeerEnded ? reason : null);
  }

  #over(reason: Failure | null = null): void {
    this.#encoder = null;
    if (this.isClosed) return;
    this.isClosed = true;
    this.handler.onClose(reason);
  }

  onAboveWatermark(): void {
    this.isAboveHighWatermark = true;
  }

  onBelowWatermark(): void {
    this.isAboveHighWatermark = false;
    if (this.#callbacks === null) this.handler.onDrain();
  }

  // ─── As a byte stream ───────────────────────────────────────────────────────────────────────────────────────────

  get stream(): ByteStream {
    return this;
  }
  get id(): number {
    return this.#asked?.connection.id ?? 0;
  }
  get localAddress(): Address {
    return (this.#asked as RequestEncoder).connection.localAddress;
  }
  get remoteAddress(): Address {
    return (this.#asked as RequestEncoder).connection.remoteAddress;
  }
  get tls(): TlsFacts | null {
    return this.#asked?.connection.tls ?? null;
  }
  get times(): ConnectTimes {
    return (this.#asked as RequestEncoder).times;
  }

  writeLatin1(text: string): void {
    this.write(Buffer.from(text, 'latin1'));
  }

  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.bytesWritten += bytes.length;
    this.#encoder?.encodeData(this.#data.set(bytes), false);
  }

  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.bytesWritten += end - start;
    this.#encoder?.encodeData(this.#data.set(chunk, start, end, false), false);
  }

  /** The codec's connection leaves with the turn. */
  flush(): void {}
  announceTurnEnd(): void {}
  unread(): void {}
  /** They are the codec's. */
  setWatermarks(): void {}

  pause(): void {
    this.#encoder?.pauseReading();
  }
  resume(): void {
    this.#encoder?.resumeReading();
  }

  end(): void {
    const encoder = this.#encoder;
    if (encoder === null || this.#isEnded) return;
    this.#isEnded = true;
    encoder.encodeData(this.#data.set(EMPTY), true);
    if (this.#isPeerEnded) this.#over();
  }

  /** The downstream is gone; what has not left by now does not leave any more. Source: Envoy HttpUpstream. */
  close(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.isClosed) return;
    this.#drop();
    this.#over();
  }

  #drop(): void {
    const encoder = this.#encoder;
    this.#encoder = null;
    encoder?.resetStream();
  }

  // ─── As an upstream connection ──────────────────────────────────────────────────────────────────────────────────

  /** The codec's connection counts for itself. */
  countBytes(): void {}
  closed(): void {}
}

/**
 * Whether the proxy says that the connection behind it was reset. CONNECT_ERROR and the end of its own connection are
 * mere ends. Source: Envoy HttpUpstream::onResetStream.
 */
export function isStreamReset({ code, scope }: Failure): boolean {
  return scope === 'stream' && (code === 'upstream_reset' || code === 'upstream_refused');
}

/** What the proxy said, as %FILTER_STATE% shows it. */
function note(info: StreamInfo, key: string, headers: Headers): void {
  const fields: { key: string; value: string }[] = [];
  headers.forEach((name, value) => fields.push({ key: name, value }));
  const typed = { headers: fields };
  const object: FilterStateObject = { value: '', typed, isReadOnly: true, lifeSpan: 'connection', isOpaque: true };
  info.filterState ??= new Map();
  info.filterState.set(key, object);
}
