// The names that Envoy keeps once per message: adding another value joins it to the first with a comma.
import { headerKey } from '../../../../wire/header-names.ts';
import type { HeaderKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';

export type MessageSide = 'request' | 'response' | 'request-trailers' | 'response-trailers';

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

const requestKeys: ReadonlySet<HeaderKey> = new Set([...BOTH, ...REQUEST].map(headerKey));
const responseKeys: ReadonlySet<HeaderKey> = new Set([...BOTH, ...RESPONSE].map(headerKey));

const KEYS: Readonly<Record<MessageSide, ReadonlySet<HeaderKey>>> = {
  request: requestKeys,
  response: responseKeys,
  'request-trailers': new Set(),
  'response-trailers': new Set(['grpc-status', 'grpc-message'].map(headerKey)),
};

/** Whether a message of that side holds at most one entry of a name. */
export function isInline(key: HeaderKey, side: MessageSide): boolean {
  return KEYS[side].has(key);
}

/** Adds a value as Envoy's HeaderMap does; `inline` as `isInline` says. */
export function addField(headers: Headers, key: HeaderKey, value: string, inline: boolean): void {
  if (!inline) headers.add(key, value);
  else if (value !== '' || !headers.has(key)) headers.appendValue(key, value);
}
