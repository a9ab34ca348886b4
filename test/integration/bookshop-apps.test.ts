// The bookshop of examples/: its programs work together as plain programs, and its objects are ones without a finding.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { ForwardProxy } from '../support/forward-proxy.ts';
import { freePort } from '../support/free-ports.ts';
import { BookshopControl } from './bookshop-control.ts';
import { bookshopObjects, gatewaySecret, readBookshop, runApp, type RunningProgram } from './bookshop-rig.ts';

const ISBN = '9780141439754';
const WAIT_MS = 20_000;
const manifest = readBookshop();
const programs = new Map<string, RunningProgram>();
const ports = new Map<string, number>();
let shop = '';

type Book = {
  readonly details: { readonly status: number; readonly value?: { readonly title: string } };
  readonly reviews: {
    readonly value?: {
      readonly version: string;
      readonly note?: string;
      readonly reviews: readonly { readonly stars?: number }[];
    };
  };
  readonly stock: { readonly value?: number };
  readonly quote: { readonly value?: { readonly author: string } };
};

const urlOf = (name: string): string => `http://127.0.0.1:${ports.get(name)}`;

/** Where the others are: by these variables without a mesh, by their names within one. */
function places(reviews: string): Record<string, string> {
  return {
    HOST: '127.0.0.1',
    REVIEWS_URL: urlOf(reviews),
    DETAILS_URL: urlOf('details'),
    ORDERS_URL: urlOf('orders'),
    QUOTES_URL: urlOf('quotes'),
    PARTNER_URL: 'http://127.0.0.1:1',
    RATINGS_ADDRESS: `127.0.0.1:${ports.get('ratings')}`,
    STOCK_HOST: '127.0.0.1',
    STOCK_PORT: String(ports.get('stock')),
    INGRESS_URL: urlOf('shop'),
  };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + WAIT_MS; !(await isSo()); await sleep(25)) {
    const logs = [...programs].map(([name, one]) => `${name}: ${one.output()}`).join('\n');
    if (performance.now() > end) throw new Error(`waited for ${what}\n${logs}`);
  }
}

function start(name: string, reviews = 'reviews-v2'): void {
  const program = manifest.workloads[name] ?? manifest.external[name];
  assert.ok(program !== undefined, `heddle.yaml has no ${name}`);
  const port: Record<string, string> = ports.has(name) ? { PORT: String(ports.get(name)) } : {};
  programs.set(name, runApp(program, { ...places(reviews), ...port, TELL_MS: '6000' }));
}

async function stop(name: string): Promise<number | string | null | undefined> {
  const status = await programs.get(name)?.stop();
  programs.delete(name);
  return status;
}

before(async () => {
  const names = [...Object.keys(manifest.workloads), ...Object.keys(manifest.external)];
  const listening = names.filter((name) => manifest.workloads[name]?.ports !== undefined || manifest.external[name]);
  for (const name of listening) ports.set(name, await freePort());
  shop = urlOf('shop');
  for (const name of listening) start(name);
  await until('all to listen', () =>
    listening.every((name) =>
      programs
        .get(name)
        ?.output()
        .includes(`listens on port ${ports.get(name)}`),
    ),
  );
});

after(async () => {
  for (const one of programs.values()) await one.stop('SIGKILL');
});

async function book(headers: Record<string, string> = {}): Promise<Book> {
  return (await (await fetch(`${shop}/api/book`, { headers })).json()) as Book;
}

test('shop puts together what HTTP, gRPC and TCP services say', async () => {
  const { details, reviews, stock, quote } = await book();
  assert.equal(details.value?.title, 'Silas Marner');
  assert.equal(reviews.value?.version, 'v2');
  assert.deepEqual(
    reviews.value?.reviews.map(({ stars }) => stars),
    [5, 4],
  );
  assert.equal(stock.value, 20);
  assert.ok(quote.value?.author);
  const html = await (await fetch(`${shop}/`, { headers: { 'end-user': '<b>"' } })).text();
  for (const piece of ['Silas Marner', 'reviews v2', '★★★★★', '20 in stock', 'quotes.example.com']) {
    assert.ok(html.includes(piece), piece);
  }
});

