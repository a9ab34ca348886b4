// RE2 syntax and semantics as Envoy 1.40 shows them; every row was seen there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRegex, enableLinearRegex, parseSubstitution, Regex } from './regex.ts';

enableLinearRegex();

function regex(pattern: string): Regex {
  const compiled = compileRegex(pattern);
  assert.ok(compiled instanceof Regex, `${pattern}: ${JSON.stringify(compiled)}`);
  return compiled;
}

test('matches as RE2 does on bytes', () => {
  const rows: readonly (readonly [pattern: string, value: string, matches: boolean])[] = [
    ['^.$', '\xc3\xa9', false],
    ['..', '\xc3\xa9', true],
    ['.', '\xff', true],
    ['[^/]', '\xff', true],
    ['\\xff', '\xff', true],
    ['\\xff', '\xc3\xbf', false],
    ['é', '\xc3\xa9', true],
    ['é', '\xe9', false],
    ['[é]', '\xc3\xa9', false],
    ['[^a][^a]', '\xc3\xa9', true],
    ['\\pL+', 'h\xc3\xa9', false],
    ['\\pL', '\xe9', true],
    ['\\PL', '\xa9', true],
    ['\\p{Latin}', '\xe9', true],
    ['\\p{Lu}', '\xc9', true],
    ['(?i)\\p{Lu}', 'e', true],
    ['(?i)É', '\xc3\xa9', false],
    ['(?i)[\\xe0-\\xfe]', '\xc0', false],
    ['(?i)\\xc3', '\xe3', false],
    ['(?i)k', '\xe2\x84\xaa', false],
    ['(?i)KaT[E-F]', 'kAte', true],
    ['\\C\\C', '\xc3\xa9', true],
    ['a\\b.', 'a\xe9', true],
    ['a\\b\\xe9', 'a\xe9', true],
    ['\\w+', '\xe9', false],
    ['[[:^alpha:]]', '\xe0', true],
    ['[[:word:]]+', 'a_1', true],
    ['a\\sb', 'a\x0bb', false],
    ['a\\sb', 'a\tb', true],
    ['a.b', 'a\nb', false],
    ['(?s)a.*b', 'a\n\xffb', true],
    ['a$', 'a', true],
    ['a$', 'a\n', false],
    ['(?m)^a$', 'a', true],
    ['(?m)a$\n^b', 'a\nb', true],
    ['\\Aa\\z', 'a', true],
    ['\\Qa.b\\E', 'a.b', true],
    ['\\Qa.b\\E', 'axb', false],
    ['(?P<x>a|b)+c', 'abac', true],
    ['(?<x>a)(?P<x>b)', 'ab', true],
    ['(?i:a)b', 'Ab', true],
    ['(?i:a)b', 'AB', false],
    ['(?U)a+?b', 'aab', true],
    ['a{,2}', 'a{,2}', true],
    ['a{2,4}', 'aaa', true],
    ['a{2,4}', 'aaaaa', false],
    ['a{0}b', 'b', true],
    ['\\x{41}\\101\\_', 'AA_', true],
    ['[]a]+', ']a', true],
    ['[a-]+', '-a', true],
    ['[\\d\\-x]+', '1-x', true],
    ['', '', true],
    ['', 'a', false],
    ['a|b|', '', true],
    ['/v[0-9]+/.*', '/v12/x?', true],
  ];
  for (const [pattern, value, matches] of rows) {
    assert.equal(regex(pattern).matches(value), matches, `${pattern} on ${JSON.stringify(value)}`);
  }
});

test('refuses what RE2 refuses, in its words', () => {
  const rows: readonly (readonly [pattern: string, error: string])[] = [
    ['(?=a)', 'invalid perl operator: (?='],
    ['(?<=a)b', 'invalid perl operator: (?<='],
    ['(?<!a)b', 'invalid perl operator: (?<!'],
    ['(?i', 'invalid perl operator: (?i'],
    ['(?z)', 'invalid perl operator: (?z'],
    ['(?i-)', 'invalid perl operator: (?i-)'],
    ['(?P=n)', 'invalid perl operator: (?P'],
    ['(?>a)', 'invalid perl operator: (?>'],
    ['(?#c)', 'invalid perl operator: (?#'],
    ['(?P<n', 'invalid named capture group: (?P<n'],
    ['a**', 'bad repetition operator: **'],
    ['a++', 'bad repetition operator: ++'],
    ['a{2}{3}', 'bad repetition operator: {2}{3}'],
    ['(a', 'missing ): (a'],
    ['a)', 'unexpected ): a)'],
    ['[a', 'missing ]: [a'],
    ['[a-', 'missing ]: [a-'],
    ['[z-a]', 'invalid character class range: z-a'],
    ['[[:foo:]]', 'invalid character class range: [:foo:]'],
    ['\\pX', 'invalid character class range: \\pX'],
    ['\\p{Foo}', 'invalid character class range: \\p{Foo}'],
    ['\\p', 'invalid character class range: \\p'],
    ['a\\', 'trailing \\'],
    ['\\8', 'invalid escape sequence: \\8'],
    ['(a)\\1', 'invalid escape sequence: \\1'],
    ['\\q', 'invalid escape sequence: \\q'],
    ['\\Z', 'invalid escape sequence: \\Z'],
    ['\\G', 'invalid escape sequence: \\G'],
    ['[b-\\d]', 'invalid escape sequence: \\d'],
    ['(a){1001}', 'invalid repetition size: {1001}'],
    ['((a{100}){100})', 'invalid repetition size: {100}'],
    ['x{3,2}', 'invalid repetition size: {3,2}'],
    ['*a', 'no argument for repetition operator: *'],
    ['(*a)', 'no argument for repetition operator: *'],
    ['a|*', 'no argument for repetition operator: *'],
    ['((((((((((a{999}|b)|c)|d)|e)|f)|g)|h){1,1}x)|y){1})', ''],
    [`(${'a'.repeat(800)}){999}`, 'pattern too large - compile failed'],
  ];
  for (const [pattern, error] of rows) {
    const compiled = compileRegex(pattern);
    assert.equal('error' in compiled ? compiled.error : '', error, pattern.slice(0, 40));
  }
});

