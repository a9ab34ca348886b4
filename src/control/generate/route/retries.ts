// Retry policies: the mesh's default, and what rules change of it.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { durationMs, protoDuration } from '../../model/duration.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { RetryRule } from '../../model/route.ts';

type RetryPolicy = MessageTypes['envoy.config.route.v3.RetryPolicy'];

const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
const DEFAULT_ATTEMPTS = 2;
const HOST_SELECTION_ATTEMPTS = 5;
const EXTENSIONS = 'type.googleapis.com/envoy.extensions.retry';

/** Hosts that were tried already are passed over; a route with consistent hashing has only one. */
const PREVIOUS_HOSTS: NonNullable<RetryPolicy['retry_host_predicate']> = [
  {
    name: 'envoy.retry_host_predicates.previous_hosts',
    typed_config: { type_url: `${EXTENSIONS}.host.previous_hosts.v3.PreviousHostsPredicate`, message: {} },
  },
];

const PREVIOUS_PRIORITIES: NonNullable<RetryPolicy['retry_priority']> = {
  name: 'envoy.retry_priorities.previous_priorities',
  typed_config: {
    type_url: `${EXTENSIONS}.priority.previous_priorities.v3.PreviousPrioritiesConfig`,
    message: { update_frequency: 2 },
  },
};

/** The rule of the mesh for routes that say none; null: the built-in one. */
export function meshRetries(mesh: Pick<Mesh, 'raw'>): RetryRule | null {
  return (mesh.raw['defaultHttpRetryPolicy'] as RetryRule | undefined) ?? null;
}

/** Undefined: no retries. */
export function retryPolicy(rule: RetryRule | null, hasHash: boolean): RetryPolicy | undefined {
  const base: RetryPolicy = {
    retry_on: DEFAULT_RETRY_ON,
    num_retries: DEFAULT_ATTEMPTS,
    host_selection_retry_max_attempts: HOST_SELECTION_ATTEMPTS,
    ...(!hasHash && { retry_host_predicate: PREVIOUS_HOSTS }),
  };
  if (rule === null) return base;
  const attempts = numberOf(rule['attempts']);
  if (attempts <= 0) return undefined;
  const { retry_host_predicate: predicate, ...rest } = base;
  const ignoresPrevious = rule['retryIgnorePreviousHosts'];
  const predicates = ignoresPrevious === undefined ? predicate : ignoresPrevious === true ? PREVIOUS_HOSTS : undefined;
  return {
    ...rest,
    num_retries: attempts,
    ...conditions(rule['retryOn']),
    ...durationField('per_try_timeout', rule['perTryTimeout']),
    ...(predicates !== undefined && { retry_host_predicate: predicates }),
    ...(rule['retryRemoteLocalities'] === true && { retry_priority: PREVIOUS_PRIORITIES }),
    ...backOff(rule['backoff']),
  };
}

/** Numbers among the conditions are status codes. */
function conditions(text: unknown): Pick<RetryPolicy, 'retry_on' | 'retriable_status_codes'> {
  if (typeof text !== 'string' || text === '') return {};
  const parts = text.split(',').map((part) => part.trim());
  const names = parts.filter((part) => part !== '' && !isStatus(part));
  const codes = parts.filter(isStatus).map(Number);
  if (codes.length === 0) return { retry_on: names.join(',') };
  const on = names.includes('retriable-status-codes') ? names : [...names, 'retriable-status-codes'];
  return { retry_on: on.join(','), retriable_status_codes: codes };
}

function isStatus(part: string): boolean {
  return /^[1-5]\d\d$/.test(part);
}

function backOff(text: unknown): Pick<RetryPolicy, 'retry_back_off'> {
  const ms = typeof text === 'string' ? durationMs(text) : null;
  return ms === null ? {} : { retry_back_off: { base_interval: protoDuration(ms) } };
}

function durationField(field: 'per_try_timeout', text: unknown): Pick<RetryPolicy, 'per_try_timeout'> {
  const ms = typeof text === 'string' ? durationMs(text) : null;
  return ms === null ? {} : { [field]: protoDuration(ms) };
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
