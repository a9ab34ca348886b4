// A RuntimeFractionalPercent of a filter's configuration, compiled so that 0 % and 100 % cost nothing.
import type { Random } from '../../../base/clock.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import type { RuntimeFractionalPercentPb } from '../../config/matcher.ts';
import type { FractionalPercent, Runtime } from '../filter.ts';

export type RuntimeFraction = {
  readonly key: string;
  readonly percent: FractionalPercent;
  /** The answer where neither runtime nor chance has a say. */
  readonly constant: boolean | null;
};

export function decodeRuntimeFraction(message: RuntimeFractionalPercentPb, d: ConfigDecoder): RuntimeFraction {
  const key = message.runtime_key ?? '';
  const percent = d.fraction(message.default_value);
  let constant: boolean | null = null;
  if (key === '' && percent.numerator === 0) constant = false;
  if (key === '' && percent.numerator >= percent.denominator) constant = true;
  return Object.freeze({ key, percent, constant });
}

export function holds(fraction: RuntimeFraction, runtime: Runtime, random: Random): boolean {
  return fraction.constant ?? runtime.featureEnabled(fraction.key, fraction.percent, random);
}
