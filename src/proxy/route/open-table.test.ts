// Tables that grow: virtual hosts come and go by name, all of a change or none, and whoever matches sees it at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import { ADS_PLACE } from '../xds/place.ts';
import { GrowingTable, OpenTable } from './open-table.ts';
import type { VirtualHost } from './route.ts';
import type { HostEntry } from './route-table.ts';

function entry(name: string, ...domains: string[]): HostEntry {
  return { host: { name, domains } as unknown as VirtualHost, entries: [], tree: null, tlsRedirect: null };
}

function growing(...own: HostEntry[]): GrowingTable {
  const settings = { ignorePort: false, ignorePathParameters: false, hostHeader: null, internalOnlyHeaders: [] };
  const open = new OpenTable({ name: 'r', ...settings }, ADS_PLACE, () => assert.fail());
  for (const one of own) open.addOwn(one);
  const made = open.tableOf([], null);
  assert.ok(made instanceof GrowingTable);
  return made;
}

const find = ({ table }: GrowingTable, host: string): string => {
  const headers = new Headers();
  headers.authority = host;
  return table.virtualHost(headers)?.name ?? 'none';
};

test('the longest wildcard wins, whatever came first, and a host takes all its domains with it', () => {
  const table = growing(entry('rest', '*'));
  const look = (): string[] =>
    ['x.b.test', 'x.a.b.test', 'pre.x', 'pre.fix.y', 'Exact', ''].map((host) => find(table, host));
  assert.deepEqual(look(), ['rest', 'rest', 'rest', 'rest', 'rest', 'rest']);
  table.change([
    ['short', entry('short', '*.test', 'pre.*')],
    ['middle', entry('middle', '*.b.test')],
    ['long', entry('long', '*.A.b.test', 'pre.fix.*', 'exact')],
  ]);
  assert.deepEqual(look(), ['middle', 'long', 'short', 'long', 'long', 'none']);
  table.change([['long', null]]);
  assert.deepEqual(look(), ['middle', 'middle', 'short', 'short', 'rest', 'none']);
  table.change([
    ['middle', null],
    ['short', entry('short', 'only.test')],
  ]);
  assert.deepEqual(look(), ['rest', 'rest', 'rest', 'rest', 'rest', 'none']);
  table.change([
    ['short', null],
    ['unknown', null],
  ]);
  assert.equal(find(table, ''), 'rest');
  assert.deepEqual(
    table.table.virtualHosts.map(({ name }) => name),
    ['rest'],
  );
});

test('a change that cannot be leaves everything as it was', () => {
  const table = growing(entry('own', 'own.test'));
  table.change([
    ['a', entry('a', 'a.test', '*.a.test')],
    ['b', entry('b', 'b.test')],
  ]);
  table.keep();
  const conflict = table.change([
    ['a', entry('a', 'new.test')],
    ['b', null],
    ['c', entry('c', 'c.test', '*.a.test', 'own.test')],
  ]);
  const reason = 'Only unique values for domains are permitted. Duplicate entry of domain own.test in route r';
  assert.deepEqual(conflict, { name: 'c', reason });
  const hosts = ['own.test', 'a.test', 'x.a.test', 'b.test', 'new.test', 'c.test'];
  assert.deepEqual(
    hosts.map((host) => find(table, host)),
    ['own', 'a', 'a', 'b', 'none', 'none'],
  );
  assert.equal(
    table.change([
      ['a', entry('a', 'b.test')],
      ['b', entry('b', 'a.test')],
    ]),
    null,
  );
  assert.deepEqual([find(table, 'a.test'), find(table, 'b.test')], ['b', 'a']);
  table.undo();
  assert.deepEqual([find(table, 'a.test'), find(table, 'b.test')], ['a', 'b']);
  assert.match(table.change([['c', entry('c', '*', '*')]])?.reason ?? '', /^Only a single wildcard domain/);
  assert.equal(find(table, 'c.test'), 'none');
});
