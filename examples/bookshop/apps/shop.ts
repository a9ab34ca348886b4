// The shop: puts the page together from what the other services say, and still has one when some of them fail.
import { deniedPage, type Page, type Part, shopPage } from './shop-page.ts';
import { type Answer, passedOn, type Question, serve } from './serve.ts';
import { askStock } from './stock-client.ts';

const ISBN = '9780141439754';
const TIMEOUT_MS = 5000;
const DETAILS = process.env.DETAILS_URL ?? 'http://details:9080';
const REVIEWS = process.env.REVIEWS_URL ?? 'http://reviews:9080';
const ORDERS = process.env.ORDERS_URL ?? 'http://orders:9080';
const QUOTES = process.env.QUOTES_URL ?? 'http://quotes.example.com';
const PARTNER = process.env.PARTNER_URL ?? 'http://partner.example.com';

serve('shop', 9080, async (question) => {
  const headers = headersOf(question);
  switch (`${question.method} ${question.url.pathname}`) {
    case 'GET /':
      return { html: shopPage(await pageFor(headers)) };
    case 'GET /api/book':
      return { json: await pageFor(headers) };
    case 'GET /api/version':
      return passOn(await ask(`${REVIEWS}/reviews/${ISBN}`, headers), ({ version }) => ({ version }));
    case 'POST /buy':
      return buy(headers);
    case 'POST /fail-every':
      return failEvery(Number(new URLSearchParams(question.body).get('every')), headers);
    case 'POST /sign-in':
      return signIn(new URLSearchParams(question.body).get('user') ?? '');
    case 'GET /admin':
      return showDenied('All orders', `${ORDERS}/admin/orders`, headers);
    case 'GET /partner':
      return showDenied('A partner’s offer', `${PARTNER}/`, headers);
    default:
      return null;
  }
});

/** Who the customer is stands in the header `end-user`, which a browser cannot send by itself: hence the cookie. */
function headersOf({ headers }: Question): Record<string, string> {
  const passed = passedOn(headers);
  const fromCookie = /(?:^|; )user=([a-z]+)/.exec(headers.cookie ?? '')?.[1];
  if (passed['end-user'] === undefined && fromCookie !== undefined) passed['end-user'] = fromCookie;
  return passed;
}

async function pageFor(headers: Record<string, string>): Promise<Page> {
  const [details, reviews, stock, quote] = await Promise.all([
    ask<NonNullable<Page['details']['value']>>(`${DETAILS}/details/${ISBN}`, headers),
    ask<NonNullable<Page['reviews']['value']>>(`${REVIEWS}/reviews/${ISBN}`, headers),
    askForStock('LEFT'),
    // Strangers are not told who the customer is.
    ask<NonNullable<Page['quote']['value']>>(`${QUOTES}/`, {}),
  ]);
  return { user: headers['end-user'] ?? '', details, reviews, stock, quote };
}

type Reply<Value> = Part<Value> & { readonly status: number };

/** What an HTTP service says, or what came instead. Status 0: nothing came. */
async function ask<Value = Record<string, unknown>>(
  url: string,
  headers: Record<string, string>,
  init: { readonly method?: string; readonly json?: unknown } = {},
): Promise<Reply<Value>> {
  const { method = 'GET', json } = init;
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { method, headers, signal, ...body });
    const text = await response.text();
    if (response.ok) return { status: response.status, value: JSON.parse(text) as Value };
    return { status: response.status, problem: `${response.status} ${text.trim().slice(0, 200)}` };
  } catch (error) {
    return { status: 0, problem: wordsOf(error) };
  }
}

async function askForStock(verb: 'LEFT' | 'TAKE'): Promise<Part<number>> {
  try {
    return { value: await askStock(verb, ISBN) };
  } catch (error) {
    return { problem: wordsOf(error) };
  }
}

/** fetch says little itself; its cause says more, and the cause of that. */
function wordsOf(error: unknown): string {
  const { name, message, cause } = error as Error;
  return cause instanceof Error ? wordsOf(cause) : message || name;
}

function passOn<Value>(reply: Reply<Value>, json: (value: Value) => unknown): Answer {
  if (reply.value !== undefined) return { json: json(reply.value) };
  return { status: reply.status || 502, json: { error: reply.problem } };
}

async function buy(headers: Record<string, string>): Promise<Answer> {
  const left = await askForStock('TAKE');
  if (left.value === undefined) return { status: 502, json: { error: left.problem } };
  const order = await ask(`${ORDERS}/orders`, headers, { method: 'POST', json: { isbn: ISBN } });
  return order.value !== undefined ? backToPage() : passOn(order, () => null);
}

async function failEvery(every: number, headers: Record<string, string>): Promise<Answer> {
  const reply = await ask(`${DETAILS}/fail-every`, headers, { method: 'PUT', json: { every } });
  return reply.value !== undefined ? backToPage() : passOn(reply, () => null);
}

function signIn(user: string): Answer {
  const cookie = /^[a-z]{1,20}$/.test(user) ? `user=${user}; Max-Age=86400` : 'user=; Max-Age=0';
  return backToPage({ 'set-cookie': `${cookie}; Path=/; HttpOnly; SameSite=Lax` });
}

const backToPage = (headers: Record<string, string> = {}): Answer => ({
  status: 303,
  headers: { location: '/', ...headers },
  html: '',
});

/** What the shop may not have; shown as it came. */
async function showDenied(title: string, url: string, headers: Record<string, string>): Promise<Answer> {
  const { status, problem, value } = await ask(url, headers);
  return { status: status || 502, html: deniedPage(title, url, problem ?? JSON.stringify(value, null, 2)) };
}
