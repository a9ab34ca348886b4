// The kinds of collections: set from outside, computed key by key, computed into other keys, and joined.
import assert from 'node:assert/strict';
import { Evaluation } from './dependency.ts';
import type { Recorder } from './recorder.ts';
import { Stage } from './stage.ts';
import type { Equals, FlatCollection, InputCollection, Reader } from './types.ts';

/** Values wait in `#pending` until the batch settles, so that a batch that fails half way changes nothing. */
export class InputStage<V> extends Stage<V> implements InputCollection<V> {
  readonly #mayChange: () => boolean;
  readonly #pending = new Map<string, V | undefined>();

  constructor(name: string, order: number, recorder: Recorder, equals: Equals<V>, mayChange: () => boolean) {
    super(name, order, recorder, equals);
    this.#mayChange = mayChange;
  }

  set(key: string, value: V): void {
    assert(value !== undefined, `${this.name}: delete ${key} rather than set it to undefined`);
    this.#change(key, value);
  }

  delete(key: string): void {
    this.#change(key, undefined);
  }

  discard(): void {
    this.#pending.clear();
  }

  override settle(): void {
    for (const [key, value] of this.#pending) this.publish(key, value);
    this.#pending.clear();
  }

  #change(key: string, value: V | undefined): void {
    assert(this.#mayChange(), `${this.name} can change inside a batch only`);
    this.#pending.set(key, value);
  }
}

/** What stages that run a function have in common: evaluations are kept only of keys whose function reads something. */
abstract class ComputedStage<I, O, V> extends Stage<V> {
  protected readonly source: Stage<I>;
  readonly #compute: (key: string, value: I, read: Reader) => O;
  readonly #evaluations = new Map<string, Evaluation>();
  readonly #take = (key: string, output: O): void => this.take(key, output);
  readonly #evaluateDirty = (key: string): void => this.#evaluate(key, this.source.values.get(key));

  constructor(
    name: string,
    order: number,
    recorder: Recorder,
    source: Stage<I>,
    compute: (key: string, value: I, read: Reader) => O,
    equals: Equals<V>,
  ) {
    super(name, order, recorder, equals);
    this.source = source;
    this.#compute = compute;
  }

  /** The function's output for that key of the source; `undefined` when the key is gone. */
  protected abstract take(key: string, output: O | undefined): void;

  /** Evaluates every key of the source, as if all of it had come now. */
  fill(): void {
    for (const [key, value] of this.source.values) this.#evaluate(key, value);
  }

