// UDP sockets on the runtime's raw handles: a datagram costs one object and one buffer, and sending one mostly neither.
import process from 'node:process';
import type { Address } from '../base/byte-stream.ts';
import { addressText, ipAddress } from './address.ts';
import type { ListenError, UdpHandler, UdpOptions, UdpSocket } from './engine.ts';
import { errnoName, errnoText } from './errno.ts';
import type { AddressRecord } from './handles.ts';
import { closeDescriptor, makeSocket } from './native.ts';
import { applyListenOptions } from './prepared-socket.ts';
import type { Turn } from './turn.ts';

/** A UDP socket of libuv. Calls return 0 or a negative error number. */
export type UdpHandle = {
  readonly fd: number;
  onmessage: (length: number, handle: UdpHandle, chunk: Buffer | undefined, from: AddressRecord | undefined) => void;
  open(fd: number): number;
  bind(address: string, port: number, flags: number): number;
  bind6(address: string, port: number, flags: number): number;
  connect(address: string, port: number): number;
  connect6(address: string, port: number): number;
  getsockname(out: AddressRecord): number;
  /** Bytes + 1 when they left within the call, 0 when libuv keeps them until the socket is writable. */
  send(request: SendRequest, chunks: Uint8Array[], count: number, hasCallback: boolean): number;
  send(
    request: SendRequest,
    chunks: Uint8Array[],
    count: number,
    port: number,
    address: string,
    hasCallback: boolean,
  ): number;
  send6: UdpHandle['send'];
  bufferSize(bytes: number, isReceive: boolean, error: { code?: string }): number | undefined;
  recvStart(): number;
  close(): void;
};

type SendRequest = { oncomplete: (status: number) => void; keep: unknown };
type UdpSurface = { readonly Udp: new () => UdpHandle; readonly SendRequest: new () => SendRequest };

const FLAG_IPV6_ONLY = 1;
const FLAG_REUSE_PORT = 64;
const METHODS = ['open', 'bind', 'bind6', 'connect', 'connect6', 'getsockname', 'send', 'send6', 'recvStart', 'close'];

let surface: UdpSurface | null | undefined;

/** Null where the runtime has no such handles: then `bindNodeUdp` serves. */
export function udpSurface(): UdpSurface | null {
  if (surface === undefined) surface = loadSurface();
  return surface;
}

function loadSurface(): UdpSurface | null {
  const settings = process as unknown as { noDeprecation?: boolean; binding(name: string): Record<string, unknown> };
  const before = settings.noDeprecation;
  settings.noDeprecation = true;
  try {
    const found = settings.binding('udp_wrap');
    const { UDP: udp, SendWrap: send } = found;
    if (typeof udp !== 'function' || typeof send !== 'function') return null;
    const prototype = udp.prototype as Record<string, unknown>;
    if (METHODS.some((name) => typeof prototype[name] !== 'function') || !('fd' in prototype)) return null;
    return { Udp: udp as UdpSurface['Udp'], SendRequest: send as unknown as UdpSurface['SendRequest'] };
  } catch {
    return null;
  } finally {
    if (before === undefined) delete settings.noDeprecation;
    else settings.noDeprecation = before;
  }
}

/** A bound (and connected) socket that receives from now on, or why not. Only where `udpSurface()` is not null. */
export function bindUdp(
  turn: Turn,
  address: Address,
  options: UdpOptions,
  handler: UdpHandler,
): UdpSocket | ListenError {
  const { Udp } = udpSurface() as UdpSurface;
  if (address.family === 'unix') return udpError(address, 'EAFNOSUPPORT');
  if (options.reusePort === true && options.joinExisting !== true && address.port !== 0) {
    // With SO_REUSEPORT a second bind succeeds silently: try without it first.
    const probe = new Udp();
    const refused = prepare(probe, address, options);
    const taken = refused === null ? bind(probe, address, options, 0) : 0;
    probe.close();
    if (refused !== null || taken !== 0) return refused ?? udpError(address, errnoName(taken));
  }
  const handle = new Udp();
  const prepared = prepare(handle, address, options);
  if (prepared !== null) return closeWith(handle, prepared);
  const status = bind(handle, address, options, options.reusePort === true ? FLAG_REUSE_PORT : 0);
  if (status !== 0) return closeWith(handle, udpError(address, errnoName(status)));
  const late = applyListenOptions(handle.fd, address, options, 'bound');
  if (late !== null) return closeWith(handle, late);
  const { connectTo, receiveBufferBytes } = options;
  if (connectTo !== undefined) {
    const connected = connect(handle, address.family, connectTo);
    if (connected !== 0) return closeWith(handle, connectError(connectTo, errnoName(connected)));
  }
  // The system may give less (net.core.rmem_max) without saying so, and never refuses a size.
  if (receiveBufferBytes !== undefined) handle.bufferSize(receiveBufferBytes, true, {});
  return new HandleUdpSocket(turn, handle, boundAddress(handle, address), connectTo ?? null, handler);
}

export function udpError(address: Address, errno: string): ListenError {
  return { errno, detail: `cannot bind '${addressText(address)}': ${errnoText(errno)}` };
}

