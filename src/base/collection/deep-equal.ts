// Equality of plain data: what objects, arrays, bytes, maps and sets hold counts, not which ones they are.
import { Secret } from '../secret.ts';

/**
 * Compares trees of plain data. The order of an object's fields is nothing; the order of a Map's or Set's entries
 * counts, as it does for whoever iterates them. Secrets are equal by what they hold. Anything else (class instances,
 * functions) equals only itself.
 */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const prototype: unknown = Object.getPrototypeOf(a);
  if (prototype !== Object.getPrototypeOf(b)) return false;
  if (prototype === Object.prototype || prototype === null) return fieldsEqual(a, b);
  if (Array.isArray(a)) return Array.isArray(b) && itemsEqual(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Map) return b instanceof Map && a.size === b.size && itemsEqual([...a], [...b]);
  if (a instanceof Secret) return a.equals(b as Secret);
  if (a instanceof Set) return b instanceof Set && a.size === b.size && itemsEqual([...a], [...b]);
  return false;
}

function itemsEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
  return true;
}

function fieldsEqual(a: object, b: object): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) {
    if (!Object.hasOwn(b, key)) return false;
    if (!deepEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false;
  }
  return true;
}
