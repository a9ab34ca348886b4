// The HTTP/2 side of a scripted upstream: serves one connection from a script, and records what arrived.
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesOf } from './http2-client.ts';
import { frame, type Http2ErrorName, type Http2Settings, PREFACE, settingsFrame } from './http2-frames.ts';
import type { Http2Field } from './http2-hpack.ts';
import { type Http2ConnectionRecord, Http2Peer, type Http2PeerOptions, type Http2StreamRecord } from './http2-peer.ts';
import type { Message } from './http1-reader.ts';
import { resetSocket } from './reset-socket.ts';

export type Http2Action =
  | { readonly head: readonly Http2Field[]; readonly end?: boolean } // 1xx too
  | { readonly data: string | number; readonly end?: boolean }
  | { readonly trailers: readonly Http2Field[] }
  | { readonly rst: Http2ErrorName | number }
  /** The last stream that was taken: this one by default. */
  | { readonly goaway: Http2ErrorName | number; readonly last?: number | 'before' }
  | { readonly wait: number }
  | { readonly await: 'request' | 'reset' } // until the request is complete, until the proxy resets it
  | { readonly awaitBytes: number } // until the request body has so many bytes
  | { readonly awaitStreams: number } // until so many requests were begun on this connection
  | { readonly settings: Http2Settings }
  | { readonly ping: string }
  | {
      readonly frame: readonly [type: number, flags: number, stream: number | 'this', payload?: string];
      readonly times?: number;
    }
  | { readonly echo: true } // from now on sends back what arrives, and the end
  | 'stop-reading'
  | 'fin'
  | 'reset-connection';

/** What answers a request: from its head on, or (a bare list) when it is complete. */
export type Http2Reply = readonly Http2Action[] | { readonly on: 'head'; readonly actions: readonly Http2Action[] };

export type Http2Script = Http2PeerOptions & {
  /** By path, before the replies in their order; each answers as often as it is asked. */
  readonly paths?: Readonly<Record<string, Http2Reply>>;
  /** The n-th answers the n-th request that no path answers; later requests get the standard reply. */
  readonly replies?: readonly Http2Reply[];
  /** Says what it says when a connection begins, before anything was read but the preface. */
  readonly onConnect?: readonly Http2Action[];
};

type Live = { readonly stream: Http2StreamRecord; readonly message: Message; isEcho: boolean; echoed: number };

/** True for bytes that are the preface, undefined while that is open. */
export function startsHttp2(text: string): boolean | undefined {
  if (text.length < PREFACE.length) return PREFACE.startsWith(text) ? undefined : false;
  return text.startsWith(PREFACE);
}

export class Http2ServerConnection {
  readonly requests: Message[] = [];
  readonly #name: string;
  readonly #socket: Socket;
  readonly #script: Http2Script;
  readonly #count: () => number;
  readonly #peer: Http2Peer;
  readonly #lives = new Map<number, Live>();
  readonly #waiters = new Set<() => void>();
  #isOver = false;

