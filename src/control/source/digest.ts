// What an object says, as a short text: two that say the same have the same.
import { hash } from 'node:crypto';
import type { ConfigObject } from './object.ts';

/** Of everything that has an effect; not of the place, the version of the API or the uid. */
export function objectDigest({ labels, annotations, spec, data, status, creationMs }: ConfigObject): string {
  const text = JSON.stringify({ labels, annotations, spec, data, status, creationMs }, sortKeys);
  return hash('sha256', text, 'hex').slice(0, 32);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
