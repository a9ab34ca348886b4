// A scripted TCP server for tests: records the exact bytes of each connection and answers from a script.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { resetSocket } from './reset-socket.ts';
import { Http1Reader } from './http1-reader.ts';
import type { Message } from './http1-reader.ts';
import type { Http2ConnectionRecord } from './http2-peer.ts';
import { PREFACE } from './http2-frames.ts';
import { type Http2Script, Http2ServerConnection, startsHttp2 } from './http2-upstream.ts';
import { TcpPeer } from './tcp-peer.ts';

export type ReplyAction =
  | string // bytes to send, as latin1 text
  | { readonly wait: number }
  | { readonly awaitBytes: number } // until the request body has so many bytes
  | { readonly await: 'request' } // until the request is complete
  | { readonly echo: true } // from now on send back what arrives
  | 'stop-reading'
  | 'fin'
  | 'rst';

/** What happens to one request; a bare list starts when the request is complete. */
export type Reply = string | readonly ReplyAction[] | { readonly on: 'head'; readonly actions: readonly ReplyAction[] };

export type UpstreamScript = {
  /** The n-th entry answers the n-th request of the case on this upstream; later requests get the standard reply. */
  readonly replies: readonly Reply[];
  /** Runs on each new connection before any byte was read. */
  readonly onConnect?: readonly ReplyAction[];
  /** No script: connections are led from outside. */
  readonly isManual?: boolean;
  /** Serves connections that begin with the preface of HTTP/2. */
  readonly http2?: Http2Script;
};

export type ConnectionRecord = {
  requests: Message[];
  raw: string;
  fate: 'open' | 'fin' | 'rst';
  /** Only of servers that speak TLS. */
  tls?: SeenTlsClient;
  /** Only of connections that began with the preface of HTTP/2. */
  http2?: Http2ConnectionRecord;
};

/** What a TLS server saw of the proxy. */
export type SeenTlsClient = {
  version: string;
  cipher: string;
  sni: string;
  alpn: string;
  isResumed: boolean;
  /** Subject of the certificate it showed; '' for none. */
  client: string;
  /** What ended the handshake, or the connection afterwards: OpenSSL's reason. */
  error: string;
};

type Live = {
  socket: Socket;
  record: ConnectionRecord;
  echo: boolean;
  wake: () => void;
  /** Null: this is HTTP/1; undefined while that is open. */
  http2?: Http2ServerConnection | null;
};

export class RawUpstream {
  readonly name: string;
  /** Speaks TLS with this, from the next connection on; null: plain text. */
  tls: tls.TlsOptions | null;
  /** The connections of this case that are led from outside. */
  peers: TcpPeer[] = [];
  readonly #server: Server;
  #script: UpstreamScript = { replies: [] };
  #connections: Live[] = [];
  readonly #ticketKeys = randomBytes(48);
  #served = 0;
  #epoch = 0;

