// Envoy's statistics of subscriptions and of their streams, under a prefix that the subscription's user knows.
import type { Clock } from '../../base/clock.ts';
import { noteInteger } from '../../telemetry/exact-integers.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import type { StreamCounts, UpdateCounts } from './types.ts';

/** Under 'cluster_manager.cds.', 'cluster.NAME.', 'http.PREFIX.rds.NAME.', 'sds.NAME.', … */
const UPDATE_STATS = {
  init_fetch_timeout: 'counter',
  update_attempt: 'counter',
  update_failure: 'counter',
  update_rejected: 'counter',
  update_success: 'counter',
  update_time: 'gauge',
  version: 'gauge',
  update_duration: 'histogram',
  version_text: 'text-readout',
} as const;

/** Under 'control_plane.', or below the prefix of the one subscription that a stream is for. */
const STREAM_STATS = {
  rate_limit_enforced: 'counter',
  connected_state: 'gauge',
  pending_requests: 'gauge',
  identifier: 'text-readout',
} as const;

export type CountParts = {
  readonly stats: StatStore;
  readonly clock: Clock;
  /** The number that stands for a version (xxHash64 of its text). */
  readonly hash: (version: string) => bigint;
};

export class ScopeUpdateCounts implements UpdateCounts {
  readonly stream: StreamCounts | null;
  readonly #parts: CountParts;
  readonly #scope: ScopeOf<typeof UPDATE_STATS>;

  constructor(parts: CountParts, prefix: string, stream: StreamCounts | null = null) {
    this.#parts = parts;
    this.#scope = parts.stats.scope(prefix, UPDATE_STATS);
    this.stream = stream;
  }

  attempted(): void {
    this.#scope.inc(this.#scope.i.update_attempt);
  }

  succeeded(version: string, durationMs: number): void {
    const { clock, hash } = this.#parts;
    const scope = this.#scope;
    scope.inc(scope.i.update_success);
    scope.set(scope.i.update_time, Math.floor(clock.wallMs));
    scope.set(scope.i.version, noteInteger(hash(version)));
    scope.setText(scope.i.version_text, version);
    scope.record(scope.i.update_duration, durationMs);
  }

  failed(): void {
    this.#scope.inc(this.#scope.i.update_failure);
  }

  rejected(): void {
    this.#scope.inc(this.#scope.i.update_rejected);
  }

  timedOut(): void {
    this.#scope.inc(this.#scope.i.init_fetch_timeout);
  }

  release(): void {
    this.#scope.release();
    this.stream?.release();
  }
}

export class ScopeStreamCounts implements StreamCounts {
  readonly #scope: ScopeOf<typeof STREAM_STATS>;

  /** `prefix`: '' for the aggregated stream, else that of the subscription. */
  constructor(stats: StatStore, prefix: string) {
    this.#scope = stats.scope(`${prefix}control_plane.`, STREAM_STATS);
  }

  connected(isConnected: boolean): void {
    this.#scope.set(this.#scope.i.connected_state, isConnected ? 1 : 0);
  }

  rateLimited(): void {
    this.#scope.inc(this.#scope.i.rate_limit_enforced);
  }

  pending(requests: number): void {
    const scope = this.#scope;
    // It appears with the first request that has to wait. Source: Envoy GrpcStream::maybeUpdateQueueSizeStat.
    if (requests > 0 || scope.value(scope.i.pending_requests) > 0) scope.set(scope.i.pending_requests, requests);
  }

  identifier(controlPlane: string): void {
    this.#scope.setText(this.#scope.i.identifier, controlPlane);
  }

  release(): void {
    this.#scope.release();
  }
}
