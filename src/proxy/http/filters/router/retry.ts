// Whether a request is tried again, and when: the retry policy of the route merged with the x-envoy-retry-* headers.
import type { Random } from '../../../../base/clock.ts';
import { GRPC, parseGrpcStatus } from '../../../../wire/grpc/status.ts';
import { H, headerKey } from '../../../../wire/header-names.ts';
import { Headers } from '../../../../wire/headers.ts';
import type { CircuitBreaker, Cluster } from '../../../cluster/cluster.ts';
import { ALWAYS, USE_RETRY } from '../../../cluster/upstream-client/call-retry.ts';
import { type ForwardAction, RETRY_ON, type RetryPolicy } from '../../../route/route.ts';
import type { Runtime } from '../../filter.ts';
import { Flag, type StreamInfo } from '../../../stream-info.ts';
import type { ResetReason } from './reset-reason.ts';
import { countRoute, type RouteStats } from './route-stats.ts';

/** Runtime key and default, of requests without retry_back_off. */
const BASE_INTERVAL_KEY = 'upstream.base_retry_backoff_ms';
const DEFAULT_BASE_INTERVAL_MS = 25;
const MAX_INTERVAL_FACTOR = 10;

const GRPC_STATUS_BITS: ReadonlyMap<number, number> = new Map([
  [GRPC.cancelled, RETRY_ON.cancelled],
  [GRPC.deadlineExceeded, RETRY_ON['deadline-exceeded']],
  [GRPC.resourceExhausted, RETRY_ON['resource-exhausted']],
  [GRPC.internal, RETRY_ON.internal],
  [GRPC.unavailable, RETRY_ON.unavailable],
]);
const ALL_GRPC = [...GRPC_STATUS_BITS.values()].reduce((a, b) => a | b, 0);
const GRPC_NAMES = new Set(['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable']);

/** What a decision counts on. */
export type RetriedRequest = {
  readonly cluster: Cluster;
  readonly forward: ForwardAction;
  readonly info: StreamInfo;
  readonly random: Random;
  readonly virtualCluster: RouteStats | null;
  readonly routeStats: RouteStats | null;
};

type RetryStatName = 'upstream_rq_retry' | `upstream_rq_retry_${'success' | 'limit_exceeded' | 'overflow'}`;

/** What applies to one request: the policy's fields as the request's headers change them. */
export class RetryState {
  on: number;
  remaining: number;
  /** Null when the request brought a retry-on of its own to a route without a policy. */
  readonly policy: RetryPolicy | null;
  /** Whose unit is taken, between the decision to retry and the next one. */
  #held: CircuitBreaker | null = null;
  /** A retry was made, and nothing is known of its outcome yet. */
  #isTrying = false;
  /** 0: not known yet. */
  #nextIntervalMs: number;
  #maxIntervalMs: number;
  #statusCodes: readonly number[];
  #headerNames: readonly (number | string)[] | null = null;
  /** Set by a response that says when to come back (rate_limited_retry_back_off). */
  #rateLimitedMs = 0;

  constructor(policy: RetryPolicy | null, headers: Headers) {
    this.policy = policy;
    this.on = policy === null ? 0 : policy.on;
    this.remaining = policy === null ? 1 : policy.numRetries;
    this.#statusCodes = policy === null ? [] : policy.retriableStatusCodes;
    this.#nextIntervalMs = policy === null ? 0 : policy.baseIntervalMs;
    this.#maxIntervalMs = policy === null ? 0 : policy.maxIntervalMs;
    const matchers = policy === null ? [] : policy.retriableRequestHeaders;
    if (hasRetryHeaders(headers)) this.#readHeaders(headers);
    if (matchers.length > 0 && !matchers.some((matcher) => matcher.matches(headers))) this.on = 0;
  }

