// Why an upstream exchange ended early, in Envoy's words: text of bodies and details, response flag, status.
import type { Failure, FailureCode } from '../../../../base/failure.ts';
import { Flag } from '../../../stream-info.ts';

export type ResetReason = {
  /** As in "reset reason: …". Source: Envoy Http::Utility::resetReasonToString. */
  readonly text: string;
  readonly flag: number;
  readonly status: 502 | 503;
  readonly isConnectFailure: boolean;
  /** The peer did not begin to process the request (HTTP/2 REFUSED_STREAM). */
  readonly isRefused: boolean;
  /** A limit of our own: the host is not to blame, and a retry would make it worse. */
  readonly isOverflow: boolean;
};

function reason(text: string, flag: number, options: Partial<ResetReason> = {}): ResetReason {
  return Object.freeze({
    text,
    flag,
    status: 503,
    isConnectFailure: false,
    isRefused: false,
    isOverflow: false,
    ...options,
  });
}

const REMOTE_CONNECT = reason('remote connection failure', Flag.UF, { isConnectFailure: true });
const LOCAL_CONNECT = reason('local connection failure', Flag.UF, { isConnectFailure: true });
const CONNECT_TIMEOUT = reason('connection timeout', Flag.UF, { isConnectFailure: true });
const TERMINATION = reason('connection termination', Flag.UC);
const OVERFLOW = reason('overflow', Flag.UO, { isOverflow: true });
const PROTOCOL_ERROR = reason('protocol error', Flag.UPE, { status: 502 });
const REMOTE_RESET = reason('remote reset', Flag.UR);
const REMOTE_REFUSED = reason('remote refused stream reset', Flag.UR, { isRefused: true });
const CONNECT_REFUSED = reason('remote error with CONNECT request', Flag.UR);
export const LOCAL_RESET = reason('local reset', Flag.LR);

const BY_CODE: Partial<Record<FailureCode, ResetReason>> = {
  connect_failed: REMOTE_CONNECT,
  connect_timeout: CONNECT_TIMEOUT,
  upstream_closed: TERMINATION,
  upstream_overflow: OVERFLOW,
  upstream_protocol: PROTOCOL_ERROR,
  upstream_reset: REMOTE_RESET,
  upstream_refused: REMOTE_REFUSED,
  upstream_connect_refused: CONNECT_REFUSED,
};

export function resetReason(failure: Failure): ResetReason {
  if (failure.code === 'connect_failed' && failure.side === 'local') return LOCAL_CONNECT;
  return BY_CODE[failure.code] ?? LOCAL_RESET;
}

/** The body of the answer. Source: Envoy Router::Filter::onUpstreamReset. */
export function resetBody(reason: ResetReason, isRetry: boolean): string {
  const retried = isRetry ? 'retried and the latest ' : '';
  return `upstream connect error or disconnect/reset before headers. ${retried}reset reason: ${reason.text}`;
}

export function resetDetails(reason: ResetReason, transportReason: string, isResponseStarted: boolean): string {
  const what = `upstream_reset_${isResponseStarted ? 'after' : 'before'}_response_started`;
  const details = `${what}{${reason.text}${transportReason === '' ? '' : `|${transportReason}`}}`;
  return details.replaceAll(' ', '_');
}
