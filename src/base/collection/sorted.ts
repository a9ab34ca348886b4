// Keys in the order of their code units.

export type SortedKeys = readonly string[];

/** Where the key stands, or would stand. */
export function positionOf(keys: SortedKeys, key: string): number {
  // Keys that come in order are the common case while a graph fills.
  if (keys.length === 0 || keys[keys.length - 1]! < key) return keys.length;
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A copy with the key, which must not be there. */
export function insertSorted(keys: SortedKeys, key: string): SortedKeys {
  const copy = keys.slice();
  copy.splice(positionOf(keys, key), 0, key);
  return copy;
}

/** A copy without the key, which must be there. */
export function removeSorted(keys: SortedKeys, key: string): SortedKeys {
  const copy = keys.slice();
  copy.splice(positionOf(keys, key), 1);
  return copy;
}
