// Envoy's TokenBucket message, as all local rate limits take it.
import type { ConfigDecoder } from '../config-decoder.ts';
import type { TokenBucketSettings } from './token-bucket.ts';

/** Envoy refuses to fill more often. */
const MIN_FILL_INTERVAL_MS = 50;

export type TokenBucketPb = {
  max_tokens?: number;
  tokens_per_fill?: number;
  fill_interval?: { seconds: number | bigint; nanos: number };
};

export function decodeBucket(message: TokenBucketPb, d: ConfigDecoder): TokenBucketSettings {
  const fillIntervalMs = Math.trunc(d.durationMs(message.fill_interval, 0));
  const maxTokens = message.max_tokens ?? 0;
  if (maxTokens > 0 && fillIntervalMs < MIN_FILL_INTERVAL_MS) {
    d.reject('fill_interval', `must be at least ${MIN_FILL_INTERVAL_MS} ms`);
  }
  const tokensPerFill = message.tokens_per_fill ?? 1;
  return Object.freeze({ maxTokens, tokensPerFill, fillIntervalMs: Math.max(fillIntervalMs, MIN_FILL_INTERVAL_MS) });
}
