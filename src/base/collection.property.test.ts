// Random graphs under random changes: always equal to a rebuild, nothing computed twice, nothing computed for nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Collection,
  CollectionError,
  Graph,
  type Index,
  type InputCollection,
  type Memo,
  type Reader,
} from './collection.ts';
import { deepEqual } from './collection/deep-equal.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const INPUTS = 2;

/** One collection more; the numbers choose among those that exist. */
type Recipe = {
  readonly kind: 'map' | 'flatMap' | 'union' | 'memo';
  readonly source: number;
  readonly other: number;
  readonly reads: number;
  readonly salt: number;
};
type Change =
  | { readonly do: 'set'; readonly input: number; readonly key: string; readonly value: number }
  | { readonly do: 'delete'; readonly input: number; readonly key: string }
  | { readonly do: 'retain' | 'release'; readonly memo: number; readonly key: string };

const index = fc.nat(20);
const key = fc.constantFrom(...KEYS);
/** The last way of reading fails for some values. */
const FAILING = 7;
const recipes = (ways: number): fc.Arbitrary<Recipe[]> =>
  fc.array(
    fc.record({
      kind: fc.constantFrom('map', 'map', 'flatMap', 'union', 'memo') as fc.Arbitrary<Recipe['kind']>,
      source: index,
      other: index,
      reads: fc.nat(ways),
      salt: fc.nat(5),
    }),
    { minLength: 1, maxLength: 9 },
  );
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set'), input: index, key, value: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete'), input: index, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('retain', 'release'), memo: index, key }) },
);
const batches = fc.array(fc.array(change, { maxLength: 4 }), { minLength: 1, maxLength: 12 });

/** What the function of one key read the last time, as questions that can be asked again. */
type Read = { readonly ask: () => unknown; readonly answer: unknown };

class Failing extends Error {}

const INDEXED = new WeakMap<Index<number>, Collection<number>>();

function restsOf(_key: string, value: number): readonly string[] {
  return [String(value % 4), String(value % 3)];
}

/** A graph made from recipes, whose functions watch how they are run. */
class Subject {
  readonly graph = new Graph();
  readonly inputs: InputCollection<number>[] = [];
  readonly collections: Collection<number>[] = [];
  readonly memos: Memo<number>[] = [];
  readonly retained: [Memo<number>, string][] = [];
  readonly runs = new Map<string, number>();
  hasFailed = false;
  readonly #indexes: Index<number>[] = [];
  readonly #reads = new Map<string, readonly Read[]>();
  readonly #sources = new Map<string, Collection<unknown>>();

  constructor(made: readonly Recipe[]) {
    for (let i = 0; i < INPUTS; i++) {
      const input = this.graph.input<number>(`input${i}`);
      this.inputs.push(input);
      this.#keep(input);
    }
    made.forEach((recipe, i) => this.#make(`${recipe.kind}${i}`, recipe));
  }

  apply(changes: readonly Change[]): void {
    this.runs.clear();
    this.#bear(() => {
      this.graph.batch(() => this.#change(changes));
    });
    const counted = [...this.graph.recomputed.values()].reduce((sum, count) => sum + count, 0);
    const watched = [...this.runs.values()].reduce((sum, count) => sum + count, 0);
    assert.equal(counted, watched);
    for (const item of changes) {
      this.#forgetGone();
      if (item.do === 'retain' || item.do === 'release') this.#hold(item);
    }
    this.#forgetGone();
  }