test('version v1 of reviews has no stars and needs no ratings', async () => {
  const reply = (await (await fetch(`${urlOf('reviews-v1')}/reviews/${ISBN}`)).json()) as Book['reviews']['value'];
  assert.equal(reply?.version, 'v1');
  assert.deepEqual(
    reply?.reviews.map(({ stars }) => stars),
    [undefined, undefined],
  );
});

test('a sale takes a copy and becomes an order of the customer; orders tells whoever asks', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const signIn = await fetch(`${shop}/sign-in`, { method: 'POST', body: 'user=tester', headers, redirect: 'manual' });
  const cookie = /^[^;]*/.exec(signIn.headers.get('set-cookie') ?? '')?.[0] ?? '';
  assert.equal(cookie, 'user=tester');
  const sale = await fetch(`${shop}/buy`, { method: 'POST', headers: { cookie }, redirect: 'manual' });
  assert.equal(sale.status, 303);
  assert.equal((await book()).stock.value, 19);
  const orders = (await (await fetch(`${urlOf('orders')}/admin/orders`)).json()) as { orders: object[] };
  assert.deepEqual(orders.orders, [{ number: 1, isbn: ISBN, customer: 'tester' }]);
  // Nothing of a mesh is in the way here, so shop may have them, too.
  assert.equal((await fetch(`${shop}/admin`)).status, 200);
});

test('what fails is missing on the page, and the rest stands', async () => {
  const failEvery = (every: number): Promise<Response> =>
    fetch(`${shop}/fail-every`, { method: 'POST', body: `every=${every}`, redirect: 'manual' });
  assert.equal((await failEvery(2)).status, 303);
  const statuses = [(await book()).details.status, (await book()).details.status, (await book()).details.status];
  assert.deepEqual(statuses, [200, 500, 200]);
  await failEvery(0);
  assert.equal((await fetch(`${shop}/partner`)).status, 502);
  assert.equal(await stop('ratings'), 0);
  assert.equal(await stop('stock'), 0);
  const { details, reviews, stock } = await book();
  assert.equal(details.status, 200);
  assert.match(reviews.value?.note ?? '', /^no stars today: /);
  assert.equal(stock.value, undefined);
  const html = await (await fetch(`${shop}/`)).text();
  assert.match(html, /<b>stock<\/b> cannot be had: /);
  start('ratings');
  start('stock');
  await until('stock to be back', async () => (await book()).stock.value === 20);
});

test('stock speaks in lines, also when they come in pieces', async () => {
  const socket = connect(ports.get('stock')!, '127.0.0.1');
  let answers = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answers += chunk;
  });
  for (const piece of ['LE', `FT ${ISBN}\nTAKE ${ISBN}\nTA`, `KE 1\nsteal\n`]) {
    socket.write(piece);
    await sleep(20);
  }
  socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  assert.deepEqual(answers.trim().split('\n'), [
    'OK 20',
    'OK 19',
    'ERROR no book 1',
    'ERROR say LEFT ISBN or TAKE ISBN',
  ]);
});

test('traffic waits for the shop, and calls by every kind of client', async () => {
  assert.equal(await stop('shop'), 0);
  start('traffic');
  await sleep(700);
  assert.equal(programs.get('traffic')?.output(), '');
  start('shop');
  await until('the first account', () => (programs.get('traffic')?.output().match(/\n/g)?.length ?? 0) >= 2);
  const [, account = ''] = programs.get('traffic')?.output().trim().split('\n') ?? [];
  const counts = new Map(account.split(', ').map((one) => one.split(' × ').reverse() as [string, string]));
  // Five of customers and one of the bookkeeper, every second for six seconds.
  assert.ok(Number(counts.get('200')) >= 20, account);
  assert.deepEqual([...counts.keys()].sort(), ['200', '303', 'TCP OK', 'gRPC OK'], account);
  assert.equal(await stop('traffic'), 0);
});

