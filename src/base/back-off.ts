// How long to wait before another try: exponential with full jitter.
import type { Random } from './clock.ts';

export type BackOffConfig = { readonly baseMs: number; readonly maxMs: number };

/** The bound doubles from base to max with each try. Source: Envoy JitteredExponentialBackOffStrategy. */
export class JitteredBackOff {
  readonly #config: BackOffConfig;
  readonly #random: Random;
  #boundMs: number;

  constructor(config: BackOffConfig, random: Random) {
    this.#config = config;
    this.#random = random;
    this.#boundMs = config.baseMs;
  }

  /** Of the next try, ms: drawn below the bound. */
  nextMs(): number {
    const boundMs = this.#boundMs;
    this.#boundMs = Math.min(boundMs * 2, this.#config.maxMs);
    return this.#random.below(Math.max(1, Math.round(boundMs)));
  }

  /** A try went well: the next failure begins anew. */
  reset(): void {
    this.#boundMs = this.#config.baseMs;
  }
}
