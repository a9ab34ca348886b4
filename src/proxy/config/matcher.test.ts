// Matchers on headers, queries, cookies, metadata, filter state; rows about requests were seen on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigDecoder } from '../config-decoder.ts';
import { exampleExchange } from '../formatter/test-exchange.ts';
import {
  type CookieMatcherPb,
  decodeCookieMatcher,
  decodeFilterStateMatcher,
  decodeHeaderMatcher,
  decodeMetadataMatcher,
  decodeQueryParameterMatcher,
  decodeStringMatcher,
  decodeStringMatchers,
  decodeValueMatcher,
  type HeaderMatcherPb,
  parseCookies,
  parseQuery,
  type QueryParameterMatcherPb,
  type StringMatcherPb,
  type ValueMatcherPb,
} from './matcher.ts';
import { requestOf } from './route-test-table.ts';

const decoder = (): ConfigDecoder => new ConfigDecoder({ unpack: () => null });

/** Decodes with no reason given. */
function clean<T>(decode: (d: ConfigDecoder) => T): T {
  const d = decoder();
  const decoded = decode(d);
  assert.deepEqual(d.reasons, []);
  return decoded;
}

test('strings', () => {
  const rows: readonly (readonly [StringMatcherPb, string, boolean])[] = [
    [{ exact: 'a' }, 'a', true],
    [{ exact: 'a' }, 'A', false],
    [{ exact: 'ÀB', ignore_case: true }, '\xc3\x80b', true],
    [{ exact: 'À', ignore_case: true }, '\xe3\x80', false],
    [{ prefix: 'Ab', ignore_case: true }, 'aBc', true],
    [{ prefix: 'ab' }, 'a', false],
    [{ suffix: 'bc' }, 'abc', true],
    [{ suffix: 'BC', ignore_case: true }, 'abc', true],
    [{ suffix: 'abcd', ignore_case: true }, 'bcd', false],
    [{ contains: 'AbC', ignore_case: true }, 'xxabcx', true],
    [{ contains: 'b' }, 'abc', true],
    [{ safe_regex: { regex: 'a.c' } }, 'abc', true],
    [{ safe_regex: { regex: 'a' } }, 'abc', false],
  ];
  for (const [message, value, matches] of rows) {
    const matcher = clean((d) => decodeStringMatcher(message, d));
    assert.equal(matcher.matches(value), matches, `${JSON.stringify(message)} on ${value}`);
  }
  const any = clean((d) => decodeStringMatchers([{ exact: 'a' }, { prefix: 'b' }], d, 'patterns'));
  assert.deepEqual(
    ['a', 'bx', 'c'].map((value) => any?.matches(value)),
    [true, true, false],
  );
});

test('what is wrong with a string matcher is said with its path', () => {
  const reasons = (message: StringMatcherPb): string[] => {
    const d = decoder();
    decodeStringMatcher(message, d.at('value'));
    return d.reasons.map(({ path, reason }) => `${path}: ${reason}`);
  };
  assert.deepEqual(reasons({}), ['value: match_pattern is required']);
  assert.deepEqual(reasons({ custom: {} }), ['value: custom matchers are not supported']);
  assert.deepEqual(reasons({ safe_regex: { regex: '(?=a)' } }), ['value.safe_regex.regex: invalid perl operator: (?=']);
  assert.deepEqual(reasons({ safe_regex: { regex: 'a' }, ignore_case: true }), [
    'value.ignore_case: has no effect for safe_regex',
  ]);
});

