// Header names as keys: a small integer for a known name, the interned lower-case string for any other.

/** A known header's id, or the lower-case name itself. Keys of one name are always equal under `===`. */
export type HeaderKey = number | string;

/**
 * Known names; the id is the position. Pseudo-headers first (they are fields of `Headers`), then the names that the
 * proxy itself looks for: those below id 62 have a bit in the presence mask, so that asking for an absent one is free.
 */
const KNOWN = [
  ':method', ':path', ':authority', ':scheme', ':status', ':protocol', 'host', 'connection',
  'content-length', 'transfer-encoding', 'upgrade', 'expect', 'te', 'keep-alive', 'proxy-connection', 'http2-settings',
  'user-agent', 'date', 'server', 'via', 'content-type', 'origin', 'x-forwarded-for', 'x-forwarded-proto',
  'x-forwarded-host', 'x-forwarded-port', 'x-request-id', 'x-envoy-internal', 'x-envoy-external-address',
  'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node', 'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-rq-timeout-ms', 'x-envoy-upstream-rq-per-try-timeout-ms', 'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-alt-response', 'x-envoy-upstream-service-time', 'x-envoy-upstream-canary',
  'x-envoy-attempt-count', 'x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries',
  'x-envoy-retriable-status-codes', 'x-envoy-retriable-header-names', 'x-envoy-is-timeout-retry',
  'x-envoy-original-path', 'x-envoy-original-host', 'x-envoy-decorator-operation', 'x-envoy-force-trace',
  'x-envoy-ip-tags', 'x-envoy-hedge-on-per-try-timeout', 'x-envoy-degraded', 'x-envoy-overloaded',
  'x-envoy-ratelimited', 'x-envoy-immediate-health-check-fail', 'x-client-trace-id', 'grpc-timeout', 'grpc-status',
  'x-forwarded-client-cert', 'x-envoy-local-overloaded', 'x-envoy-cluster', 'x-envoy-original-url',
  // From here on (id ≥ 62) without a presence bit.
  'trailer', 'grpc-message', 'grpc-accept-encoding', 'grpc-encoding', 'accept', 'accept-encoding',
  'accept-language', 'cookie', 'authorization', 'referer', 'cache-control', 'access-control-request-method',
  'access-control-request-headers',
  'access-control-request-private-network', 'access-control-allow-origin', 'access-control-allow-headers',
  'access-control-allow-methods', 'access-control-allow-credentials', 'access-control-expose-headers',
  'access-control-max-age', 'access-control-allow-private-network', 'traceparent', 'tracestate', 'baggage',
  'content-encoding', 'location', 'etag', 'last-modified', 'vary', 'accept-ranges', 'age', 'expires', 'pragma',
  'set-cookie', 'if-none-match', 'if-modified-since', 'range', 'content-range', 'retry-after', 'www-authenticate',
  'alt-svc', 'strict-transport-security', 'sec-websocket-key', 'sec-websocket-accept', 'sec-websocket-version',
  'sec-websocket-protocol', 'sec-websocket-extensions', 'x-real-ip', 'x-b3-traceid', 'x-b3-spanid',
  'x-b3-parentspanid', 'x-b3-sampled', 'b3', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset',
  'x-envoy-fault-abort-request', 'x-envoy-fault-delay-request', 'x-envoy-fault-abort-grpc-request',
  'x-envoy-fault-abort-request-percentage', 'x-envoy-fault-delay-request-percentage',
  'x-envoy-fault-throughput-response', 'x-envoy-fault-throughput-response-percentage', 'early-data', 'link',
  'content-language', 'content-disposition', 'upgrade-insecure-requests', 'sec-fetch-mode', 'sec-fetch-site',
  'sec-fetch-dest', 'dnt', 'x-content-type-options', 'x-frame-options', 'x-powered-by', 'if-match',
  'if-unmodified-since', 'if-range', 'proxy-status', 'x-envoy-upstream-healthchecked-cluster',
] as const; // biome-ignore format: a table.

type KnownName = (typeof KNOWN)[number];

/** Ids of the known names, by name: `H['content-length']`. */
export const H = Object.fromEntries(KNOWN.map((name, id) => [name, id])) as { readonly [name in KnownName]: number };

/** Ids below this are pseudo-headers: fields of `Headers`, not entries. */
export const PSEUDO_LIMIT = H.host;
/** Ids below this have a presence bit. */
export const MASKED_LIMIT = 62;

const names: readonly string[] = KNOWN;
const ids = new Map<string, number>(KNOWN.map((name, id) => [name, id]));

/** Other names are interned up to this many; past it a name is used as it came. */
const MAX_INTERNED = 4096;
const interned = new Map<string, string>();

/** Returns the key of a name in any case. */
export function headerKey(name: string): HeaderKey {
  const lower = name.toLowerCase();
  const id = ids.get(lower);
  if (id !== undefined) return id;
  const known = interned.get(lower);
  if (known !== undefined) return known;
  if (interned.size < MAX_INTERNED) interned.set(lower, lower);
  return lower;
}

/** Returns the lower-case name of a key. */
export function headerName(key: HeaderKey): string {
  return typeof key === 'number' ? (names[key] as string) : key;
}

export const knownHeaderNames = names;
