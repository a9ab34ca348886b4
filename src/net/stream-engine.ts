// The engine on node:net streams: dearer, but made of public interfaces; used where raw handles do not behave.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import * as net from 'node:net';
import type { Address, ByteStream } from '../base/byte-stream.ts';
import type { Failure } from '../base/failure.ts';
import { addressText, ipAddress, systemPath, UNKNOWN_ADDRESS, unixAddress, unixPathError } from './address.ts';
import type {
  ConnectCallback,
  ConnectOptions,
  Engine,
  EngineOptions,
  Listener,
  ListenError,
  ListenOptions,
  PendingConnect,
} from './engine.ts';
import { FLAG_IPV6_ONLY, FLAG_REUSE_PORT } from './handles.ts';
import { closeDescriptor, socketAddress } from './native.ts';
import {
  applyListenOptions,
  listenError,
  needsPreparedDial,
  needsPreparedListener,
  preparedDial,
  preparedListener,
  removeSocket,
} from './prepared-socket.ts';
import { connectFailure, errnoName, streamFailure } from './errno.ts';
import { DEFAULT_BACKLOG, DEFAULT_MAX_HELD } from './handle-engine.ts';
import { InternalNetwork } from './internal-network.ts';
import { QueuedStream, type StreamRole } from './queued-stream.ts';
import { Turn, type TurnStream } from './turn.ts';
import { bindNodeUdp } from './udp-node.ts';

type Shared = { readonly turn: Turn; openStreams: number };

export function createStreamEngine(options: EngineOptions): Engine {
  const turn = new Turn(options.clock, options.onBug);
  const shared: Shared = { turn, openStreams: 0 };
  const internal = new InternalNetwork(turn);
  return {
    kind: 'streams',
    clock: options.clock,
    get openStreams() {
      return shared.openStreams + internal.count.openStreams;
    },
    run: (fn) => turn.run(fn),
    flush: () => turn.flush(),
    listen: (address, listenOptions, onStream) =>
      address.family === 'internal'
        ? internal.listen(address, listenOptions, onStream)
        : listen(shared, address, listenOptions, onStream),
    connect: (address, connectOptions, callback) =>
      address.family === 'internal'
        ? internal.connect(address, connectOptions, callback)
        : new NetDial(shared, address, connectOptions, callback),
    adopt: (fd, family) => adopt(shared, fd, family),
    bindUdp: (address, udpOptions, handler) => bindNodeUdp(turn, address, udpOptions, handler),
  };
}

class NetStream extends QueuedStream {
  readonly #shared: Shared;
  readonly #socket: net.Socket;
  #local: Address | null;
  #remote: Address | null;
  #error = '';