  #change(changes: readonly Change[]): void {
    for (const item of changes) {
      if (item.do === 'set') pick(this.inputs, item.input).set(item.key, item.value);
      else if (item.do === 'delete') pick(this.inputs, item.input).delete(item.key);
    }
  }

  /** Functions may fail as the recipe has it, and in no other way. */
  #bear(run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      for (const one of error instanceof AggregateError ? error.errors : [error]) {
        let cause: unknown = one;
        while (cause instanceof CollectionError) cause = cause.cause;
        if (!(cause instanceof Failing)) throw cause;
      }
      this.hasFailed = true;
      return false;
    }
  }

  state(): unknown {
    return {
      collections: this.collections.map((collection) => [...collection.entries()]),
      indexes: this.#indexes.map((found) => [0, 1, 2, 3].map((value) => found.lookup(String(value)))),
      memos: this.retained.map(([memo, name]) => memo.get(name)),
    };
  }

  #hold(item: { readonly do: 'retain' | 'release'; readonly memo: number; readonly key: string }): void {
    if (this.memos.length === 0) return;
    const memo = pick(this.memos, item.memo);
    if (item.do === 'retain') {
      if (this.#bear(() => memo.retain(item.key))) this.retained.push([memo, item.key]);
      return;
    }
    const at = this.retained.findIndex(([held, name]) => held === memo && name === item.key);
    if (at >= 0) this.retained.splice(at, 1);
    if (at >= 0) memo.release(item.key);
  }

  #keep(collection: Collection<number>): void {
    this.collections.push(collection);
    const found = collection.index('rest', restsOf);
    this.#indexes.push(found);
    INDEXED.set(found, collection);
  }

  #make(name: string, recipe: Recipe): void {
    const { graph } = this;
    const source = pick(this.collections, recipe.source);
    const other = pick(this.collections, recipe.other);
    const otherIndex = pick(this.#indexes, recipe.other);
    const memo = this.memos.length > 0 ? pick(this.memos, recipe.other) : undefined;
    const { salt } = recipe;
    const compute = (key: string, value: number, read: Reader): number | undefined => {
      if (recipe.reads === 0) return value % 2;
      if (recipe.reads === 1) return value + (read.get(other, keyAt(value + salt)) ?? -1);
      if (recipe.reads === 2) return fold(read.lookup(otherIndex, String(value % 4)), salt);
      if (recipe.reads === 3) return value === salt ? undefined : fold([...read.all(other).values()], value);
      if (recipe.reads === 4) return read.keys(other).join('').length + value;
      if (recipe.reads === 5) return memo === undefined ? value : read.get(memo, keyAt(value)) + salt;
      const first = read.get(other, key) ?? 0;
      if (recipe.reads === FAILING && first === salt) throw new Failing();
      return first % 2 === 0 ? (read.get(source, keyAt(first)) ?? 0) : value;
    };
    if (recipe.kind === 'union') {
      this.#keep(graph.union(name, source, other));
      return;
    }
    if (recipe.kind === 'memo') {
      const run = this.#watched<undefined, number>(name, undefined, (key, _value, read) => {
        return compute(key, KEYS.indexOf(key), read) ?? -1;
      });
      this.memos.push(graph.memo(name, (key, read) => run(key, undefined, read)));
      return;
    }
    this.#sources.set(name, source);
    if (recipe.kind === 'map') {
      this.#keep(graph.map(name, source, this.#watched(name, source, compute)));
      return;
    }
    const spread = function* (key: string, value: number, read: Reader): Generator<readonly [string, number]> {
      yield [keyAt(value), value];
      const more = compute(key, value, read);
      if (more !== undefined) yield [keyAt(more), more];
    };
    const run = this.#watched(name, source, (key, value, read) => [...spread(key, value, read)]);
    const flat = graph.flatMap(name, source, run);
    this.#keep(flat);
    const wanted = `${name}.wanted`;
    this.#sources.set(wanted, flat.clashes);
    const count = this.#watched<readonly string[], number>(wanted, flat.clashes, (_key, sources) => sources.length);
    this.#keep(graph.map(wanted, flat.clashes, count));
  }

  /** Counts runs, and asserts that whatever runs again has read something that is different now. */
  #watched<I, O>(
    name: string,
    source: Collection<I> | undefined,
    compute: (key: string, value: I, read: Reader) => O,
  ): (key: string, value: I, read: Reader) => O {
    return (key, value, read) => {
      const id = `${name}/${key}`;
      this.runs.set(id, (this.runs.get(id) ?? 0) + 1);
      assert.equal(this.runs.get(id), 1, `${id} ran twice in one batch`);
      const before = this.#reads.get(id);
      const changed = before === undefined || before.some(({ ask, answer }) => !deepEqual(ask(), answer));
      assert.ok(changed, `${id} ran although nothing that it read had changed`);
      const reads: Read[] = [];
      if (source !== undefined) reads.push({ ask: () => source.get(key), answer: value });
      try {
        return compute(key, value, watch(read, reads));
      } catch (error) {
        reads.push(...(before ?? []));
        throw error;
      } finally {
        this.#reads.set(id, reads);
      }
    };
  }

  /** What is computed again after it was dropped, or a key that comes back, has not read anything before. */
  #forgetGone(): void {
    for (const id of this.#reads.keys()) {
      const [name, key] = id.split('/') as [string, string];
      const memo = this.memos.find((held) => held.name === name);
      if ((memo ?? this.#sources.get(name))!.has(key)) continue;
      this.#reads.delete(id);
      this.runs.delete(id);
    }
  }
}

