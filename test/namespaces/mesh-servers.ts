// The workloads of a captured mesh: one server per address and port that speaks whatever it is spoken to, TLS or not,
// HTTP/1, HTTP/2 or anything else, and tells what it saw.
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import * as tls from 'node:tls';
import type { Capture } from '../captures/captures.ts';
import type { TestCertificate } from '../support/certificates.ts';
import type { Namespace } from './lab.ts';
import { ELSEWHERE, ODD_PORT } from './mesh-calls.ts';

export type Workload = { readonly address: string; readonly ports: readonly number[] };

/** What a workload answers an HTTP request with, as JSON. */
export type Seen = {
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** SNI, ALPN and identities of whoever asked; null for plain text. */
  readonly tls: { readonly sni: string; readonly alpn: string; readonly peer: string } | null;
  readonly from: string;
};

const HTTP1 = /^[A-Z]{2,10} [^ ]/;
const PREFACE = 'PRI * HTTP/2.0';

type Known = net.Socket & { heddleTls?: Seen['tls'] };

export class MeshServers {
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();
  readonly #http1: HttpServer;
  readonly #http2: http2.Http2Server;
  readonly #secured: tls.Server;
  readonly #place: Namespace | null;

  /** In a namespace, or where the process is. */
  constructor(identity: TestCertificate, place: Namespace | null = null) {
    this.#place = place;
    this.#http1 = createServer((request, response) => this.#answer(request, response));
    this.#http2 = http2.createServer((request, response) => this.#answer(request as never, response as never));
    this.#secured = tls.createServer(
      {
        ...{ cert: identity.chainPem, key: identity.keyPem, requestCert: true, rejectUnauthorized: false },
        ALPNCallback: ({ protocols }) => (protocols.includes('h2') ? 'h2' : protocols[0]),
      },
      (socket) => this.#speakSecurely(socket),
    );
    this.#secured.on('tlsClientError', () => undefined);
    // WebSocket and the like: the first bytes come back.
    this.#http1.on('upgrade', (_request, socket: net.Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
      socket.on('data', (chunk) => socket.end(chunk));
    });
  }

  async listen({ address, ports }: Workload): Promise<void> {
    for (const port of ports) {
      if (this.#place !== null) {
        this.#servers.push(
          await this.#place.listen({ family: 'ipv4', address, port }, (socket) => this.#accept(socket)),
        );
        continue;
      }
      const server = net.createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
      this.#servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen({ host: address, port }, resolve);
      });
    }
  }

  #accept(socket: Known): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      if (chunk[0] !== 0x16) this.#speak(socket, chunk);
      else this.#secured.emit('connection', socket);
    });
  }

  #speakSecurely(secured: tls.TLSSocket & Known): void {
    secured.heddleTls = {
      sni: String(secured.servername ?? ''),
      alpn: String(secured.alpnProtocol),
      peer: secured.getPeerX509Certificate()?.subjectAltName ?? '',
    };
    secured.on('error', () => undefined);
    if (secured.alpnProtocol === 'h2') {
      this.#http2.emit('connection', secured);
      return;
    }
    secured.once('data', (chunk: Buffer) => {
      secured.pause();
      secured.unshift(chunk);
      this.#speak(secured, chunk);
    });
  }

  #speak(socket: Known, first: Buffer): void {
    const text = first.toString('latin1');
    if (text.startsWith(PREFACE)) {
      this.#http2.emit('connection', socket);
      return;
    }
    if (HTTP1.test(text)) this.#http1.emit('connection', socket);
    else {
      const { heddleTls = null } = socket;
      const seen = { at: placeOf(socket), tls: heddleTls, from: socket.remoteAddress };
      socket.write(`${JSON.stringify(seen)} `);
      socket.on('data', (chunk) => void socket.write(chunk)).on('end', () => socket.end());
    }
    process.nextTick(() => socket.resume());
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { stream } = request as unknown as { stream?: http2.ServerHttp2Stream };
    const known: Known = (stream?.session?.socket as Known | undefined) ?? request.socket;
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    request.on('end', () => {
      const { method = '', url: path = '', httpVersion: version, headers } = request;
      const seen: Seen = {
        ...{ at: placeOf(known), method, path, version, headers, body },
        tls: known.heddleTls ?? null,
        from: known.remoteAddress ?? '',
      };
      const status = Number(/[?&]status=(\d+)/.exec(path)?.[1] ?? 200);
      response.writeHead(status, { 'content-type': 'application/json', 'x-workload': 'yes' });
      response.end(method === 'HEAD' ? '' : JSON.stringify(seen));
    });
  }

  stop(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function placeOf({ localAddress, localPort }: net.Socket): string {
  return `${localAddress}:${localPort}`;
}

/** Every endpoint of the capture, the headless ones, the application behind the proxy, and who is in no service. */
export function workloadsOf(capture: Capture): Workload[] {
  const ports = new Map<string, Set<number>>();
  const add = (address: string, port: number): unknown =>
    ports.set(address, (ports.get(address) ?? new Set()).add(port));
  const text = JSON.stringify(capture.types.get('type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'));
  for (const [, address, port] of text.matchAll(/"address":"([\d.]+)","port_value":(\d+)/g)) {
    add(address as string, Number(port));
  }
  for (const address of ['10.0.1.41', '10.0.1.42']) for (const port of [7000, 7001]) add(address, port);
  for (const address of ['10.0.1.1', '10.0.1.11']) add(address, ODD_PORT);
  for (const port of [9080, 1234, ODD_PORT]) add(ELSEWHERE, port);
  return [...ports].map(([address, set]) => ({ address, ports: [...set] }));
}

/** Service accounts that the capture names, as 'ns/NAMESPACE/sa/ACCOUNT'. */
export function accountsOf(capture: Capture): string[] {
  const found = JSON.stringify([...capture.types.values()]).matchAll(/spiffe:\/\/cluster\.local\/(ns\/[\w/.-]+)/g);
  return [...new Set([...found].map(([, account]) => account as string))];
}
