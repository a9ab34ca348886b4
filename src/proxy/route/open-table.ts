// A route configuration some of whose virtual hosts come from elsewhere (VHDS): makes its table anew when they change.
import type { ConfigDecoder } from '../config-decoder.ts';
import type { ConfigPlace } from '../xds/place.ts';
import type { OnDemandRoutes } from './route.ts';
import { type CompiledTable, type HostEntry, RouteTableBuilder, type TableSettings } from './route-table.ts';

/** Why a table cannot be: the virtual host with a domain that another one has. */
export type TableConflict = { readonly name: string; readonly reason: string };

export class OpenTable {
  readonly place: ConfigPlace;
  /** A virtual host as this route configuration has it: with what it says for all of them. */
  readonly decodeHost: (message: object, d: ConfigDecoder) => HostEntry;
  readonly #settings: TableSettings;
  readonly #own: HostEntry[] = [];

  constructor(settings: TableSettings, place: ConfigPlace, decodeHost: OpenTable['decodeHost']) {
    this.#settings = settings;
    this.place = place;
    this.decodeHost = decodeHost;
  }

  get name(): string {
    return this.#settings.name;
  }

  /** One that is written in the configuration itself. */
  addOwn(entry: HostEntry): void {
    this.#own.push(entry);
  }

  /** With these besides its own, by name; of two with a domain in common the later one is at fault. */
  tableOf(
    hosts: Iterable<readonly [string, HostEntry]>,
    onDemand: OnDemandRoutes | null,
  ): CompiledTable | TableConflict {
    const builder = new RouteTableBuilder({ ...this.#settings, open: this, onDemand });
    for (const entry of this.#own) builder.add(entry);
    for (const [name, entry] of hosts) {
      const reason = builder.add(entry);
      if (reason !== null) return { name, reason };
    }
    return builder.finish();
  }
}
