// The page on the analysis has every code with the words of the table, and no other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ANALYZERS } from './analyzers.ts';
import { CODES, type Code, entryOf } from './codes.ts';

const PAGE = readFileSync(new URL('../../../docs/analyze.md', import.meta.url), 'utf8');

const rowOf = (code: Code): string => {
  const { name, level, about } = entryOf(code);
  return `| ${code} ${name} | ${level} | ${about} |`;
};

describe('the table of codes', () => {
  const codes = Object.keys(CODES) as Code[];

  it('is that of the page', () => {
    const rows = PAGE.split('\n').filter((line) => line.startsWith('| IST'));
    assert.deepEqual(rows, codes.map(rowOf));
  });

  it('has an analyzer for each code, and each has a code of it', () => {
    const used = new Set(ANALYZERS.flatMap((analyzer) => analyzer.codes));
    assert.deepEqual([...used].sort(), [...codes].sort());
  });

  it('is in the order of the codes', () => {
    assert.deepEqual(codes, [...codes].sort());
  });
});
