// The socket engine as the rest of the proxy sees it: listen, connect, and entries from the event loop.
import type * as net from 'node:net';
import type { Address, ByteStream } from '../base/byte-stream.ts';
import type { Clock } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import { createHandleEngine } from './handle-engine.ts';
import { checkHandles } from './handles.ts';
import { createStreamEngine } from './stream-engine.ts';
import type { OnBug } from './turn.ts';

/** setsockopt(2) on a socket; needs the native adapter. Source: Envoy SocketOption. */
export type SocketOption = {
  readonly level: number;
  readonly name: number;
  /** An int, or the bytes as they are. */
  readonly value: number | Buffer;
  /** When it is set: before bind, after it, or once the socket listens. Dialled sockets: all before connect. */
  readonly state: 'prebind' | 'bound' | 'listening';
  /** For messages: 'IP_TRANSPARENT'. */
  readonly label: string;
};

export type ListenOptions = {
  /** Length of the accept queue; the system lowers it to net.core.somaxconn. Default 4096. */
  readonly backlog?: number;
  /** IPv6 only: also accept IPv4 clients (Envoy's ipv4_compat). Default false. */
  readonly ipv4Compat?: boolean;
  /** SO_REUSEPORT. The port must be free all the same unless `joinExisting`. */
  readonly reusePort?: boolean;
  /** With `reusePort`: another socket (a sibling worker) may already listen there. */
  readonly joinExisting?: boolean;
  /** Unix sockets: permission bits of the path, 0 or absent for what umask gives. */
  readonly mode?: number;
  /** An already bound descriptor (hot restart, FFI): `address` then only says what it is. */
  readonly fd?: number;
  /** TCP_NODELAY on accepted sockets. Default true. */
  readonly noDelay?: boolean;
  /** TCP keep-alive on accepted sockets: seconds of silence before the first probe. Absent: off. */
  readonly keepAliveS?: number;
  /** Connections that wait while accepting is paused; those beyond it are reset. Default 1024. */
  readonly maxHeld?: number;
  /** Internal listeners: bytes that wait in either direction of a connection. Default 1 MiB. */
  readonly internalBufferBytes?: number;
  /** Set on the listening socket (transparent, freebind, TCP_FASTOPEN, SO_MARK …); a refused one fails the listener. */
  readonly socketOptions?: readonly SocketOption[];
};

export type UdpHandler = {
  /** One datagram chunk[start, end); borrowed. `to` is its destination where asked for, else the socket's own. */
  onDatagram(chunk: Buffer, start: number, end: number, from: Address, to: Address): void;
  /** The peer of a connected socket refused, or the system failed; the socket stays. */
  onError(errno: string): void;
};

export type UdpSocket = {
  readonly address: Address;
  readonly fd: number;
  readonly isClosed: boolean;
  /**
   * Copies and sends; `to` is null on a connected socket. False: the datagram is lost, because the system had no room
   * or told in its place that the peer refused an earlier one.
   */
  send(chunk: Uint8Array, start: number, end: number, to: Address | null): boolean;
  close(): void;
};

export type UdpOptions = {
  /** The only peer: others' datagrams are dropped by the kernel, and its refusals are reported. */
  readonly connectTo?: Address;
  /** SO_REUSEPORT. The port must be free all the same unless `joinExisting`. */
  readonly reusePort?: boolean;
  readonly joinExisting?: boolean;
  readonly ipv4Compat?: boolean;
  readonly receiveBufferBytes?: number;
  readonly socketOptions?: readonly SocketOption[];
};

/** Why a listener could not start. */
export type ListenError = {
  /** Name of the system's error, as 'EADDRINUSE'. */
  readonly errno: string;
  /** Envoy's wording: "cannot bind '127.0.0.1:80': Address already in use". */
  readonly detail: string;
};

