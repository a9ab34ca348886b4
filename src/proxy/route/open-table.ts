// A route configuration some of whose virtual hosts come from elsewhere (VHDS): its table changes as they come and go.
import type { ConfigDecoder } from '../config-decoder.ts';
import type { ConfigPlace } from '../xds/place.ts';
import { DomainIndex } from './domain-index.ts';
import type { OnDemandRoutes } from './route.ts';
import { CompiledHost, CompiledTable, type HostEntry, type TableSettings } from './route-table.ts';

/** Why a table cannot be: the virtual host with a domain that another one has. */
export type TableConflict = { readonly name: string; readonly reason: string };

/** What a route configuration says, without the virtual hosts that come by themselves. */
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
  ): GrowingTable | TableConflict {
    const table = new GrowingTable({ ...this.#settings, open: this, onDemand }, this.#own);
    const conflict = table.change(hosts);
    table.keep();
    return conflict ?? table;
  }
}

/** A table whose virtual hosts come and go between requests. */
export class GrowingTable {
  readonly table: CompiledTable;
  readonly #name: string;
  readonly #domains = new DomainIndex<CompiledHost>();
  readonly #hosts = new Map<string, CompiledHost>();
  #undo: (() => void)[] = [];

  constructor(settings: TableSettings, own: readonly HostEntry[]) {
    this.#name = settings.name;
    for (const entry of own) this.#domains.add(new CompiledHost(entry), settings.name);
    this.table = new CompiledTable(settings, this.#domains);
  }

  /** Takes changes by name, null: it goes; or none of them, and says which one cannot be. `keep` makes them last. */
  change(changes: Iterable<readonly [string, HostEntry | null]>): TableConflict | null {
    const added: (readonly [string, HostEntry])[] = [];
    // What goes makes room for what comes.
    for (const [name, entry] of changes) {
      this.#remove(name);
      if (entry !== null) added.push([name, entry]);
    }
    for (const [name, entry] of added) {
      const reason = this.#add(name, new CompiledHost(entry));
      if (reason === null) continue;
      this.undo();
      return { name, reason };
    }
    return null;
  }

  keep(): void {
    this.#undo = [];
  }

  /** As if the last change had not been. */
  undo(): void {
    for (const step of this.#undo.reverse()) step();
    this.#undo = [];
  }

  #add(name: string, host: CompiledHost): string | null {
    const reason = this.#domains.add(host, this.#name);
    if (reason !== null) return reason;
    this.#hosts.set(name, host);
    this.#undo.push(() => {
      this.#domains.remove(host);
      this.#hosts.delete(name);
    });
    return null;
  }

  #remove(name: string): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    this.#domains.remove(host);
    this.#hosts.delete(name);
    this.#undo.push(() => {
      this.#domains.add(host, this.#name);
      this.#hosts.set(name, host);
    });
  }
}
