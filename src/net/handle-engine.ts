// The engine on raw handles: listening, accepting and dialling without the runtime's stream layer.
import { chmodSync } from 'node:fs';
import type { Address, ByteStream } from '../base/byte-stream.ts';
import type { Failure } from '../base/failure.ts';
import { addressText, ipAddress, systemPath, unixPathError } from './address.ts';
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
import { connectFailure, errnoName } from './errno.ts';
import { FlowBuffers, MOST_FLOW_BUFFERS } from './flow-buffers.ts';
import { type HandleShared, HandleStream, newWriteRequest } from './handle-stream.ts';
import {
  type AddressRecord,
  type ConnectRequest,
  FLAG_IPV6_ONLY,
  FLAG_REUSE_PORT,
  type Handle,
  handleSurface,
  type PipeHandle,
  SERVER,
  SOCKET,
  type Surface,
  type TcpHandle,
} from './handles.ts';
import { closeDescriptor, socketAddress } from './native.ts';
import {
  applyListenOptions,
  bindFailure,
  listenError,
  needsPreparedDial,
  needsPreparedListener,
  preparedDial,
  preparedListener,
  removeSocket,
} from './prepared-socket.ts';
import { InternalNetwork } from './internal-network.ts';
import { Turn, type TurnStream } from './turn.ts';
import { bindUdp, udpSurface } from './udp.ts';
import { bindNodeUdp } from './udp-node.ts';

const DEFAULT_READ_BUFFER_BYTES = 256 * 1024;
const SCRATCH_BYTES = 64 * 1024;
export const DEFAULT_BACKLOG = 4096;
export const DEFAULT_MAX_HELD = 1024;

export function createHandleEngine(options: EngineOptions): Engine {
  const turn = new Turn(options.clock, options.onBug);
  const surface = handleSurface();
  const shared: HandleShared = {
    turn,
    surface,
    readBuffer: Buffer.allocUnsafeSlow(options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES),
    scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES),
    request: newWriteRequest(surface),
    flows: new FlowBuffers(options.clock, options.mostFlowBuffers ?? MOST_FLOW_BUFFERS),
    openStreams: 0,
  };
  const internal = new InternalNetwork(turn);
  return {
    kind: 'handles',
    clock: options.clock,
    get openStreams() {
      return shared.openStreams + internal.count.openStreams;
    },
    run: (fn) => turn.run(fn),
    flush: () => turn.flush(),
    listen(address, listenOptions, onStream) {
      if (address.family === 'internal') return internal.listen(address, listenOptions, onStream);
      const handle = bindHandle(surface, address, listenOptions);
      return 'errno' in handle ? handle : new HandleListener(shared, handle, address, listenOptions, onStream);
    },
    connect: (address, connectOptions, callback) =>
      address.family === 'internal'
        ? internal.connect(address, connectOptions, callback)
        : new HandleDial(shared, address, connectOptions, callback),
    adopt(fd, family) {
      const handle = family === 'unix' ? new surface.Pipe(SOCKET) : new surface.Tcp(SOCKET);
      if ((handle.open(fd) ?? 0) !== 0) {
        handle.close();
        return null;
      }
      const local = family === 'unix' ? socketAddress(fd) : null;
      return new HandleStream(shared, handle, 'accepted', local, null);
    },
    bindUdp: (address, udpOptions, handler) =>
      (udpSurface() === null ? bindNodeUdp : bindUdp)(turn, address, udpOptions, handler),
  };
}

/** A bound and listening handle, or why not. */
export function bindHandle(surface: Surface, address: Address, options: ListenOptions): Handle | ListenError {
  const taken = probePort(surface, address, options);
  if (taken !== null) return taken;
  const handle = address.family === 'unix' ? new surface.Pipe(SERVER) : new surface.Tcp(SERVER);
  const failed = startListening(handle, address, options);
  if (failed === null) return handle;
  handle.close();
  return failed;
}

function startListening(handle: Handle, address: Address, options: ListenOptions): ListenError | null {
  if (needsPreparedListener(options)) {
    const error = openPrepared(handle, address, options);
    if (error !== null) return error;
  } else {
    const status = bind(handle, address, options);
    if (status !== 0) return listenError(address, typeof status === 'string' ? status : errnoName(status));
    // An inherited descriptor came prepared.
    const error = options.fd === undefined ? applyListenOptions(handle.fd, address, options, 'bound') : null;
    if (error !== null) return error;
  }
  const status = handle.listen(options.backlog ?? DEFAULT_BACKLOG);
  if (status !== 0) return listenError(address, errnoName(status));
  return applyListenOptions(handle.fd, address, options, 'listening');
}

