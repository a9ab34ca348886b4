// One TLS handshake: what this side brings to it, and who judges the other side.
import type { SecureContext } from 'node:tls';
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Failure } from '../../base/failure.ts';
import type { SessionFacts } from './session-facts.ts';

/** Everything that is decided before the first byte; a server has read the ClientHello by then. */
export type TlsHandshake = {
  readonly context: SecureContext;
  readonly isServer: boolean;
  /** Server: asks the client for a certificate, and ends the handshake itself when none comes. */
  readonly requestsCertificate: boolean;
  readonly requiresCertificate: boolean;
  /**
   * Client: what it offers. Server: what it takes, in its order; empty when the client offers none of them, so that
   * the handshake goes on without ALPN, as in Envoy, instead of ending in an alert.
   */
  readonly alpn: readonly string[];
  /** SNI: what a client sends, what a server has read; '' for none. */
  readonly serverName: string;
  /** Client: a session to resume. */
  readonly session: Buffer | null;
  /** Client: told of sessions (tickets) that may be resumed later; TLS 1.3 sends them after the handshake. */
  readonly onSession: ((session: Buffer) => void) | null;
  /** Lines of NSS key log format. */
  readonly onKeylog: ((line: Buffer) => void) | null;
  /** Server: what is stapled. */
  readonly ocspResponse: Buffer | null;
  /**
   * Judges the peer after the handshake, resumed ones too, before a byte of the application passes. Null: it is good,
   * else why not, in Envoy's words (%DOWNSTREAM_TRANSPORT_FAILURE_REASON%).
   */
  readonly verify: (facts: SessionFacts) => string | null;
};

/** Exactly one is not null. */
export type HandshakeCallback = (stream: ByteStream | null, failure: Failure | null) => void;
