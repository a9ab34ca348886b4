// The engine on node:net streams: dearer, but made of public interfaces; used where raw handles do not behave.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import * as net from 'node:net';
import type { Address, ByteStream } from '../base/byte-stream.ts';
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
import { connectFailure, errnoName, streamFailure } from './errno.ts';
import { DEFAULT_BACKLOG, DEFAULT_MAX_HELD, listenError, removeSocket } from './handle-engine.ts';
import { QueuedStream, type StreamRole } from './queued-stream.ts';
import { Turn, type TurnStream } from './turn.ts';
import { bindNodeUdp } from './udp-node.ts';

type Shared = { readonly turn: Turn; openStreams: number };

export function createStreamEngine(options: EngineOptions): Engine {
  const turn = new Turn(options.clock, options.onBug);
  const shared: Shared = { turn, openStreams: 0 };
  return {
    kind: 'streams',
    clock: options.clock,
    get openStreams() {
      return shared.openStreams;
    },
    run: (fn) => turn.run(fn),
    flush: () => turn.flush(),
    listen: (address, listenOptions, onStream) => listen(shared, address, listenOptions, onStream),
    connect: (address, connectOptions, callback) => new NetDial(shared, address, connectOptions, callback),
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

// ---------------------------------------------------------------- listening

/** What node:net does inside `listen`, in the one form that answers at once. */
type CreateServerHandle = (
  address: string,
  port: number,
  family: number,
  fd: number | undefined,
  flags: number,
) =>
  | number
  | { listen(backlog: number): number; close(): void; readonly fd?: number; getsockname?(out: object): number };

function listen(
  shared: Shared,
  address: Address,
  options: ListenOptions,
  onStream: (stream: ByteStream) => void,
): Listener | ListenError {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
  if (create === undefined) return listenError(address, 'ENOTSUP');
  const isUnix = address.family === 'unix';
  if (isUnix) {
    const error = unixPathError(address);
    if (error !== null) return listenError(address, error);
    if (!address.address.startsWith('@') && options.fd === undefined) removeSocket(address.address);
  }
  const family = isUnix ? -1 : address.family === 'ipv6' ? 6 : 4;
  const port = isUnix ? -1 : address.port;
  const only = address.family === 'ipv6' && options.ipv4Compat !== true ? 1 : 0;
  if (!isUnix && options.reusePort === true && options.joinExisting !== true && port !== 0) {
    const probe = create(address.address, port, family, undefined, only);
    const taken = typeof probe === 'number' ? probe : (probe.getsockname?.({}) ?? 0);
    if (typeof probe !== 'number') probe.close();
    if (taken !== 0) return listenError(address, errnoName(taken));
  }
  const flags = only | (options.reusePort === true ? 2 : 0);
  const backlog = options.backlog ?? DEFAULT_BACKLOG;
  if (options.fd !== undefined) return new NetListener(shared, { fd: options.fd, backlog }, address, options, onStream);
  const handle = create(isUnix ? systemPath(address) : address.address, port, family, undefined, flags);
  if (typeof handle === 'number') return listenError(address, errnoName(handle));
  if (isUnix) {
    // node:net takes over TCP handles only: this one has shown that the path can be had.
    handle.close();
    const listener = new NetListener(shared, { path: systemPath(address), backlog }, address, options, onStream);
    if (options.mode && !address.address.startsWith('@')) chmodSync(address.address, options.mode);
    return listener;
  }
  const status = handle.listen(backlog);
  if (status !== 0) {
    handle.close();
    return listenError(address, errnoName(status));
  }
  const out: { address?: string; port?: number } = {};
  const bound = handle.getsockname?.(out) === 0 ? ipAddress(out.address ?? '', out.port ?? 0) : address;
  return new NetListener(shared, { _handle: handle, backlog }, bound, options, onStream);
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
    source: object,
    address: Address,
    options: ListenOptions,
    onStream: (stream: ByteStream) => void,
  ) {
    this.#shared = shared;
    this.address = address;
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
    this.#server.listen(source as net.ListenOptions);
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
  #stream: NetStream | null = null;
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#failed(error.code ?? 'ECONNREFUSED');

  constructor(shared: Shared, address: Address, options: ConnectOptions, callback: ConnectCallback) {
    this.#shared = shared;
    this.#address = address;
    this.#callback = callback;
    const base = { allowHalfOpen: true };
    this.#socket = new net.Socket(
      options.fd === undefined ? base : ({ ...base, fd: options.fd, manualStart: true } as net.SocketConstructorOpts),
    );
    this.#socket.on('error', this.#onError);
    this.#socket.on('connect', () => this.#connected());
    if (address.family === 'unix') {
      this.#socket.connect({ path: systemPath(address) });
      return;
    }
    this.#socket.connect({
      host: address.address,
      port: address.port,
      autoSelectFamily: false,
      noDelay: options.noDelay !== false,
      keepAlive: options.keepAliveS !== undefined,
      keepAliveInitialDelay: (options.keepAliveS ?? 0) * 1000,
      ...(options.localAddress === undefined
        ? {}
        : { localAddress: options.localAddress.address, localPort: options.localAddress.port }),
    } as net.SocketConnectOpts);
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.destroy();
  }

  settle(): void {}
  deliver(): void {}
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

  #failed(name: string): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.destroy();
    const isDelayed = name === 'ECONNREFUSED' || name === 'ETIMEDOUT' || name === 'ECONNRESET';
    const remote = this.#address.family !== 'unix' && isDelayed ? null : addressText(this.#address);
    enterStream(this.#shared.turn, this, 'connect', () => this.#callback(null, connectFailure(name, remote)));
  }
}
