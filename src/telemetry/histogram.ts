// A log-linear histogram as Envoy's (circllhist): 90 bins per decade, an interval and a cumulative view, quantiles.

/** Quantiles that Envoy computes. */
export const SUPPORTED_QUANTILES = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1] as const;

/** Upper bounds of the buckets that a histogram is exported with, unless stats_config says otherwise. */
export const DEFAULT_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Percentages are recorded in millionths. */
const PERCENT_SCALE = 1e6;
const BINS_PER_DECADE = 90;
/** Values up to here find their bin in a table. */
const TABLE_LIMIT = 1024;
/** 2^64 - 1 is the largest value that Envoy records; it lies in the decade of 10^19. */
const MAX_VALUE = 2 ** 64 - 2048;
const EMPTY_BINS = new Uint32Array(0);

const binTable = new Uint16Array(TABLE_LIMIT);
for (let value = 1; value < TABLE_LIMIT; value++) binTable[value] = computeBin(value);

/** Bin 0 is exactly zero; bin 1 + 90 d + (m - 10) holds [m·10^(d-1), (m+1)·10^(d-1)) for 10 ≤ m < 100. */
function computeBin(value: number): number {
  let decade = 0;
  let scale = 1;
  while (value >= scale * 10) {
    scale *= 10;
    decade++;
  }
  return 1 + decade * BINS_PER_DECADE + Math.floor((value * 10) / scale) - 10;
}

/** The bins of one view of a histogram, the lowest first, with the statistics that are made of them. */
export class HistogramView {
  readonly bounds: number[] = [];
  readonly widths: number[] = [];
  readonly counts: number[] = [];
  total = 0;

  constructor(bins: Uint32Array | Float64Array, scale: number) {
    for (let bin = 0; bin < bins.length; bin++) {
      const count = bins[bin] as number;
      if (count === 0) continue;
      this.total += count;
      this.counts.push(count);
      if (bin === 0) {
        this.bounds.push(0);
        this.widths.push(0);
        continue;
      }
      const decade = Math.floor((bin - 1) / BINS_PER_DECADE);
      const mantissa = ((bin - 1) % BINS_PER_DECADE) + 10;
      this.bounds.push(scaled(mantissa, decade - 1, scale));
      this.widths.push(scaled(1, decade - 1, scale));
    }
  }

  /** The quantiles, NaN when nothing was recorded. The k-th of n values in a bin is taken to lie at k/(n+1) of it. */
  quantiles(quantiles: readonly number[] = SUPPORTED_QUANTILES): number[] {
    const result: number[] = [];
    let bin = 0;
    let below = 0;
    for (const quantile of quantiles) {
      if (this.total === 0) {
        result.push(Number.NaN);
        continue;
      }
      const rank = Math.max(1, Math.ceil(quantile * this.total));
      while (bin < this.counts.length - 1 && below + (this.counts[bin] as number) < rank) {
        below += this.counts[bin] as number;
        bin++;
      }
      const position = (rank - below) / ((this.counts[bin] as number) + 1);
      result.push((this.bounds[bin] as number) + position * (this.widths[bin] as number));
    }
    return result;
  }

  /** How many values lie in bins that begin at or below `bound`: the bin of the bound itself counts, as in Envoy. */
  countUpTo(bound: number): number {
    let count = 0;
    for (let bin = 0; bin < this.counts.length; bin++) {
      if ((this.bounds[bin] as number) > bound) break;
      count += this.counts[bin] as number;
    }
    return count;
  }

  /** The approximate sum: each value stands where the error relative to both ends of its bin is equal. */
  sum(): number {
    let sum = 0;
    for (let bin = 0; bin < this.counts.length; bin++) {
      const bottom = this.bounds[bin] as number;
      if (bottom === 0) continue;
      const width = this.widths[bin] as number;
      sum += (bottom + width * (bottom / (bottom + bottom + width))) * (this.counts[bin] as number);
    }
    return sum;
  }
}

/** mantissa·10^exponent/scale, without the error of multiplying by 0.1. */
function scaled(mantissa: number, exponent: number, scale: number): number {
  return exponent < 0 ? mantissa / (10 ** -exponent * scale) : (mantissa * 10 ** exponent) / scale;
}

/**
 * Values are whole numbers ≥ 0 (fractions are cut off, as Envoy does with durations). `record` writes to the running
 * interval; `flush` ends it: readers see the last ended interval and everything up to its end.
 */
export class Histogram {
  readonly name: string;
  readonly isPercent: boolean;
  #running: Uint32Array = EMPTY_BINS;
  #runningCount = 0;
  #ended: Uint32Array = EMPTY_BINS;
  #endedCount = 0;
  #cumulative: Uint32Array | Float64Array = EMPTY_BINS;
  #isUsed = false;

  constructor(name: string, isPercent: boolean) {
    this.name = name;
    this.isPercent = isPercent;
  }

  record(value: number): void {
    const bin = value < TABLE_LIMIT ? (binTable[value | 0] as number) : computeBin(Math.min(value, MAX_VALUE));
    const bins = this.#running;
    this.#runningCount++;
    if (bin < bins.length) bins[bin]!++;
    else this.#grow(bin);
  }

  /** Takes what was recorded since the last time, as bin, count, …; for a merger in another thread. */
  take(): number[] | null {
    if (this.#runningCount === 0) return null;
    const counts: number[] = [];
    const bins = this.#running;
    for (let bin = 0; bin < bins.length; bin++) if (bins[bin] !== 0) counts.push(bin, bins[bin] as number);
    bins.fill(0);
    this.#runningCount = 0;
    return counts;
  }

  /** Records what another thread has taken: so many values in a bin. */
  merge(bin: number, count: number): void {
    if (bin >= this.#running.length) this.#widen(bin);
    this.#running[bin]! += count;
    this.#runningCount += count;
  }

  /** Whether a value has been merged. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Ends the interval. */
  flush(): void {
    if (this.#runningCount === 0) {
      if (this.#endedCount !== 0) {
        this.#ended = EMPTY_BINS;
        this.#endedCount = 0;
      }
      return;
    }
    const bins = this.#running;
    this.#running = this.#ended.length === bins.length ? this.#ended.fill(0) : new Uint32Array(bins.length);
    this.#ended = bins;
    this.#endedCount = this.#runningCount;
    this.#runningCount = 0;
    this.#isUsed = true;
    if (this.#cumulative.length < bins.length) {
      const wider =
        this.#cumulative instanceof Float64Array ? new Float64Array(bins.length) : new Uint32Array(bins.length);
      wider.set(this.#cumulative);
      this.#cumulative = wider;
    }
    for (let bin = 0; bin < bins.length; bin++) {
      const count = bins[bin] as number;
      if (count === 0) continue;
      const sum = (this.#cumulative[bin] as number) + count;
      // A bin that passes 2^32 values makes the whole view 64-bit.
      if (sum > 0xffffffff) this.#cumulative = Float64Array.from(this.#cumulative);
      this.#cumulative[bin] = sum;
    }
  }

  interval(): HistogramView {
    return new HistogramView(this.#ended, this.isPercent ? PERCENT_SCALE : 1);
  }

  cumulative(): HistogramView {
    return new HistogramView(this.#cumulative, this.isPercent ? PERCENT_SCALE : 1);
  }

  #grow(bin: number): void {
    if (!(bin >= 0)) return;
    this.#widen(bin);
    this.#running[bin]!++;
  }

  #widen(bin: number): void {
    const wider = new Uint32Array(1 + BINS_PER_DECADE * Math.ceil(bin / BINS_PER_DECADE) || 1);
    wider.set(this.#running);
    this.#running = wider;
  }
}
