// Ends of upstream exchanges that the pools and connections report; the router turns them into answers.
import { failure } from '../../base/failure.ts';

/** max_pending_requests reached: no host was involved. */
export const PENDING_OVERFLOW = failure('upstream_overflow', 'local', 'stream', 'too many pending requests');
/** max_requests reached, noticed at a connection to a host. */
export const ACTIVE_OVERFLOW = failure('upstream_overflow', 'local', 'stream', 'too many active requests');
/** max_connection_pools reached; Envoy answers as if there were no host. */
export const NO_POOL = failure('no_healthy_upstream', 'local', 'stream', 'too many connection pools');
export const CONNECT_TIMEOUT = failure('connect_timeout', 'upstream', 'connection', 'connection timeout');
export const TERMINATION = failure('upstream_closed', 'upstream', 'connection', 'connection termination');
export const PROTOCOL_ERROR = failure('upstream_protocol', 'upstream', 'connection', 'protocol error');
/** RST_STREAM of the peer: any; before it looked at the request (REFUSED_STREAM, GOAWAY); CONNECT_ERROR. */
export const REMOTE_RESET = failure('upstream_reset', 'upstream', 'stream', 'remote reset');
export const REMOTE_REFUSED = failure('upstream_refused', 'upstream', 'stream', 'remote refused stream reset');
export const CONNECT_REFUSED = failure(
  'upstream_connect_refused',
  'upstream',
  'stream',
  'remote error with CONNECT request',
);
