// The HTTP/2 upstream of the bench, in a process of its own. Arguments: port, and what it does with a request:
// `answer` 1 KiB, `unary` (one gRPC message), `echo` (gRPC messages as they come), `download` (so many bytes).
import { createServer, type Socket } from 'node:net';
import { FRAME } from '../../src/wire/http2/frames/constants.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';
import { Canned, FLAG_END_STREAM, OPEN_WINDOWS, type OnFrame, readFrames } from './http2-frames.ts';
import { SMALL_MESSAGE } from './grpc-message.ts';

const FLAG_END_HEADERS = 4;
const SMALL_BYTES = 1024;
const DATA_BYTES = 16_384;
const FRAMES_AT_ONCE = 16;
const SETTING_INITIAL_WINDOW = 4;
const PREFACE_BYTES = 24;

const [port = '0', behaviour = 'answer', downloadBytes = '0'] = process.argv.slice(2);

const headers = (fields: readonly (readonly [string, string])[], flags: number): Buffer =>
  raw.headers(0, fields, flags);
const GRPC_HEAD = headers(
  [
    [':status', '200'],
    ['content-type', 'application/grpc'],
  ],
  FLAG_END_HEADERS,
);
const GRPC_TRAILERS = headers([['grpc-status', '0']], FLAG_END_HEADERS | FLAG_END_STREAM);

type Serve = (socket: Socket) => { readonly onFrame: OnFrame; readonly onRead: () => void };

/** The same frames for every whole request. */
function canned(frames: readonly Buffer[]): Serve {
  return (socket) => {
    const answers = new Canned(frames);
    return {
      onFrame: (type, flags, streamId) => {
        if ((flags & FLAG_END_STREAM) !== 0 && (type === FRAME.headers || type === FRAME.data)) answers.add(streamId);
      },
      onRead: () => answers.writeTo(socket),
    };
  };
}

function echo(socket: Socket): ReturnType<Serve> {
  let out: Buffer[] = [];
  const withId = (frame: Buffer, streamId: number): Buffer => {
    const copy = Buffer.from(frame);
    copy.writeUInt32BE(streamId, 5);
    return copy;
  };
  return {
    onFrame: (type, flags, streamId, bytes, at, length) => {
      if (type === FRAME.headers) out.push(withId(GRPC_HEAD, streamId));
      // Streams have the same number on both ways of a connection, so the frame itself is the echo.
      else if (type === FRAME.data && length > 0) {
        const frame = bytes.subarray(at - 9, at + length);
        frame[4] = 0;
        out.push(frame);
      }
      const isEnd = (flags & FLAG_END_STREAM) !== 0 && (type === FRAME.headers || type === FRAME.data);
      if (isEnd) out.push(withId(GRPC_TRAILERS, streamId));
    },
    onRead: () => {
      if (out.length > 0) socket.write(out.length === 1 ? out[0]! : Buffer.concat(out));
      out = [];
    },
  };
}

/** One stream at a time, within the windows that the peer gives. */
class Download {
  readonly #socket: Socket;
  readonly #frames: Buffer;
  #initialWindow = 65_535;
  #connectionWindow = 65_535;
  #streamWindow = 0;
  #streamId = 0;
  #left = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    const frame = raw.frame(FRAME.data, 0, 1, Buffer.alloc(DATA_BYTES, 'x'));
    this.#frames = Buffer.concat(Array.from({ length: FRAMES_AT_ONCE }, () => frame));
    socket.on('drain', () => this.send());
  }

  readonly onFrame: OnFrame = (type, flags, streamId, bytes, at, length) => {
    if (type === FRAME.settings && (flags & 1) === 0) {
      for (let i = at; i < at + length; i += 6) {
        if (bytes.readUInt16BE(i) !== SETTING_INITIAL_WINDOW) continue;
        const size = bytes.readUInt32BE(i + 2);
        this.#streamWindow += size - this.#initialWindow;
        this.#initialWindow = size;
      }
    } else if (type === FRAME.windowUpdate) {
      if (streamId === 0) this.#connectionWindow += bytes.readUInt32BE(at);
      else if (streamId === this.#streamId) this.#streamWindow += bytes.readUInt32BE(at);
    } else if (type === FRAME.headers) {
      this.#streamId = streamId;
      this.#streamWindow = this.#initialWindow;
      this.#left = Number(downloadBytes);
      const fields: [string, string][] = [
        [':status', '200'],
        ['content-length', downloadBytes],
      ];
      this.#socket.write(raw.headers(streamId, fields, FLAG_END_HEADERS));
      for (let i = 0; i < FRAMES_AT_ONCE; i++) this.#frames.writeUInt32BE(streamId, i * (9 + DATA_BYTES) + 5);
    } else if (type === FRAME.rstStream && streamId === this.#streamId) this.#left = 0;
  };

  send(): void {
    while (this.#left > 0 && !this.#socket.writableNeedDrain) {
      const room = Math.min(this.#connectionWindow, this.#streamWindow, this.#left);
      const whole = Math.min(FRAMES_AT_ONCE, Math.floor(room / DATA_BYTES));
      if (whole === 0 && room < this.#left) return;
      const bytes = whole === 0 ? room : whole * DATA_BYTES;
      this.#connectionWindow -= bytes;
      this.#streamWindow -= bytes;
      this.#left -= bytes;
      if (whole > 0) this.#socket.write(this.#frames.subarray(0, whole * (9 + DATA_BYTES)));
      else this.#socket.write(raw.frame(FRAME.data, 0, this.#streamId, Buffer.alloc(bytes, 'x')));
      if (this.#left === 0) this.#socket.write(raw.frame(FRAME.data, FLAG_END_STREAM, this.#streamId));
    }
  }
}

function download(socket: Socket): ReturnType<Serve> {
  const sender = new Download(socket);
  return { onFrame: sender.onFrame, onRead: () => sender.send() };
}

const ANSWER_HEAD = headers(
  [
    [':status', '200'],
    ['content-type', 'text/plain'],
    ['content-length', String(SMALL_BYTES)],
  ],
  FLAG_END_HEADERS,
);

const BEHAVIOURS: Readonly<Record<string, Serve>> = {
  answer: canned([ANSWER_HEAD, raw.data(0, 'x'.repeat(SMALL_BYTES), FLAG_END_STREAM)]),
  unary: canned([GRPC_HEAD, raw.frame(FRAME.data, 0, 0, SMALL_MESSAGE), GRPC_TRAILERS]),
  echo,
  download,
};

const serve = BEHAVIOURS[behaviour];
if (serve === undefined) throw new Error(`no behaviour ${behaviour}`);

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.write(OPEN_WINDOWS);
  const { onFrame, onRead } = serve(socket);
  // The preface comes first; nobody here sends it in pieces.
  socket.once('data', (first: Buffer) => {
    if (first.length < PREFACE_BYTES) {
      socket.destroy();
      return;
    }
    readFrames(socket, onFrame, onRead);
    socket.emit('data', first.subarray(PREFACE_BYTES));
  });
}).listen(Number(port), '127.0.0.1');
