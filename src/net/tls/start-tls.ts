// Starts TLS on a stream: on its handle where it is a raw socket, else on a handle that is made for it.
import type { ByteStream } from '../../base/byte-stream.ts';
import { HandleStream } from '../handle-stream.ts';
import type { HandshakeCallback, TlsHandshake } from './handshake.ts';
import { checkTlsHandles } from './surface.ts';
import { streamSocket } from './stream-handle.ts';
import { type TlsSocket, TlsStream } from './tls-stream.ts';

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
  const lacking = checkTlsHandles();
  if (lacking !== null) throw new Error(`TLS needs the runtime's TLS layer: ${lacking}`);
  const socket = stream instanceof HandleStream ? handleSocket(stream) : streamSocket(stream);
  if (socket === null) throw new Error('TLS needs a stream of an engine');
  return new TlsStream(socket, handshake, unread, callback);
}

function handleSocket(stream: HandleStream): TlsSocket {
  // Next to a handshake two questions to the kernel cost nothing, and a closed socket answers none.
  const { localAddress, remoteAddress, role } = stream;
  const { handle, shared } = stream.takeHandle();
  return { handle: handle as TlsSocket['handle'], shared, role, localAddress, remoteAddress, onBroken: null };
}
