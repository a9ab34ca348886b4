// JSON in pieces is the JSON of the whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonList, jsonPieces, jsonText, JsonTree } from './json-writer.ts';

const whole = (value: unknown): string => [...jsonPieces(value)].join('');

test('trees and lists are printed as plain objects are', () => {
  const entry = { name: 'a', nested: { list: [1, 2], text: 'x\ny' }, empty: {} };
  const tree = new JsonTree({
    text: '"quoted"',
    list: new JsonList(() => [entry, new JsonTree({ inner: new JsonList(() => [entry]) })]),
    plain: entry,
  });
  assert.equal(whole(tree), jsonText({ text: '"quoted"', list: [entry, { inner: [entry] }], plain: entry }));
});

test('lists without entries and fields without values are left out', () => {
  const none = new JsonList(() => []);
  assert.equal(whole(new JsonTree({ a: none, b: undefined, c: 1 })), jsonText({ c: 1 }));
  assert.equal(whole(new JsonTree({ a: none })), '{}');
  assert.equal(whole(none), '[]');
});

test('entries are made one after another, and changed before they are written', () => {
  const made: number[] = [];
  const list = new JsonList(function* () {
    for (let i = 0; i < 3; i++) {
      made.push(i);
      yield { secret: i };
    }
  });
  const pieces = jsonPieces(new JsonTree({ list }), (value) => Object.assign(value as object, { secret: 'no' }));
  assert.deepEqual(made, []);
  pieces.next();
  assert.deepEqual(made, [0]);
  assert.equal([...pieces].join('').includes('"secret": 2'), false);
});
