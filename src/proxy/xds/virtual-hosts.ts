// Virtual hosts that come by themselves (VHDS), of one worker: kept by route configuration, for tables that use them.
import { asciiLower } from '../../base/matcher-text.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import { spaceOf } from '../../xds/client/services.ts';
import { GrowingTable, type OpenTable } from '../route/open-table.ts';
import type { OnDemandRoutes } from '../route/route.ts';
import type { CompiledTable, HostEntry } from '../route/route-table.ts';
import type { Want, WantSink } from './holders.ts';
import type { ConfigPlace } from './place.ts';
import { VIRTUAL_HOST_TYPE } from './types.ts';

/** Hosts that one table has asked for and that the server is asked to watch: clients choose their names. */
const MAX_ASKED = 10_000;

/** A virtual host as it came; `generation` of its update. */
export type HostResource = { readonly name: string; readonly bytes: Uint8Array; readonly generation: number };

/** What an update says of one name. */
export type HostChange = {
  readonly name: string;
  /** Null: it is gone, or (`isAbsent`) was never there. */
  readonly bytes: Uint8Array | null;
  readonly generation: number;
  readonly aliases: readonly string[];
  readonly isAbsent: boolean;
};

export type HostRefusal = { readonly name: string; readonly reason: string };

/** A virtual host for a table; a text says why it cannot be. */
export type HostDecoder = (open: OpenTable, resource: HostResource) => HostEntry | string;

export type HostEntries = ReadonlyMap<string, HostEntry>;

/** What is told of a table: another one serves, or (null) only that the server spoke of its hosts. */
export type Publish = (table: CompiledTable | null) => void;

/** All workers take the same: one counts. Source: Envoy ALL_VHDS_STATS. */
const HOST_STATS = { config_reload: 'counter-once', update_empty: 'counter-once' } as const;

/** The virtual hosts of one route configuration. */
class Space {
  readonly hosts = new Map<string, HostResource>();
  readonly feeds = new Set<HostFeed>();
  /** All there is has come, or was waited for long enough. */
  isSettled = false;
}

export class VirtualHosts {
  readonly #sink: WantSink;
  readonly #stats: StatStore;
  readonly #spaces = new Map<string, Space>();
  /** Set by whoever takes updates: nothing comes before. */
  decode: HostDecoder = () => 'nothing can be decoded here';

  constructor(sink: WantSink, stats: StatStore) {
    this.#sink = sink;
    this.#stats = stats;
  }

