// Ends a socket with RST, also below TLS.
import type { Socket } from 'node:net';

/** A TLS socket cannot be reset itself: the TCP socket that it stands on can. */
export function resetSocket(socket: Socket): void {
  const below = (socket as { _parent?: Socket })._parent;
  if (below === undefined || below === null) {
    socket.resetAndDestroy();
    return;
  }
  below.resetAndDestroy();
  socket.destroy();
}
