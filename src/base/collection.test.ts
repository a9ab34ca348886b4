// Each kind of collection, what is recomputed, who is told, and what a failing function leaves behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Changes, CollectionError, Graph } from './collection.ts';
import { deepEqual } from './collection/deep-equal.ts';

const fill = <V>(graph: Graph, input: { set(key: string, value: V): void }, values: Record<string, V>): void =>
  graph.batch(() => {
    for (const [key, value] of Object.entries(values)) input.set(key, value);
  });

test('a map has a value, or none, for each key of its source, and equal values stop the wave', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  const parity = graph.map('parity', numbers, (_key, value) => (value > 9 ? undefined : value % 2));
  const text = graph.map('text', parity, (key, value) => `${key}${value}`);
  fill(graph, numbers, { b: 2, a: 1, c: 10 });
  assert.deepEqual(
    [...text.entries()],
    [
      ['a', 'a1'],
      ['b', 'b0'],
    ],
  );
  graph.batch(() => numbers.set('a', 3));
  assert.deepEqual([...graph.recomputed], [['parity', 1]]);
  graph.batch(() => {
    numbers.set('c', 4);
    numbers.delete('b');
  });
  assert.deepEqual(
    [...text.entries()],
    [
      ['a', 'a1'],
      ['c', 'c0'],
    ],
  );
  assert.equal(text.size, 2);
  assert.ok(text.has('c') && !text.has('b') && text.get('b') === undefined);
});

test('what a function reads is remembered for each key, and forgotten when it reads something else', () => {
  const graph = new Graph();
  const settings = graph.input<number>('settings');
  const which = graph.input<string>('which');
  const chosen = graph.map('chosen', which, (_key, name, read) => read.get(settings, name) ?? -1);
  fill(graph, settings, { x: 1, y: 2 });
  fill(graph, which, { p: 'x', q: 'y', r: 'z' });
  assert.deepEqual(
    [...chosen.entries()].map(([, value]) => value),
    [1, 2, -1],
  );
  graph.batch(() => settings.set('x', 5));
  assert.equal(graph.recomputed.get('chosen'), 1);
  graph.batch(() => settings.set('z', 7));
  assert.equal(chosen.get('r'), 7);
  graph.batch(() => which.set('p', 'y'));
  graph.batch(() => settings.set('x', 6));
  assert.equal(graph.recomputed.get('chosen'), undefined);
  graph.batch(() => settings.set('y', 6));
  assert.equal(graph.recomputed.get('chosen'), 2);
});

test('of two sources with one output key the smaller one has it, and the other gets it when the first goes', () => {
  const graph = new Graph();
  const lists = graph.input<readonly string[]>('lists');
  const owners = graph.flatMap('owners', lists, function* (key, names) {
    for (const name of names) yield [name, key] as const;
  });
  const clashing = graph.map('clashing', owners.clashes, (name, sources) => `${name}: ${sources.join(' ')}`);
  fill(graph, lists, { b: ['x', 'y', 'x'], c: ['x'], a: ['z'] });
  assert.deepEqual(
    [...owners.entries()],
    [
      ['x', 'b'],
      ['y', 'b'],
      ['z', 'a'],
    ],
  );
  assert.deepEqual([...clashing.entries()], [['x', 'x: b c']]);
  graph.batch(() => lists.set('a', ['x']));
  assert.equal(owners.get('x'), 'a');
  assert.equal(owners.get('z'), undefined);
  assert.equal(clashing.get('x'), 'x: a b c');
  graph.batch(() => {
    lists.set('b', ['y']);
    lists.delete('a');
  });
  assert.equal(owners.get('x'), 'c');
  assert.equal(clashing.size, 0);
});

test('a union has the value of the first collection that has the key', () => {
  const graph = new Graph();
  const one = graph.input<number>('one');
  const two = graph.input<number>('two');
  const both = graph.union('both', one, two);
  fill(graph, two, { a: 1, b: 2 });
  fill(graph, one, { a: 3 });
  assert.deepEqual(
    [...both.entries()],
    [
      ['a', 3],
      ['b', 2],
    ],
  );
  graph.batch(() => {
    one.delete('a');
    two.set('a', 4);
    two.delete('b');
  });
  assert.deepEqual([...both.entries()], [['a', 4]]);
});

