// The parts that compiled matcher trees are made of.

/** No matcher took it. */
export const NO_MATCH = -1;

/** It cannot be told yet: what has to be looked at is still to come. */
export const UNDECIDED = -2;

/**
 * What is looked at, a subject and something beside it, as bytes; undefined when there is no such thing, null when it
 * may come later.
 */
export type Input<S, E> = (subject: S, beside: E) => string | undefined | null;

/** The index of an action, NO_MATCH or UNDECIDED. */
export type Step<S, E> = (subject: S, beside: E) => number;
