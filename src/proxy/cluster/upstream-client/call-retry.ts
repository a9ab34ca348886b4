// Retries of the proxy's own calls: which failures are worth another try, and what the cluster allows.
import type { Random } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { CircuitBreaker, Cluster } from '../cluster.ts';
import { type BackOffConfig, JitteredBackOff } from '../../../base/back-off.ts';

/** Runtime key and default of the part of all retries that may be. */
export const USE_RETRY = 'upstream.use_retry';
export const ALWAYS = Object.freeze({ numerator: 100, denominator: 100 } as const);

/** What may be in `retry_on`. Source: Envoy x-envoy-retry-on and x-envoy-retry-grpc-on. */
export const CALL_RETRY_ON = [
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'refused-stream', 'retriable-4xx'],
  ...['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'],
] as const;

const GRPC_NAMES: ReadonlyMap<string, string> = new Map([
  ['1', 'cancelled'],
  ['4', 'deadline-exceeded'],
  ['8', 'resource-exhausted'],
  ['13', 'internal'],
  ['14', 'unavailable'],
]);

export type CallRetryPolicy = {
  readonly on: ReadonlySet<string>;
  readonly numRetries: number;
  readonly backOff: BackOffConfig;
};

/** Of one call. */
export class CallRetry {
  readonly #policy: CallRetryPolicy;
  readonly #random: Random;
  readonly #backOff: JitteredBackOff;
  #remaining: number;
  /** Whose unit is taken between the decision to retry and the next one. */
  #held: CircuitBreaker | null = null;

  constructor(policy: CallRetryPolicy, random: Random) {
    this.#policy = policy;
    this.#random = random;
    this.#remaining = policy.numRetries;
    this.#backOff = new JitteredBackOff(policy.backOff, random);
  }

  /** Source: Envoy RetryStateImpl::wouldRetryFromReset. */
  wantsAfterFailure(reason: Failure, wasSent: boolean): boolean {
    const { on } = this.#policy;
    if (reason.code === 'upstream_overflow') return false;
    const isConnect = reason.code === 'connect_failed' || reason.code === 'connect_timeout';
    if (isConnect && on.has('connect-failure')) return true;
    if (on.has('reset-before-request') && !wasSent) return true;
    if (on.has('reset') || on.has('5xx') || on.has('gateway-error')) return true;
    return on.has('refused-stream') && reason.detail === 'http2.remote_refuse';
  }

  wantsAfterResponse(headers: Headers): boolean {
    const { on } = this.#policy;
    const { status } = headers;
    if (on.has('5xx') && status >= 500 && status < 600) return true;
    if (on.has('gateway-error') && status >= 502 && status <= 504) return true;
    if (on.has('retriable-4xx') && status === 409) return true;
    const name = GRPC_NAMES.get(headers.get(H['grpc-status']) ?? '');
    return name !== undefined && on.has(name);
  }

  /** Counts the decision; true when there is to be another try. */
  decide(wants: boolean, cluster: Cluster): boolean {
    const { scope } = cluster;
    const { i } = scope;
    if (this.#held !== null) {
      this.release();
      if (!wants) scope.inc(i.upstream_rq_retry_success);
    }
    if (!wants) return false;
    if (this.#remaining === 0) {
      scope.inc(i.upstream_rq_retry_limit_exceeded);
      return false;
    }
    this.#remaining--;
    const breaker = cluster.circuitBreaker('DEFAULT');
    const isOff = !cluster.runtime.featureEnabled(USE_RETRY, ALWAYS, this.#random);
    if (isOff ? !breaker.canRetry : !breaker.tryRetry()) {
      scope.inc(i.upstream_rq_retry_overflow);
      return false;
    }
    if (isOff) return false;
    this.#held = breaker;
    scope.inc(i.upstream_rq_retry);
    scope.inc(i.upstream_rq_retry_backoff_exponential);
    return true;
  }

  nextDelayMs(): number {
    return Math.max(1, this.#backOff.nextMs());
  }

  /** Gives the unit of the circuit breaker back. */
  release(): void {
    this.#held?.releaseRetry();
    this.#held = null;
  }
}
