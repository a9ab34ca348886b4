// Which roots proxies are told to trust, and which of them signs; how one takes over from another.
//
//   nothing ──announce──► announced: everybody is told of the next root, the old one signs
//   announced ──promote──► the next one signs; the old one retires, and is trusted still
//   retiring ──its time is over──► gone
import { createHash } from 'node:crypto';
import type { Issuer } from './signing/issuer.ts';
import type { RetiringRoot, TrustRecord } from './storage/root-store.ts';

export type TrustBundle = {
  /** A hash of the set of roots: replicas and restarts agree. */
  readonly version: string;
  /** PEM, one each, that of the issuer which signs in front. */
  readonly roots: readonly string[];
  /** All of them. */
  readonly pem: string;
};

/** The next issuer, and since when proxies can know of it: since it was made, or since the process began. */
export type Announced = { readonly issuer: Issuer; readonly sinceMs: number };

/** Roots that retire at the same time; the oldest beyond that go first. */
const MAX_RETIRING = 8;

export class Trust {
  #signing: Issuer;
  #next: Announced | null;
  #retiring: readonly RetiringRoot[];
  #bundle: TrustBundle;

  constructor(signing: Issuer, next: Announced | null = null, retiring: readonly RetiringRoot[] = []) {
    this.#signing = signing;
    this.#next = next;
    this.#retiring = retiring;
    this.#bundle = this.#makeBundle();
  }

  get signing(): Issuer {
    return this.#signing;
  }
  get next(): Announced | null {
    return this.#next;
  }
  get bundle(): TrustBundle {
    return this.#bundle;
  }
  get retiring(): readonly RetiringRoot[] {
    return this.#retiring;
  }

  /** What follows at once: the same root above it, so that everybody trusts it already. */
  replace(issuer: Issuer): void {
    this.#signing = issuer;
    this.#bundle = this.#makeBundle();
  }

  /** Whether proxies were told of this issuer's own root. */
  isTrusted(issuer: Issuer): boolean {
    const root = issuer.roots[0];
    return root !== undefined && this.#bundle.roots.includes(root);
  }

  announce(issuer: Issuer, nowMs: number): void {
    this.#next = { issuer, sinceMs: nowMs };
    this.#bundle = this.#makeBundle();
  }

  /** The next one signs; the roots of before are trusted until what they signed is over, `untilMs`. */
  promote(untilMs: number): void {
    if (this.#next === null) return;
    const old = this.#signing.roots;
    this.#signing = this.#next.issuer;
    this.#next = null;
    this.keep(old, untilMs);
  }

  /** Roots that signed before, here or in an earlier life of the process. */
  keep(roots: readonly string[], untilMs: number): void {
    const current = this.#signing.roots;
    const gone = roots.filter((root) => !current.includes(root)).map((root) => ({ root, untilMs }));
    const before = this.#retiring.filter(({ root }) => !roots.includes(root) && !current.includes(root));
    this.#retiring = [...gone, ...before].slice(0, MAX_RETIRING);
    this.#bundle = this.#makeBundle();
  }

  /** Forgets roots whose time is over; whether there were such. */
  retire(nowMs: number): boolean {
    const left = this.#retiring.filter(({ untilMs }) => untilMs > nowMs);
    if (left.length === this.#retiring.length) return false;
    this.#retiring = left;
    this.#bundle = this.#makeBundle();
    return true;
  }

  record(): TrustRecord {
    return {
      signing: this.#signing.id,
      signingRoots: this.#signing.roots,
      next: this.#next?.issuer.id ?? null,
      retiring: this.#retiring,
    };
  }

  #makeBundle(): TrustBundle {
    const all = [
      ...this.#signing.roots,
      ...(this.#next?.issuer.roots ?? []),
      ...this.#retiring.map(({ root }) => root),
    ];
    const roots = [...new Set(all)];
    const version = createHash('sha256')
      .update([...roots].sort().join(''))
      .digest('hex')
      .slice(0, 16);
    return { version, roots, pem: roots.join('') };
  }
}
