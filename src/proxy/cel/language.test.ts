// The language against answers of Envoy 1.40: a text it printed, null for an error, false for a refusal.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileExpression } from '../../base/cel/compile.ts';
import { ExpressionError } from '../../base/cel/syntax.ts';
import { isError } from '../../base/cel/values.ts';
import { makeConnection } from '../../../test/support/filter-harness.ts';
import { StreamInfo } from '../stream-info.ts';
import { type CelConfigPb, envoyDialect } from './dialect.ts';
import { printed } from './print.ts';

type Row = readonly [text: string, expected: string | null | false];
const TABLES = JSON.parse(readFileSync(`${import.meta.dirname}/testdata/language.json`, 'utf8')) as {
  readonly plain: readonly Row[];
  readonly strings: readonly Row[];
};

const source = {
  info: new StreamInfo(makeConnection(), 0, 0),
  requestHeaders: null,
  responseHeaders: null,
  responseTrailers: null,
};

function answer(text: string, config: CelConfigPb): string | null | false {
  try {
    const value = compileExpression(text, envoyDialect(config, null)).evaluate(source);
    return isError(value) ? null : printed(value);
  } catch (error) {
    if (error instanceof ExpressionError) return false;
    throw error;
  }
}

const ALL = { enable_string_conversion: true, enable_string_concat: true, enable_string_functions: true };

for (const [name, config] of [
  ['plain', {}],
  ['strings', ALL],
] as const) {
  test(`the language, ${name}`, () => {
    const rows = TABLES[name];
    assert.ok(rows.length > 60);
    const differing = rows
      .map(([text, expected]) => ({ text, expected, given: answer(text, config) }))
      .filter(({ expected, given }) => expected !== given);
    assert.deepEqual(differing, []);
  });
}
