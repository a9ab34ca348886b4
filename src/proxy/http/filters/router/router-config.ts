// The router's configuration: what its message means, and which of it is supported.
import type {
  AccessLog,
  HttpFilter as HttpFilterPb,
  Router_UpstreamAccessLogOptions,
} from '../../../../proto/generated/types.d.ts';
import { decodeAccessLogs } from '../../../access-log/decode.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { UpstreamChainConfig } from '../../upstream-chain.ts';
import type { UpstreamLogConfig } from './upstream-log.ts';

export type RouterConfig = {
  /** Counters per response code; on by default. */
  readonly dynamicStats: boolean;
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedTimeout: boolean;
  readonly suppressGrpcCodeStats: boolean;
  /** Names of request headers that must be well-formed, lower case. */
  readonly strictCheckHeaders: readonly string[];
  /** Of attempts to clusters that have none of their own; null: there are none. */
  readonly upstreamFilters: UpstreamChainConfig | null;
  /** Null: attempts are not logged. */
  readonly upstreamLog: UpstreamLogConfig | null;
};

export type RouterMessage = {
  dynamic_stats?: boolean;
  start_child_span?: boolean;
  suppress_envoy_headers?: boolean;
  strict_check_headers?: string[];
  respect_expected_rq_timeout?: boolean;
  suppress_grpc_request_failure_code_stats?: boolean;
  upstream_log?: AccessLog[];
  upstream_http_filters?: HttpFilterPb[];
  upstream_log_options?: Router_UpstreamAccessLogOptions;
};

/** start_child_span only shapes spans, of which there are none yet. */
export const ROUTER_FIELDS = {
  'envoy.extensions.filters.http.router.v3.Router':
    'dynamic_stats start_child_span suppress_envoy_headers strict_check_headers respect_expected_rq_timeout ' +
    'suppress_grpc_request_failure_code_stats upstream_log upstream_log_options upstream_http_filters',
  'envoy.extensions.filters.http.router.v3.Router.UpstreamAccessLogOptions':
    'flush_upstream_log_on_upstream_stream upstream_log_flush_interval',
};

/** Source: Envoy router.proto, strict_check_headers. */
const CHECKABLE = new Set([
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-max-retries',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
]);

export function decodeRouter(message: RouterMessage, d: ConfigDecoder): RouterConfig {
  const strictCheckHeaders = (message.strict_check_headers ?? []).map((name) => name.toLowerCase());
  for (const [i, name] of strictCheckHeaders.entries()) {
    if (!CHECKABLE.has(name)) d.at('strict_check_headers', i).reject('', `'${name}' cannot be checked`);
  }
  return Object.freeze({
    dynamicStats: message.dynamic_stats ?? true,
    suppressEnvoyHeaders: message.suppress_envoy_headers ?? false,
    respectExpectedTimeout: message.respect_expected_rq_timeout ?? false,
    suppressGrpcCodeStats: message.suppress_grpc_request_failure_code_stats ?? false,
    strictCheckHeaders,
    upstreamFilters: d.environment.upstreamChain?.(message.upstream_http_filters, 'router', d) ?? null,
    upstreamLog: decodeUpstreamLog(message, d),
  });
}

function decodeUpstreamLog(message: RouterMessage, d: ConfigDecoder): UpstreamLogConfig | null {
  const { upstream_log: logs = [], upstream_log_options: options = {} } = message;
  if (logs.length === 0) return null;
  return Object.freeze({
    logs: decodeAccessLogs(logs, d.at('upstream_log')),
    atReady: options.flush_upstream_log_on_upstream_stream ?? false,
    intervalMs: d.durationMs(options.upstream_log_flush_interval, 0),
  });
}
