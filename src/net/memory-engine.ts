// An engine without sockets: listeners and dials meet in memory, so whole proxies run in tests and simulations.
import type { Address, ByteStream } from '../base/byte-stream.ts';
import type { Clock } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import { addressText } from './address.ts';
import type { ConnectCallback, Engine, Listener, ListenError, PendingConnect } from './engine.ts';
import { connectFailure, errnoText } from './errno.ts';
import { InternalNetwork } from './internal-network.ts';
import { memoryPair, type MemoryPairOptions, type MemoryStream } from './memory-pair.ts';
import { type OnBug, Turn, type TurnStream } from './turn.ts';
import { MemoryUdpNetwork } from './udp-memory.ts';

export type MemoryEngineOptions = {
  readonly clock: Clock;
  readonly onBug: OnBug;
  /** Sizes of the pieces in which bytes arrive; default: as they were sent. */
  readonly nextPieceBytes?: () => number;
};

export type MemoryEngine = Engine & {
  /** Two linked streams: the dialling end and the accepting end. */
  pair(options?: MemoryPairOptions): [MemoryStream, MemoryStream];
};

export function createMemoryEngine(options: MemoryEngineOptions): MemoryEngine {
  const turn = new Turn(options.clock, options.onBug);
  const listeners = new Map<string, MemoryListener>();
  const internal = new InternalNetwork(turn);
  const udp = new MemoryUdpNetwork(turn);
  const pieces = options.nextPieceBytes === undefined ? {} : { nextPieceBytes: options.nextPieceBytes };
  let nextPort = 49_152;
  let streams: MemoryStream[] = [];
  const pair = (pairOptions: MemoryPairOptions = {}): [MemoryStream, MemoryStream] => {
    const made = memoryPair(turn, { ...pieces, ...pairOptions });
    streams = streams.filter((stream) => !stream.isClosed);
    streams.push(...made);
    return made;
  };
  return {
    kind: 'memory',
    clock: options.clock,
    get openStreams() {
      return streams.filter((stream) => !stream.isClosed).length + internal.count.openStreams;
    },
    run: (fn) => turn.run(fn),
    flush: () => turn.flush(),
    pair,
    listen(wanted, options, onStream): Listener | ListenError {
      if (wanted.family === 'internal') return internal.listen(wanted, options, onStream);
      const address = wanted.family !== 'unix' && wanted.port === 0 ? { ...wanted, port: nextPort++ } : wanted;
      const key = addressText(address);
      if (listeners.has(key)) {
        return { errno: 'EADDRINUSE', detail: `cannot bind '${key}': ${errnoText('EADDRINUSE')}` };
      }
      const listener = new MemoryListener(address, onStream, () => listeners.delete(key));
      listeners.set(key, listener);
      return listener;
    },
    // There are no descriptors in memory.
    adopt: () => null,
    bindUdp: (address, udpOptions, handler) => udp.bind(address, udpOptions, handler),
    connect(address, connectOptions, callback) {
      if (address.family === 'internal') return internal.connect(address, connectOptions, callback);
      const local = connectOptions.localAddress ?? { family: 'ipv4', address: '127.0.0.1', port: 0 };
      const clientAddress = { ...local, port: local.port === 0 ? nextPort++ : local.port };
      return new MemoryDial(turn, callback, () => {
        const listener = listeners.get(addressText(address));
        if (listener === undefined) return connectFailure('ECONNREFUSED', null);
        const [client, server] = pair({ clientAddress, serverAddress: address });
        listener.accept(turn, server);
        return client;
      });
    },
  };
}

class MemoryListener implements Listener {
  readonly address: Address;
  readonly fd = -1;
  readonly acceptErrors = 0;
  readonly heldOverflows = 0;
  isPaused = false;
  readonly #onStream: (stream: ByteStream) => void;
  readonly #onClose: () => void;
  #held: (() => void)[] = [];

  constructor(address: Address, onStream: (stream: ByteStream) => void, onClose: () => void) {
    this.address = address;
    this.#onStream = onStream;
    this.#onClose = onClose;
  }

  accept(turn: Turn, stream: MemoryStream): void {
    if (this.isPaused) {
      stream.pause();
      this.#held.push(() => {
        stream.resume();
        this.accept(turn, stream);
      });
      return;
    }
    try {
      this.#onStream(stream);
    } catch (error) {
      turn.contain(stream, error, 'accept');
    }
  }

  close(): void {
    this.#onClose();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    const held = this.#held;
    this.#held = [];
    for (const accept of held) accept();
  }
}

/** Answers after the turn in which it was asked, as a socket does. */
class MemoryDial implements PendingConnect, TurnStream {
  isDirty = false;
  isNotified = false;
  readonly #callback: ConnectCallback;
  readonly #dial: () => MemoryStream | Failure;
  #isDone = false;
  #stream: MemoryStream | null = null;

  constructor(turn: Turn, callback: ConnectCallback, dial: () => MemoryStream | Failure) {
    this.#callback = callback;
    this.#dial = dial;
    turn.markNotified(this);
  }

  cancel(): void {
    this.#isDone = true;
  }

  settle(): void {}

  deliver(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const result = this.#dial();
    if ('code' in result) {
      this.#callback(null, result);
      return;
    }
    this.#stream = result;
    this.#callback(result, null);
  }

  abandon(): void {
    this.#stream?.abandon();
  }
}
