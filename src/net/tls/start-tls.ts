// Starts TLS on a stream: on the raw layer where the stream is a raw socket, else through node:tls.
import type { ByteStream } from '../../base/byte-stream.ts';
import { HandleStream } from '../handle-stream.ts';
import type { HandshakeCallback, TlsHandshake } from './handshake.ts';
import { checkTlsHandles } from './surface.ts';
import { TlsStream } from './tls-stream.ts';

export type PendingHandshake = {
  /** Gives up: the stream closes and the callback will not be called. */
  cancel(): void;
};

/**
 * Begins a handshake on an idle stream, which is the session's from now on. `unread` are bytes of it that were read
 * already (a peeked ClientHello). The callback may run inside this call when those bytes already decide.
 */
export function startTls(
  stream: ByteStream,
  handshake: TlsHandshake,
  unread: Buffer | null,
  callback: HandshakeCallback,
): PendingHandshake {
  if (stream instanceof HandleStream && checkTlsHandles() === null) {
    return new TlsStream(stream, handshake, unread, callback);
  }
  throw new Error('TLS over this stream is not built');
}
