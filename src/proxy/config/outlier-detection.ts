// Decodes outlier detection of a cluster, and which answers of its hosts are errors.
import type {
  Bootstrap,
  Cluster,
  HttpProtocolOptions_OutlierDetection as ErrorRules,
  Matcher_MatchPredicate,
  OutlierDetection,
} from '../../proto/generated/types.d.ts';
import type { AccessLogFiles } from '../../telemetry/access-log-file.ts';
import type { ErrorMatcher, OutlierConfig } from '../cluster/outlier/outlier-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeHeaderMatchers, type HeaderMatcherPb } from './matcher.ts';

export const OUTLIER_FIELDS = {
  'envoy.config.cluster.v3.OutlierDetection': `
    consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx enforcing_success_rate
    success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor consecutive_gateway_failure
    enforcing_consecutive_gateway_failure split_external_local_origin_errors consecutive_local_origin_failure
    enforcing_consecutive_local_origin_failure enforcing_local_origin_success_rate failure_percentage_threshold
    enforcing_failure_percentage enforcing_failure_percentage_local_origin failure_percentage_minimum_hosts
    failure_percentage_request_volume max_ejection_time max_ejection_time_jitter always_eject_one_host
    detect_degraded_hosts`,
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection': 'error_matcher',
  'envoy.config.common.matcher.v3.MatchPredicate': `
    or_match and_match not_match any_match http_request_headers_match http_request_trailers_match
    http_response_headers_match http_response_trailers_match http_request_generic_body_match
    http_response_generic_body_match`,
  'envoy.config.common.matcher.v3.MatchPredicate.MatchSet': 'rules',
  'envoy.config.common.matcher.v3.HttpHeadersMatch': 'headers',
  // Refused here, with a better reason than a missing field.
  'envoy.config.common.matcher.v3.HttpGenericBodyMatch': '*',
  'envoy.config.common.matcher.v3.HttpGenericBodyMatch.GenericTextMatch': '*',
} as const;

/** Source: Envoy OutlierDetection and DetectorConfig. */
const INTERVAL_MS = 10_000;
const BASE_EJECTION_MS = 30_000;
const MAX_EJECTION_MS = 300_000;
const MAX_EJECTION_PERCENT = 10;
const IN_ROW = 5;
const MINIMUM_HOSTS = 5;
const SUCCESS_RATE_VOLUME = 100;
const STDEV_FACTOR = 1900;
const FAILURE_VOLUME = 50;
const FAILURE_THRESHOLD = 85;

export function decodeOutliers(message: Cluster, d: ConfigDecoder): { readonly outliers?: OutlierConfig } {
  const detection = message.outlier_detection;
  return detection === undefined ? {} : { outliers: decodeDetection(detection, d.at('outlier_detection')) };
}

