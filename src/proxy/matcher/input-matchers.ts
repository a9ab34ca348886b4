// Matchers of what an input gives that are more than a comparison of texts: envoy.extensions.matching.input_matchers.
import { CidrSet, parseIp } from '../../base/ip.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { type CidrRangePb, decodeCidrs, decodeValueMatcher } from '../config/matcher.ts';
import type { RuntimeFractionalPercentPb, ValueMatcherPb } from '../config/matcher.ts';
import { xxHash64 } from '../route/xxhash64.ts';

const TYPE = 'envoy.extensions.matching.input_matchers';
const HASHING = `${TYPE}.consistent_hashing.v3.ConsistentHashing`;
const IP = `${TYPE}.ip.v3.Ip`;
const RUNTIME_FRACTION = `${TYPE}.runtime_fraction.v3.RuntimeFraction`;

/** Takes values of DynamicMetadataInput alone. */
export const METADATA_MATCHER = `${TYPE}.metadata.v3.Metadata`;

/** Supported fields. */
export const INPUT_MATCHER_FIELDS = {
  [HASHING]: 'threshold modulo seed',
  [IP]: 'cidr_ranges stat_prefix',
  [RUNTIME_FRACTION]: 'runtime_fraction seed',
  [METADATA_MATCHER]: 'value invert',
} as const;

const IP_STATS = { ip_parsing_failed: 'counter' } as const;

/** What such a matcher says of a text that is there, as bytes. */
export type TextPredicate = (text: string) => boolean;

/** Undefined where there is no matcher of this type for texts. */
export function decodeTextMatcher(type: string, message: object, d: ConfigDecoder): TextPredicate | undefined {
  switch (type) {
    case HASHING:
      return hashing(message, d);
    case IP:
      return ipRanges(message, d);
    case RUNTIME_FRACTION:
      return runtimeFraction(message, d);
    default:
      return undefined;
  }
}

/** What a metadata matcher says of a value, undefined for none. */
export function decodeMetadataPredicate(
  message: { readonly value?: ValueMatcherPb; readonly invert?: boolean },
  d: ConfigDecoder,
): (value: unknown) => boolean {
  const matcher = decodeValueMatcher(message.value, d.at('value'));
  const invert = message.invert === true;
  return (value) => matcher.matches(value) !== invert;
}

function hashing(
  { threshold = 0, modulo = 0, seed = 0 }: { threshold?: number; modulo?: number; seed?: number | bigint },
  d: ConfigDecoder,
): TextPredicate {
  if (threshold > modulo) d.reject('threshold', `${threshold} cannot be greater than the modulo, ${modulo}`);
  const [from, of] = [BigInt(threshold), BigInt(modulo)];
  const start = BigInt(seed);
  return (text) => xxHash64(text, start) % of >= from;
}

/** What is no address is counted and matches nothing; an empty text is not even counted. */
function ipRanges(
  message: { cidr_ranges?: readonly CidrRangePb[]; stat_prefix?: string },
  d: ConfigDecoder,
): TextPredicate {
  const set = new CidrSet(decodeCidrs(message.cidr_ranges, d, 'cidr_ranges'));
  const scope = d.environment.stats?.scope(`${message.stat_prefix ?? ''}.`, IP_STATS);
  return (text) => {
    if (text === '') return false;
    const ip = parseIp(text);
    if (ip === null) scope?.inc(scope.i.ip_parsing_failed);
    return ip !== null && set.containsIp(ip);
  };
}

/** The hash of the text draws, so equal texts get equal answers. */
function runtimeFraction(
  message: { runtime_fraction?: RuntimeFractionalPercentPb; seed?: number | bigint },
  d: ConfigDecoder,
): TextPredicate {
  const { runtime } = d.environment;
  const { default_value, runtime_key = '' } = message.runtime_fraction ?? {};
  const fraction = d.fraction(default_value);
  const seed = BigInt(message.seed ?? 0);
  const draw = {
    hash: 0n,
    below(limit: number): number {
      return Number(this.hash % BigInt(limit));
    },
  };
  return (text) => {
    draw.hash = xxHash64(text, seed);
    return runtime?.featureEnabled(runtime_key, fraction, draw) ?? false;
  };
}
