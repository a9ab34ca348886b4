// A token bucket that fills continuously, and the seam behind which workers may share one.

/** A bucket of whole tokens. The caller brings the time, so that buckets need no clock and no timer. */
export type TokenBucket = {
  readonly maxTokens: number;
  /** Tokens that come in one ms. */
  readonly ratePerMs: number;
  /** Takes so many tokens, or none at all and returns false. Nobody may take 0 tokens: Envoy refuses that. */
  take(nowMs: number, count: number): boolean;
  /** Puts tokens back, as far as there is room. */
  refill(nowMs: number, count: number): void;
  /** Tokens that could be taken now. */
  remaining(nowMs: number): number;
  /** Whole seconds until a token is there, rounded up; 0 when there is one. */
  secondsToNext(nowMs: number): number;
};

export type TokenBucketSettings = {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
};

/** Makes the buckets of one configuration; `name` tells them apart. The default keeps them in this worker. */
export type TokenBucketMaker = (settings: TokenBucketSettings, name: string) => TokenBucket;

/** The slowest rate, tokens per ms: one a year (Envoy: kMinFillRate). */
export const MIN_RATE = 1 / (365 * 24 * 60 * 60 * 1000);

/**
 * Its state is one number: the moment from which tokens have been gathering. A full bucket's moment lies far back, a
 * take moves it forward by the time that one token needs. One number is what a shared bucket exchanges atomically.
 */
export class LocalTokenBucket implements TokenBucket {
  readonly maxTokens: number;
  readonly ratePerMs: number;
  #emptyAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: TokenBucketSettings) {
    this.maxTokens = settings.maxTokens;
    this.ratePerMs = Math.max(settings.tokensPerFill / settings.fillIntervalMs, MIN_RATE);
  }

  take(nowMs: number, count: number): boolean {
    const tokens = this.#tokens(nowMs);
    if (tokens < count || count === 0) return false;
    this.#emptyAtMs = nowMs - (tokens - count) / this.ratePerMs;
    return true;
  }

  refill(nowMs: number, count: number): void {
    this.#emptyAtMs = nowMs - Math.min(this.maxTokens, this.#tokens(nowMs) + count) / this.ratePerMs;
  }

  remaining(nowMs: number): number {
    return Math.floor(this.#tokens(nowMs));
  }

  secondsToNext(nowMs: number): number {
    const tokens = this.#tokens(nowMs);
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / this.ratePerMs / 1000);
  }

  #tokens(nowMs: number): number {
    // The sum of many fractions must not cost a token: 1 - 1e-9 is one.
    return Math.min(this.maxTokens, (nowMs - this.#emptyAtMs) * this.ratePerMs + 1e-9);
  }
}

export const makeLocalTokenBucket: TokenBucketMaker = (settings) => new LocalTokenBucket(settings);