function openPrepared(handle: Handle, address: Address, options: ListenOptions): ListenError | null {
  if (address.family === 'unix') {
    const error = unixPathError(address);
    if (error !== null) return listenError(address, error);
    removeSocket(address.address);
  }
  const fd = preparedListener(address, options, options.reusePort === true);
  if (typeof fd !== 'number') return fd;
  const status = handle.open(fd) ?? 0;
  if (status !== 0) {
    closeDescriptor(fd);
    return listenError(address, errnoName(status));
  }
  const error = address.family === 'unix' ? setMode(address, options) : 0;
  return error === 0 ? null : listenError(address, error);
}

/** With SO_REUSEPORT a second bind succeeds silently: try without it first. */
function probePort(surface: Surface, address: Address, options: ListenOptions): ListenError | null {
  if (address.family === 'unix' || options.fd !== undefined) return null;
  if (options.reusePort !== true || options.joinExisting === true || address.port === 0) return null;
  if (needsPreparedListener(options)) {
    const fd = preparedListener(address, options, false);
    if (typeof fd !== 'number') return fd;
    closeDescriptor(fd);
    return null;
  }
  const handle = new surface.Tcp(SERVER);
  // libuv tells of a taken port only in the next call.
  const status = bindTcp(handle, address, options, 0) || handle.getsockname({});
  handle.close();
  return status === 0 ? null : listenError(address, errnoName(status));
}

function bind(handle: Handle, address: Address, options: ListenOptions): number | string {
  if (options.fd !== undefined) return handle.open(options.fd) ?? 0;
  if (address.family === 'unix') return bindUnix(handle as PipeHandle, address, options);
  return bindTcp(handle as TcpHandle, address, options, options.reusePort === true ? FLAG_REUSE_PORT : 0);
}

function bindTcp(handle: TcpHandle, address: Address, options: ListenOptions, flags: number): number {
  if (address.family === 'ipv4') return handle.bind(address.address, address.port, flags);
  const only = options.ipv4Compat === true ? 0 : FLAG_IPV6_ONLY;
  return handle.bind6(address.address, address.port, flags | only);
}

function bindUnix(handle: PipeHandle, address: Address, options: ListenOptions): number | string {
  const error = unixPathError(address);
  if (error !== null) return error;
  removeSocket(address.address);
  return handle.bind(systemPath(address)) || setMode(address, options);
}

function setMode(address: Address, options: ListenOptions): 0 | string {
  if (!options.mode || address.address.startsWith('@')) return 0;
  try {
    chmodSync(address.address, options.mode);
    return 0;
  } catch (failed) {
    return (failed as { code?: string }).code ?? 'EACCES';
  }
}

class HandleListener implements Listener {
  readonly address: Address;
  readonly fd: number;
  acceptErrors = 0;
  heldOverflows = 0;
  isPaused = false;
  readonly #shared: HandleShared;
  readonly #handle: Handle;
  readonly #options: ListenOptions;
  readonly #onStream: (stream: ByteStream) => void;
  #held: Handle[] = [];
  #isClosed = false;

  constructor(
    shared: HandleShared,
    handle: Handle,
    address: Address,
    options: ListenOptions,
    onStream: (stream: ByteStream) => void,
  ) {
    this.#shared = shared;
    this.#handle = handle;
    this.#options = options;
    this.#onStream = onStream;
    this.fd = handle.fd;
    this.address = boundAddress(handle, address);
    if (address.family !== 'unix') prepareListener(handle as TcpHandle, options);
    handle.onconnection = (status, accepted) => this.#connected(status, accepted);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handle.close();
    // The kernel does the same to those that wait in its own queue.
    for (const handle of this.#held) reject(handle);
    this.#held = [];
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    const held = this.#held;
    this.#held = [];
    const { turn } = this.#shared;
    turn.enter();
    for (const handle of held) {
      if (this.isPaused) this.#held.push(handle);
      else this.#open(handle);
    }
    turn.leave();
  }

  #connected(status: number, handle: Handle | undefined): void {
    if (status < 0 || handle === undefined) {
      this.acceptErrors++;
      return;
    }
    if (this.isPaused) {
      if (this.#held.length < (this.#options.maxHeld ?? DEFAULT_MAX_HELD)) {
        this.#held.push(handle);
        return;
      }
      this.heldOverflows++;
      reject(handle);
      return;
    }
    const { turn } = this.#shared;
    turn.enter();
    this.#open(handle);
    turn.leave();
  }

  #open(handle: Handle): void {
    const isUnix = this.address.family === 'unix';
    const stream = new HandleStream(this.#shared, handle, 'accepted', isUnix ? this.address : null, null);
    try {
      this.#onStream(stream);
    } catch (error) {
      this.#shared.turn.contain(stream, error, 'accept');
    }
  }
}

/** On Linux accepted sockets inherit these, which saves two system calls for each of them. */
function prepareListener(handle: TcpHandle, options: ListenOptions): void {
  if (options.noDelay !== false) handle.setNoDelay(true);
  if (options.keepAliveS !== undefined) handle.setKeepAlive(true, options.keepAliveS);
}