test('headers', () => {
  const two = ['x-v: a', 'x-v: b'];
  const range = { range_match: { start: 1, end: 10 } };
  const rows: readonly (readonly [Omit<HeaderMatcherPb, 'name'>, readonly string[], boolean])[] = [
    [{ exact_match: '' }, ['x-v: abc'], true],
    [{ string_match: { exact: '' } }, ['x-v: abc'], false],
    [{ string_match: { exact: '' } }, ['x-v: '], true],
    [{ present_match: true }, ['x-v: '], true],
    [{ present_match: true }, [], false],
    [{ present_match: false }, [], true],
    [{ present_match: false }, ['x-v: a'], false],
    [{ present_match: true, invert_match: true }, [], true],
    [{ present_match: true, treat_missing_header_as_empty: true }, [], true],
    [{ present_match: false, treat_missing_header_as_empty: true }, [], false],
    [{ present_match: true, treat_missing_header_as_empty: true, invert_match: true }, [], false],
    [{}, [], false],
    [{}, ['x-v: a'], true],
    [{ invert_match: true }, ['x-v: a'], false],
    [{ string_match: { exact: 'a' }, invert_match: true }, [], false],
    [{ string_match: { exact: 'a' }, invert_match: true, treat_missing_header_as_empty: true }, [], true],
    [range, ['x-v:  5'], true],
    [range, ['x-v: +5'], true],
    [range, ['x-v: 10'], false],
    [range, ['x-v: 5x'], false],
    [{ ...range, invert_match: true }, ['x-v: x'], true],
    [{ range_match: { start: -5, end: 10 } }, ['x-v: -5'], true],
    [{ range_match: { start: 0, end: 9223372036854775807n } }, ['x-v: 9223372036854775806'], true],
    [{ range_match: { start: 0, end: 9223372036854775807n } }, ['x-v: 9223372036854775808'], false],
    // Each value is matched alone.
    [{ string_match: { exact: 'a' } }, two, true],
    [{ string_match: { exact: 'b' } }, two, true],
    [{ string_match: { exact: 'a,b' } }, two, false],
    [{ string_match: { exact: 'a,b' } }, ['x-v: a,b'], true],
    [{ string_match: { exact: 'a' }, invert_match: true }, two, false],
    [{ string_match: { exact: 'c' }, invert_match: true }, two, true],
    [range, ['x-v: 19', 'x-v: 2'], true],
    [{ prefix_match: 'a' }, ['x-v: ab'], true],
    [{ suffix_match: 'a' }, ['x-v: ab'], false],
    [{ contains_match: 'b' }, ['x-v: abc'], true],
    [{ safe_regex_match: { regex: 'a.*' } }, ['x-v: abc'], true],
  ];
  for (const [message, fields, matches] of rows) {
    const matcher = clean((d) => decodeHeaderMatcher({ name: 'X-V', ...message }, d));
    const text = JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    assert.equal(matcher.matches(requestOf('/', 'h', ...fields)), matches, `${text} on ${fields.join(' | ')}`);
  }
});

test('headers of one value are joined, pseudo-headers match, host is the authority', () => {
  const matches = (name: string, exact: string, ...fields: string[]): boolean =>
    clean((d) => decodeHeaderMatcher({ name, string_match: { exact } }, d)).matches(
      requestOf('/p?q=1', 'foo', ...fields),
    );
  assert.equal(matches('accept', 'a,b', 'accept: a', 'accept: b'), true);
  assert.equal(matches('accept', 'a', 'accept: a', 'accept: b'), false);
  assert.equal(matches('cookie', 'a=1', 'cookie: a=1', 'cookie: b=2'), true);
  assert.equal(matches(':path', '/p?q=1'), true);
  assert.equal(matches(':method', 'GET'), true);
  assert.equal(matches(':scheme', 'http'), true);
  assert.equal(matches(':authority', 'foo'), true);
  assert.equal(matches('host', 'foo'), true);
});

test('query parameters', () => {
  const rows: readonly (readonly [QueryParameterMatcherPb, string, boolean])[] = [
    [{ name: 'a', string_match: { exact: 'b c' } }, '/?a=b%20c', false],
    [{ name: 'a', string_match: { exact: 'b%20c' } }, '/?a=b%20c', true],
    [{ name: 'a' }, '/?a', true],
    [{ name: 'a', string_match: { exact: '' } }, '/?a', true],
    [{ name: 'a', string_match: { exact: '2' } }, '/?a=1&a=2', false],
    [{ name: 'a', present_match: false }, '/?b', true],
    [{ name: 'a', present_match: false }, '/?a', false],
    [{ name: 'a', string_match: { exact: '1=2' } }, '/?a=1=2', true],
    [{ name: 'a' }, '/?b&&a=', true],
    [{ name: 'a' }, '/?x?a=1', false],
    [{ name: 'x?a' }, '/?x?a=1', true],
    [{ name: 'a' }, '/;p?a=1', true],
    [{ name: 'a b' }, '/?a%20b=1', false],
    [{ name: 'a' }, '/a', false],
  ];
  for (const [message, path, matches] of rows) {
    const matcher = clean((d) => decodeQueryParameterMatcher(message, d));
    assert.equal(matcher.matches(parseQuery(path)), matches, `${JSON.stringify(message)} on ${path}`);
  }
});

