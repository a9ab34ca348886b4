// For tests: frames and header blocks made by hand, right or wrong, and frames read back.
import { FRAME, PREFACE } from '../frames/constants.ts';
import type { Field } from './recorder.ts';

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields without indexing. */
export function block(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  const text = (value: string): void => {
    if (value.length < 0x7f) parts.push(Buffer.from([value.length]));
    else {
      const bytes = [0x7f];
      let rest = value.length - 0x7f;
      for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
      parts.push(Buffer.from([...bytes, rest]));
    }
    parts.push(Buffer.from(value, 'latin1'));
  };
  for (const [name, value] of fields) {
    parts.push(Buffer.from([0]));
    text(name);
    text(value);
  }
  return Buffer.concat(parts);
}

export const GET: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/'],
];

/** HEADERS; flags 4 END_HEADERS, 1 END_STREAM. */
export function headers(streamId: number, fields: readonly Field[] = GET, flags = 5): Buffer {
  return frame(FRAME.headers, flags, streamId, block(fields));
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, i * 4);
  });
  return bytes;
}

export const rst = (streamId: number, code = 8): Buffer => frame(FRAME.rstStream, 0, streamId, uint32(code));
export const windowUpdate = (streamId: number, bytes: number): Buffer =>
  frame(FRAME.windowUpdate, 0, streamId, uint32(bytes));
export const data = (streamId: number, text: string, flags = 0): Buffer =>
  frame(FRAME.data, flags, streamId, Buffer.from(text, 'latin1'));
export function settings(...pairs: number[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 3);
  for (let i = 0; i < pairs.length; i += 2) {
    payload.writeUInt16BE(pairs[i] as number, i * 3);
    payload.writeUInt32BE(pairs[i + 1] as number, i * 3 + 2);
  }
  return frame(FRAME.settings, 0, 0, payload);
}
export const SETTINGS_ACK = frame(FRAME.settings, 1, 0);
export const CLIENT_START = Buffer.concat([PREFACE, settings()]);

/** Frames as `TYPE#stream/flags payload`; the payload of RST_STREAM, GOAWAY and WINDOW_UPDATE as numbers. */
export function describe(bytes: Buffer): string[] {
  const names = Object.keys(FRAME);
  const list: string[] = [];
  let at = 0;
  while (at + 9 <= bytes.length) {
    const length = bytes.readUIntBE(at, 3);
    const type = bytes[at + 3] as number;
    const payload = bytes.subarray(at + 9, at + 9 + length);
    let text = '';
    if (type === FRAME.rstStream || type === FRAME.windowUpdate) text = ` ${payload.readUInt32BE(0)}`;
    else if (type === FRAME.goaway) {
      text = ` ${payload.readUInt32BE(0)} ${payload.readUInt32BE(4)} ${payload.toString('latin1', 8)}`.trimEnd();
    } else if (type === FRAME.data) text = ` ${length}`;
    list.push(`${names[type] ?? type}#${bytes.readUInt32BE(at + 5)}/${bytes[at + 4]}${text}`);
    at += 9 + length;
  }
  if (at !== bytes.length) throw new Error('a frame is cut off');
  return list;
}
