// Limits of circuit breakers as runtime values change them. Source: Envoy resource_manager_impl.h.
import type { Runtime } from '../http/filter.ts';
import type { BreakerLimits } from './circuit-breaker.ts';

/** Source: Envoy CircuitBreakers.Thresholds.RetryBudget. */
export const RETRY_BUDGET_PERCENT = 20;
export const RETRY_BUDGET_MIN_CONCURRENCY = 3;

/** Stands for "no such value". */
const ABSENT = -1;

/** `prefix`: 'circuit_breakers.CLUSTER.default.'. A value for a retry budget makes one where there is none. */
export function readLimits(configured: BreakerLimits, runtime: Runtime, prefix: string): BreakerLimits {
  return {
    maxConnections: runtime.number(`${prefix}max_connections`, configured.maxConnections),
    maxPendingRequests: runtime.number(`${prefix}max_pending_requests`, configured.maxPendingRequests),
    maxRequests: runtime.number(`${prefix}max_requests`, configured.maxRequests),
    maxRetries: runtime.number(`${prefix}max_retries`, configured.maxRetries),
    maxConnectionPools: runtime.number(`${prefix}max_connection_pools`, configured.maxConnectionPools),
    retryBudget: readBudget(configured.retryBudget, runtime, `${prefix}retry_budget.`),
    trackRemaining: configured.trackRemaining,
  };
}

function readBudget(configured: BreakerLimits['retryBudget'], runtime: Runtime, prefix: string) {
  const percent = runtime.double(`${prefix}budget_percent`, configured?.percent ?? ABSENT);
  const minConcurrency = runtime.number(`${prefix}min_retry_concurrency`, configured?.minConcurrency ?? ABSENT);
  if (percent === ABSENT && minConcurrency === ABSENT) return null;
  return {
    percent: percent === ABSENT ? RETRY_BUDGET_PERCENT : percent,
    minConcurrency: minConcurrency === ABSENT ? RETRY_BUDGET_MIN_CONCURRENCY : minConcurrency,
  };
}
