// The HTTP/1 parser to compare with is llhttp, strict: bytes in, messages with their boundaries out.
import { createRequire } from 'node:module';

/** One message as a parser understood it; names in lower case, values without outer blanks. */
export type SeenMessage = {
  method: string;
  target: string;
  status: number;
  minorVersion: number;
  headers: [name: string, value: string][];
  body: string;
  trailers: [name: string, value: string][];
  headComplete: boolean;
  complete: boolean;
  keepAlive: boolean;
  /** What follows is not HTTP: upgrade or CONNECT. */
  isTunnel: boolean;
  /** Offsets: first byte of the head after empty lines (not known to llhttp: -1), and behind the message. */
  start: number;
  headEnd: number;
  end: number;
};

export type Seen = { messages: SeenMessage[]; error: string | null };

export type MessageKind = 'request' | 'response';

export function newMessage(): SeenMessage {
  return {
    method: '',
    target: '',
    status: 0,
    minorVersion: 1,
    headers: [],
    body: '',
    trailers: [],
    headComplete: false,
    complete: false,
    keepAlive: true,
    isTunnel: false,
    start: -1,
    headEnd: -1,
    end: -1,
  };
}

/** RFC 9112 §6.3: no body whatever the fields say. llhttp leaves this to its user. */
export function isBodyless(status: number, requestMethod: string): boolean {
  return status < 200 || status === 204 || status === 304 || requestMethod === 'HEAD';
}

/** RFC 9110 §9.3.6 and §15.2.2. */
export function isTunnelAnswer(status: number, requestMethod: string): boolean {
  return status === 101 || (requestMethod === 'CONNECT' && status >= 200 && status < 300);
}

const REQUEST = 1;
const RESPONSE = 2;
const PAUSED = 21;
const PAUSED_UPGRADE = 22;
/** What the callback at the end of the head may answer instead of 0: expect no body, or nothing of HTTP any more. */
const SKIP_BODY = 1;
const IS_TUNNEL = 2;

type Exports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  malloc(bytes: number): number;
  free(pointer: number): void;
  llhttp_execute(parser: number, data: number, length: number): number;
  llhttp_finish(parser: number): number;
  llhttp_resume(parser: number): void;
  llhttp_should_keep_alive(parser: number): number;
  llhttp_get_error_pos(parser: number): number;
  llhttp_errno_name(error: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_method_name(method: number): number;
  llhttp_get_status_code(parser: number): number;
  llhttp_get_http_major(parser: number): number;
  llhttp_get_http_minor(parser: number): number;
};

/** The run in progress: the module's callbacks have no owner of their own. */
let run: Run | null = null;
let wasm: Exports | null = null;

