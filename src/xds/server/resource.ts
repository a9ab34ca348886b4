// What an xDS server serves: encoded resources, tables of them that many clients share, and what one client sees.
import { hash } from 'node:crypto';

export type EncodedResource = {
  readonly name: string;
  readonly typeUrl: string;
  /** Hash of the deterministic encoding: replicas and restarts agree on it. */
  readonly version: string;
  /** The encoded message: the value of its Any. */
  readonly body: Uint8Array;
  /** Other names that a client may ask by (on-demand virtual hosts). */
  readonly aliases: readonly string[];
  /** Keys of the objects that its bytes derive from, for receipts; null: nobody has said. */
  readonly causes: readonly string[] | null;
};

/** What one client sees: type URL → tables, shared ones first and its own last; of one name the last table wins. */
export interface ResourceView {
  /** The same tables give the same list as long as nothing changed; a list that changed is noticed at the next push. */
  tables(typeUrl: string): readonly ResourceTable[];
}

export type TableChanges = {
  /** Resources that are there and changed after the given seq, oldest change first. */
  readonly changed: readonly EncodedResource[];
  /** Names that were removed after the given seq and are not there now. */
  readonly removed: readonly string[];
};

/** Changes of a table that are remembered; a client further behind than that is ended and tells what it has. */
export const MAX_REMEMBERED_CHANGES = 16_384;

/** Bytes of removed resources that are kept for clients that are to have them a little longer. */
export const MAX_REMOVED_BYTES = 4 * 1024 * 1024;

const NO_NAMES: readonly string[] = Object.freeze([]);
const NO_CHANGES: TableChanges = Object.freeze({ changed: [], removed: [] });
const VERSION_CHARS = 16;

/** `body` is kept, not copied, and must not change. */
export function encodedResource(
  typeUrl: string,
  name: string,
  body: Uint8Array,
  aliases: readonly string[] = NO_NAMES,
  causes: readonly string[] | null = null,
): EncodedResource {
  return { name, typeUrl, version: hash('sha1', body, 'hex').slice(0, VERSION_CHARS), body, aliases, causes };
}

type Entry = { resource: EncodedResource; seq: number };
/** `wasThere`: there was something under the name until then; `removed`: what that was, if nothing is from then on. */
type Change = {
  readonly name: string;
  readonly seq: number;
  readonly wasThere: boolean;
  removed: EncodedResource | null;
};

/**
 * All resources of one type that one kind of client may have; one table is shared by all clients of the same cache key.
 * `seq` counts the commits that changed something. A table that is no longer used is let go, never emptied: streams
 * look into it to learn what their client has.
 */
export class ResourceTable {
  readonly typeUrl: string;
  /** For people: the cache key. */
  readonly label: string;
  seq = 0;
  readonly #entries = new Map<string, Entry>();
  /** The last changes in order of `seq`; a name changed twice is there twice. */
  #log: Change[] = [];
  /** Changes with a greater seq than this are all in the log. */
  #logFrom = 0;
  readonly #aliases = new Map<string, string>();
  /** The last answers: clients of one table ask the same, and get the same list. */
  #all: { readonly seq: number; readonly resources: readonly EncodedResource[] } | null = null;
  #changes: { readonly since: number; readonly seq: number; readonly changes: TableChanges | undefined } | null = null;
  #removedBytes = 0;
  #digestHigh = 0;
  #digestLow = 0;
  #bytes = 0;

