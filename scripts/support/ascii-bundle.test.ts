// The escaped bundle is ASCII, means the same, and its source map still points where it did.
import assert from 'node:assert/strict';
import { SourceMap } from 'node:module';
import test from 'node:test';
import { decodeVlq, encodeVlq, escapeBundle } from './ascii-bundle.ts';

test('numbers survive the encoding of source maps', () => {
  for (const value of [0, 1, -1, 15, 16, -16, 1000, -1000, 1_000_000]) {
    const text = encodeVlq(value);
    assert.deepEqual(decodeVlq(`${text}AAC`), { value, length: text.length });
  }
});

test('characters beyond ASCII are escaped, and what follows them moves in the map', () => {
  const code = 'a;\nx="→é";y=`…😀`;z';
  // Line 2 maps column 0 (x), 7 (y) and 14 (z) to lines 1, 2 and 3 of the source.
  const names = [encodeVlq(0), encodeVlq(7), encodeVlq(7)];
  const mappings = `AAAA;${names.map((column, index) => `${column}A${index === 0 ? 'A' : 'C'}A`).join(',')}`;
  const escaped = escapeBundle(code, mappings);
  assert.match(escaped.code, /^[ -~\n]*$/);
  assert.equal(escaped.code, 'a;\nx="\\u2192\\u00e9";y=`\\u2026\\ud83d\\ude00`;z');
  const map = new SourceMap({
    version: 3,
    file: '',
    sources: ['source.ts'],
    sourcesContent: [],
    names: [],
    sourceRoot: '',
    mappings: escaped.mappings,
  });
  const second = escaped.code.split('\n')[1]!;
  for (const [name, originalLine] of [
    ['x', 0],
    ['y', 1],
    ['z', 2],
  ] as const) {
    const entry = map.findEntry(1, second.indexOf(name));
    assert.ok('originalLine' in entry && entry.originalLine === originalLine, name);
  }
});
