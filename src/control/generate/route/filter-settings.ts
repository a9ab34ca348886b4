// What rules say to filters of one route: faults and CORS.
import type { Any } from '../../../proto/any.ts';
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { durationMs, protoDuration } from '../../model/duration.ts';
import type { HttpRule } from '../../model/route.ts';

type HttpFault = MessageTypes['envoy.extensions.filters.http.fault.v3.HTTPFault'];
type CorsPolicy = MessageTypes['envoy.extensions.filters.http.cors.v3.CorsPolicy'];
type FractionalPercent = MessageTypes['envoy.type.v3.FractionalPercent'];
type StringMatcher = MessageTypes['envoy.type.matcher.v3.StringMatcher'];
type Fields = Readonly<Record<string, unknown>>;

const FAULT = 'envoy.filters.http.fault';
const CORS = 'envoy.filters.http.cors';
const EXTENSIONS = 'type.googleapis.com/envoy.extensions.filters.http';

const GRPC_STATUS: readonly string[] = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

/** Undefined without any. */
export function filterSettings({ fault, cors }: Pick<HttpRule, 'fault' | 'cors'>): Record<string, Any> | undefined {
  if (fault === null && cors === null) return undefined;
  return {
    ...(fault !== null && { [FAULT]: { type_url: `${EXTENSIONS}.fault.v3.HTTPFault`, message: httpFault(fault) } }),
    ...(cors !== null && { [CORS]: { type_url: `${EXTENSIONS}.cors.v3.CorsPolicy`, message: corsPolicy(cors) } }),
  };
}

function httpFault(fault: Fields): HttpFault {
  const delay = fault['delay'] as Fields | undefined;
  const abort = fault['abort'] as Fields | undefined;
  const delayMs = typeof delay?.['fixedDelay'] === 'string' ? durationMs(delay['fixedDelay']) : null;
  return {
    ...(delay !== undefined &&
      delayMs !== null && {
        delay: {
          fixed_delay: protoDuration(delayMs),
          percentage: fraction(delay['percentage']) ?? { numerator: Number(delay['percent'] ?? 0) },
        },
      }),
    ...(abort !== undefined && abortFields(abort)),
  };
}

function abortFields(abort: Fields): Pick<HttpFault, 'abort'> {
  const percentage = fraction(abort['percentage']);
  const share = percentage === undefined ? {} : { percentage };
  if (typeof abort['httpStatus'] === 'number') return { abort: { http_status: abort['httpStatus'], ...share } };
  const status = GRPC_STATUS.indexOf(String(abort['grpcStatus']));
  return status === -1 ? {} : { abort: { grpc_status: status, ...share } };
}

function fraction(percent: unknown): FractionalPercent | undefined {
  if (percent === undefined) return undefined;
  const { value = 0 } = percent as { value?: number };
  return { numerator: Math.trunc(value * 10_000), denominator: 'MILLION' };
}

function corsPolicy(cors: Fields): CorsPolicy {
  const maxAgeMs = typeof cors['maxAge'] === 'string' ? durationMs(cors['maxAge']) : null;
  return {
    filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
    forward_not_matching_preflights: cors['unmatchedPreflights'] !== 'IGNORE',
    ...origins(cors),
    ...joined('allow_methods', cors['allowMethods']),
    ...joined('allow_headers', cors['allowHeaders']),
    ...joined('expose_headers', cors['exposeHeaders']),
    ...(maxAgeMs !== null && { max_age: String(Math.trunc(maxAgeMs / 1000)) }),
    ...(typeof cors['allowCredentials'] === 'boolean' && { allow_credentials: cors['allowCredentials'] }),
  };
}

function origins(cors: Fields): Pick<CorsPolicy, 'allow_origin_string_match'> {
  const matches = cors['allowOrigins'] as readonly { exact?: string; prefix?: string; regex?: string }[] | undefined;
  const exact = (cors['allowOrigin'] as readonly string[] | undefined) ?? [];
  const list: StringMatcher[] =
    matches?.map(({ regex, ...match }) => (regex === undefined ? match : { safe_regex: { regex } })) ??
    exact.map((origin) => (origin === '*' ? { safe_regex: { regex: '.*' } } : { exact: origin }));
  return list.length === 0 ? {} : { allow_origin_string_match: list };
}

function joined(field: 'allow_methods' | 'allow_headers' | 'expose_headers', list: unknown): CorsPolicy {
  const items = (list as readonly string[] | undefined) ?? [];
  return items.length === 0 ? {} : { [field]: items.join(',') };
}
