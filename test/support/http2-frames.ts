// Frames of HTTP/2 for tests (RFC 9113, section 4): written as they are told, right or wrong, and read one by one.

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

const ERROR_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const;

export type Http2ErrorName = (typeof ERROR_NAMES)[number];

const SETTING_IDS = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const;

export type Http2Settings = Readonly<Partial<Record<keyof typeof SETTING_IDS | number, number>>>;

export type Http2Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
};

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADER_BYTES = 9;
const LONGEST_FRAME = 1 << 20;

/** An unknown number stands for itself. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? String(code);
}

export function errorCode(error: Http2ErrorName | number): number {
  return typeof error === 'number' ? error : ERROR_NAMES.indexOf(error);
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([header, payload]);
}

export function settingsFrame(settings: Http2Settings): Buffer {
  const entries = Object.entries(settings).map(([name, value]) => {
    const entry = Buffer.alloc(6);
    entry.writeUInt16BE(name in SETTING_IDS ? SETTING_IDS[name as keyof typeof SETTING_IDS] : Number(name), 0);
    entry.writeUInt32BE(value ?? 0, 2);
    return entry;
  });
  return frame(FRAME.settings, 0, 0, Buffer.concat(entries));
}

/** By name, unknown ones by number. */
export function readSettings(payload: Buffer): Record<string, number> {
  const settings: Record<string, number> = {};
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const id = payload.readUInt16BE(at);
    const name = Object.entries(SETTING_IDS).find(([, known]) => known === id)?.[0] ?? String(id);
    settings[name] = payload.readUInt32BE(at + 2);
  }
  return settings;
}

export function resetFrame(stream: number, error: Http2ErrorName | number): Buffer {
  return frame(FRAME.rstStream, 0, stream, word(errorCode(error)));
}

export function windowUpdateFrame(stream: number, credit: number): Buffer {
  return frame(FRAME.windowUpdate, 0, stream, word(credit));
}

export function goawayFrame(last: number, error: Http2ErrorName | number, debug = ''): Buffer {
  return frame(FRAME.goaway, 0, 0, Buffer.concat([word(last), word(errorCode(error)), Buffer.from(debug, 'latin1')]));
}

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** What is left of DATA or HEADERS without padding and priority. */
export function unpadded(read: Http2Frame): Buffer {
  let { payload } = read;
  if ((read.flags & FLAG.padded) !== 0) payload = payload.subarray(1, payload.length - payload[0]!);
  if (read.type === FRAME.headers && (read.flags & FLAG.priority) !== 0) payload = payload.subarray(5);
  return payload;
}

export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /** Bytes that are no whole frame yet. */
  get rest(): Buffer {
    return this.#pending;
  }

  /** Returns the frames that are whole; null when what comes is no HTTP/2. */
  feed(bytes: Buffer): Http2Frame[] | null {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const frames: Http2Frame[] = [];
    let at = 0;
    while (this.#pending.length - at >= HEADER_BYTES) {
      const length = this.#pending.readUIntBE(at, 3);
      if (length > LONGEST_FRAME) return null;
      const end = at + HEADER_BYTES + length;
      if (end > this.#pending.length) break;
      frames.push({
        type: this.#pending[at + 3]!,
        flags: this.#pending[at + 4]!,
        stream: this.#pending.readUInt32BE(at + 5) & 0x7fffffff,
        payload: this.#pending.subarray(at + HEADER_BYTES, end),
      });
      at = end;
    }
    this.#pending = this.#pending.subarray(at);
    return frames;
  }
}
