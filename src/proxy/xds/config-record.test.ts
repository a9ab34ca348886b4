// What is told of resources that came: versions, refusals, removals, what is still waited for, and lost servers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigRecord } from './config-record.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const resource = (name: string, version: string, text: string) => ({
  ...{ name, version, type: 't', bytes: bytes(text), aliases: [] },
});

test('what did not change keeps its version; what was refused stands beside what serves', () => {
  let now = 1000;
  const record = new ConfigRecord(() => now);
  record.took('t', 'ads', { version: '1', resources: [resource('a', '1', 'x'), resource('b', '1', 'y')] }, [], []);
  now = 2000;
  const second = { version: '2', resources: [resource('a', '2', 'x'), resource('b', '2', 'z')] };
  record.took('t', 'ads', second, [], [{ name: 'b', reason: 'no' }]);
  assert.equal(record.versionOf('t'), '1');
  assert.deepEqual(
    [...record.of('t')],
    [
      {
        name: 'a',
        place: 'ads',
        active: { version: '1', bytes: bytes('x'), updatedWallMs: 1000 },
        error: null,
      },
      {
        name: 'b',
        place: 'ads',
        active: { version: '1', bytes: bytes('y'), updatedWallMs: 1000 },
        error: { version: '2', bytes: bytes('z'), details: 'no', attemptWallMs: 2000 },
      },
    ],
  );
  record.took('t', 'ads', { version: '3', resources: [resource('b', '3', 'z')] }, ['a'], []);
  assert.deepEqual(
    [...record.of('t')].map(({ name, active, error }) => [name, active?.version, error]),
    [['b', '3', null]],
  );
  assert.equal(record.versionOf('t'), '3');
});

test('names are awaited until something good has come', () => {
  const record = new ConfigRecord(() => 1);
  record.wanted('t', 'a');
  record.wanted('t', 'b');
  record.took(
    't',
    'ads',
    { version: '1', resources: [resource('a', '1', 'x'), resource('b', '1', '')] },
    [],
    [{ name: 'b', reason: 'no' }],
  );
  assert.deepEqual([...record.awaited('t')], ['b']);
  record.unwanted('t', 'ads', 'b');
  assert.deepEqual([...record.awaited('t')], []);
});

test('refused names do not fill the memory', () => {
  const record = new ConfigRecord(() => 1);
  for (let i = 0; i < 1500; i++) {
    const name = `n${i}`;
    record.took('t', 'ads', { version: '1', resources: [resource(name, '1', '')] }, [], [{ name, reason: 'no' }]);
  }
  assert.equal([...record.of('t')].length, 1000);
});

test('nor do large ones, of which the reasons stay', () => {
  const record = new ConfigRecord(() => 1);
  const sizes = (): number[] => [...record.of('t')].map(({ error }) => error?.bytes.length ?? -1);
  const took = (name: string, bytes: number, isGood = false): void => {
    const resources = [{ ...resource(name, '1', ''), bytes: new Uint8Array(bytes) }];
    record.took('t', 'ads', { version: '1', resources }, [], isGood ? [] : [{ name, reason: 'no' }]);
  };
  const large = 10 * 1024 * 1024;
  for (const name of ['a', 'b', 'c']) took(name, large);
  assert.deepEqual(sizes(), [large, 0, 0]);
  took('a', 1, true);
  took('b', large);
  assert.deepEqual(sizes(), [-1, large, 0]);
  assert.deepEqual(
    [...record.of('t')].map(({ error }) => error?.details),
    [undefined, 'no', 'no'],
  );
});

test('a configuration is without its server from the first loss to the last return', () => {
  let now = 1000;
  const record = new ConfigRecord(() => now);
  record.connection('a', 'ads', false);
  now = 3000;
  record.connection('b', 'ads', false);
  record.connection('a', 'ads', false);
  assert.equal(record.orphanedMs, 2000);
  record.connection('a', 'ads', true);
  now = 4000;
  assert.equal(record.orphanedMs, 1000);
  record.connection('b', 'ads', true);
  assert.equal(record.orphanedMs, 0);
});

test('the last good configuration is as old as the last response that was good in part', () => {
  let now = 1000;
  const record = new ConfigRecord(() => now);
  const resources = ['a', 'b'].map((name) => ({ name, version: '1', type: 'T', bytes: Buffer.of(1) }));
  const refused = resources.map(({ name }) => ({ name, reason: 'no' }));
  record.took('T', 'ads', { version: '1', resources } as never, [], refused);
  assert.deepEqual([record.lastHeardWallMs, record.lastGoodWallMs], [1000, 0]);
  now = 2000;
  record.took('T', 'ads', { version: '2', resources } as never, [], refused.slice(1));
  now = 3000;
  record.took('T', 'ads', { version: '3', resources } as never, [], refused);
  assert.deepEqual([record.lastHeardWallMs, record.lastGoodWallMs], [3000, 2000]);
});

test('what is no resource at all is told by its name', () => {
  const record = new ConfigRecord(() => 1);
  record.took('t', 'ads', { version: '1', resources: [resource('a', '1', 'x'), resource('b', '1', 'y')] }, [], []);
  const broken = ['a', 'b', 'c', ''].map((name) => ({ name, reason: `no ${name}` }));
  record.took('t', 'ads', { version: '2', resources: [resource('b', '2', 'z')] }, [], [], broken);
  assert.deepEqual(
    [...record.of('t')].map(({ name, active, error }) => [name, active?.version, error?.details]),
    [
      ['a', '1', 'no a'],
      ['b', '2', undefined],
      ['c', undefined, 'no c'],
    ],
  );
  assert.equal(record.versionOf('t'), '1');
});
