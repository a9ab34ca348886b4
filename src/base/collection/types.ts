// What users of keyed collections see of them: collections, indexes, memos, and the reader that functions get.

/** A value that came, went or was replaced; absence is `undefined`. */
export type Change<V> = { readonly before: V | undefined; readonly after: V | undefined };

export type Changes<V> = ReadonlyMap<string, Change<V>>;

export type Equals<V> = (a: V, b: V) => boolean;

/** Values by key. What it shows is the state after the last settled batch; values are never changed in place. */
export type Collection<V> = {
  readonly name: string;
  readonly size: number;
  get(key: string): V | undefined;
  has(key: string): boolean;
  /** All keys, in order of their code units, so that nothing depends on what came first. */
  keys(): readonly string[];
  /** In the order of the keys. */
  entries(): IterableIterator<[string, V]>;
  /** Called once after each batch that changed something here, when the whole graph has settled; returns its end. */
  subscribe(listener: (changes: Changes<V>) => void): () => void;
  /** Finds values by keys made of them; `keysOf` is a pure function of its arguments. */
  index(name: string, keysOf: (key: string, value: V) => Iterable<string>): Index<V>;
};

/** A collection that is set from outside, inside `Graph.batch` only; the batch's changes show when it has settled. */
export type InputCollection<V> = Collection<V> & {
  set(key: string, value: V): void;
  delete(key: string): void;
};

export type FlatCollection<V> = Collection<V> & {
  /** Output keys that several sources want, with all those sources in order: the first has it. */
  readonly clashes: Collection<readonly string[]>;
};

export type Index<V> = {
  readonly name: string;
  /** Values in the order of their own keys. */
  lookup(indexKey: string): readonly V[];
};

/** Values computed when they are first read, and kept as long as a reader depends on them or somebody retains them. */
export type Memo<V> = {
  readonly name: string;
  /** How many values are held now. */
  readonly size: number;
  /** The value if it is held now; computes nothing. */
  get(key: string): V | undefined;
  has(key: string): boolean;
  /** Computes the value unless it is held, and holds it until as many `release`s; throws what the function throws. */
  retain(key: string): V;
  release(key: string): void;
  /** As of a collection, for values that were held before the batch and still are. */
  subscribe(listener: (changes: Changes<V>) => void): () => void;
};

/**
 * How functions read other collections: each read is remembered, and a change of what was read runs the function again
 * for that key. Only collections that were made before the reading one can be read, and only while the function runs.
 */
export type Reader = {
  get<V>(memo: Memo<V>, key: string): V;
  get<V>(collection: Collection<V>, key: string): V | undefined;
  lookup<V>(index: Index<V>, indexKey: string): readonly V[];
  /** Everything, in the order of the keys; depends on every change of the collection. */
  all<V>(collection: Collection<V>): ReadonlyMap<string, V>;
  /** Depends on keys that come and go, not on values. */
  keys(collection: Collection<unknown>): readonly string[];
};