  constructor(typeUrl: string, label = '') {
    this.typeUrl = typeUrl;
    this.label = label;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Sum of the bodies' lengths. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hash over the names and versions of all resources, whatever their order. */
  get digest(): string {
    return hex(this.#digestHigh) + hex(this.#digestLow);
  }

  get(name: string): EncodedResource | undefined {
    return this.#entries.get(name)?.resource;
  }

  /** The seq at which the resource got its present bytes; 0 for one that is not there. */
  changedAt(name: string): number {
    return this.#entries.get(name)?.seq ?? 0;
  }

  names(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** All resources; the same list as long as nothing changes. */
  all(): readonly EncodedResource[] {
    if (this.#all?.seq !== this.seq) {
      this.#all = { seq: this.seq, resources: Array.from(this.#entries.values(), (entry) => entry.resource) };
    }
    return this.#all.resources;
  }

  /** The resource that has the alias. */
  byAlias(alias: string): EncodedResource | undefined {
    const name = this.#aliases.get(alias);
    return name === undefined ? undefined : this.get(name);
  }

  /** Makes `resources` the whole content. Returns the names that changed, came or went. */
  set(resources: Iterable<EncodedResource>): readonly string[] {
    const names = new Set<string>();
    const changes: [string, EncodedResource | null][] = [];
    for (const resource of resources) {
      names.add(resource.name);
      changes.push([resource.name, resource]);
    }
    for (const name of this.#entries.keys()) if (!names.has(name)) changes.push([name, null]);
    return this.apply(changes);
  }

  /** Puts resources, or removes them where there is null. Returns the names that changed, came or went. */
  apply(changes: Iterable<readonly [string, EncodedResource | null]>): readonly string[] {
    const seq = this.seq + 1;
    const names: string[] = [];
    for (const [name, resource] of changes) {
      const known = this.get(name);
      if (!this.#put(name, resource, seq)) continue;
      names.push(name);
      const removed = resource === null ? (known ?? null) : null;
      this.#log.push({ name, seq, wasThere: known !== undefined, removed });
      this.#removedBytes += removed?.body.length ?? 0;
    }
    if (names.length === 0) return names;
    this.seq = seq;
    this.#trimLog();
    return names;
  }

  #put(name: string, resource: EncodedResource | null, seq: number): boolean {
    const entry = this.#entries.get(name);
    if (resource === null) {
      if (entry === undefined) return false;
      this.#count(entry.resource, -1);
      this.#entries.delete(name);
      return true;
    }
    if (entry === undefined) {
      this.#entries.set(name, { resource, seq });
    } else {
      if (entry.resource.version === resource.version && sameList(entry.resource.aliases, resource.aliases)) {
        // The same bytes, for other reasons perhaps.
        if (sameList(entry.resource.causes ?? NO_NAMES, resource.causes ?? NO_NAMES)) return false;
        entry.resource = resource;
        this.#all = this.#changes = null;
        return false;
      }
      this.#count(entry.resource, -1);
      entry.resource = resource;
      entry.seq = seq;
    }
    this.#count(resource, 1);
    return true;
  }

  /** Called with what comes (1) and what goes (-1). */
  #count(resource: EncodedResource, sign: number): void {
    for (const alias of resource.aliases) {
      if (sign > 0) this.#aliases.set(alias, resource.name);
      else if (this.#aliases.get(alias) === resource.name) this.#aliases.delete(alias);
    }
    this.#bytes += sign * resource.body.length;
    const digest = hash('sha1', `${resource.name} ${resource.version}`, 'hex');
    this.#digestHigh ^= Number.parseInt(digest.slice(0, 8), 16);
    this.#digestLow ^= Number.parseInt(digest.slice(8, 16), 16);
  }

  #trimLog(): void {
    for (const change of this.#log) {
      if (this.#removedBytes <= MAX_REMOVED_BYTES) break;
      this.#removedBytes -= change.removed?.body.length ?? 0;
      change.removed = null;
    }
    // Half at a time, so that forgetting costs nothing per change.
    if (this.#log.length <= MAX_REMEMBERED_CHANGES) return;
    const cut = this.#log.length - MAX_REMEMBERED_CHANGES / 2;
    this.#logFrom = (this.#log[cut - 1] as Change).seq;
    this.#log = this.#log.slice(cut).filter((change) => change.seq > this.#logFrom);
    this.#removedBytes = this.#log.reduce((sum, { removed }) => sum + (removed?.body.length ?? 0), 0);
  }

  /** What changed after the commit `seq`; undefined when that is longer ago than the table remembers. */
  changedSince(seq: number): TableChanges | undefined {
    if (seq >= this.seq) return NO_CHANGES;
    if (this.#changes?.since !== seq || this.#changes.seq !== this.seq) {
      this.#changes = { since: seq, seq: this.seq, changes: this.#changesSince(seq) };
    }
    return this.#changes.changes;
  }

  #changesSince(seq: number): TableChanges | undefined {
    if (seq < this.#logFrom) return undefined;
    const changed: EncodedResource[] = [];
    const removed: string[] = [];
    const seen = new Set<string>();
    for (let index = this.#firstAfter(seq); index < this.#log.length; index++) {
      const { name, wasThere } = this.#log[index] as Change;
      if (seen.has(name)) continue;
      seen.add(name);
      const entry = this.#entries.get(name);
      if (entry !== undefined) changed.push(entry.resource);
      // What came and went meanwhile nobody has seen.
      else if (wasThere) removed.push(name);
    }
    return { changed, removed };
  }

  /** What was last under a name that is not there now, as far back as the table remembers. */
  formerly(name: string): EncodedResource | undefined {
    for (let index = this.#log.length - 1; index >= 0; index--) {
      const change = this.#log[index] as Change;
      if (change.name === name && change.removed !== null) return change.removed;
    }
    return undefined;
  }

  /** Index of the first change in the log with a greater seq. */
  #firstAfter(seq: number): number {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#log[middle] as Change).seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** What a client with these tables sees under a name, or an alias. */
export function findResource(tables: readonly ResourceTable[], name: string): EncodedResource | undefined {
  for (let index = tables.length - 1; index >= 0; index--) {
    const table = tables[index] as ResourceTable;
    const resource = table.get(name) ?? table.byAlias(name);
    if (resource !== undefined) return resource;
  }
  return undefined;
}
