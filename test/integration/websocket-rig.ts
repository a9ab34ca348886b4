// Heddle between WebSocket clients and servers of either version of HTTP, both of them Node’s.
import { createServer as createHttp1 } from 'node:http';
import * as http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bootstrap, cluster, fillPlaceholders, http, route, toYaml } from '../differential/config.ts';
import { http2Cluster } from '../differential/cases/http2-exchange.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { acceptKey, WebSocketPeer } from '../support/websocket-peer.ts';
import { scratchFolder } from './heddle.ts';

export type Version = 'h1' | 'h2';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export class WebSocketRig {
  readonly proxy: ProxyProcess;
  /** Servers' ends in the order of their beginning. */
  readonly served: WebSocketPeer[] = [];
  /** What a server's end does with what comes; echoes by itself. */
  onServed: (peer: WebSocketPeer) => void = echo;
  readonly #port: number;
  readonly #closers: (() => void)[] = [];
  #session: http2.ClientHttp2Session | null = null;

  private constructor(proxy: ProxyProcess, port: number) {
    this.proxy = proxy;
    this.#port = port;
  }

  static async start(): Promise<WebSocketRig> {
    const [listen, h1, h2] = [await freePort(), await freePort(), await freePort()];
    const upgrade = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
    const config = bootstrap({
      listeners: [
        http({
          name: 'main',
          log: null,
          routes: [route('/h1', 'h1', { timeout: '0s' }), route('/h2', 'h2', { timeout: '0s' })],
          hcm: { codec_type: 'AUTO', http2_protocol_options: { allow_connect: true }, ...upgrade },
        }),
      ],
      clusters: [
        cluster('h1', ['h1']),
        { ...http2Cluster('h2', { allow_connect: true }), load_assignment: cluster('h2', ['h2'])['load_assignment'] },
      ],
    });
    const ports = new Map<string, string | number>([
      ['listen.main', listen],
      ['listen.barrier', await freePort()],
      ['backend.h1', h1],
      ['backend.h2', h2],
      ['log', '/dev/null'],
    ]);
    const proxy = await startProxy('heddle', fillPlaceholders(toYaml(config), ports), scratchFolder());
    const rig = new WebSocketRig(proxy, listen);
    await Promise.all([rig.#serveHttp1(h1), rig.#serveHttp2(h2)]);
    return rig;
  }

  async stop(): Promise<void> {
    this.#session?.destroy();
    for (const { stream } of this.served) stream.destroy();
    for (const close of this.#closers) close();
    await this.proxy.stop();
  }

  // ─── Servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  #serve(stream: Duplex): void {
    const peer = new WebSocketPeer(stream, false);
    this.served.push(peer);
    this.onServed(peer);
  }

  async #serveHttp1(port: number): Promise<void> {
    const server = createHttp1();
    const sockets = new Set<Duplex>();
    server.on('upgrade', (request, socket: Duplex) => {
      sockets.add(socket);
      const accept = acceptKey(request.headers['sec-websocket-key'] ?? '');
      const extensions = request.headers['sec-websocket-extensions'];
      const more = extensions === undefined ? '' : `sec-websocket-extensions: ${extensions}\r\n`;
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
          `sec-websocket-accept: ${accept}\r\n${more}\r\n`,
      );
      this.#serve(socket);
    });
    this.#closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  }

  async #serveHttp2(port: number): Promise<void> {
    const server = http2.createServer({ settings: { enableConnectProtocol: true } });
    const sessions = new Set<http2.ServerHttp2Session>();
    server.on('session', (session) => sessions.add(session));
    server.on('stream', (stream, headers) => {
      const isWebSocket = headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket';
      stream.on('error', () => undefined);
      if (!isWebSocket) {
        stream.respond({ ':status': 400 }, { endStream: true });
        return;
      }
      const extensions = headers['sec-websocket-extensions'];
      stream.respond({
        ':status': 200,
        ...(extensions === undefined ? {} : { 'sec-websocket-extensions': extensions }),
      });
      this.#serve(stream);
    });
    this.#closers.push(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  }

  // ─── Clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens a WebSocket to a server of `to`; `headers` go with the wish. */
  async open(from: Version, to: Version, headers: Readonly<Record<string, string>> = {}): Promise<WebSocketPeer> {
    return from === 'h1' ? openHttp1WebSocket(this.#port, `/${to}`, headers) : this.#openHttp2(`/${to}`, headers);
  }

  /** All on one connection. */
  async #openHttp2(path: string, headers: Readonly<Record<string, string>>): Promise<WebSocketPeer> {
    const session = await this.#http2Session();
    const stream = session.request(
      { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13', ...headers },
      { endStream: false },
    );
    const status = await new Promise<unknown>((resolve, reject) => {
      stream.once('response', (fields) => resolve(fields[':status']));
      stream.once('error', reject);
    });
    if (status !== 200) throw new Error(`refused: ${String(status)}`);
    return new WebSocketPeer(stream, true);
  }

  async #http2Session(): Promise<http2.ClientHttp2Session> {
    if (this.#session !== null) return this.#session;
    const session = http2.connect(`http://127.0.0.1:${this.#port}`);
    this.#session = session;
    session.on('error', () => undefined);
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    return session;
  }
}

export function echo(peer: WebSocketPeer): void {
  peer.onMessage = ({ isText, data, reserved }) => peer.send(isText ? data.toString() : data, reserved);
}

/** A client's end over HTTP/1; rejects with the head of another answer than 101. */
export async function openHttp1WebSocket(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<WebSocketPeer> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const made = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }, () => resolve(made));
    made.once('error', reject);
  });
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: rig.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
      `sec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n${more.join('')}\r\n`,
  );
  const { head, rest } = await readHead(socket);
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`refused: ${head}`);
  if (path === '/h1' && !head.includes(`sec-websocket-accept: ${acceptKey(KEY)}`)) throw new Error(`accept: ${head}`);
  return new WebSocketPeer(socket, true, rest);
}

/** Up to the blank line; what follows is the socket's next bytes. */
async function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of readable(socket)) {
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end >= 0) return { head: bytes.subarray(0, end).toString('latin1'), rest: bytes.subarray(end + 4) };
  }
  throw new Error(`closed: ${bytes.toString('latin1')}`);
}

async function* readable(socket: Socket): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) yield chunk;
    else if (socket.readableEnded || socket.destroyed) return;
    else await new Promise<void>((resolve) => socket.once('readable', resolve).once('end', resolve));
  }
}
