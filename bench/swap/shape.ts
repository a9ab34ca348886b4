// What the bench 'swap' replaces, and how much of it is asked for.

export const SWAP_CLUSTERS = 1000;
/** Virtual hosts that get requests. */
export const SWAP_BUSY = 100;
