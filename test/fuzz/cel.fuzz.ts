// Fuzzes the expression language: what is no expression is refused with a reason, everything else has a value or an
// error, in bounded time.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileExpression } from '../../src/base/cel/compile.ts';
import { ExpressionError } from '../../src/base/cel/syntax.ts';
import { isError } from '../../src/base/cel/values.ts';
import { Random } from '../../src/base/clock.ts';
import { enableLinearRegex } from '../../src/base/regex.ts';
import { KUBERNETES_DIALECT } from '../../src/control/schema/cel/dialect.ts';
import { envoyDialect, istioDialect } from '../../src/proxy/cel/dialect.ts';
import { nodeMessage } from '../../src/proxy/cel/node-message.ts';
import { printed, printedJson } from '../../src/proxy/cel/print.ts';
import { NO_NODE } from '../../src/proxy/istio/node.ts';
import { StreamInfo } from '../../src/proxy/stream-info.ts';
import { makeConnection, requestHeaders } from '../support/filter-harness.ts';
import { fuzzLimits } from './proto-mutator.ts';

// As programs do before any regular expression runs.
enableLinearRegex();

const { seconds, seed } = fuzzLimits(2);
const TABLE = JSON.parse(
  readFileSync(new URL('../../src/proxy/cel/testdata/language.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, readonly (readonly [string, unknown])[]>>;
const TEXTS = Object.values(TABLE).flatMap((rows) => rows.map(([text]) => text));
const WORDS = [
  'request', 'metadata', 'filter_metadata', 'headers', 'path', 'self', 'x', '.', '[', ']', '(', ')', '{', '}', ':', ',',
  '?', '&&', '||', '!', '-', '+', '*', '/', '%', '==', '<', '>=', ' in ', '1', '0', '2.5', '7u', '9223372036854775807',
  "'a'", "b'\\xff'", "''", 'null', 'true', 'size', 'matches', 'replace', 'split', 'join', 'duration', 'timestamp',
  'int', 'string', 'has', 'map', 'filter', 'all', 'exists', 'format', "'(a*)*b'", "'1h'", 're.extract',
  '\\', '"', '`', '\n',
]; // biome-ignore format: a list.

const source = {
  info: new StreamInfo(makeConnection(), 0, 0),
  requestHeaders: requestHeaders('/a?b', ['x: \xe9', 'y: z']),
  responseHeaders: null,
  responseTrailers: null,
};
const all = { enable_string_conversion: true, enable_string_concat: true, enable_string_functions: true };
const node = nodeMessage(NO_NODE);

function textOf(random: Random): string {
  if (random.below(2) === 0) {
    return Array.from({ length: 1 + random.below(14) }, () => WORDS[random.below(WORDS.length)]).join('');
  }
  let text = TEXTS[random.below(TEXTS.length)] as string;
  for (let i = random.below(4); i > 0; i--) {
    const at = random.below(text.length + 1);
    const word = WORDS[random.below(WORDS.length)] as string;
    text = text.slice(0, at) + word + text.slice(at + random.below(3));
  }
  return text;
}

test('whatever is written is refused with a reason, or ends in a value or an error, soon', () => {
  const random = new Random(seed);
  const end = Date.now() + seconds * 1000;
  let values = 0;
  while (Date.now() < end) {
    const text = textOf(random);
    const start = Date.now();
    try {
      const kind = random.below(4);
      const result =
        kind === 0
          ? compileExpression(text, KUBERNETES_DIALECT, ['self']).evaluate(null, { a: [1, 'b', null], x: { y: 2.5 } })
          : compileExpression(
              text,
              kind === 1 ? istioDialect(node) : envoyDialect(kind === 2 ? all : {}, node),
            ).evaluate(source);
      if (isError(result)) assert.ok(result.message.length > 0, text);
      else {
        values++;
        assert.equal(typeof printed(result), 'string', text);
        assert.equal(typeof printedJson(result), 'string', text);
      }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw new Error(`${JSON.stringify(text)} threw`, { cause: error });
      assert.ok(error.message.length > 0);
    }
    assert.ok(Date.now() - start < 2000, `${JSON.stringify(text)} took too long`);
  }
  assert.ok(values > 0);
});

test('what is long or deep is refused, or ends', () => {
  const texts = [
    '('.repeat(5000), '['.repeat(5000), '!'.repeat(16_000), '-'.repeat(16_000), 'a.'.repeat(5000), 'a[0]'.repeat(3000),
    `1${'+1'.repeat(8000)}`, `true${'&&true'.repeat(2500)}`, `1${'?1:1'.repeat(3000)}`, `${'{1:'.repeat(3000)}`,
    `'${'x'.repeat(16_000)}'.matches('(x+x+)+y')`, `size([${'1,'.repeat(8000)}])`, "'%s%s'.format(".repeat(100),
  ]; // biome-ignore format: a list.
  for (const text of texts) {
    for (const dialect of [envoyDialect(all, node), istioDialect(node)]) {
      try {
        compileExpression(text, dialect).evaluate(source);
      } catch (error) {
        assert.ok(error instanceof ExpressionError, text.slice(0, 40));
      }
    }
  }
  const items = Array.from({ length: 2000 }, (_, i) => i);
  const nested = compileExpression('self.all(a, self.all(b, self.all(c, a + b + c >= 0)))', KUBERNETES_DIALECT, [
    'self',
  ]);
  assert.ok(isError(nested.evaluate(null, items)));
});
