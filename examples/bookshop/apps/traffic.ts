// The shop's customers and its bookkeeper: some requests a second, in an endless round of what they do.
import { request } from 'node:http';
import { getRatings } from './ratings-client.ts';
import { endWith } from './serve.ts';
import { askStock } from './stock-client.ts';

const ISBN = '9780141439754';
const RATE = Number(process.env.RATE ?? 5);
const SHOP = process.env.INGRESS_URL ?? 'http://ingress';
const DETAILS = process.env.DETAILS_URL ?? 'http://details:9080';
const REVIEWS = process.env.REVIEWS_URL ?? 'http://reviews:9080';
const ORDERS = process.env.ORDERS_URL ?? 'http://orders:9080';
const TIMEOUT_MS = 5000;
const TELL_MS = Number(process.env.TELL_MS ?? 10_000);
const LOOK_MS = 500;

type Action = () => Promise<string>;

const page: Action = () => ask(`${SHOP}/`);
const book: Action = () => ask(`${SHOP}/api/book`);
const bookForTester: Action = () => ask(`${SHOP}/api/book`, { headers: { 'end-user': 'tester' } });
const buy: Action = () => ask(`${SHOP}/buy`, { method: 'POST', redirect: 'manual' });
const forbidden: Action = () => ask(`${SHOP}/admin`);

/** Through the front door, RATE times a second. */
const CUSTOMERS: readonly Action[] = [
  ...[page, book, book, bookForTester, book, page, book, book, book, buy],
  ...[page, book, book, bookForTester, book, page, book, book, book, forbidden],
];

/** Behind the counter, once a second: from service to service, each with another client. */
const BOOKKEEPER: readonly Action[] = [
  () => ask(`${DETAILS}/details/${ISBN}`),
  () => askPlainly(`${REVIEWS}/reviews/${ISBN}`),
  () => getRatings(ISBN, {}).then(() => 'gRPC OK'),
  () => askStock('LEFT', ISBN).then(() => 'TCP OK'),
  () => ask(`${ORDERS}/admin/orders`),
];

const counts = new Map<string, number>();

async function ask(url: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  await response.arrayBuffer();
  return String(response.status);
}

/** The same with node:http. */
function askPlainly(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      response.on('end', () => resolve(String(response.statusCode)));
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', reject);
    sent.end();
  });
}

function every(ms: number, round: readonly Action[]): void {
  let at = 0;
  setInterval(async () => {
    const result = await round[at++ % round.length]!().catch(reasonOf);
    counts.set(result, (counts.get(result) ?? 0) + 1);
  }, ms);
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message || error.name;
}

/** Nobody comes before the shop opens. */
async function whenOpen(): Promise<void> {
  while ((await ask(`${SHOP}/healthz`).catch(reasonOf)) !== '200') {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

endWith(() => process.exit(0));
await whenOpen();
console.log(`${SHOP} is open: ${RATE} requests a second`);
if (RATE > 0) every(1000 / RATE, CUSTOMERS);
every(1000, BOOKKEEPER);
setInterval(() => {
  console.log([...counts].map(([result, count]) => `${count} × ${result}`).join(', '));
  counts.clear();
}, TELL_MS);
