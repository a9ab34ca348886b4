// One end of an HTTP/2 connection under test, not of Heddle’s make: obeys flow control, and nothing else it must.
import type { Socket } from 'node:net';
import {
  errorCode,
  errorName,
  FLAG,
  FRAME,
  frame,
  FrameReader,
  goawayFrame,
  type Http2ErrorName,
  type Http2Frame,
  type Http2Settings,
  readSettings,
  resetFrame,
  settingsFrame,
  unpadded,
  windowUpdateFrame,
} from './http2-frames.ts';
import { HpackReader, type Http2Field, writeFields } from './http2-hpack.ts';

export type Http2StreamRecord = {
  readonly id: number;
  /** 1xx, each with its fields. */
  readonly interims: Http2Field[][];
  head: Http2Field[] | null;
  body: string;
  trailers: Http2Field[];
  /** END_STREAM came. */
  isEnded: boolean;
  /** The code of RST_STREAM that came; '' for none. */
  reset: string;
  /** What the other side may not send. */
  errors: string[];
};

export type Http2ConnectionRecord = {
  /** What the other side announced first. */
  settings: Record<string, number> | null;
  /** Each further SETTINGS. */
  laterSettings: Record<string, number>[];
  settingsAcks: number;
  /** `CODE last=N text`. */
  goaways: string[];
  /** Payloads of PING acknowledgements, as latin1. */
  pongs: string[];
  /** PINGs that the other side sent. */
  pings: number;
  /** Credit for the connection that came before any DATA was sent. */
  firstCredit: number;
  errors: string[];
};

export type Http2PeerOptions = {
  readonly settings?: Http2Settings;
  /** Credit for the whole connection at its start, beside the 65535 bytes that everybody has. */
  readonly connectionCredit?: number;
  /** False gives no credit by itself: the other side must stop when its windows are used up. */
  readonly returnsCredit?: boolean;
  readonly acksSettings?: boolean;
  readonly acksPings?: boolean;
};

type Queued =
  | { readonly kind: 'data'; readonly bytes: Buffer; readonly isLast: boolean; at: number }
  | { readonly kind: 'head'; readonly fields: readonly Http2Field[]; readonly isLast: boolean };

type Sending = { window: number; readonly queue: Queued[] };

const DEFAULT_WINDOW = 65_535;
const LONGEST_PAYLOAD = 16_384;
const EMPTY_TABLE = 0x20;
const CONNECTION_CREDIT = 1 << 24;

export class Http2Peer {
  readonly streams = new Map<number, Http2StreamRecord>();
  readonly record: Http2ConnectionRecord = {
    settings: null,
    laterSettings: [],
    settingsAcks: 0,
    goaways: [],
    pongs: [],
    pings: 0,
    firstCredit: 0,
    errors: [],
  };
  readonly #socket: Socket;
  readonly #options: Http2PeerOptions;
  readonly #onEvent: (stream: Http2StreamRecord | null, event: 'head' | 'other') => void;
  readonly #frames = new FrameReader();
  readonly #hpack = new HpackReader();
  readonly #sending = new Map<number, Sending>();
  #block: { readonly first: Http2Frame; readonly parts: Buffer[] } | null = null;
  #window = DEFAULT_WINDOW;
  #initialWindow = DEFAULT_WINDOW;
  #hasSentData = false;
  /** RFC 7541, section 4.2: who is told of a smaller table says so in the next block. */
  #owesTableSize = false;

