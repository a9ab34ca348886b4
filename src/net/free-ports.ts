// Which ports and addresses of this machine can be had.
import { connect, createServer } from 'node:net';

/** Whether programs may listen on the address. */
export function isOwnAddress(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });
}

/** Why programs of this machine cannot call each other; null where they can. */
export function loopbackProblem(): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    const end = (problem: string | null): void => {
      server.close();
      resolve(problem);
    };
    const failed = ({ code, message }: NodeJS.ErrnoException): void =>
      end(`127.0.0.1 cannot be called (${code ?? message}): bring the loopback interface up, ip link set lo up`);
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const socket = connect((server.address() as { port: number }).port, '127.0.0.1', () => end(null));
      socket.once('error', failed);
      socket.once('connect', () => socket.destroy());
    });
  });
}

/** Open at a time: systems allow a process so many files. */
const PORTS_AT_ONCE = 100;

/** Ports of 127.0.0.1 that nobody has at this moment. */
export async function findFreePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) for (const port of await somePorts(Math.min(PORTS_AT_ONCE, count))) found.add(port);
  return [...found].slice(0, count);
}

async function somePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map(
      (server) =>
        new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', () => resolve(null))),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
