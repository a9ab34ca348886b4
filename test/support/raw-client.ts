// A TCP client for tests that sends exact bytes in scripted steps and notes what becomes of the connection.
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { resetSocket } from './reset-socket.ts';
import { Http1Reader, headerValues, isInterim } from './http1-reader.ts';
import type { Message } from './http1-reader.ts';
import { openTls, type SeenTls, type TlsClientOptions, type TlsSessions } from './tls-client.ts';

export type ClientStep =
  | string // bytes to send, as latin1 text
  | { readonly wait: number }
  | { readonly read: number } // until so many final responses are complete
  | { readonly readHead: number } // until so many final response heads arrived
  | { readonly readInterim: number } // until so many 1xx arrived
  | { readonly readBytes: number } // until so many bytes of a raw (upgraded or close-delimited) body arrived
  | { readonly readRaw: number } // until so many bytes arrived that are no HTTP
  | { readonly tls: TlsClientOptions } // from now on TLS; until the handshake is over
  | { readonly readSession: string } // until a TLS step has saved a session of this name
  | { readonly awaitUpstream: number } // until the upstreams received so many request heads in this case
  | { readonly awaitClients: number } // until so many clients of this case ran all their steps
  | { readonly admin: string; readonly until?: RegExp } // `METHOD path`; asked again until the answer is like that
  | 'pause' // stop reading
  | 'resume'
  | 'half-close'
  | 'reset'
  | 'close'
  | 'read-close'; // until the peer closed

export type ClientResult = {
  responses: Message[];
  rest: string;
  fate: 'open' | 'fin' | 'rst' | 'refused';
  timedOut: string[];
  elapsedMs: number;
  /** Of the last TLS step. */
  tls?: SeenTls;
};

export type ClientOptions = {
  readonly timeoutMs: number;
  /** How long an idle connection is watched for a close after the last response; 0 does not watch at all. */
  readonly probeMs: number;
  /** The loopback address to connect from. */
  readonly localAddress?: string;
  /** Sessions that TLS steps save and resume. */
  readonly sessions?: TlsSessions;
  readonly awaitUpstream: (count: number) => Promise<boolean>;
  readonly awaitClients: (count: number) => Promise<boolean>;
  /** Absent: there are no such steps. */
  readonly admin?: (request: string) => Promise<unknown>;
};

/** Runs the steps on one new connection and reports; never rejects because of what the peer does. */
export async function runClient(
  port: number,
  steps: readonly ClientStep[],
  options: ClientOptions,
): Promise<ClientResult> {
  const startedAt = performance.now();
  const client = new RawClient(port, sentMethods(steps), options);
  for (const step of steps) await client.perform(step);
  await client.watchClose();
  return client.finish(performance.now() - startedAt);
}

class RawClient {
  readonly #options: ClientOptions;
  #socket: Socket;
  #tls: SeenTls | null = null;
  readonly #sessions: TlsSessions;
  readonly #reader: Http1Reader;
  readonly #waiters = new Set<() => void>();
  readonly #timedOut: string[] = [];
  #fate: ClientResult['fate'] = 'open';
  #hasReset = false;

