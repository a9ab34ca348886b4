// Session cookies: what is written can be read, and hostile bytes are no cookie.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../../base/clock.ts';
import { decodeBase64 } from './base64.ts';
import { decodeSessionCookie, encodeSessionCookie } from './session-cookie.ts';

test('an address and a time are written as Envoy writes them', () => {
  assert.equal(encodeSessionCookie({ address: '127.0.0.1:10080', expires: 0 }), 'Cg8xMjcuMC4wLjE6MTAwODA=');
  assert.equal(encodeSessionCookie({ address: '1.2.3.4:80', expires: 300 }), 'CgoxLjIuMy40OjgwEKwC');
});

test('what was written is read again', () => {
  for (const expires of [0, 1, 127, 128, 4_294_967_296]) {
    const cookie = { address: '[2001:db8::1]:65535', expires };
    assert.deepEqual(decodeSessionCookie(Buffer.from(encodeSessionCookie(cookie), 'base64')), cookie);
  }
});

test('other fields are passed over, and what is no message is none', () => {
  const read = (...bytes: number[]): unknown => decodeSessionCookie(Buffer.from(bytes));
  assert.deepEqual(read(0x1a, 1, 65, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 5), { address: '', expires: 5 });
  for (const bytes of [[0x0a], [0x0a, 2, 65], [0x0b], [0, 1], [0x10], [0x0a, 1, 0xff], new Array(11).fill(0xff)]) {
    assert.equal(read(...bytes), null, String(bytes));
  }
});

test('no bytes whatever make it throw or give an address of many bytes', () => {
  const random = new Random(7);
  for (let i = 0; i < 5000; i++) {
    const bytes = Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
    const cookie = decodeSessionCookie(bytes);
    if (cookie !== null) assert.ok(cookie.address.length <= bytes.length);
  }
});

test('base64 is read whole or not at all', () => {
  assert.equal(decodeBase64('YWI=').toString(), 'ab');
  for (const text of ['YWI', 'YW=I', 'YWJ=', 'a b=', '-_==', 'YWI=YWI='])
    assert.equal(decodeBase64(text).length, 0, text);
});
