// How many requests may go to a server: so many at once, so many a second.
export type RateLimit = { readonly maxTokens: number; readonly fillRate: number };

/** Source: Envoy TokenBucketImpl; RateLimitSettings. */
export class RequestRate {
  readonly #limit: RateLimit;
  #tokens: number;
  #filledMs: number;

  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.maxTokens;
    this.#filledMs = nowMs;
  }

  take(nowMs: number): boolean {
    const { maxTokens, fillRate } = this.#limit;
    this.#tokens = Math.min(maxTokens, this.#tokens + ((nowMs - this.#filledMs) / 1000) * fillRate);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Until there is a token again. */
  get waitMs(): number {
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#limit.fillRate) * 1000);
  }
}