test('cookies', () => {
  const one = { string_match: { exact: '1' } };
  const rows: readonly (readonly [CookieMatcherPb, readonly string[], boolean])[] = [
    [one, ['a=1'], true],
    [one, ['b=2;a=1'], true],
    [one, ['a="1"'], true],
    [{ string_match: { exact: '"1"' } }, ['a="1"'], false],
    [{ string_match: { exact: '2' } }, ['a=1; a=2'], false],
    [one, ['a=1; a=2'], true],
    [{ string_match: { exact: '2' } }, ['a=1', 'a=2'], false],
    [one, ['A=1'], false],
    [{ string_match: { exact: '' } }, ['a='], true],
    [{ string_match: { exact: '' } }, ['a'], false],
    [{ ...one, invert_match: true }, [], true],
    [{ ...one, invert_match: true }, ['a=1'], false],
    [{ string_match: { exact: '1=2' } }, ['a=1=2'], true],
    [one, ['a= 1'], false],
    [one, ['a =1'], false],
  ];
  for (const [message, cookies, matches] of rows) {
    const matcher = clean((d) => decodeCookieMatcher({ name: 'a', ...message }, d));
    const headers = requestOf('/', 'h', ...cookies.map((cookie) => `cookie: ${cookie}`));
    assert.equal(
      matcher.matches(parseCookies(headers)),
      matches,
      `${JSON.stringify(message)} on ${cookies.join(' | ')}`,
    );
  }
});

test('values', () => {
  const rows: readonly (readonly [ValueMatcherPb, unknown, boolean])[] = [
    [{ null_match: {} }, null, true],
    [{ null_match: {} }, undefined, false],
    [{ double_match: { exact: 1.5 } }, 1.5, true],
    [{ double_match: { range: { start: 1, end: 2 } } }, 2, false],
    [{ double_match: { range: { start: 1, end: 2 } } }, 1, true],
    [{ double_match: { exact: 1 } }, '1', false],
    [{ string_match: { exact: 'é' } }, 'é', true],
    [{ string_match: { exact: '1' } }, 1, false],
    [{ bool_match: false }, false, true],
    [{ bool_match: true }, false, false],
    [{ present_match: true }, 0, true],
    [{ present_match: true }, undefined, false],
    [{ present_match: false }, undefined, false],
    [{ present_match: false }, 0, false],
    [{ list_match: { one_of: { string_match: { exact: 'b' } } } }, ['a', 'b'], true],
    [{ list_match: { one_of: { string_match: { exact: 'c' } } } }, ['a', 'b'], false],
    [{ or_match: { value_matchers: [{ bool_match: true }, { string_match: { prefix: 'x' } }] } }, 'xy', true],
  ];
  for (const [message, value, matches] of rows) {
    const matcher = clean((d) => decodeValueMatcher(message, d));
    assert.equal(matcher.matches(value), matches, `${JSON.stringify(message)} on ${JSON.stringify(value)}`);
  }
});

test('metadata by path, inverted or not', () => {
  const metadata = new Map([['f', { a: { b: 'x' }, list: [1] }]]);
  const matches = (path: string[], value: ValueMatcherPb, invert = false): boolean =>
    clean((d) => decodeMetadataMatcher({ filter: 'f', path: path.map((key) => ({ key })), value, invert }, d)).matches(
      metadata,
    );
  assert.equal(matches(['a', 'b'], { string_match: { exact: 'x' } }), true);
  assert.equal(matches(['a', 'c'], { present_match: true }), false);
  assert.equal(matches(['a', 'c'], { present_match: true }, true), true);
  assert.equal(matches(['list', '0'], { present_match: true }), false);
  assert.equal(matches(['toString'], { present_match: true }), false);
  const absent = clean((d) =>
    decodeMetadataMatcher({ filter: 'f', path: [{ key: 'a' }], value: { present_match: false } }, d),
  );
  assert.equal(absent.matches(null), false);
});

test('filter state as text and as address', () => {
  const { info } = exampleExchange();
  info.filterState = new Map([
    ['k', { value: '10.1.2.3', typed: null, isReadOnly: true, lifeSpan: 'request' }],
  ]) as typeof info.filterState;
  const matches = (message: Parameters<typeof decodeFilterStateMatcher>[0]): boolean =>
    clean((d) => decodeFilterStateMatcher(message, d)).matches(info);
  const ranges = [{ address_prefix: '10.0.0.0', prefix_len: 8 }];
  assert.equal(matches({ key: 'k', string_match: { prefix: '10.' } }), true);
  assert.equal(matches({ key: 'x', string_match: { prefix: '' } }), false);
  assert.equal(matches({ key: 'k', address_match: { ranges } }), true);
  assert.equal(matches({ key: 'k', address_match: { ranges, invert_match: true } }), false);
});
