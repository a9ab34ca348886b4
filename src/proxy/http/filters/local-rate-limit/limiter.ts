// The buckets of one rate limit: the default one, one per configured descriptor, and those that wildcards make.
import { bytesOf } from '../../../../base/matcher-text.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { decodeBucket } from '../../../rate-limit/decode-bucket.ts';
import type { TokenBucketPb } from '../../../rate-limit/decode-bucket.ts';
import { makeLocalTokenBucket } from '../../../rate-limit/token-bucket.ts';
import type { TokenBucket, TokenBucketMaker, TokenBucketSettings } from '../../../rate-limit/token-bucket.ts';
import type { RequestDescriptor } from './rate-limit-actions.ts';

export type LocalDescriptorPb = {
  entries?: readonly { key?: string; value?: string }[];
  token_bucket?: TokenBucketPb;
  shadow_mode?: boolean;
};

export type LocalDescriptor = {
  /** key, value, …; a value '' stands for any. */
  readonly entries: readonly string[];
  readonly isWildcard: boolean;
  readonly settings: TokenBucketSettings;
  readonly isShadow: boolean;
};

export type LimiterSettings = {
  /** Null: requests without descriptor are not limited. */
  readonly bucket: TokenBucketSettings | null;
  readonly descriptors: readonly LocalDescriptor[];
  readonly alwaysTakesDefault: boolean;
  /** Buckets that one wildcard may have at a time. */
  readonly maxDynamic: number;
};

export function decodeDescriptors(
  messages: readonly LocalDescriptorPb[] | undefined,
  d: ConfigDecoder,
): readonly LocalDescriptor[] {
  const known = new Set<string>();
  const decoded = (messages ?? []).map((message, i): LocalDescriptor => {
    const at = d.at('descriptors', i);
    const entries = (message.entries ?? []).flatMap(({ key = '', value = '' }) => [bytesOf(key), bytesOf(value)]);
    if (known.has(keyOf(entries))) at.reject('entries', 'are those of another descriptor');
    known.add(keyOf(entries));
    return Object.freeze({
      entries: Object.freeze(entries),
      isWildcard: entries.some((text, at) => at % 2 === 1 && text === ''),
      settings: decodeBucket(message.token_bucket ?? {}, at.at('token_bucket')),
      isShadow: message.shadow_mode ?? false,
    });
  });
  return Object.freeze(decoded);
}

/** Entries as one key; NUL is in no header, query or address. */
function keyOf(entries: readonly string[]): string {
  return entries.join('\0');
}

type DescriptorBucket = { readonly bucket: TokenBucket; readonly isShadow: boolean };

/** A descriptor with free values: a bucket for each combination seen lately, the least recently used one goes. */
type Wildcard = { readonly descriptor: LocalDescriptor; readonly buckets: Map<string, DescriptorBucket> };

/** What `check` decided; valid until the next call. */
export class Verdict {
  isAllowed = true;
  /** The descriptor that refuses is only watched. */
  isShadow = false;
  /** The bucket that the headers tell of. */
  bucket: TokenBucket | null = null;
  hasHeaders: boolean | null = null;
}

export class Limiter {
  readonly verdict = new Verdict();
  readonly #makeBucket: TokenBucketMaker;
  readonly #default: TokenBucket | null;
  /** A default bucket without any tokens: Envoy denies and tells nothing of it. */
  readonly #isDefaultDenied: boolean;
  readonly #exact = new Map<string, DescriptorBucket>();
  readonly #wildcards: Wildcard[] = [];
  readonly #alwaysTakesDefault: boolean;
  readonly #maxDynamic: number;

