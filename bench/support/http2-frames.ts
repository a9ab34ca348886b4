// HTTP/2 in its least form, for both ends of a load: canned frames out, frames in without looking into heads.
import type { Socket } from 'node:net';
import { FRAME } from '../../src/wire/http2/frames/constants.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';

const FRAME_HEAD_BYTES = 9;
const DEFAULT_WINDOW = 65_535;
export const LARGEST_WINDOW = 0x7fff_ffff;
/** Credit is given back in so large pieces that it costs nobody anything. */
const CREDIT_BYTES = 0x2000_0000;

export const FLAG_END_STREAM = 1;

/** SETTINGS and WINDOW_UPDATE that let the peer send as it likes. */
export const OPEN_WINDOWS = Buffer.concat([
  raw.settings(4, LARGEST_WINDOW),
  raw.windowUpdate(0, LARGEST_WINDOW - DEFAULT_WINDOW),
]);

/** `at` is where the payload begins in `bytes`. */
export type OnFrame = (
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  at: number,
  length: number,
) => void;

/**
 * Reads frames off a socket, acknowledges SETTINGS and PING and gives back the connection's credit, and calls
 * `onFrame` for every other frame and `onRead` behind the last one of a read.
 */
export function readFrames(socket: Socket, onFrame: OnFrame, onRead: () => void = () => {}): void {
  let rest: Buffer = Buffer.alloc(0);
  let consumed = 0;
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + FRAME_HEAD_BYTES <= bytes.length) {
      const length = bytes.readUIntBE(at, 3);
      const next = at + FRAME_HEAD_BYTES + length;
      if (next > bytes.length) break;
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      if (type === FRAME.settings) {
        if ((flags & 1) === 0) socket.write(raw.SETTINGS_ACK);
      } else if (type === FRAME.ping) {
        const payload = bytes.subarray(at + FRAME_HEAD_BYTES, next);
        if ((flags & 1) === 0) socket.write(raw.frame(FRAME.ping, 1, 0, payload));
      } else if (type === FRAME.data) {
        consumed += length;
      }
      onFrame(type, flags, bytes.readUInt32BE(at + 5), bytes, at + FRAME_HEAD_BYTES, length);
      at = next;
    }
    rest = at === bytes.length ? Buffer.alloc(0) : bytes.subarray(at);
    if (consumed >= CREDIT_BYTES) {
      socket.write(raw.windowUpdate(0, consumed));
      consumed = 0;
    }
    onRead();
  });
}

/** Collects frames made from a template, whose stream ids stand at `idOffsets`, into one write. */
export class Canned {
  readonly #template: Buffer;
  readonly #idOffsets: readonly number[];
  #ids: number[] = [];

  constructor(frames: readonly Buffer[]) {
    this.#template = Buffer.concat(frames);
    let at = 0;
    this.#idOffsets = frames.map((frame) => {
      const offset = at + 5;
      at += frame.length;
      return offset;
    });
  }

  add(streamId: number): void {
    this.#ids.push(streamId);
  }

  writeTo(socket: Socket): void {
    const ids = this.#ids;
    if (ids.length === 0) return;
    const { length } = this.#template;
    const out = Buffer.allocUnsafe(length * ids.length);
    for (let i = 0; i < ids.length; i++) {
      this.#template.copy(out, i * length);
      for (const offset of this.#idOffsets) out.writeUInt32BE(ids[i]!, i * length + offset);
    }
    this.#ids = [];
    socket.write(out);
  }
}
