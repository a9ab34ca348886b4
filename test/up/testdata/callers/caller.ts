// A program that calls others in the ways that programs do, as it is told on a unix socket. It knows of no mesh.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { promisify } from 'node:util';

/** What the tests ask for; see mesh-caller.ts beside the tests. */
type Order = {
  readonly client: 'fetch' | 'http' | 'grpc' | 'curl' | 'tcp';
  readonly url: string;
  /** How many calls; null: until it is stopped. */
  readonly count: number | null;
  readonly concurrency: number;
  /** Calls a second of all together; null: as many as there can be. */
  readonly perSecond: number | null;
  readonly keepsSamples: boolean;
};

/** Beside it, among the bookshop's programs. */
const RATINGS_CLIENT = './ratings-client.ts';
type RatingsClient = {
  getRatings(isbn: string, headers: object): Promise<readonly { readonly reviewer: string; readonly stars: number }[]>;
};

const ISBN = '9780141439754';
const TIMEOUT_MS = 10_000;
const CURL_CALLS = 50;
const run = promisify(execFile);
const stopped = new Set<number>();

/** What was answered, in a word or two: the version that did, or what went wrong. */
type Call = (url: string) => Promise<readonly string[]>;

function versionIn(status: number, body: string): string {
  if (status !== 200) return `HTTP ${status} ${body.trim().slice(0, 100)}`.trim();
  try {
    return String((JSON.parse(body) as { version?: unknown }).version ?? '200');
  } catch {
    return '200';
  }
}

const CALLS: Readonly<Record<Order['client'], Call>> = {
  async fetch(url) {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return [versionIn(response.status, await response.text())];
  },
  http(url) {
    return new Promise((resolve, reject) => {
      const sent = request(url, { timeout: TIMEOUT_MS }, (response: IncomingMessage) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve([versionIn(response.statusCode ?? 0, body)]));
        response.on('error', reject);
      });
      sent.on('timeout', () => sent.destroy(new Error('timeout')));
      sent.on('error', reject);
      sent.end();
    });
  },
  /** Versions of ratings differ in the stars that they give. */
  async grpc() {
    const { getRatings } = (await import(RATINGS_CLIENT)) as RatingsClient;
    const ratings = await getRatings(ISBN, {});
    const stars = ratings.find(({ reviewer }) => reviewer === 'Dolly')?.stars;
    return [stars === 5 ? 'v1' : stars === 1 ? 'v2' : `${stars} stars`];
  },
  async curl(url) {
    const { stdout } = await run('curl', ['-sS', '--max-time', '20', `${url}?n=[1-${CURL_CALLS}]`]);
    return stdout.trim().split('\n').map((line) => versionIn(200, line));
  },
  /** Sends a line and tells what came back until the end. */
  tcp(url) {
    const { hostname, port } = new URL(url);
    return new Promise((resolve) => {
      const socket = connect({ host: hostname, port: Number(port) });
      let received = '';
      socket.setTimeout(3000, () => socket.destroy(new Error('nothing came')));
      socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
      socket.on('data', (data) => {
        received += data.toString('latin1');
      });
      socket.on('error', (error) => resolve([`error ${error.message}`]));
      socket.on('close', () => resolve([`closed after ${received.length} bytes`]));
    });
  },
};

async function fulfil(order: Order, id: number): Promise<object> {
  const { client, url, concurrency, perSecond, keepsSamples } = order;
  const count = order.count ?? Number.POSITIVE_INFINITY;
  const answers: Record<string, number> = {};
  const samples: (readonly [number, number, string])[] = [];
  const startMs = Date.now();
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count && !stopped.has(id)) {
      const at = begun++;
      if (perSecond !== null) {
        const waitMs = startMs + (at * 1000) / perSecond - Date.now();
        if (waitMs > 0) await new Promise((wake) => setTimeout(wake, waitMs));
      }
      const sentMs = Date.now();
      const words = await CALLS[client](url).catch((error: Error) => [`error ${reasonOf(error)}`]);
      for (const word of words) {
        answers[word] = (answers[word] ?? 0) + 1;
        if (keepsSamples) samples.push([sentMs, Date.now(), word]);
      }
      // curl makes many calls at a time.
      begun += words.length - 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { answers, samples, seconds: (Date.now() - startMs) / 1000 };
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}

const socketPath = process.env.CALLER_SOCKET ?? '';
rmSync(socketPath, { force: true });
const server = createServer((asked, response) => {
  let body = '';
  asked.setEncoding('utf8').on('data', (text: string) => {
    body += text;
  });
  asked.on('end', async () => {
    const { id, order } = JSON.parse(body) as { id: number; order: Order | null };
    if (order === null) stopped.add(id);
    const result = order === null ? {} : await fulfil(order, id);
    response.end(JSON.stringify(result));
  });
});
server.requestTimeout = 0;
server.listen({ path: socketPath, writableAll: true, readableAll: true });
process.once('SIGTERM', () => process.exit(0));
