// An index of a collection: values by keys that are made of them.
import { Trigger } from './dependency.ts';
import type { Recorder } from './recorder.ts';
import { positionOf } from './sorted.ts';
import type { Index } from './types.ts';

const NOTHING: readonly never[] = [];

export class KeyedIndex<V> implements Index<V> {
  readonly name: string;
  /** Of its collection. */
  readonly order: number;
  readonly #values: ReadonlyMap<string, V>;
  readonly #keysOf: (key: string, value: V) => Iterable<string>;
  readonly #recorder: Recorder;
  readonly #buckets = new Map<string, Bucket<V>>();

  constructor(
    name: string,
    order: number,
    values: ReadonlyMap<string, V>,
    keysOf: (key: string, value: V) => Iterable<string>,
    recorder: Recorder,
  ) {
    this.name = name;
    this.order = order;
    this.#values = values;
    this.#keysOf = keysOf;
    this.#recorder = recorder;
    for (const [key, value] of values) this.apply(key, undefined, value);
  }

  lookup(indexKey: string): readonly V[] {
    return this.#buckets.get(indexKey)?.list(this.#values) ?? NOTHING;
  }

  readFor(recorder: Recorder, indexKey: string): readonly V[] {
    const bucket = this.#bucket(indexKey);
    recorder.record(bucket);
    return bucket.list(this.#values);
  }

  /** A value of the collection came, went or was replaced, and stands in the collection as it is now. */
  apply(key: string, before: V | undefined, after: V | undefined): void {
    const old = before === undefined ? NOTHING : this.#indexKeys(key, before, false);
    const now = after === undefined ? NOTHING : this.#indexKeys(key, after, true);
    const isOld = memberOf(old);
    const isNow = memberOf(now);
    for (const indexKey of old) {
      const bucket = this.#bucket(indexKey);
      if (isNow(indexKey)) bucket.touch();
      else if (bucket.take(key)) this.#recorder.idle(bucket);
    }
    for (const indexKey of now) if (!isOld(indexKey)) this.#bucket(indexKey).put(key);
  }

  /** Without duplicates. A value whose function fails is not in the index. */
  #indexKeys(key: string, value: V, isNew: boolean): readonly string[] {
    try {
      const keys = [...this.#keysOf(key, value)];
      return keys.length > 1 ? [...new Set(keys)] : keys;
    } catch (error) {
      if (isNew) this.#recorder.fail(this.name, key, error);
      return NOTHING;
    }
  }

  #bucket(indexKey: string): Bucket<V> {
    let bucket = this.#buckets.get(indexKey);
    if (bucket === undefined) this.#buckets.set(indexKey, (bucket = new Bucket<V>(this.#buckets, indexKey)));
    return bucket;
  }
}

/** Lists up to this long are searched from their beginning. */
const SHORT = 8;

function memberOf(list: readonly string[]): (item: string) => boolean {
  if (list.length <= SHORT) return (item) => list.includes(item);
  const set = new Set(list);
  return (item) => set.has(item);
}

/** The values of one index key; it stays while it has values or readers. */
class Bucket<V> extends Trigger {
  readonly #home: Map<string, Bucket<V>>;
  readonly #indexKey: string;
  readonly #keys: string[] = [];
  #list: readonly V[] | undefined;

  constructor(home: Map<string, Bucket<V>>, indexKey: string) {
    super();
    this.#home = home;
    this.#indexKey = indexKey;
  }

  list(values: ReadonlyMap<string, V>): readonly V[] {
    return (this.#list ??= this.#keys.map((key) => values.get(key)!));
  }

  touch(): void {
    this.#list = undefined;
    this.fire();
  }

  put(key: string): void {
    this.#keys.splice(positionOf(this.#keys, key), 0, key);
    this.touch();
  }

  /** Says whether it is empty now. */
  take(key: string): boolean {
    this.#keys.splice(positionOf(this.#keys, key), 1);
    this.touch();
    return this.#keys.length === 0;
  }

  override drop(): void {
    if (this.#keys.length === 0) this.#home.delete(this.#indexKey);
  }
}
