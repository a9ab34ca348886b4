// UDP sockets on node:dgram: dearer, but a public interface; used where raw handles do not behave.
import type * as dgram from 'node:dgram';
import type { Address } from '../base/byte-stream.ts';
import { ipAddress } from './address.ts';
import type { ListenError, UdpHandler, UdpOptions, UdpSocket } from './engine.ts';
import type { Turn } from './turn.ts';
import { connectError, sendLiteral, udpError } from './udp.ts';

/** Answers within the call, which makes bind and connect answer within theirs: all our addresses are literals. */
const lookup = (host: string, _options: unknown, callback: (error: null, address: string, family: number) => void) =>
  callback(null, host, host.includes(':') ? 6 : 4);

/** A bound (and connected) socket that receives from now on, or why not. */
export function bindNodeUdp(
  turn: Turn,
  address: Address,
  options: UdpOptions,
  handler: UdpHandler,
): UdpSocket | ListenError {
  if (address.family === 'unix') return udpError(address, 'EAFNOSUPPORT');
  if ((options.socketOptions?.length ?? 0) > 0) return udpError(address, 'ENOTSUP');
  if (options.reusePort === true && options.joinExisting !== true && address.port !== 0) {
    const probe = open(address, { ...options, reusePort: false });
    if ('errno' in probe) return udpError(address, probe.errno);
    probe.close();
  }
  const socket = open(address, options);
  if ('errno' in socket) return udpError(address, socket.errno);
  const { connectTo, receiveBufferBytes } = options;
  if (connectTo !== undefined) {
    const errno = attempt(socket, () => socket.connect(connectTo.port, sendLiteral(address.family, connectTo)));
    if (errno !== null) {
      socket.close();
      return connectError(connectTo, errno);
    }
  }
  if (receiveBufferBytes !== undefined) socket.setRecvBufferSize(receiveBufferBytes);
  return new NodeUdpSocket(turn, socket, connectTo ?? null, handler);
}

function open(address: Address, options: UdpOptions): dgram.Socket | { errno: string } {
  // Loaded by the first who needs it.
  const socket = process.getBuiltinModule('node:dgram').createSocket({
    type: address.family === 'ipv6' ? 'udp6' : 'udp4',
    ipv6Only: address.family === 'ipv6' && options.ipv4Compat !== true,
    reusePort: options.reusePort === true,
    lookup: lookup as never,
  });
  const errno = attempt(socket, () => socket.bind({ address: address.address, port: address.port, exclusive: true }));
  if (errno === null) return socket;
  return { errno };
}

/** Runs a call that reports its failure by throwing or by an event within the call. */
function attempt(socket: dgram.Socket, call: () => void): string | null {
  let errno: string | null = null;
  const note = (error: NodeJS.ErrnoException): void => {
    errno = error.code ?? 'EINVAL';
  };
  socket.on('error', note);
  try {
    call();
  } catch (error) {
    note(error as NodeJS.ErrnoException);
  }
  socket.off('error', note);
  return errno;
}

class NodeUdpSocket implements UdpSocket {
  isClosed = false;
  readonly address: Address;
  readonly #turn: Turn;
  readonly #socket: dgram.Socket;
  readonly #peer: Address | null;
  readonly #handler: UdpHandler;
  #isSending = false;

  constructor(turn: Turn, socket: dgram.Socket, peer: Address | null, handler: UdpHandler) {
    this.#turn = turn;
    this.#socket = socket;
    this.#peer = peer;
    this.#handler = handler;
    const bound = socket.address();
    this.address = ipAddress(bound.address, bound.port);
    socket.on('message', (chunk, from) => {
      const sender = peer ?? ipAddress(from.address, from.port);
      this.#enter(() => this.#handler.onDatagram(chunk, 0, chunk.length, sender, this.address));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#enter(() => this.#handler.onError(error.code ?? 'EINVAL'));
    });
  }

  get fd(): number {
    const { _handle: handle } = this.#socket as unknown as { _handle?: { fd?: number } | null };
    return this.isClosed ? -1 : (handle?.fd ?? -1);
  }

  send(chunk: Uint8Array, start: number, end: number, to: Address | null): boolean {
    if (this.isClosed || this.#isSending) return false;
    const bytes = Buffer.from(chunk.subarray(start, end));
    if (to === null) {
      this.#socket.send(bytes, this.#sent);
    } else {
      this.#socket.send(bytes, to.port, sendLiteral(this.address.family, to), this.#sent);
    }
    this.#isSending = this.#socket.getSendQueueCount() > 0;
    return true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#socket.close();
  }

  readonly #sent = (error: Error | null): void => {
    this.#isSending = false;
    const { code } = (error ?? {}) as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED' && this.#peer !== null) this.#enter(() => this.#handler.onError(code));
  };

  #enter(fn: () => void): void {
    if (this.isClosed) return;
    this.#turn.enter();
    try {
      fn();
    } catch (error) {
      this.#turn.onBug(error, 'datagram');
    }
    this.#turn.leave();
  }
}
