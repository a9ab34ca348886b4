// Keys of scopes from headers: elements by place and by name, and what has none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import type { RouteTable } from './route.ts';
import { byKey, ScopedTable, type ScopeFragment } from './scoped-table.ts';

const HEADER = headerKey('x-scope');

function scoped(fragment: Omit<ScopeFragment, 'header'>, ...keys: string[]): (value: string | null) => string {
  const scopes = keys.map((key) => {
    const current = { name: key, virtualHosts: [], internalOnlyHeaders: [`x-${key}`], virtualHost: () => key };
    return { key: [key], routes: { current: current as unknown as RouteTable } };
  });
  const table = new ScopedTable('scopes', [{ header: HEADER, ...fragment }], byKey(scopes));
  assert.deepEqual(
    table.internalOnlyHeaders,
    keys.map((key) => `x-${key}`),
  );
  return (value) => {
    const headers = new Headers();
    if (value !== null) headers.add(HEADER, value);
    return String(table.virtualHost(headers));
  };
}

test('elements are found by their place', () => {
  const find = scoped({ separator: ',', pick: { index: 1 } }, 'a', 'b', '');
  assert.deepEqual([null, 'b', 'a,b', 'b,a,c', 'b,'].map(find), ['null', 'null', 'b', 'a', '']);
  const whole = scoped({ separator: '', pick: { index: 0 } }, 'a,b');
  assert.deepEqual(['a,b', 'a'].map(whole), ['a,b', 'null']);
});

test('and by their key, the first one wins', () => {
  const find = scoped({ separator: ';', pick: { key: 'k', separator: '=' } }, 'a', 'b', 'c=d', '');
  const values = ['k=a', 'x=b;k=b', 'k=a;k=b', 'k=c=d', 'k', 'K=a', 'x'];
  assert.deepEqual(values.map(find), ['a', 'b', 'a', 'c=d', '', 'null', 'null']);
});
