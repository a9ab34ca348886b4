// Reads one HTTP/2 stream to its end in a process of its own. Arguments: port, bytes that must come. Prints the time.
import { connect } from 'node:net';
import { FRAME, PREFACE } from '../../src/wire/http2/frames/constants.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';
import { FLAG_END_STREAM, LARGEST_WINDOW, OPEN_WINDOWS, readFrames } from './http2-frames.ts';

const [port = 0, expectedBytes = 0] = process.argv.slice(2).map(Number);
if (expectedBytes > LARGEST_WINDOW) throw new Error('more than a stream window');

const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'bench.example'],
  [':path', '/download'],
];

let received = 0;
let isOver = false;

function fail(message: string): void {
  if (isOver) return;
  process.stderr.write(`${message}, ${received} bytes came\n`);
  process.exit(1);
}

const socket = connect({ port, host: '127.0.0.1', noDelay: true });
socket.on('error', (error) => fail(error.message));
socket.on('close', () => fail('the proxy closed the connection'));
socket.write(Buffer.concat([PREFACE, OPEN_WINDOWS, raw.headers(1, GET)]));
let startedAt = 0;
readFrames(socket, (type, flags, streamId, _bytes, _at, length) => {
  if (type === FRAME.headers && startedAt === 0) {
    startedAt = performance.now();
    process.stdout.write('started\n');
  } else if (type === FRAME.data) received += length;
  else if (type === FRAME.rstStream || type === FRAME.goaway) fail(`frame of type ${type} on stream ${streamId}`);
  if (streamId !== 1 || (flags & FLAG_END_STREAM) === 0 || (type !== FRAME.data && type !== FRAME.headers)) return;
  if (received !== expectedBytes) fail('the stream ended early');
  process.stdout.write(`${JSON.stringify({ bytes: received, ms: performance.now() - startedAt })}\n`);
  isOver = true;
  socket.destroy();
});
