// One type on one stream: what the client asks for, what it has, and what it has to be sent.
import type { EncodedResource, ResourceTable, ResourceView } from './resource.ts';
import { findResource } from './resource.ts';
import { FULL_TYPES, rankOf, SPACED_TYPES, USER_TYPES } from './order.ts';
import { Subscription } from './subscription.ts';
import type { XdsRefusalOf } from './types.ts';

/** What one response brings. */
export type Portion = {
  readonly lists: readonly (readonly EncodedResource[])[];
  readonly removed: readonly string[];
  readonly absent: readonly string[];
};

/** The table has forgotten what changed since the client was sent something. */
export const OUTRUN = 'outrun';

/** Responses that are sent again in parts, after one that the client refused as a whole. */
const MAX_RETRIES = 64;
/** Resources that a text names and that are sent alone. */
const MAX_SUSPECTS = 8;
/** Names of refused resources that are kept with their reasons. */
const MAX_REFUSED = 1000;

//   due ──send()──► in flight ──acknowledged()──► had          `seqs[i]`: commit of tables[i] up to which
//    ▲                  └──────refused()────────► had, or parts of it are due again
//    └────────── the table changes ──────────────────┘
//
// While a response is in flight nothing else of the type is sent, and what changes meanwhile is one response later.
export class TypeState {
  readonly typeUrl: string;
  readonly rank: number;
  readonly subscription: Subscription;
  readonly #isDelta: boolean;
  /** State of the world: every response says everything. */
  readonly isFull: boolean;
  /** The tables that the client was served from, and the commits up to which it was sent, acknowledged, and lives. */
  tables: readonly ResourceTable[] = [];
  #sent: number[] = [];
  #acked: number[] = [];
  #live: number[] = [];
  /** Names that the client asked for (again): they are sent whether or not they changed. */
  readonly pending = new Set<string>();
  /** Those of them that are sent although the client has that very version. */
  readonly #forced = new Set<string>();
  /** What the client has that no table's commit tells: name → version, of another stream or of tables it had before. */
  #known: Map<string, string> | null = null;
  /** The client had something of the type before this stream. */
  isBack = false;
  /** Removals that wait until nobody names them any more. */
  readonly held = new Set<string>();
  #retries: (readonly EncodedResource[])[] = [];
  #retriesLeft = MAX_RETRIES;
  /** Why the client has not what it was sent, by name. */
  refused: Map<string, XdsRefusalOf> | null = null;
  /** Number of the last response; 0: none yet. */
  nonce = 0;
  isAwaiting = false;
  sentMs = 0;
  /** Since when it waits for what it names; −1: it does not. */
  blockedSinceMs = -1;
  #inFlight: Portion | null = null;
  #isFirstDue = true;
  /** Since when something is due, for the time it takes; −1: nothing is. */
  dueSinceMs = -1;

  constructor(typeUrl: string, isDelta: boolean) {
    this.typeUrl = typeUrl;
    this.rank = rankOf(typeUrl);
    this.subscription = new Subscription(typeUrl);
    this.#isDelta = isDelta;
    this.isFull = !isDelta && FULL_TYPES.has(typeUrl);
  }

  /** What the client says it has, before anything was sent. */
  knows(versions: ReadonlyMap<string, string>): void {
    this.#known = new Map(versions);
    this.isBack = versions.size > 0;
    if (this.isBack) this.#isFirstDue = false;
  }

  /** State of the world: the client has all of it already. */
  hasAll(tables: readonly ResourceTable[]): void {
    this.tables = tables;
    this.#sent = tables.map((table) => table.seq);
    this.#acked = [...this.#sent];
    this.#live = tables.map(() => 0);
    this.#clearPending();
    this.#isFirstDue = false;
  }

  /** Everything that is asked for is to be sent again. */
  again(): void {
    this.#isFirstDue = true;
    if (this.subscription.isWildcard) this.#sent.fill(0);
    for (const name of this.subscription.names) this.pending.add(name);
  }

  /** One is to be sent, whatever the client has. */
  force(name: string): void {
    this.pending.add(name);
    this.#forced.add(name);
  }

