// Tokens of files are read anew each time; one that came by a descriptor is read once and kept.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tokenSource } from './bearer-token.ts';

test('a file is read each time', () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-token-'));
  try {
    const path = join(directory, 'token');
    const token = tokenSource(path, () => null);
    assert.match(JSON.stringify(token()), /cannot be read/);
    writeFileSync(path, 'one\n');
    assert.equal(token(), 'one');
    writeFileSync(path, 'two\n');
    assert.equal(token(), 'two');
    assert.equal(tokenSource('', () => assert.fail('nothing is read'))(), '');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('what can be read only once is kept, and its bytes are not', () => {
  let reads = 0;
  const bytes = Buffer.from('the-token\n');
  const token = tokenSource('/dev/fd/3', () => {
    reads++;
    return bytes;
  });
  assert.deepEqual([token(), token(), reads], ['the-token', 'the-token', 1]);
  assert.ok(bytes.every((byte) => byte === 0));
  assert.deepEqual(tokenSource('/dev/fd/3', () => Buffer.from('\n'))(), { error: '/dev/fd/3 holds no token' });
  assert.deepEqual(tokenSource('/dev/fd/3', () => ({ error: 'EBADF' }))(), {
    error: 'the token cannot be read from /dev/fd/3: EBADF',
  });
});
