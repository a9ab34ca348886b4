// A TCP client for tests that sends exact bytes in scripted steps and notes what becomes of the connection.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Http1Reader, headerValues, isInterim } from './http1-reader.ts';
import type { Message } from './http1-reader.ts';

export type ClientStep =
  | string // bytes to send, as latin1 text
  | { readonly wait: number }
  | { readonly read: number } // until so many final responses are complete
  | { readonly readHead: number } // until so many final response heads arrived
  | { readonly readInterim: number } // until so many 1xx arrived
  | { readonly readBytes: number } // until so many bytes of a raw (upgraded or close-delimited) body arrived
  | { readonly awaitUpstream: number } // until the upstreams received so many request heads in this case
  | { readonly awaitClients: number } // until so many clients of this case ran all their steps
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
};

export type ClientOptions = {
  readonly timeoutMs: number;
  /** How long an idle connection is watched for a close after the last response. */
  readonly probeMs: number;
  readonly awaitUpstream: (count: number) => Promise<boolean>;
  readonly awaitClients: (count: number) => Promise<boolean>;
};

/** Runs the steps on one new connection and reports; never rejects because of what the peer does. */
export async function runClient(
  port: number,
  steps: readonly ClientStep[],
  options: ClientOptions,
): Promise<ClientResult> {
  const startedAt = performance.now();
  const result: ClientResult = { responses: [], rest: '', fate: 'open', timedOut: [], elapsedMs: 0 };
  const waiters = new Set<() => void>();
  const wake = (): void => {
    for (const waiter of [...waiters]) waiter();
  };
  const reader = new Http1Reader('response', sentMethods(steps), wake);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  const setFate = (fate: ClientResult['fate']): void => {
    if (result.fate === 'open') result.fate = fate;
    wake();
  };
  socket.on('data', (chunk: Buffer) => {
    reader.feed(chunk.toString('latin1'));
    wake();
  });
  socket.on('end', () => {
    reader.end();
    setFate('fin');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    setFate(error.code === 'ECONNREFUSED' ? 'refused' : 'rst');
  });
  const until = async (what: string, condition: () => boolean, timeoutMs: number): Promise<boolean> => {
    if (condition()) return true;
    const done = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => done.resolve(false), timeoutMs);
    const waiter = (): void => {
      if (condition()) done.resolve(true);
    };
    waiters.add(waiter);
    const met = await done.promise;
    waiters.delete(waiter);
    clearTimeout(timer);
    if (!met && what !== '') result.timedOut.push(what);
    return met;
  };
  const finals = (): Message[] => reader.messages.filter((message) => !isInterim(message));
  const isOver = (): boolean => result.fate !== 'open';
  const waitFor = (step: Exclude<ClientStep, string>): Promise<unknown> => {
    const { timeoutMs } = options;
    if ('wait' in step) return sleep(step.wait);
    if ('awaitUpstream' in step) return options.awaitUpstream(step.awaitUpstream);
    if ('awaitClients' in step) return options.awaitClients(step.awaitClients);
    if ('read' in step) {
      const enough = (): boolean => finals().filter((message) => message.complete).length >= step.read || isOver();
      return until(`read ${step.read}`, enough, timeoutMs);
    }
    if ('readHead' in step) {
      return until(`readHead ${step.readHead}`, () => finals().length >= step.readHead || isOver(), timeoutMs);
    }
    if ('readInterim' in step) {
      const enough = (): boolean => reader.messages.filter(isInterim).length >= step.readInterim || isOver();
      return until(`readInterim ${step.readInterim}`, enough, timeoutMs);
    }
    const enough = (): boolean => (reader.messages.at(-1)?.body.length ?? 0) >= step.readBytes || isOver();
    return until(`readBytes ${step.readBytes}`, enough, timeoutMs);
  };

  let isReset = false;
  for (const step of steps) {
    if (step === 'half-close') socket.end();
    else if (step === 'pause') socket.pause();
    else if (step === 'resume') socket.resume();
    else if (step === 'close') socket.destroy();
    else if (step === 'read-close') await until('read-close', isOver, options.timeoutMs);
    else if (step === 'reset') {
      isReset = true;
      socket.resetAndDestroy();
    } else if (typeof step === 'string') {
      if (!socket.destroyed) socket.write(step, 'latin1');
    } else await waitFor(step);
  }
  if (!isReset && !socket.destroyed && result.fate === 'open') {
    const last = reader.messages.at(-1);
    const isClosing =
      last !== undefined && headerValues(last.headers, 'connection').join(',').toLowerCase().includes('close');
    await until('', isOver, isClosing ? options.timeoutMs : options.probeMs);
  }
  result.elapsedMs = performance.now() - startedAt;
  result.responses = reader.messages;
  result.rest = reader.rest;
  const fate = result.fate;
  socket.on('error', () => {});
  socket.end();
  socket.destroy();
  result.fate = fate;
  return result;
}

/** The methods of the requests in the order sent; only HEAD and CONNECT matter to the reader. */
function sentMethods(steps: readonly ClientStep[]): string[] {
  const text = steps.filter((step): step is string => typeof step === 'string' && !WORDS.has(step)).join('');
  return [...text.matchAll(/(?:^|\n)([A-Z]+) \S+ HTTP\/1\.[01]\r\n/g)].map((match) => match[1]!);
}

const WORDS: ReadonlySet<string> = new Set(['pause', 'resume', 'half-close', 'reset', 'close', 'read-close']);
