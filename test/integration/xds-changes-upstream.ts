// An upstream that speaks everything on each of its ports: HTTP/1, HTTP/2 and either over TLS; it echoes streams.
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TestCertificate } from '../support/certificates.ts';
import { acceptKey, WebSocketPeer } from '../support/websocket-peer.ts';
import { echo } from './websocket-rig.ts';

export type ManyTongues = {
  readonly port: number;
  /** Requests so far, and how many of them came over TLS and over HTTP/2. */
  readonly counts: { requests: number; secure: number; http2: number };
  stop(): void;
};

const TLS_HANDSHAKE = 0x16;
/** HTTP/2's preface begins with PRI. */
const PREFACE = 'PRI';

/** Requests are answered with their path; gRPC calls and WebSockets get back what they send. */
export async function startManyTongues(identity: TestCertificate): Promise<ManyTongues> {
  const counts = { requests: 0, secure: 0, http2: 0 };
  const sockets = new Set<Socket>();
  const answer = (request: http.IncomingMessage | http2.Http2ServerRequest): string => {
    counts.requests++;
    if ('encrypted' in request.socket) counts.secure++;
    if (request.httpVersionMajor === 2) counts.http2++;
    return request.url ?? '';
  };
  const serve1 = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    request.resume();
    response.end(answer(request));
  };
  const serve2 = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void => {
    response.stream.on('error', () => undefined);
    if (request.headers['content-type']?.startsWith('application/grpc') === true) serveGrpc(request, response);
    else {
      request.resume();
      response.end(answer(request));
    }
  };
  const old = http.createServer({ keepAliveTimeout: 300_000 }, serve1);
  const young = http2.createServer(serve2 as never);
  const secure = http2.createSecureServer(
    { allowHTTP1: true, cert: identity.chainPem, key: identity.keyPem },
    (request, response) => {
      if (request.httpVersionMajor === 2) serve2(request, response);
      else serve1(request as never, response as never);
    },
  );
  for (const server of [old, secure]) server.on('upgrade', serveWebSocket);
  for (const server of [young, secure]) server.on('session', (session) => session.on('error', () => undefined));
  secure.on('tlsClientError', () => undefined);
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (first: Buffer) => {
      socket.pause();
      const isPreface = first.latin1Slice(0, PREFACE.length) === PREFACE;
      const tongue = first[0] === TLS_HANDSHAKE ? secure : isPreface ? young : old;
      socket.unshift(first);
      tongue.emit('connection', socket);
      process.nextTick(() => socket.resume());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, counts, stop };
}

function serveGrpc(request: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void {
  response.addTrailers({ 'grpc-status': '0' });
  response.writeHead(200, { 'content-type': 'application/grpc' });
  request.pipe(response);
}

function serveWebSocket(request: http.IncomingMessage, socket: Duplex): void {
  socket.on('error', () => undefined);
  const accept = acceptKey(request.headers['sec-websocket-key'] ?? '');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      `sec-websocket-accept: ${accept}\r\n\r\n`,
  );
  echo(new WebSocketPeer(socket, false));
}
