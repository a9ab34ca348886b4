// The admin interface as an HTTP filter: it answers every request itself, in slices, so that big dumps stall nothing.
import type { Address } from '../../base/byte-stream.ts';
import type { Clock } from '../../base/clock.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import { H } from '../../wire/header-names.ts';
import type { BodyData, FilterStream, HttpFilter, TerminalStream } from '../http/filter.ts';
import { Answer, AnswerTurns } from './admin-answer.ts';
import { refusedOrigin, refusedPath } from './admin-guard.ts';
import {
  type AdminHandler,
  type AdminRequest,
  type AdminResponse,
  HTML,
  helpText,
  type LaterAdminResponse,
} from './admin-handler.ts';
import { requestQuery } from './admin-query.ts';
import { PAGE_HEADERS } from './page-headers.ts';

/** Bytes of a request's body that are read; forms and settings are small. */
export const MAX_BODY_BYTES = 1024 * 1024;

export type AdminFilterOptions = {
  readonly handlers: readonly AdminHandler[];
  readonly allowPaths: readonly StringMatcher[];
  /** Where the interface listens. */
  readonly address: Address;
  /** Makes the front page. */
  readonly homePage: (handlers: readonly AdminHandler[]) => Iterable<string>;
};

/** What a request has said so far, then its answer. */
type State = { chunks: Buffer[]; length: number; answer: Answer | null };

const NOTHING = Buffer.alloc(0);

/** The one filter of the admin listener's chain. */
export class AdminFilter implements HttpFilter {
  readonly #options: AdminFilterOptions;
  readonly #handlers: ReadonlyMap<string, AdminHandler>;
  readonly #sorted: readonly AdminHandler[];
  readonly #turns: AnswerTurns;
  readonly #slot: number;

  constructor(options: AdminFilterOptions, clock: Clock, slot: number) {
    this.#options = options;
    const own: AdminHandler[] = [
      { path: '/', help: 'Admin home page', mutates: false, handle: () => this.#home() },
      {
        path: '/help',
        help: 'print out list of admin commands',
        mutates: false,
        handle: () => ({ status: 200, body: helpText('admin commands are:\n', this.#shown) }),
      },
    ];
    this.#sorted = [...own, ...options.handlers].sort((a, b) => (a.path < b.path ? -1 : 1));
    this.#handlers = new Map(this.#sorted.map((handler) => [handler.path, handler]));
    this.#turns = new AnswerTurns(clock);
    this.#slot = slot;
  }

  /** As /help shows them. */
  get #shown(): readonly AdminHandler[] {
    return this.#sorted.filter((handler) => handler.isThere?.() !== false);
  }

  decodeHeaders(stream: FilterStream, _headers: unknown, endStream: boolean): 'continue' {
    if (endStream) this.#answer(stream as TerminalStream);
    return 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'continue' {
    const state = this.#stateOf(stream);
    if (state.answer !== null) return 'continue';
    state.length += data.length;
    if (state.length > MAX_BODY_BYTES) {
      state.chunks = [];
      this.#send(stream as TerminalStream, { status: 413, body: `A body of more than ${MAX_BODY_BYTES} bytes.\n` });
      return 'continue';
    }
    if (data.length > 0) state.chunks.push(data.copy());
    if (endStream) this.#answer(stream as TerminalStream);
    return 'continue';
  }

  decodeTrailers(stream: FilterStream): 'continue' {
    if (this.#stateOf(stream).answer === null) this.#answer(stream as TerminalStream);
    return 'continue';
  }

  onDestroy(stream: FilterStream): void {
    (stream.slot[this.#slot] as State | undefined)?.answer?.stop();
  }

  #stateOf(stream: FilterStream): State {
    const known = stream.slot[this.#slot] as State | undefined;
    if (known !== undefined) return known;
    const state: State = { chunks: [], length: 0, answer: null };
    stream.slot[this.#slot] = state;
    return state;
  }

  #answer(stream: TerminalStream): void {
    const response = this.#respond(stream);
    if (!('later' in response)) {
      this.#send(stream, response);
      return;
    }
    response.later((made) => {
      if (!stream.isDestroyed) this.#send(stream, made);
      else if (typeof made.body === 'object' && 'stop' in made.body) made.body.stop();
    });
  }

  #send(stream: TerminalStream, response: AdminResponse): void {
    const answer = new Answer(stream, response, this.#turns);
    this.#stateOf(stream).answer = answer;
    answer.start();
  }

  #respond(stream: TerminalStream): AdminResponse | LaterAdminResponse {
    const { requestHeaders: headers } = stream;
    const { method, path: given } = headers;
    const { allowPaths, address } = this.#options;
    const state = this.#stateOf(stream);
    const body = state.chunks.length === 0 ? NOTHING : Buffer.concat(state.chunks);
    state.chunks = [];
    const queryAt = given.indexOf('?');
    const path = queryAt < 0 ? given : given.slice(0, queryAt);
    const handler = this.#handlers.get(path);
    const refused =
      refusedPath(given, allowPaths) ?? refusedOrigin(headers, method !== 'GET' && method !== 'HEAD', address);
    if (refused !== null) return refused;
    if (handler === undefined || handler.isThere?.() === false) {
      return { status: 404, body: helpText('invalid path. admin commands are:\n', this.#shown) };
    }
    if (handler.mutates && method !== 'POST') {
      return { status: 405, body: `Method ${method} not allowed, POST required.` };
    }
    const query = requestQuery(given, headers.get(H['content-type']) ?? '', body);
    const request: AdminRequest = { method, path, query, body };
    return handler.handle(request);
  }

  #home(): AdminResponse {
    return { status: 200, contentType: HTML, headers: PAGE_HEADERS, body: this.#options.homePage(this.#shown) };
  }
}
