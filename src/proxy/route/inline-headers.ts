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
