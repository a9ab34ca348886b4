// The names of one type that a client asks for: everything, single names, or all names of a space.
import { SPACED_TYPES } from './order.ts';

export const WILDCARD = '*';

export class Subscription {
  isWildcard = false;
  readonly names = new Set<string>();
  /** 'ROUTE/': all virtual hosts of a route configuration. */
  readonly #spaces = new Set<string>();
  readonly #isSpaced: boolean;

  constructor(typeUrl: string) {
    this.#isSpaced = SPACED_TYPES.has(typeUrl);
  }

  get size(): number {
    return this.names.size + this.#spaces.size;
  }

  get isEmpty(): boolean {
    return !this.isWildcard && this.size === 0;
  }

  isSpace(name: string): boolean {
    return this.#isSpaced && name.endsWith('/');
  }

  add(name: string): void {
    if (name === WILDCARD) this.isWildcard = true;
    else if (this.isSpace(name)) this.#spaces.add(name);
    else this.names.add(name);
  }

  /** Returns whether it was there. */
  delete(name: string): boolean {
    if (name === WILDCARD) {
      const was = this.isWildcard;
      this.isWildcard = false;
      return was;
    }
    return this.isSpace(name) ? this.#spaces.delete(name) : this.names.delete(name);
  }

  has(name: string): boolean {
    if (name === WILDCARD) return this.isWildcard;
    return this.isSpace(name) ? this.#spaces.has(name) : this.names.has(name);
  }

  /** Whether a resource of this name (or with one of these aliases) is asked for. */
  covers(name: string, aliases: readonly string[] = []): boolean {
    if (this.isWildcard || this.names.has(name)) return true;
    if (!this.#isSpaced) return false;
    if (this.#spaces.size > 0 && this.#spaces.has(name.slice(0, name.lastIndexOf('/') + 1))) return true;
    return aliases.some((alias) => this.names.has(alias));
  }
}
