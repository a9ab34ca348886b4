// Header names of which Envoy's header maps hold one value each: a second one is joined to the first with a comma.
import { type HeaderKey, headerKey } from '../../wire/header-names.ts';

// Observed on Envoy 1.40 with all extensions; names of pseudo-headers and framing apart.
// biome-ignore format: a table.
const REQUEST = [
  'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect', 'te', 'keep-alive', 'proxy-connection',
  'user-agent', 'via', 'content-type', 'origin', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host',
  'x-forwarded-port', 'x-forwarded-client-cert', 'x-request-id', 'x-envoy-internal', 'x-envoy-external-address',
  'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node', 'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-rq-timeout-ms', 'x-envoy-upstream-rq-per-try-timeout-ms', 'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-alt-response', 'x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries',
  'x-envoy-retriable-status-codes', 'x-envoy-retriable-header-names', 'x-envoy-force-trace', 'x-envoy-ip-tags',
  'x-envoy-hedge-on-per-try-timeout', 'x-envoy-attempt-count', 'x-envoy-is-timeout-retry', 'x-envoy-original-path',
  'x-envoy-original-host', 'x-envoy-decorator-operation', 'x-client-trace-id', 'grpc-timeout', 'grpc-accept-encoding',
  'accept', 'accept-encoding', 'authorization', 'referer', 'cache-control', 'access-control-request-method',
  'access-control-request-headers', 'access-control-request-private-network', 'content-encoding', 'pragma',
  'if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'proxy-status',
];

export const inlineRequestHeaders: ReadonlySet<HeaderKey> = new Set(REQUEST.map(headerKey));

// Observed on Envoy 1.40 for responses; `server` and `date` from its header map.
// biome-ignore format: a table.
const RESPONSE = [
  'connection', 'content-length', 'transfer-encoding', 'upgrade', 'keep-alive', 'proxy-connection', 'via', 'date',
  'server', 'content-type', 'etag', 'vary', 'cache-control', 'location', 'content-encoding', 'last-modified',
  'x-request-id', 'age', 'expires', 'grpc-status', 'grpc-message', 'proxy-status', 'x-envoy-attempt-count',
  'x-envoy-decorator-operation', 'x-envoy-degraded', 'x-envoy-overloaded', 'x-envoy-ratelimited',
  'x-envoy-immediate-health-check-fail', 'x-envoy-upstream-canary', 'x-envoy-upstream-service-time',
  'access-control-allow-origin', 'access-control-allow-headers', 'access-control-allow-methods',
  'access-control-allow-credentials', 'access-control-expose-headers', 'access-control-max-age',
  'access-control-allow-private-network',
];

export const inlineResponseHeaders: ReadonlySet<HeaderKey> = new Set(RESPONSE.map(headerKey));
