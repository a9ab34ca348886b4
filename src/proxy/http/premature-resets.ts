// Counts streams that clients give up before they were answered: a connection on which most end so is an attack.
import type { StreamInfo } from '../stream-info.ts';
import type { Runtime } from './filter.ts';

/** Runtime keys and their defaults. Source: Envoy ConnectionManagerImpl::maybeDrainDueToPrematureResets. */
const TOTAL_KEY = 'overload.premature_reset_total_stream_count';
const DEFAULT_TOTAL = 500;
const LIFETIME_KEY = 'overload.premature_reset_min_stream_lifetime_seconds';
const DEFAULT_LIFETIME_S = 1;

export class PrematureResets {
  readonly #runtime: Runtime;
  #closed = 0;
  #premature = 0;
  #isOver = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Notes a stream that ended; true, once, when its connection is to be closed. */
  isTooMany(info: StreamInfo, isCutOff: boolean): boolean {
    this.#closed++;
    if (!isCutOff || this.#isOver || !this.#isPremature(info)) return false;
    this.#premature++;
    const limit = this.#runtime.number(TOTAL_KEY, DEFAULT_TOTAL);
    if (this.#premature * 2 < Math.max(limit, this.#closed)) return false;
    this.#isOver = true;
    return true;
  }

  #isPremature(info: StreamInfo): boolean {
    const lifetimeS = Math.floor((info.endMs - info.startMs) / 1000);
    if (lifetimeS > this.#runtime.number(LIFETIME_KEY, DEFAULT_LIFETIME_S)) return false;
    return info.responseCode === 0;
  }
}