/** The compiler's library without DOM does not know this global. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Module: new (code: Uint8Array) => object;
    Instance: new (module: object, imports: object) => { exports: unknown };
  };
};

function llhttp(): Exports {
  if (wasm !== null) return wasm;
  const code = createRequire(import.meta.url)('undici/lib/llhttp/llhttp-wasm.js') as Uint8Array;
  const text = (at: number, length: number): string => (run as Run).text(at, length);
  const env = {
    wasm_on_message_begin: () => (run as Run).begin(),
    wasm_on_url: (_: number, at: number, length: number) => (run as Run).url(text(at, length)),
    wasm_on_status: () => 0,
    wasm_on_header_field: (_: number, at: number, length: number) => (run as Run).field(text(at, length)),
    wasm_on_header_value: (_: number, at: number, length: number) => (run as Run).value(text(at, length)),
    wasm_on_headers_complete: (_: number, status: number, upgrade: number, keepAlive: number) =>
      (run as Run).headEnd(status, upgrade === 1, keepAlive === 1),
    wasm_on_body: (_: number, at: number, length: number) => (run as Run).body(text(at, length)),
    wasm_on_message_complete: () => (run as Run).complete(),
  };
  wasm = new WebAssembly.Instance(new WebAssembly.Module(code), { env }).exports as Exports;
  wasm._initialize();
  return wasm;
}

class Run {
  readonly seen: Seen = { messages: [], error: null };
  readonly #api: Exports;
  readonly #parser: number;
  readonly #kind: MessageKind;
  readonly #requestMethod: string;
  #message = newMessage();
  #isField = false;

  constructor(api: Exports, parser: number, kind: MessageKind, requestMethod: string) {
    this.#api = api;
    this.#parser = parser;
    this.#kind = kind;
    this.#requestMethod = requestMethod;
  }

  text(at: number, length: number): string {
    return Buffer.from(this.#api.memory.buffer, at, length).latin1Slice();
  }
  begin(): number {
    this.#message = newMessage();
    this.seen.messages.push(this.#message);
    return 0;
  }
  url(part: string): number {
    this.#message.target += part;
    return 0;
  }
  field(part: string): number {
    const list = this.#list();
    const last = list.at(-1);
    if (this.#isField && last !== undefined) last[0] += part.toLowerCase();
    else list.push([part.toLowerCase(), '']);
    this.#isField = true;
    return 0;
  }
  value(part: string): number {
    this.#isField = false;
    const last = this.#list().at(-1);
    if (last !== undefined) last[1] += part;
    return 0;
  }
  headEnd(status: number, upgrade: boolean, keepAlive: boolean): number {
    const message = this.#message;
    this.#isField = false;
    message.headComplete = true;
    message.status = status;
    message.keepAlive = keepAlive;
    message.isTunnel = upgrade;
    const major = this.#api.llhttp_get_http_major(this.#parser);
    message.minorVersion = major === 1 ? this.#api.llhttp_get_http_minor(this.#parser) : -1;
    if (this.#kind === 'request') {
      const name = this.#api.llhttp_method_name(this.#api.llhttp_get_method(this.#parser));
      message.method = this.#cString(name);
      return 0;
    }
    message.isTunnel = isTunnelAnswer(status, this.#requestMethod);
    if (message.isTunnel) return IS_TUNNEL;
    return isBodyless(status, this.#requestMethod) ? SKIP_BODY : 0;
  }
  body(part: string): number {
    this.#message.body += part;
    return 0;
  }
  complete(): number {
    const message = this.#message;
    message.complete = true;
    // At the end of the head llhttp did not know yet that no body follows.
    if (this.#kind === 'response' && isBodyless(message.status, this.#requestMethod)) {
      message.keepAlive = this.#api.llhttp_should_keep_alive(this.#parser) === 1;
    }
    return PAUSED;
  }
  completedAt(end: number): void {
    this.#message.end = end;
  }
  finish(): Seen {
    for (const { headers, trailers } of this.seen.messages) {
      for (const field of [...headers, ...trailers]) field[1] = field[1].replace(/^[ \t]+|[ \t]+$/g, '');
    }
    return this.seen;
  }
  #list(): [string, string][] {
    return this.#message.headComplete ? this.#message.trailers : this.#message.headers;
  }
  #cString(at: number): string {
    const bytes = new Uint8Array(this.#api.memory.buffer, at);
    return this.text(at, bytes.indexOf(0));
  }
  errorName(error: number): string {
    return this.#cString(this.#api.llhttp_errno_name(error));
  }
}

/** What llhttp makes of `bytes`; `isEnd`: the connection ends behind them. */
export function parseWithLlhttp(kind: MessageKind, bytes: Uint8Array, requestMethod: string, isEnd: boolean): Seen {
  const api = llhttp();
  const parser = api.llhttp_alloc(kind === 'request' ? REQUEST : RESPONSE);
  const data = api.malloc(Math.max(1, bytes.length));
  new Uint8Array(api.memory.buffer, data, bytes.length).set(bytes);
  const current = new Run(api, parser, kind, requestMethod);
  run = current;
  let pos = 0;
  let isOpen = true;
  while (isOpen && pos < bytes.length) {
    const error = api.llhttp_execute(parser, data + pos, bytes.length - pos);
    if (error === 0) {
      pos = bytes.length;
      break;
    }
    pos = api.llhttp_get_error_pos(parser) - data;
    isOpen = error === PAUSED;
    if (isOpen) {
      current.completedAt(pos);
      api.llhttp_resume(parser);
    } else if (error === PAUSED_UPGRADE) current.completedAt(pos);
    else current.seen.error = current.errorName(error);
  }
  if (isOpen && isEnd && current.seen.error === null) {
    const error = api.llhttp_finish(parser);
    if (error === PAUSED) current.completedAt(pos);
    else if (error !== 0 && current.seen.messages.at(-1)?.complete === false) {
      current.seen.error = current.errorName(error);
    }
  }
  run = null;
  api.free(data);
  api.llhttp_free(parser);
  return current.finish();
}