  /** Names that are asked for and were told, or are no longer asked for. */
  #clearPending(): void {
    this.pending.clear();
    this.#forced.clear();
  }

  /** Nothing of the view is new to this client, as far as can be seen without looking at names. */
  isSettled(view: ResourceView): boolean {
    if (this.pending.size > 0 || this.#retries.length > 0 || this.#isFirstDue || this.#known !== null) return false;
    const tables = view.tables(this.typeUrl);
    if (tables.length !== this.tables.length) return false;
    for (let index = 0; index < tables.length; index++) {
      const table = tables[index] as ResourceTable;
      if (table !== this.tables[index] || table.seq !== this.#sent[index]) return false;
    }
    return true;
  }

  /** The version of the whole, for people and for state of the world. */
  get version(): string {
    const digest = this.tables.map((table) => table.digest).join('.');
    return this.held.size === 0 ? digest : `${digest}+`;
  }

  // ─── What is due ────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the next response brings, which is then to be sent; null: the client has everything. */
  take(view: ResourceView): Portion | null | typeof OUTRUN {
    const tables = view.tables(this.typeUrl);
    if (!sameTables(tables, this.tables) && !this.#moveTo(tables)) return OUTRUN;
    if (this.subscription.isEmpty) {
      this.#isFirstDue = false;
      this.#known = null;
      this.#clearPending();
      this.#sent = tables.map((table) => table.seq);
      this.#settle();
      return null;
    }
    const portion = this.isFull ? this.#takeFull() : this.#takeChanges();
    if (portion === OUTRUN) return OUTRUN;
    // Somebody waits for an answer, and be it that there is nothing.
    const mustAnswer = this.#isFirstDue || (this.#known === null && this.#asksForSpace);
    this.#isFirstDue = false;
    this.#known = null;
    this.#clearPending();
    for (let index = 0; index < tables.length; index++) this.#sent[index] = (tables[index] as ResourceTable).seq;
    if (portion !== null && (!isEmpty(portion) || (mustAnswer && tables.length > 0))) return portion;
    const retry = this.#nextRetry();
    if (retry === null) this.#settle();
    return retry;
  }

  get #asksForSpace(): boolean {
    if (!SPACED_TYPES.has(this.typeUrl)) return false;
    for (const name of this.pending) if (this.subscription.isSpace(name)) return true;
    return false;
  }

  /** Nothing is due: the client has what there is. */
  #settle(): void {
    this.dueSinceMs = -1;
    if (this.held.size > 0 || this.#retries.length > 0) return;
    this.#acked = [...this.#sent];
  }

  /** Other tables serve this client now; false when it cannot be told any more what it has. */
  #moveTo(tables: readonly ResourceTable[]): boolean {
    const { subscription } = this;
    const known = this.#known ?? new Map<string, string>();
    for (let index = 0; index < this.tables.length; index++) {
      const table = this.tables[index] as ResourceTable;
      const since = this.#sent[index] as number;
      if (tables.includes(table) || since === 0) continue;
      const changes = table.changedSince(since);
      if (changes === undefined) return false;
      for (const { name, aliases, version } of table.all()) {
        if (!subscription.covers(name, aliases)) continue;
        known.set(name, table.changedAt(name) <= since ? version : '');
      }
      for (const name of changes.removed) if (subscription.covers(name)) known.set(name, '');
    }
    if (known.size > 0 || this.tables.length > 0) this.#known = known;
    const places = tables.map((table) => this.tables.indexOf(table));
    const pick = (numbers: readonly number[]): number[] => places.map((place) => numbers[place] ?? 0);
    this.#sent = pick(this.#sent);
    this.#acked = pick(this.#acked);
    this.#live = pick(this.#live);
    this.tables = tables;
    return true;
  }

  #takeChanges(): Portion | typeof OUTRUN {
    const lists: (readonly EncodedResource[])[] = [];
    const removed: string[] = [];
    const moved = new Set<EncodedResource>();
    for (let index = 0; index < this.tables.length; index++) {
      if (!this.#changesOf(index, lists, removed, moved)) return OUTRUN;
    }
    // Clients refuse a response that has a name twice: the table that it moved to may tell of it, too.
    for (const list of moved.size > 0 ? lists : []) for (const resource of list) moved.delete(resource);
    if (moved.size > 0) lists.push([...moved]);
    const absent = this.#takePending(lists, removed);
    this.#removeUnknown(removed);
    const gone = this.#hold(removed);
    if (this.#isDelta) return { lists, removed: gone, absent };
    return { lists, removed: [], absent: [] };
  }

  /** Adds what changed in one table and is asked for; false: that is not known any more. */
  #changesOf(
    index: number,
    lists: (readonly EncodedResource[])[],
    removed: string[],
    moved: Set<EncodedResource>,
  ): boolean {
    const table = this.tables[index] as ResourceTable;
    const since = this.#sent[index] as number;
    const changes = since === 0 ? { changed: table.all(), removed: [] } : table.changedSince(since);
    if (changes === undefined) return false;
    const { changed } = changes;
    const wanted = this.#isPlain(index) ? changed : changed.filter((resource) => this.#isDue(resource, index));
    // The same list for all clients of the table, where nothing was left out: it is framed once.
    if (wanted.length > 0) lists.push(wanted.length === changed.length ? changed : wanted);
    for (const { name } of wanted) this.held.delete(name);
    for (const name of changes.removed) {
      if (!this.subscription.covers(name)) continue;
      const other = findResource(this.tables, name);
      if (other === undefined) removed.push(name);
      else if (!this.pending.has(name)) moved.add(other);
    }
    return true;
  }

  /** Whether no resource of the table's can be left out. */
  #isPlain(index: number): boolean {
    if (!this.subscription.isWildcard || this.#known !== null || this.pending.size > 0) return false;
    return this.tables.slice(index + 1).every((table) => table.size === 0);
  }

  #isDue({ name, aliases, version }: EncodedResource, index: number): boolean {
    if (!this.subscription.covers(name, aliases) || this.pending.has(name)) return false;
    if (this.#known?.get(name) === version) return false;
    for (let later = index + 1; later < this.tables.length; later++) {
      if ((this.tables[later] as ResourceTable).get(name) !== undefined) return false;
    }
    return true;
  }

  /** Adds what was asked for by name. Returns the names of virtual hosts that do not exist. */
  #takePending(lists: (readonly EncodedResource[])[], removed: string[]): readonly string[] {
    const { pending } = this;
    if (pending.size === 0) return [];
    const largest = this.tables.find((table) => pending.size * 2 > table.size);
    if (largest !== undefined) {
      // In the table's order, so that clients that ask for the same in another order get the same list.
      const all = largest.all();
      const wanted = all.filter((resource) => this.#takeOne(resource));
      if (wanted.length > 0) lists.push(wanted.length === all.length ? all : wanted);
    }
    const absent: string[] = [];
    const found = new Set<EncodedResource>();
    for (const name of [...pending].sort()) {
      if (this.subscription.isSpace(name)) {
        this.#spaceInto(name, found);
        continue;
      }
      const resource = findResource(this.tables, name);
      if (resource !== undefined) found.add(resource);
      else if (SPACED_TYPES.has(this.typeUrl)) absent.push(name);
      else removed.push(name);
    }
    // Of a name and an alias, or of a space, it may be there already.
    for (const list of lists) if (found.size > 0) for (const resource of list) found.delete(resource);
    const wanted = [...found].filter((resource) => this.#isNews(resource));
    for (const { name } of wanted) this.held.delete(name);
    if (wanted.length > 0) lists.push(wanted);
    return absent;
  }

  /** Whether a resource is among the pending ones, and the one that its name stands for; then it no longer is. */
  #takeOne(resource: EncodedResource): boolean {
    const { name } = resource;
    if (!this.pending.has(name) || findResource(this.tables, name) !== resource) return false;
    this.pending.delete(name);
    this.held.delete(name);
    return this.#isNews(resource);
  }

  #isNews({ name, version }: EncodedResource): boolean {
    return this.#forced.has(name) || this.#known?.get(name) !== version;
  }

  #spaceInto(space: string, found: Set<EncodedResource>): void {
    for (const table of this.tables) {
      for (const resource of table.all()) {
        const { name } = resource;
        if (!name.startsWith(space) || name.lastIndexOf('/') + 1 !== space.length) continue;
        if (findResource(this.tables, name) === resource) found.add(resource);
      }
    }
  }

  /** What the client has from elsewhere and is not there. */
  #removeUnknown(removed: string[]): void {
    if (this.#known === null) return;
    for (const name of this.#known.keys()) {
      if (this.subscription.covers(name) && findResource(this.tables, name) === undefined) removed.push(name);
    }
  }

  /** Removals that may go at once; the others are held. */
  #hold(removed: readonly string[]): readonly string[] {
    const unique = [...new Set(removed)];
    if (USER_TYPES.has(this.typeUrl)) return unique;
    const now: string[] = [];
    for (const name of unique) {
      // What was asked for and is not there is told at once: somebody waits for it.
      if (this.pending.has(name) || !this.#isDelta) now.push(name);
      else this.held.add(name);
    }
    return now;
  }

  #takeFull(): Portion | null | typeof OUTRUN {
    let hasChanged = this.#isFirstDue || this.pending.size > 0 || this.#known !== null;
    for (let index = 0; index < this.tables.length; index++) {
      const table = this.tables[index] as ResourceTable;
      const since = this.#sent[index] as number;
      const changes = since === 0 ? { changed: table.all(), removed: [] } : table.changedSince(since);
      if (changes === undefined) return OUTRUN;
      hasChanged ||= changes.changed.some(({ name, aliases }) => this.subscription.covers(name, aliases));
      for (const name of changes.removed) {
        if (!this.subscription.covers(name) || findResource(this.tables, name) !== undefined) continue;
        if (USER_TYPES.has(this.typeUrl)) hasChanged = true;
        else this.held.add(name);
      }
    }
    for (const name of this.held) if (findResource(this.tables, name) !== undefined) this.held.delete(name);
    return hasChanged ? this.#everything() : null;
  }

  #everything(): Portion {
    const lists: (readonly EncodedResource[])[] = [];
    for (let index = 0; index < this.tables.length; index++) {
      const all = (this.tables[index] as ResourceTable).all();
      const wanted = all.filter(
        ({ name, aliases }) =>
          this.subscription.covers(name, aliases) &&
          !this.tables.some((table, at) => at > index && table.get(name) !== undefined),
      );
      if (wanted.length > 0) lists.push(wanted.length === all.length ? all : wanted);
    }
    const kept: EncodedResource[] = [];
    for (const name of this.held) {
      const former = this.tables.map((table) => table.formerly(name)).find((one) => one !== undefined);
      if (former !== undefined) kept.push(former);
    }
    if (kept.length > 0) lists.push(kept);
    return { lists, removed: [], absent: [] };
  }

  /** Removals whose time has come. */
  takeHeld(): Portion | null {
    if (this.held.size === 0) return null;
    const removed = [...this.held].filter((name) => findResource(this.tables, name) === undefined);
    this.held.clear();
    if (removed.length === 0) {
      this.#settle();
      return null;
    }
    return this.isFull ? this.#everything() : { lists: [], removed, absent: [] };
  }

  // ─── Answers ────────────────────────────────────────────────────────────────────────────────────────────────────

  send(portion: Portion, nonce: number, nowMs: number): void {
    this.nonce = nonce;
    this.isAwaiting = true;
    this.sentMs = nowMs;
    this.blockedSinceMs = -1;
    this.#inFlight = portion;
    this.dueSinceMs = -1;
  }

  acknowledged(): void {
    this.isAwaiting = false;
    const portion = this.#inFlight;
    this.#inFlight = null;
    if (this.refused !== null && portion !== null) this.#forgive(portion);
    if (this.#retries.length === 0) {
      this.#retriesLeft = MAX_RETRIES;
      this.#advance();
    }
  }

  /** What was refused is taken on now, or is gone. */
  #forgive({ lists, removed }: Portion): void {
    const { refused } = this;
    if (refused === null) return;
    refused.delete('');
    for (const list of lists) for (const { name } of list) refused.delete(name);
    for (const name of removed) refused.delete(name);
    for (const name of refused.keys()) if (findResource(this.tables, name) === undefined) refused.delete(name);
    if (refused.size === 0) this.refused = null;
  }

  #advance(): void {
    if (this.held.size === 0) this.#acked = [...this.#sent];
  }

  /**
   * The client refused a response. Which of its resources that means is told by its text, or found out by sending them
   * in parts again, unless the client takes on what is good (`takesGoodOnes`). Returns what is certain.
   */
  refuse(message: string, takesGoodOnes: boolean): readonly XdsRefusalOf[] {
    this.isAwaiting = false;
    const resources = this.#inFlight?.lists.flat() ?? [];
    this.#inFlight = null;
    const named = resources.length === 1 ? resources : namedIn(message, resources);
    const isCertain = resources.length < 2 || this.isFull || (named.length > 0 && takesGoodOnes);
    if (!isCertain && this.#retriesLeft > 0) {
      this.#retriesLeft--;
      this.#retries.push(...inParts(resources, named));
      return [];
    }
    const blamed = named.length > 0 ? named : [{ name: '', version: this.version }];
    const refusals = blamed.map(({ name, version }) => ({ typeUrl: this.typeUrl, name, version, message }));
    for (const refusal of refusals) this.#blame(refusal);
    if (this.#retries.length === 0) this.#advance();
    return refusals;
  }

  #blame(refusal: XdsRefusalOf): void {
    this.refused ??= new Map();
    this.refused.delete(refusal.name);
    this.refused.set(refusal.name, refusal);
    if (this.refused.size <= MAX_REFUSED) return;
    for (const name of this.refused.keys()) {
      this.refused.delete(name);
      break;
    }
  }

  #nextRetry(): Portion | null {
    for (;;) {
      const list = this.#retries.shift();
      if (list === undefined) return null;
      // What has changed meanwhile was sent in its new form.
      const current = list.filter(({ name, version }) => findResource(this.tables, name)?.version === version);
      if (current.length > 0) return { lists: [current], removed: [], absent: [] };
    }
  }

  /** Everything up to the last response is in effect. */
  lives(): void {
    this.#live = [...this.#acked];
  }

  // ─── How far the client is ──────────────────────────────────────────────────────────────────────────────────────

  /** The commit of the table up to which the client has acknowledged; −1 when it is not served from it. */
  ackedOf(table: ResourceTable): number {
    const index = this.tables.indexOf(table);
    return index < 0 ? -1 : (this.#acked[index] as number);
  }

  liveOf(table: ResourceTable): number {
    const index = this.tables.indexOf(table);
    return index < 0 ? -1 : (this.#live[index] as number);
  }

  /** Whether the client has acknowledged everything that its tables hold. */
  get isCurrent(): boolean {
    return this.tables.every((table, index) => table.seq === this.#acked[index]);
  }
}

function isEmpty({ lists, removed, absent }: Portion): boolean {
  return lists.length === 0 && removed.length === 0 && absent.length === 0;
}

/** What is to be sent again of a refused response: what it may be about alone, the others together; else halves. */
function inParts(
  resources: readonly EncodedResource[],
  named: readonly EncodedResource[],
): (readonly EncodedResource[])[] {
  if (named.length === 0 || named.length > MAX_SUSPECTS || named.length === resources.length) {
    const half = resources.length >>> 1;
    return [resources.slice(0, half), resources.slice(half)];
  }
  const others = resources.filter((resource) => !named.includes(resource));
  return [others, ...named.map((resource) => [resource])];
}

function sameTables(a: readonly ResourceTable[], b: readonly ResourceTable[]): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((table, index) => table === b[index]);
}

/** Resources of which the text speaks: as 'NAME: reason', which most clients write; else anywhere. */
function namedIn(message: string, resources: readonly EncodedResource[]): readonly EncodedResource[] {
  const listed = resources.filter(({ name }) => isNamedIn(message, name, ': '));
  return listed.length > 0 ? listed : resources.filter(({ name }) => isNamedIn(message, name, ''));
}

/** Whether the name stands in the text, with `end` behind it, and is no part of a longer one. */
function isNamedIn(message: string, name: string, end: string): boolean {
  const text = name + end;
  for (let at = message.indexOf(text); at >= 0; at = message.indexOf(text, at + 1)) {
    const before = message[at - 1] ?? ' ';
    const after = message.slice(at + text.length, at + text.length + 2);
    if (NAME_CHAR.test(before)) continue;
    // A dot may end the sentence.
    if (end !== '' || !NAME_CHAR.test(after[0] ?? ' ') || /^\.(?:\s|$)/.test(after)) return true;
  }
  return false;
}

const NAME_CHAR = /[A-Za-z0-9_.|~-]/;
