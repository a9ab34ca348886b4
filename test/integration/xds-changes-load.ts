// Clients that keep a proxy busy while its configuration changes, and note everything that fails.
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { locatePeer } from '../../scripts/peers.ts';
import { frameMessage } from '../../src/wire/grpc/framing.ts';
import { runProgram } from '../support/run-program.ts';
import { scratchFolder } from './heddle.ts';
import { openHttp1WebSocket } from './websocket-rig.ts';

const HOST = '127.0.0.1';
/** A stream that has not answered for so long is taken for dead. */
const SILENT_MS = 5_000;
const MAX_FAILURES = 20;

export class Failures {
  readonly texts: string[] = [];
  add(text: string): void {
    if (this.texts.length < MAX_FAILURES) this.texts.push(text);
  }
}

/** How much was asked and sent without a failure. */
export type Done = Record<'wrk' | 'h2load' | 'sessions' | 'secure' | 'webSocket' | 'grpc', number>;

/** Some loops that go on until they are told to stop, which waits for what they have begun. */
export class Load {
  #isOver = false;
  readonly #loops: Promise<void>[] = [];

  /** Does `once` again and again, `everyMs` apart. */
  repeat(everyMs: number, once: () => Promise<void>): void {
    const loop = async (): Promise<void> => {
      while (!this.#isOver) {
        await once();
        await sleep(everyMs);
      }
    };
    this.#loops.push(loop());
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }
}

// ─── Sessions: a connection, some requests, and its end ─────────────────────────────────────────────────────────────

export type Visit = {
  readonly port: number;
  readonly requests: number;
  /** The client's address is 127.0.0.N. */
  readonly from?: number;
  /** Root to trust: over TLS. */
  readonly ca?: string;
  readonly path?: string;
};

/** Asks one after another, on one connection unless it is told to end it. Returns the headers of the last answer. */
export async function visit(what: Visit): Promise<http.IncomingHttpHeaders> {
  const { port, requests, from = 1, ca, path = '/visit' } = what;
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = ca === undefined ? new http.Agent(options) : new https.Agent({ ...options, maxCachedSessions: 0 });
  const common = { host: HOST, port, path, agent, localAddress: `127.0.0.${from}`, timeout: SILENT_MS };
  const ask = (): Promise<http.IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request =
        ca === undefined
          ? http.get(common, resolve)
          : https.get({ ...common, ca, servername: 'test.example', agent: agent as https.Agent }, resolve);
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
    });
  try {
    let headers: http.IncomingHttpHeaders = {};
    for (let i = 0; i < requests; i++) {
      const response = await ask();
      let body = '';
      for await (const piece of response) body += String(piece);
      const { statusCode, headers: fields } = response;
      if (statusCode !== 200) throw new Error(`request ${i}: ${statusCode} ${body} ${JSON.stringify(fields)}`);
      headers = fields;
    }
    return headers;
  } finally {
    agent.destroy();
  }
}

// ─── Streams that last ──────────────────────────────────────────────────────────────────────────────────────────────

/** A stream that sends something and waits until it comes back; `stop` ends it in good order. */
export type Lasting = { stop(): Promise<void> };

/** Sends numbers one after another; `send` must lead to `came` with each of them. */
class Echoes {
  count = 0;
  isOver = false;
  readonly #name: string;
  readonly #failures: Failures;
  readonly #send: (text: string) => void;
  #next: NodeJS.Timeout | undefined;
  #silent: NodeJS.Timeout | undefined;

  constructor(name: string, failures: Failures, send: (text: string) => void) {
    this.#name = name;
    this.#failures = failures;
    this.#send = send;
  }

  begin(): void {
    this.#silent = setTimeout(() => this.cut(`nothing came for ${SILENT_MS} ms`), SILENT_MS);
    this.#send(`message ${this.count}`);
  }

