// One run of a script's function on one message: where it waits, and how it goes on.
import { Coroutine, LuaError, type LuaTable, type LuaValue, NativeFunction } from '../../../../lua/values.ts';
import { type Vm, YIELD } from '../../../../lua/vm.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { BufferedResponse } from '../../../cluster/upstream-client/buffered-request.ts';
import type { BodyData, DataStatus, FilterStream, HeadersStatus, TrailersStatus } from '../../filter.ts';
import { BodyHandle, type Bytes } from './body-handle.ts';
import type { Keys } from './crypto.ts';
import type { Handle, Owner, ScriptLogLevel } from '../../../lua/handle.ts';
import { HeadersHandle } from './headers-handle.ts';
import { type CallRequest, callResults, headersFrom } from './http-call.ts';
import { errorText, type Script } from '../../../lua/script.ts';
import { StreamHandle } from './stream-handle.ts';
import type { LuaFilter } from './lua-filter.ts';

/** What the script waits for; 'running': for nothing. */
type Wait = 'running' | 'body' | 'chunk' | 'trailers' | 'call' | 'responded';

type Cancellable = { cancel(): void };

const EMPTY = Buffer.alloc(0);

// start ─► running ─┬─► body ────► all data has come ──┐
//                   ├─► chunk ───► a piece has come ───┤
//                   ├─► trailers ► they have come ─────┼─► running … until it returns or fails
//                   ├─► call ────► the answer has come ┘
//                   └─► responded (over)
export class Run implements Owner {
  readonly vm: Vm;
  readonly filter: LuaFilter;
  readonly stream: FilterStream;
  readonly headers: Headers;
  readonly isRequest: boolean;
  readonly #script: Script;
  readonly #coroutine: Coroutine;
  isLive = false;
  epoch = 0;
  readonly #keys: Keys = new Map();
  #wait: Wait = 'running';
  #endStream: boolean;
  #sawBody = false;
  #hasBufferedBody = false;
  /** The headers have gone on to the next filter. */
  #hasContinued = false;
  #trailers: Headers | null = null;
  #call: Cancellable | null = null;
  #returnsDuplicates = false;
  /** The answer of a call that came before the call was over. */
  #earlyAnswer: { readonly response: BufferedResponse | null } | null = null;
  #isCalling = false;
  /** The data that the filter is being given. */
  #data: BodyData | null = null;
  /** The body as a whole, as long as the script has it. */
  #body: Buffer | null = null;
  /** Handles of the present part of the run: who asks twice gets the same. */
  readonly #handles = new Map<string, Handle>();
  isOver = false;

  constructor(filter: LuaFilter, script: Script, fn: LuaValue, stream: FilterStream, at: RunPlace) {
    this.filter = filter;
    this.stream = stream;
    this.#script = script;
    this.vm = script.vm;
    this.isRequest = at.isRequest;
    this.headers = at.headers;
    this.#endStream = at.endStream;
    this.#coroutine = new Coroutine(fn);
  }

  log(level: ScriptLogLevel, text: string): void {
    this.filter.log(level, text);
  }

  get keys(): Keys {
    return this.#keys;
  }

  // ─── What the message brings ────────────────────────────────────────────────────────────────────────────────────