export type Listener = {
  /** With the real port where 0 was asked for. */
  readonly address: Address;
  readonly fd: number;
  /** accept(2) failures since the start (EMFILE and the like). */
  readonly acceptErrors: number;
  /** Connections that were reset because too many waited while accepting was paused. */
  readonly heldOverflows: number;
  readonly isPaused: boolean;
  /** Stops accepting; the connections stay. */
  close(): void;
  /** New connections wait, unread, until `resume`. */
  pause(): void;
  resume(): void;
};

export type ConnectOptions = {
  /** Source address; port 0 for any. */
  readonly localAddress?: Address;
  /** TCP_NODELAY. Default true. */
  readonly noDelay?: boolean;
  /** TCP keep-alive: seconds of silence before the first probe. Absent: off. */
  readonly keepAliveS?: number;
  /** A socket made and prepared elsewhere (SO_MARK, another namespace); ours from then on. */
  readonly fd?: number;
  /** Keep-alive details, seconds and count; need the native adapter when given. */
  readonly keepAliveIntervalS?: number;
  readonly keepAliveProbes?: number;
  /** For who accepts an internal connection (see `takeLeft`). */
  readonly left?: unknown;
  /** Set before bind and connect; a refused one fails the dial. */
  readonly socketOptions?: readonly SocketOption[];
};

/** Exactly one of the two is not null. */
export type ConnectCallback = (stream: ByteStream | null, failure: Failure | null) => void;

export type PendingConnect = {
  /** Gives up: the callback will not be called. Does nothing once it was. */
  cancel(): void;
};

export type Engine = {
  readonly kind: 'handles' | 'streams' | 'memory';
  readonly clock: Clock;
  /** Streams that exist: accepted and dialled, not yet closed. */
  readonly openStreams: number;
  /** Runs `fn` as an entry from the event loop: the clock is read, bugs are contained, writes leave at its end. */
  run(fn: () => void): void;
  /** Sends everything queued now; afterwards no borrowed memory is in use (see ByteStreamHandler.onData). */
  flush(): void;
  listen(address: Address, options: ListenOptions, onStream: (stream: ByteStream) => void): Listener | ListenError;
  /** The caller owns the time-out: it cancels. The callback never runs inside this call. */
  connect(address: Address, options: ConnectOptions, callback: ConnectCallback): PendingConnect;
  /** Takes over an accepted descriptor (from another worker). Null when the system refuses it. */
  adopt(fd: number, family: Address['family']): ByteStream | null;
  /** A UDP socket bound to `address` (port 0: any). */
  bindUdp(address: Address, options: UdpOptions, handler: UdpHandler): UdpSocket | ListenError;
};

export type EngineOptions = {
  readonly clock: Clock;
  /** A bug was contained: the connection it struck is gone; log and count it. */
  readonly onBug: OnBug;
  /** Default: 'handles' where they work, else 'streams'. */
  readonly engine?: 'handles' | 'streams';
  /** Bytes of the one buffer that all reads share. Default 256 KiB. */
  readonly readBufferBytes?: number;
  /** Read buffers of 1 MiB that long flows may have for themselves. Default 16, of which workers get a part each. */
  readonly mostFlowBuffers?: number;
};

export function createEngine(options: EngineOptions): Engine {
  const wanted = options.engine ?? (checkHandles() === null ? 'handles' : 'streams');
  return wanted === 'handles' ? createHandleEngine(options) : createStreamEngine(options);
}

/**
 * Takes an idle stream out of the engine as a paused socket whose only use is to be wrapped by `node:tls` (which reads
 * below the runtime's stream layer); `unread` are bytes that were read already, as a peeked ClientHello. The stream
 * counts as closed afterwards, without onClose. Null for a stream without a socket.
 */
export function detachSocket(stream: ByteStream, unread: Buffer | null): net.Socket | null {
  const { detach } = stream as { detach?: (unread: Buffer | null) => net.Socket };
  return detach === undefined ? null : detach.call(stream, unread);
}

/** The stream's descriptor, for socket options by FFI; it stays the engine's. -1 where there is none. */
export function fileDescriptor(stream: ByteStream): number {
  return (stream as { fd?: number }).fd ?? -1;
}

export function isListenError(result: object): result is ListenError {
  return 'errno' in result;
}