  #space(placeKey: string, space: string): Space {
    const key = `${placeKey} ${space}`;
    let known = this.#spaces.get(key);
    if (known === undefined) {
      known = new Space();
      this.#spaces.set(key, known);
    }
    return known;
  }

  /** Yields between hosts: those of a table that is to serve; a text says why it cannot with one of them. */
  *entriesFor(open: OpenTable): Generator<void, HostEntries | string> {
    const entries = new Map<string, HostEntry>();
    for (const resource of this.#space(open.place.key, `${open.name}/`).hosts.values()) {
      const entry = this.decode(open, resource);
      if (typeof entry === 'string') return `${resource.name}: ${entry}`;
      entries.set(resource.name, entry);
      yield;
    }
    return entries;
  }

  /** The same at once. */
  entriesNow(open: OpenTable): HostEntries | string {
    const steps = this.entriesFor(open);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /** Follows the hosts of a table; a text says why it cannot serve with those that are here. */
  follow(open: OpenTable, entries: HostEntries, statPrefix: string, publish: Publish): HostFeed | string {
    const space = this.#space(open.place.key, `${open.name}/`);
    const counts = this.#stats.scope(statPrefix, HOST_STATS);
    const onClose = (): void => {
      space.feeds.delete(feed);
      counts.release();
    };
    const feed = new HostFeed({ open, statPrefix, counts, publish, sink: this.#sink, onClose });
    const conflict = feed.tryWith(open, entries);
    if (conflict !== null) {
      counts.release();
      return conflict.reason;
    }
    space.feeds.add(feed);
    feed.start();
    if (space.isSettled) feed.settle();
    return feed;
  }

  /** Takes changes of one place on; yields between them. What cannot be is added to `refused`. */
  *take(placeKey: string, changes: readonly HostChange[], refused: HostRefusal[]): Generator<void> {
    for (const [name, own] of Map.groupBy(changes, (change) => spaceOf(change.name))) {
      const space = this.#space(placeKey, name);
      const staged = yield* this.#stage(space, own, refused);
      this.#serve(space, staged, refused);
      const names = own.flatMap(({ aliases, bytes, isAbsent }) => (bytes !== null || isAbsent ? aliases : []));
      const isNews = names.length > 0 || staged.size > 0;
      for (const feed of space.feeds) {
        if (isNews) feed.heard(staged.size > 0);
        feed.answer(own);
      }
      yield;
    }
  }

  /** What changes, by name; null: it goes. */
  *#stage(
    space: Space,
    changes: readonly HostChange[],
    refused: HostRefusal[],
  ): Generator<void, Map<string, StagedHost | null>> {
    const staged = new Map<string, StagedHost | null>();
    for (const { name, bytes, generation, isAbsent } of changes) {
      const known = space.hosts.get(name);
      if (bytes === null) {
        if (!isAbsent && known !== undefined) staged.set(name, null);
        continue;
      }
      if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) continue;
      const resource = { name, bytes, generation };
      const entries = new Map<HostFeed, HostEntry>();
      let reason: string | null = null;
      for (const feed of space.feeds) {
        const entry = this.decode(feed.open, resource);
        if (typeof entry === 'string') reason ??= entry;
        else entries.set(feed, entry);
      }
      if (reason === null) staged.set(name, { resource, entries });
      else refused.push({ name, reason });
      yield;
    }
    return staged;
  }

  /** Every table serves with the changes, or without those that one of them cannot have. */
  #serve(space: Space, staged: Map<string, StagedHost | null>, refused: HostRefusal[]): void {
    while (staged.size > 0) {
      const conflict = tryAll(space.feeds, staged);
      if (conflict === null) break;
      // What did not change fits together: it is one of those that did.
      refused.push(conflict);
      staged.delete(conflict.name);
    }
    for (const [name, host] of staged) {
      if (host === null) space.hosts.delete(name);
      else space.hosts.set(name, host.resource);
    }
    if (staged.size > 0) for (const feed of space.feeds) feed.keep();
  }

  /** The first answer has come, or was waited for long enough. */
  settle(placeKey: string, whole: string): void {
    const space = this.#space(placeKey, whole);
    space.isSettled = true;
    for (const feed of space.feeds) feed.settle();
  }
}

type StagedHost = { readonly resource: HostResource; readonly entries: ReadonlyMap<HostFeed, HostEntry> };

/** All tables change, or none, and what keeps one of them from it is returned. */
function tryAll(feeds: Iterable<HostFeed>, staged: ReadonlyMap<string, StagedHost | null>): HostRefusal | null {
  const tried: HostFeed[] = [];
  for (const feed of feeds) {
    const changes = [...staged].map(([name, host]) => [name, host?.entries.get(feed) ?? null] as const);
    const conflict = feed.tryChange(changes);
    if (conflict !== null) {
      for (const one of tried) one.undo();
      return conflict;
    }
    tried.push(feed);
  }
  return null;
}

/** A host that was asked for: who waits for the first answer, and whether there was one and it exists. */
type Asked = { readonly waiting: Set<() => void>; isAnswered: boolean; exists: boolean };

export type HostFeedParts = {
  readonly open: OpenTable;
  readonly statPrefix: string;
  readonly counts: ScopeOf<typeof HOST_STATS>;
  readonly publish: Publish;
  readonly sink: WantSink;
  readonly onClose: () => void;
};

/** One table, made anew as its virtual hosts come and go. */
export class HostFeed implements OnDemandRoutes {
  open: OpenTable;
  readonly #parts: HostFeedParts;
  readonly #asked = new Map<string, Asked>();
  #growing: GrowingTable | null = null;
  #tried: { readonly open: OpenTable; readonly growing: GrowingTable } | null = null;
  #isServing = false;
  #waiting: (() => void)[] = [];

