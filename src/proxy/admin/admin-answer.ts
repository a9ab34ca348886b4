// One answer of the admin interface on its way: made piece by piece, a slice of time at once, as fast as it is read.
import type { Clock } from '../../base/clock.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { BodyData, type TerminalStream } from '../http/filter.ts';
import { type AdminPiece, type AdminResponse, type LiveBody, type LiveOutput, PLAIN_TEXT } from './admin-handler.ts';

/** Milliseconds of one slice of all answers together. */
const SLICE_MS = 1;
/** Characters that are sent at once. */
const CHUNK_CHARS = 16 * 1024;

const CACHE_CONTROL = headerKey('cache-control');
const NO_SNIFF = headerKey('x-content-type-options');

/** Answers that have something to send, in turn: however many there are, they share one slice. */
export class AnswerTurns {
  readonly #clock: Clock;
  readonly #waiting: Answer[] = [];
  #isDeferred = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(answer: Answer): void {
    this.#waiting.push(answer);
    this.#defer();
  }

  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#clock.defer(() => {
      this.#isDeferred = false;
      const until = this.#clock.update() + SLICE_MS;
      for (let i = this.#waiting.length; i > 0; i--) {
        (this.#waiting.shift() as Answer).run(until);
        if (this.#clock.update() >= until) break;
      }
      if (this.#waiting.length > 0) this.#defer();
    });
  }
}

export class Answer {
  readonly #stream: TerminalStream;
  readonly #response: AdminResponse;
  readonly #turns: AnswerTurns;
  readonly #clock: Clock;
  #pieces: Iterator<AdminPiece> | null = null;
  #live: LiveBody | null = null;
  #output: LiveOutput | null = null;
  #isStopped = false;
  #isPaused = false;
  #isQueued = false;

  constructor(stream: TerminalStream, response: AdminResponse, turns: AnswerTurns) {
    this.#stream = stream;
    this.#response = response;
    this.#turns = turns;
    this.#clock = stream.clock;
    const { body } = response;
    if (typeof body === 'string' || body instanceof Uint8Array) this.#pieces = [body][Symbol.iterator]();
    else if ('start' in body) this.#live = body;
    else this.#pieces = body[Symbol.iterator]();
  }

  start(): void {
    const stream = this.#stream;
    const headers = new Headers();
    headers.status = this.#response.status;
    headers.set(H['content-type'], this.#response.contentType ?? PLAIN_TEXT);
    headers.set(CACHE_CONTROL, 'no-cache, max-age=0');
    headers.set(NO_SNIFF, 'nosniff');
    for (const [name, value] of Object.entries(this.#response.headers ?? {})) headers.set(headerKey(name), value);
    stream.responseWatermarks = {
      onAboveWatermark: () => {
        this.#isPaused = true;
      },
      onBelowWatermark: () => {
        this.#isPaused = false;
        if (this.#live === null) this.#queue();
        else this.#output?.onDrain();
      },
    };
    stream.encodeHeaders(headers, false);
    if (this.#live === null) this.run(this.#clock.update() + SLICE_MS);
    else this.#startLive(this.#live);
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#pieces?.return?.();
    this.#live?.stop();
  }

  /** Sends pieces until that time; for AnswerTurns. */
  run(until: number): void {
    this.#isQueued = false;
    if (this.#isStopped || this.#pieces === null) return;
    let text = '';
    for (;;) {
      const piece = this.#pieces.next();
      if (piece.done === true) {
        this.#finish(text);
        return;
      }
      if (typeof piece.value === 'string') text += piece.value;
      else {
        if (text !== '') this.#send(text, false);
        text = '';
        this.#send(piece.value, false);
      }
      if (text.length >= CHUNK_CHARS) {
        this.#send(text, false);
        text = '';
      }
      if (this.#isStopped) return;
      if (this.#isPaused || this.#clock.update() >= until) break;
    }
    if (text !== '') this.#send(text, false);
    this.#queue();
  }

  #queue(): void {
    if (this.#isQueued || this.#isPaused || this.#isStopped) return;
    this.#isQueued = true;
    this.#turns.add(this);
  }

  #startLive(live: LiveBody): void {
    this.#output = {
      write: (piece) => {
        this.#send(piece, false);
        return !this.#isPaused;
      },
      end: () => this.#finish(''),
      onDrain: () => undefined,
    };
    this.#stream.mayIdle();
    live.start(this.#output);
  }

  #finish(text: string): void {
    this.#live = null;
    this.#pieces = null;
    this.#send(text, true);
    this.#response.afterwards?.();
  }

  #send(piece: AdminPiece, endStream: boolean): void {
    if (this.#isStopped) return;
    const bytes =
      typeof piece === 'string'
        ? Buffer.from(piece, 'utf8')
        : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    this.#stream.encodeData(new BodyData().set(bytes), endStream);
  }
}
