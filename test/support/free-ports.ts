// Finds free loopback ports of five digits below the ephemeral range, so that no outgoing connection takes them.
// Every process claims a block of its own: proxies listen with SO_REUSEPORT, so two runs could share a port unseen.
import { createServer } from 'node:net';
import type { Server } from 'node:net';

const FIRST_PORT = 12_000;
const BLOCK_SIZE = 1000;
const BLOCK_COUNT = 20;

/** The socket that claims the block; it must live as long as the process. */
let claim: Promise<{ readonly first: number; readonly server: Server | null }> | null = null;
let next = 0;

function listen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server.unref()));
  });
}

async function claimBlock(): Promise<{ readonly first: number; readonly server: Server | null }> {
  const start = process.pid % BLOCK_COUNT;
  for (let tries = 0; tries < BLOCK_COUNT; tries++) {
    const first = FIRST_PORT + ((start + tries) % BLOCK_COUNT) * BLOCK_SIZE;
    const server = await listen(first);
    if (server !== null) return { first, server };
  }
  return { first: FIRST_PORT + start * BLOCK_SIZE, server: null };
}

/** A mesh's own ports, which a test of capture may need as they are. */
function isMeshPort(port: number): boolean {
  return port >= 15_000 && port < 15_100;
}

/** Returns a port that was free a moment ago; none is given twice by one process until all were given. */
export async function freePort(): Promise<number> {
  claim ??= claimBlock();
  const { first } = await claim;
  for (let tries = 0; tries < BLOCK_SIZE; tries++) {
    next = (next + 1) % BLOCK_SIZE;
    const port = first + next;
    // Round numbers stand for other things too: a timeout of 15000 ms is not the name of a listener.
    if (port % 10 === 0 || isMeshPort(port)) continue;
    const server = await listen(port);
    if (server === null) continue;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return port;
  }
  throw new Error('no free loopback port found');
}
