// Internal listeners of one engine: dials to their addresses meet them in memory, on the same thread.
import type { Address, ByteStream } from '../base/byte-stream.ts';
import { addressText, internalAddress } from './address.ts';
import type {
  ConnectCallback,
  ConnectOptions,
  Listener,
  ListenError,
  ListenOptions,
  PendingConnect,
} from './engine.ts';
import { connectFailure } from './errno.ts';
import { leaveForPeer, memoryPair, type MemoryStream } from './memory-pair.ts';
import type { Turn, TurnStream } from './turn.ts';

/** Source: Envoy envoy.bootstrap.internal_listener, buffer_size_kb. */
export const INTERNAL_BUFFER_BYTES = 1024 * 1024;
/** Connections that wait while accepting is paused. */
const MAX_HELD = 1024;
/** Source: Envoy InternalClientConnectionFactory: every client is told to be this one. */
const CLIENT_ADDRESS: Address = Object.freeze(internalAddress('internal_client_address'));

export class InternalNetwork {
  readonly turn: Turn;
  readonly count: { openStreams: number } = { openStreams: 0 };
  readonly #listeners = new Map<string, InternalAcceptor>();

  constructor(turn: Turn) {
    this.turn = turn;
  }

  /** `options.reusePort` with `joinExisting` replaces the listener of that name, as an update does. */
  listen(
    address: Address,
    options: ListenOptions,
    onStream: (stream: ByteStream) => void,
  ): InternalAcceptor | ListenError {
    const name = address.listenerName ?? '';
    if (this.#listeners.has(name) && options.joinExisting !== true) {
      return { errno: 'EADDRINUSE', detail: `there is an internal listener ${JSON.stringify(name)} already` };
    }
    const acceptor = new InternalAcceptor(this.turn, address, options, onStream, () => {
      if (this.#listeners.get(name) === acceptor) this.#listeners.delete(name);
    });
    this.#listeners.set(name, acceptor);
    return acceptor;
  }

  connect(address: Address, { left }: ConnectOptions, callback: ConnectCallback): PendingConnect {
    return new InternalDial(this, address, left, callback);
  }

  find(address: Address): InternalAcceptor | null {
    return this.#listeners.get(address.listenerName ?? '') ?? null;
  }

  /** The dialling end and the accepting one. */
  pair(address: Address, { bufferBytes }: InternalAcceptor): [MemoryStream, MemoryStream] {
    return memoryPair(this.turn, {
      clientAddress: CLIENT_ADDRESS,
      serverAddress: address,
      capacityBytes: bufferBytes,
      closeResets: true,
      count: this.count,
    });
  }
}

class InternalAcceptor implements Listener {
  readonly address: Address;
  readonly fd = -1;
  readonly acceptErrors = 0;
  heldOverflows = 0;
  isPaused = false;
  readonly bufferBytes: number;
  readonly #turn: Turn;
  readonly #maxHeld: number;
  readonly #onStream: (stream: ByteStream) => void;
  readonly #onClose: () => void;
  #held: MemoryStream[] = [];
  #isClosed = false;

  constructor(
    turn: Turn,
    address: Address,
    options: ListenOptions,
    onStream: (stream: ByteStream) => void,
    onClose: () => void,
  ) {
    this.#turn = turn;
    this.address = address;
    this.bufferBytes = options.internalBufferBytes ?? INTERNAL_BUFFER_BYTES;
    this.#maxHeld = options.maxHeld ?? MAX_HELD;
    this.#onStream = onStream;
    this.#onClose = onClose;
  }

  accept(stream: MemoryStream): void {
    if (this.#isClosed || (this.isPaused && this.#held.length >= this.#maxHeld)) {
      this.heldOverflows++;
      stream.destroy();
      return;
    }
    if (this.isPaused) {
      stream.pause();
      this.#held.push(stream);
      return;
    }
    try {
      this.#onStream(stream);
    } catch (error) {
      this.#turn.contain(stream, error, 'accept');
    }
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    const held = this.#held;
    this.#held = [];
    this.#turn.enter();
    for (const stream of held) {
      stream.resume();
      this.accept(stream);
    }
    this.#turn.leave();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    for (const stream of this.#held) stream.destroy();
    this.#held = [];
  }
}

/**
 * As in Envoy the listener accepts first, and the answer comes when it has had its say: who was turned away at once
 * could not connect. Neither happens inside the call that dials.
 */
class InternalDial implements PendingConnect, TurnStream {
  isDirty = false;
  isNotified = false;
  readonly #network: InternalNetwork;
  readonly #address: Address;
  readonly #left: unknown;
  #callback: ConnectCallback | null;
  #ends: readonly [MemoryStream, MemoryStream] | null = null;

  constructor(network: InternalNetwork, address: Address, left: unknown, callback: ConnectCallback) {
    this.#network = network;
    this.#address = address;
    this.#left = left;
    this.#callback = callback;
    network.turn.markNotified(this);
  }

  cancel(): void {
    // Once it was answered the stream is its owner's.
    if (this.#callback === null) return;
    this.#callback = null;
    this.#ends?.[0].destroy();
  }

  settle(): void {}

  deliver(): void {
    if (this.#callback === null) return;
    if (this.#ends === null) this.#meet();
    else this.#answer(this.#ends);
  }

  #meet(): void {
    const acceptor = this.#network.find(this.#address);
    if (acceptor === null) {
      this.#refuse(addressText(this.#address));
      return;
    }
    const [client, server] = this.#network.pair(this.#address, acceptor);
    this.#ends = [client, server];
    // It has no owner yet who could hear what comes.
    client.pause();
    if (this.#left !== undefined) leaveForPeer(client, this.#left);
    acceptor.accept(server);
    // Who left something to read was there.
    if (server.isClosed && !client.hasInbox) this.#refuse(addressText(this.#address));
    else this.#network.turn.markNotified(this);
  }

  #answer([client, server]: readonly [MemoryStream, MemoryStream]): void {
    if (server.isClosed && !client.hasInbox) {
      this.#refuse(null);
      return;
    }
    const callback = this.#callback;
    this.#callback = null;
    client.resume();
    callback?.(client, null);
  }

  #refuse(remote: string | null): void {
    const callback = this.#callback;
    this.cancel();
    callback?.(null, connectFailure('EINVAL', remote));
  }

  abandon(): void {
    this.#ends?.[0].abandon();
  }
}
