// The listening sockets that the supervisor has sent to this worker, until a listener asks for them.
import type { Address } from '../../base/byte-stream.ts';
import { addressText } from '../../net/address.ts';
import { closeDescriptor } from '../../net/native.ts';
import type { ListeningSockets } from './contract.ts';
import type { SocketGrant } from './messages.ts';

export class GrantedSockets implements ListeningSockets {
  readonly #fds = new Map<string, number[]>();

  constructor(grants: readonly SocketGrant[]) {
    this.add(grants);
  }

  add(grants: readonly SocketGrant[]): void {
    for (const { address, fd } of grants) {
      const key = keyOf(address);
      this.#fds.set(key, [...(this.#fds.get(key) ?? []), fd]);
    }
  }

  take(address: Address): number {
    return this.#fds.get(keyOf(address))?.shift() ?? -1;
  }

  /** Nobody asked for these. */
  closeRest(): void {
    for (const fds of this.#fds.values()) for (const fd of fds) closeDescriptor(fd);
    this.#fds.clear();
  }
}

function keyOf(address: Address): string {
  return `${address.family} ${addressText(address)}`;
}
