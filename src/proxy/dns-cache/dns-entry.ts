// One host of a DNS cache: what it resolves to, who waits for it, and when it is asked for again.
import type { Address } from '../../base/byte-stream.ts';
import type { Timer } from '../../base/clock.ts';
import type { PendingResolve, Resolution } from '../../net/resolver/resolver.ts';
import type { DnsCache } from './dns-cache.ts';
import type { KeyParts } from './host-key.ts';

/** Who waits for a host; told once, unless it gives up before. */
export type DnsWaiter = { onResolved(entry: DnsEntry): void };

//  ask ─► answer ─► addresses changed? tell users ─► first answer? tell waiters ─► wait ─┐
//   ▲  └► failure: the addresses stay ──────────────────────────────────────► wait ─┤
//   └──────── used lately? ◄────────────────────────────────────────────────────────┘
//             else gone
export class DnsEntry {
  readonly key: string;
  /** What is asked for. */
  readonly host: string;
  readonly port: number;
  /** The first one is dialled first; empty until there was an answer with any. */
  addresses: readonly Address[] = [];
  /** Of the last answer that counts, as response-code details. */
  details = '';
  /** There was an answer, whatever it is. */
  isAnswered = false;
  /** The last answer that counts was a failure. */
  hasFailed = false;
  /** Monotonic ms. */
  usedMs: number;
  isGone = false;
  readonly waiters = new Set<DnsWaiter>();
  readonly #cache: DnsCache;
  readonly #refreshTimer: Timer;
  readonly #timeoutTimer: Timer;
  #failureBoundMs: number;
  #query: PendingResolve | null = null;

  constructor(cache: DnsCache, key: string, { host, port }: KeyParts) {
    this.#cache = cache;
    this.key = key;
    this.host = host;
    this.port = port;
    this.usedMs = cache.clock.nowMs;
    this.#failureBoundMs = cache.config.failureBaseMs;
    this.#refreshTimer = cache.clock.timer(refresh, this);
    this.#timeoutTimer = cache.clock.timer(timedOut, this);
  }

  touch(): void {
    this.usedMs = this.#cache.clock.nowMs;
  }

  ask(): void {
    const { config, resolver } = this.#cache;
    this.#cache.noteQuery();
    if (config.timeoutMs > 0) this.#timeoutTimer.arm(config.timeoutMs);
    let isOver = false;
    const query = resolver.resolve(this.host, config.family, (resolution) => {
      isOver = true;
      if (!this.isGone) this.#answered(resolution, false);
    });
    // The answer may have come during the call.
    if (!isOver) this.#query = query;
  }

  /** For the timer. */
  onTimeout(): void {
    this.#query?.cancel();
    this.#answered(TIMED_OUT, true);
  }

  #answered(resolution: Resolution, isTimeout: boolean): void {
    this.#query = null;
    this.#timeoutTimer.disarm();
    const delayMs = this.#cache.take(this, resolution, isTimeout);
    if (delayMs >= 0 && !this.isGone) this.#refreshTimer.arm(delayMs);
  }

  /** How long to wait after a failure. */
  failureMs(): number {
    const { config, random } = this.#cache;
    if (config.failureBaseMs === 0) return config.refreshMs;
    const bound = this.#failureBoundMs;
    this.#failureBoundMs = Math.min(bound * 2, config.failureMaxMs);
    return random.below(Math.max(1, Math.ceil(bound)));
  }

  succeeded(): void {
    this.#failureBoundMs = this.#cache.config.failureBaseMs;
  }

  /** For the timer: a host that nobody wants any more goes instead. */
  onRefresh(): void {
    this.#cache.refresh(this);
  }

  close(): void {
    this.isGone = true;
    this.#query?.cancel();
    this.#query = null;
    this.#refreshTimer.disarm();
    this.#timeoutTimer.disarm();
  }
}

const TIMED_OUT: Resolution = Object.freeze({ isFailed: true, details: 'resolve_timeout', addresses: [] });

function refresh(entry: DnsEntry): void {
  entry.onRefresh();
}

function timedOut(entry: DnsEntry): void {
  entry.onTimeout();
}