  constructor(port: number, methods: string[], options: ClientOptions) {
    this.#options = options;
    this.#sessions = options.sessions ?? new Map();
    this.#reader = new Http1Reader('response', methods);
    const from = options.localAddress === undefined ? {} : { localAddress: options.localAddress };
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true, ...from });
    this.#listen(this.#socket);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#reader.feed(chunk.toString('latin1'));
      this.#wake();
    });
    socket.on('end', () => {
      this.#reader.end();
      this.#end('fin');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isTls = error.code?.startsWith('ERR_SSL') === true || this.#tls?.error === 'closed';
      this.#end(error.code === 'ECONNREFUSED' ? 'refused' : isTls ? 'fin' : 'rst');
    });
  }

  async #startTls(options: TlsClientOptions): Promise<void> {
    if (this.#isOver()) return;
    let isDone = false;
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => {});
    const done = (): void => {
      isDone = true;
      this.#wake();
    };
    const { socket, seen } = openTls(this.#socket, options, this.#sessions, done, () => this.#wake());
    this.#socket = socket;
    this.#tls = seen;
    this.#listen(socket);
    await this.#until('tls', () => isDone);
  }

  async perform(step: ClientStep): Promise<void> {
    if (step === 'half-close') this.#socket.end();
    else if (step === 'pause') this.#socket.pause();
    else if (step === 'resume') this.#socket.resume();
    else if (step === 'close') this.#socket.destroy();
    else if (step === 'read-close') await this.#until(step, () => this.#isOver());
    else if (step === 'reset') {
      this.#hasReset = true;
      resetSocket(this.#socket);
    } else if (typeof step === 'string') {
      if (!this.#socket.destroyed) this.#socket.write(step, 'latin1');
    } else await this.#wait(step);
  }

  /** Watches a connection that is still open: long if the last answer announced a close, else for a moment. */
  async watchClose(): Promise<void> {
    if (this.#options.probeMs === 0 || this.#hasReset || this.#socket.destroyed || this.#isOver()) return;
    const last = this.#reader.messages.at(-1);
    const isClosing =
      last !== undefined && headerValues(last.headers, 'connection').join(',').toLowerCase().includes('close');
    await this.#until('', () => this.#isOver(), isClosing ? this.#options.timeoutMs : this.#options.probeMs);
  }

  finish(elapsedMs: number): ClientResult {
    const { messages, rest } = this.#reader;
    const fate = this.#fate;
    this.#socket.on('error', () => {});
    this.#socket.end();
    this.#socket.destroy();
    const tls = this.#tls === null ? {} : { tls: this.#tls };
    return { responses: messages, rest, fate, timedOut: this.#timedOut, elapsedMs, ...tls };
  }

  async #ask(request: string, until: RegExp | undefined): Promise<void> {
    const endMs = performance.now() + this.#options.timeoutMs;
    for (;;) {
      const answer = await this.#options.admin?.(request);
      if (until === undefined || until.test(bodyOf(answer))) return;
      if (performance.now() > endMs) {
        this.#timedOut.push(`${request} until ${until}`);
        return;
      }
      await sleep(10);
    }
  }

  async #wait(step: Exclude<ClientStep, string>): Promise<void> {
    const { messages } = this.#reader;
    const finals = (): Message[] => messages.filter((message) => !isInterim(message));
    if ('wait' in step) await sleep(step.wait);
    else if ('tls' in step) await this.#startTls(step.tls);
    else if ('readSession' in step) await this.#until('readSession', () => this.#sessions.has(step.readSession));
    else if ('awaitUpstream' in step) await this.#options.awaitUpstream(step.awaitUpstream);
    else if ('awaitClients' in step) await this.#options.awaitClients(step.awaitClients);
    else if ('admin' in step) await this.#ask(step.admin, step.until);
    else if ('read' in step) {
      await this.#until(`read ${step.read}`, () => finals().filter(({ complete }) => complete).length >= step.read);
    } else if ('readHead' in step) {
      await this.#until(`readHead ${step.readHead}`, () => finals().length >= step.readHead);
    } else if ('readInterim' in step) {
      await this.#until(`readInterim ${step.readInterim}`, () => messages.filter(isInterim).length >= step.readInterim);
    } else if ('readRaw' in step) {
      await this.#until(`readRaw ${step.readRaw}`, () => this.#reader.rest.length >= step.readRaw);
    } else {
      const { readBytes } = step;
      await this.#until(`readBytes ${readBytes}`, () => (messages.at(-1)?.body.length ?? 0) >= readBytes);
    }
  }

  /** Waits until the condition is met or the connection is over; notes under this name that neither came in time. */
  async #until(what: string, condition: () => boolean, timeoutMs = this.#options.timeoutMs): Promise<void> {
    const isMet = (): boolean => condition() || this.#isOver();
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

  #isOver(): boolean {
    return this.#fate !== 'open';
  }

  #end(fate: ClientResult['fate']): void {
    if (this.#fate === 'open') this.#fate = fate;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

/** The methods of the requests in the order sent; only HEAD and CONNECT matter to the reader. */
function sentMethods(steps: readonly ClientStep[]): string[] {
  const text = steps.filter((step): step is string => typeof step === 'string' && !WORDS.has(step)).join('');
  return [...text.matchAll(/(?:^|\n)([A-Z]+) \S+ HTTP\/1\.[01]\r\n/g)].map((match) => match[1]!);
}

const WORDS: ReadonlySet<string> = new Set(['pause', 'resume', 'half-close', 'reset', 'close', 'read-close']);

function bodyOf(answer: unknown): string {
  return typeof answer === 'object' && answer !== null && 'body' in answer ? String(answer.body) : '';
}
