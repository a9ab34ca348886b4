// Fields of a map in YAML, read one by one; what is left over in the end was meant for something else.
import { isMap } from '../../control/source/read-documents.ts';
import type { PathPart } from '../../control/source/finding.ts';

/** Words that a shell would take as they are. */
const PLAIN = /^[-\w./=:@%+, ]+$/;

type Complain = (path: readonly PathPart[], reason: string) => void;

export class Fields {
  readonly #isMap: boolean;
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #path: readonly PathPart[];
  readonly #complain: Complain;
  readonly #left: Set<string>;
  readonly #known: string[] = [];

  constructor(value: unknown, path: readonly PathPart[], complain: Complain) {
    this.#isMap = isMap(value);
    this.#value = isMap(value) ? value : {};
    this.#path = path;
    this.#complain = complain;
    this.#left = new Set(Object.keys(this.#value));
    if (!this.#isMap) this.complain('', `${this.#name()} is a map of settings, not ${kindOf(value)}`);
  }

  complain(field: string, reason: string): void {
    this.#complain(field === '' ? this.#path : [...this.#path, field], reason);
  }

  has(field: string): boolean {
    return this.#value[field] !== undefined && this.#value[field] !== null;
  }

  text(field: string, otherwise: string): string {
    const value = this.#take(field);
    if (value === undefined || value === null) return otherwise;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    this.complain(field, `${field} is a text, not ${kindOf(value)}`);
    return otherwise;
  }

  name(field: string, otherwise: string, pattern: RegExp): string {
    const text = this.text(field, otherwise);
    // What stands in its place is somebody else's to check.
    if (!pattern.test(text) && (this.has(field) || otherwise === '')) {
      this.complain(field, text === '' ? `${this.#name()} needs ${field}` : `${JSON.stringify(text)} is no ${field}`);
    }
    return text;
  }

  oneOf<T extends string>(field: string, otherwise: T, all: readonly T[]): T {
    const text = this.text(field, otherwise).toLowerCase() as T;
    if (all.includes(text)) return text;
    this.complain(field, `${JSON.stringify(text)} is no ${field}: one of ${all.join(', ')}`);
    return otherwise;
  }

  number(field: string, otherwise: number, least: number, most: number): number {
    const value = this.#take(field);
    if (value === undefined || value === null) return otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.complain(field, `${field} is a number from ${least} to ${most}, not ${JSON.stringify(value)}`);
    return otherwise;
  }

  required(field: string, least: number, most: number): number {
    if (!this.has(field) && this.#isMap) this.complain('', `${this.#name()} needs ${field}`);
    return this.number(field, least, least, most);
  }

  flag(field: string): boolean {
    const value = this.#take(field);
    if (typeof value === 'boolean' || value === undefined || value === null) return value === true;
    this.complain(field, `${field} is true or false, not ${kindOf(value)}`);
    return false;
  }

  /** A text is for the shell; a list is the program with its arguments. */
  command(field: string): readonly string[] {
    const value = this.#take(field);
    if (typeof value === 'string' && value.trim() !== '')
      return PLAIN.test(value) ? value.trim().split(/\s+/) : ['/bin/sh', '-c', value];
    if (Array.isArray(value) && value.length > 0 && value.every((part) => typeof part !== 'object')) {
      return value.map(String);
    }
    const name = this.#name();
    this.complain(value === undefined ? '' : field, `${name} needs ${field}: a text for the shell, or a list of words`);
    return ['false'];
  }

  texts(field: string): Readonly<Record<string, string>> {
    const value = this.#take(field);
    if (value === undefined || value === null) return {};
    if (!isMap(value)) {
      this.complain(field, `${field} is a map of texts, not ${kindOf(value)}`);
      return {};
    }
    const texts: Record<string, string> = {};
    for (const [key, one] of Object.entries(value)) {
      if (typeof one === 'object' && one !== null) {
        this.#complain([...this.#path, field, key], `${key} is a text, not ${kindOf(one)}`);
      } else texts[key] = one === null ? '' : String(one);
    }
    return texts;
  }

  lines(field: string): readonly string[] {
    const value = this.#take(field);
    if (value === undefined || value === null) return [];
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    this.complain(field, `${field} is a list of texts, not ${kindOf(value)}`);
    return [];
  }

  map(field: string): Fields | null {
    const value = this.#take(field);
    return value === undefined || value === null ? null : this.#inner(value, field);
  }

  /** A map of maps. */
  entries(field: string): (readonly [string, Fields])[] {
    const value = this.#take(field);
    if (value === undefined || value === null) return [];
    if (!isMap(value)) {
      this.complain(field, `${field} is a map from names to settings, not ${kindOf(value)}`);
      return [];
    }
    return Object.entries(value).map(([name, one]) => [name, this.#inner(one, field, name)] as const);
  }

  /** A list of maps. */
  list(field: string): Fields[] {
    const value = this.#take(field);
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.complain(field, `${field} is a list, not ${kindOf(value)}`);
      return [];
    }
    return value.map((one, index) => this.#inner(one, field, index));
  }

  /** Whatever was not asked for is a mistake. */
  end(): void {
    for (const field of this.#left) {
      this.complain(field, `there is no ${field} here: ${this.#known.sort().join(', ')}`);
    }
  }

  #inner(value: unknown, ...path: PathPart[]): Fields {
    return new Fields(value, [...this.#path, ...path], this.#complain);
  }

  #take(field: string): unknown {
    this.#left.delete(field);
    if (!this.#known.includes(field)) this.#known.push(field);
    return this.#value[field];
  }

  #name(): string {
    const last = this.#path.findLast((part) => typeof part === 'string');
    return last === undefined ? 'heddle.yaml' : String(last);
  }
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a map' : JSON.stringify(value);
}
