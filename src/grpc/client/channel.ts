// A gRPC client: one connection to one server, made when it is needed, and the calls on it.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { parseAddress, unixAddress } from '../../net/address.ts';
import type { Engine } from '../../net/engine.ts';
import type { Resolution, Resolver } from '../../net/resolver/resolver.ts';
import { startTls } from '../../net/tls/start-tls.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import { grpcTimeout } from '../../wire/grpc/timeout.ts';
import { H } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import type { GrpcStatus } from '../status.ts';
import { ClientCall, type ClientCallHandler } from './client-call.ts';
import { ClientConnection, type ConnectionOwner } from './client-connection.ts';
import { type ChannelOptions, DEFAULT_CHANNEL, MAX_WAITING_CALLS } from './options.ts';

export type ChannelParts = { readonly engine: Engine; readonly resolver: Resolver };

export type CallOptions = {
  /** Adds metadata to the call's head. */
  readonly addMetadata?: (headers: Headers) => void;
  /** 0: none. */
  readonly timeoutMs?: number;
};

/** What a unary call came to: an encoded message, or why there is none. */
export type UnaryResult = { readonly bytes: Buffer } | { readonly status: GrpcStatus };

/** A dial under way; `cancel` also ends what it made. */
type Dial = { cancel(): void };

export class GrpcChannel implements ConnectionOwner {
  readonly clock: Clock;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly #parts: ChannelParts;
  readonly #options: Required<ChannelOptions>;
  /** All that are open; the last one takes calls unless it is going. */
  readonly #connections = new Set<ClientConnection>();
  #connection: ClientConnection | null = null;
  #dial: Dial | null = null;
  #waiting: ClientCall[] = [];
  readonly #idleTimer: Timer;
  readonly #dialTimer: Timer;
  #isClosed = false;
  /** Connections that were made, and dials that came to nothing. */
  connects = 0;
  failures = 0;

  constructor(parts: ChannelParts, options: ChannelOptions) {
    this.#parts = parts;
    this.#options = { ...DEFAULT_CHANNEL, authority: options.target, ...options };
    this.clock = parts.engine.clock;
    this.keepaliveMs = this.#options.keepaliveMs;
    this.keepaliveTimeoutMs = this.#options.keepaliveTimeoutMs;
    this.#idleTimer = this.clock.timer((channel: GrpcChannel) => channel.#idle(), this);
    this.#dialTimer = this.clock.timer((channel: GrpcChannel) => channel.#dialTimedOut(), this);
  }