test('by their usual variables all clients go through a proxy, and find the others by name', async () => {
  const places = new Map([...ports].map(([name, port]) => [`${name.replace('-v2', '')}:${usualPort(name)}`, port]));
  places.set('ingress:80', ports.get('shop')!).set('quotes.example.com:80', ports.get('quotes')!);
  const proxy = new ForwardProxy((host) => places.get(host));
  const url = await proxy.start();
  const environment = {
    ...{ HOST: '127.0.0.1', HTTP_PROXY: url, http_proxy: url, NODE_USE_ENV_PROXY: '1' },
    ...{ STOCK_HOST: '127.0.0.1', STOCK_PORT: String(ports.get('stock')) },
  };
  try {
    for (const name of ['shop', 'reviews-v2', 'traffic']) {
      await stop(name);
      const more = name === 'traffic' ? { TELL_MS: '6000' } : { PORT: String(ports.get(name)) };
      programs.set(name, runApp(manifest.workloads[name]!, { ...environment, ...more }));
    }
    await until('an account', () => (programs.get('traffic')?.output().match(/\n/g)?.length ?? 0) >= 2);
    const { details, reviews, quote } = await book();
    assert.equal(details.status, 200);
    assert.equal(reviews.value?.note, undefined);
    assert.ok(quote.value?.author);
    assert.equal((await fetch(`${shop}/partner`)).status, 502);
    for (const what of ['CONNECT ingress:80', 'CONNECT ratings:9090', 'CONNECT quotes.example.com:80']) {
      assert.ok(proxy.asked.has(what), `${what} is not among ${[...proxy.asked]}`);
    }
    // node:http does not tunnel what is plain.
    assert.ok(proxy.asked.has('GET http://reviews:9080'), [...proxy.asked].join());
    assert.match(programs.get('traffic')?.output() ?? '', /gRPC OK/);
  } finally {
    await stop('traffic');
    proxy.stop();
  }
});

function usualPort(name: string): number | undefined {
  return manifest.workloads[name]?.ports?.[0]?.port;
}

test('all programs end on SIGTERM by themselves', async () => {
  for (const name of [...programs.keys()]) assert.equal(await stop(name), 0, name);
});

test('the control plane has nothing to say about the objects', async () => {
  const control = await BookshopControl.start(objects());
  try {
    assert.deepEqual(await control.findings(), []);
    assert.match(JSON.stringify(await control.json('/debug/mesh')), /REGISTRY_ONLY/);
    const { objects: known } = (await control.json('/api/v1/status')) as { objects: { key: string }[] };
    const kinds = new Set(known.map(({ key }) => key.split('/')[0]));
    for (const kind of ['Gateway', 'VirtualService', 'DestinationRule', 'AuthorizationPolicy', 'PeerAuthentication']) {
      assert.ok(kinds.has(kind), `${kind} is not among ${[...kinds]}`);
    }
    // It would tell: without the programs' objects the same files have rules for hosts that nobody knows.
    control.write('objects.json', '');
    await until('findings', async () => (await control.findings()).length > 0);
  } finally {
    await control.stop();
  }
});

function objects(): object[] {
  const { chainPem, keyPem } = makeCertificate({ issuer: makeCa('gateway'), sans: [{ dns: 'localhost' }] });
  let next = 10;
  const addresses = new Map<string, string>();
  const addressOf = (name: string): string => {
    if (!addresses.has(name)) addresses.set(name, `192.0.2.${next++}`);
    return addresses.get(name)!;
  };
  return [...bookshopObjects(manifest, addressOf), gatewaySecret(chainPem, keyPem)];
}