  #readHeaders(headers: Headers): void {
    const on = headers.get(H['x-envoy-retry-on']);
    if (on !== undefined) this.on |= parseRetryOn(on).bits;
    const grpcOn = headers.get(H['x-envoy-retry-grpc-on']);
    if (grpcOn !== undefined) this.on |= parseRetryGrpcOn(grpcOn).bits;
    const max = headers.get(H['x-envoy-max-retries']);
    if (max !== undefined && DIGITS.test(max)) this.remaining = Math.min(Number(max), MAX_RETRIES);
    const codes = headers.get(H['x-envoy-retriable-status-codes']);
    if (codes !== undefined) {
      const more = tokens(codes).filter((code) => DIGITS.test(code));
      this.#statusCodes = [...this.#statusCodes, ...more.map(Number)];
    }
    const names = headers.get(H['x-envoy-retriable-header-names']);
    if (names !== undefined) this.#headerNames = tokens(names).map(headerKey);
  }

  get isEnabled(): boolean {
    return this.on !== 0;
  }

  /** Source: Envoy retry_state_impl.cc, wouldRetryFromHeaders. */
  wantsRetry(response: Headers): boolean {
    const on = this.on;
    if (response.mayHave(H['x-envoy-ratelimited']) && response.has(H['x-envoy-ratelimited'])) {
      return (on & RETRY_ON['envoy-ratelimited']) !== 0;
    }
    const status = response.status;
    if ((on & RETRY_ON['5xx']) !== 0 && status >= 500 && status < 600) return true;
    if ((on & RETRY_ON['gateway-error']) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & RETRY_ON['retriable-4xx']) !== 0 && status === 409) return true;
    if ((on & RETRY_ON['retriable-status-codes']) !== 0 && this.#statusCodes.includes(status)) return true;
    if ((on & RETRY_ON['retriable-headers']) !== 0) {
      if (this.policy?.retriableHeaders.some((matcher) => matcher.matches(response)) === true) return true;
      if (this.#headerNames?.some((name) => response.has(name)) === true) return true;
    }
    if ((on & ALL_GRPC) !== 0) {
      const grpc = parseGrpcStatus(response.get(H['grpc-status']));
      if (grpc !== null && (on & (GRPC_STATUS_BITS.get(grpc) ?? 0)) !== 0) return true;
    }
    return false;
  }

  /** `wasSent`: bytes of the request have left for an upstream. Source: wouldRetryFromReset. */
  wantsRetryAfterReset(reason: ResetReason, wasSent: boolean): boolean {
    const on = this.on;
    if (reason.isOverflow) return false;
    if (reason.isConnectFailure && (on & RETRY_ON['connect-failure']) !== 0) return true;
    if ((on & RETRY_ON['reset-before-request']) !== 0 && !wasSent) return true;
    if ((on & (RETRY_ON.reset | RETRY_ON['5xx'] | RETRY_ON['gateway-error'])) !== 0) return true;
    return (on & RETRY_ON['refused-stream']) !== 0 && reason.isRefused;
  }

  /**
   * Whether there is to be a retry: it then holds a unit of the circuit breaker. Why there is none is counted, and told
   * by a response flag.
   */
  decide(wants: boolean, request: RetriedRequest): boolean {
    const { cluster } = request;
    this.release();
    if (!wants) {
      if (this.#isTrying) this.#count(request, 'upstream_rq_retry_success');
      this.#isTrying = false;
      return false;
    }
    if (this.remaining === 0) {
      this.#count(request, 'upstream_rq_retry_limit_exceeded');
      request.info.flags |= Flag.URX;
      return false;
    }
    this.remaining--;
    const breaker = cluster.circuitBreaker(request.forward.priority);
    const isOff = !cluster.runtime.featureEnabled(USE_RETRY, ALWAYS, request.random);
    if (isOff ? !breaker.canRetry : !breaker.tryRetry()) {
      this.#count(request, 'upstream_rq_retry_overflow');
      request.info.flags |= Flag.UO;
      return false;
    }
    if (isOff) return false;
    this.#held = breaker;
    this.#isTrying = true;
    return true;
  }

  /** There is one: called once for each decision. */
  countRetry(request: RetriedRequest): void {
    this.#count(request, 'upstream_rq_retry');
  }

  /** Gives the unit of the circuit breaker back. */
  release(): void {
    this.#held?.releaseRetry();
    this.#held = null;
  }

  #count(request: RetriedRequest, name: RetryStatName): void {
    const { scope } = request.cluster;
    scope.inc(scope.i[name]);
    countRoute(request, name);
  }

  /** Notes when a rate-limited response allows the next try. */
  noteResetHeaders(response: Headers, wallMs: number): void {
    const backOff = this.policy?.rateLimitedBackOff ?? null;
    if (backOff === null) return;
    for (const { name, format } of backOff.resetHeaders) {
      const value = response.get(headerKey(name));
      if (value === undefined || !DIGITS.test(value)) continue;
      const ms = Number(value) * 1000 - (format === 'UNIX_TIMESTAMP' ? Math.floor(wallMs / 1000) * 1000 : 0);
      if (ms > 1 && ms <= backOff.maxIntervalMs) {
        this.#rateLimitedMs = ms;
        return;
      }
    }
  }

  get isRateLimited(): boolean {
    return this.#rateLimitedMs > 0;
  }

  /** Delay before the next try: fully jittered and doubling, or what the response asked for and up to half more. */
  nextDelayMs(random: Random, runtime: Runtime): number {
    if (this.#rateLimitedMs > 0) {
      const ms = this.#rateLimitedMs;
      this.#rateLimitedMs = 0;
      return ms + random.below(Math.max(1, Math.floor(ms / 2)));
    }
    if (this.#nextIntervalMs === 0) {
      this.#nextIntervalMs = Math.max(1, runtime.number(BASE_INTERVAL_KEY, DEFAULT_BASE_INTERVAL_MS));
      this.#maxIntervalMs = this.#nextIntervalMs * MAX_INTERVAL_FACTOR;
    }
    const interval = this.#nextIntervalMs;
    this.#nextIntervalMs = Math.min(interval * 2, this.#maxIntervalMs);
    return Math.max(1, random.below(Math.max(1, Math.round(interval))));
  }
}

