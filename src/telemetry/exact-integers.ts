// Integers that cells of doubles cannot hold: who sets a gauge to one notes it, who shows it finds its last digits.

/** Hashes of versions; the ones that were noted last are kept. */
const MAX_INTEGERS = 4096;

/** By the double that stands for it. Two of them share one only if their first 53 bits are the same. */
const exact = new Map<number, bigint>();

/** The double for a cell; `value` is what dumps of this thread show for it. */
export function noteInteger(value: bigint): number {
  const double = Number(value);
  if (BigInt(double) === value) return double;
  exact.delete(double);
  exact.set(double, value);
  if (exact.size > MAX_INTEGERS) exact.delete(exact.keys().next().value as number);
  return double;
}

/** The integer that was noted for the double, or the double's own value. */
export function exactInteger(double: number): bigint {
  return exact.get(double) ?? BigInt(Math.trunc(double));
}
