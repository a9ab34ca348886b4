// What a check of a value says, in the API server's words, with what to do about it.
import type { PathPart, Problem } from '../source/finding.ts';

/** Problems kept for one object: who wrote it will look again after the first ones are gone. */
export const MAX_PROBLEMS = 32;

export class Problems {
  readonly list: Problem[] = [];
  readonly #hidesValues: boolean;

  /** `hidesValues`: of a Secret no message repeats anything. */
  constructor(hidesValues = false) {
    this.#hidesValues = hidesValues;
  }

  /** A value as a message shows it. */
  show(value: unknown): string {
    return this.#hidesValues ? 'what is there' : show(value);
  }

  error(path: readonly PathPart[], message: string, remedy: string): void {
    if (this.list.length < MAX_PROBLEMS) this.list.push({ severity: 'error', path: [...path], message, remedy });
  }

  warn(path: readonly PathPart[], message: string, remedy: string): void {
    if (this.list.length < MAX_PROBLEMS) this.list.push({ severity: 'warning', path: [...path], message, remedy });
  }

  get isFull(): boolean {
    return this.list.length >= MAX_PROBLEMS;
  }

  get hasErrors(): boolean {
    return this.list.some(({ severity }) => severity === 'error');
  }
}

const MAX_SHOWN = 80;

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** What to do about a value that should be a text. */
export function textRemedy(value: unknown): string {
  if (typeof value === 'object' && value !== null) return 'write one text';
  return typeof value === 'boolean'
    ? 'put it in quotes: y, n, yes, no, on and off mean true or false'
    : 'put it in quotes';
}

export function typeNameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** Of the names that are known the one that was probably meant; null when none is near. */
export function nearest(name: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    if (candidate.toLowerCase() === name.toLowerCase()) return candidate;
    const distance = editDistance(name, candidate, least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's, `limit` for anything that reaches it. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit || a.length > 100) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return Math.min(limit, row[b.length] as number);
}
