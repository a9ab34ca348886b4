// A token bucket that all workers take from: its one number lies in shared memory and is exchanged atomically.
import type { SharedCells, SharedPair } from '../../base/shared-cells.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { MIN_RATE, makeLocalTokenBucket } from './token-bucket.ts';
import type { TokenBucket, TokenBucketMaker, TokenBucketSettings } from './token-bucket.ts';

/** How often a take tries again when other workers took in between; then it goes without its tokens. */
const MAX_TRIES = 100;

/** As LocalTokenBucket; the clocks of all threads of a process begin at the same moment, so times compare. */
export class SharedTokenBucket implements TokenBucket {
  readonly maxTokens: number;
  readonly ratePerMs: number;
  /** The bits of the moment from which tokens have been gathering; 0 until somebody has taken: full. */
  readonly #state: SharedPair;

  constructor(settings: TokenBucketSettings, shared: SharedCells, name: string) {
    this.maxTokens = settings.maxTokens;
    this.ratePerMs = Math.max(settings.tokensPerFill / settings.fillIntervalMs, MIN_RATE);
    this.#state = shared.pair(name);
  }

  take(nowMs: number, count: number): boolean {
    if (count === 0) return false;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const state = this.#state.load();
      const tokens = this.#tokens(state, nowMs);
      if (tokens < count) return false;
      if (this.#write(state, nowMs, tokens - count)) return true;
    }
    return false;
  }

  refill(nowMs: number, count: number): void {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const state = this.#state.load();
      if (this.#write(state, nowMs, Math.min(this.maxTokens, this.#tokens(state, nowMs) + count))) return;
    }
  }

  remaining(nowMs: number): number {
    return Math.floor(this.#tokens(this.#state.load(), nowMs));
  }

  secondsToNext(nowMs: number): number {
    const tokens = this.#tokens(this.#state.load(), nowMs);
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / this.ratePerMs / 1000);
  }

  #tokens(state: bigint, nowMs: number): number {
    if (state === 0n) return this.maxTokens;
    bits[0] = state;
    // A worker that read its clock later may have taken before: then no token has come since.
    const elapsedMs = Math.max(0, nowMs - (moment[0] as number));
    return Math.min(this.maxTokens, elapsedMs * this.ratePerMs + 1e-9);
  }

  #write(state: bigint, nowMs: number, tokens: number): boolean {
    // The moment 0 itself must not read as a bucket that nobody touched.
    moment[0] = nowMs - tokens / this.ratePerMs || Number.MIN_VALUE;
    return this.#state.replace(state, bits[0] as bigint);
  }
}

const moment = new Float64Array(1);
const bits = new BigInt64Array(moment.buffer);

/** Buckets of what is decoded at `d`: the same in all workers, by the version and place of the configuration. */
export function bucketsAt(d: ConfigDecoder): TokenBucketMaker {
  const { shared } = d.environment;
  if (shared === undefined || shared.isLocal) return makeLocalTokenBucket;
  return (settings, name) => new SharedTokenBucket(settings, shared, `bucket ${d.sharedName} ${name}`);
}
