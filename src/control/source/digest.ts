// What an object says, as a short text: two that say the same have the same.
import { hash } from 'node:crypto';
import { Secret } from '../../base/secret.ts';
import type { ConfigObject } from './object.ts';

/** Of everything that has an effect; not of the place, the version of the API or the uid. */
export function objectDigest({ labels, annotations, spec, data, status, creationMs }: ConfigObject): string {
  const text = JSON.stringify({ labels, annotations, spec, data, status, creationMs }, sortKeys);
  return hash('sha256', text, 'hex').slice(0, 32);
}

/** What is sealed counts as what it is: nothing but the hash of it leaves this file. */
function sortKeys(this: unknown, key: string, printed: unknown): unknown {
  const own = (this as Readonly<Record<string, unknown>>)[key];
  const value = own instanceof Secret ? (own as Secret).reveal() : printed;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
