// TLS's errors in Envoy's words, and lists of protocols in their wire form.
import type { TlsError } from './surface.ts';

/** RFC 7301 §3.1: each name with its length before it. */
export function alpnWire(protocols: readonly string[]): Buffer {
  return Buffer.concat(protocols.map((name) => Buffer.from([name.length, ...Buffer.from(name, 'latin1')])));
}

/** Envoy's %..._TRANSPORT_FAILURE_REASON% for an error of OpenSSL. */
export function tlsReason(error: TlsError): string {
  const reason = (error.reason ?? error.message).toUpperCase().replaceAll(' ', '_');
  return `TLS_error:|0:SSL routines:OPENSSL_internal:${reason}:TLS_error_end`;
}