export function connectError(peer: Address, errno: string): ListenError {
  return { errno, detail: `cannot connect to '${addressText(peer)}': ${errnoText(errno)}` };
}

/** The literal that a socket of `family` needs for `to`: IPv4 in IPv6 sockets is mapped. */
export function sendLiteral(family: Address['family'], to: Address): string {
  return family === 'ipv6' && to.family === 'ipv4' ? `::ffff:${to.address}` : to.address;
}

/** Options before bind need a descriptor, which libuv makes in bind: it is made here. */
function prepare(handle: UdpHandle, address: Address, options: UdpOptions): ListenError | null {
  if ((options.socketOptions?.length ?? 0) === 0) return null;
  const fd = makeSocket(address.family, 'datagram');
  if (typeof fd === 'string') return udpError(address, fd);
  const opened = handle.open(fd);
  if (opened === 0) return applyListenOptions(fd, address, options, 'prebind');
  closeDescriptor(fd);
  return udpError(address, errnoName(opened));
}

function closeWith(handle: UdpHandle, error: ListenError): ListenError {
  handle.close();
  return error;
}

function bind(handle: UdpHandle, address: Address, options: UdpOptions, flags: number): number {
  if (address.family === 'ipv4') return handle.bind(address.address, address.port, flags);
  return handle.bind6(address.address, address.port, flags | (options.ipv4Compat === true ? 0 : FLAG_IPV6_ONLY));
}

function connect(handle: UdpHandle, family: Address['family'], to: Address): number {
  const literal = sendLiteral(family, to);
  return family === 'ipv6' ? handle.connect6(literal, to.port) : handle.connect(literal, to.port);
}

function boundAddress(handle: UdpHandle, asked: Address): Address {
  const out: AddressRecord = {};
  return handle.getsockname(out) === 0 && out.address !== undefined ? ipAddress(out.address, out.port ?? 0) : asked;
}

/** The datagram that a handler looks at now. Its memory is its own, so it can be sent on without a copy. */
let received: Buffer | null = null;

class HandleUdpSocket implements UdpSocket {
  isClosed = false;
  readonly address: Address;
  private readonly turn: Turn;
  private readonly handle: UdpHandle;
  private readonly isIpv6: boolean;
  private readonly isConnected: boolean;
  private readonly handler: UdpHandler;
  private readonly chunks: Uint8Array[] = [];
  private request: SendRequest;
  /** libuv keeps a datagram until the socket is writable. */
  private isSending = false;
  private from: Address;

  constructor(turn: Turn, handle: UdpHandle, address: Address, peer: Address | null, handler: UdpHandler) {
    this.turn = turn;
    this.handle = handle;
    this.address = address;
    this.isIpv6 = address.family === 'ipv6';
    this.isConnected = peer !== null;
    this.from = peer ?? address;
    this.handler = handler;
    this.request = this.newRequest();
    handle.onmessage = (length, _handle, chunk, from) => this.message(length, chunk, from);
    handle.recvStart();
  }

  get fd(): number {
    return this.isClosed ? -1 : this.handle.fd;
  }

  send(chunk: Uint8Array, start: number, end: number, to: Address | null): boolean {
    if (this.isClosed || this.isSending) return false;
    const { chunks, handle, request } = this;
    const bytes = stableBytes(chunk, start, end);
    chunks[0] = bytes;
    let status: number;
    if (to === null) {
      status = handle.send(request, chunks, 1, false);
    } else if (this.isIpv6) {
      status = handle.send6(request, chunks, 1, to.port, sendLiteral('ipv6', to), false);
    } else {
      status = handle.send(request, chunks, 1, to.port, to.address, false);
    }
    if (status > 0) return true;
    if (status === 0) {
      this.isSending = true;
      request.keep = bytes;
      this.request = this.newRequest();
      return true;
    }
    return false;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handle.close();
  }

  private newRequest(): SendRequest {
    const request = new (udpSurface() as UdpSurface).SendRequest();
    request.oncomplete = () => {
      this.isSending = false;
    };
    request.keep = null;
    return request;
  }

  private message(length: number, chunk: Buffer | undefined, from: AddressRecord | undefined): void {
    if (this.isClosed) return;
    const { turn } = this;
    turn.enter();
    try {
      if (length < 0) {
        this.handler.onError(errnoName(length));
      } else if (chunk !== undefined) {
        received = chunk;
        this.handler.onDatagram(chunk, 0, length, this.sender(from), this.address);
      }
    } catch (error) {
      turn.onBug(error, 'datagram');
    }
    received = null;
    turn.leave();
  }

  /** Clients send in bursts: the address object of the last one serves as long as it fits. */
  private sender(from: AddressRecord | undefined): Address {
    if (this.isConnected || from?.address === undefined) return this.from;
    const { address, port = 0 } = from;
    if (this.from.port !== port || this.from.address !== address) {
      this.from = this.isIpv6 ? ipAddress(address, port) : { family: 'ipv4', address, port };
    }
    return this.from;
  }
}

/** Bytes that stay as they are after the call; a copy unless the memory is a datagram's own. */
function stableBytes(chunk: Uint8Array, start: number, end: number): Uint8Array {
  if (chunk === received) return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
  const copy = Buffer.allocUnsafe(end - start);
  copy.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
  return copy;
}
