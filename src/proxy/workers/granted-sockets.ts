// The listening sockets that the supervisor has sent to this worker, until a listener asks for them.
import type { Address } from '../../base/byte-stream.ts';
import { addressText } from '../../net/address.ts';
import { closeDescriptor } from '../../net/native.ts';
import type { ListeningSockets } from './contract.ts';
import type { SocketGrant } from './messages.ts';

export class GrantedSockets implements ListeningSockets {
  readonly #grants = new Map<string, SocketGrant[]>();

  constructor(grants: readonly SocketGrant[]) {
    this.add(grants);
  }

  add(grants: readonly SocketGrant[]): void {
    for (const grant of grants) {
      const key = keyOf(grant.address);
      this.#grants.set(key, [...(this.#grants.get(key) ?? []), grant]);
    }
  }

  take(address: Address): number {
    const grant = this.#grants.get(keyOf(address))?.shift();
    return grant === undefined ? -1 : takeOver(grant);
  }

  /** Nobody asked for these. */
  closeRest(): void {
    for (const grants of this.#grants.values()) for (const grant of grants) closeDescriptor(takeOver(grant));
    this.#grants.clear();
  }
}

/** From now on it goes with this thread. */
function takeOver({ fd, taken }: SocketGrant): number {
  Atomics.store(taken, 0, 1);
  return fd;
}

function keyOf(address: Address): string {
  return `${address.family} ${addressText(address)}`;
}
