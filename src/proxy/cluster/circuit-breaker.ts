// Circuit breakers: how much of each resource the requests of one priority may take of a cluster.
import { LocalCounter } from '../../base/local-cells.ts';
import type { SharedCells, SharedCounter } from '../../base/shared-cells.ts';
import type { Scope } from '../../telemetry/metrics.ts';
import type { Runtime } from '../http/filter.ts';
import { readLimits } from './breaker-runtime.ts';
import type { CircuitBreaker, Priority } from './cluster.ts';

export type BreakerLimits = {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  readonly maxConnectionPools: number;
  /** When set, `maxRetries` does not count. Source: Envoy CircuitBreakers.Thresholds.RetryBudget. */
  readonly retryBudget: { readonly percent: number; readonly minConcurrency: number } | null;
  readonly trackRemaining: boolean;
};

/** Source: Envoy CircuitBreakers.Thresholds. */
export const DEFAULT_LIMITS: BreakerLimits = Object.freeze({
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  maxConnectionPools: Number.POSITIVE_INFINITY,
  retryBudget: null,
  trackRemaining: false,
});

/** What Envoy prints for "no limit": 2^64 - 1. */
const UNLIMITED = 2 ** 64;

/** Where the counts of a breaker lie: under the same name in all workers. */
export type BreakerCells = { readonly shared: SharedCells; readonly name: string };

/** One counted resource; with several workers the count is that of all of them. */
export class Resource {
  #max: number;
  /** Made when it is first needed: most clusters never use their second priority. */
  #counter: SharedCounter | null = null;
  readonly #cells: BreakerCells | null;
  /** The gauge has been written: it counts as used. */
  #isUsed = false;
  /** What the gauge says. */
  #isOpen = false;
  readonly #scope: Scope;
  readonly #openCell: number;
  readonly #remainingCell: number;

  /** `cells` null: nothing depends on the sum of all workers. */
  constructor(max: number, scope: Scope, openCell: number, remainingCell: number, cells: BreakerCells | null) {
    this.#max = max;
    this.#scope = scope;
    this.#openCell = openCell;
    this.#remainingCell = remainingCell;
    this.#cells = cells;
    if (remainingCell >= 0) scope.set(remainingCell, max === Number.POSITIVE_INFINITY ? UNLIMITED : max);
  }

  get max(): number {
    return this.#max;
  }

  /** From now on; gauges say so with the next count, as in Envoy. */
  set max(max: number) {
    this.#max = max;
  }

