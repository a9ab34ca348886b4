// Expressions: the language, its libraries, its errors and its limits.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileExpression } from '../../../base/cel/compile.ts';
import { ExpressionError } from '../../../base/cel/syntax.ts';
import { isError, type Result, type Value } from '../../../base/cel/values.ts';
import { KUBERNETES_DIALECT } from './dialect.ts';
import { compileRule } from './rule.ts';

const evaluate = (text: string, self: Value = null): Result =>
  compileExpression(text, KUBERNETES_DIALECT, ['self']).evaluate(null, self);

const TABLE: readonly (readonly [text: string, expected: Value, self?: Value])[] = [
  // Values and operators.
  ['1 + 2 * 3 == 7 && !false', true],
  ['7 / 2', 3],
  ['-7 % 3', -1],
  ['7.5 / 2.5 == 3.0', true],
  ['0x10 + 1', 17],
  [`'a' + "b" + """c'"d"""`, `abc'"d`],
  [`r'\\d' == '\\\\d'`, true],
  [`'\\u00e9\\x41\\101\\n' == "éAA\\n"`, true],
  [`b'ab' == bytes('ab')`, true],
  [`1 in [1, 2] && 'a' in {'a': 1}`, true],
  [`[1, 2] + [3] == [1, 2, 3]`, true],
  [`{'a': {'b': [1]}}.a.b[0]`, 1],
  ['1 < 2 ? "yes" : "no"', 'yes'],
  [`"a" < "b" && 'Z' < 'a'`, true],
  ['type(1) == int && type("") == string && type([]) == list', true],
  // Errors of one side do not matter when the other one decides.
  ['self.a == 1 || true', true, {}],
  ['true || self.a == 1', true, {}],
  ['self.a == 1 && false', false, {}],
  ['[0, 1].exists(x, 1 / x == 1)', true],
  // Fields.
  ['has(self.a) && !has(self.b) && !has(self.c)', true, { a: 1, c: null }],
  ['has(self.a.b)', false, { a: {} }],
  ['self.__namespace__ + self.a__dash__b', 'xy', { namespace: 'x', 'a-b': 'y' }],
  // Macros.
  ['self.all(x, x > 0) && self.exists(x, x == 2) && self.exists_one(x, x == 1)', true, [1, 2]],
  ['self.filter(x, x > 1).map(x, x * 2)', [4], [1, 2]],
  ['self.map(x, x > 1, x * 2)', [4], [1, 2]],
  ['self.all(k, k.size() == 1)', true, { a: 1, b: 2 }],
  ['self.all(a, self.exists_one(b, a == b))', false, [1, 1]],
  ['cel.bind(x, 2, x * x)', 4],
  // Text.
  [`'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')`, true],
  [`'abc'.matches('b') && !'abc'.matches('^b')`, true],
  [`size('é😀') == 2 && 'é😀'.substring(1) == '😀'`, true],
  [`'a,b,c'.split(',')[1] + 'a,b,c'.split(',', 2)[1]`, 'bb,c'],
  [`['a', 'b'].join('-') + 'AbC'.lowerAscii() + 'x'.upperAscii()`, 'a-babcX'],
  [`'a.b.a'.indexOf('b') + 'a.b.a'.lastIndexOf('a')`, 6],
  [`'aaa'.replace('a', 'b', 2)`, 'bba'],
  [`int('42') + int(3.9)`, 45],
  [`string(1) + string(true)`, '1true'],
  // Durations.
  [`duration('1h30m') == duration('90m') && duration('1.5s') > duration('1ms')`, true],
  [`duration('90s').getMinutes()`, 1],
  [`timestamp('2024-01-01T00:00:00Z') + duration('1h') == timestamp('2024-01-01T01:00:00Z')`, true],
  // Optional values.
  [`self.?a.orValue('x') + self.?b.orValue('y')`, 'zy', { a: 'z' }],
  [`optional.of(1).hasValue() && !optional.none().hasValue()`, true],
  [`self[?1].orValue(7)`, 7, [1]],
  [`optional.of(2).optMap(x, x + 1).value()`, 3],
  // The API server's libraries.
  [`isURL('https://a.example:80/x?y=z') && !isURL('a') && isURL('/a')`, true],
  [`url('https://u@a.example:80/x?y=z').getHost() + url('https://[::1]:1/').getHostname()`, 'a.example:80::1'],
  [`url('oci://a/b').getScheme()`, 'oci'],
  [`isIP('1.2.3.4') && isIP('::1') && !isIP('1.2.3') && ip('::1').isLoopback() && ip('1.2.3.4').family() == 4`, true],
  [`cidr('10.0.0.0/8').containsIP('10.1.1.1') && !cidr('10.0.0.0/8').containsCIDR('0.0.0.0/0')`, true],
  [`quantity('1.5Gi').isGreaterThan(quantity('1G')) && isQuantity('100m') && !isQuantity('1x')`, true],
  [`[1, 2, 2].isSorted() && [1, 3].max() == 3 && [1, 3].sum() == 4`, true],
  [`sets.contains([1, 2], [2]) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 2], [2, 1])`, true],
  [`'ab12cd3'.find('[0-9]+') + 'ab12cd3'.findAll('[0-9]+')[1]`, '123'],
];

describe('expressions', () => {
  for (const [text, expected, self] of TABLE) {
    test(text, () => assert.deepEqual(evaluate(text, self), expected));
  }

  for (const text of ['1 +', 'a', 'self.', "'a", 'self.nothing()', 'has(1)', '('.repeat(500), '1 2', "'\\q'"]) {
    test(`is none: ${text.slice(0, 20)}`, () => assert.throws(() => evaluate(text), ExpressionError));
  }

  for (const text of [
    '1 / 0',
    '[1][1]',
    '{}.a',
    "int('x')",
    "duration('x')",
    "1 + 'a'",
    'self.all(x, x)',
    "'a'.substring(2)",
  ]) {
    test(`fails: ${text}`, () => assert.ok(isError(evaluate(text, [1]))));
  }

  test('cost no more than is allowed', () => {
    const many = Array.from({ length: 1000 }, (_, at) => at);
    const text = 'self.all(a, self.all(b, self.all(c, a + b + c >= 0)))';
    const result = evaluate(text, many);
    assert.match(isError(result) ? result.message : '', /cost limit/);
  });
});

describe('a rule', () => {
  test('on changes says nothing without something to compare with', () => {
    const rule = compileRule({ rule: 'self == oldSelf', message: 'fixed' });
    assert.equal(rule.check('a', undefined), null);
    assert.equal(rule.check('a', 'a'), null);
    assert.equal(rule.check('a', 'b'), 'fixed');
  });

  test('may ask whether there was something', () => {
    const rule = compileRule({ rule: "oldSelf.hasValue() || self == 'new'", optionalOldSelf: true });
    assert.equal(rule.check('new', undefined), null);
    assert.equal(rule.check('x', 'y'), null);
    assert.match(rule.check('x', undefined) ?? '', /failed rule/);
  });

  test('may make its message', () => {
    const rule = compileRule({ rule: 'self < 3', messageExpression: "'is ' + string(self)", message: 'too large' });
    assert.equal(rule.check(5, undefined), 'is 5');
    assert.equal(compileRule({ rule: 'self < 3', messageExpression: '1 / 0', message: 'm' }).check(5, undefined), 'm');
  });

  test('that fails is broken', () => {
    assert.match(compileRule({ rule: 'self.a == 1' }).check({}, undefined) ?? '', /no such key: a/);
  });
});