function watch(read: Reader, reads: Read[]): Reader {
  const note = <T>(answer: T, ask: () => unknown): T => {
    reads.push({ ask, answer });
    return answer;
  };
  return {
    get: (from: Collection<number>, key: string) => {
      try {
        return note(read.get(from, key), () => from.get(key));
      } catch (error) {
        // A memo that fails has no value; when it has one, that is a change.
        reads.push({ ask: () => from.get(key), answer: error });
        throw error;
      }
    },
    // Equal values under other keys are another answer.
    lookup: (found: Index<number>, key: string) => {
      const members = () => [...INDEXED.get(found)!.entries()].filter((entry) => restsOf(...entry).includes(key));
      reads.push({ ask: members, answer: members() });
      return read.lookup(found, key);
    },
    all: (from) => note(read.all(from), () => new Map(from.entries())),
    keys: (from) => note(read.keys(from), () => from.keys()),
  } as Reader;
}

function keyAt(value: number): string {
  return KEYS[Math.abs(value) % KEYS.length]!;
}

function fold(values: readonly number[], start: number): number {
  return values.reduce((sum, value) => (sum * 7 + value) % 1000, start);
}

function pick<T>(list: readonly T[], at: number): T {
  return list[at % list.length]!;
}

/** A new one with the inputs that the subject has, and with its memos retained; null when functions fail for them. */
function rebuild(made: readonly Recipe[], subject: Subject): Subject | null {
  const rebuilt = new Subject(made);
  const changes = subject.inputs.flatMap((input, i) =>
    [...input.entries()].map(([name, value]): Change => ({ do: 'set', input: i, key: name, value })),
  );
  const retain = subject.retained.map(([memo, name]): Change => {
    const at = rebuilt.memos.findIndex((other) => other.name === memo.name);
    return { do: 'retain', memo: at, key: name };
  });
  rebuilt.apply([...changes, ...retain]);
  return rebuilt.hasFailed ? null : rebuilt;
}

function compare(made: readonly Recipe[], sequence: readonly (readonly Change[])[]): void {
  const subject = new Subject(made);
  const told = subject.collections.map(() => new Map<string, number>());
  subject.collections.forEach((collection, i) =>
    collection.subscribe((changes) => {
      for (const [name, { before, after }] of changes) {
        assert.equal(told[i]!.get(name), before);
        if (after === undefined) told[i]!.delete(name);
        else told[i]!.set(name, after);
      }
    }),
  );
  for (const changes of sequence) {
    subject.apply(changes);
    subject.collections.forEach((collection, i) => assert.equal(collection.size, told[i]!.size));
    const rebuilt = rebuild(made, subject);
    // What functions fail for keeps what it had, which a rebuild cannot know.
    if (rebuilt === null) continue;
    assert.deepEqual(subject.state(), rebuilt.state());
    // A memo that nobody needs is gone, and one that is needed is there.
    const held = (from: Subject) => from.memos.map((memo) => memo.size);
    assert.deepEqual(held(subject), held(rebuilt));
  }
}

test('after every batch a random graph is what a rebuild from its inputs is, with no function run in vain', () => {
  fc.assert(fc.property(recipes(FAILING - 1), batches, compare), { numRuns: 250 });
});

test('functions that failed leave nothing behind once they no longer do', () => {
  fc.assert(fc.property(recipes(FAILING), batches, compare), { numRuns: 250 });
});
