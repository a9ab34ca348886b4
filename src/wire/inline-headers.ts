// The names that Envoy keeps once per message: another value is joined to the first with a comma.
import { type HeaderKey, headerKey, knownHeaderNames } from './header-names.ts';

/** Probed one by one against Envoy 1.40: names of both sides, and of each. */
// biome-ignore format: a table.
const BOTH = [
  'cache-control', 'connection', 'content-encoding', 'content-length', 'content-type', 'keep-alive',
  'proxy-connection', 'proxy-status', 'transfer-encoding', 'upgrade', 'via', 'x-envoy-attempt-count',
  'x-envoy-decorator-operation', 'x-request-id',
];
// biome-ignore format: a table.
const REQUEST = [
  'accept', 'accept-encoding', 'access-control-request-headers', 'access-control-request-method',
  'access-control-request-private-network', 'authorization', 'expect', 'grpc-accept-encoding', 'grpc-timeout',
  'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'origin', 'pragma', 'referer',
  'te', 'user-agent', 'x-client-trace-id', 'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node',
  'x-envoy-expected-rq-timeout-ms', 'x-envoy-external-address', 'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout', 'x-envoy-internal', 'x-envoy-ip-tags', 'x-envoy-is-timeout-retry',
  'x-envoy-max-retries', 'x-envoy-original-host', 'x-envoy-original-path', 'x-envoy-original-url',
  'x-envoy-retriable-header-names', 'x-envoy-retriable-status-codes', 'x-envoy-retry-grpc-on', 'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name', 'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response', 'x-envoy-upstream-rq-timeout-ms', 'x-forwarded-client-cert',
  'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto',
];
// biome-ignore format: a table.
const RESPONSE = [
  'access-control-allow-credentials', 'access-control-allow-headers', 'access-control-allow-methods',
  'access-control-allow-origin', 'access-control-allow-private-network', 'access-control-expose-headers',
  'access-control-max-age', 'age', 'date', 'etag', 'expires', 'grpc-message', 'grpc-status', 'last-modified',
  'location', 'server', 'vary', 'x-envoy-degraded', 'x-envoy-immediate-health-check-fail', 'x-envoy-ratelimited',
  'x-envoy-upstream-canary', 'x-envoy-upstream-healthchecked-cluster', 'x-envoy-upstream-service-time',
];

/** Names of which a request holds at most one entry. */
export const inlineRequestHeaders: ReadonlySet<HeaderKey> = new Set([...BOTH, ...REQUEST].map(headerKey));
/** Names of which a response holds at most one entry. */
export const inlineResponseHeaders: ReadonlySet<HeaderKey> = new Set([...BOTH, ...RESPONSE].map(headerKey));

/** The same by id, for codecs: 1 where repeated fields are joined as they arrive. */
export const MERGED_IN_REQUESTS = idsOf(inlineRequestHeaders);
export const MERGED_IN_RESPONSES = idsOf(inlineResponseHeaders);

function idsOf(keys: ReadonlySet<HeaderKey>): Uint8Array {
  return Uint8Array.from(knownHeaderNames, (_, id) => (keys.has(id) ? 1 : 0));
}
