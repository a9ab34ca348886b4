// Bulk load in a process of its own: a server that sends without end, and clients that read it through a proxy.
// Arguments: proxy port, upstream port, seconds, streams. Prints how many bytes arrived as JSON.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const CHUNK = Buffer.alloc(256 * 1024, 'x');
/** One buffer for all that is read: bytes are only counted. */
const SINK_BYTES = 1024 * 1024;
/** Reading begins before the clock does: windows and buffers have grown by then. */
const WARM_UP_MS = 500;

const [proxyPort = 0, upstreamPort = 0, seconds = 1, streams = 1] = process.argv.slice(2).map(Number);

function send(socket: Socket): void {
  socket.on('error', () => {});
  const more = (): void => {
    while (socket.write(CHUNK));
  };
  socket.on('drain', more);
  more();
}

let received = 0;
const server = createServer({ noDelay: true }, send);
server.listen(upstreamPort, '127.0.0.1');
await once(server, 'listening');
const buffer = Buffer.allocUnsafeSlow(SINK_BYTES);
const clients = Array.from({ length: streams }, () => {
  const callback = (bytes: number): boolean => {
    received += bytes;
    return true;
  };
  const client = connect({ port: proxyPort, host: '127.0.0.1', noDelay: true, onread: { buffer, callback } });
  client.on('error', (error) => process.stderr.write(`${error.message}\n`));
  return client;
});
await sleep(WARM_UP_MS);
received = 0;
const startedAt = performance.now();
process.stdout.write('started\n');
await sleep(seconds * 1000);
process.stdout.write(`${JSON.stringify({ bytes: received, ms: performance.now() - startedAt })}\n`);
for (const client of clients) client.destroy();
process.exit(0);
