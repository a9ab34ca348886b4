// Expressions of tags as std::regex reads them: Istio's, classes, look-ahead, and what is none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTagRegex } from './tag-regex.ts';

function groupsOf(source: string, name: string): readonly (string | undefined)[] | null {
  const compiled = compileTagRegex(source);
  assert.ok('regex' in compiled, JSON.stringify(compiled));
  return compiled.regex.exec(name)?.slice(1) ?? null;
}

test('Istio’s own tags match as they do in Envoy', () => {
  const address = '(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)';
  const listener = `^listener(?=\\.).*?\\.http\\.${address}`;
  assert.deepEqual(groupsOf(listener, 'listener.0.0.0.0_80.http.0.0.0.0_80.downstream_rq'), [
    '0.0.0.0_80.',
    '0.0.0.0_80',
  ]);
  assert.deepEqual(groupsOf(listener, 'listener.[__]_80.http.[fe80__1]_80.rq'), ['[fe80__1]_80.', '[fe80__1]_80']);
  assert.equal(groupsOf(listener, 'listeners.0.0.0.0_80.http.0.0.0.0_80.x'), null);
  assert.deepEqual(groupsOf('_rq(_(\\d{3}))$', 'x.upstream_rq_200'), ['_200', '200']);
  assert.deepEqual(groupsOf('([[:alpha:]_[:digit:]]+)-', 'a_1-b'), ['a_1']);
});

test('what std::regex does not know is refused in its words', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['(a', /mismatched \( and \)/],
    ['[a', /mismatched \[ and \]/],
    ['(?P<x>a)', /not preceded by a valid regular expression/],
    ['(?<=a)(b)', /not preceded by a valid regular expression/],
    ['(?i)(a)', /not preceded by a valid regular expression/],
    ['((a)\\p{L})', /invalid escaped character/],
    ['(\\z)', /invalid escaped character/],
    ['a\\', /invalid escaped character/],
    ['[[:foo:]](a)', /invalid character class name/],
    ['[[:digit(a)', /invalid character class name/],
  ];
  for (const [source, expected] of rows) {
    const compiled = compileTagRegex(source);
    assert.ok('error' in compiled, source);
    assert.match(compiled.error, expected, source);
  }
  const plain = compileTagRegex('a(?:b)(c)');
  assert.equal('groups' in plain ? plain.groups : -1, 1);
});