test('replaces every match as RE2::GlobalReplace', () => {
  const rows: readonly (readonly [pattern: string, substitution: string, value: string, result: string])[] = [
    ['^/service/([^/]+)(/.*)$', '\\2/instance/\\1', '/service/foo/v1/api', '/v1/api/instance/foo'],
    ['one', 'two', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/two/zzz'],
    ['^(.*?)one(.*)$', '\\1two\\2', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/one/zzz'],
    ['(?i)/xxx/', '/yyy/', '/aaa/XxX/bbb', '/aaa/yyy/bbb'],
    ['b*', 'x', 'abc', 'xaxcx'],
    ['o+', '<\\0\\\\>', '/foob', '/f<oo\\>b'],
    ['(?U)o+', '_', '/fooo', '/f___'],
    ['(?:(a)|(b)){1,3}', '<\\1\\2>', 'xabac', 'x<ab>c'],
    ['(a|ab)(c|bcd)', '[\\1,\\2]', '/abcd', '/[a,bcd]'],
    ['/(a*)*$', '/[\\1]', '/aa', '/[aa]'],
    ['/(a*)+$', '/[\\1]', '/aa', '/[aa]'],
    ['/(a|b)*?b', '/[\\1]', '/aab', '/[a]'],
    ['/(a|b?)*x', '/[\\1]', '/abx', '/[b]'],
    ['zzz', 'a', '/foo', '/foo'],
    ['x(y)?', '[\\1]', 'x', '[]'],
    ['^', 'a', '', 'a'],
  ];
  for (const [pattern, text, value, result] of rows) {
    const compiled = regex(pattern);
    const substitution = parseSubstitution(text, compiled.groups);
    assert.ok(!('error' in substitution));
    assert.equal(compiled.replaceAll(value, substitution), result, `${pattern} → ${text}`);
  }
});

test('checks substitutions against the pattern', () => {
  const error = (text: string, groups: number): string => {
    const parsed = parseSubstitution(text, groups);
    return 'error' in parsed ? parsed.error : '';
  };
  assert.equal(
    error('\\3', 1),
    'Rewrite schema requests 3 matches, but the regexp only has 1 parenthesized subexpressions.',
  );
  assert.equal(error('a\\', 1), "Rewrite schema error: '\\' not allowed at end.");
  assert.equal(error('a\\x', 1), "Rewrite schema error: '\\' must be followed by a digit or '\\'.");
  assert.equal(error('\\0\\1\\\\', 1), '');
});

test('no pattern takes more than linear time', () => {
  const rows: readonly (readonly [pattern: string, value: string])[] = [
    ['(a+)+$', `${'a'.repeat(40)}!`],
    ['(a+)+$', `${'a'.repeat(8000)}!`],
    ['(a|a)*b', 'a'.repeat(40)],
    ['(?:a{1,17})+b', 'a'.repeat(40)],
    ['(?:a{1,20}){1,5}b', 'a'.repeat(400)],
    ['(.*)(.*)(.*)(.*)(.*)[^b]$', `${'b'.repeat(1000)}`],
    ['(?m)(^a+)+$', `${'a'.repeat(40)}!`],
  ];
  for (const [pattern, value] of rows) {
    const compiled = regex(pattern);
    const startedMs = performance.now();
    assert.equal(compiled.matches(value), false, pattern);
    const tookMs = performance.now() - startedMs;
    // What is not linear takes minutes.
    assert.ok(tookMs < 1000, `${pattern} took ${tookMs} ms on ${value.length} characters`);
  }
});

test('estimates the size of the program that RE2 would make', () => {
  // As Envoy 1.40 reports it.
  // biome-ignore format: a table.
  const sizes = {
    a: 5, abc: 7, 'a*': 5, 'a+': 6, 'a?': 6, 'ab*': 6, '(a)': 7, '(a)(b)': 10, '(?:a)': 5, 'a|b': 5, 'ab|cd': 8,
    '[a-cx]': 6, '[^/]+': 7, '.*': 6, '/a/.*': 9, '/users/[^/]+/items(/.*)?': 26, '^a$': 4, 'a{3}': 7, 'a{2,}': 7,
    '(?i)abc': 7, '[[:alnum:]_-]+': 9, '(a|b|c)+d': 9, '\\bfoo\\b': 9, '[^/]{300}': 604,
  };
  const wrong = Object.entries(sizes).filter(([pattern, size]) => regex(pattern).programSize() !== size);
  assert.deepEqual(
    wrong.map(([pattern, size]) => [pattern, size, regex(pattern).programSize()]),
    [],
  );
});

test('knows the text that every match begins with', () => {
  assert.equal(regex('/api/v1/.*').literalPrefix, '/api/v1/');
  assert.equal(regex('^/api(/.*)?').literalPrefix, '/api');
  assert.equal(regex('(/a)b').literalPrefix, '');
  assert.equal(regex('(?i)/a').literalPrefix, '/');
  assert.equal(regex('/a|/b').literalPrefix, '');
  assert.equal(regex('/ab*').literalPrefix, '/a');
});
