// Finds free loopback ports of five digits below the ephemeral range, so that no outgoing connection takes them.
import { createServer } from 'node:net';

const FIRST_PORT = 10_500;
const LAST_PORT = 32_000;
let nextPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Returns one port that was free a moment ago; no port is given twice by one process until all were given. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 2000; tries++) {
    const port = nextPort;
    nextPort = nextPort >= LAST_PORT ? FIRST_PORT : nextPort + 1;
    if (await canBind(port)) return port;
  }
  throw new Error('no free loopback port found');
}
