// Decodes retry policies.
import { isDeepStrictEqual } from 'node:util';
import { headerKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { type HostTraits, RETRY_ON, type RetryPolicy } from '../route/route.ts';
import { decodeHeaderMatchers } from './matcher.ts';
import type { RetryPolicyPb } from './route-messages.ts';

/** Source: Envoy RetryPolicyImpl. */
const DEFAULT_NUM_RETRIES = 1;
/** The longest interval is ten times the base when only that is given. */
const MAX_INTERVAL_FACTOR = 10;
const DEFAULT_RATE_LIMITED_MAX_INTERVAL_MS = 300_000;

const PREVIOUS_PRIORITIES = 'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig';
const OMIT_CANARIES = 'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate';
const OMIT_BY_METADATA = 'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig';
const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

export function decodeRetryPolicy(message: RetryPolicyPb | undefined, d: ConfigDecoder): RetryPolicy | null {
  if (message === undefined) return null;
  const backOff = decodeBackOff(message, d);
  const limited = message.rate_limited_retry_back_off;
  return {
    on: parseRetryOn(message.retry_on ?? ''),
    numRetries: message.num_retries ?? DEFAULT_NUM_RETRIES,
    perTryTimeoutMs: d.durationMs(message.per_try_timeout, 0),
    perTryIdleTimeoutMs: d.durationMs(message.per_try_idle_timeout, 0),
    retriableStatusCodes: message.retriable_status_codes ?? [],
    retriableHeaders: decodeHeaderMatchers(message.retriable_headers, d, 'retriable_headers'),
    retriableRequestHeaders: decodeHeaderMatchers(message.retriable_request_headers, d, 'retriable_request_headers'),
    ...backOff,
    ...decodeHostPredicates(message, d),
    hostSelectionMaxAttempts: Number(message.host_selection_retry_max_attempts ?? 1),
    refreshesCluster: message.refresh_cluster_on_retry === true,
    previousPriorities: decodeRetryPriority(message, d),
    rateLimitedBackOff:
      limited === undefined
        ? null
        : {
            resetHeaders: (limited.reset_headers ?? []).map(({ name, format }) => ({
              key: headerKey(name ?? ''),
              name: (name ?? '').toLowerCase(),
              format: format === 'UNIX_TIMESTAMP' ? 'UNIX_TIMESTAMP' : 'SECONDS',
            })),
            maxIntervalMs: d.durationMs(limited.max_interval, DEFAULT_RATE_LIMITED_MAX_INTERVAL_MS),
          },
  };
}

/** Names of retry conditions as bits; names that mean nothing are passed over, as in Envoy. */
export function parseRetryOn(text: string): number {
  let bits = 0;
  for (const name of text.split(',')) {
    const trimmed = name.trim();
    if (Object.hasOwn(RETRY_ON, trimmed)) bits |= RETRY_ON[trimmed as keyof typeof RETRY_ON];
  }
  return bits;
}

function decodeBackOff(message: RetryPolicyPb, d: ConfigDecoder): { baseIntervalMs: number; maxIntervalMs: number } {
  const given = message.retry_back_off;
  if (given === undefined) return { baseIntervalMs: 0, maxIntervalMs: 0 };
  // Envoy raises intervals below a millisecond to one.
  const atLeastOne = (ms: number): number => (ms > 0 && ms < 1 ? 1 : ms);
  const baseIntervalMs = atLeastOne(d.durationMs(given.base_interval, 0));
  const maxIntervalMs = atLeastOne(d.durationMs(given.max_interval, baseIntervalMs * MAX_INTERVAL_FACTOR));
  if (maxIntervalMs < baseIntervalMs) {
    d.at('retry_back_off').reject('', 'retry_policy.max_interval must greater than or equal to the base_interval');
  }
  return { baseIntervalMs, maxIntervalMs };
}

/** After how many attempts the priorities that were tried are left; 0 for never. */
function decodeRetryPriority({ retry_priority: priority }: RetryPolicyPb, d: ConfigDecoder): number {
  if (priority === undefined) return 0;
  const at = d.at('retry_priority');
  if (priority.typed_config === undefined) {
    at.reject('typed_config', 'is required');
    return 0;
  }
  const unpacked = d.environment.unpack(priority.typed_config, at.at('typed_config'));
  if (unpacked === null) return 0;
  if (unpacked.type !== PREVIOUS_PRIORITIES) {
    at.reject('', `${unpacked.type} is not supported yet; previous_priorities is`);
    return 0;
  }
  return (unpacked.message as { update_frequency?: number }).update_frequency ?? 0;
}

/** Which hosts a retry leaves out. */
function decodeHostPredicates(
  message: RetryPolicyPb,
  d: ConfigDecoder,
): Pick<RetryPolicy, 'avoidPreviousHosts' | 'omits'> {
  let avoidPreviousHosts = false;
  const omitted: ((host: HostTraits) => boolean)[] = [];
  for (const [i, predicate] of (message.retry_host_predicate ?? []).entries()) {
    const at = d.at('retry_host_predicate', i);
    if (predicate.typed_config === undefined) {
      at.reject('typed_config', 'is required');
      continue;
    }
    const unpacked = d.environment.unpack(predicate.typed_config, at.at('typed_config'));
    if (unpacked === null) continue;
    if (unpacked.type === PREVIOUS_HOSTS) avoidPreviousHosts = true;
    else if (unpacked.type === OMIT_CANARIES) omitted.push((host) => host.isCanary);
    else if (unpacked.type === OMIT_BY_METADATA) omitted.push(hasMetadata(unpacked.message as OmitHostMetadataPb));
    else at.reject('', `${unpacked.type} is not supported: previous_hosts, omit_canary_hosts, omit_host_metadata are`);
  }
  const omits = omitted.length === 0 ? null : (host: HostTraits) => omitted.some((test) => test(host));
  return { avoidPreviousHosts, omits };
}

type OmitHostMetadataPb = { metadata_match?: { filter_metadata?: Record<string, Record<string, unknown>> } };

/** All values in the namespace of load balancing are those of the host; without any, none is left out. */
function hasMetadata({ metadata_match: match }: OmitHostMetadataPb): (host: HostTraits) => boolean {
  const wanted = Object.entries(match?.filter_metadata?.['envoy.lb'] ?? {});
  return ({ metadata }) => {
    const own = metadata?.get('envoy.lb');
    return wanted.length > 0 && wanted.every(([key, value]) => isDeepStrictEqual(own?.[key], value));
  };
}

/** Of a route or virtual host; undefined when it has none. */
export function decodeOwnRetries(
  message: { readonly retry_policy?: RetryPolicyPb; readonly retry_policy_typed_config?: object },
  d: ConfigDecoder,
): ReturnType<typeof decodeRetryPolicy> {
  if (message.retry_policy_typed_config !== undefined) {
    d.reject('retry_policy_typed_config', 'Envoy does nothing with it: use retry_policy');
  }
  return decodeRetryPolicy(message.retry_policy, d.at('retry_policy'));
}
