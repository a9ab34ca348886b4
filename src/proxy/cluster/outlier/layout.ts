// Where the numbers of outlier detection lie in their records, which all workers share. Zero is how each begins.

/** Of a host, as ints. */
export const CONSECUTIVE_5XX = 0;
export const CONSECUTIVE_GATEWAY = 1;
export const CONSECUTIVE_LOCAL = 2;
export const IS_EJECTED = 3;
export const EJECTIONS = 4;
/** How many base times an ejection lasts. */
export const BACK_OFF = 5;
export const IS_DEGRADED = 6;
export const DEGRADED_BACK_OFF = 7;

/** Of a host, as doubles; moments are ms of the clock, 0 for never. */
export const EJECTED_AT = 4;
export const UNEJECTED_AT = 5;
export const JITTER = 6;
/** Success rates of the last interval plus one: 0 is "none". */
export const EXTERNAL_RATE = 7;
export const LOCAL_RATE = 8;
export const DEGRADED_AT = 9;
export const UNDEGRADED_AT = 10;
export const DEGRADED_JITTER = 11;

/** Of a host, as ints: what each worker counts in two buckets, of which one is written and the other one judged. */
const COUNTS = 24;
const COUNTS_PER_BUCKET = 4;
const COUNTS_PER_WORKER = 2 * COUNTS_PER_BUCKET;
/** In a bucket; the success follows. */
export const EXTERNAL = 0;
export const LOCAL = 2;

/** Of a cluster, as ints. */
export const LOCK = 0;
/** Sweeps so far; the lowest bit names the bucket that is written. */
export const SWEEPS = 1;
/** Changes of any host's state so far. */
export const CHANGES = 2;

/** Of a cluster, as doubles. Averages and thresholds plus one: 0 is "none". */
export const NEXT_SWEEP = 4;
export const AVERAGE = { [EXTERNAL]: 5, [LOCAL]: 7 } as const;
export const THRESHOLD = { [EXTERNAL]: 6, [LOCAL]: 8 } as const;

export type Origin = typeof EXTERNAL | typeof LOCAL;

export const RATE = { [EXTERNAL]: EXTERNAL_RATE, [LOCAL]: LOCAL_RATE } as const;

/** Where a worker counts: of the bucket that `sweeps` names. */
export function bucketAt(worker: number, sweeps: number): number {
  return COUNTS + worker * COUNTS_PER_WORKER + (sweeps & 1) * COUNTS_PER_BUCKET;
}

/** Empties one bucket of all workers. */
export function clearBucket(ints: Int32Array, workers: number, sweeps: number): void {
  for (let worker = 0; worker < workers; worker++) {
    const at = bucketAt(worker, sweeps);
    ints.fill(0, at, at + COUNTS_PER_BUCKET);
  }
}

export function recordBytes(workers: number): number {
  return (COUNTS + workers * COUNTS_PER_WORKER) * 4;
}