  constructor(settings: LimiterSettings, makeBucket: TokenBucketMaker = makeLocalTokenBucket) {
    const { bucket } = settings;
    this.#makeBucket = makeBucket;
    this.#isDefaultDenied = bucket !== null && bucket.maxTokens === 0;
    this.#default = bucket === null || bucket.maxTokens === 0 ? null : makeBucket(bucket, '');
    this.#alwaysTakesDefault = settings.alwaysTakesDefault;
    this.#maxDynamic = settings.maxDynamic;
    for (const descriptor of settings.descriptors) {
      if (descriptor.isWildcard) this.#wildcards.push({ descriptor, buckets: new Map() });
      else
        this.#exact.set(keyOf(descriptor.entries), this.#makeDescriptorBucket(descriptor, keyOf(descriptor.entries)));
    }
  }

  /** Takes the tokens of a request; `descriptors` null when the configuration knows none. */
  check(descriptors: readonly RequestDescriptor[] | null, nowMs: number): Verdict {
    const verdict = this.verdict;
    verdict.isShadow = false;
    verdict.hasHeaders = null;
    if (descriptors === null) return this.#takeDefault(verdict, nowMs);
    const matched = this.#matches(descriptors);
    for (const { found, request } of matched) {
      if (request.isRefill) {
        found.bucket.refill(nowMs, request.hits);
      } else if (!found.bucket.take(nowMs, request.hits)) {
        verdict.isAllowed = false;
        verdict.isShadow = found.isShadow;
        verdict.bucket = found.bucket;
        verdict.hasHeaders = request.hasHeaders;
        return verdict;
      }
    }
    const first = matched[0];
    if (first === undefined) return this.#takeDefault(verdict, nowMs);
    if (this.#alwaysTakesDefault && !this.#takeDefault(verdict, nowMs).isAllowed) return verdict;
    verdict.isAllowed = true;
    verdict.bucket = first.found.bucket;
    verdict.hasHeaders = first.request.hasHeaders;
    return verdict;
  }

  #takeDefault(verdict: Verdict, nowMs: number): Verdict {
    verdict.bucket = this.#default;
    verdict.isAllowed = this.#default === null ? !this.#isDefaultDenied : this.#default.take(nowMs, 1);
    return verdict;
  }

  /** The slowest bucket first, so that a request that it refuses takes nothing from the others. */
  #matches(descriptors: readonly RequestDescriptor[]): { found: DescriptorBucket; request: RequestDescriptor }[] {
    const matched: { found: DescriptorBucket; request: RequestDescriptor }[] = [];
    for (const request of descriptors) {
      const key = keyOf(request.entries);
      const found = this.#exact.get(key) ?? this.#dynamic(request.entries, key);
      if (found !== null) matched.push({ found, request });
    }
    return matched.length < 2 ? matched : matched.sort((a, b) => a.found.bucket.ratePerMs - b.found.bucket.ratePerMs);
  }

  #dynamic(entries: readonly string[], key: string): DescriptorBucket | null {
    for (const { descriptor, buckets } of this.#wildcards) {
      if (!fits(descriptor.entries, entries)) continue;
      const known = buckets.get(key);
      // A Map keeps the order of insertion: the last one in was used last.
      if (known !== undefined) buckets.delete(key);
      const bucket = known ?? this.#makeDescriptorBucket(descriptor, key);
      buckets.set(key, bucket);
      if (buckets.size > this.#maxDynamic) buckets.delete(buckets.keys().next().value as string);
      return bucket;
    }
    return null;
  }

  #makeDescriptorBucket(descriptor: LocalDescriptor, key: string): DescriptorBucket {
    const name = `${keyOf(descriptor.entries)} ${key}`;
    return { bucket: this.#makeBucket(descriptor.settings, name), isShadow: descriptor.isShadow };
  }
}

function fits(pattern: readonly string[], entries: readonly string[]): boolean {
  if (pattern.length !== entries.length) return false;
  for (let i = 0; i < pattern.length; i++) {
    const wanted = pattern[i] as string;
    if (wanted !== entries[i] && !(i % 2 === 1 && wanted === '')) return false;
  }
  return true;
}
