// One collection of the graph: values by key, what changed in this batch, and the triggers of whoever read it.
import { type Evaluation, type Evaluator, Trigger } from './dependency.ts';
import { KeyedIndex } from './keyed-index.ts';
import type { Recorder } from './recorder.ts';
import { type SortedKeys, insertSorted, removeSorted } from './sorted.ts';
import type { Change, Changes, Collection, Equals, Index } from './types.ts';

/** So many keys that come or go are put into the sorted keys one by one; more have them sorted anew. */
const FEW_KEYS = 32;

/** Listeners of one collection or memo. */
export class Listeners<V> {
  readonly #listeners = new Set<(changes: Changes<V>) => void>();

  add(listener: (changes: Changes<V>) => void): () => void {
    // Its own function, so that one listener can be added twice.
    const own = (changes: Changes<V>): void => listener(changes);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Tells all of them, whatever one of them throws. */
  tell(changes: Changes<V>, failed: (error: unknown) => void): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(changes);
      } catch (error) {
        failed(error);
      }
    }
  }
}

/** What the graph does with each of its parts, in their order. */
export type Step = Evaluator & {
  readonly changedCount: number;
  /** Takes what earlier steps changed and what is dirty. */
  settle(): void;
  /** Tells listeners what the batch changed. */
  tell(failed: (error: unknown) => void): void;
  /** The batch is over. */
  rest(): void;
};

export abstract class Stage<V> implements Collection<V>, Step {
  readonly name: string;
  readonly order: number;
  readonly dirty: Evaluation[] = [];
  recomputed = 0;
  readonly values = new Map<string, V>();
  /** Of this batch; whoever was told keeps the map. */
  changes = new Map<string, Change<V>>();
  protected readonly recorder: Recorder;
  readonly #equals: Equals<V>;
  readonly #listeners = new Listeners<V>();
  readonly #indexes: KeyedIndex<V>[] = [];
  readonly #keyTriggers = new Map<string, KeyTrigger>();
  #anyTrigger: WholeTrigger | undefined;
  #keysTrigger: WholeTrigger | undefined;
  #sortedKeys: SortedKeys | undefined;
  #snapshot: ReadonlyMap<string, V> | undefined;

  constructor(name: string, order: number, recorder: Recorder, equals: Equals<V>) {
    this.name = name;
    this.order = order;
    this.recorder = recorder;
    this.#equals = equals;
  }

  abstract settle(): void;

  get size(): number {
    return this.values.size;
  }

  get changedCount(): number {
    return this.changes.size;
  }

  get(key: string): V | undefined {
    return this.values.get(key);
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  keys(): readonly string[] {
    return (this.#sortedKeys ??= [...this.values.keys()].sort());
  }

  *entries(): IterableIterator<[string, V]> {
    for (const key of this.keys()) yield [key, this.values.get(key)!];
  }

  subscribe(listener: (changes: Changes<V>) => void): () => void {
    return this.#listeners.add(listener);
  }

  index(name: string, keysOf: (key: string, value: V) => Iterable<string>): Index<V> {
    const index = new KeyedIndex<V>(`${this.name}.${name}`, this.order, this.values, keysOf, this.recorder);
    this.#indexes.push(index);
    return index;
  }

  readFor(recorder: Recorder, key: string): V | undefined {
    let trigger = this.#keyTriggers.get(key);
    if (trigger === undefined) this.#keyTriggers.set(key, (trigger = new KeyTrigger(this.#keyTriggers, key)));
    recorder.record(trigger);
    return this.values.get(key);
  }

  readAllFor(recorder: Recorder): ReadonlyMap<string, V> {
    recorder.record((this.#anyTrigger ??= new WholeTrigger()));
    return (this.#snapshot ??= new Map(this.entries()));
  }

  readKeysFor(recorder: Recorder): readonly string[] {
    recorder.record((this.#keysTrigger ??= new WholeTrigger()));
    return this.keys();
  }

  tell(failed: (error: unknown) => void): void {
    if (this.changes.size > 0) this.#listeners.tell(this.changes, failed);
  }

  rest(): void {
    if (this.changes.size > 0) this.changes = new Map();
  }

  /** The value that the key has from now on; at most once per key and batch. An equal one is no change. */
  protected publish(key: string, value: V | undefined): void {
    const before = this.values.get(key);
    if (before === undefined ? value === undefined : value !== undefined && this.#equals(before, value)) return;
    if (value === undefined) this.values.delete(key);
    else this.values.set(key, value);
    this.changes.set(key, { before, after: value });
    this.#snapshot = undefined;
    for (const index of this.#indexes) index.apply(key, before, value);
    this.#keyTriggers.get(key)?.fire();
    this.#anyTrigger?.fire();
    if (before === undefined || value === undefined) {
      this.#keysTrigger?.fire();
      this.#sortKey(key, value !== undefined);
    }
  }

  /** Has each dirty key taken that was not taken for another reason in this batch. */
  protected takeDirty(take: (key: string) => void): void {
    if (this.dirty.length === 0) return;
    for (const evaluation of this.dirty) if (evaluation.isDirty) take(evaluation.key);
    this.dirty.length = 0;
  }

  #sortKey(key: string, isPresent: boolean): void {
    if (this.#sortedKeys === undefined) return;
    if (this.changes.size > FEW_KEYS) this.#sortedKeys = undefined;
    else this.#sortedKeys = (isPresent ? insertSorted : removeSorted)(this.#sortedKeys, key);
  }
}

class KeyTrigger extends Trigger {
  readonly #home: Map<string, KeyTrigger>;
  readonly #key: string;

  constructor(home: Map<string, KeyTrigger>, key: string) {
    super();
    this.#home = home;
    this.#key = key;
  }

  override drop(): void {
    this.#home.delete(this.#key);
  }
}

/** There are two of these per collection at most, so they stay. */
class WholeTrigger extends Trigger {
  override drop(): void {}
}
