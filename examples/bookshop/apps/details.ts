// What is known about a book. `PUT /fail-every {"every": 3}` makes each third answer fail; 0 ends that.
import { serve } from './serve.ts';

const BOOKS: Readonly<Record<string, object>> = {
  '9780141439754': {
    isbn: '9780141439754',
    title: 'Silas Marner',
    subtitle: 'The Weaver of Raveloe',
    author: 'George Eliot',
    year: 1861,
    pages: 240,
    price: '9.99',
  },
};

let failEvery = Number(process.env.FAIL_EVERY ?? 0);
let asked = 0;

serve('details', 9081, ({ method, url, body }) => {
  if (method === 'PUT' && url.pathname === '/fail-every') {
    const { every } = JSON.parse(body) as { every?: unknown };
    if (typeof every !== 'number' || !(every >= 0)) return { status: 400, json: { error: 'every: a number from 0' } };
    failEvery = Math.floor(every);
    asked = 0;
    return { json: { every: failEvery } };
  }
  const isbn = /^\/details\/(\d+)$/.exec(url.pathname)?.[1];
  if (isbn === undefined) return null;
  asked += 1;
  if (failEvery > 0 && asked % failEvery === 0) return { status: 500, json: { error: 'details fails on demand' } };
  const book = BOOKS[isbn];
  return book === undefined ? { status: 404, json: { error: `no book ${isbn}` } } : { json: { ...book, failEvery } };
});