function boundAddress(handle: Handle, address: Address): Address {
  if (address.family === 'unix') return address;
  const out: AddressRecord = {};
  if ((handle as TcpHandle).getsockname(out) !== 0 || out.address === undefined) return address;
  return ipAddress(out.address, out.port ?? 0);
}

function reject(handle: Handle): void {
  const tcp = handle as TcpHandle;
  if (typeof tcp.reset === 'function' && tcp.reset() === 0) return;
  handle.close();
}

class HandleDial implements PendingConnect, TurnStream {
  isDirty = false;
  isNotified = false;
  readonly shared: HandleShared;
  readonly #handle: Handle;
  readonly #address: Address;
  readonly #options: ConnectOptions;
  readonly #callback: ConnectCallback;
  #isDone = false;
  #refused: Failure | null = null;
  #isPrepared = false;
  #stream: HandleStream | null = null;

  constructor(shared: HandleShared, address: Address, options: ConnectOptions, callback: ConnectCallback) {
    this.shared = shared;
    this.#address = address;
    this.#options = options;
    this.#callback = callback;
    const { surface } = shared;
    this.#handle = address.family === 'unix' ? new surface.Pipe(SOCKET) : new surface.Tcp(SOCKET);
    const status = this.#start(surface);
    if (status === 0) return;
    this.#refused =
      typeof status === 'object'
        ? status
        : connectFailure(typeof status === 'string' ? status : errnoName(status), addressText(address));
    shared.turn.markNotified(this);
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#handle.close();
  }

  /** The system's late answer. */
  connected(status: number): void {
    if (this.#isDone) return;
    this.#isDone = true;
    if (status < 0) {
      this.#handle.close();
      // libuv puts the immediate errors of unix sockets off to here.
      const remote = this.#address.family === 'unix' ? this.#address.address : null;
      this.#callback(null, connectFailure(errnoName(status), remote));
      return;
    }
    const { keepAliveS } = this.#options;
    if (keepAliveS !== undefined && !this.#isPrepared && this.#address.family !== 'unix') {
      (this.#handle as TcpHandle).setKeepAlive(true, keepAliveS);
    }
    this.#stream = new HandleStream(this.shared, this.#handle, 'dialled', null, this.#address);
    this.#callback(this.#stream, null);
  }

  /** Tells of an error that the call itself gave, after the caller has returned. */
  deliver(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#handle.close();
    this.#callback(null, this.#refused);
  }

  settle(): void {}

  abandon(): void {
    this.#stream?.abandon();
  }

  #start(surface: Surface): number | string | Failure {
    const { localAddress, noDelay } = this.#options;
    const address = this.#address;
    const opened = this.#open();
    if (opened !== 0) return opened;
    if (address.family === 'unix') {
      const error = unixPathError(address);
      if (error !== null) return error;
      const pipeRequest = new surface.PipeConnectRequest();
      this.#expect(pipeRequest);
      return (this.#handle as PipeHandle).connect(pipeRequest, systemPath(address)) ?? 0;
    }
    const tcp = this.#handle as TcpHandle;
    if (localAddress !== undefined && !this.#isPrepared) {
      const { address: ip, port } = localAddress;
      const status = localAddress.family === 'ipv6' ? tcp.bind6(ip, port, FLAG_IPV6_ONLY) : tcp.bind(ip, port, 0);
      if (status !== 0) return bindFailure(localAddress, errnoName(status));
    }
    if (noDelay !== false) tcp.setNoDelay(true);
    const request = new surface.TcpConnectRequest();
    this.#expect(request);
    return address.family === 'ipv6'
      ? tcp.connect6(request, address.address, address.port)
      : tcp.connect(request, address.address, address.port);
  }

  /** Takes over the descriptor that was given or had to be prepared; else libuv makes one. */
  #open(): number | Failure {
    const { fd } = this.#options;
    this.#isPrepared = needsPreparedDial(this.#address, this.#options);
    const ready = this.#isPrepared ? preparedDial(this.#address, this.#options) : fd;
    if (ready === undefined) return 0;
    if (typeof ready === 'object') {
      // A given descriptor is ours whatever happens: closing the handle closes it.
      if (fd !== undefined) this.#handle.open(fd);
      return ready;
    }
    const status = this.#handle.open(ready) ?? 0;
    if (status !== 0 && fd === undefined) closeDescriptor(ready);
    return status;
  }

  #expect(request: ConnectRequest): void {
    request.owner = this;
    request.oncomplete = onConnected;
  }
}

function onConnected(this: ConnectRequest, status: number): void {
  const dial = this.owner as HandleDial;
  const { turn } = dial.shared;
  turn.enter();
  try {
    dial.connected(status);
  } catch (error) {
    turn.contain(dial, error, 'connect');
  }
  turn.leave();
}
