// Runs functions of collections and remembers what each of them read.
import assert from 'node:assert/strict';
import type { Evaluation, Trigger } from './dependency.ts';
import type { Collection, Index, Memo, Reader } from './types.ts';

/** A bug in a function of a collection: that key keeps the value it had, until something that it reads changes. */
export class CollectionError extends Error {
  readonly collection: string;
  readonly key: string;

  constructor(collection: string, key: string, cause: unknown) {
    super(`collection ${collection}: the function failed for key ${key}: ${messageOf(cause)}`, { cause });
    this.name = 'CollectionError';
    this.collection = collection;
    this.key = key;
  }
}

/** What the recorder asks of collections, indexes and memos. */
export type Readable = { readonly order: number };
export type ReadableKeys<V> = Readable & { readFor(recorder: Recorder, key: string): V };
export type ReadableWhole<V> = Readable & {
  readAllFor(recorder: Recorder): ReadonlyMap<string, V>;
  readKeysFor(recorder: Recorder): readonly string[];
};

/** So many failures of one batch are kept. */
const MAX_FAILURES = 100;

export class Recorder implements Reader {
  /** No value outside changes and no memo is held or released while functions run. */
  isSettling = false;
  readonly failures: CollectionError[] = [];
  #evaluating: Evaluation | undefined;
  #reads: Trigger[] | undefined;
  #run = 0;
  #runs = 0;
  #marks = 0;
  /** Triggers that lost their last dependent; those that are still without one are dropped when all is at rest. */
  #idle: Trigger[] = [];

  get<V>(source: Memo<V> | Collection<V>, key: string): V {
    const readable = source as unknown as ReadableKeys<V>;
    this.#mayRead(readable, source.name);
    return readable.readFor(this, key);
  }

  lookup<V>(index: Index<V>, indexKey: string): readonly V[] {
    const readable = index as unknown as ReadableKeys<readonly V[]>;
    this.#mayRead(readable, index.name);
    return readable.readFor(this, indexKey);
  }

  all<V>(collection: Collection<V>): ReadonlyMap<string, V> {
    const readable = collection as unknown as ReadableWhole<V>;
    this.#mayRead(readable, collection.name);
    return readable.readAllFor(this);
  }

  keys(collection: Collection<unknown>): readonly string[] {
    const readable = collection as unknown as ReadableWhole<unknown>;
    this.#mayRead(readable, collection.name);
    return readable.readKeysFor(this);
  }

  record(trigger: Trigger): void {
    if (trigger.seenInRun === this.#run) return;
    trigger.seenInRun = this.#run;
    (this.#reads ??= []).push(trigger);
  }

  /**
   * Calls the function, and makes the evaluation depend on what it reads. One that throws depends on what it read
   * before as well, so that it is tried again when any of that changes.
   */
  evaluate<I, O>(
    evaluation: Evaluation,
    compute: (key: string, value: I, read: Reader) => O,
    key: string,
    value: I,
  ): O {
    const outerEvaluation = this.#evaluating;
    const outerReads = this.#reads;
    const outerRun = this.#run;
    this.#evaluating = evaluation;
    this.#reads = undefined;
    this.#run = ++this.#runs;
    evaluation.isDirty = false;
    evaluation.stage.recomputed++;
    let isDone = false;
    try {
      const output = compute(key, value, this);
      isDone = true;
      return output;
    } finally {
      const reads = this.#reads ?? [];
      this.#evaluating = outerEvaluation;
      this.#reads = outerReads;
      this.#run = outerRun;
      this.#commit(evaluation, isDone ? reads : [...reads, ...evaluation.reads]);
    }
  }

  /** As `evaluate`, for a key whose failure concerns nobody else: it is noted, and the answer is false. */
  attempt<I, O>(
    evaluation: Evaluation,
    compute: (key: string, value: I, read: Reader) => O,
    key: string,
    value: I,
    take: (key: string, output: O) => void,
  ): boolean {
    let output: O;
    try {
      output = this.evaluate(evaluation, compute, key, value);
    } catch (error) {
      this.fail(evaluation.stage.name, key, error);
      return false;
    }
    take(key, output);
    return true;
  }

  fail(collection: string, key: string, error: unknown): void {
    // A reader that fails because its memo failed is not another bug.
    if (error instanceof CollectionError && this.failures.includes(error)) return;
    if (this.failures.length < MAX_FAILURES) this.failures.push(new CollectionError(collection, key, error));
  }

  /** The evaluation's key is gone. */
  forget(evaluation: Evaluation): void {
    evaluation.isDirty = false;
    this.#commit(evaluation, []);
  }

  idle(trigger: Trigger): void {
    this.#idle.push(trigger);
  }

  /** Drops what nobody depends on; what that depended on may follow. */
  sweep(): void {
    for (let i = 0; i < this.#idle.length; i++) {
      const trigger = this.#idle[i]!;
      if (trigger.isIdle) trigger.drop();
    }
    this.#idle = [];
  }

  #mayRead(source: Readable, name: string): void {
    const reader = this.#evaluating;
    assert(reader !== undefined, `${name} was read after the function that got the reader had returned`);
    assert(source.order < reader.stage.order, `${reader.stage.name} reads ${name}, which was made later`);
  }

  /** A nested evaluation may have hidden that a trigger was seen, so `reads` may have duplicates. */
  #commit(evaluation: Evaluation, reads: readonly Trigger[]): void {
    const before = evaluation.reads;
    if (areSame(before, reads)) return;
    const wasRead = ++this.#marks;
    const isRead = ++this.#marks;
    for (const trigger of before) trigger.mark = wasRead;
    const kept: Trigger[] = [];
    for (const trigger of reads) {
      if (trigger.mark === isRead) continue;
      if (trigger.mark !== wasRead) trigger.add(evaluation);
      trigger.mark = isRead;
      kept.push(trigger);
    }
    for (const trigger of before) {
      if (trigger.mark !== isRead && trigger.remove(evaluation)) this.#idle.push(trigger);
    }
    evaluation.reads = kept;
  }
}

function areSame(a: readonly Trigger[], b: readonly Trigger[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
