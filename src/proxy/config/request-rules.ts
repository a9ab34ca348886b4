// Decodes what a request is held to before anybody looks at it: the form of its path, the size of its head.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import type { Runtime } from '../http/filter.ts';
import type { HttpConfig } from '../http/http-config.ts';

/** Defaults. Source: envoy http_connection_manager.proto and protocol.proto. */
const MAX_REQUEST_HEADERS_KB = 60;
const MAX_HEADERS_COUNT = 100;

/** Values that Envoy reads once, when a listener is made. */
const NORMALIZE_PATH_KEY = 'http_connection_manager.normalize_path';
const ESCAPED_SLASHES_KEY = 'http_connection_manager.path_with_escaped_slashes_action';
const MAX_HEAD_KEY = 'envoy.reloadable_features.max_request_headers_size_kb';
const MAX_HEADERS_KEY = 'envoy.reloadable_features.max_request_headers_count';
const NEVER = { numerator: 0, denominator: 100 } as const;
const ALWAYS = { numerator: 100, denominator: 100 } as const;
/** Fractions of a listener, of which there is one: those below a half are none. */
const NO_DRAW = { below: (limit: number): number => limit >> 1 };

const ESCAPED_SLASHES: readonly (HttpConfig['escapedSlashes'] | undefined)[] = [
  ...[undefined, undefined],
  ...(['REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'] as const),
];

export function decodeEscapedSlashes(
  { path_with_escaped_slashes_action: action }: HttpConnectionManager,
  runtime: Runtime | undefined,
): HttpConfig['escapedSlashes'] {
  if (runtime?.featureEnabled(`${ESCAPED_SLASHES_KEY}_enabled`, ALWAYS, NO_DRAW) === false) return 'KEEP_UNCHANGED';
  if (typeof action === 'string' && action !== 'IMPLEMENTATION_SPECIFIC_DEFAULT') return action;
  return ESCAPED_SLASHES[runtime?.number(ESCAPED_SLASHES_KEY, 0) ?? 0] ?? 'KEEP_UNCHANGED';
}

/** Limits of a request's head. */
export function decodeHeadLimits(message: HttpConnectionManager, runtime: Runtime | undefined): HeadLimits {
  const headKb =
    message.max_request_headers_kb ?? runtime?.number(MAX_HEAD_KEY, MAX_REQUEST_HEADERS_KB) ?? MAX_REQUEST_HEADERS_KB;
  const { max_headers_count: given } = message.common_http_protocol_options ?? {};
  const maxHeaders = given ?? runtime?.number(MAX_HEADERS_KEY, MAX_HEADERS_COUNT) ?? MAX_HEADERS_COUNT;
  return { maxHeadBytes: headKb * 1024, maxHeaders };
}
export type HeadLimits = { readonly maxHeadBytes: number; readonly maxHeaders: number };

export function decodeNormalizePath(message: HttpConnectionManager, runtime: Runtime | undefined): boolean {
  return message.normalize_path ?? runtime?.featureEnabled(NORMALIZE_PATH_KEY, NEVER, NO_DRAW) ?? false;
}