  constructor(name: string, tlsOptions: tls.TlsOptions | null = null) {
    this.name = name;
    this.tls = tlsOptions;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve());
    });
  }

  /** The number of request heads received in this case. */
  get requestCount(): number {
    return this.#connections.reduce((sum, live) => sum + live.record.requests.length, 0);
  }

  /** The number of requests received in full in this case. */
  get completeCount(): number {
    return this.#connections.reduce(
      (sum, live) => sum + live.record.requests.filter((message) => message.complete).length,
      0,
    );
  }

  beginCase(script: UpstreamScript): void {
    this.#script = script;
    this.#served = 0;
    this.peers = [];
  }

  /** Returns what arrived in this case, then closes every connection and waits until the proxy closed its side. */
  async endCase(): Promise<ConnectionRecord[]> {
    const connections = this.#connections;
    const records = connections.map(({ record }) => structuredClone(record));
    this.#epoch++;
    for (const live of connections) live.http2?.stop();
    await Promise.all(connections.map((live) => closeGently(live.socket)));
    this.#connections = [];
    return records;
  }

  async close(): Promise<void> {
    for (const live of this.#connections) live.socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const record: ConnectionRecord = { requests: [], raw: '', fate: 'open' };
    const live: Live = { socket, record, echo: false, wake: () => {} };
    if (this.#script.isManual !== true) this.#connections.push(live);
    if (this.tls === null) this.#serve(live);
    else this.#secure(live, this.tls);
  }

  /** A server for each connection, so that what it tells is known to be of this one. */
  #secure(live: Live, options: tls.TlsOptions): void {
    const seen: SeenTlsClient = { version: '', cipher: '', sni: '', alpn: '', isResumed: false, client: '', error: '' };
    live.record.tls = seen;
    const server = tls.createServer({ allowHalfOpen: true, ticketKeys: this.#ticketKeys, ...options });
    const onError = (error: NodeJS.ErrnoException & { reason?: string }): void => {
      seen.error ||= error.reason ?? error.code ?? error.message;
    };
    server.once('secureConnection', (socket) => {
      seen.version = socket.getProtocol() ?? '';
      seen.cipher = socket.getCipher().name;
      seen.sni = socket.servername || '';
      seen.alpn = socket.alpnProtocol || '';
      seen.isResumed = socket.isSessionReused();
      seen.client = socket.getPeerX509Certificate()?.subject ?? '';
      socket.on('error', onError);
      live.socket = socket;
      this.#serve(live);
    });
    server.once('tlsClientError', (error) => {
      onError(error);
      live.record.fate = 'fin';
    });
    live.socket.on('error', () => {});
    server.emit('connection', live.socket);
  }

  #serve(live: Live): void {
    const { socket, record } = live;
    if (this.#script.isManual === true) {
      this.peers.push(new TcpPeer(socket, this.name));
      return;
    }
    const waiters = new Set<() => void>();
    live.wake = () => waiters.forEach((waiter) => waiter());
    const until = (condition: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition() && !socket.destroyed) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
        check();
      });
    const reader = new Http1Reader('request', [], (message, event) => {
      record.requests = reader.messages;
      if (event === 'head') this.#begin(live, message, until);
      live.wake();
    });
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      if (live.http2 instanceof Http2ServerConnection) {
        live.http2.receive(chunk);
        return;
      }
      record.raw += text;
      if (live.http2 === undefined && this.#isHttp2(live)) return;
      if (live.echo) socket.write(chunk);
      reader.feed(live.http2 === undefined ? record.raw : text);
      live.http2 = null;
      live.wake();
    });
    socket.on('end', () => {
      reader.end();
      if (record.fate === 'open') record.fate = 'fin';
      live.wake();
      // A proxy that half-closes is done with this connection unless a reply is still being written.
      setImmediate(() => {
        if (this.#connections.includes(live) && socket.writableLength === 0) socket.end();
      });
    });
    socket.on('error', () => {
      if (record.fate === 'open') record.fate = 'rst';
    });
    socket.on('close', () => live.wake());
    if (this.#script.onConnect !== undefined) void this.#perform(live, this.#script.onConnect, null, until);
  }

  /** Returns whether this is HTTP/2, or may still become it. */
  #isHttp2(live: Live): boolean {
    const { socket, record } = live;
    const starts = startsHttp2(record.raw);
    if (starts !== true) return starts === undefined;
    const served = new Http2ServerConnection(this.name, socket, this.#script.http2 ?? {}, () => this.#served++);
    live.http2 = served;
    record.requests = served.requests;
    record.http2 = served.record;
    served.receive(Buffer.from(record.raw.slice(PREFACE.length), 'latin1'));
    record.raw = '';
    return true;
  }

  #begin(live: Live, message: Message, until: (condition: () => boolean) => Promise<void>): void {
    const number = this.#served++;
    const reply = this.#script.replies[number] ?? standardReply(this.name, number);
    const onHead = typeof reply === 'object' && 'on' in reply;
    const actions: readonly ReplyAction[] =
      typeof reply === 'string' ? [reply] : onHead ? reply.actions : (reply as readonly ReplyAction[]);
    const isRaw = message.framing === 'raw';
    const start = onHead || isRaw ? Promise.resolve() : until(() => message.complete);
    void start.then(() => this.#perform(live, actions, message, until));
  }

  async #perform(
    live: Live,
    actions: readonly ReplyAction[],
    message: Message | null,
    until: (condition: () => boolean) => Promise<void>,
  ): Promise<void> {
    const epoch = this.#epoch;
    const { socket } = live;
    for (const action of actions) {
      if (socket.destroyed || epoch !== this.#epoch) return;
      if (action === 'fin') socket.end();
      else if (action === 'rst') resetSocket(socket);
      else if (action === 'stop-reading') socket.pause();
      else if (typeof action === 'string') socket.write(action, 'latin1');
      else if ('wait' in action) await sleep(action.wait);
      else if ('echo' in action) live.echo = true;
      else if ('await' in action) await until(() => message === null || message.complete);
      else await until(() => (message?.body.length ?? 0) >= action.awaitBytes);
    }
  }
}

function closeGently(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    const timer = setTimeout(() => resetSocket(socket), 300);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on('end', () => socket.destroy());
    socket.resume();
    socket.end();
    if (socket.readableEnded) socket.destroy();
  });
}

function standardReply(name: string, number: number): string {
  const body = `${name} ${number}`;
  return `HTTP/1.1 200 OK\r\nx-backend: ${name}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}
