// An HTTP/2 client for tests that does what its steps say, on one connection, and notes what comes back.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  frame,
  type Http2ErrorName,
  type Http2Settings,
  PREFACE,
  settingsFrame,
  windowUpdateFrame,
} from './http2-frames.ts';
import type { Http2Field } from './http2-hpack.ts';
import { type Http2ConnectionRecord, Http2Peer, type Http2PeerOptions, type Http2StreamRecord } from './http2-peer.ts';
import { resetSocket } from './reset-socket.ts';
import { openTls, type SeenTls, type TlsClientOptions, type TlsSessions } from './tls-client.ts';

/** Streams have their numbers: 1, 3, 5, …; 1 where none is named. */
export type Http2Step =
  /** Must come first; without it a connection begins with the preface and SETTINGS. */
  | { readonly hello: Http2PeerOptions & { readonly preface?: string; readonly sendsSettings?: boolean } }
  | { readonly tls: TlsClientOptions } // before everything else
  | { readonly head: readonly Http2Field[]; readonly on?: number; readonly end?: boolean }
  | { readonly data: string | number; readonly on?: number; readonly end?: boolean } // a number: so many bytes
  | { readonly trailers: readonly Http2Field[]; readonly on?: number }
  | { readonly reset: Http2ErrorName | number; readonly on?: number }
  | { readonly until: 'head' | 'interim' | 'end' | 'reset'; readonly on?: number }
  | { readonly until: 'settings' | 'settings-ack' | 'pong' | 'ping' | 'goaway' | 'two goaways' | 'close' }
  | { readonly untilBytes: number; readonly on?: number }
  | { readonly credit: number; readonly on?: number } // on: 0 for the connection, which is the default
  | { readonly ping: string }
  | { readonly settings: Http2Settings }
  | { readonly goaway: Http2ErrorName | number; readonly last?: number }
  /** Payload as latin1 text. */
  | {
      readonly frame: readonly [type: number, flags: number, stream: number, payload?: string];
      readonly times?: number;
    }
  | { readonly raw: string }
  | { readonly wait: number }
  | { readonly awaitUpstream: number } // until the upstreams received so many request heads in this case
  | { readonly awaitClients: number } // until so many clients of this case ran all their steps
  | { readonly admin: string } // a request to the proxy's admin interface: 'POST /drain_listeners'
  | 'stop-reading'
  | 'go-on-reading'
  | 'half-close'
  | 'reset-connection'
  | 'close';

export type Http2ClientResult = {
  streams: Http2StreamRecord[];
  connection: Http2ConnectionRecord;
  fate: 'open' | 'fin' | 'rst' | 'refused';
  timedOut: string[];
  elapsedMs: number;
  tls?: SeenTls;
};

export type Http2ClientOptions = {
  readonly timeoutMs: number;
  /** How long the connection is watched for a close at the end. */
  readonly probeMs: number;
  readonly sessions?: TlsSessions;
  readonly awaitUpstream: (count: number) => Promise<boolean>;
  readonly awaitClients: (count: number) => Promise<boolean>;
  readonly admin: (request: string) => Promise<unknown>;
};

export async function runHttp2Client(
  port: number,
  steps: readonly Http2Step[],
  options: Http2ClientOptions,
): Promise<Http2ClientResult> {
  const startedAt = performance.now();
  const client = new Http2Client(port, steps, options);
  await client.run(steps);
  return client.finish(performance.now() - startedAt);
}

class Http2Client {
  readonly #options: Http2ClientOptions;
  readonly #waiters = new Set<() => void>();
  readonly #timedOut: string[] = [];
  #socket: Socket;
  #peer: Http2Peer;
  #peerOptions: Http2PeerOptions;
  #tls: SeenTls | null = null;
  #hasBegun = false;
  #hasReset = false;
  #fate: Http2ClientResult['fate'] = 'open';

  constructor(port: number, steps: readonly Http2Step[], options: Http2ClientOptions) {
    this.#options = options;
    const hello = steps.find((step) => typeof step === 'object' && 'hello' in step);
    this.#peerOptions = (hello as { hello: Http2PeerOptions } | undefined)?.hello ?? {};
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#peer = this.#listen(this.#socket);
  }

