// Listening sockets by address: they belong to no version of a listener, so an update swaps what stands behind them.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';
import { type Engine, isListenError, type Listener as Acceptor, type ListenOptions } from '../../net/engine.ts';
import type { ConnectionBalancer, ListeningSockets } from '../workers/contract.ts';
import type { ActiveListener } from './listener.ts';
import type { ListenAddress, ListenerConfig } from './listener-config.ts';

/** One listening socket and the listener that serves it now. */
export class BoundSocket {
  readonly key: string;
  readonly options: string;
  readonly acceptor: Acceptor;
  listener: ActiveListener;

  constructor(key: string, options: string, acceptor: Acceptor, listener: ActiveListener) {
    this.key = key;
    this.options = options;
    this.acceptor = acceptor;
    this.listener = listener;
  }
}

export type RegistryContext = {
  readonly engine: Engine;
  readonly sockets: ListeningSockets;
  readonly balancer: ConnectionBalancer;
};

export class AddressRegistry {
  readonly #context: RegistryContext;
  readonly #sockets = new Map<string, BoundSocket>();
  /** New sockets hold their connections until `open`. */
  #isOpen = false;

  constructor(context: RegistryContext) {
    this.#context = context;
  }

  /**
   * Listens on every address of a listener's configuration, or on none of those that are new; sockets that are there
   * already change their owner only with `own`, and new ones let connections in from then on. Returns why it cannot, or
   * null.
   */
  bind(listener: ActiveListener, config: ListenerConfig): string | null {
    const fresh: BoundSocket[] = [];
    for (const wanted of config.addresses) {
      const key = socketKey(config, wanted.address);
      const options = optionsKey(wanted, config);
      const known = this.#sockets.get(key);
      if (known !== undefined && known.options === options) continue;
      // Other socket options need another socket; with SO_REUSEPORT both can be there for a moment.
      const bound = this.#listen(key, options, listener, wanted, config, known !== undefined);
      if (typeof bound === 'string') {
        for (const one of fresh) this.#close(one);
        return bound;
      }
      if (known !== undefined) known.acceptor.close();
      this.#sockets.set(key, bound);
      fresh.push(bound);
    }
    return null;
  }

  /** From now on connections to the configuration's addresses are this listener's. */
  own(listener: ActiveListener, config: ListenerConfig): void {
    for (const { address } of config.addresses) {
      const socket = this.#sockets.get(socketKey(config, address));
      if (socket === undefined) continue;
      socket.listener = listener;
      if (this.#isOpen) socket.acceptor.resume();
    }
  }

  /** Closes the sockets that are still this listener's. */
  release(listener: ActiveListener): void {
    for (const socket of this.#sockets.values()) if (socket.listener === listener) this.#close(socket);
  }

  /** Lets connections in that waited, and from now on all. */
  open(): void {
    this.#isOpen = true;
    for (const { acceptor } of this.#sockets.values()) acceptor.resume();
  }

  /** The real addresses of a listener, in the order of its configuration. */
  addressesOf(listener: ActiveListener): Address[] {
    const { config } = listener;
    return config.addresses.map(
      ({ address }) => this.#sockets.get(socketKey(config, address))?.acceptor.address ?? address,
    );
  }

  isListening(listener: ActiveListener): boolean {
    return [...this.#sockets.values()].some((socket) => socket.listener === listener);
  }

  byKey(key: string): BoundSocket | null {
    return this.#sockets.get(key) ?? null;
  }

  *all(): IterableIterator<BoundSocket> {
    yield* this.#sockets.values();
  }

  #close(socket: BoundSocket): void {
    socket.acceptor.close();
    this.#sockets.delete(socket.key);
  }

  #listen(
    key: string,
    options: string,
    listener: ActiveListener,
    wanted: ListenAddress,
    config: ListenerConfig,
    joinExisting: boolean,
  ): BoundSocket | string {
    const { engine, sockets, balancer } = this.#context;
    const fd = config.internal !== null ? -1 : sockets.take(wanted.address);
    const listenOptions: ListenOptions = {
      ...(config.internal === null ? {} : { internalBufferBytes: config.internal.bufferBytes }),
      ipv4Compat: wanted.ipv4Compat,
      mode: wanted.pipeMode,
      ...(config.backlog > 0 ? { backlog: config.backlog } : {}),
      ...(wanted.socketOptions.length > 0 ? { socketOptions: wanted.socketOptions } : {}),
      ...(fd >= 0 ? { fd } : { reusePort: config.reusePort, joinExisting }),
    };
    let bound: BoundSocket | null = null;
    const accept = (stream: ByteStream): void => (bound as BoundSocket).listener.accept(stream, '');
    const balanced = (stream: ByteStream): void => {
      if (!balancer.giveAway(key, stream)) (bound as BoundSocket).listener.accept(stream, key);
    };
    const acceptor = engine.listen(wanted.address, listenOptions, config.isExactBalance ? balanced : accept);
    if (isListenError(acceptor)) return acceptor.detail;
    acceptor.pause();
    bound = new BoundSocket(key, options, acceptor, listener);
    return bound;
  }
}

/** Listeners with port 0 have sockets of their own. */
function socketKey(config: ListenerConfig, address: Address): string {
  const text = `${address.family} ${address.address} ${address.port}`;
  return hasIp(address) && address.port === 0 ? `${config.name} ${text}` : text;
}

function optionsKey(wanted: ListenAddress, config: ListenerConfig): string {
  return JSON.stringify([wanted.ipv4Compat, wanted.pipeMode, wanted.socketOptions, config.isExactBalance]);
}
