// Bidirectional gRPC streams in a process of its own: every stream has one message on its way, and sends what comes.
// Arguments: port, seconds, connections, streams of each. Prints how many messages came back as JSON.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FRAME, PREFACE } from '../../src/wire/http2/frames/constants.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';
import { SMALL_MESSAGE } from './grpc-message.ts';
import { OPEN_WINDOWS, readFrames } from './http2-frames.ts';

const FLAG_END_HEADERS = 4;
const WARM_UP_MS = 500;
const STREAM_CREDIT_BYTES = 0x2000_0000;
const HEAD: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'bench.example'],
  [':path', '/bench.Echo/Stream'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];

const [port = 0, seconds = 1, connections = 1, streams = 1] = process.argv.slice(2).map(Number);

let bytesBack = 0;
let isOver = false;

function fail(message: string): void {
  if (isOver) return;
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function openConnection(): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the proxy closed a connection'));
  const first: Buffer[] = [PREFACE, OPEN_WINDOWS];
  for (let i = 0; i < streams; i++) {
    const id = 2 * i + 1;
    first.push(raw.headers(id, HEAD, FLAG_END_HEADERS), raw.frame(FRAME.data, 0, id, SMALL_MESSAGE));
  }
  socket.write(Buffer.concat(first));
  let out: Buffer[] = [];
  const credit = new Map<number, number>();
  readFrames(
    socket,
    (type, flags, id, bytes, at, length) => {
      if (type === FRAME.rstStream || type === FRAME.goaway) fail(`frame of type ${type} on stream ${id}`);
      if (type !== FRAME.data || length === 0) return;
      if ((flags & 1) !== 0) fail('a stream ended');
      bytesBack += length;
      // The frame itself goes back, but for its flags.
      const frame = bytes.subarray(at - 9, at + length);
      frame[4] = 0;
      out.push(frame);
      const used = (credit.get(id) ?? 0) + length;
      if (used >= STREAM_CREDIT_BYTES) out.push(raw.windowUpdate(id, used));
      credit.set(id, used % STREAM_CREDIT_BYTES);
    },
    () => {
      if (out.length > 0) socket.write(out.length === 1 ? out[0]! : Buffer.concat(out));
      out = [];
    },
  );
  return socket;
}

const sockets = Array.from({ length: connections }, openConnection);
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
await sleep(WARM_UP_MS);
bytesBack = 0;
const startedAt = performance.now();
process.stdout.write('started\n');
await sleep(seconds * 1000);
const messages = Math.floor(bytesBack / SMALL_MESSAGE.length);
process.stdout.write(`${JSON.stringify({ messages, ms: performance.now() - startedAt })}\n`);
isOver = true;
for (const socket of sockets) socket.destroy();
