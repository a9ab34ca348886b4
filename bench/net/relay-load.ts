// Load for TCP relays, in a process of its own: `bulk` pushes bytes through and counts them at the far end, `trips`
// sends small messages back and forth. With `bytes` the far end of `bulk` takes so many MB each second, so that the
// relay has to wait for it. Prints what arrived as JSON.
import * as net from 'node:net';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const [kind = 'bulk', port = '0', farPort = '0', seconds = '1', streams = '1', bytes = '0'] = process.argv.slice(2);
const CHUNK = Buffer.alloc(512 * 1024, 'x');
const count = Number(streams);
const size = Number(bytes) || 1024;
const from = performance.now();
let received = 0;
let trips = 0;

/** One static buffer for all: what arrives is only counted. */
const sink = Buffer.allocUnsafeSlow(1024 * 1024);

const far = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
  if (kind === 'trips') {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('error', () => socket.destroy());
    socket.resume();
    return;
  }
  // The runtime's own static buffer for reads, which has a public name only on dialled sockets.
  const { _handle: handle } = socket as unknown as { _handle: unknown };
  Object.assign(socket, { _handle: null });
  let own = 0;
  const reader = new net.Socket({
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: sink,
      callback: (length: number) => {
        received += length;
        own += length;
        if (Number(bytes) === 0 || own < allowed()) return true;
        setTimeout(() => reader.resume(), 2);
        return false;
      },
    },
  } as unknown as net.SocketConstructorOpts);
  reader.on('error', () => reader.destroy());
  reader.on('end', () => reader.end());
  reader.resume();
});
far.listen(Number(farPort), '127.0.0.1', () => {
  for (let i = 0; i < count; i++) start();
});

/** What one connection of a far end with a limit may have taken until now. */
function allowed(): number {
  return ((performance.now() - from) * Number(bytes) * 1e6) / 1000 / count;
}

function start(): void {
  const socket = net.connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  socket.on('error', (error) => process.stderr.write(`${error.message}\n`));
  if (kind === 'trips') {
    const message = Buffer.alloc(size, 'y');
    let back = 0;
    socket.on('connect', () => socket.write(message));
    socket.on('data', (chunk) => {
      back += chunk.length;
      if (back < size) return;
      back -= size;
      trips++;
      socket.write(message);
    });
    return;
  }
  const push = (): void => {
    while (socket.write(CHUNK) && socket.writableLength < 2 * CHUNK.length);
  };
  socket.on('connect', push);
  socket.on('drain', push);
}

setTimeout(() => {
  const ms = performance.now() - from;
  process.stdout.write(`${JSON.stringify({ received, trips, ms })}\n`, () => process.exit(0));
}, Number(seconds) * 1000);
