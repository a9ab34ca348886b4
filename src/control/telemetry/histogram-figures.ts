// Counts of buckets of time → what is said of them: quantiles, shares, rates.
import { LATENCY_BOUNDS_MS } from '../../telemetry/mesh-report.ts';
import type { Signals } from './page-types.ts';

/** One for each bound, and one for all above. */
export const LATENCY_BUCKETS: number = LATENCY_BOUNDS_MS.length + 1;

/** Counts that are added up. */
export type Sum = { count: number; errors: number; readonly latency: Float64Array };

export const newSum = (): Sum => ({ count: 0, errors: 0, latency: new Float64Array(LATENCY_BUCKETS) });

export function addTo(sum: Sum, more: { count: number; errors: number; latency: ArrayLike<number> }): void {
  sum.count += more.count;
  sum.errors += more.errors;
  for (let at = 0; at < more.latency.length; at++) sum.latency[at]! += more.latency[at]!;
}

/** `seconds`: how long was counted. */
export function signalsOf({ count, errors, latency }: Sum, seconds: number): Signals {
  return {
    perSecond: seconds > 0 ? rounded(count / seconds) : 0,
    errorShare: count > 0 ? Math.min(1, errors / count) : null,
    p50Ms: quantile(latency, 0.5),
    p99Ms: quantile(latency, 0.99),
  };
}

/** By a straight line inside of the bucket, as Prometheus does; above all bounds the last one. Null without any. */
export function quantile(latency: ArrayLike<number>, q: number): number | null {
  let total = 0;
  for (let at = 0; at < latency.length; at++) total += latency[at]!;
  if (total === 0) return null;
  const rank = q * total;
  let below = 0;
  for (let at = 0; at < LATENCY_BOUNDS_MS.length; at++) {
    const own = latency[at]!;
    if (own > 0 && below + own >= rank) {
      const low = at === 0 ? 0 : LATENCY_BOUNDS_MS[at - 1]!;
      return rounded(low + (LATENCY_BOUNDS_MS[at]! - low) * ((rank - below) / own));
    }
    below += own;
  }
  return LATENCY_BOUNDS_MS.at(-1)!;
}

/** Three digits are enough for people, and short for the wire. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