  constructor(parts: HostFeedParts) {
    this.#parts = parts;
    this.open = parts.open;
  }

  get place(): ConfigPlace {
    return this.open.place;
  }

  start(): void {
    this.commit();
    this.#want(`${this.open.name}/`);
  }

  #want(name: string): void {
    this.#parts.sink.want(this.#wantOf(name));
  }

  #unwant(name: string): void {
    this.#parts.sink.unwant(this.#wantOf(name));
  }

  #wantOf(name: string): Want {
    return { type: VIRTUAL_HOST_TYPE, name, place: this.place, statPrefix: this.#parts.statPrefix };
  }

  close(): void {
    this.#parts.onClose();
    for (const name of this.#asked.keys()) this.#unwant(name);
    this.#unwant(`${this.open.name}/`);
    for (const { waiting } of this.#asked.values()) for (const told of [...waiting]) told();
    this.#asked.clear();
  }

  /** Makes a table, which serves with `commit`; or says what keeps it from being. */
  tryWith(open: OpenTable, entries: HostEntries): HostRefusal | null {
    const growing = open.tableOf(entries, this);
    if (!(growing instanceof GrowingTable)) return growing;
    this.#tried = { open, growing };
    return null;
  }

  commit(): void {
    if (this.#tried === null) return;
    const { open, growing } = this.#tried;
    this.#tried = null;
    this.open = open;
    this.#growing = growing;
    this.#publish();
  }

  #publish(): void {
    if (this.#isServing && this.#growing !== null) this.#parts.publish(this.#growing.table);
  }

  /** Changes the table, until `keep` or `undo`; or says what keeps it from that. */
  tryChange(changes: Iterable<readonly [string, HostEntry | null]>): HostRefusal | null {
    return this.#growing?.change(changes) ?? null;
  }

  undo(): void {
    this.#growing?.undo();
  }

  keep(): void {
    this.#growing?.keep();
    this.#publish();
  }

  /** The server spoke of its hosts; `isPublished`: a table with what it said serves. */
  heard(isPublished: boolean): void {
    const { counts, publish } = this.#parts;
    counts.inc(counts.i.config_reload);
    if (this.#isServing && !isPublished) publish(null);
  }

  /** The table serves, with the hosts that are here. */
  serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    this.#publish();
  }

  settle(): void {
    this.serve();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const settled of waiting) settled();
  }

  // ─── On demand ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Source: Envoy VhdsSubscription, domainNameToAlias. What was asked for once is pushed from then on. */
  ask(headers: Headers, told: (isThere: boolean) => void): (() => void) | null {
    const host = asciiLower(headers.authority);
    if (host === '' || host.includes('/')) return null;
    const name = `${this.open.name}/${host}`;
    let asked = this.#asked.get(name);
    if (asked?.isAnswered === true) return null;
    if (asked === undefined) {
      if (this.#asked.size >= MAX_ASKED && !this.#forgetOne()) return null;
      asked = { waiting: new Set(), isAnswered: false, exists: false };
      this.#asked.set(name, asked);
      this.#want(name);
    }
    const { waiting } = asked;
    const wake = (): void => {
      waiting.delete(wake);
      told(this.#growing !== null && this.#growing.table.virtualHost(headers) !== null);
    };
    waiting.add(wake);
    return () => void waiting.delete(wake);
  }

  /** The oldest that leads nowhere and that nobody waits for. */
  #forgetOne(): boolean {
    for (const [name, { waiting, exists }] of this.#asked) {
      if (exists || waiting.size > 0) continue;
      this.#asked.delete(name);
      this.#unwant(name);
      return true;
    }
    return false;
  }

  /** Hosts that an update is about: whoever waits for one goes on. */
  answer(changes: readonly HostChange[]): void {
    if (this.#asked.size === 0) return;
    for (const { aliases, bytes } of changes) {
      for (const name of aliases) {
        const asked = this.#asked.get(name);
        if (asked === undefined) continue;
        asked.isAnswered = true;
        asked.exists = bytes !== null;
        for (const told of [...asked.waiting]) told();
      }
    }
  }
}
