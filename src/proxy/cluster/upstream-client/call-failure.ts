// Why a call of the proxy's own failed, in the words and statuses in which Envoy's client tells it.
import type { Failure, FailureCode } from '../../../base/failure.ts';

/** `status` is the HTTP status that the proxy itself would have answered with. */
export type CallFailure = {
  readonly status: number;
  /** 'no healthy upstream', 'upstream request timeout', 'upstream connect error or …'. */
  readonly text: string;
  /** The response had begun: what came of it is not all. */
  readonly isAfterStart: boolean;
};

export const NO_CLUSTER = 'Cluster not available';
export const NO_HOST = 'no healthy upstream';
export const TIMED_OUT = 'upstream request timeout';

/** Source: Envoy Http::Utility::resetReasonToString. */
const REASONS: Partial<Record<FailureCode, string>> = {
  connect_failed: 'remote connection failure',
  connect_timeout: 'connection timeout',
  upstream_closed: 'connection termination',
  upstream_overflow: 'overflow',
  upstream_protocol: 'protocol error',
  upstream_reset: 'remote reset',
};

export function failureOf(reason: Failure, isAfterStart: boolean, isRetry: boolean): CallFailure {
  const isLocal = reason.code === 'connect_failed' && reason.side === 'local';
  const text = isLocal ? 'local connection failure' : (REASONS[reason.code] ?? 'local reset');
  const retried = isRetry ? 'retried and the latest ' : '';
  return {
    status: reason.code === 'upstream_protocol' ? 502 : 503,
    text: `upstream connect error or disconnect/reset before headers. ${retried}reset reason: ${text}`,
    isAfterStart,
  };
}
