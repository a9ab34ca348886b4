// Responses that are made one: what the newest version of a resource replaces stays beside it, to a limit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from './batch.ts';
import type { CutResource, Received } from './received.ts';

const TYPE = 'test.Type';

function response(version: string, isComplete: boolean, texts: Readonly<Record<string, string>>): Received {
  const resources = Object.entries(texts).map(([name, text]): CutResource => {
    return { name, version, type: TYPE, bytes: Buffer.from(text), aliases: [], ttlMs: 0 };
  });
  const none = { heartbeats: [], removed: [], broken: [] };
  return { type: TYPE, version, nonce: version, resources, isComplete, bytes: 0, ...none };
}

/** Each resource as 'name: newest < former < …'. */
function show(batch: Batch): string[] {
  return batch.response.resources.map(({ name, bytes, former = [] }) => {
    const texts = [bytes, ...former.map((one) => one.bytes)].map((one) => Buffer.from(one).toString());
    return `${name}: ${texts.join(' < ')}`;
  });
}

for (const isComplete of [false, true]) {
  test(`former versions stay, what is equal or removed does not (${isComplete ? 'complete' : 'partial'})`, () => {
    const batch = new Batch(TYPE);
    const take = (version: string, texts: Readonly<Record<string, string>>): void =>
      batch.take(response(version, isComplete, texts), 1, () => true);
    take('1', { a: 'one', b: 'one' });
    take('2', { a: 'two', b: 'one' });
    assert.deepEqual(show(batch), ['a: two < one', 'b: one']);
    const before = batch.bytes;
    take('3', { a: 'two!', b: 'one' });
    const ofPart = isComplete ? 0 : 256;
    assert.equal(batch.bytes - before, 'two!'.length + ofPart, 'all that is kept is counted');
    for (const text of ['4', '5', '6', '7']) take(text, { a: text, b: 'one' });
    assert.deepEqual(show(batch), ['a: 7 < 6 < 5 < 4 < two!', 'b: one']);
    batch.drop('a');
    batch.remove('b');
    take('8', { a: '8', b: '8' });
    assert.deepEqual(show(batch), ['a: 8', 'b: 8']);
  });
}
