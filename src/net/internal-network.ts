// Internal listeners of one engine: dials to their addresses meet them in memory, on the same thread.
import type { Address, ByteStream } from '../base/byte-stream.ts';
import type { Failure } from '../base/failure.ts';
import { addressText, internalAddress } from './address.ts';
import type { ConnectCallback, Listener, ListenError, ListenOptions, PendingConnect } from './engine.ts';
import { connectFailure } from './errno.ts';
import { memoryPair, type MemoryStream } from './memory-pair.ts';
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

  connect(address: Address, callback: ConnectCallback): PendingConnect {
    return new InternalDial(this, address, callback);
  }

  /** Both ends, or why there is nobody to talk to; the accepting one is given to its listener later. */
  meet(address: Address): readonly [MemoryStream, MemoryStream, InternalAcceptor] | Failure {
    const acceptor = this.#listeners.get(address.listenerName ?? '');
    if (acceptor === undefined) return connectFailure('EINVAL', addressText(address));
    const [client, server] = memoryPair(this.turn, {
      clientAddress: CLIENT_ADDRESS,
      serverAddress: address,
      capacityBytes: acceptor.bufferBytes,
      // As in Envoy, where such a connection ends, and has no other way to do so.
      carriesResets: false,
      count: this.count,
    });
    return [client, server, acceptor];
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

/** Answers after the turn in which it was asked, as a socket does. */
class InternalDial implements PendingConnect, TurnStream {
  isDirty = false;
  isNotified = false;
  readonly #network: InternalNetwork;
  readonly #address: Address;
  #callback: ConnectCallback | null;
  #stream: MemoryStream | null = null;

  constructor(network: InternalNetwork, address: Address, callback: ConnectCallback) {
    this.#network = network;
    this.#address = address;
    this.#callback = callback;
    network.turn.markNotified(this);
  }

  cancel(): void {
    this.#callback = null;
  }

  settle(): void {}

  deliver(): void {
    const callback = this.#callback;
    if (callback === null) return;
    this.#callback = null;
    const met = this.#network.meet(this.#address);
    if ('code' in met) {
      callback(null, met);
      return;
    }
    const [client, server, acceptor] = met;
    this.#stream = client;
    // The dialling side comes first: it leaves with its end what the listener is to know of the connection.
    callback(client, null);
    acceptor.accept(server);
  }

  abandon(): void {
    this.#stream?.abandon();
  }
}
