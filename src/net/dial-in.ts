// Sockets of Node that are dialled in another network namespace, and pipes that are read as streams.
import * as net from 'node:net';
import type { Readable } from 'node:stream';
import { inNamespace } from './namespace.ts';
import { makeSocket } from './native.ts';

/** `network`: the descriptor of a namespace, null for this process's own. Throws where no socket can be had. */
export function dialIn(network: number | null, to: { readonly address: string; readonly port: number }): net.Socket {
  const { address: host, port } = to;
  if (network === null) return net.connect({ host, port });
  const fd = inNamespace(network, () => makeSocket('ipv4'));
  if (typeof fd === 'string') throw new Error(`socket: ${fd}`);
  const socket = new net.Socket({ fd, manualStart: true } as net.SocketConstructorOpts);
  return socket.connect({ host, port, autoSelectFamily: false } as net.TcpNetConnectOpts);
}

/** The reading end of a pipe; it is closed with the stream. */
export function readPipe(fd: number): Readable {
  return new net.Socket({ fd, readable: true, writable: false });
}
