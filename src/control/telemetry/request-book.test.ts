// The newest requests, and a choice of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestOf } from '../../../test/support/mesh-reports.ts';
import { RequestBook, type RequestFilter } from './request-book.ts';

const ALL: RequestFilter = { status: null, workload: null, flags: null, path: null };

test('keeps the newest, in order of time, numbered', () => {
  const book = new RequestBook();
  book.take([requestOf({ atMs: 2, path: '/b' }), requestOf({ atMs: 1, path: '/a' })]);
  assert.deepEqual(
    book.after(0).map(({ n, path }) => [n, path]),
    [
      [1, '/a'],
      [2, '/b'],
    ],
  );
  for (let at = 0; at < 600; at++) book.take([requestOf({ path: `/${at}` })]);
  assert.equal(book.find(ALL, 10_000).length, 500);
  assert.deepEqual(
    book.after(book.lastNumber - 1).map(({ path }) => path),
    ['/599'],
  );
});

test('filters', () => {
  const book = new RequestBook();
  book.take([
    requestOf({ path: '/ok' }),
    requestOf({ path: '/gone', status: 404 }),
    requestOf({ path: '/down', status: 503, flags: 'UF,URX', source: 'gateway' }),
    requestOf({ path: '/cut', status: 0, flags: 'DC', destination: 'reviews-12' }),
    requestOf({ path: '/late', flags: 'DI', destination: 'reviews-v1' }),
    requestOf({ path: '', method: '', status: 0, destination: 'stock', by: 'stock-1' }),
  ]);
  const paths = (filter: Partial<RequestFilter>): string[] =>
    book.find({ ...ALL, ...filter }, 10).map(({ path }) => path);
  assert.deepEqual(paths({ status: '2xx' }), ['/ok', '/late']);
  assert.deepEqual(paths({ status: '404' }), ['/gone']);
  assert.deepEqual(paths({ status: 'failed' }), ['/down', '/cut']);
  assert.deepEqual(paths({ workload: 'gateway' }), ['/down']);
  assert.deepEqual(paths({ workload: 'stock' }), ['']);
  assert.deepEqual(paths({ status: '0xx' }), ['/cut']);
  assert.deepEqual(paths({ flags: '*' }), ['/down', '/cut', '/late']);
  assert.deepEqual(paths({ flags: 'URX' }), ['/down']);
  assert.deepEqual(paths({ flags: 'U' }), []);
  assert.deepEqual(paths({ path: 'o' }), ['/ok', '/gone', '/down']);
});
