// What runtime values mean, as Envoy 1.40 answered for each of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LayeredRuntime } from './runtime.ts';
import { parseRuntimeText } from './runtime-text.ts';
import { entryOf, flattenLayer, type RuntimeEntry } from './runtime-values.ts';

type Meaning = readonly [integer: number | null, flag: boolean | null, fraction: 'always' | 'never' | null];

function meaningOf(entry: RuntimeEntry): Meaning {
  const runtime = new LayeredRuntime();
  runtime.load([{ name: 'x', kind: 'static', entries: new Map([['k', entry]]) }]);
  const integer = runtime.number('k', -1);
  const on = runtime.boolean('k', true);
  const off = runtime.boolean('k', false);
  const random = { below: () => 50 };
  const none = runtime.featureEnabled('k', { numerator: 0, denominator: 100 }, random);
  const all = runtime.featureEnabled('k', { numerator: 100, denominator: 100 }, random);
  return [integer < 0 ? null : integer, on === off ? on : null, none === all ? (all ? 'always' : 'never') : null];
}

const VALUES: readonly (readonly [unknown, ...Meaning])[] = [
  [0, 0, false, 'never'],
  [100, 100, true, 'always'],
  [150, 150, true, 'always'],
  [-3, null, true, null],
  [100.5, 100, null, 'always'],
  ['100', 100, true, 'always'],
  ['1e2', 100, true, 'always'],
  ['0x64', 100, true, 'always'],
  [' 100 ', 100, true, 'always'],
  ['100.0', 100, true, 'always'],
  ['-5', null, true, null],
  ['true', null, null, null],
  ['100%', null, null, null],
  ['{numerator: 100}', null, null, null],
  ['', null, null, null],
  [true, null, true, null],
  [false, null, false, null],
  [{ numerator: 100 }, null, null, 'always'],
  [{ numerator: 1_000_000, denominator: 'MILLION' }, null, null, 'always'],
  [{ denominator: 'MILLION' }, null, null, 'never'],
  [{ numerator: '100' }, null, null, 'never'],
  [{ numerator: 100, foo: 'bar' }, null, null, null],
  [{ numerator: 100, denominator: 0 }, null, null, null],
  [{ numerator: 100, denominator: 'nope' }, null, null, null],
  [{}, null, null, 'never'],
  [2 ** 32, 2 ** 32, null, 'always'],
];

const TEXTS: readonly (readonly [string, ...Meaning])[] = [
  ['true', null, true, null],
  ['TRUE', null, true, null],
  ['no', null, false, null],
  ['{numerator: 100}', null, null, 'always'],
  ['numerator: 100', null, null, 'always'],
  ['{numerator: 5.9, denominator: HUNDRED}', null, null, 'never'],
  ['{numerator: {a: 1}}', null, null, 'never'],
  ['{numerator: -1}', null, null, 'always'],
  ['100 # comment', 100, true, 'always'],
  ['"100"', null, null, null],
  ['010', 8, true, 'never'],
  ['+5', 5, true, 'never'],
  ['1_000', null, null, null],
  ['[1, 2]', null, null, null],
  ['null', null, null, null],
  ['# nothing', null, null, null],
];

for (const [value, ...meaning] of VALUES) {
  test(`${JSON.stringify(value)} in a layer`, () => assert.deepEqual(meaningOf(entryOf(value)), meaning));
}

for (const [text, ...meaning] of TEXTS) {
  test(`the text ${JSON.stringify(text)}`, () => {
    const entry = parseRuntimeText(text);
    assert.ok(!('error' in entry));
    assert.equal(entry.text, text);
    assert.deepEqual(meaningOf(entry), meaning);
  });
}

test('texts that are no YAML are refused', () => {
  for (const text of ['{a', 'a: b: c', '"abc', '}', '*x', '@x']) assert.ok('error' in parseRuntimeText(text), text);
});

test('values are shown as Envoy prints them', () => {
  const shown = (value: unknown): string => entryOf(value).text;
  assert.deepEqual([5, 1.5, 5e9, 1_234_567, -3, 0.0001].map(shown), [
    '5',
    '1.5',
    '5e+09',
    '1.23457e+06',
    '-3',
    '0.0001',
  ]);
  assert.equal(shown({ numerator: 5, denominator: 'MILLION' }).split('\n').slice(1, 6).join('|'), STRUCT);
});
const STRUCT = 'fields {|  key: "denominator"|  value {|    string_value: "MILLION"|  }';

test('nested keys get dots; lists and nulls are refused', () => {
  const flat = flattenLayer({ a: { b: { c: 1 }, 'd.e': true }, f: { numerator: 1 } });
  assert.ok(typeof flat !== 'string');
  assert.deepEqual([...flat.keys()], ['a.b.c', 'a.d.e', 'f']);
  assert.equal(flattenLayer({ a: { b: [1] } }), 'Invalid runtime entry value for a.b');
  assert.equal(flattenLayer({ a: null }), 'Invalid runtime entry value for a');
});
