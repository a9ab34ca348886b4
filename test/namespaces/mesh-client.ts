// Clients of a captured mesh, who live elsewhere: HTTP/1, HTTP/2 or plain bytes, in plain text or with an identity.
import { type IncomingMessage, request as httpRequest } from 'node:http';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import * as tls from 'node:tls';
import type { TestCertificate } from '../support/certificates.ts';
import type { Namespace } from './lab.ts';

const LONGEST_MS = 20_000;
/** Whoever says nothing for so long has nothing to say, and nothing more after the first bytes. */
const SILENT_MS = 5000;
const QUIET_MS = 500;

export type Call = {
  /** 'ADDRESS:PORT' */
  readonly to: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** HTTP/2 with prior knowledge, or over TLS. */
  readonly isHttp2?: boolean;
  /** Bytes instead of HTTP: sent, and what comes is read to its end, or until nothing comes any more. */
  readonly bytes?: string;
  /** TLS as this identity (null: none), with these protocols. */
  readonly as?: TestCertificate | null;
  readonly alpn?: readonly string[];
  readonly sni?: string;
};

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers?: Readonly<Record<string, unknown>>;
  /** How it went instead: an error's code, or bytes. */
  readonly instead?: string;
  readonly alpn?: string;
};

export class MeshClient {
  readonly #place: Namespace;

  constructor(place: Namespace) {
    this.#place = place;
  }

  async call(call: Call): Promise<Answer> {
    let socket: net.Socket | null = null;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Answer>((resolve) => {
      timer = setTimeout(() => resolve({ status: 0, headers: {}, body: '', instead: 'silence' }), LONGEST_MS);
    });
    try {
      socket = await this.#connect(call);
      return await Promise.race([this.#talk(call, socket), late]);
    } catch (error) {
      return { status: 0, headers: {}, body: '', instead: failureOf(error) };
    } finally {
      clearTimeout(timer);
      socket?.destroy();
    }
  }

  /** HTTP/2 waits for the connection itself: what the peer says first must not come before it listens. */
  async #connect({ to, as, alpn, sni, isHttp2 = false }: Call): Promise<net.Socket> {
    const [address = '', port = ''] = to.split(':');
    const raw = this.#place.connect({ family: 'ipv4', address, port: Number(port) });
    if (as === undefined) {
      if (!isHttp2) await once(raw, 'connect');
      return raw;
    }
    const identity = as === null ? {} : { cert: as.chainPem, key: as.keyPem };
    const socket = tls.connect({
      ...{ socket: raw, rejectUnauthorized: false, ...identity },
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
      ...(sni === undefined ? {} : { servername: sni }),
    });
    if (!isHttp2) await once(socket, 'secureConnect');
    return socket;
  }

  async #talk(call: Call, socket: net.Socket): Promise<Answer> {
    const talk = call.isHttp2 === true ? overHttp2 : overHttp1;
    const answer = call.bytes === undefined ? await talk(call, socket) : await sendBytes(socket, call.bytes);
    return socket instanceof tls.TLSSocket ? { ...answer, alpn: String(socket.alpnProtocol) } : answer;
  }
}

function once(socket: net.Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

function failureOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  // What a peer says in TLS differs in the library's words only.
  return (code ?? message).replace(/^ERR_SSL_/, '').replace(/^SSL\/TLS_|^TLSV1_ALERT_|^SSLV3_ALERT_/, '');
}

function sendBytes(socket: net.Socket, bytes: string): Promise<Answer> {
  return new Promise((resolve) => {
    let text = '';
    let quiet: NodeJS.Timeout | undefined;
    const done = (end: string): void => resolve({ status: 0, headers: {}, body: text, instead: end });
    const wait = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => done('open'), text === '' ? SILENT_MS : QUIET_MS);
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      wait();
    });
    socket.on('end', () => done('end')).on('error', (error) => done(failureOf(error)));
    socket.on('close', () => done('close'));
    socket.write(Buffer.from(bytes, 'latin1'));
    wait();
  });
}

function overHttp1(
  { method = 'GET', path = '/', headers = {}, body = '', to }: Call,
  socket: net.Socket,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, path, headers: { host: to, ...headers }, createConnection: () => socket };
    const request = httpRequest(options, (response) => void read(response).then(resolve, reject));
    request.on('error', reject);
    request.on('upgrade', (response, upgraded, head: Buffer) => {
      let text = head.toString('latin1');
      upgraded.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      upgraded.on('end', () => resolve({ ...headOf(response), body: text }));
      upgraded.write('ping');
    });
    request.end(body);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  let body = '';
  for await (const chunk of response) body += (chunk as Buffer).toString('latin1');
  return { ...headOf(response), body, trailers: response.trailers };
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Answer {
  return { status: statusCode, headers: { ...headers }, body: '' };
}

function overHttp2(
  { method = 'GET', path = '/', headers = {}, body = '', to }: Call,
  socket: net.Socket,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://${to}`, { createConnection: () => socket });
    session.on('error', reject);
    const { host, ...others } = headers;
    const fields = { ':method': method, ':path': path, ':authority': host ?? to, ...others };
    const stream = session.request(fields, { endStream: body === '' });
    let head: Readonly<Record<string, unknown>> = {};
    let trailers: Readonly<Record<string, unknown>> = {};
    let text = '';
    stream.on('response', (response) => {
      head = { ...response };
    });
    stream.on('trailers', (received) => {
      trailers = { ...received };
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    stream.on('error', reject);
    stream.on('end', () => {
      const { ':status': status, ...shown } = head;
      resolve({ status: Number(status), headers: shown, body: text, trailers });
      session.close();
    });
    if (body !== '') stream.end(body);
  });
}
