// Route configurations by name: connection managers that name one all follow it when it is swapped.
import type { RouteTable } from './route.ts';

export type RouteHolder = { current: RouteTable | null };

export class RouteHolders {
  readonly #holders = new Map<string, RouteHolder>();

  /** The holder of a name, empty until `set` fills it. */
  holder(name: string): RouteHolder {
    let holder = this.#holders.get(name);
    if (holder === undefined) {
      holder = { current: null };
      this.#holders.set(name, holder);
    }
    return holder;
  }

  /** What new requests see from now on. */
  set(name: string, table: RouteTable | null): void {
    this.holder(name).current = table;
  }
}
