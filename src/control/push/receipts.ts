// Receipts: which proxies have taken on, and live with, what came of each object; and who refused.
import type { Clock, Timer } from '../../base/clock.ts';
import type { ResourceTable } from '../../xds/server/resource.ts';
import type { XdsStream } from '../../xds/server/stream.ts';
import { CauseIndex } from './cause-index.ts';

/** An object that was applied; its generation counts up with each change of what it says. */
export type AppliedObject = { readonly key: string; readonly generation: number };

export type TableChange = { readonly table: ResourceTable; readonly names: readonly string[] };

export type ObjectRefusal = {
  readonly proxy: string;
  readonly typeUrl: string;
  readonly resource: string;
  /** Path of the field, where the proxy tells one; else ''. */
  readonly field: string;
  readonly message: string;
};

export type ObjectStatus = {
  readonly key: string;
  readonly generation: number;
  /** Connected proxies that are served something of it; how many have acknowledged it, and live with it. */
  readonly concerned: number;
  readonly accepted: number;
  readonly live: number;
  /** Some of those that have not acknowledged it, and of those that do not live with it. */
  readonly waiting: readonly string[];
  readonly refusals: readonly ObjectRefusal[];
};

export type ReceiptGoal = 'accepted' | 'live';

/** `isReached` false: the time is over, the object is gone, or somebody refused it (then `status` says who). */
export type WaitOutcome = { readonly isReached: boolean; readonly status: ObjectStatus | null };

/** Objects whose way to the proxies is followed at the same time; of more, the first are only answered when asked. */
const MAX_MOVING = 2000;
/** Removals of resources that are remembered until all have acknowledged them. */
const MAX_REMOVALS = 10_000;
const MAX_WAITERS = 1000;
const MAX_WAITING_LABELS = 20;
const MAX_REFUSALS = 20;
/** Tables of which the changes of one object are followed. */
const MAX_EFFECTS = 1000;
/** Objects of one commit to which changes without a known cause are put down. */
const MAX_BLAMED = 50;
/** Progress is looked at together: hundreds of acknowledgements come in a row. */
const LOOK_MS = 50;
/** Moving objects of one look. */
const MAX_LOOKS = 200;

/** Resources of one table (which may be let go meanwhile) that came of an object, at the commit `seq` or earlier. */
type Effect = { readonly table: WeakRef<ResourceTable>; seq: number; readonly names: Set<string> };

/** What changed of an object's resources, and what was last told of it. */
type Moving = { readonly effects: readonly Effect[]; told: string };

type Waiter = {
  readonly key: string;
  readonly goal: ReceiptGoal;
  readonly done: (outcome: WaitOutcome) => void;
  readonly timer: Timer;
};

/** Streams of the server, and what else receipts are made of. */
export type ReceiptParts = {
  readonly clock: Clock;
  readonly streams: () => ReadonlySet<XdsStream>;
};

export class Receipts {
  readonly #parts: ReceiptParts;
  readonly #generations = new Map<string, number>();
  readonly #causes = new CauseIndex();
  /** Removed resources by the object that they had come of. */
  readonly #removals = new Map<string, Effect[]>();
  #removalCount = 0;
  /** What changes without a known cause were put down to. */
  readonly #blamed = new Map<string, Effect[]>();
  /** Objects that changed and are not live everywhere. */
  readonly #moving = new Map<string, Moving>();
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<(status: ObjectStatus) => void>();
  readonly #look: Timer;

  constructor(parts: ReceiptParts) {
    this.#parts = parts;
    this.#look = parts.clock.timer(look, this as Receipts);
  }