  get current(): number {
    return (this.#counter ?? this.#makeCounter()).value;
  }

  get canCreate(): boolean {
    return this.current < this.#max;
  }

  /** Writes the gauge for the first time, so that it counts as used. */
  touch(): void {
    if (this.#isUsed) return;
    this.#isUsed = true;
    this.#scope.set(this.#openCell, 0);
  }

  inc(): void {
    if (!this.#isUsed) this.touch();
    const current = (this.#counter ?? this.#makeCounter()).inc();
    if (current >= this.#max) this.#setOpen(true);
    else if (this.#isOpen) this.#setOpen(false);
    if (this.#remainingCell >= 0) this.#setRemaining(current);
  }

  dec(): void {
    const current = (this.#counter ?? this.#makeCounter()).dec();
    if (current === this.#max - 1 || (this.#isOpen && current < this.#max)) this.#setOpen(false);
    else if (!this.#isOpen && current >= this.#max) this.#setOpen(true);
    if (this.#remainingCell >= 0) this.#setRemaining(current);
  }

  /** Other workers may have counted last: writes what is true now. Unused gauges stay so. */
  refresh(): void {
    if (this.#counter === null || this.#cells === null) return;
    const current = this.#counter.value;
    if (this.#isUsed) this.#setOpen(current >= this.#max);
    if (this.#remainingCell >= 0) this.#setRemaining(current);
  }

  /** The cluster is gone; a retry that still gives its share back counts into nothing. */
  release(): void {
    this.#counter?.release();
    this.#counter = new LocalCounter();
  }

  #makeCounter(): SharedCounter {
    const counter = this.#cells === null ? new LocalCounter() : this.#cells.shared.counter(this.#cells.name);
    this.#counter = counter;
    return counter;
  }

  #setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#scope.set(this.#openCell, isOpen ? 1 : 0);
  }

  #setRemaining(current: number): void {
    if (this.#max !== Number.POSITIVE_INFINITY) {
      this.#scope.set(this.#remainingCell, Math.max(0, this.#max - current));
    }
  }
}

export class Breaker implements CircuitBreaker {
  readonly #configured: BreakerLimits;
  #limits: BreakerLimits;
  readonly connections: Resource;
  readonly pending: Resource;
  readonly requests: Resource;
  /** Its gauge is that of max_retries with a budget as well, as in Envoy. */
  readonly retries: Resource;
  readonly pools: Resource;
  readonly #scope: Scope;
  /** With a budget there is no fixed rest: Envoy shows max_retries until somebody asks for a retry, and then 0. */
  readonly #retryRemainingCell: number;
  #isRetryUsed = false;

  /** `cells`: where all workers count; null: this thread alone. */
  constructor(limits: BreakerLimits, priority: Priority, scope: Scope, cells: BreakerCells | null = null) {
    this.#configured = limits;
    this.#limits = limits;
    this.#scope = scope;
    const prefix = `circuit_breakers.${priority === 'HIGH' ? 'high' : 'default'}.`;
    const resource = (max: number, open: string, remaining: string): Resource =>
      new Resource(
        max,
        scope,
        scope.dynamicGaugeOnce(`${prefix}${open}`),
        limits.trackRemaining && remaining !== '' ? scope.dynamicGaugeOnce(`${prefix}${remaining}`) : -1,
        cells === null ? null : { shared: cells.shared, name: `${cells.name}.${priority}.${open}` },
      );
    this.connections = resource(limits.maxConnections, 'cx_open', 'remaining_cx');
    this.pending = resource(limits.maxPendingRequests, 'rq_pending_open', 'remaining_pending');
    this.requests = resource(limits.maxRequests, 'rq_open', 'remaining_rq');
    this.retries = resource(limits.maxRetries, 'rq_retry_open', '');
    this.pools = resource(limits.maxConnectionPools, 'cx_pool_open', 'remaining_cx_pools');
    this.#retryRemainingCell = limits.trackRemaining ? scope.dynamicGaugeOnce(`${prefix}remaining_retries`) : -1;
    if (limits.trackRemaining) scope.set(this.#retryRemainingCell, limits.maxRetries);
  }

  get limits(): BreakerLimits {
    return this.#limits;
  }

  /** Runtime values have changed; `prefix` is that of this breaker's keys. */
  readRuntime(runtime: Runtime, prefix: string): void {
    const limits = readLimits(this.#configured, runtime, prefix);
    this.#limits = limits;
    this.connections.max = limits.maxConnections;
    this.pending.max = limits.maxPendingRequests;
    this.requests.max = limits.maxRequests;
    this.retries.max = limits.maxRetries;
    this.pools.max = limits.maxConnectionPools;
  }

  get isPendingFull(): boolean {
    return !this.pending.canCreate;
  }

  get isRequestsFull(): boolean {
    return !this.requests.canCreate;
  }

  get isConnectionsFull(): boolean {
    return !this.connections.canCreate;
  }

  /** Retries that may run now. */
  get maxRetries(): number {
    const budget = this.#limits.retryBudget;
    if (budget === null) return this.#limits.maxRetries;
    const share = Math.floor(((this.requests.current + this.pending.current) * budget.percent) / 100);
    return Math.max(budget.minConcurrency, share);
  }

  get canRetry(): boolean {
    return this.retries.current < this.maxRetries;
  }

  tryRetry(): boolean {
    const isAllowed = this.canRetry;
    if (isAllowed) this.retries.inc();
    const hasAsked = isAllowed || this.#limits.retryBudget !== null;
    if (this.#retryRemainingCell >= 0 && hasAsked) this.#setRetryRemaining();
    return isAllowed;
  }

  releaseRetry(): void {
    this.retries.dec();
    if (this.#retryRemainingCell >= 0) this.#setRetryRemaining();
  }

  /** Writes the gauges anew: other workers may have counted since. Before statistics are shown. */
  refresh(): void {
    for (const resource of this.#resources) resource.refresh();
    if (this.#retryRemainingCell >= 0 && this.#isRetryUsed) this.#setRetryRemaining();
  }

  /** The cluster is gone with all its connections. */
  release(): void {
    for (const resource of this.#resources) resource.release();
  }

  get #resources(): readonly Resource[] {
    return [this.connections, this.pending, this.requests, this.retries, this.pools];
  }

  #setRetryRemaining(): void {
    this.#isRetryUsed = true;
    const { retryBudget, maxRetries } = this.#limits;
    const left = retryBudget === null ? Math.max(0, maxRetries - this.retries.current) : 0;
    this.#scope.set(this.#retryRemainingCell, left);
  }
}
