// Two answers are the same when a client could not tell them apart.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import { type Answer, compareAnswers, exchange } from './exchange.ts';

const answer: Answer = { status: 200, headers: { date: 'now', server: 'envoy' }, body: 'x' };

test('values of the moment may differ, all else may not', () => {
  assert.equal(compareAnswers(answer, { ...answer, headers: { date: 'later', server: 'envoy' } }), null);
  assert.equal(compareAnswers(answer, { ...answer, status: 503 }), 'status 503, Envoy 200');
  assert.equal(compareAnswers(answer, { ...answer, body: 'y' }), 'another body than Envoy');
  assert.equal(compareAnswers(answer, { ...answer, headers: { server: 'envoy' } }), 'date: absent, Envoy now');
  assert.equal(
    compareAnswers(answer, { ...answer, headers: { date: 'now', server: 'x', via: 'y' } }),
    'server: x, Envoy envoy; via: y, Envoy absent',
  );
});

test('an exchange sends what the case says', async () => {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk) => (bytes += chunk.length));
    request.on('end', () => response.end(`${request.method} ${request.url} ${request.headers.origin} ${bytes}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    const upload = { path: '/a', headers: ['origin: https://b'], uploadBytes: 100_000 };
    const first = await exchange(address.port, upload);
    assert.equal(first.status, 200);
    assert.equal(first.body, (await exchange(address.port, upload)).body);
    assert.notEqual(first.body, (await exchange(address.port, { path: '/a' })).body);
  } finally {
    server.close();
  }
});
