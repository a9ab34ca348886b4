// Regular expressions where engines differ: Heddle answers as RE2 did in Envoy 1.40, and the page in docs/ says so.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RE2JS } from 're2js';
import { compileRegex, enableLinearRegex, Regex } from '../../src/base/regex.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { EDGES, REFUSED } from './edges.ts';

enableLinearRegex();

/** Seen at Envoy; the differential test asks it again. */
const ANSWERS = JSON.parse(readFileSync(join(import.meta.dirname, 're2-answers.json'), 'utf8')) as Record<
  string,
  boolean[]
>;
const PAGE = join(PROJECT_ROOT, 'docs/regex.md');
const BEGIN = '<!-- The table is made by test/regex/edges.test.ts (UPDATE_GOLDEN=1). -->\n';

test('every edge as RE2 has it', () => {
  for (const { about, pattern, values } of EDGES) {
    const regex = compileRegex(pattern);
    assert.ok(regex instanceof Regex, `${about}: ${JSON.stringify(regex)}`);
    assert.deepEqual(
      values.map((value) => regex.matches(value)),
      ANSWERS[about],
      about,
    );
  }
});

test('refuses what RE2 refuses', () => {
  for (const pattern of REFUSED) assert.ok('error' in compileRegex(pattern), pattern);
});

test('the page has the table', () => {
  const page = readFileSync(PAGE, 'utf8');
  const head = page.slice(0, page.indexOf(BEGIN) + BEGIN.length);
  const made = `${head}\n${table()}`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, made);
  else assert.equal(page, made, 'run this test with UPDATE_GOLDEN=1');
});

function table(): string {
  const rows = EDGES.map(({ about, pattern, values }) => {
    const answers = ANSWERS[about] as boolean[];
    const v8 = values.map((value) => plainV8(pattern, value));
    const port = values.map((value) => re2js(pattern, value));
    const cells = values.map((value, i) => `${code(value)} ${word(answers[i] as boolean)}`).join(', ');
    const others = [v8, port].map((given) => difference(values, answers, given));
    return `| ${[about.replaceAll('|', '\\|'), code(pattern), cells, ...others].join(' | ')} |`;
  });
  const refused = REFUSED.map(
    (pattern) => `| ${code(pattern)} | ${verdict(takes(pattern))} | ${verdict(re2js(pattern, '') !== null)} |`,
  );
  return [
    '| edge | pattern | RE2 and Heddle | V8 alone | re2js |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    '## Refused',
    '',
    'RE2 and Heddle refuse these; so a configuration with one does not start, and says why.',
    '',
    '| pattern | V8 alone | re2js |',
    '|---|---|---|',
    ...refused,
    '',
  ].join('\n');
}

function difference(values: readonly string[], answers: readonly boolean[], v8: readonly (boolean | null)[]): string {
  if (v8.includes(null)) return 'refuses the pattern';
  const others = values.flatMap((value, i) => (v8[i] === answers[i] ? [] : [`${code(value)} ${word(v8[i] === true)}`]));
  return others.length === 0 ? 'the same' : others.join(', ');
}

function word(answer: boolean): string {
  return answer ? 'yes' : 'no';
}

/** What V8 says of a pattern as it stands, value and pattern read as text; null: it is none. */
function plainV8(pattern: string, value: string): boolean | null {
  try {
    return new RegExp(`^(?:${pattern})$`).test(Buffer.from(value, 'latin1').toString('utf8'));
  } catch {
    return null;
  }
}

/** What a port of RE2 to JavaScript says of it, on the same text; null: it is none. */
function re2js(pattern: string, value: string): boolean | null {
  try {
    return RE2JS.compile(pattern).matches(Buffer.from(value, 'latin1').toString('utf8'));
  } catch {
    return null;
  }
}

function verdict(isTaken: boolean): string {
  return isTaken ? 'takes it' : 'refuses it';
}

function takes(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}

/** As code in a cell, with bytes that are not printable written out; long texts are cut. */
function code(text: string): string {
  const visible = [...text].map((char) => {
    const byte = char.charCodeAt(0);
    return byte < 32 || (byte > 126 && byte < 256) ? `\\x${byte.toString(16).padStart(2, '0')}` : char;
  });
  const shown = visible.length > 40 ? [...visible.slice(0, 12), '…'] : visible;
  return `\`${shown.join('').replaceAll('|', '\\|')}\``;
}