  override settle(): void {
    for (const [key, change] of this.source.changes) this.#evaluate(key, change.after);
    this.takeDirty(this.#evaluateDirty);
  }

  #evaluate(key: string, value: I | undefined): void {
    const known = this.#evaluations.get(key);
    if (value === undefined) {
      if (known !== undefined) this.recorder.forget(known);
      this.#evaluations.delete(key);
      this.take(key, undefined);
      return;
    }
    const evaluation = known ?? new Evaluation(this, key);
    this.recorder.attempt(evaluation, this.#compute, key, value, this.#take);
    if (evaluation.reads.length > 0) {
      if (known === undefined) this.#evaluations.set(key, evaluation);
    } else if (known !== undefined) {
      this.#evaluations.delete(key);
    }
  }
}

export class MapStage<I, O> extends ComputedStage<I, O | undefined, O> {
  protected override take(key: string, output: O | undefined): void {
    this.publish(key, output);
  }
}

/** What one source key wants an output key to be. */
type Claim<O> = { readonly source: string; value: O; round: number };

export class FlatMapStage<I, O>
  extends ComputedStage<I, readonly (readonly [string, O])[], O>
  implements FlatCollection<O>
{
  readonly clashes: ClashStage;
  /** By output key; several are in the order of their sources. */
  readonly #claims = new Map<string, Claim<O> | Claim<O>[]>();
  /** Output keys of each source key that has any. */
  readonly #outputs = new Map<string, readonly string[]>();
  readonly #touched = new Set<string>();
  #round = 0;

  constructor(
    name: string,
    order: number,
    recorder: Recorder,
    source: Stage<I>,
    compute: (key: string, value: I, read: Reader) => Iterable<readonly [string, O]>,
    equals: Equals<O>,
  ) {
    // A generator reads while it is iterated, which has to be while its reads are recorded.
    const computeAll = (key: string, value: I, read: Reader): readonly (readonly [string, O])[] => {
      const outputs = compute(key, value, read);
      return Array.isArray(outputs) ? outputs : [...outputs];
    };
    super(name, order, recorder, source, computeAll, equals);
    this.clashes = new ClashStage(`${name}.clashes`, order + 1, recorder);
  }

  override fill(): void {
    super.fill();
    this.#publishTouched();
  }

  override settle(): void {
    super.settle();
    this.#publishTouched();
  }

  protected override take(source: string, outputs: readonly (readonly [string, O])[] | undefined): void {
    const before = this.#outputs.get(source) ?? [];
    const round = ++this.#round;
    const keys: string[] = [];
    if (outputs !== undefined) {
      for (const [key, value] of outputs)
        if (value !== undefined && this.#claim(key, source, value, round)) keys.push(key);
    }
    for (const key of before) this.#withdraw(key, source, round);
    if (keys.length > 0) this.#outputs.set(source, keys);
    else this.#outputs.delete(source);
  }

  /** Says whether it is the first claim of that source in this round; of several the first counts. */
  #claim(key: string, source: string, value: O, round: number): boolean {
    const present = this.#claims.get(key);
    const own = Array.isArray(present) ? present.find((claim) => claim.source === source) : present;
    if (own !== undefined && own.source === source) {
      if (own.round === round) return false;
      own.value = value;
      own.round = round;
    } else {
      const claim = { source, value, round };
      if (present === undefined) this.#claims.set(key, claim);
      else this.#claims.set(key, bySource([...(Array.isArray(present) ? present : [present]), claim]));
    }
    this.#touched.add(key);
    return true;
  }

  #withdraw(key: string, source: string, round: number): void {
    const present = this.#claims.get(key)!;
    if (Array.isArray(present)) {
      const left = present.filter((claim) => claim.source !== source || claim.round === round);
      this.#claims.set(key, left.length === 1 ? left[0]! : left);
    } else if (present.source === source && present.round !== round) {
      this.#claims.delete(key);
    }
    this.#touched.add(key);
  }

  #publishTouched(): void {
    for (const key of this.#touched) {
      const claims = this.#claims.get(key);
      const isClash = Array.isArray(claims);
      this.publish(key, (isClash ? claims[0] : claims)?.value);
      this.clashes.put(key, isClash ? claims.map((claim) => claim.source) : undefined);
    }
    this.#touched.clear();
  }
}

function bySource<O>(claims: Claim<O>[]): Claim<O>[] {
  return claims.sort((a, b) => (a.source < b.source ? -1 : 1));
}

/** Follows its flat collection, which stands right before it. */
export class ClashStage extends Stage<readonly string[]> {
  constructor(name: string, order: number, recorder: Recorder) {
    super(name, order, recorder, (a, b) => a.length === b.length && a.every((source, i) => source === b[i]));
  }

  put(key: string, sources: readonly string[] | undefined): void {
    this.publish(key, sources);
  }

  override settle(): void {}
}

/** Of several collections with one key the first has it. */
export class UnionStage<V> extends Stage<V> {
  readonly #sources: readonly Stage<V>[];

  constructor(name: string, order: number, recorder: Recorder, sources: readonly Stage<V>[], equals: Equals<V>) {
    super(name, order, recorder, equals);
    this.#sources = sources;
  }

  fill(): void {
    for (const source of this.#sources) for (const key of source.values.keys()) this.#take(key);
  }

  override settle(): void {
    for (const source of this.#sources) {
      for (const key of source.changes.keys()) if (!this.changes.has(key)) this.#take(key);
    }
  }

  #take(key: string): void {
    for (const source of this.#sources) {
      const value = source.values.get(key);
      if (value !== undefined) return this.publish(key, value);
    }
    this.publish(key, undefined);
  }
}
