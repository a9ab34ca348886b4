// Values that are computed when somebody needs them, and dropped when nobody does any more.
import assert from 'node:assert/strict';
import { Evaluation, Trigger } from './dependency.ts';
import { CollectionError, type Recorder } from './recorder.ts';
import { Listeners, type Step } from './stage.ts';
import type { Change, Changes, Equals, Memo, Reader } from './types.ts';

export class MemoStage<V> implements Memo<V>, Step {
  readonly name: string;
  readonly order: number;
  readonly dirty: Evaluation[] = [];
  recomputed = 0;
  readonly #recorder: Recorder;
  readonly #compute: (key: string, value: undefined, read: Reader) => V;
  readonly #equals: Equals<V>;
  readonly #cells = new Map<string, Cell<V>>();
  readonly #listeners = new Listeners<V>();
  #changes = new Map<string, Change<V>>();
  readonly #forget = (cell: Cell<V>): void => {
    if (this.#cells.get(cell.evaluation.key) !== cell) return;
    this.#cells.delete(cell.evaluation.key);
    this.#recorder.forget(cell.evaluation);
  };

  constructor(
    name: string,
    order: number,
    recorder: Recorder,
    compute: (key: string, read: Reader) => V,
    equals: Equals<V>,
  ) {
    this.name = name;
    this.order = order;
    this.#recorder = recorder;
    this.#compute = (key, _value, read) => compute(key, read);
    this.#equals = equals;
  }

  get size(): number {
    return this.#cells.size;
  }

  get changedCount(): number {
    return this.#changes.size;
  }

  get(key: string): V | undefined {
    return this.#cells.get(key)?.value;
  }

  has(key: string): boolean {
    return this.#cells.has(key);
  }

  retain(key: string): V {
    assert(!this.#recorder.isSettling, `${this.name}: functions of collections read memos, they do not retain them`);
    const cell = this.#cells.get(key) ?? this.#begin(key);
    if (cell.failure !== undefined) {
      if (cell.isIdle) this.#drop(cell);
      this.#recorder.failures.length = 0;
      throw cell.failure;
    }
    cell.holders++;
    return cell.value as V;
  }

  release(key: string): void {
    assert(!this.#recorder.isSettling, `${this.name}: functions of collections read memos, they do not release them`);
    const cell = this.#cells.get(key);
    assert(cell !== undefined && cell.holders > 0, `${this.name}: ${key} was released more often than retained`);
    cell.holders--;
    if (cell.isIdle) this.#drop(cell);
  }

  subscribe(listener: (changes: Changes<V>) => void): () => void {
    return this.#listeners.add(listener);
  }

  readFor(recorder: Recorder, key: string): V {
    const cell = this.#cells.get(key) ?? this.#begin(key);
    recorder.record(cell);
    if (cell.failure !== undefined) throw cell.failure;
    return cell.value as V;
  }

  settle(): void {
    if (this.dirty.length === 0) return;
    for (const evaluation of this.dirty) {
      // Clean: it was dropped.
      if (evaluation.isDirty) this.#renew(this.#cells.get(evaluation.key)!);
    }
    this.dirty.length = 0;
  }

  tell(failed: (error: unknown) => void): void {
    if (this.#changes.size > 0) this.#listeners.tell(this.#changes, failed);
  }

  rest(): void {
    if (this.#changes.size > 0) this.#changes = new Map();
  }

  #begin(key: string): Cell<V> {
    const cell = new Cell<V>(new Evaluation(this, key), this.#forget);
    this.#cells.set(key, cell);
    this.#evaluate(cell);
    return cell;
  }

  #renew(cell: Cell<V>): void {
    const before = cell.value;
    const failed = cell.failure !== undefined;
    if (!this.#evaluate(cell)) return;
    if (!failed && this.#equals(before as V, cell.value as V)) {
      cell.value = before;
      return;
    }
    this.#changes.set(cell.evaluation.key, { before, after: cell.value });
    cell.fire();
  }

  /** Says whether the cell has a new value: one whose function fails keeps the value that it had. */
  #evaluate(cell: Cell<V>): boolean {
    const { evaluation } = cell;
    try {
      cell.value = this.#recorder.evaluate(evaluation, this.#compute, evaluation.key, undefined);
    } catch (error) {
      this.#recorder.fail(this.name, evaluation.key, error);
      if (!cell.hasValue) cell.failure = this.#failureOf(evaluation.key, error);
      return false;
    }
    cell.hasValue = true;
    cell.failure = undefined;
    return true;
  }

  #failureOf(key: string, error: unknown): CollectionError {
    const noted = this.#recorder.failures.find(
      (failure) => failure === error || (failure.collection === this.name && failure.key === key),
    );
    return noted ?? new CollectionError(this.name, key, error);
  }

  #drop(cell: Cell<V>): void {
    this.#forget(cell);
    this.#recorder.sweep();
  }
}

/** One memoized value, and its readers. */
class Cell<V> extends Trigger {
  readonly evaluation: Evaluation;
  value: V | undefined;
  hasValue = false;
  /** Set while there is no value, because the function failed. */
  failure: CollectionError | undefined;
  /** How often it is retained from outside. */
  holders = 0;
  readonly #forget: (cell: Cell<V>) => void;

  constructor(evaluation: Evaluation, forget: (cell: Cell<V>) => void) {
    super();
    this.evaluation = evaluation;
    this.#forget = forget;
  }

  override get isIdle(): boolean {
    return this.holders === 0 && super.isIdle;
  }

  override drop(): void {
    this.#forget(this);
  }
}
