// The fault filter's configuration: which faults a filter or route asks for, and what request headers may add to that.
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { parseInteger } from '../../../../base/matcher.ts';
import { bytesOf } from '../../../../base/matcher-text.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { decodeHeaderMatchers } from '../../../config/matcher.ts';
import type { HeaderMatcher, HeaderMatcherPb } from '../../../config/matcher.ts';
import type { FractionalPercent } from '../../filter.ts';

type FractionalPercentPb = { numerator?: number; denominator?: string | number };

export type HttpFaultPb = {
  delay?: {
    fixed_delay?: { seconds: number | bigint; nanos: number };
    header_delay?: object;
    percentage?: FractionalPercentPb;
  };
  abort?: {
    http_status?: number;
    grpc_status?: number;
    header_abort?: object;
    percentage?: FractionalPercentPb;
    response_body?: string;
  };
  response_rate_limit?: {
    fixed_limit?: { limit_kbps?: number | bigint };
    header_limit?: object;
    percentage?: FractionalPercentPb;
  };
  upstream_cluster?: string;
  headers?: readonly HeaderMatcherPb[];
  downstream_nodes?: readonly string[];
  max_active_faults?: number;
  delay_percent_runtime?: string;
  abort_percent_runtime?: string;
  delay_duration_runtime?: string;
  abort_http_status_runtime?: string;
  max_active_faults_runtime?: string;
  response_rate_limit_percent_runtime?: string;
  abort_grpc_status_runtime?: string;
  disable_downstream_cluster_stats?: boolean;
  filter_metadata?: Record<string, unknown>;
};

/** A share of the requests; `header` names the request header that may lower it, -1 for none. */
export type Share = { readonly percent: FractionalPercent; readonly header: number };

export type DelayFault = {
  readonly share: Share;
  /** Undefined: from the request. */
  readonly fixedMs: number | undefined;
};

export type AbortFault = {
  readonly share: Share;
  readonly fromHeaders: boolean;
  readonly httpStatus: number | undefined;
  readonly grpcStatus: number | undefined;
  readonly body: string;
};

export type RateFault = {
  readonly share: Share;
  /** KiB/s; undefined: from the request. */
  readonly kbps: number | undefined;
};

export type FaultConfig = {
  readonly delay: DelayFault | null;
  readonly abort: AbortFault | null;
  readonly rate: RateFault | null;
  readonly upstreamCluster: string;
  readonly matchers: readonly HeaderMatcher[];
  readonly downstreamNodes: ReadonlySet<string> | null;
  readonly maxActiveFaults: number;
  readonly keys: {
    readonly delayPercent: string;
    readonly abortPercent: string;
    readonly delayDuration: string;
    readonly abortHttpStatus: string;
    readonly abortGrpcStatus: string;
    readonly maxActiveFaults: string;
    readonly ratePercent: string;
  };
  readonly hasDownstreamClusterStats: boolean;
  /** Written to dynamic metadata with a delay or an abort; an empty object when nothing is configured. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** No fault of any kind is configured. */
  readonly isEmpty: boolean;
};

const DEFAULT_BODY = 'fault filter abort';

export function decodeFault(message: HttpFaultPb, d: ConfigDecoder): FaultConfig {
  const { delay, abort, response_rate_limit: rate } = message;
  return Object.freeze({
    delay: delay === undefined ? null : decodeDelay(delay, d.at('delay')),
    abort: abort === undefined ? null : decodeAbort(abort, d.at('abort')),
    rate: rate === undefined ? null : decodeRate(rate, d.at('response_rate_limit')),
    upstreamCluster: message.upstream_cluster ?? '',
    matchers: Object.freeze(decodeHeaderMatchers(message.headers, d, 'headers')),
    downstreamNodes: message.downstream_nodes?.length
      ? new Set(message.downstream_nodes.map((node) => bytesOf(node)))
      : null,
    maxActiveFaults: message.max_active_faults ?? Number.POSITIVE_INFINITY,
    keys: Object.freeze({
      delayPercent: message.delay_percent_runtime || 'fault.http.delay.fixed_delay_percent',
      abortPercent: message.abort_percent_runtime || 'fault.http.abort.abort_percent',
      delayDuration: message.delay_duration_runtime || 'fault.http.delay.fixed_duration_ms',
      abortHttpStatus: message.abort_http_status_runtime || 'fault.http.abort.http_status',
      abortGrpcStatus: message.abort_grpc_status_runtime || 'fault.http.abort.grpc_status',
      maxActiveFaults: message.max_active_faults_runtime || 'fault.http.max_active_faults',
      ratePercent: message.response_rate_limit_percent_runtime || 'fault.http.rate_limit.response_percent',
    }),
    hasDownstreamClusterStats: message.disable_downstream_cluster_stats !== true,
    metadata: Object.freeze({ ...message.filter_metadata }),
    isEmpty: delay === undefined && abort === undefined && rate === undefined,
  });
}

