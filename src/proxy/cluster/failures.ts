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
