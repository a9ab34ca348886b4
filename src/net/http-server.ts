// Small HTTP servers for people and tools: status pages, JSON, server-sent events. Traffic never passes here.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { nodeHttp } from './node-http.ts';

export type HttpRequest = {
  readonly method: string;
  /** Decoded by nobody: as it was sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly remoteAddress: string;
};

export type HttpReply = {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
};

/** An open answer to which events are added until the client is gone. */
export type EventStream = {
  /** `event` names it; data goes as JSON. False when the client reads too slowly and the event was dropped. */
  send(event: string, data: unknown): boolean;
  readonly isClosed: boolean;
  onClose(closed: () => void): void;
};

export type HttpAnswer = HttpReply | { readonly events: (stream: EventStream) => void };
export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

export type HttpServerOptions = {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Path of a unix socket instead of host and port. */
  readonly socketPath?: string;
};

export type HttpServer = { readonly host: string; readonly port: number; close(): void };

const MAX_BODY_BYTES = 1 << 20;
const MAX_CONNECTIONS = 256;
/** A reader of events that lets so much pile up loses events. */
const MAX_EVENT_BACKLOG_BYTES = 1 << 20;
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;

/** Starts it; the promise is rejected when the address cannot be had. */
export function startHttpServer(options: HttpServerOptions, handler: HttpHandler): Promise<HttpServer> {
  const server = nodeHttp().createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (message, response) => void answer(message, response, handler));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const isListening = (): void => {
      server.off('error', reject);
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      resolve({ host: options.host, port, close: () => close(server) });
    };
    if (options.socketPath === undefined) server.listen(options.port, options.host, isListening);
    else server.listen(options.socketPath, isListening);
  });
}

function close(server: Server): void {
  server.close();
  server.closeAllConnections();
}

async function answer(message: IncomingMessage, response: ServerResponse, handler: HttpHandler): Promise<void> {
  try {
    const body = await readBody(message);
    if (body === null) {
      const headers = { connection: 'close' };
      finish(response, { status: 413, headers, body: `bodies of more than ${MAX_BODY_BYTES} bytes are not taken\n` });
      // Who is still writing would not see the answer to a connection that is cut.
      message.resume();
      return;
    }
    const url = message.url ?? '/';
    const mark = url.indexOf('?');
    const answered = await handler({
      method: message.method ?? 'GET',
      path: mark < 0 ? url : url.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
      headers: message.headers,
      body,
      remoteAddress: message.socket.remoteAddress ?? '',
    });
    if ('events' in answered) openEvents(response, answered.events);
    else finish(response, answered);
  } catch (error) {
    if (!response.headersSent) finish(response, { status: 500, body: `${(error as Error).message}\n` });
    else response.destroy();
  }
}

async function readBody(message: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function finish(response: ServerResponse, reply: HttpReply): void {
  const type = reply.type ?? 'text/plain; charset=utf-8';
  response.writeHead(reply.status ?? 200, {
    'content-type': type,
    'content-length': Buffer.byteLength(reply.body),
    'x-content-type-options': 'nosniff',
    ...reply.headers,
  });
  response.end(reply.body);
}

function openEvents(response: ServerResponse, begin: (stream: EventStream) => void): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.flushHeaders();
  begin({
    send: (event, data) => {
      if (response.destroyed || response.writableLength > MAX_EVENT_BACKLOG_BYTES) return false;
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      return true;
    },
    get isClosed() {
      return response.destroyed;
    },
    onClose: (closed) => void response.once('close', closed),
  });
}
