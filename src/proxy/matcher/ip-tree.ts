// The tree of address ranges (xds.type.matcher.v3.IPMatcher): the longest range first, then those around it.
import { CidrMap, formatCidr, maskIp } from '../../base/ip.ts';
import type { Cidr } from '../../base/ip.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeCidrs } from '../config/matcher.ts';
import type { CidrRangePb } from '../config/matcher.ts';
import type { OnMatchPb } from './matcher.ts';
import { NO_MATCH, UNDECIDED } from './step.ts';
import type { Input, Step } from './step.ts';

export const IP_MATCHER = 'xds.type.matcher.v3.IPMatcher';

export type IpMatcherPb = {
  range_matchers?: readonly { ranges?: readonly CidrRangePb[]; on_match?: OnMatchPb; exclusive?: boolean }[];
};

type Entry<S, E> = { readonly step: Step<S, E>; readonly isExclusive: boolean };
type Range<S, E> = { readonly cidr: Cidr; readonly entries: Entry<S, E>[] };

/**
 * A range that leads nowhere gives way to the next: of the same range the next in the configuration, then the ranges
 * around it. An exclusive one is asked only when it is the first. What is no address matches nothing.
 * Source: Envoy TrieMatcher.
 */
export function decodeIpTree<S, E>(
  message: IpMatcherPb,
  input: Input<S, E>,
  onMatch: (message: OnMatchPb | undefined, d: ConfigDecoder) => Step<S, E>,
  d: ConfigDecoder,
): Step<S, E> {
  const ranges = new Map<string, Range<S, E>>();
  for (const [i, { ranges: rangePbs, on_match, exclusive = false }] of (message.range_matchers ?? []).entries()) {
    const at = d.at('range_matchers', i);
    const entry = { step: onMatch(on_match, at.at('on_match')), isExclusive: exclusive };
    for (const cidr of decodeCidrs(rangePbs, at, 'ranges')) {
      const key = formatCidr(cidr);
      const known = ranges.get(key);
      if (known === undefined) ranges.set(key, { cidr, entries: [entry] });
      else known.entries.push(entry);
    }
  }
  const map = new CidrMap([...ranges.values()].map(({ cidr }) => [cidr, stepsFrom(cidr, ranges)] as const));
  return (subject, beside) => {
    const text = input(subject, beside);
    if (text === null) return UNDECIDED;
    const steps = text === undefined ? undefined : map.lookup(text);
    if (steps === undefined) return NO_MATCH;
    for (const step of steps) {
      const found = step(subject, beside);
      if (found !== NO_MATCH) return found;
    }
    return NO_MATCH;
  };
}

/** What is asked, in this order, of an address for which this is the longest range. */
function stepsFrom<S, E>(cidr: Cidr, ranges: ReadonlyMap<string, Range<S, E>>): readonly Step<S, E>[] {
  const entries: Entry<S, E>[] = [];
  for (let { length } = cidr; length >= 0; length--) {
    const around = ranges.get(formatCidr({ ip: maskIp(cidr.ip, length), length }));
    if (around !== undefined) entries.push(...around.entries);
  }
  return entries.filter(({ isExclusive }, i) => i === 0 || !isExclusive).map(({ step }) => step);
}
