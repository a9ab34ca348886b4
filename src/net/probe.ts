// Connections that try something out: made in one namespace for one user, and listeners that tell where they arrived.
import * as dgram from 'node:dgram';
import * as net from 'node:net';
import process from 'node:process';
import type { Address } from '../base/byte-stream.ts';
import {
  bindSocket,
  closeDescriptor,
  IPV6_V6ONLY,
  makeSocket,
  originalDestination,
  setSocketOption,
  SO_REUSEADDR,
  SOL_IPV6,
  SOL_SOCKET,
} from './native.ts';
import { listenerTransparent } from './socket-options.ts';

/** Who a socket belongs to; rules of capture ask for that. */
export type Owner = { readonly uid: number; readonly gid: number };

/** Sockets that are made inside belong to the owner. Only root may do so. */
export function asOwner<T>({ uid, gid }: Owner, work: () => T): T {
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

export type Dialled = 'connected' | 'refused' | 'no answer' | 'no route' | string;

/** Dials from a fresh descriptor, and gives up after a time; the connection is closed at once. */
export function dialOnce(fd: number, to: Address, timeoutMs: number): Promise<Dialled> {
  return new Promise((resolve) => {
    const socket = new net.Socket({ fd, manualStart: true } as net.SocketConstructorOpts);
    const end = (outcome: Dialled): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => end('no answer'), timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const words: Record<string, Dialled> = {
        ECONNREFUSED: 'refused',
        ENETUNREACH: 'no route',
        EHOSTUNREACH: 'no route',
      };
      end(words[error.code ?? ''] ?? error.code ?? 'failed');
    });
    socket.on('connect', () => end('connected'));
    socket.connect({ host: to.address, port: to.port, autoSelectFamily: false } as net.TcpNetConnectOpts);
  });
}

/** Sends one datagram from a descriptor, which is closed then. */
export function sendOnce(fd: number, to: Address, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(to.family === 'ipv6' ? 'udp6' : 'udp4');
    socket.on('error', () => resolve());
    socket.bind({ fd }, () => {
      socket.send(bytes, to.port, to.address, () => {
        socket.close();
        resolve();
      });
    });
  });
}

/** Where a connection that was accepted had been going. */
export type Arrival = { readonly destination: Address };

export type ProbeListener = {
  /** Since the last call. */
  take(): Arrival[];
  close(): void;
};

/** Listens, under TPROXY too; or the name of the error. Made in the namespace that the thread is in. */
export function listenForProbes(on: Address, isTransparent: boolean): ProbeListener | string {
  const fd = makeSocket(on.family);
  if (typeof fd === 'string') return fd;
  setSocketOption(fd, { level: SOL_SOCKET, name: SO_REUSEADDR, value: 1 });
  if (on.family === 'ipv6') setSocketOption(fd, { level: SOL_IPV6, name: IPV6_V6ONLY, value: 1 });
  for (const option of isTransparent ? listenerTransparent(on.family, true) : []) setSocketOption(fd, option);
  const failed = bindSocket(fd, on);
  if (failed !== null) {
    closeDescriptor(fd);
    return failed;
  }
  let arrivals: Arrival[] = [];
  const server = net.createServer((socket) => {
    const handle = (socket as unknown as { _handle: { fd: number } })._handle;
    const local: Address = { family: on.family, address: socket.localAddress ?? '', port: socket.localPort ?? 0 };
    arrivals.push({ destination: originalDestination(handle.fd, on.family) ?? local });
    socket.on('error', () => undefined).destroy();
  });
  server.on('error', () => undefined).listen({ fd });
  return {
    take() {
      const taken = arrivals;
      arrivals = [];
      return taken;
    },
    close: () => server.close(),
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
