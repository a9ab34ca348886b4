// How listener filters leave dynamic metadata with a socket.
import type { AcceptedSocket } from '../filter.ts';

/** Sets one value beside those that the namespace already has. */
export function addMetadata(socket: AcceptedSocket, namespace: string, key: string, value: unknown): void {
  socket.dynamicMetadata ??= new Map();
  const known = socket.dynamicMetadata.get(namespace);
  if (known === undefined) socket.dynamicMetadata.set(namespace, { [key]: value });
  else known[key] = value;
}