  /** `count` numbers the requests of the whole upstream. */
  constructor(name: string, socket: Socket, script: Http2Script, count: () => number) {
    this.#name = name;
    this.#socket = socket;
    this.#script = script;
    this.#count = count;
    this.#peer = new Http2Peer(socket, script, (stream, event) => {
      if (stream !== null && event === 'head') this.#begin(stream);
      this.#update();
    });
    socket.on('close', () => this.stop());
    this.#peer.begin();
    if (script.onConnect !== undefined) void this.#perform(script.onConnect, 0);
  }

  get record(): Http2ConnectionRecord {
    return this.#peer.record;
  }

  /** Bytes behind the preface. */
  receive(bytes: Buffer): void {
    this.#peer.receive(bytes);
  }

  /** Ends every script. */
  stop(): void {
    this.#isOver = true;
    this.#wake();
  }

  #begin(stream: Http2StreamRecord): void {
    const message = toMessage(stream);
    this.requests.push(message);
    const live = { stream, message, isEcho: false, echoed: 0 };
    this.#lives.set(stream.id, live);
    const path = stream.head?.find(([name]) => name === ':path')?.[1] ?? '';
    const byPath = this.#script.paths?.[path];
    const number = byPath === undefined ? this.#count() : 0;
    const isHead = stream.head?.some(([name, value]) => name === ':method' && value === 'HEAD') === true;
    const reply = byPath ?? this.#script.replies?.[number] ?? standardReply(this.#name, number, isHead);
    const actions = 'actions' in reply ? reply.actions : reply;
    const start = 'actions' in reply ? Promise.resolve() : this.#until(() => stream.isEnded || stream.reset !== '');
    void start.then(() => this.#perform(actions, stream.id));
  }

  #update(): void {
    for (const live of this.#lives.values()) {
      Object.assign(live.message, toMessage(live.stream));
      if (live.isEcho) this.#echo(live);
    }
    this.#wake();
  }

  #echo(live: Live): void {
    const { stream } = live;
    const isLast = stream.isEnded;
    const bytes = Buffer.from(stream.body.slice(live.echoed), 'latin1');
    live.echoed = stream.body.length;
    live.isEcho = !isLast;
    if (bytes.length > 0 || isLast) this.#peer.sendData(stream.id, bytes, isLast);
  }

  async #perform(actions: readonly Http2Action[], id: number): Promise<void> {
    for (const action of actions) {
      if (this.#isOver) return;
      const stream = this.#peer.streams.get(id);
      if (action === 'fin') this.#socket.end();
      else if (action === 'reset-connection') resetSocket(this.#socket);
      else if (action === 'stop-reading') this.#socket.pause();
      else if ('wait' in action) await sleep(action.wait);
      else if ('await' in action) {
        const isReset = action.await === 'reset';
        await this.#until(() => stream?.reset !== '' || (!isReset && stream.isEnded));
      } else if ('awaitBytes' in action) await this.#until(() => (stream?.body.length ?? 0) >= action.awaitBytes);
      else if ('awaitStreams' in action) await this.#until(() => this.requests.length >= action.awaitStreams);
      else if ('echo' in action) {
        const live = this.#lives.get(id);
        if (live !== undefined) live.isEcho = true;
        this.#update();
      } else this.#send(action, id);
    }
  }

  #send(action: Exclude<Http2Action, string>, id: number): void {
    const peer = this.#peer;
    if ('head' in action) peer.sendHead(id, action.head, action.end ?? false);
    else if ('data' in action) peer.sendData(id, bytesOf(action.data), action.end ?? false);
    else if ('trailers' in action) peer.sendHead(id, action.trailers, true);
    else if ('rst' in action) peer.reset(id, action.rst);
    else if ('goaway' in action) {
      const last = action.last === 'before' ? Math.max(0, id - 2) : (action.last ?? id);
      peer.goaway(last, action.goaway);
    } else if ('settings' in action) peer.raw(settingsFrame(action.settings));
    else if ('ping' in action) peer.raw(frame(6, 0, 0, Buffer.from(action.ping, 'latin1')));
    else if ('frame' in action) {
      const [type, flags, stream, payload = ''] = action.frame;
      const one = frame(type, flags, stream === 'this' ? id : stream, Buffer.from(payload, 'latin1'));
      peer.raw(Buffer.concat(Array.from({ length: action.times ?? 1 }, () => one)));
    }
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition() && !this.#isOver) return;
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
      check();
    });
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

/** The first line has the pseudo fields by name: their order means nothing. */
export function toMessage(stream: Http2StreamRecord): Message {
  const head = stream.head ?? [];
  const pseudo = head.filter(([name]) => name.startsWith(':')).map(([name, value]) => `${name}=${value}`);
  const errors = [...stream.errors, ...(stream.reset === '' ? [] : [`reset ${stream.reset}`])];
  return {
    startLine: pseudo.sort().join(' '),
    headers: head.filter(([name]) => !name.startsWith(':')),
    body: stream.body,
    trailers: stream.trailers,
    framing: 'length',
    headComplete: true,
    complete: stream.isEnded,
    error: errors.length === 0 ? null : errors.join(', '),
    chunkSizes: [],
  };
}

function standardReply(name: string, number: number, isHead: boolean): Http2Reply {
  const body = `${name} ${number}`;
  const head: Http2Field[] = [
    [':status', '200'],
    ['x-backend', name],
    ['content-length', String(body.length)],
  ];
  return isHead ? [{ head, end: true }] : [{ head }, { data: body, end: true }];
}
