// Keyed collections that follow their inputs: what one change concerns is computed again, and nothing else.
import assert from 'node:assert/strict';
import { deepEqual } from './collection/deep-equal.ts';
import { MemoStage } from './collection/memo.ts';
import { Recorder } from './collection/recorder.ts';
import { Stage, type Step } from './collection/stage.ts';
import { FlatMapStage, InputStage, MapStage, UnionStage } from './collection/stages.ts';
import type { Collection, Equals, FlatCollection, InputCollection, Memo, Reader } from './collection/types.ts';

export { CollectionError } from './collection/recorder.ts';
export type {
  Change,
  Changes,
  Collection,
  Equals,
  FlatCollection,
  Index,
  InputCollection,
  Memo,
  Reader,
} from './collection/types.ts';

/** What one batch did. */
export type BatchReport = {
  /** What was changed from outside; of many keys only the first are named. */
  readonly causes: readonly { readonly collection: string; readonly keys: readonly string[]; readonly count: number }[];
  /** Collections and memos in which something was computed or changed, in the order of the graph. */
  readonly work: readonly { readonly collection: string; readonly recomputed: number; readonly changed: number }[];
};

/** So many keys of one input are named in a report. */
const MAX_CAUSES = 100;

/**
 * Collections in the order in which they were made. One reads only those that were made before it, so one pass in that
 * order settles a batch: no function runs twice for a key, and none sees one input changed and another not yet.
 *
 *   inputs ──batch──▶ pass over all stages ──▶ unused memos dropped ──▶ listeners told
 *
 * A function that throws has a bug. Its key keeps the value it had (none, when it had none), the rest of the batch goes
 * on, and `batch` throws at its end, after listeners were told; the function is tried again when something that it read
 * changes. A failing memo without a value fails its readers in the same way.
 */
export class Graph {
  readonly #steps: Step[] = [];
  readonly #inputs: InputStage<unknown>[] = [];
  readonly #names = new Set<string>();
  readonly #recorder = new Recorder();
  #phase: 'rest' | 'open' | 'settling' | 'telling' = 'rest';
  #lastBatch: BatchReport = { causes: [], work: [] };

  input<V>(name: string, equals: Equals<V> = deepEqual): InputCollection<V> {
    const mayChange = (): boolean => this.#phase === 'open';
    const stage = this.#add(new InputStage(name, this.#steps.length, this.#recorder, equals, mayChange));
    this.#inputs.push(stage as unknown as InputStage<unknown>);
    return stage;
  }

  /** A value, or none, for each key of the source. */
  map<I, O>(
    name: string,
    source: Collection<I>,
    compute: (key: string, value: I, read: Reader) => O | undefined,
    equals: Equals<O> = deepEqual,
  ): Collection<O> {
    const from = this.#stageOf(source);
    return this.#filled(new MapStage<I, O>(name, this.#steps.length, this.#recorder, from, compute, equals));
  }

  /** Any number of values under keys of their own; where two sources want one key, the smaller source has it. */
  flatMap<I, O>(
    name: string,
    source: Collection<I>,
    compute: (key: string, value: I, read: Reader) => Iterable<readonly [string, O]>,
    equals: Equals<O> = deepEqual,
  ): FlatCollection<O> {
    const from = this.#stageOf(source);
    const stage = new FlatMapStage<I, O>(name, this.#steps.length, this.#recorder, from, compute, equals);
    this.#add(stage);
    this.#add(stage.clashes);
    return this.#fill(stage);
  }

  /** All of them; where several have one key, the first has it. */
  union<V>(name: string, ...collections: readonly Collection<V>[]): Collection<V> {
    const sources = collections.map((collection) => this.#stageOf(collection));
    return this.#filled(new UnionStage<V>(name, this.#steps.length, this.#recorder, sources, deepEqual));
  }

  memo<V>(name: string, compute: (key: string, read: Reader) => V, equals: Equals<V> = deepEqual): Memo<V> {
    return this.#add(new MemoStage<V>(name, this.#steps.length, this.#recorder, compute, equals));
  }

  /**
   * Takes what `change` sets and deletes in inputs, settles everything that depends on it, and tells listeners. One
   * inside another joins it. When `change` throws, nothing is changed. Listeners may not begin a batch.
   */
  batch(change: () => void): void {
    if (this.#phase === 'open') return change();
    assert(this.#phase === 'rest', 'a batch cannot begin in a function or a listener of a collection');
    this.#phase = 'open';
    try {
      change();
    } catch (error) {
      for (const input of this.#inputs) input.discard();
      this.#phase = 'rest';
      throw error;
    }
    this.#settle();
  }

  /** What the last batch computed, by collection, and what memos computed since for those who retained them. */
  get recomputed(): ReadonlyMap<string, number> {
    return new Map(this.#steps.filter((step) => step.recomputed > 0).map((step) => [step.name, step.recomputed]));
  }

  get lastBatch(): BatchReport {
    return this.#lastBatch;
  }

  #settle(): void {
    const failures: unknown[] = [];
    for (const step of this.#steps) step.recomputed = 0;
    this.#run(() => {
      for (const step of this.#steps) step.settle();
    });
    this.#lastBatch = this.#report();
    failures.push(...this.#recorder.failures.splice(0));
    this.#phase = 'telling';
    for (const step of this.#steps) step.tell((error) => failures.push(error));
    for (const step of this.#steps) step.rest();
    this.#phase = 'rest';
    throwAll(failures);
  }

  /** What runs functions of collections: nothing else may change meanwhile, and what is unused afterwards goes. */
  #run(work: () => void): void {
    const { isSettling } = this.#recorder;
    const phase = this.#phase;
    this.#phase = 'settling';
    this.#recorder.isSettling = true;
    try {
      work();
    } finally {
      this.#recorder.sweep();
      this.#recorder.isSettling = isSettling;
      this.#phase = phase;
    }
  }

  #report(): BatchReport {
    const changed = this.#inputs.filter((input) => input.changes.size > 0);
    return {
      causes: changed.map((input) => ({
        collection: input.name,
        keys: [...input.changes.keys()].slice(0, MAX_CAUSES),
        count: input.changes.size,
      })),
      work: this.#steps
        .filter((step) => step.recomputed > 0 || step.changedCount > 0)
        .map((step) => ({ collection: step.name, recomputed: step.recomputed, changed: step.changedCount })),
    };
  }

  #stageOf<V>(collection: Collection<V>): Stage<V> {
    assert(collection instanceof Stage && this.#steps[collection.order] === (collection as Step), collection.name);
    return collection as Stage<V>;
  }

  #add<S extends Step>(step: S): S {
    assert(this.#phase === 'rest' || this.#phase === 'open', `${step.name} cannot be made now`);
    assert(!this.#names.has(step.name), `two collections have the name ${step.name}`);
    this.#names.add(step.name);
    this.#steps.push(step);
    return step;
  }

  #filled<S extends Step & { fill(): void }>(stage: S): S {
    return this.#fill(this.#add(stage));
  }

  /** Computes what a new collection has of sources that have values already. */
  #fill<S extends Step & { fill(): void }>(stage: S): S {
    this.#run(() => stage.fill());
    for (const step of this.#steps.slice(stage.order)) step.rest();
    throwAll(this.#recorder.failures.splice(0));
    return stage;
  }
}

function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, `${failures.length} functions of collections failed`);
}
