// Connections between the networks of a mesh and this machine's: handed over unix sockets, which belong to no network.
// The first line says where to: "10.244.0.12 8443\n".
import { chmodSync, rmSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';

/** An IPv4 address or name, and a port. */
export type HostPort = { readonly address: string; readonly port: number };

const MAX_HEAD = 128;
const HEAD_TIMEOUT_MS = 5000;

/** Serves the path for this user alone: dials what it is asked for, if it may. */
export function serveRelay(path: string, mayDial: (to: HostPort) => boolean): Promise<Server> {
  rmSync(path, { force: true });
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => takeHead(socket, mayDial));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve(server);
    });
  });
}

function takeHead(socket: Socket, mayDial: (to: HostPort) => boolean): void {
  socket.on('error', () => socket.destroy());
  socket.setTimeout(HEAD_TIMEOUT_MS, () => socket.destroy());
  let head = Buffer.alloc(0);
  const take = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(0x0a);
    if (end < 0) {
      if (head.length > MAX_HEAD) socket.destroy();
      return;
    }
    socket.off('readable', take);
    socket.setTimeout(0);
    const [address = '', port = ''] = head.toString('latin1', 0, end).split(' ');
    const to = { address, port: Number(port) };
    if (!mayDial(to)) {
      socket.destroy();
      return;
    }
    if (end + 1 < head.length) socket.unshift(head.subarray(end + 1));
    join(socket, connect({ host: address, port: to.port, allowHalfOpen: true, noDelay: true }));
  };
  socket.on('readable', take);
}

/** Passes a connection on through the relay at the path. */
export function throughRelay(socket: Socket, path: string, to: HostPort): void {
  const relay = connect({ path, allowHalfOpen: true });
  relay.write(`${to.address} ${to.port}\n`);
  join(socket, relay);
}

/** Listens where nothing but what goes through the relay is served. */
export function forwardPort(at: HostPort, path: string, to: HostPort): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
    throughRelay(socket, path, to),
  );
  return listenAt(server, at);
}

/** The same without a relay, where both are of one network. */
export function forwardDirectly(at: HostPort, to: HostPort): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
    join(socket, connect({ host: to.address, port: to.port, allowHalfOpen: true, noDelay: true })),
  );
  return listenAt(server, at);
}

function listenAt(server: Server, { address, port }: HostPort): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve(server));
  });
}

function join(a: Socket, b: Socket): void {
  const end = (): void => {
    a.destroy();
    b.destroy();
  };
  for (const socket of [a, b]) socket.on('error', end);
  a.on('close', () => b.destroySoon());
  b.on('close', () => a.destroySoon());
  a.pipe(b);
  b.pipe(a);
}