function decodeDetection(o: OutlierDetection, d: ConfigDecoder): OutlierConfig {
  const baseEjectionMs = d.durationMs(o.base_ejection_time, BASE_EJECTION_MS);
  const maxEjectionMs = d.durationMs(o.max_ejection_time, Math.max(MAX_EJECTION_MS, baseEjectionMs));
  if (maxEjectionMs < baseEjectionMs) {
    d.reject('', "outlier detector's max_ejection_time cannot be smaller than base_ejection_time");
  }
  return Object.freeze({
    consecutive5xx: o.consecutive_5xx ?? IN_ROW,
    consecutiveGatewayFailure: o.consecutive_gateway_failure ?? IN_ROW,
    consecutiveLocalOriginFailure: o.consecutive_local_origin_failure ?? IN_ROW,
    isSplit: o.split_external_local_origin_errors ?? false,
    intervalMs: d.durationMs(o.interval, INTERVAL_MS),
    baseEjectionMs,
    maxEjectionMs,
    maxEjectionJitterMs: d.durationMs(o.max_ejection_time_jitter, 0),
    maxEjectionPercent: o.max_ejection_percent ?? MAX_EJECTION_PERCENT,
    alwaysEjectsOne: o.always_eject_one_host ?? false,
    detectsDegraded: o.detect_degraded_hosts ?? false,
    enforcing: {
      CONSECUTIVE_5XX: o.enforcing_consecutive_5xx ?? 100,
      CONSECUTIVE_GATEWAY_FAILURE: o.enforcing_consecutive_gateway_failure ?? 0,
      CONSECUTIVE_LOCAL_ORIGIN_FAILURE: o.enforcing_consecutive_local_origin_failure ?? 100,
      SUCCESS_RATE: o.enforcing_success_rate ?? 100,
      SUCCESS_RATE_LOCAL_ORIGIN: o.enforcing_local_origin_success_rate ?? 100,
      FAILURE_PERCENTAGE: o.enforcing_failure_percentage ?? 0,
      FAILURE_PERCENTAGE_LOCAL_ORIGIN: o.enforcing_failure_percentage_local_origin ?? 0,
    },
    successRate: {
      minimumHosts: o.success_rate_minimum_hosts ?? MINIMUM_HOSTS,
      requestVolume: o.success_rate_request_volume ?? SUCCESS_RATE_VOLUME,
      stdevFactor: o.success_rate_stdev_factor ?? STDEV_FACTOR,
    },
    failurePercentage: {
      minimumHosts: o.failure_percentage_minimum_hosts ?? MINIMUM_HOSTS,
      requestVolume: o.failure_percentage_request_volume ?? FAILURE_VOLUME,
      threshold: o.failure_percentage_threshold ?? FAILURE_THRESHOLD,
    },
  });
}

export type EventLogFile = { write(line: string): void };

/** event_log_path, opened; null where there is none. */
export function decodeEventLog(message: Bootstrap, d: ConfigDecoder): EventLogFile | null {
  const path = message.cluster_manager?.outlier_detection?.event_log_path ?? '';
  const { accessLogFiles } = d.environment as { readonly accessLogFiles?: AccessLogFiles };
  if (path === '' || accessLogFiles === undefined) return null;
  const opened = accessLogFiles.open(path);
  if (typeof opened !== 'string') return opened;
  d.reject('event_log_path', opened);
  return null;
}

/** `d`: of HttpProtocolOptions. */
export function decodeErrorMatcher(
  rules: ErrorRules | undefined,
  message: Cluster,
  d: ConfigDecoder,
): { readonly errorMatcher?: ErrorMatcher } {
  if (rules?.error_matcher === undefined) return {};
  const at = d.at('outlier_detection');
  if (message.outlier_detection === undefined) {
    at.reject('error_matcher', 'takes no effect: the cluster has no outlier_detection');
  }
  return { errorMatcher: decodePredicate(rules.error_matcher, at.at('error_matcher')) };
}

const REST = [
  'http_request_headers_match',
  'http_request_trailers_match',
  'http_response_trailers_match',
  'http_request_generic_body_match',
  'http_response_generic_body_match',
] as const;

/** Source: Envoy ClusterInfoImpl::processHttpForOutlierDetection, which looks at the head of the answer alone. */
function decodePredicate(message: Matcher_MatchPredicate, d: ConfigDecoder): ErrorMatcher {
  const rules = (field: 'or_match' | 'and_match'): ErrorMatcher[] =>
    (message[field]?.rules ?? []).map((rule, i) => decodePredicate(rule, d.at(field).at('rules', i)));
  for (const field of REST) {
    if (message[field] !== undefined) d.reject(field, 'can never match: only headers of the response are looked at');
  }
  if (message.or_match !== undefined) {
    const any = rules('or_match');
    return (response) => any.some((matches) => matches(response));
  }
  if (message.and_match !== undefined) {
    const all = rules('and_match');
    return (response) => all.every((matches) => matches(response));
  }
  if (message.not_match !== undefined) {
    const inner = decodePredicate(message.not_match, d.at('not_match'));
    return (response) => !inner(response);
  }
  const { http_response_headers_match: head } = message;
  if (head !== undefined) {
    const fields = head.headers as readonly HeaderMatcherPb[] | undefined;
    const matchers = decodeHeaderMatchers(fields, d.at('http_response_headers_match'), 'headers');
    return (response) => matchers.every((matcher) => matcher.matches(response));
  }
  return () => message.any_match === true;
}
