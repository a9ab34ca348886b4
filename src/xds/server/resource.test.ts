// Tests of tables: versions, commits, what changed since one of them, and what is remembered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodedResource, findResource, MAX_REMEMBERED_CHANGES, MAX_REMOVED_BYTES, ResourceTable } from './resource.ts';

const TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

function resource(name: string, text = '1', aliases: string[] = [], causes: string[] | null = null) {
  return encodedResource(TYPE, name, Buffer.from(text), aliases, causes);
}

function since(table: ResourceTable, seq: number): string {
  const changes = table.changedSince(seq);
  if (changes === undefined) return 'too long ago';
  return [...changes.changed.map(({ name }) => name), ...changes.removed.map((name) => `-${name}`)].join(' ');
}

test('a commit tells what changed, and equal bytes are no change', () => {
  const table = new ResourceTable(TYPE);
  assert.deepEqual(table.set([resource('a'), resource('b')]), ['a', 'b']);
  assert.deepEqual(table.set([resource('a'), resource('b')]), []);
  assert.equal(table.seq, 1);
  assert.deepEqual(table.set([resource('b', '2'), resource('c')]), ['b', 'c', 'a']);
  assert.equal(since(table, 1), 'b c -a');
  assert.equal(since(table, 2), '');
  assert.deepEqual([table.changedAt('b'), table.changedAt('a'), table.size, table.bytes], [2, 0, 2, 2]);
  table.apply([['b', resource('b', '3')]]);
  assert.equal(since(table, 1), 'b c -a');
  assert.equal(table.formerly('a')?.name, 'a');
});

test('what came and went meanwhile nobody has seen; what went and came back has changed', () => {
  const table = new ResourceTable(TYPE);
  table.set([resource('a')]);
  table.apply([['b', resource('b')]]);
  table.apply([
    ['b', null],
    ['a', null],
  ]);
  assert.equal(since(table, 1), '-a');
  assert.equal(since(table, 2), '-b -a');
  table.apply([['a', resource('a')]]);
  assert.equal(since(table, 1), 'a');
});

test('the digest is that of the content, whatever the way there', () => {
  const one = new ResourceTable(TYPE);
  one.set([resource('a'), resource('b', '2')]);
  const other = new ResourceTable(TYPE);
  other.apply([['b', resource('b')]]);
  other.apply([['c', resource('c')]]);
  other.set([resource('b', '2'), resource('a')]);
  assert.equal(one.digest, other.digest);
  other.apply([['a', resource('a', '2')]]);
  assert.notEqual(one.digest, other.digest);
});

test('aliases lead to the resource that has them now', () => {
  const table = new ResourceTable(TYPE);
  table.set([resource('a', '1', ['x', 'y']), resource('b')]);
  assert.equal(table.byAlias('x')?.name, 'a');
  table.set([resource('a', '2', ['y']), resource('b', '1', ['x'])]);
  assert.deepEqual([table.byAlias('x')?.name, table.byAlias('y')?.name], ['b', 'a']);
  table.apply([['b', null]]);
  assert.equal(table.byAlias('x'), undefined);
  assert.equal(findResource([table], 'y')?.name, 'a');
});

test('other causes of the same bytes are kept, and are no change', () => {
  const table = new ResourceTable(TYPE);
  table.set([resource('a', '1', [], ['Service/x'])]);
  const list = table.all();
  assert.deepEqual(table.set([resource('a', '1', [], ['Service/x'])]), []);
  assert.equal(table.all(), list);
  assert.deepEqual(table.set([resource('a', '1', [], ['Service/y'])]), []);
  assert.deepEqual([table.get('a')?.causes, table.all()[0]?.causes], [['Service/y'], ['Service/y']]);
});

test('changes are remembered up to a limit', () => {
  const table = new ResourceTable(TYPE);
  table.set([resource('a')]);
  for (let i = 0; i < MAX_REMEMBERED_CHANGES; i++) table.apply([['a', resource('a', String(i + 2))]]);
  assert.equal(since(table, 1), 'too long ago');
  assert.equal(since(table, table.seq - 10), 'a');
});

test('removed resources are remembered up to a limit of bytes', () => {
  const table = new ResourceTable(TYPE);
  const large = 'x'.repeat(MAX_REMOVED_BYTES / 2);
  for (const name of ['a', 'b', 'c']) {
    table.apply([[name, resource(name, large + name)]]);
    table.apply([[name, null]]);
  }
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => table.formerly(name)?.name),
    [undefined, undefined, 'c'],
  );
  assert.equal(since(table, 1), '-a');
});
