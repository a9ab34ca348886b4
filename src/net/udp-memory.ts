// UDP without sockets: datagrams between the bound addresses of one memory engine, for tests and simulations.
import type { Address } from '../base/byte-stream.ts';
import { addressText } from './address.ts';
import type { ListenError, UdpHandler, UdpOptions, UdpSocket } from './engine.ts';
import type { Turn, TurnStream } from './turn.ts';
import { udpError } from './udp.ts';

/** What a socket holds for its owner within one turn; more is lost, as in a kernel. */
const MAX_QUEUED_DATAGRAMS = 4096;
/** RFC 768 over IPv4: 65,535 less the two headers. */
const MAX_PAYLOAD_BYTES = 65_507;
const FIRST_PORT = 49_152;

/** All bound sockets of one engine. */
export class MemoryUdpNetwork {
  readonly #turn: Turn;
  readonly #sockets = new Map<string, MemoryUdpSocket>();
  #nextPort = FIRST_PORT;
  #nextFd = 1000;

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  bind(wanted: Address, options: UdpOptions, handler: UdpHandler): UdpSocket | ListenError {
    if (wanted.family === 'unix') return udpError(wanted, 'EAFNOSUPPORT');
    const address = wanted.port === 0 ? { ...wanted, port: this.#nextPort++ } : wanted;
    const key = addressText(address);
    if (this.#sockets.has(key)) return udpError(address, 'EADDRINUSE');
    const socket = new MemoryUdpSocket(this, this.#turn, address, options.connectTo ?? null, handler, this.#nextFd++);
    this.#sockets.set(key, socket);
    return socket;
  }

  find(to: Address): MemoryUdpSocket | undefined {
    return this.#sockets.get(addressText(to)) ?? this.#sockets.get(addressText(wildcard(to)));
  }

  remove(address: Address): void {
    this.#sockets.delete(addressText(address));
  }
}

class MemoryUdpSocket implements UdpSocket, TurnStream {
  isDirty = false;
  isNotified = false;
  isClosed = false;
  readonly address: Address;
  readonly fd: number;
  readonly #network: MemoryUdpNetwork;
  readonly #turn: Turn;
  readonly #peer: Address | null;
  readonly #handler: UdpHandler;
  #queue: { chunk: Buffer; from: Address }[] = [];
  #refusals = 0;

  constructor(
    network: MemoryUdpNetwork,
    turn: Turn,
    address: Address,
    peer: Address | null,
    handler: UdpHandler,
    fd: number,
  ) {
    this.#network = network;
    this.#turn = turn;
    this.address = address;
    this.#peer = peer;
    this.#handler = handler;
    this.fd = fd;
  }

  send(chunk: Uint8Array, start: number, end: number, to: Address | null): boolean {
    const target = to ?? this.#peer;
    if (this.isClosed || target === null || end - start > MAX_PAYLOAD_BYTES) return false;
    const socket = this.#network.find(target);
    if (socket !== undefined) {
      socket.#receive(Buffer.from(chunk.subarray(start, end)), sourceOf(this.address));
    } else if (this.#peer !== null) {
      this.#refusals++;
      this.#notify();
    }
    return true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#network.remove(this.address);
  }

  settle(): void {}
  abandon(): void {}

  deliver(): void {
    const queue = this.#queue;
    const refusals = this.#refusals;
    this.#queue = [];
    this.#refusals = 0;
    for (const { chunk, from } of queue) {
      if (!this.isClosed) this.#contain(() => this.#handler.onDatagram(chunk, 0, chunk.length, from, this.address));
    }
    for (let i = 0; i < refusals; i++) {
      if (!this.isClosed) this.#contain(() => this.#handler.onError('ECONNREFUSED'));
    }
  }

  #receive(chunk: Buffer, from: Address): void {
    if (this.#peer !== null && addressText(this.#peer) !== addressText(from)) return;
    if (this.#queue.length >= MAX_QUEUED_DATAGRAMS) return;
    this.#queue.push({ chunk, from });
    this.#notify();
  }

  #notify(): void {
    if (!this.isNotified) this.#turn.markNotified(this);
  }

  #contain(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#turn.onBug(error, 'datagram');
    }
  }
}

function wildcard(address: Address): Address {
  return { ...address, address: address.family === 'ipv6' ? '::' : '0.0.0.0' };
}

/** What a peer sees of a socket that is bound to every address. */
function sourceOf(address: Address): Address {
  if (address.address === '0.0.0.0') return { ...address, address: '127.0.0.1' };
  return address.address === '::' ? { ...address, address: '::1' } : address;
}