  constructor(shared: Shared, socket: net.Socket, role: StreamRole, local: Address | null, remote: Address | null) {
    super(shared.turn, role);
    this.#shared = shared;
    this.#socket = socket;
    this.#local = local;
    this.#remote = remote;
    shared.openStreams++;
    const entry = (where: string, fn: () => void): void => enterStream(shared.turn, this, where, fn);
    socket.on('data', (chunk: Buffer) => entry('read', () => this.#data(chunk)));
    socket.on('end', () => entry('read', () => !this.isClosed && this.readEnded()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? 'EPIPE';
    });
    socket.on('close', () => entry('close', () => this.#closed()));
    socket.pause();
    this.touch();
  }

  get fd(): number {
    const { _handle: handle } = this.#socket as unknown as { _handle: { fd?: number } | null };
    return handle?.fd ?? -1;
  }

  get localAddress(): Address {
    this.#local ??= netAddress(this.#socket.localAddress, this.#socket.localPort);
    return this.#local;
  }

  get remoteAddress(): Address {
    this.#remote ??= netAddress(this.#socket.remoteAddress, this.#socket.remotePort);
    return this.#remote;
  }

  /** See `detachSocket`. */
  detach(unread: Buffer | null): net.Socket {
    assert(!this.isClosed && this.bufferedBytes === 0, 'only an idle stream can be detached');
    const socket = this.#socket;
    for (const event of ['data', 'end', 'error', 'close']) socket.removeAllListeners(event);
    socket.pause();
    this.leaveEngine();
    this.#shared.openStreams--;
    if (unread !== null) socket.unshift(unread);
    return socket;
  }

  protected pump(): void {
    if (this.pendingBytes !== 0) {
      if (this.borrowed !== null) this.keepBorrowed();
      return;
    }
    const bytes = this.bufferedBytes;
    if (bytes === 0) return;
    this.keepBorrowed();
    this.pushText();
    const { parts } = this;
    this.parts = [];
    this.pendingBytes = bytes;
    const socket = this.#socket;
    socket.cork();
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string | Uint8Array;
      const last = i === parts.length - 1 ? this.#written : undefined;
      if (typeof part === 'string') socket.write(part, 'latin1', last);
      else socket.write(part, last);
    }
    socket.uncork();
    if (socket.writableLength === 0 && !socket.destroyed) this.#taken(bytes);
  }

  protected startReading(): void {
    this.#socket.resume();
  }

  protected stopReading(): void {
    this.#socket.pause();
  }

  protected sendFin(): void {
    this.#socket.end(() => enterStream(this.turn, this, 'write', () => !this.isClosed && this.finSent()));
  }

  protected release(reset: boolean): void {
    this.#shared.openStreams--;
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #data(chunk: Buffer): void {
    if (this.isClosed || this.isClosing) return;
    this.received(chunk.length);
    this.handler.onData(chunk, 0, chunk.length);
  }

  /** Called late also when the system took everything at once; then there is nothing left to count. */
  #written = (error?: Error | null): void => {
    if (error || this.isClosed || this.pendingBytes === 0 || this.#socket.writableLength !== 0) return;
    enterStream(this.turn, this, 'write', () => this.#taken(this.pendingBytes));
  };

  #taken(bytes: number): void {
    this.pendingBytes = 0;
    this.sent(bytes);
    this.touch();
  }

  #closed(): void {
    if (this.isClosed) return;
    this.finish(streamFailure(this.role, 'read', this.#error === '' ? 'ECONNRESET' : this.#error), false);
  }
}

function enterStream(turn: Turn, stream: TurnStream, where: string, fn: () => void): void {
  turn.enter();
  try {
    fn();
  } catch (error) {
    turn.contain(stream, error, where);
  }
  turn.leave();
}

function netAddress(address: string | undefined, port: number | undefined): Address {
  return address === undefined ? UNKNOWN_ADDRESS : ipAddress(address, port ?? 0);
}

/** Null when the descriptor is no connected socket. */
function adopt(shared: Shared, fd: number, family: Address['family']): ByteStream | null {
  try {
    const socket = new net.Socket({ fd, allowHalfOpen: true, manualStart: true } as net.SocketConstructorOpts);
    const isUnix = family === 'unix';
    const local = isUnix ? (socketAddress(fd) ?? unixAddress('')) : null;
    return new NetStream(shared, socket, 'accepted', local, isUnix ? unixAddress('') : null);
  } catch {
    return null;
  }
}

// ---------------------------------------------------------------- listening

type ServerHandle = {
  readonly fd?: number;
  listen(backlog: number): number;
  close(): void;
  getsockname?(out: object): number;
};

/** What node:net does inside `listen`, in the one form that answers at once. */
type CreateServerHandle = (
  address: string,
  port: number,
  family: number,
  fd: number | undefined,
  flags: number,
) => number | ServerHandle;

function listen(
  shared: Shared,
  address: Address,
  options: ListenOptions,
  onStream: (stream: ByteStream) => void,
): Listener | ListenError {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
  if (create === undefined) return listenError(address, 'ENOTSUP');
  if (address.family === 'unix') {
    const error = unixPathError(address);
    if (error !== null) return listenError(address, error);
    if (options.fd === undefined) removeSocket(address.address);
  }
  const source = listenSource(create, address, options);
  if ('errno' in source) return source;
  const listener = new NetListener(shared, source, address, options, onStream);
  const error = finishListening(listener.fd, address, options);
  if (error === null) return listener;
  listener.close();
  return error;
}

/** What node:net listens on: a descriptor, a path, or a TCP handle that listens already. */
type ListenSource = { readonly fd?: number; readonly path?: string; readonly _handle?: ServerHandle };

function listenSource(
  create: CreateServerHandle,
  address: Address,
  options: ListenOptions,
): ListenSource | ListenError {
  if (options.fd !== undefined) return { fd: options.fd };
  const isUnix = address.family === 'unix';
  const taken = isUnix ? null : probePort(create, address, options);
  if (taken !== null) return taken;
  if (needsPreparedListener(options)) {
    const fd = preparedListener(address, options, options.reusePort === true);
    return typeof fd === 'number' ? { fd } : fd;
  }
  const handle = isUnix
    ? create(systemPath(address), -1, -1, undefined, 0)
    : createTcp(create, address, options, options.reusePort === true ? FLAG_REUSE_PORT : 0);
  if (typeof handle === 'number') return listenError(address, errnoName(handle));
  if (isUnix) {
    // node:net takes over TCP handles only: this one has shown that the path can be had.
    handle.close();
    return { path: systemPath(address) };
  }
  const error = applyListenOptions(handle.fd ?? -1, address, options, 'bound') ?? listenTcp(handle, address, options);
  if (error === null) return { _handle: handle };
  handle.close();
  return error;
}

/** With SO_REUSEPORT a second bind succeeds silently: try without it first. */
function probePort(create: CreateServerHandle, address: Address, options: ListenOptions): ListenError | null {
  if (options.reusePort !== true || options.joinExisting === true || address.port === 0) return null;
  if (needsPreparedListener(options)) {
    const fd = preparedListener(address, options, false);
    if (typeof fd !== 'number') return fd;
    closeDescriptor(fd);
    return null;
  }
  const probe = createTcp(create, address, options, 0);
  if (typeof probe === 'number') return listenError(address, errnoName(probe));
  // libuv tells of a taken port only in the next call.
  const status = probe.getsockname?.({}) ?? 0;
  probe.close();
  return status === 0 ? null : listenError(address, errnoName(status));
}

function createTcp(
  create: CreateServerHandle,
  address: Address,
  options: ListenOptions,
  flags: number,
): number | ServerHandle {
  const isIpv6 = address.family === 'ipv6';
  const only = isIpv6 && options.ipv4Compat !== true ? FLAG_IPV6_ONLY : 0;
  return create(address.address, address.port, isIpv6 ? 6 : 4, undefined, flags | only);
}

function listenTcp(handle: ServerHandle, address: Address, options: ListenOptions): ListenError | null {
  const status = handle.listen(options.backlog ?? DEFAULT_BACKLOG);
  return status === 0 ? null : listenError(address, errnoName(status));
}

function finishListening(fd: number, address: Address, options: ListenOptions): ListenError | null {
  if (address.family === 'unix' && options.fd === undefined && options.mode && !address.address.startsWith('@')) {
    chmodSync(address.address, options.mode);
  }
  return applyListenOptions(fd, address, options, 'listening');
}

class NetListener implements Listener {
  readonly address: Address;
  acceptErrors = 0;
  heldOverflows = 0;
  isPaused = false;
  readonly #shared: Shared;
  readonly #server: net.Server;
  readonly #maxHeld: number;
  readonly #onStream: (stream: ByteStream) => void;
  #held: net.Socket[] = [];

  constructor(
    shared: Shared,
    source: ListenSource,
    address: Address,
    options: ListenOptions,
    onStream: (stream: ByteStream) => void,
  ) {
    this.#shared = shared;
    this.#maxHeld = options.maxHeld ?? DEFAULT_MAX_HELD;
    this.#onStream = onStream;
    this.#server = net.createServer(
      {
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: options.noDelay !== false,
        keepAlive: options.keepAliveS !== undefined,
        keepAliveInitialDelay: (options.keepAliveS ?? 0) * 1000,
      },
      (socket) => this.#connected(socket),
    );
    this.#server.on('error', () => this.acceptErrors++);
    this.#server.listen({ ...source, backlog: options.backlog ?? DEFAULT_BACKLOG } as net.ListenOptions);
    const bound = this.#server.address();
    this.address = bound !== null && typeof bound === 'object' ? ipAddress(bound.address, bound.port) : address;
  }

  get fd(): number {
    return (this.#server as unknown as { _handle: { fd?: number } | null })._handle?.fd ?? -1;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#held) socket.resetAndDestroy();
    this.#held = [];
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    const held = this.#held;
    this.#held = [];
    for (const socket of held) this.#connected(socket);
  }

  #connected(socket: net.Socket): void {
    if (this.isPaused) {
      if (this.#held.length < this.#maxHeld) {
        this.#held.push(socket);
        return;
      }
      this.heldOverflows++;
      socket.resetAndDestroy();
      return;
    }
    const isUnix = this.address.family === 'unix';
    const { turn } = this.#shared;
    turn.enter();
    const remote = isUnix ? unixAddress('') : null;
    const stream = new NetStream(this.#shared, socket, 'accepted', isUnix ? this.address : null, remote);
    try {
      this.#onStream(stream);
    } catch (error) {
      turn.contain(stream, error, 'accept');
    }
    turn.leave();
  }
}

// ---------------------------------------------------------------- dialling

class NetDial implements PendingConnect, TurnStream {
  isDirty = false;
  isNotified = false;
  readonly #shared: Shared;
  readonly #socket: net.Socket;
  readonly #address: Address;
  readonly #callback: ConnectCallback;
  #isDone = false;
  #refused: Failure | null = null;
  #stream: NetStream | null = null;
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#failed(error);

  constructor(shared: Shared, address: Address, options: ConnectOptions, callback: ConnectCallback) {
    this.#shared = shared;
    this.#address = address;
    this.#callback = callback;
    const isPrepared = needsPreparedDial(address, options);
    const fd = isPrepared ? preparedDial(address, options) : options.fd;
    this.#socket = new net.Socket(socketOptions(typeof fd === 'object' ? options.fd : fd));
    if (typeof fd === 'object') {
      this.#refused = fd;
      shared.turn.markNotified(this);
      return;
    }
    this.#socket.on('error', this.#onError);
    this.#socket.on('connect', () => this.#connected());
    if (address.family === 'unix') {
      this.#socket.connect({ path: systemPath(address) });
      return;
    }
    const { localAddress: local } = options;
    this.#socket.connect({
      host: address.address,
      port: address.port,
      autoSelectFamily: false,
      noDelay: options.noDelay !== false,
      keepAlive: options.keepAliveS !== undefined && !isPrepared,
      keepAliveInitialDelay: (options.keepAliveS ?? 0) * 1000,
      ...(local === undefined || isPrepared ? {} : { localAddress: local.address, localPort: local.port }),
    } as net.SocketConnectOpts);
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.destroy();
  }

  settle(): void {}

  /** Tells of what the preparation gave, after the caller has returned. */
  deliver(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.destroy();
    this.#callback(null, this.#refused);
  }

  abandon(): void {
    this.#stream?.abandon();
  }

  #connected(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.off('error', this.#onError);
    const { turn } = this.#shared;
    const isUnix = this.#address.family === 'unix';
    enterStream(turn, this, 'connect', () => {
      const local = isUnix ? unixAddress('') : null;
      this.#stream = new NetStream(this.#shared, this.#socket, 'dialled', local, this.#address);
      this.#callback(this.#stream, null);
    });
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.destroy();
    const name = error.code ?? 'ECONNREFUSED';
    const isDelayed = name === 'ECONNREFUSED' || name === 'ETIMEDOUT' || name === 'ECONNRESET';
    const remote = this.#address.family !== 'unix' && isDelayed ? null : addressText(this.#address);
    enterStream(this.#shared.turn, this, 'connect', () => this.#callback(null, connectFailure(name, remote)));
  }
}

function socketOptions(fd: number | undefined): net.SocketConstructorOpts {
  const base = { allowHalfOpen: true };
  // Without `manualStart` the socket would be read before it is connected.
  return fd === undefined ? base : ({ ...base, fd, manualStart: true } as net.SocketConstructorOpts);
}
