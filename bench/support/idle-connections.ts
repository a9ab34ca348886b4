// Holds keep-alive connections that have carried one request each and then stay idle.
import { connect, type Socket } from 'node:net';
import * as tls from 'node:tls';

const AT_ONCE = 50;
const TIMEOUT_MS = 10_000;

export type IdleConnections = { readonly open: () => number; readonly close: () => void };

/** Over TLS where a context is given. */
export async function holdIdleConnections(
  port: number,
  path: string,
  count: number,
  context: tls.SecureContext | null = null,
): Promise<IdleConnections> {
  const sockets: Socket[] = [];
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - opened) }, () => openOne(port, path, context));
    sockets.push(...(await Promise.all(batch)));
  }
  return {
    open: () => sockets.filter((socket) => !socket.destroyed).length,
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function openOne(port: number, path: string, secureContext: tls.SecureContext | null): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      secureContext === null
        ? connect(port, '127.0.0.1')
        : tls.connect({ port, host: '127.0.0.1', secureContext, rejectUnauthorized: false });
    let received = '';
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer on an idle connection')));
    socket.on('error', reject);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: bench.example\r\n\r\n`);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = Number(/^content-length: (\d+)/im.exec(received)?.[1] ?? Number.NaN);
      if (!received.startsWith('HTTP/1.1 200') || Number.isNaN(length)) {
        reject(new Error(`unexpected answer: ${received.slice(0, 100)}`));
      } else if (received.length >= headEnd + 4 + length) {
        socket.setTimeout(0);
        socket.removeAllListeners('data');
        socket.removeAllListeners('error');
        socket.on('error', () => socket.destroy());
        socket.resume();
        resolve(socket);
      }
    });
  });
}
