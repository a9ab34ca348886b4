// The timeouts of one request: the route's, as the request's x-envoy-* and grpc-timeout headers change them.
import { H } from '../../../../wire/header-names.ts';
import { grpcTimeout, parseGrpcTimeout } from '../../../../wire/grpc/timeout.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ForwardAction } from '../../../route/route.ts';
import type { RouterConfig } from './router-config.ts';

/** ms; 0 = none. One object serves all requests: read it before the next call. */
export const timeouts = { global: 0, perTry: 0, perTryIdle: 0 };

/**
 * Fills `timeouts` and removes the headers that said so. Source: Envoy FilterUtility::finalTimeout.
 */
export function readTimeouts(
  forward: ForwardAction,
  headers: Headers,
  perTryMs: number,
  perTryIdleMs: number,
  isGrpc: boolean,
  config: RouterConfig,
): void {
  // Envoy: a route with max_stream_duration has no route timeout unless the request asks for one.
  let global = forward.hasStreamDuration ? 0 : forward.timeoutMs;
  let perTry = perTryMs;
  if (isGrpc && forward.maxGrpcTimeoutMs !== undefined && !forward.hasStreamDuration)
    global = grpcDeadline(forward, headers);
  const expected = config.respectExpectedTimeout ? headers.get(H['x-envoy-expected-rq-timeout-ms']) : undefined;
  if (expected !== undefined) global = milliseconds(expected) ?? global;
  else {
    const asked = headers.get(H['x-envoy-upstream-rq-timeout-ms']);
    if (asked !== undefined) {
      global = milliseconds(asked) ?? global;
      headers.remove(H['x-envoy-upstream-rq-timeout-ms']);
    }
  }
  const askedPerTry = headers.get(H['x-envoy-upstream-rq-per-try-timeout-ms']);
  if (askedPerTry !== undefined) {
    perTry = milliseconds(askedPerTry) ?? perTry;
    headers.remove(H['x-envoy-upstream-rq-per-try-timeout-ms']);
  }
  if (perTry >= global && global !== 0) perTry = 0;
  timeouts.global = global;
  timeouts.perTry = perTry;
  timeouts.perTryIdle = perTryIdleMs;
}

/** What the upstream is told to expect after `elapsedMs`, 0 for nothing. Source: FilterUtility::setTimeoutHeaders. */
export function expectedTimeout(globalMs: number, perTryMs: number, elapsedMs: number): number {
  const expected = perTryMs === 0 ? globalMs : perTryMs;
  if (expected === 0 || globalMs === 0) return expected;
  // No time left: 0 would mean "for ever", so it is told 1.
  return elapsedMs >= globalMs ? 1 : Math.min(expected, globalMs - elapsedMs);
}

/** The timeout told last: nearly always the same one. */
let lastMs = 0;
let lastText = '0';

export function setExpectedTimeout(headers: Headers, ms: number): void {
  if (ms !== lastMs) {
    lastMs = ms;
    lastText = String(Math.round(ms));
  }
  headers.set(H['x-envoy-expected-rq-timeout-ms'], lastText);
}

/** The upstream's server is told when to give up. */
export function setGrpcTimeout(headers: Headers, ms: number): void {
  headers.set(H['grpc-timeout'], grpcTimeout(ms));
}

function grpcDeadline(forward: ForwardAction, headers: Headers): number {
  const max = forward.maxGrpcTimeoutMs ?? 0;
  let ms = parseGrpcTimeout(headers.get(H['grpc-timeout']));
  if (forward.grpcTimeoutOffsetMs > 0 && forward.grpcTimeoutOffsetMs < ms) ms -= forward.grpcTimeoutOffsetMs;
  return max !== 0 && (ms === 0 || ms > max) ? max : ms;
}

function milliseconds(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
