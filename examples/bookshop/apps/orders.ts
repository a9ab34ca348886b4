// Takes orders (`POST /orders`) and lists them with the customers' names (`GET /admin/orders`), to whoever asks.
import { serve } from './serve.ts';

type Order = { readonly number: number; readonly isbn: string; readonly customer: string };

const KEPT = 100;
const orders: Order[] = [];
let count = 0;

serve('orders', 9083, ({ method, url, headers, body }) => {
  if (method === 'POST' && url.pathname === '/orders') {
    const { isbn } = JSON.parse(body) as { isbn?: unknown };
    if (typeof isbn !== 'string') return { status: 400, json: { error: 'isbn: a text' } };
    const order = { number: ++count, isbn, customer: String(headers['end-user'] ?? 'somebody') };
    orders.push(order);
    if (orders.length > KEPT) orders.shift();
    return { status: 201, json: order };
  }
  if (method === 'GET' && url.pathname === '/admin/orders') return { json: { count, orders } };
  return null;
});