const DIGITS = /^[0-9]{1,10}$/;
const MAX_RETRIES = 2 ** 32 - 1;

function tokens(list: string): string[] {
  return list
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '');
}

/** Bits of an x-envoy-retry-on value, and whether all of it was understood. */
export function parseRetryOn(list: string): { bits: number; isValid: boolean } {
  return parse(list, (name) => !GRPC_NAMES.has(name));
}

export function parseRetryGrpcOn(list: string): { bits: number; isValid: boolean } {
  return parse(list, (name) => GRPC_NAMES.has(name));
}

function parse(list: string, isMeant: (name: string) => boolean): { bits: number; isValid: boolean } {
  let bits = 0;
  let isValid = true;
  for (const name of tokens(list)) {
    if (Object.hasOwn(RETRY_ON, name) && isMeant(name)) bits |= RETRY_ON[name as keyof typeof RETRY_ON];
    else isValid = false;
  }
  return { bits, isValid };
}

/** Headers that only say how to retry; none of them goes to the upstream. */
const RETRY_HEADERS = [
  H['x-envoy-retry-on'], H['x-envoy-retry-grpc-on'], H['x-envoy-max-retries'], H['x-envoy-hedge-on-per-try-timeout'],
  H['x-envoy-retriable-header-names'], H['x-envoy-retriable-status-codes'],
  H['x-envoy-upstream-rq-per-try-timeout-ms'],
]; // biome-ignore format: a list.

const probe = new Headers();
for (const id of RETRY_HEADERS) probe.add(id, '');

/** False is certain and nearly free. */
export function hasRetryHeaders(headers: Headers): boolean {
  return (headers.bits0 & probe.bits0) !== 0 || (headers.bits1 & probe.bits1) !== 0;
}

export function removeRetryHeaders(headers: Headers): void {
  for (const id of RETRY_HEADERS) headers.remove(id);
}

/** Whether the request itself asks for retries. */
export function asksForRetries(headers: Headers): boolean {
  return headers.has(H['x-envoy-retry-on']) || headers.has(H['x-envoy-retry-grpc-on']);
}
