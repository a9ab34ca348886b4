// Who may read the pages.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Secret } from '../../base/secret.ts';
import type { HttpRequest } from '../../net/http-server.ts';
import { readPageToken, refusal } from './access.ts';

const TOKEN = 'a-token-of-some-length';
const place = mkdtempSync(join(tmpdir(), 'heddle-access-'));
after(() => rmSync(place, { recursive: true, force: true }));

function statusOf(
  path: string,
  headers: Readonly<Record<string, string>>,
  token: string | null = TOKEN,
  isLocal = true,
) {
  const access = { isLocal, token: token === null ? null : new Secret(token) };
  return refusal({ path, headers } as unknown as HttpRequest, access)?.status ?? 200;
}

const bearer = (token: string) => ({ host: '127.0.0.1:15014', authorization: `Bearer ${token}` });

test('the API and the debug pages need the token; readiness, metrics and the version do not', () => {
  for (const path of ['/api/v1/status', '/api/v1/live', '/api/v1/nothing', '/debug', '/debug/configz']) {
    assert.equal(statusOf(path, { host: 'localhost' }), 401, path);
    assert.equal(statusOf(path, bearer(TOKEN)), 200, path);
    assert.equal(statusOf(path, { host: 'localhost' }, null), 200, path);
  }
  for (const path of ['/ready', '/metrics', '/version', '/', '/assets/main.js']) {
    assert.equal(statusOf(path, { host: 'localhost' }), 200, path);
  }
});

test('no other token is right', () => {
  for (const wrong of ['', 'x', TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase(), '../token', `${TOKEN} ${TOKEN}`]) {
    assert.equal(statusOf('/api/v1/status', bearer(wrong)), 401, wrong);
  }
  const others = [TOKEN, `Basic ${TOKEN}`, `Bearer${TOKEN}`, ''];
  for (const authorization of others) assert.equal(statusOf('/debug', { host: 'localhost', authorization }), 401);
  assert.equal(statusOf('/debug', { host: 'localhost', authorization: `bearer ${TOKEN}` }), 200);
});

test('names of this machine only', () => {
  for (const host of ['localhost', 'localhost:15014', '127.0.0.1:15014', '[::1]:15014', '127.8.0.1']) {
    assert.equal(statusOf('/ready', { host }), 200, host);
  }
  for (const host of ['', 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '[::2]', '10.0.0.1']) {
    assert.equal(statusOf('/ready', { host }), 403, host);
    assert.equal(statusOf('/ready', { host }, TOKEN, false), 200, host);
  }
});

test('no page of another origin is answered, with or without the token', () => {
  const own = bearer(TOKEN);
  assert.equal(statusOf('/api/v1/status', { ...own, origin: 'http://127.0.0.1:15014' }), 200);
  const foreign = [
    'null',
    'http://evil.example',
    'http://127.0.0.1:1',
    'http://localhost:15014',
    'http://127.0.0.1',
    '',
  ];
  for (const origin of foreign) {
    assert.equal(statusOf('/api/v1/status', { ...own, origin }), 403, origin);
    assert.equal(statusOf('/ready', { host: 'localhost', origin }, null), 403, origin);
  }
});

test('a token file holds one token', () => {
  const file = (text: string): string => {
    const path = join(place, 'token');
    writeFileSync(path, text);
    return path;
  };
  const token = readPageToken(file(`${TOKEN}\n`));
  assert.ok(token instanceof Secret);
  assert.equal(token.reveal(), TOKEN);
  for (const text of ['', 'short', 'two tokens-of-some-length', `${TOKEN}\n${TOKEN}`]) {
    const problem = readPageToken(file(text));
    assert.ok(typeof problem === 'string');
    assert.match(problem, /--page-token-file .*holds no token/);
  }
  assert.match(readPageToken(join(place, 'none')) as string, /ENOENT/);
});