  onHeaders(): HeadersStatus {
    this.isLive = true;
    const handle = new StreamHandle(this);
    if (!this.#resume([handle])) return this.filter.statusAfterError(this, 'stop', 'continue');
    if (this.#body !== null) this.#giveBack();
    if (this.#wait === 'body' || this.#wait === 'call' || this.#wait === 'responded') return 'stop';
    this.#hasContinued = true;
    return 'continue';
  }

  onData(data: BodyData, endStream: boolean): DataStatus {
    this.#endStream = endStream;
    this.#sawBody = true;
    this.#data = data;
    let isRight = true;
    if (this.#wait === 'chunk') {
      this.#wait = 'running';
      isRight = this.#resumeWith(() => [new BodyHandle(this, new Piece(data), this.headers)]);
    } else if (this.#wait === 'body' && endStream) {
      this.#wait = 'running';
      if (!this.#holdLast(data)) return 'stop-no-buffer';
      isRight = this.#resumeWith(() => [this.#wholeBody(true) as BodyHandle]);
    } else if (this.#wait === 'trailers' && endStream) {
      this.#wait = 'running';
      isRight = this.#resume([]);
    }
    if (this.#body !== null) this.#giveBack();
    this.#data = null;
    if (!isRight) return this.filter.statusAfterError(this, 'stop-no-buffer', 'continue');
    if (this.#wait === 'call') return 'stop-and-watermark';
    if (this.#wait === 'body') return 'stop-and-buffer';
    if (this.#wait === 'responded') return 'stop-no-buffer';
    this.#hasContinued = true;
    return 'continue';
  }

  onTrailers(trailers: Headers): TrailersStatus {
    this.#endStream = true;
    this.#trailers = trailers;
    let isRight = true;
    if (this.#wait === 'chunk') {
      this.#wait = 'running';
      isRight = this.#resume([]);
    } else if (this.#wait === 'body') {
      this.#wait = 'running';
      isRight = this.#resumeWith(() => {
        const body = this.#wholeBody(false);
        return body === null ? [] : [body];
      });
    }
    if (isRight && this.#wait === 'trailers') {
      this.#wait = 'running';
      isRight = this.#resumeWith(() => [this.#trailersHandle(trailers)]);
    }
    if (this.#body !== null) this.#giveBack();
    if (!isRight) return this.filter.statusAfterError(this, 'stop', 'continue');
    if (this.#wait === 'call' || this.#wait === 'responded') return 'stop';
    this.#hasContinued = true;
    return 'continue';
  }

  destroy(): void {
    this.isOver = true;
    this.isLive = false;
    this.vm.waiting.delete(this.#coroutine);
    const call = this.#call;
    this.#call = null;
    call?.cancel();
  }

  // ─── Going on ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** `make` makes handles, which are good from now on. */
  #resumeWith(make: () => LuaValue[]): boolean {
    this.isLive = true;
    return this.#resume(make());
  }

  /** False when the script failed, and its run is over. */
  #resume(values: LuaValue[]): boolean {
    this.isLive = true;
    const coroutine = this.#coroutine;
    try {
      // A coroutine of the script's own waited, not the script: nobody is there to go on.
      if (isDead(coroutine)) throw new LuaError('cannot resume dead coroutine');
      this.#script.resume(this.vm, coroutine, values);
      if (isDead(coroutine)) {
        this.vm.waiting.delete(coroutine);
      } else {
        if (this.#wait === 'running') throw new LuaError('script performed an unexpected yield');
        this.vm.waiting.add(coroutine);
      }
      return true;
    } catch (e) {
      if (!(e instanceof LuaError)) throw e;
      this.filter.onScriptError(this, errorText(e));
      return false;
    } finally {
      this.isLive = false;
      this.epoch++;
      this.#handles.clear();
    }
  }

  /** The handle of that name, made when it is asked for first. */
  once<T extends Handle>(name: string, make: () => T): T {
    let handle = this.#handles.get(name);
    if (handle === undefined) {
      handle = make();
      this.#handles.set(name, handle);
    }
    return handle as T;
  }

  /** Yields as soon as the native function that says so returns. */
  #waitFor(what: Wait): LuaValue[] {
    this.#wait = what;
    this.vm.yielded = [];
    return YIELD;
  }

  // ─── The body ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** All of the body. Null when there is none, unless `isForced`. */
  #wholeBody(isForced: boolean): BodyHandle | null {
    if (this.#body === null) {
      const { stream } = this;
      const { slot } = this.filter;
      const held = this.isRequest ? stream.takeDecodedData(slot) : stream.takeEncodedData(slot);
      const data = this.#data;
      if (held === null && data === null && !isForced) return null;
      const last = data === null ? EMPTY : data.copy();
      this.#body = held === null ? last : last.length === 0 ? held : Buffer.concat([held, last]);
      data?.set(EMPTY);
    }
    return this.once('body', () => new BodyHandle(this, this, this.headers));
  }

  /** What waits has a limit, also for its end. False when the message was answered because of it. */
  #holdLast(data: BodyData): boolean {
    const { stream } = this;
    const { slot } = this.filter;
    if (this.isRequest) stream.addDecodedData(slot, data.copy());
    else stream.addEncodedData(slot, data.copy());
    data.set(EMPTY);
    return (
      !stream.isDestroyed &&
      (this.isRequest ? stream.responseHeaders === null : stream.responseHeaders === this.headers)
    );
  }

  /** The whole body goes back to where it goes on from. */
  #giveBack(): void {
    const body = this.#body as Buffer;
    this.#body = null;
    const { stream } = this;
    const { slot } = this.filter;
    if (stream.isDestroyed) return;
    if (this.#data !== null) this.#data.set(body);
    else if (this.isRequest) stream.addDecodedData(slot, body);
    else stream.addEncodedData(slot, body);
  }

  get length(): number {
    return (this.#body ?? EMPTY).length;
  }

  text(from: number, count: number): string {
    return (this.#body ?? EMPTY).latin1Slice(from, from + count);
  }

  replace(bytes: Buffer): void {
    this.#body = bytes;
  }

  // ─── What scripts ask for ───────────────────────────────────────────────────────────────────────────────────────

  headersHandle(): HeadersHandle {
    return this.once('headers', () => new HeadersHandle(this, this.headers, this.isRequest ? 'request' : 'response'));
  }

  /** Asked before each change of the headers. */
  mayModify(headers: Headers): boolean {
    if (headers !== this.headers) return true;
    if (this.#hasContinued) return false;
    if (this.isRequest && this.filter.clearsRoute) this.stream.clearRouteCache();
    return true;
  }

  #trailersHandle(trailers: Headers): HeadersHandle {
    const side = this.isRequest ? 'request-trailers' : 'response-trailers';
    return this.once('trailers', () => new HeadersHandle(this, trailers, side));
  }

  body(isAlwaysWrapped: boolean): LuaValue[] {
    if (this.#endStream) {
      if (!this.#hasBufferedBody && this.#sawBody) {
        throw new LuaError('cannot call body() after body has been streamed', true);
      }
      const body = this.#wholeBody(isAlwaysWrapped);
      return body === null ? [] : [body];
    }
    if (this.#sawBody) throw new LuaError('cannot call body() after body streaming has started', true);
    this.#hasBufferedBody = true;
    return this.#waitFor('body');
  }

  bodyChunks(): LuaValue {
    if (this.#sawBody) throw new LuaError('cannot call bodyChunks after body processing has begun', true);
    return new NativeFunction('bodyChunks', () => {
      if (!this.isLive) throw new LuaError('object used outside of proper scope', true);
      return this.#endStream ? [] : this.#waitFor('chunk');
    });
  }

  trailers(): LuaValue[] {
    if (this.#trailers !== null) return [this.#trailersHandle(this.#trailers)];
    return this.#endStream ? [] : this.#waitFor('trailers');
  }

  respond(table: LuaTable, body: string | undefined): LuaValue[] {
    if (this.#hasContinued) throw new LuaError('respond() cannot be called if headers have been continued', true);
    const fields = headersFrom(table, this.vm);
    const { status } = fields;
    if (!(status >= 200 && status < 600)) throw new LuaError(':status must be between 200-599', true);
    if (!this.isRequest) throw new LuaError('respond not currently supported in the response path', true);
    fields.remove(H['content-length']);
    this.#wait = 'responded';
    this.stream.sendLocalReply({
      status,
      body: body ?? '',
      details: 'lua_response',
      modifyHeaders: (headers) => {
        for (let i = 0; i < fields.kv.length; i += 2) headers.add(fields.kv[i] as number, fields.kv[i + 1] as string);
      },
    });
    return this.#waitFor('responded');
  }

  httpCall(request: CallRequest): LuaValue[] {
    if (request.isAsynchronous) {
      this.filter.send(request, this.stream, null);
      return [];
    }
    this.#returnsDuplicates = request.returnsDuplicates;
    this.#isCalling = true;
    this.#earlyAnswer = null;
    const call = this.filter.send(request, this.stream, (response) => this.#onAnswer(response));
    this.#isCalling = false;
    const early = this.#earlyAnswer as { readonly response: BufferedResponse | null } | null;
    if (early !== null) {
      this.#earlyAnswer = null;
      return callResults(this.vm, early.response, this.#returnsDuplicates);
    }
    this.#call = call;
    return this.#waitFor('call');
  }

  #onAnswer(response: BufferedResponse | null): void {
    if (this.isOver) return;
    if (this.#isCalling) {
      this.#earlyAnswer = { response };
      return;
    }
    this.#call = null;
    this.#wait = 'running';
    const isRight = this.#resumeAfterCall(response);
    if (this.stream.isDestroyed) return;
    if (this.#body !== null) this.#giveBack();
    if (!isRight && this.filter.statusAfterError(this, 'stop', 'continue') === 'stop') return;
    if (this.#wait !== 'running') return;
    this.#hasContinued = true;
    if (this.isRequest) this.stream.continueDecoding(this.filter.slot);
    else this.stream.continueEncoding(this.filter.slot);
  }

  #resumeAfterCall(response: BufferedResponse | null): boolean {
    try {
      return this.#resume(callResults(this.vm, response, this.#returnsDuplicates));
    } catch (e) {
      // The answer is more than the script may hold.
      if (!(e instanceof LuaError)) throw e;
      this.filter.onScriptError(this, errorText(e));
      return false;
    }
  }

  /** Whether the message can still be answered with another one. */
  get canBeAnswered(): boolean {
    return !this.#hasContinued;
  }
}

export type RunPlace = { readonly isRequest: boolean; readonly headers: Headers; readonly endStream: boolean };

function isDead(coroutine: Coroutine): boolean {
  return coroutine.status === 'dead';
}

/** A piece of a body on its way. */
class Piece implements Bytes {
  readonly #data: BodyData;

  constructor(data: BodyData) {
    this.#data = data;
  }

  get length(): number {
    return this.#data.length;
  }

  text(from: number, count: number): string {
    const { buffer, start } = this.#data;
    return buffer.latin1Slice(start + from, start + from + count);
  }

  replace(bytes: Buffer): void {
    this.#data.set(bytes);
  }
}