  constructor(
    socket: Socket,
    options: Http2PeerOptions,
    onEvent: (stream: Http2StreamRecord | null, event: 'head' | 'other') => void,
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /** SETTINGS and the credit of the connection; a client sends its preface before. */
  begin(): void {
    const isWilling = this.#options.returnsCredit !== false;
    const settings = { ...(isWilling ? { INITIAL_WINDOW_SIZE: CONNECTION_CREDIT } : {}), ...this.#options.settings };
    const credit = this.#options.connectionCredit ?? (isWilling ? CONNECTION_CREDIT : 0);
    const first = settingsFrame(settings);
    this.raw(credit === 0 ? first : Buffer.concat([first, windowUpdateFrame(0, credit)]));
  }

  raw(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes);
  }

  /** Head or trailers: trailers wait until the DATA before them may go. */
  sendHead(id: number, fields: readonly Http2Field[], isLast: boolean): void {
    this.#queueOf(id).push({ kind: 'head', fields, isLast });
    this.#pump(id);
  }

  sendData(id: number, bytes: Buffer, isLast: boolean): void {
    this.#queueOf(id).push({ kind: 'data', bytes, isLast, at: 0 });
    this.#pump(id);
  }

  reset(id: number, error: Http2ErrorName | number): void {
    this.#sending.delete(id);
    this.raw(resetFrame(id, errorCode(error)));
  }

  goaway(last: number, error: Http2ErrorName | number): void {
    this.raw(goawayFrame(last, error));
  }

  receive(bytes: Buffer): void {
    const frames = this.#frames.feed(bytes);
    if (frames === null) this.record.errors.push('no HTTP/2');
    for (const read of frames ?? []) {
      try {
        this.#take(read);
      } catch (error) {
        this.record.errors.push((error as Error).message);
      }
    }
    this.#onEvent(null, 'other');
  }

  #queueOf(id: number): Queued[] {
    const known = this.#sending.get(id);
    if (known !== undefined) return known.queue;
    const sending = { window: this.#initialWindow, queue: [] };
    this.#sending.set(id, sending);
    return sending.queue;
  }

  #pump(id: number): void {
    const sending = this.#sending.get(id);
    if (sending === undefined) return;
    for (let next = sending.queue[0]; next !== undefined; next = sending.queue[0]) {
      if (next.kind === 'head') this.#writeHead(id, next.fields, next.isLast);
      else if (!this.#writeData(id, sending, next)) return;
      sending.queue.shift();
    }
  }

  #writeHead(id: number, fields: readonly Http2Field[], isLast: boolean): void {
    const update = Buffer.of(...(this.#owesTableSize ? [EMPTY_TABLE] : []));
    this.#owesTableSize = false;
    const block = Buffer.concat([update, writeFields(fields)]);
    const parts: Buffer[] = [];
    for (let at = 0; at === 0 || at < block.length; at += LONGEST_PAYLOAD) {
      const end = at + LONGEST_PAYLOAD >= block.length ? FLAG.endHeaders : 0;
      const flags = (at === 0 && isLast ? FLAG.endStream : 0) | end;
      const type = at === 0 ? FRAME.headers : FRAME.continuation;
      parts.push(frame(type, flags, id, block.subarray(at, at + LONGEST_PAYLOAD)));
    }
    this.raw(Buffer.concat(parts));
  }

  /** Returns whether all of it was sent. */
  #writeData(id: number, sending: Sending, data: Extract<Queued, { kind: 'data' }>): boolean {
    this.#hasSentData = true;
    do {
      const left = data.bytes.length - data.at;
      const size = Math.min(left, LONGEST_PAYLOAD, sending.window, this.#window);
      if (left > 0 && size <= 0) return false;
      const isLast = data.isLast && size === left;
      this.raw(frame(FRAME.data, isLast ? FLAG.endStream : 0, id, data.bytes.subarray(data.at, data.at + size)));
      data.at += size;
      sending.window -= size;
      this.#window -= size;
    } while (data.at < data.bytes.length);
    return true;
  }

  #take(read: Http2Frame): void {
    if (this.#block !== null && read.type !== FRAME.continuation) this.record.errors.push('frame within a block');
    switch (read.type) {
      case FRAME.data:
        return this.#takeData(read);
      case FRAME.headers:
        this.#block = { first: read, parts: [unpadded(read)] };
        return this.#endBlock(read);
      case FRAME.continuation:
        this.#block?.parts.push(read.payload);
        return this.#endBlock(read);
      case FRAME.rstStream: {
        const stream = this.#stream(read.stream);
        if (stream.reset !== '') stream.errors.push('reset twice');
        stream.reset = errorName(read.payload.readUInt32BE(0));
        this.#sending.delete(read.stream);
        return;
      }
      case FRAME.settings:
        return this.#takeSettings(read);
      case FRAME.ping:
        return this.#takePing(read);
      case FRAME.goaway: {
        const [last, code] = [read.payload.readUInt32BE(0), read.payload.readUInt32BE(4)];
        const text = read.payload.toString('latin1', 8);
        this.record.goaways.push(`${errorName(code)} last=${last}${text === '' ? '' : ` ${text}`}`);
        return;
      }
      case FRAME.windowUpdate:
        return this.#takeCredit(read);
      default:
        if (read.type === FRAME.pushPromise) this.record.errors.push('push');
    }
  }

  #takeData(read: Http2Frame): void {
    const stream = this.#stream(read.stream);
    if (stream.head === null) stream.errors.push('DATA before the head');
    if (stream.isEnded) stream.errors.push('DATA after the end');
    stream.body += unpadded(read).toString('latin1');
    stream.isEnded ||= (read.flags & FLAG.endStream) !== 0;
    if (this.#options.returnsCredit === false || read.payload.length === 0) return;
    const forStream = stream.isEnded ? [] : [windowUpdateFrame(read.stream, read.payload.length)];
    this.raw(Buffer.concat([windowUpdateFrame(0, read.payload.length), ...forStream]));
  }

  #endBlock(read: Http2Frame): void {
    if (this.#block === null || (read.flags & FLAG.endHeaders) === 0) return;
    const { first, parts } = this.#block;
    this.#block = null;
    const fields = this.#hpack.read(Buffer.concat(parts));
    const stream = this.#stream(first.stream);
    stream.errors.push(...faultsOf(fields));
    const isLast = (first.flags & FLAG.endStream) !== 0;
    if (stream.head !== null) {
      stream.trailers = fields;
      if (!isLast) stream.errors.push('trailers without END_STREAM');
    } else if (/^1/.test(fields.find(([name]) => name === ':status')?.[1] ?? '')) stream.interims.push(fields);
    else {
      stream.head = fields;
      stream.isEnded = isLast;
      this.#onEvent(stream, 'head');
    }
    stream.isEnded ||= isLast;
  }

  #takeSettings(read: Http2Frame): void {
    if ((read.flags & FLAG.ack) !== 0) {
      this.record.settingsAcks++;
      return;
    }
    const settings = readSettings(read.payload);
    if (this.record.settings === null) this.record.settings = settings;
    else this.record.laterSettings.push(settings);
    this.#owesTableSize = settings['HEADER_TABLE_SIZE'] !== undefined;
    const window = settings['INITIAL_WINDOW_SIZE'];
    if (window !== undefined) {
      for (const sending of this.#sending.values()) sending.window += window - this.#initialWindow;
      this.#initialWindow = window;
    }
    if (this.#options.acksSettings !== false) this.raw(frame(FRAME.settings, FLAG.ack, 0));
    for (const id of this.#sending.keys()) this.#pump(id);
  }

  #takePing(read: Http2Frame): void {
    if ((read.flags & FLAG.ack) !== 0) this.record.pongs.push(read.payload.toString('latin1'));
    else {
      this.record.pings++;
      if (this.#options.acksPings !== false) this.raw(frame(FRAME.ping, FLAG.ack, 0, read.payload));
    }
  }

  #takeCredit(read: Http2Frame): void {
    const credit = read.payload.readUInt32BE(0);
    if (read.stream === 0) {
      this.#window += credit;
      if (!this.#hasSentData) this.record.firstCredit += credit;
      for (const id of this.#sending.keys()) this.#pump(id);
      return;
    }
    const sending = this.#sending.get(read.stream);
    if (sending === undefined) return;
    sending.window += credit;
    this.#pump(read.stream);
  }

  #stream(id: number): Http2StreamRecord {
    const known = this.streams.get(id);
    if (known !== undefined) return known;
    const made: Http2StreamRecord = {
      id,
      interims: [],
      head: null,
      body: '',
      trailers: [],
      isEnded: false,
      reset: '',
      errors: [],
    };
    this.streams.set(id, made);
    return made;
  }
}

const FORBIDDEN: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** What RFC 9113, section 8.2, forbids in a head. */
function faultsOf(fields: readonly Http2Field[]): string[] {
  const faults: string[] = [];
  let isRegular = false;
  for (const [name, value] of fields) {
    if (!name.startsWith(':')) isRegular = true;
    else if (isRegular) faults.push(`${name} after regular fields`);
    if (/[A-Z]/.test(name)) faults.push(`upper case ${name}`);
    if (FORBIDDEN.has(name)) faults.push(`forbidden ${name}`);
    if (name === 'te' && value !== 'trailers') faults.push(`te: ${value}`);
    if (/[\0\r\n]/.test(value)) faults.push(`bad characters in ${name}`);
  }
  return faults;
}