test('an index finds values in the order of their keys, and its readers depend on their index key only', () => {
  const graph = new Graph();
  const pods = graph.input<{ app: string; ip: string }>('pods');
  const byApp = pods.index('app', (_key, pod) => [pod.app]);
  const apps = graph.input<null>('apps');
  const addresses = graph.map('addresses', apps, (app, _value, read) => read.lookup(byApp, app).map((pod) => pod.ip));
  fill(graph, apps, { web: null, db: null });
  fill(graph, pods, { p2: { app: 'web', ip: '2' }, p1: { app: 'web', ip: '1' }, p3: { app: 'db', ip: '3' } });
  assert.deepEqual(addresses.get('web'), ['1', '2']);
  graph.batch(() => pods.set('p3', { app: 'db', ip: '4' }));
  assert.equal(graph.recomputed.get('addresses'), 1);
  assert.deepEqual(addresses.get('db'), ['4']);
  graph.batch(() => pods.set('p3', { app: 'web', ip: '4' }));
  assert.equal(graph.recomputed.get('addresses'), 2);
  assert.deepEqual(addresses.get('db'), []);
  assert.deepEqual(byApp.lookup('web').length, 3);
  graph.batch(() => pods.set('p9', { app: 'other', ip: '9' }));
  assert.equal(graph.recomputed.get('addresses'), undefined);
});

test('all and keys are in order, and keys do not depend on values', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  const one = graph.input<string>('one');
  const sum = graph.map('sum', one, (_key, _value, read) => [...read.all(numbers)].flat().join(' '));
  const names = graph.map('names', one, (_key, _value, read) => read.keys(numbers).join(' '));
  fill(graph, one, { it: '' });
  fill(graph, numbers, { c: 3, a: 1, b: 2 });
  assert.equal(sum.get('it'), 'a 1 b 2 c 3');
  graph.batch(() => numbers.set('b', 5));
  assert.deepEqual([...graph.recomputed.keys()], ['sum']);
  graph.batch(() => numbers.delete('a'));
  assert.equal(names.get('it'), 'b c');
  assert.equal(sum.get('it'), 'b 5 c 3');
});

test('a memo is computed when it is read, shared, and dropped when nobody needs it any more', () => {
  const graph = new Graph();
  const texts = graph.input<string>('texts');
  let runs = 0;
  const lengths = graph.memo('lengths', (key, read) => {
    runs++;
    return (read.get(texts, key) ?? '').length;
  });
  const doubled = graph.memo('doubled', (key, read) => 2 * read.get(lengths, key));
  const wanted = graph.input<string>('wanted');
  const found = graph.map('found', wanted, (_key, name, read) => read.get(doubled, name));
  fill(graph, texts, { t: 'four', u: 'three' });
  assert.equal(runs, 0);
  fill(graph, wanted, { a: 't', b: 't' });
  assert.equal(runs, 1);
  assert.equal(found.get('b'), 8);
  graph.batch(() => texts.set('t', 'five'));
  assert.deepEqual([...graph.recomputed], [['lengths', 1]]);
  graph.batch(() => texts.set('t', 'longer'));
  assert.deepEqual([...graph.recomputed].flat(), ['lengths', 1, 'doubled', 1, 'found', 2]);
  assert.equal(lengths.retain('u'), 5);
  const told: Changes<number>[] = [];
  lengths.subscribe((changes) => told.push(changes));
  graph.batch(() => {
    wanted.delete('a');
    wanted.set('b', 'u');
  });
  assert.equal(lengths.size, 1);
  assert.equal(doubled.size, 1);
  graph.batch(() => wanted.delete('b'));
  assert.equal(doubled.size, 0);
  assert.equal(lengths.get('u'), 5);
  graph.batch(() => texts.set('u', 'six'));
  assert.deepEqual(
    told.map((changes) => [...changes]),
    [[['u', { before: 5, after: 3 }]]],
  );
  lengths.release('u');
  assert.equal(lengths.size, 0);
  graph.batch(() => texts.set('u', 'seven'));
  assert.equal(graph.recomputed.size, 0);
});

test('listeners hear of a batch once, when everything has settled', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  const squares = graph.map('squares', numbers, (_key, value) => value * value);
  const seen: unknown[] = [];
  numbers.subscribe((changes) => seen.push([...changes], squares.get('a')));
  const end = squares.subscribe((changes) => seen.push([...changes]));
  graph.batch(() => {
    numbers.set('a', 1);
    graph.batch(() => numbers.set('a', 2));
    assert.equal(squares.get('a'), undefined);
  });
  const whole = [[['a', { before: undefined, after: 2 }]], 4, [['a', { before: undefined, after: 4 }]]];
  assert.deepEqual(seen.splice(0), whole);
  end();
  graph.batch(() => numbers.set('a', 2));
  assert.deepEqual(seen, []);
  graph.batch(() => numbers.set('a', 3));
  assert.equal(seen.length, 2);
});

test('a collection that is made late has what its sources have already', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  fill(graph, numbers, { a: 1, b: 2 });
  const next = graph.map('next', numbers, (_key, value) => value + 1);
  const flat = graph.flatMap('flat', next, (key, value) => [[`${key}!`, value]]);
  const both = graph.union('both', next, flat);
  assert.deepEqual([...both.entries()].flat(), ['a', 2, 'a!', 2, 'b', 3, 'b!', 3]);
  assert.deepEqual(next.index('value', (_key, value) => [String(value)]).lookup('3'), [3]);
});

