// Who depends on what: a trigger is one thing that can be read, an evaluation is one key of a stage that read it.

/** A stage whose keys are evaluated; it finds in `dirty` which of them have read something that changed. */
export type Evaluator = {
  readonly name: string;
  /** Position in the graph: whatever is read stands earlier. */
  readonly order: number;
  readonly dirty: Evaluation[];
  /** Evaluations since the batch began. */
  recomputed: number;
};

const NONE: readonly Trigger[] = [];

/** One run of a stage's function, for one key, with what it read the last time. */
export class Evaluation {
  readonly stage: Evaluator;
  readonly key: string;
  /** Without duplicates. */
  reads: readonly Trigger[] = NONE;
  isDirty = false;

  constructor(stage: Evaluator, key: string) {
    this.stage = stage;
    this.key = key;
  }
}

/** Up to so many dependents are an array; one that grows beyond becomes a set. */
const SMALL = 8;

/** Something that evaluations depend on: one key, one index key, all values, all keys, one memoized value. */
export abstract class Trigger {
  /** Most triggers have one dependent, and there are tens of thousands of triggers. */
  #dependents: Evaluation | Evaluation[] | Set<Evaluation> | undefined;
  /** The run of the recorder that recorded it last. */
  seenInRun = 0;
  /** Marks of `Recorder.commit`, which nothing nests in. */
  mark = 0;

  /** Nobody depends on it and the graph is at rest: whoever keeps it may forget it. */
  abstract drop(): void;

  get isIdle(): boolean {
    return this.#dependents === undefined;
  }

  /** The evaluation must not be among the dependents yet. */
  add(evaluation: Evaluation): void {
    const present = this.#dependents;
    if (present === undefined) {
      this.#dependents = evaluation;
    } else if (present instanceof Evaluation) {
      this.#dependents = [present, evaluation];
    } else if (present instanceof Set) {
      present.add(evaluation);
    } else if (present.length < SMALL) {
      present.push(evaluation);
    } else {
      this.#dependents = new Set(present).add(evaluation);
    }
  }

  /** Says whether it was the last dependent. */
  remove(evaluation: Evaluation): boolean {
    const present = this.#dependents;
    if (present instanceof Set) {
      present.delete(evaluation);
      if (present.size > 0) return false;
    } else if (Array.isArray(present)) {
      present.splice(present.indexOf(evaluation), 1);
      if (present.length > 0) return false;
    }
    this.#dependents = undefined;
    return true;
  }

  /** Has the dependents evaluated when the pass reaches them. */
  fire(): void {
    const present = this.#dependents;
    if (present === undefined) return;
    if (present instanceof Evaluation) soil(present);
    else for (const evaluation of present) soil(evaluation);
  }
}

function soil(evaluation: Evaluation): void {
  if (evaluation.isDirty) return;
  evaluation.isDirty = true;
  evaluation.stage.dirty.push(evaluation);
}
