// Every intended difference between Heddle and Envoy, with its reason; an entry that matches nothing fails the run.

export type IntendedDifference = {
  /** Matches `group / case`. */
  readonly cases: RegExp;
  /** Matches the path of the difference in the observation. */
  readonly path: RegExp;
  readonly reason: string;
};

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [];