  /** '/package.Service/Method'; the call waits for a connection, which is dialled now if there is none. */
  call(path: string, handler: ClientCallHandler, options: CallOptions = {}): ClientCall {
    const { addMetadata, timeoutMs = 0 } = options;
    const head = callHead(this.#options.authority, path, this.#options.tls !== null, timeoutMs);
    addMetadata?.(head);
    const call = new ClientCall(head, handler, this.#options.maxMessageBytes);
    if (timeoutMs > 0) {
      call.deadline = this.clock.timer((late: ClientCall) => late.onDeadline(), call);
      call.deadline.arm(timeoutMs);
    }
    this.#idleTimer.disarm();
    if (this.#connection?.start(call) === true) return call;
    this.#connection = null;
    if (this.#isClosed || this.#waiting.length >= MAX_WAITING_CALLS) {
      // The caller does not know the call yet.
      const message = this.#isClosed ? 'the channel is closed' : 'too many calls wait for a connection';
      this.clock.defer(() => call.close({ code: GRPC.unavailable, message }));
      return call;
    }
    this.#waiting.push(call);
    this.#connect();
    return call;
  }

  /** One message each way; `done` is called once, unless the returned function was called before. */
  unary(path: string, message: Uint8Array, options: CallOptions, done: (result: UnaryResult) => void): () => void {
    let bytes: Buffer | null = null;
    const handler: ClientCallHandler = {
      onMessage: (buf, start, end) => {
        bytes = Buffer.from(buf.subarray(start, end));
      },
      onClose: (status) => {
        if (status.code !== GRPC.ok) done({ status });
        else if (bytes === null) done({ status: { code: GRPC.internal, message: 'the answer has no message' } });
        else done({ bytes });
      },
    };
    const call = this.call(path, handler, options);
    call.sendBytes(message);
    call.end();
    return () => call.cancel();
  }

  /** Calls from now on go over a new connection, with what its TLS context is then; the old one ends with its calls. */
  renew(): void {
    this.#connection = null;
    for (const connection of [...this.#connections]) connection.onGoaway();
  }

  close(): void {
    this.#isClosed = true;
    this.#idleTimer.disarm();
    this.#failWaiting('the channel is closed');
    for (const connection of [...this.#connections]) connection.close();
  }

  // ─── For connections ────────────────────────────────────────────────────────────────────────────────────────────

  onConnectionGoing(connection: ClientConnection): void {
    if (this.#connection === connection) this.#connection = null;
  }

  onConnectionClosed(connection: ClientConnection): void {
    this.#connections.delete(connection);
  }

  onCallOver(connection: ClientConnection): void {
    const { idleMs } = this.#options;
    if (connection.activeCalls === 0 && idleMs !== Number.POSITIVE_INFINITY) this.#idleTimer.arm(idleMs);
  }

  #idle(): void {
    if (this.#connection?.activeCalls === 0) this.#connection.close();
  }

  // ─── Dialling ───────────────────────────────────────────────────────────────────────────────────────────────────

  #connect(): void {
    if (this.#dial !== null) return;
    this.#dialTimer.arm(this.#options.connectTimeoutMs);
    const { target } = this.#options;
    const known = target.startsWith('unix:') ? unixAddress(target.slice('unix:'.length)) : parseAddress(target);
    if (known !== null) this.#tryEach([known], 0, '');
    else this.#resolve(target);
  }

  #resolve(target: string): void {
    const at = target.lastIndexOf(':');
    const host = target.slice(0, at);
    const port = Number(target.slice(at + 1));
    if (at < 1 || !Number.isInteger(port)) {
      this.#failed(`${target} is no address`);
      return;
    }
    const dial = { cancel: () => pending?.cancel() };
    this.#dial = dial;
    let pending: { cancel(): void } | null = null;
    pending = this.#parts.resolver.resolve(host, 'ALL', (resolution) => this.#resolved(dial, host, port, resolution));
  }

  #resolved(dial: Dial, host: string, port: number, { isFailed, details, addresses }: Resolution): void {
    if (this.#dial !== dial) return;
    if (isFailed || addresses.length === 0) {
      this.#failed(`${host} cannot be resolved: ${isFailed ? details : 'no such name'}`);
      return;
    }
    // Most machines that have both reach more over IPv4.
    const ordered = [...addresses].sort((a, b) => a.family.localeCompare(b.family));
    this.#tryEach(
      ordered.map(({ family, address }) => ({ family, address, port })),
      0,
      '',
    );
  }

  #tryEach(addresses: readonly Address[], index: number, why: string): void {
    const address = addresses[index];
    if (address === undefined) {
      this.#failed(why);
      return;
    }
    const { localAddress } = this.#options;
    const options = localAddress === null ? {} : { localAddress };
    const pending = this.#parts.engine.connect(address, options, (stream, failure) => {
      if (this.#dial !== dial) stream?.destroy();
      else if (stream !== null) this.#shakeHands(stream);
      else this.#tryEach(addresses, index + 1, failure?.detail ?? '');
    });
    const dial: Dial = { cancel: () => pending.cancel() };
    this.#dial = dial;
  }

  #shakeHands(stream: ByteStream): void {
    const { tls } = this.#options;
    if (tls === null) {
      this.#connected(stream);
      return;
    }
    const context = tls.context();
    if (typeof context === 'string') {
      stream.destroy();
      this.#failed(context);
      return;
    }
    const handshake = {
      ...{ context, isServer: false, requestsCertificate: false, requiresCertificate: false, alpn: ['h2'] },
      ...{ serverName: tls.serverName, session: null, onSession: null, onKeylog: null, ocspResponse: null },
      verify: tls.verify,
    };
    const dial: Dial = { cancel: () => pending?.cancel() };
    this.#dial = dial;
    let pending: Dial | null = null;
    pending = startTls(stream, handshake, null, (secured: ByteStream | null, failure: Failure | null) => {
      if (this.#dial !== dial) secured?.destroy();
      else if (secured !== null) this.#connected(secured);
      else this.#failed(failure?.detail ?? 'the handshake failed');
    });
  }

  #connected(stream: ByteStream): void {
    this.#dial = null;
    this.#dialTimer.disarm();
    this.connects++;
    const connection = new ClientConnection(stream, this);
    this.#connections.add(connection);
    this.#connection = connection;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) {
      if (!call.isOver && !connection.start(call)) {
        call.close({ code: GRPC.unavailable, message: 'the server takes no more calls' });
      }
    }
  }

  #dialTimedOut(): void {
    this.#dial?.cancel();
    this.#failed(`no connection within ${this.#options.connectTimeoutMs} ms`);
  }

  #failed(why: string): void {
    this.failures++;
    this.#failWaiting(`${this.#options.target}: ${why}`);
  }

  #failWaiting(message: string): void {
    this.#dial?.cancel();
    this.#dial = null;
    this.#dialTimer.disarm();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) call.close({ code: GRPC.unavailable, message });
  }
}

/** Source: gRPC over HTTP/2, "Requests". */
function callHead(authority: string, path: string, isTls: boolean, timeoutMs: number): Headers {
  const head = new Headers();
  head.method = 'POST';
  head.scheme = isTls ? 'https' : 'http';
  head.path = path;
  head.authority = authority.startsWith('unix:') ? 'localhost' : authority;
  head.hasAuthority = true;
  head.add(H.te, 'trailers');
  head.add(H['content-type'], 'application/grpc');
  if (timeoutMs > 0) head.add(H['grpc-timeout'], grpcTimeout(timeoutMs));
  return head;
}
