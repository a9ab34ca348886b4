// Servers and clients of node:http2 and node:http for tests on real sockets: bodies that can be checked, both ways.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Slices of it are what is sent. */
const NOISE = randomBytes(4 * 1024 * 1024);
const PIECE_BYTES = 64 * 1024;
/** Node refuses streams of its own when more waits. */
const MOST_MEMORY_MB = 1000;

/** `bytes` bytes of noise, from a place that `seed` tells; whoever knows both can check them. */
export function* noise(bytes: number, seed = 0): Generator<Buffer> {
  let at = (seed * 7_919) % (NOISE.length - PIECE_BYTES);
  for (let left = bytes; left > 0; ) {
    const piece = NOISE.subarray(at, at + Math.min(left, PIECE_BYTES));
    yield piece;
    left -= piece.length;
    at = at + PIECE_BYTES * 2 > NOISE.length ? 0 : at + PIECE_BYTES;
  }
}

export function noiseHash(bytes: number, seed = 0): string {
  const hash = createHash('sha256');
  for (const piece of noise(bytes, seed)) hash.update(piece);
  return hash.digest('hex');
}

/** Reads to the end; how much there was, and its hash. */
export async function readAll(body: Readable): Promise<{ bytes: number; hash: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of body) {
    bytes += (piece as Buffer).length;
    hash.update(piece as Buffer);
  }
  return { bytes, hash: hash.digest('hex') };
}

export type NodeServer = {
  readonly port: number;
  /** Of HTTP/2, those that are open. */
  readonly sessions: Set<http2.ServerHttp2Session>;
  /** Requests so far. */
  requests: number;
  close(): Promise<void>;
};

type Exchange = {
  readonly path: string;
  readonly request: Readable;
  readonly respond: (trailers: boolean) => Writable;
  readonly trailers: (fields: Record<string, string>) => void;
};

/**
 * By path: /echo sends back what comes, with its hash as trailers; /get/BYTES/SEED sends noise; /sink reads, and then
 * says how much; /stall reads nothing before /release is asked for.
 */
export async function startNodeServer(kind: 'http1' | 'http2'): Promise<NodeServer> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const stalled: Readable[] = [];
  let requests = 0;
  const serve = (exchange: Exchange): void => {
    requests++;
    serveExchange(exchange, stalled).catch(() => {});
  };
  const server = kind === 'http2' ? http2.createServer({ settings: { enableConnectProtocol: true } }) : null;
  const old = kind === 'http1' ? http.createServer({ keepAliveTimeout: 60_000 }) : null;
  server?.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server?.on('stream', (stream, headers) => {
    let last: Record<string, string> = {};
    stream.on('error', () => {});
    stream.on('wantTrailers', () => stream.sendTrailers(last));
    const respond = (waitForTrailers: boolean): Writable => {
      if (!stream.headersSent && !stream.destroyed) stream.respond({ ':status': 200 }, { waitForTrailers });
      return stream;
    };
    const trailers = (fields: Record<string, string>): void => {
      last = fields;
    };
    serve({ path: headers[':path'] ?? '', request: stream, respond, trailers });
  });
  old?.on('request', (request, response) => {
    request.on('error', () => {});
    const respond = (hasTrailers: boolean): Writable => {
      response.writeHead(200, hasTrailers ? { trailer: 'x-hash' } : {});
      return response;
    };
    const trailers = (fields: Record<string, string>): void => response.addTrailers(fields);
    serve({ path: request.url ?? '', request, respond, trailers });
  });
  const listening = (server ?? old) as http.Server | http2.Http2Server;
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return {
    port: (listening.address() as AddressInfo).port,
    sessions,
    get requests() {
      return requests;
    },
    async close() {
      for (const session of sessions) session.destroy();
      old?.closeAllConnections();
      listening.close();
      await once(listening, 'close');
    },
  };
}

async function serveExchange({ path, request, respond, trailers }: Exchange, stalled: Readable[]): Promise<void> {
  const [, what = '', bytes = '0', seed = '0'] = path.split('/');
  if (what === 'echo') {
    const hash = createHash('sha256');
    const response = respond(true);
    request.on('data', (piece: Buffer) => hash.update(piece));
    request.on('end', () => trailers({ 'x-hash': hash.digest('hex') }));
    await pipeline(request, response);
    return;
  }
  if (what === 'get') {
    request.resume();
    await pipeline(noise(Number(bytes), Number(seed)), respond(false));
    return;
  }
  if (what === 'stall') {
    request.pause();
    stalled.push(request);
  } else if (what === 'release') for (const one of stalled.splice(0)) one.resume();
  const { bytes: read, hash } = await readAll(request);
  respond(false).end(`${read} ${hash}`);
}

export type Answer = {
  readonly status: number;
  readonly bytes: number;
  readonly hash: string;
  readonly trailers: Readonly<Record<string, unknown>>;
};

/** A client of either protocol. */
export type NodeClient = {
  /** Null once it may not be used for more. */
  readonly session: http2.ClientHttp2Session | null;
  /** Sends so many bytes of noise; no body for -1. */
  ask(path: string, bytes?: number, seed?: number): Promise<Answer>;
  close(): Promise<void>;
};

export function http2Client(port: number, ca?: string): NodeClient {
  const tls = ca === undefined ? {} : { ca, servername: 'test.example' };
  const options = { ...tls, maxSessionMemory: MOST_MEMORY_MB };
  const session = http2.connect(`${ca === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, options);
  session.on('error', () => {});
  const ask = async (path: string, bytes = -1, seed = 0): Promise<Answer> => {
    const head = { ':path': path, ':method': bytes < 0 ? 'GET' : 'POST' };
    const stream = session.request(head, { endStream: bytes < 0 });
    let trailers: Readonly<Record<string, unknown>> = {};
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    const response = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders & { ':status'?: number }]>;
    // The last to be awaited must not fail first without anybody listening.
    const sending = bytes < 0 ? Promise.resolve() : sendNoise(stream, bytes, seed);
    const [[headers], , body] = await Promise.all([response, sending, readAll(stream)]);
    return { status: headers[':status'] ?? 0, ...body, trailers };
  };
  const close = async (): Promise<void> => {
    if (session.closed || session.destroyed) return;
    session.close();
    await once(session, 'close');
  };
  return { session, ask, close };
}

export function http1Client(port: number): NodeClient {
  const agent = new http.Agent({ keepAlive: true });
  const ask = async (path: string, bytes = -1, seed = 0): Promise<Answer> => {
    const request = http.request({ port, host: '127.0.0.1', path, agent, method: bytes < 0 ? 'GET' : 'POST' });
    const response = once(request, 'response') as Promise<[http.IncomingMessage]>;
    const sending = bytes < 0 ? Promise.resolve(request.end()) : sendNoise(request, bytes, seed);
    const read = response.then(async ([message]) => ({ message, body: await readAll(message) }));
    const [{ message, body }] = await Promise.all([read, sending]);
    return { status: message.statusCode ?? 0, ...body, trailers: message.trailers };
  };
  return { session: null, ask, close: async () => agent.destroy() };
}

async function sendNoise(to: Writable, bytes: number, seed: number): Promise<void> {
  for (const piece of noise(bytes, seed)) if (!to.write(piece)) await once(to, 'drain');
  to.end();
}
