// Answers of upstream servers, for as long as they say; the one that was asked for longest ago goes first.
import type { AnswerLayout } from '../../wire/dns/answer-layout.ts';
import type { DnsStats } from './dns-stats.ts';

export type UpstreamAnswer = {
  readonly bytes: Buffer;
  readonly layout: AnswerLayout;
  readonly receivedMs: number;
};

export const MAX_ENTRIES = 10_000;
export const MAX_BYTES = 16 * 1024 * 1024;
/** Of an entry besides its message and key, about. */
const ENTRY_BYTES = 300;

export class AnswerCache {
  readonly #stats: DnsStats['own'];
  /** In the order in which they were used. */
  readonly #answers = new Map<string, UpstreamAnswer>();
  #bytes = 0;

  constructor(stats: DnsStats['own']) {
    this.#stats = stats;
  }

  get size(): number {
    return this.#answers.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Null when there is none that still holds. */
  get(key: string, nowMs: number): UpstreamAnswer | null {
    const answer = this.#answers.get(key);
    if (answer === undefined) return null;
    if (nowMs - answer.receivedMs >= answer.layout.lifetimeS * 1000) {
      this.#remove(key, answer);
      this.#tell();
      return null;
    }
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    return answer;
  }

  put(key: string, answer: UpstreamAnswer): void {
    if (answer.layout.lifetimeS <= 0) return;
    const known = this.#answers.get(key);
    if (known !== undefined) this.#remove(key, known);
    this.#answers.set(key, answer);
    this.#bytes += costOf(key, answer);
    while (this.#answers.size > MAX_ENTRIES || this.#bytes > MAX_BYTES) {
      const [oldest] = this.#answers as Iterable<[string, UpstreamAnswer]>;
      if (oldest === undefined) break;
      this.#remove(...oldest);
      this.#stats.inc(this.#stats.i.cache_evictions);
    }
    this.#tell();
  }

  clear(): void {
    this.#answers.clear();
    this.#bytes = 0;
    this.#tell();
  }

  #remove(key: string, answer: UpstreamAnswer): void {
    this.#answers.delete(key);
    this.#bytes -= costOf(key, answer);
  }

  #tell(): void {
    this.#stats.set(this.#stats.i.cache_entries, this.#answers.size);
    this.#stats.set(this.#stats.i.cache_bytes, this.#bytes);
  }
}

function costOf(key: string, { bytes }: UpstreamAnswer): number {
  return ENTRY_BYTES + key.length + bytes.length;
}