  #listen(socket: Socket): Http2Peer {
    const peer = new Http2Peer(socket, this.#peerOptions, () => this.#wake());
    socket.on('data', (chunk: Buffer) => peer.receive(chunk));
    socket.on('end', () => this.#end('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isTls = error.code?.startsWith('ERR_SSL') === true || this.#tls?.error === 'closed';
      this.#end(error.code === 'ECONNREFUSED' ? 'refused' : isTls ? 'fin' : 'rst');
    });
    return peer;
  }

  async run(steps: readonly Http2Step[]): Promise<void> {
    for (const step of steps) {
      if (typeof step === 'object' && 'tls' in step) {
        await this.#startTls(step.tls);
        continue;
      }
      if (!this.#hasBegun) {
        this.#hasBegun = true;
        const hello = typeof step === 'object' && 'hello' in step ? step.hello : {};
        this.#peer.raw(Buffer.from(hello.preface ?? PREFACE, 'latin1'));
        if (hello.sendsSettings !== false) this.#peer.begin();
      }
      await this.#perform(step);
    }
    if (this.#options.probeMs > 0 && !this.#hasReset && !this.#socket.destroyed) {
      await this.#until('', () => false, this.#options.probeMs);
    }
  }

  finish(elapsedMs: number): Http2ClientResult {
    const fate = this.#fate;
    this.#socket.on('error', () => {});
    this.#socket.end();
    this.#socket.destroy();
    const streams = structuredClone([...this.#peer.streams.values()]).sort((a, b) => a.id - b.id);
    const connection = structuredClone(this.#peer.record);
    const tls = this.#tls === null ? {} : { tls: this.#tls };
    return { streams, connection, fate, timedOut: this.#timedOut, elapsedMs, ...tls };
  }

  async #startTls(options: TlsClientOptions): Promise<void> {
    let isDone = false;
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => {});
    const done = (): void => {
      isDone = true;
      this.#wake();
    };
    const sessions = this.#options.sessions ?? new Map();
    const { socket, seen } = openTls(this.#socket, options, sessions, done, () => this.#wake());
    this.#socket = socket;
    this.#tls = seen;
    this.#peer = this.#listen(socket);
    await this.#until('tls', () => isDone);
  }

  async #perform(step: Exclude<Http2Step, { tls: unknown }>): Promise<void> {
    if (typeof step === 'string') this.#performWord(step);
    else if ('wait' in step) await sleep(step.wait);
    else if ('awaitUpstream' in step) await this.#options.awaitUpstream(step.awaitUpstream);
    else if ('awaitClients' in step) await this.#options.awaitClients(step.awaitClients);
    else if ('admin' in step) await this.#options.admin(step.admin);
    else if ('untilBytes' in step) {
      const { untilBytes, on = 1 } = step;
      await this.#until(`${untilBytes} bytes on ${on}`, () => (this.#stream(on)?.body.length ?? 0) >= untilBytes);
    } else if ('until' in step) await this.#await(step.until, 'on' in step ? step.on : 1);
    else this.#send(step);
  }

  #performWord(word: Extract<Http2Step, string>): void {
    if (word === 'stop-reading') this.#socket.pause();
    else if (word === 'go-on-reading') this.#socket.resume();
    else if (word === 'half-close') this.#socket.end();
    else if (word === 'close') this.#socket.destroy();
    else {
      this.#hasReset = true;
      resetSocket(this.#socket);
    }
  }

  #send(step: object): void {
    const peer = this.#peer;
    const { on = 1 } = step as { on?: number };
    const told = step as Extract<Http2Step, object>;
    if ('head' in told) peer.sendHead(on, told.head, told.end ?? false);
    else if ('data' in told) peer.sendData(on, bytesOf(told.data), told.end ?? false);
    else if ('trailers' in told) peer.sendHead(on, told.trailers, true);
    else if ('reset' in told) peer.reset(on, told.reset);
    else if ('credit' in told) peer.raw(windowUpdateFrame(told.on ?? 0, told.credit));
    else if ('ping' in told) peer.raw(frame(6, 0, 0, Buffer.from(told.ping, 'latin1')));
    else if ('settings' in told) peer.raw(settingsFrame(told.settings));
    else if ('goaway' in told) peer.goaway(told.last ?? 0, told.goaway);
    else if ('frame' in told) {
      const [type, flags, stream, payload = ''] = told.frame;
      const one = frame(type, flags, stream, Buffer.from(payload, 'latin1'));
      peer.raw(Buffer.concat(Array.from({ length: told.times ?? 1 }, () => one)));
    } else if ('raw' in told) peer.raw(Buffer.from(told.raw, 'latin1'));
  }

  async #await(what: string, on = 1): Promise<void> {
    const { record } = this.#peer;
    const isThere = (): boolean => {
      const stream = this.#stream(on);
      switch (what) {
        case 'head':
          return stream !== undefined && (stream.head !== null || stream.reset !== '');
        case 'interim':
          return (stream?.interims.length ?? 0) > 0;
        case 'end':
          return stream !== undefined && (stream.isEnded || stream.reset !== '');
        case 'reset':
          return stream !== undefined && stream.reset !== '';
        case 'settings':
          return record.settings !== null;
        case 'settings-ack':
          return record.settingsAcks > 0;
        case 'pong':
          return record.pongs.length > 0;
        case 'ping':
          return record.pings > 0;
        case 'goaway':
          return record.goaways.length > 0;
        case 'two goaways':
          return record.goaways.length > 1;
        default:
          return false;
      }
    };
    await this.#until(on === 1 ? what : `${what} on ${on}`, isThere);
  }

  #stream(id: number): Http2StreamRecord | undefined {
    return this.#peer.streams.get(id);
  }

  /** Waits until the condition is met or the connection is over; notes under this name that neither came in time. */
  async #until(what: string, condition: () => boolean, timeoutMs = this.#options.timeoutMs): Promise<void> {
    const isMet = (): boolean => condition() || this.#fate !== 'open';
    if (isMet()) return;
    const done = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => done.resolve(false), timeoutMs);
    const waiter = (): void => {
      if (isMet()) done.resolve(true);
    };
    this.#waiters.add(waiter);
    const wasMet = await done.promise;
    this.#waiters.delete(waiter);
    clearTimeout(timer);
    if (!wasMet && what !== '') this.#timedOut.push(what);
  }

  #end(fate: Http2ClientResult['fate']): void {
    if (this.#fate === 'open') this.#fate = fate;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

/** A text, or so many bytes of a pattern. */
export function bytesOf(data: string | number): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'latin1');
  const bytes = Buffer.allocUnsafe(data);
  for (let i = 0; i < data; i++) bytes[i] = 33 + (i % 89);
  return bytes;
}