  // ─── What happens ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The objects were applied, some are gone, and the tables changed with that; before streams are told. */
  commit(applied: readonly AppliedObject[], gone: readonly string[], changes: readonly TableChange[]): void {
    const keys = new Set(applied.map(({ key }) => key));
    for (const { key, generation } of applied) this.#generations.set(key, generation);
    for (const key of gone) {
      this.#generations.delete(key);
      keys.add(key);
    }
    for (const key of keys) this.#blamed.delete(key);
    const effects = new Map<string, Effect[]>();
    for (const change of changes) this.#attribute(change, keys, effects);
    // Of what moves somebody has to want to hear.
    for (const key of this.#listeners.size === 0 ? [] : keys) {
      const own = [...(effects.get(key) ?? []), ...(this.#moving.get(key)?.effects ?? [])];
      this.#moving.delete(key);
      this.#moving.set(key, { effects: own.slice(0, MAX_EFFECTS), told: '' });
    }
    for (const key of this.#moving.keys()) {
      if (this.#moving.size <= MAX_MOVING) break;
      this.#moving.delete(key);
    }
    this.progressed();
  }

  #attribute({ table, names }: TableChange, keys: ReadonlySet<string>, effects: Map<string, Effect[]>): void {
    for (const name of names) {
      const resource = table.get(name) ?? table.formerly(name);
      const known = resource?.causes?.filter((key) => keys.has(key)) ?? [];
      const isRemoved = resource !== table.get(name);
      // Nobody has said why: one of those that changed just now.
      const causes = known.length > 0 ? known : keys.size <= MAX_BLAMED ? keys : [];
      for (const key of causes) {
        addEffect(effects, key, table, name);
        if (isRemoved) this.#noteRemoval(key, table, name);
        else if (known.length === 0) addEffect(this.#blamed, key, table, name);
      }
    }
  }

  #noteRemoval(key: string, table: ResourceTable, name: string): void {
    addEffect(this.#removals, key, table, name);
    this.#removalCount++;
    // The oldest are forgotten: of them nothing is waited for any more.
    for (const [oldest, effects] of this.#removals) {
      if (this.#removalCount <= MAX_REMOVALS) break;
      this.#removals.delete(oldest);
      for (const { names } of effects) this.#removalCount -= names.size;
    }
  }

  /** A stream came, went, or has taken something on: whoever waits hears of it soon. */
  progressed(): void {
    const isHeard = this.#waiters.size > 0 || (this.#listeners.size > 0 && this.#moving.size > 0);
    if (!isHeard) return;
    if (!this.#look.isArmed) this.#look.arm(LOOK_MS);
  }

  /** For the timer. */
  onLook(): void {
    const streams = new StreamsByTable(this.#parts.streams());
    for (const waiter of [...this.#waiters]) this.#judge(waiter, streams);
    if (this.#listeners.size === 0) return;
    let looks = 0;
    for (const [key, moving] of [...this.#moving]) {
      if (++looks > MAX_LOOKS) break;
      const status = this.#statusOf(key, streams, moving.effects);
      const told = JSON.stringify(status);
      if (told !== moving.told) for (const listener of this.#listeners) listener(status);
      this.#moving.delete(key);
      if (status.live < status.concerned) this.#moving.set(key, { effects: moving.effects, told });
      else this.#forgetRemovals(key);
    }
    if (looks > MAX_LOOKS) this.#look.arm(LOOK_MS);
  }

  #forgetRemovals(key: string): void {
    for (const { names } of this.#removals.get(key) ?? []) this.#removalCount -= names.size;
    this.#removals.delete(key);
  }

  // ─── Questions ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Null: there is no such object, and there was none just before. */
  statusOf(key: string): ObjectStatus | null {
    if (!this.#generations.has(key) && !this.#removals.has(key) && !this.#moving.has(key)) return null;
    return this.#statusOf(key, new StreamsByTable(this.#parts.streams()));
  }

  /** All objects, in the order in which they were first applied. */
  *statuses(): IterableIterator<ObjectStatus> {
    const streams = new StreamsByTable(this.#parts.streams());
    for (const key of this.#generations.keys()) yield this.#statusOf(key, streams);
  }

  /** Calls back once the goal is reached, somebody refused, or the time is over. Returns a function that gives up. */
  waitFor(key: string, goal: ReceiptGoal, timeoutMs: number, done: (outcome: WaitOutcome) => void): () => void {
    const waiter: Waiter = { key, goal, done, timer: this.#parts.clock.timer(() => this.#expire(waiter), null) };
    if (this.#waiters.size >= MAX_WAITERS) {
      done({ isReached: false, status: this.statusOf(key) });
      return () => {};
    }
    this.#waiters.add(waiter);
    waiter.timer.arm(timeoutMs);
    this.#judge(waiter, new StreamsByTable(this.#parts.streams()));
    return () => this.#end(waiter);
  }

  #judge(waiter: Waiter, streams: StreamsByTable): void {
    const { key, goal, done } = waiter;
    const status = this.#generations.has(key) || this.#removals.has(key) ? this.#statusOf(key, streams) : null;
    const isReached = status !== null && (goal === 'live' ? status.live : status.accepted) >= status.concerned;
    if (!isReached && status !== null && status.refusals.length === 0) return;
    this.#end(waiter);
    done({ isReached, status });
  }

  #expire(waiter: Waiter): void {
    if (!this.#waiters.has(waiter)) return;
    this.#end(waiter);
    waiter.done({ isReached: false, status: this.statusOf(waiter.key) });
  }

  #end(waiter: Waiter): void {
    waiter.timer.disarm();
    this.#waiters.delete(waiter);
  }

  /** Tells of each change of what is said of an object that is on its way. Returns a function that ends it. */
  subscribe(listener: (status: ObjectStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  // ─── How far it is ──────────────────────────────────────────────────────────────────────────────────────────────

  /** `effects`: looks at these alone. */
  #statusOf(key: string, streams: StreamsByTable, effects: readonly Effect[] | null = null): ObjectStatus {
    const progress = new Map<XdsStream, Progress>();
    const refusals: ObjectRefusal[] = [];
    if (effects === null) {
      for (const table of streams.tables) {
        const names = this.#causes.namesOf(table, key);
        if (names.length > 0) this.#follow(table, names, -1, streams, progress, refusals);
      }
    }
    const own = effects ?? [...(this.#blamed.get(key) ?? []), ...(this.#removals.get(key) ?? [])];
    for (const { table, seq, names } of own) {
      const kept = table.deref();
      if (kept !== undefined) this.#follow(kept, names, seq, streams, progress, refusals);
    }
    const status = { key, generation: this.#generations.get(key) ?? 0, concerned: progress.size };
    let accepted = 0;
    let live = 0;
    const waiting: string[] = [];
    for (const [stream, { isAccepted, isLive }] of progress) {
      if (isAccepted) accepted++;
      if (isAccepted && isLive) live++;
      else if (waiting.length < MAX_WAITING_LABELS) waiting.push(stream.label);
    }
    return { ...status, accepted, live, waiting, refusals };
  }

  /** Adds how far the clients of a table are with resources of these names; `seq` −1: with each as it is now. */
  #follow(
    table: ResourceTable,
    names: Iterable<string>,
    seq: number,
    streams: StreamsByTable,
    progress: Map<XdsStream, Progress>,
    refusals: ObjectRefusal[],
  ): void {
    for (const stream of streams.of(table)) {
      const type = stream.type(table.typeUrl);
      if (type === undefined) continue;
      const acked = type.ackedOf(table);
      const live = type.liveOf(table);
      for (const name of names) {
        const resource = table.get(name);
        if (!type.subscription.covers(name, resource?.aliases)) continue;
        const needed = seq < 0 ? table.changedAt(name) : seq;
        const mine = progress.get(stream) ?? { isAccepted: true, isLive: true };
        progress.set(stream, mine);
        const refusal = resource === undefined ? undefined : (type.refused?.get(name) ?? type.refused?.get(''));
        const isRefused = refusal !== undefined && (refusal.name === '' || refusal.version === resource?.version);
        if (acked < needed || isRefused) mine.isAccepted = false;
        if (live < needed || isRefused) mine.isLive = false;
        if (!isRefused || refusals.length >= MAX_REFUSALS) continue;
        const field = fieldOf(refusal.message, name);
        const message = (type.refused?.size ?? 0) > 1 ? partOf(refusal.message, name) : refusal.message;
        refusals.push({
          proxy: stream.label,
          typeUrl: table.typeUrl,
          resource: name,
          field,
          message: printable(message),
        });
      }
    }
  }
}

type Progress = { isAccepted: boolean; isLive: boolean };

/** Who is served from which table, as of now. */
class StreamsByTable {
  readonly #streams = new Map<ResourceTable, XdsStream[]>();

  constructor(streams: Iterable<XdsStream>) {
    for (const stream of streams) {
      const { admission } = stream;
      if (admission === null) continue;
      for (const { typeUrl } of stream.types) {
        for (const table of admission.view.tables(typeUrl)) {
          const known = this.#streams.get(table);
          if (known === undefined) this.#streams.set(table, [stream]);
          else known.push(stream);
        }
      }
    }
  }

  get tables(): Iterable<ResourceTable> {
    return this.#streams.keys();
  }

  of(table: ResourceTable): readonly XdsStream[] {
    return this.#streams.get(table) ?? [];
  }
}

function addEffect(effects: Map<string, Effect[]>, key: string, table: ResourceTable, name: string): void {
  const own = effects.get(key) ?? [];
  effects.set(key, own);
  const known = own.find((effect) => effect.table.deref() === table);
  if (known === undefined) own.push({ table: new WeakRef(table), seq: table.seq, names: new Set([name]) });
  else {
    known.seq = table.seq;
    known.names.add(name);
  }
}

/** Of a text about many resources, as much as is told with each of them: else its square would be told. */
const MAX_PART_CHARS = 300;

export function partOf(message: string, name: string): string {
  const at = message.indexOf(`${name}: `);
  const rest = at < 0 ? message : message.slice(at + name.length + 2);
  const line = /^[^\n]*/.exec(rest)?.[0] ?? '';
  return line.length <= MAX_PART_CHARS ? line : `${line.slice(0, MAX_PART_CHARS)} …`;
}

/** A client's words on one line, which it cannot make look like another. */
export function printable(text: string): string {
  return text.replace(CONTROL, ' ').trim();
}
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** 'NAME: virtual_hosts[0].routes[1].match: is missing' → 'virtual_hosts[0].routes[1].match'. */
export function fieldOf(message: string, name: string): string {
  const at = message.indexOf(`${name}: `);
  const rest = at < 0 ? message : message.slice(at + name.length + 2);
  return /^([a-z_][\w.]*(?:\[[^\]]*\][\w.]*)*): /.exec(rest)?.[1] ?? '';
}

function look(receipts: Receipts): void {
  receipts.onLook();
}