test('a batch that fails half way changes nothing', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  const half = (): void => {
    numbers.set('a', 1);
    throw new Error('half way');
  };
  assert.throws(() => graph.batch(half), /half way/);
  graph.batch(() => numbers.set('b', 2));
  assert.deepEqual([...numbers.entries()], [['b', 2]]);
});

test('a function that throws leaves its key as it was, and the rest goes on', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  const limit = graph.input<number>('limit');
  const checked = graph.map('checked', numbers, (_key, value, read) => {
    if (value > (read.get(limit, 'max') ?? 10)) throw new Error('too large');
    return value;
  });
  const next = graph.map('next', checked, (_key, value) => value + 1);
  fill(graph, numbers, { a: 1, b: 2 });
  let told = 0;
  next.subscribe((changes) => (told += changes.size));
  const failure = { name: 'CollectionError', collection: 'checked', key: 'a', message: /checked.* key a: too large$/ };
  assert.throws(() => fill(graph, numbers, { a: 11, b: 3, c: 4 }), failure);
  assert.deepEqual([...next.entries()].flat(), ['a', 2, 'b', 4, 'c', 5]);
  assert.equal(told, 2);
  graph.batch(() => limit.set('max', 20));
  assert.equal(next.get('a'), 12);
  assert.throws(() => graph.batch(() => fill(graph, numbers, { a: 30, b: 30 })), AggregateError);
});

test('a memo that fails fails its readers once, and is tried again when what it read changes', () => {
  const graph = new Graph();
  const texts = graph.input<string>('texts');
  const parsed = graph.memo('parsed', (key, read) => JSON.parse(read.get(texts, key) ?? 'null'));
  const wanted = graph.input<string>('wanted');
  const found = graph.map('found', wanted, (_key, name, read) => read.get(parsed, name));
  fill(graph, texts, { t: '{' });
  assert.throws(() => parsed.retain('t'), CollectionError);
  assert.equal(parsed.size, 0);
  assert.throws(() => fill(graph, wanted, { a: 't' }), { name: 'CollectionError', collection: 'parsed' });
  assert.equal(found.size, 0);
  graph.batch(() => texts.set('t', '7'));
  assert.equal(found.get('a'), 7);
  assert.throws(() => graph.batch(() => texts.set('t', '}')), { collection: 'parsed' });
  assert.equal(found.get('a'), 7);
});

test('reading a later collection, or after the function returned, is a mistake that is told', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  let read: { get(collection: typeof numbers, key: string): unknown } | undefined;
  graph.map('early', numbers, (_key, _value, reader) => {
    read = reader;
    return reader.get(late, 'a');
  });
  const late = graph.map('late', numbers, (_key, value) => value);
  assert.throws(() => fill(graph, numbers, { a: 1 }), /early reads late, which was made later/);
  assert.throws(() => read?.get(numbers, 'a'), /after the function/);
  assert.throws(() => numbers.set('a', 1), /inside a batch only/);
  assert.throws(() => graph.input('late'), /two collections/);
});

test('the report of a batch names its causes and the work they made', () => {
  const graph = new Graph();
  const numbers = graph.input<number>('numbers');
  const parity = graph.map('parity', numbers, (_key, value) => value % 2);
  graph.map('same', parity, (_key, value) => value);
  fill(graph, numbers, { a: 1, b: 2 });
  graph.batch(() => {
    numbers.set('a', 3);
    numbers.set('b', 3);
  });
  assert.deepEqual(graph.lastBatch, {
    causes: [{ collection: 'numbers', keys: ['a', 'b'], count: 2 }],
    work: [
      { collection: 'numbers', recomputed: 0, changed: 2 },
      { collection: 'parity', recomputed: 2, changed: 1 },
      { collection: 'same', recomputed: 1, changed: 1 },
    ],
  });
});

test('plain data is compared by what it holds', () => {
  const value = () => ({ a: [1, { b: null }], c: new Uint8Array([1, 2]), m: new Map([['x', [1]]]), s: new Set([1]) });
  assert.ok(deepEqual(value(), value()));
  assert.ok(deepEqual({ a: 1, b: 2 }, { b: 2, a: 1 }));
  assert.ok(deepEqual(Number.NaN, Number.NaN));
  assert.ok(!deepEqual({ a: undefined }, { b: undefined }));
  assert.ok(!deepEqual({ ...value(), c: new Uint8Array([1, 3]) }, value()));
  assert.ok(!deepEqual({ ...value(), m: new Map([['x', [2]]]) }, value()));
  assert.ok(!deepEqual([1], [1, 2]));
  assert.ok(!deepEqual([], {}));
  assert.ok(!deepEqual(/a/, /a/));
});
