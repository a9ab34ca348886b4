// Descriptors that a parent left to this process: what it wrote into one, and that it is still there by another.
import { closeSync, fstatSync, readSync } from 'node:fs';
import { Socket } from 'node:net';

const MAX_BYTES = 64 * 1024;
const RETRY_MS = 10;
/** A writer that never closes its end must not keep a process from starting, or from saying why it cannot. */
const PATIENCE_MS = 30_000;

/** The number in '/dev/fd/N'; null for other paths. */
export function descriptorOf(path: string): number | null {
  const found = /^\/(?:dev|proc\/self)\/fd\/(\d{1,9})$/.exec(path);
  return found === null ? null : Number(found[1]);
}

/** All that was written until its writer closed it, which it then is here, too: it can be read only once. */
export function readInherited(fd: number): Buffer | { readonly error: string } {
  const chunks: Buffer[] = [];
  let length = 0;
  let waitedMs = 0;
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(MAX_BYTES);
      const count = readNow(fd, chunk);
      if (count === 0) break;
      if (count === null) {
        if (waitedMs >= PATIENCE_MS) return { error: `nothing came within ${PATIENCE_MS / 1000} s` };
        waitedMs += RETRY_MS;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
        continue;
      }
      chunks.push(chunk.subarray(0, count));
      length += count;
      if (length > MAX_BYTES) return { error: `more than ${MAX_BYTES} bytes came` };
    }
    closeSync(fd);
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code ?? 'it cannot be read' };
  }
  const all = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return all;
}

/** Null: there is nothing yet. */
function readNow(fd: number, into: Buffer): number | null {
  try {
    return readSync(fd, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw error;
  }
}

/** Calls back once when the other end of a pipe or socket is closed; a text says why nothing can be heard there. */
export function whenGone(fd: number, gone: () => void): string | null {
  try {
    const kind = fstatSync(fd);
    if (!kind.isFIFO() && !kind.isSocket()) return `descriptor ${fd} is neither a pipe nor a socket`;
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on('error', () => undefined);
    socket.once('close', gone);
    socket.resume();
    return null;
  } catch (error) {
    return `descriptor ${fd}: ${(error as NodeJS.ErrnoException).code ?? 'it cannot be used'}`;
  }
}

/** The socket that a parent left under this number. */
export function inheritedSocket(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: true });
}
