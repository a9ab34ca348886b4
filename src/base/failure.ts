// What went wrong on the data path, as a value: small, without a stack, enough to answer, count and log it.

/** Every way an exchange can fail; `http/local-reply.ts` is the only map from these to statuses, flags and details. */
export type FailureCode =
  // The peer broke the protocol.
  | 'bad_request_line'
  | 'bad_header'
  | 'bad_framing'
  | 'bad_chunk'
  | 'bad_target'
  | 'headers_too_large'
  | 'too_many_headers'
  | 'version_not_accepted'
  | 'underscore_in_header'
  | 'truncated'
  | 'bad_response'
  // Limits and time.
  | 'stream_idle_timeout'
  | 'max_stream_duration'
  | 'per_try_timeout'
  | 'per_try_idle_timeout'
  // Upstream.
  | 'connect_failed'
  | 'connect_timeout'
  | 'tls_failed'
  | 'upstream_reset'
  | 'upstream_refused'
  | 'upstream_connect_refused'
  | 'upstream_protocol'
  | 'upstream_closed'
  | 'upstream_overflow'
  | 'no_healthy_upstream'
  | 'cluster_not_found'
  | 'no_cluster'
  | 'no_route'
  // Downstream.
  | 'downstream_closed'
  | 'downstream_reset'
  | 'local_close'
  | 'drain'
  | 'bug';

export type Failure = {
  readonly code: FailureCode;
  /** Who caused it. */
  readonly side: 'downstream' | 'upstream' | 'control' | 'local';
  /** What dies. */
  readonly scope: 'stream' | 'connection';
  /** For the operator: lower case, names its target, no final period. Where Envoy has a details string it is that. */
  readonly detail: string;
};

export function failure(code: FailureCode, side: Failure['side'], scope: Failure['scope'], detail: string): Failure {
  return { code, side, scope, detail };
}
