// Names and texts of system errors as they appear in Envoy's output: the texts are those of strerror(3).
import { getSystemErrorName } from 'node:util';
import { type Failure, failure } from '../base/failure.ts';
import type { StreamRole } from './queued-stream.ts';

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EAGAIN: 'Resource temporarily unavailable',
  EALREADY: 'Operation already in progress',
  EBADF: 'Bad file descriptor',
  ECANCELED: 'Operation canceled',
  ECONNABORTED: 'Software caused connection abort',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EEXIST: 'File exists',
  EHOSTDOWN: 'Host is down',
  EHOSTUNREACH: 'No route to host',
  EINTR: 'Interrupted system call',
  EINVAL: 'Invalid argument',
  EISCONN: 'Transport endpoint is already connected',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ENFILE: 'Too many open files in system',
  ENOBUFS: 'No buffer space available',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOMEM: 'Cannot allocate memory',
  ENOPROTOOPT: 'Protocol not available',
  ENOSYS: 'Function not implemented',
  ENOTCONN: 'Transport endpoint is not connected',
  ENOTDIR: 'Not a directory',
  ENOTSOCK: 'Socket operation on non-socket',
  ENOTSUP: 'Operation not supported',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  EPROTO: 'Protocol error',
  EPROTOTYPE: 'Protocol wrong type for socket',
  EROFS: 'Read-only file system',
  ETIMEDOUT: 'Connection timed out',
};

/** Name of a negative error number of the runtime, as 'ECONNREFUSED'. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(errno);
  } catch {
    return `E${-errno}`;
  }
}

/** Text of an error name as strerror(3) gives it; an unknown name stays itself. */
export function errnoText(name: string): string {
  return TEXTS[name] ?? name;
}

/** Failure of an established connection; `call` says what noticed it. */
export function streamFailure(role: StreamRole, call: 'read' | 'write' | 'shutdown', name: string): Failure {
  const detail = `${call}: ${errnoText(name)} (${name})`;
  return role === 'accepted'
    ? failure('downstream_reset', 'downstream', 'connection', detail)
    : failure('upstream_reset', 'upstream', 'connection', detail);
}

/**
 * Failure of a dial, worded as Envoy's %UPSTREAM_TRANSPORT_FAILURE_REASON% (which replaces the blanks by underscores).
 * `remote` is given when the system refused within the call, not later.
 */
export function connectFailure(name: string, remote: string | null): Failure {
  const detail =
    remote === null
      ? `delayed connect error: ${errnoText(name)}`
      : `immediate connect error: ${errnoText(name)}|remote address:${remote}`;
  return failure('connect_failed', 'upstream', 'connection', detail);
}
