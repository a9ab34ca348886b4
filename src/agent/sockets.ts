// The agent's unix sockets: for the proxy's user alone, and never in the place of an agent that lives.
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GrpcServer } from '../grpc/server.ts';
import { unixAddress } from '../net/address.ts';
import { type Engine, isListenError, type Listener } from '../net/engine.ts';

/** Nobody but the owner goes in, or connects. */
const DIRECTORY_MODE = 0o700;
const SOCKET_MODE = 0o600;

/** Serves on the path; a text says why not. */
export async function listenOn(engine: Engine, server: GrpcServer, path: string): Promise<Listener | string> {
  const directory = prepareDirectory(dirname(path));
  if (directory !== null) return directory;
  const left = await clearPlace(engine, path);
  if (left !== null) return left;
  let listener: ReturnType<GrpcServer['listen']> | null = null;
  engine.run(() => {
    listener = server.listen(unixAddress(path), { mode: SOCKET_MODE });
  });
  const made = listener as unknown as ReturnType<GrpcServer['listen']>;
  return isListenError(made) ? `${path}: ${made.detail}` : made;
}

/** Made if it is missing; one that is there belongs to whoever made it, and stays as it is unless it is ours. */
function prepareDirectory(path: string): string | null {
  try {
    mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
    const { uid } = lstatSync(path);
    if (uid === process.getuid?.()) chmodSync(path, DIRECTORY_MODE);
    return null;
  } catch (error) {
    return `${path} cannot be made: ${(error as Error).message}`;
  }
}

/** Takes away what an agent left that is no longer there. */
async function clearPlace(engine: Engine, path: string): Promise<string | null> {
  try {
    if (!lstatSync(path).isSocket()) return `${path} is there and no socket`;
  } catch {
    return null;
  }
  const isTaken = await new Promise<boolean>((resolve) => {
    engine.run(() => {
      engine.connect(unixAddress(path), {}, (stream) => {
        stream?.destroy();
        resolve(stream !== null);
      });
    });
  });
  if (isTaken) return `${path} is served by another agent`;
  unlinkSync(path);
  return null;
}