  came(text: string): void {
    if (this.isOver) return;
    clearTimeout(this.#silent);
    if (text !== `message ${this.count}`) this.cut(`'${text}' instead of message ${this.count}`);
    else {
      this.count++;
      this.#next = setTimeout(() => this.begin(), ECHO_EVERY_MS);
    }
  }

  /** The stream is over though nobody asked for that. */
  cut(why: string): void {
    if (!this.isOver) this.#failures.add(`${this.#name} after ${this.count} messages: ${why}`);
    this.end();
  }

  end(): void {
    this.isOver = true;
    clearTimeout(this.#next);
    clearTimeout(this.#silent);
  }
}

const ECHO_EVERY_MS = 10;

export async function openWebSocket(port: number, failures: Failures, done: Done): Promise<Lasting> {
  const peer = await openHttp1WebSocket(port, '/ws');
  const echoes = new Echoes('WebSocket', failures, (text) => peer.send(text));
  peer.onMessage = ({ data }) => {
    echoes.came(data.toString());
    done.webSocket++;
  };
  const closed = new Promise<void>((resolve) => {
    peer.stream.on('close', () => {
      echoes.cut(`closed: ${peer.describe()}`);
      resolve();
    });
  });
  echoes.begin();
  const stop = async (): Promise<void> => {
    echoes.end();
    peer.close(1000);
    peer.stream.end();
    await closed;
  };
  return { stop };
}

export async function openGrpc(port: number, failures: Failures, done: Done): Promise<Lasting> {
  const session = http2.connect(`http://${HOST}:${port}`);
  session.on('error', (error) => failures.add(`gRPC connection: ${error.message}`));
  const head = { ':method': 'POST', ':path': '/test.Echo/Talk', 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(head);
  const echoes = new Echoes('gRPC stream', failures, (text) => stream.write(frameMessage(Buffer.from(text), 0)));
  let rest = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      echoes.came(rest.toString('utf8', 5, end));
      rest = rest.subarray(end);
      done.grpc++;
    }
  });
  let status = 'none';
  stream.on('response', (headers) => {
    status = String(headers[':status']);
  });
  stream.on('trailers', ({ 'grpc-status': code, 'grpc-message': text }) => echoes.cut(`status ${code} ${text}`));
  stream.on('error', (error) => echoes.cut(error.message));
  const closed = new Promise<void>((resolve) => {
    stream.on('close', () => {
      echoes.cut(`closed, RST ${stream.rstCode}, status ${status}`);
      resolve();
    });
  });
  echoes.begin();
  const stop = async (): Promise<void> => {
    echoes.end();
    stream.end();
    await closed;
    session.close();
  };
  return { stop };
}

// ─── Programs ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Which of the programs that make load is not there, if any. */
export const missingLoad = ['wrk', 'h2load'].map(locatePeer).find((state) => 'missing' in state)?.missing;

function pathOf(name: string): string {
  const state = locatePeer(name);
  if ('missing' in state) throw new Error(state.missing);
  return state.path;
}

/** Not as fast as it can: the machine has other things to do meanwhile. */
const WRK_SCRIPT = 'function delay() return math.random(4, 12) end\n';

/** Rounds of wrk, over HTTP/1. */
export function wrkLoad(port: number, seconds: number, failures: Failures, done: Done): () => Promise<void> {
  const script = join(scratchFolder(), 'delay.lua');
  writeFileSync(script, WRK_SCRIPT);
  const args = ['-t', '1', '-c', '4', '-d', `${seconds}s`, '-s', script, `http://${HOST}:${port}/wrk`];
  return async () => {
    const { code, output } = await runProgram(pathOf('wrk'), args);
    const requests = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
    const isClean = code === 0 && requests > 0 && !/Socket errors|Non-2xx/.test(output);
    if (!isClean) failures.add(`wrk ended with ${code}: ${output}`);
    done.wrk += requests;
  };
}

/** Rounds of h2load, over HTTP/2. */
export function h2Load(port: number, seconds: number, failures: Failures, done: Done): () => Promise<void> {
  const rate = ['--rps', '100', '-D', String(seconds)];
  const args = ['-c', '2', '-m', '4', ...rate, `http://${HOST}:${port}/h2load`];
  return async () => {
    const { code, output } = await runProgram(pathOf('h2load'), args);
    const succeeded = Number(/, (\d+) succeeded, /.exec(output)?.[1] ?? 0);
    const isClean = / 0 failed, 0 errored, 0 timeout/.test(output) && /0 3xx, 0 4xx, 0 5xx/.test(output);
    if (code !== 0 || succeeded === 0 || !isClean) failures.add(`h2load ended with ${code}: ${output}`);
    done.h2load += succeeded;
  };
}
