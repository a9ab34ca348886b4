// The parts that compiled matcher trees are made of.

/** No matcher took it. */
export const NO_MATCH = -1;

/** What is looked at, a subject and something beside it, as bytes; undefined when there is no such thing. */
export type Input<S, E> = (subject: S, beside: E) => string | undefined;

/** The index of an action, or NO_MATCH. */
export type Step<S, E> = (subject: S, beside: E) => number;
