// Tests PEM there and back, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pemText, readPem } from './pem-text.ts';

test('there and back', () => {
  for (const length of [1, 2, 3, 47, 48, 49, 1000]) {
    const bytes = Buffer.alloc(length, 0xa5);
    const text = pemText('THING', bytes);
    assert.ok(text.split('\n').every((line) => line.length <= 64 || line.startsWith('-----')));
    assert.deepEqual(readPem(text, ['OTHER', 'THING']), bytes);
    assert.deepEqual(readPem(`\n ${text.replaceAll('\n', '\r\n')}\n`, ['THING']), bytes);
  }
});

test('what is not one block is refused', () => {
  const good = pemText('THING', Buffer.from('hello'));
  const bad = [
    '',
    'hello',
    good + good,
    `x${good}`,
    `${good}x`,
    good.replace('END THING', 'END OTHER'),
    good.replace('BEGIN THING-----\n', 'BEGIN THING-----\nProc-Type: 4,ENCRYPTED\n\n'),
    good.replace('aGVs', 'aG*s'),
    good.replace('=', ''),
    '-----BEGIN THING-----\n-----END THING-----\n',
  ];
  for (const text of bad) assert.equal(readPem(text, ['THING']), null, JSON.stringify(text));
  assert.equal(readPem(good, ['OTHER']), null);
});
