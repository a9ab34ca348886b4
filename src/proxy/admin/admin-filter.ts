// The admin interface as an HTTP filter: it answers every request itself, in slices, so that big dumps stall nothing.
import type { Clock } from '../../base/clock.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { BodyData, type FilterStream, type HttpFilter, type TerminalStream } from '../http/filter.ts';

export type AdminRequest = {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
};

export type AdminResponse = {
  readonly status: number;
  /** Default 'text/plain; charset=UTF-8'. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Pieces are made one after another, a slice of time at once. */
  readonly body: string | Iterable<string>;
  /** Called when the whole answer has been handed over: what quits the process waits for it. */
  readonly afterwards?: () => void;
};

/** An answer that needs something from other threads first. */
export type LaterAdminResponse = { later(answer: (response: AdminResponse) => void): void };

export type AdminHandler = {
  readonly path: string;
  readonly help: string;
  /** Changes something: only POST. */
  readonly mutates: boolean;
  handle(request: AdminRequest): AdminResponse | LaterAdminResponse;
};

/** Milliseconds of one slice of a long answer. */
const SLICE_MS = 1;
/** Characters that are sent at once. */
const CHUNK_CHARS = 16 * 1024;

const CACHE_CONTROL = headerKey('cache-control');
const NO_SNIFF = headerKey('x-content-type-options');

/** The one filter of the admin listener's chain. */
export class AdminFilter implements HttpFilter {
  readonly #handlers: ReadonlyMap<string, AdminHandler>;
  readonly #slot: number;

  constructor(handlers: readonly AdminHandler[], slot: number) {
    this.#handlers = new Map(handlers.map((handler) => [handler.path, handler]));
    this.#slot = slot;
  }

  decodeHeaders(stream: FilterStream, _headers: Headers, endStream: boolean): 'continue' {
    if (endStream) this.#answer(stream as TerminalStream);
    return 'continue';
  }

  decodeData(stream: FilterStream, _data: BodyData, endStream: boolean): 'continue' {
    if (endStream) this.#answer(stream as TerminalStream);
    return 'continue';
  }

  decodeTrailers(stream: FilterStream): 'continue' {
    this.#answer(stream as TerminalStream);
    return 'continue';
  }

  onDestroy(stream: FilterStream): void {
    (stream.slot[this.#slot] as Answer | undefined)?.stop();
  }

  #answer(stream: TerminalStream): void {
    const { method, path } = stream.requestHeaders;
    const queryAt = path.indexOf('?');
    const request: AdminRequest = {
      method,
      path: queryAt < 0 ? path : path.slice(0, queryAt),
      query: new URLSearchParams(queryAt < 0 ? '' : path.slice(queryAt + 1)),
    };
    const response = this.#route(request);
    if (!('later' in response)) {
      this.#send(stream, response);
      return;
    }
    response.later((made) => {
      if (!stream.isDestroyed) this.#send(stream, made);
    });
  }

  #send(stream: TerminalStream, response: AdminResponse): void {
    const answer = new Answer(stream, response);
    stream.slot[this.#slot] = answer;
    answer.start();
  }

  #route(request: AdminRequest): AdminResponse | LaterAdminResponse {
    const handler = this.#handlers.get(request.path);
    if (request.path === '/' || request.path === '/help')
      return { status: 200, body: this.#help('admin commands are:\n') };
    if (handler === undefined) return { status: 404, body: this.#help(`invalid path. admin commands are:\n`) };
    if (handler.mutates && request.method !== 'POST') {
      return {
        status: 405,
        headers: { allow: 'POST' },
        body: `Method ${request.method} not allowed, POST required.\n`,
      };
    }
    return handler.handle(request);
  }

  #help(title: string): string {
    let text = title;
    for (const handler of [...this.#handlers.values()].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      text += `  ${handler.path}${handler.mutates ? ' (POST)' : ''}: ${handler.help}\n`;
    }
    return text;
  }
}

/** One answer on its way; made piece by piece. */
class Answer {
  readonly #stream: TerminalStream;
  readonly #response: AdminResponse;
  readonly #clock: Clock;
  readonly #pieces: Iterator<string>;
  #isStopped = false;
  #isPaused = false;
  #isRunning = false;

  constructor(stream: TerminalStream, response: AdminResponse) {
    this.#stream = stream;
    this.#response = response;
    this.#clock = stream.clock;
    const { body } = response;
    this.#pieces = (typeof body === 'string' ? [body] : body)[Symbol.iterator]();
  }

  start(): void {
    const stream = this.#stream;
    const headers = new Headers();
    headers.status = this.#response.status;
    headers.set(H['content-type'], this.#response.contentType ?? 'text/plain; charset=UTF-8');
    headers.set(CACHE_CONTROL, 'no-cache, max-age=0');
    headers.set(NO_SNIFF, 'nosniff');
    for (const [name, value] of Object.entries(this.#response.headers ?? {})) headers.set(headerKey(name), value);
    stream.responseWatermarks = {
      onAboveWatermark: () => {
        this.#isPaused = true;
      },
      onBelowWatermark: () => {
        this.#isPaused = false;
        this.#run();
      },
    };
    stream.encodeHeaders(headers, false);
    this.#run();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #run(): void {
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    const until = this.#clock.update() + SLICE_MS;
    let text = '';
    for (;;) {
      const piece = this.#pieces.next();
      if (piece.done !== true) text += piece.value;
      else {
        this.#send(text, true);
        this.#response.afterwards?.();
        return;
      }
      if (text.length >= CHUNK_CHARS) {
        this.#send(text, false);
        text = '';
      }
      if (this.#isStopped) return;
      if (this.#isPaused || this.#clock.update() >= until) break;
    }
    if (text !== '') this.#send(text, false);
    this.#isRunning = false;
    if (!this.#isPaused && !this.#isStopped) this.#clock.defer(() => this.#run());
  }

  #send(text: string, endStream: boolean): void {
    if (this.#isStopped) return;
    this.#stream.encodeData(new BodyData().set(Buffer.from(text, 'utf8')), endStream);
  }
}
