// A small HTTP/1 message reader for tests: latin1 text in, messages out; tolerant, it reports what it saw.

export type HeaderList = (readonly [name: string, value: string])[];

export type Message = {
  startLine: string;
  headers: HeaderList;
  body: string;
  trailers: HeaderList;
  framing: 'none' | 'length' | 'chunked' | 'close' | 'raw';
  headComplete: boolean;
  complete: boolean;
  error: string | null;
  /** Byte lengths of the chunks in the order of arrival. */
  chunkSizes: number[];
};

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'close' | 'raw';

export class Http1Reader {
  readonly messages: Message[] = [];
  readonly #kind: 'request' | 'response';
  readonly #methods: string[];
  readonly #onEvent: (message: Message, event: 'head' | 'complete') => void;
  #pending = '';
  #state: State = 'head';
  #left = 0;
  #finals = 0;
  #current: Message | null = null;

  constructor(
    kind: 'request' | 'response',
    methods: string[] = [],
    onEvent: (message: Message, event: 'head' | 'complete') => void = () => {},
  ) {
    this.#kind = kind;
    this.#methods = methods;
    this.#onEvent = onEvent;
  }

  /** Bytes that no message has taken yet. */
  get rest(): string {
    return this.#current === null ? this.#pending : '';
  }

  feed(text: string): void {
    this.#pending += text;
    while (this.#step());
  }

  /** The peer sent its last byte: a close-delimited body is complete now. */
  end(): void {
    if (this.#current !== null && (this.#state === 'close' || this.#state === 'raw')) this.#finish();
  }

  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#readHead();
      case 'length':
        return this.#takeBody('head');
      case 'chunk-size':
        return this.#readChunkSize();
      case 'chunk-data':
        return this.#takeBody('chunk-end');
      case 'chunk-end':
        return this.#readChunkEnd();
      case 'trailers':
        return this.#readTrailers();
      default:
        if (this.#pending === '') return false;
        this.#current!.body += this.#pending;
        this.#pending = '';
        return false;
    }
  }

  #line(): string | null {
    const end = this.#pending.indexOf('\n');
    if (end < 0) return null;
    const line = this.#pending.slice(0, end).replace(/\r$/, '');
    this.#pending = this.#pending.slice(end + 1);
    return line;
  }

  #readHead(): boolean {
    const match = /\r?\n\r?\n/.exec(this.#pending);
    if (match === null) return false;
    const lines = this.#pending.slice(0, match.index).split(/\r?\n/);
    this.#pending = this.#pending.slice(match.index + match[0].length);
    const message: Message = {
      startLine: lines[0] ?? '',
      headers: parseHeaders(lines.slice(1)),
      body: '',
      trailers: [],
      framing: 'none',
      headComplete: true,
      complete: false,
      error: null,
      chunkSizes: [],
    };
    this.messages.push(message);
    this.#current = message;
    this.#chooseFraming(message);
    this.#onEvent(message, 'head');
    if (message.framing === 'none') this.#finish();
    return true;
  }

  #chooseFraming(message: Message): void {
    const coding = headerValues(message.headers, 'transfer-encoding').join(',').toLowerCase();
    const length = headerValues(message.headers, 'content-length')[0];
    const status = this.#kind === 'response' ? Number(message.startLine.split(' ')[1]) : 0;
    if (this.#kind === 'response') {
      const method = this.#methods[this.#finals] ?? 'GET';
      if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) return this.#enter('raw', 'raw');
      if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return;
    } else if (message.startLine.startsWith('CONNECT ') || headerValues(message.headers, 'upgrade').length > 0) {
      return this.#enter('raw', 'raw');
    }
    if (coding.includes('chunked')) return this.#enter('chunked', 'chunk-size');
    if (length !== undefined) {
      this.#left = Number(length);
      if (this.#left > 0) this.#enter('length', 'length');
      return;
    }
    if (this.#kind === 'response') this.#enter('close', 'close');
  }

  #enter(framing: Message['framing'], state: State): void {
    this.#current!.framing = framing;
    this.#state = state;
  }

  #takeBody(next: State): boolean {
    if (this.#pending === '') return false;
    const part = this.#pending.slice(0, this.#left);
    this.#pending = this.#pending.slice(part.length);
    this.#left -= part.length;
    this.#current!.body += part;
    if (this.#left > 0) return false;
    if (next === 'head') this.#finish();
    else this.#state = next;
    return true;
  }

  #readChunkSize(): boolean {
    const line = this.#line();
    if (line === null) return false;
    const size = Number.parseInt(line, 16);
    if (Number.isNaN(size)) {
      this.#current!.error = `bad chunk size ${JSON.stringify(line)}`;
      this.#enter('raw', 'raw');
      return true;
    }
    this.#current!.chunkSizes.push(size);
    this.#left = size;
    this.#state = size === 0 ? 'trailers' : 'chunk-data';
    return true;
  }

  #readChunkEnd(): boolean {
    const line = this.#line();
    if (line === null) return false;
    if (line !== '') this.#current!.error = 'no line end after a chunk';
    this.#state = 'chunk-size';
    return true;
  }

  #readTrailers(): boolean {
    const line = this.#line();
    if (line === null) return false;
    if (line === '') this.#finish();
    else this.#current!.trailers.push(...parseHeaders([line]));
    return true;
  }

  #finish(): void {
    const message = this.#current!;
    message.complete = true;
    this.#current = null;
    this.#state = 'head';
    if (!isInterim(message)) this.#finals++;
    this.#onEvent(message, 'complete');
  }
}

/** True for a 1xx response that another response follows. */
export function isInterim(message: Message): boolean {
  return /^HTTP\/\S+ 1(?!01)\d\d/.test(message.startLine);
}

export function headerValues(headers: HeaderList, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

function parseHeaders(lines: readonly string[]): HeaderList {
  return lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(':');
    return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}
