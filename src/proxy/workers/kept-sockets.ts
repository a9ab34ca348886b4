// The supervisor's listening sockets: bound once, lent to workers, and there when a worker is not.
import type { ListenOptions } from '../../net/engine.ts';
import { addressText } from '../../net/address.ts';
import { bindKept, type KeptListener } from '../../net/kept-listener.ts';
import { closeDescriptor } from '../../net/native.ts';
import type { ListenAddress, ListenerConfig } from '../listener/listener-config.ts';
import type { SocketGrant } from './messages.ts';

type Kept = { readonly key: string; readonly wanted: ListenAddress; readonly listener: KeptListener };

export class KeptSockets {
  readonly #workers: number;
  /** By listener and address, in the order of the configuration. */
  #kept: Kept[] = [];

  constructor(workers: number) {
    this.#workers = workers;
  }

  /**
   * Binds the addresses that are not bound yet; UDP sockets and internal listeners are each worker's own. Null, or why
   * it cannot.
   */
  bind(config: ListenerConfig): string | null {
    if (!config.bindToPort || config.udp !== null || config.internal !== null) return null;
    for (const wanted of config.addresses) {
      const key = keyOf(config, wanted);
      if (this.#kept.some((kept) => kept.key === key)) continue;
      const listener = bindKept(wanted.address, optionsOf(config, wanted), this.#workers);
      if ('errno' in listener) return listener.detail;
      this.#kept.push({ key, wanted, listener });
    }
    return null;
  }

  /** Closes what no listener of the configuration has any more. */
  keepOnly(listeners: readonly ListenerConfig[]): void {
    const wanted = new Set(listeners.flatMap((config) => config.addresses.map((address) => keyOf(config, address))));
    for (const kept of this.#kept) if (!wanted.has(kept.key)) kept.listener.close();
    this.#kept = this.#kept.filter((kept) => wanted.has(kept.key));
  }

  /** How many are bound. */
  get count(): number {
    return this.#kept.length;
  }

  /**
   * Descriptors for one worker, which are its own from then on: of all sockets, or for an update those that are new
   * (from `firstNew` on) and those that the worker may want once more. It has what has no port of its own by then.
   */
  grantsFor(index: number, firstNew = 0): SocketGrant[] {
    return this.#kept.flatMap(({ wanted, listener }, i) => {
      if (i < firstNew && wanted.address.family !== 'unix' && wanted.address.port === 0) return [];
      const fd = listener.duplicate(index);
      // Without descriptors left the worker tries to bind by itself, and says what the system says.
      if (typeof fd === 'string') return [];
      return [{ address: wanted.address, fd, taken: new Int32Array(new SharedArrayBuffer(4)) }];
    });
  }

  closeAll(): void {
    for (const { listener } of this.#kept) listener.close();
    this.#kept = [];
  }
}

/** The worker is gone: closes what it had not taken over. */
export function closeGrants(grants: readonly SocketGrant[]): void {
  for (const { fd, taken } of grants) if (Atomics.load(taken, 0) === 0) closeDescriptor(fd);
}

/** Listeners with port 0 have sockets of their own; what options differ in makes another socket. */
function keyOf(config: ListenerConfig, { address, ipv4Compat, socketOptions }: ListenAddress): string {
  const owner = address.family !== 'unix' && address.port === 0 ? config.name : '';
  return JSON.stringify([owner, address.family, addressText(address), ipv4Compat, config.reusePort, socketOptions]);
}

function optionsOf(config: ListenerConfig, wanted: ListenAddress): ListenOptions {
  return {
    ipv4Compat: wanted.ipv4Compat,
    mode: wanted.pipeMode,
    reusePort: config.reusePort,
    ...(wanted.socketOptions.length > 0 ? { socketOptions: wanted.socketOptions } : {}),
  };
}
