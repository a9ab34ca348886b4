// What can be said of references from the objects alone: nothing is refused for them, because order does not matter.
import type { Problem } from './finding.ts';
import type { ConfigObject } from './object.ts';

/** Problems by the key of the object that refers. */
export function checkReferences(_objects: ReadonlyMap<string, ConfigObject>): ReadonlyMap<string, readonly Problem[]> {
  return new Map();
}
