// Tests base64 in pieces: what is read and written there is what Node makes of the whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Base64Reader, Base64Writer } from './base64.ts';

const BYTES = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7) & 255));

/** What a reader makes of a text in pieces; null when it refuses one. */
function read(text: string, step: number): string | null {
  const reader = new Base64Reader();
  let out = '';
  for (let at = 0; at < text.length; at += step) {
    const piece = Buffer.from(text.slice(at, at + step), 'latin1');
    const bytes = reader.read(piece, 0, piece.length);
    if (bytes === null) return null;
    out += bytes.latin1Slice();
  }
  return reader.heldBytes === 0 ? out : null;
}

for (const step of [1, 2, 3, 4, 5, 7, 64, 1000]) {
  test(`bytes through pieces of ${step}`, () => {
    for (const length of [0, 1, 2, 3, 4, 5, 6, 299, 300]) {
      const bytes = BYTES.subarray(0, length);
      const writer = new Base64Writer();
      let text = '';
      for (let at = 0; at < length; at += step) text += writer.write(bytes, at, Math.min(length, at + step), false);
      text += writer.write(bytes, length, length, true);
      assert.equal(text, bytes.toString('base64'));
      assert.equal(read(text, step), bytes.latin1Slice());
    }
  });
}

test('segments that were padded one by one may follow each other, and not within what is read at once', () => {
  for (const text of ['AA==', 'AAA=', 'AAAAAA==']) {
    const bytes = Buffer.from(text, 'base64').latin1Slice();
    for (const step of [1, 2, 3, 4]) assert.equal(read(text + text, step), bytes.repeat(2), `${text} by ${step}`);
    for (const step of [64, text.length + 4]) assert.equal(read(text + text, step), null, `${text} by ${step}`);
    // What is left of one piece and the next are read at once, too.
    assert.equal(new Base64Reader().read(Buffer.from(`${text}AA`), 0, text.length + 2)?.latin1Slice(), bytes);
    const reader = new Base64Reader();
    assert.equal(reader.read(Buffer.from(text.slice(0, -1)), 0, text.length - 1)?.length, (text.length / 4 - 1) * 3);
    assert.equal(reader.read(Buffer.from(`${text.slice(-1)}AAAA`), 0, 5), null);
  }
  assert.equal(new Base64Reader().read(Buffer.from('AAA=AAA'), 0, 7)?.length, 2);
});

test('what is no base64', () => {
  const bad = ['A', 'AA', 'AAA', 'AAAAA', '=', '====', 'A===', 'AA=A', '=AAA', 'AAB=', 'AB==', 'AA A', 'AA-_', 'AAA.'];
  for (const text of bad) for (const step of [1, 3, 8]) assert.equal(read(text, step), null, `${text} by ${step}`);
  assert.equal(read('AA==', 1), '\0');
  assert.equal(read('AAA=', 1), '\0\0');
  assert.equal(read('', 1), '');
});