function decodeDelay(message: NonNullable<HttpFaultPb['delay']>, d: ConfigDecoder): DelayFault {
  const isFixed = message.fixed_delay !== undefined;
  if (!isFixed && message.header_delay === undefined) d.reject('', 'fixed_delay or header_delay must be set');
  return Object.freeze({
    share: shareOf(message.percentage, isFixed ? -1 : H['x-envoy-fault-delay-request-percentage'], d),
    // Envoy reckons in whole milliseconds.
    fixedMs: isFixed ? Math.trunc(d.durationMs(message.fixed_delay, 0)) : undefined,
  });
}

function decodeAbort(message: NonNullable<HttpFaultPb['abort']>, d: ConfigDecoder): AbortFault {
  const fromHeaders = message.header_abort !== undefined;
  if (!fromHeaders && message.http_status === undefined && message.grpc_status === undefined) {
    d.reject('', 'http_status, grpc_status or header_abort must be set');
  }
  return Object.freeze({
    share: shareOf(message.percentage, fromHeaders ? H['x-envoy-fault-abort-request-percentage'] : -1, d),
    fromHeaders,
    httpStatus: message.http_status,
    grpcStatus: message.grpc_status,
    body: message.response_body || DEFAULT_BODY,
  });
}

function decodeRate(message: NonNullable<HttpFaultPb['response_rate_limit']>, d: ConfigDecoder): RateFault {
  const fixed = message.fixed_limit;
  if (fixed === undefined && message.header_limit === undefined)
    d.reject('', 'fixed_limit or header_limit must be set');
  const header = fixed === undefined ? H['x-envoy-fault-throughput-response-percentage'] : -1;
  return Object.freeze({
    share: shareOf(message.percentage, header, d),
    kbps: fixed === undefined ? undefined : Number(fixed.limit_kbps ?? 0),
  });
}

function shareOf(percentage: FractionalPercentPb | undefined, header: number, d: ConfigDecoder): Share {
  return Object.freeze({ percent: d.fraction(percentage), header });
}

/** What a request header asks for: an unsigned number, or undefined when it is absent or none. */
function numberOf(headers: Headers, key: number): number | undefined {
  const text = headers.get(key);
  if (text === undefined) return undefined;
  const value = parseInteger(text);
  return value === null || value < 0 || text.includes('-') ? undefined : Number(value);
}

/** The share for one request: its header may lower what is configured, never raise it. */
export function shareFor(share: Share, headers: Headers): FractionalPercent {
  if (share.header < 0) return share.percent;
  const asked = numberOf(headers, share.header);
  if (asked === undefined || asked > 0xffff_ffff || asked >= share.percent.numerator) return share.percent;
  return { numerator: asked, denominator: share.percent.denominator };
}

export function delayMsFor(delay: DelayFault, headers: Headers): number | undefined {
  return delay.fixedMs ?? numberOf(headers, H['x-envoy-fault-delay-request']);
}

export function kbpsFor(rate: RateFault, headers: Headers): number | undefined {
  return rate.kbps ?? (numberOf(headers, H['x-envoy-fault-throughput-response']) || undefined);
}

export function httpStatusFor(abort: AbortFault, headers: Headers): number | undefined {
  if (!abort.fromHeaders) return abort.httpStatus;
  const status = numberOf(headers, H['x-envoy-fault-abort-request']);
  return status !== undefined && status >= 200 && status < 600 ? status : undefined;
}

export function grpcStatusFor(abort: AbortFault, headers: Headers): number | undefined {
  return abort.fromHeaders ? numberOf(headers, H['x-envoy-fault-abort-grpc-request']) : abort.grpcStatus;
}
