// Integers as Envoy parses them, ASCII case, configuration text as bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileStringMatch, IntegerRange, parseInteger, startsWithIgnoreCase } from './matcher.ts';
import { asciiLower, bytesOf } from './matcher-text.ts';

test('parses integers of 64 bits', () => {
  const rows: readonly (readonly [text: string, value: number | bigint | null])[] = [
    ['5', 5],
    [' +5\t', 5],
    ['-0', -0],
    ['007', 7],
    ['9223372036854775807', 9223372036854775807n],
    ['9223372036854775808', null],
    ['-9223372036854775808', -9223372036854775808n],
    ['+9007199254740993', 9007199254740993n],
    ['', null],
    ['5x', null],
    ['5.0', null],
    ['0x5', null],
    ['- 5', null],
  ];
  for (const [text, value] of rows) assert.equal(parseInteger(text), value, text);
});

test('a range has its start and not its end', () => {
  const range = new IntegerRange(-1, 9007199254740993n);
  assert.deepEqual(
    ['-2', '-1', '9007199254740992', '9007199254740993', 'x'].map((text) => range.matches(text)),
    [false, true, true, false, false],
  );
});

test('lower case touches ASCII letters only', () => {
  assert.equal(asciiLower('ABCxyz[@`{'), 'abcxyz[@`{');
  assert.equal(asciiLower('A\xc3\xc0Z'), 'a\xc3\xc0z');
  assert.equal(startsWithIgnoreCase('ABc', 'ab'), true);
  assert.equal(startsWithIgnoreCase('\xc3', '\xe3'), false);
  assert.equal(startsWithIgnoreCase('A', 'ab'), false);
});

test('text becomes the bytes of its UTF-8', () => {
  assert.equal(bytesOf('aé'), 'a\xc3\xa9');
  assert.equal(bytesOf('a'), 'a');
});

test('a regex that is none is an error', () => {
  assert.deepEqual(compileStringMatch({ kind: 'regex', value: '(' }), { error: 'missing ): (' });
});
