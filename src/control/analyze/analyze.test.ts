// Every message at its exact place, and none where there is only something near: test/analyze/*.yaml says which.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { analyzeFiles } from '../../../test/analyze/rig.ts';
import { CODES, type Code, isCode } from './codes.ts';

const DIRECTORY = new URL('../../../test/analyze/', import.meta.url);

/** 'LINE:COLUMN CODE' for each mark at the end of a line. */
function expectedIn(text: string): string[] {
  return text.split('\n').flatMap((line, at) => {
    const marks = /# ((?:IST\d{4}@\d+ ?)+)$/.exec(line);
    return (marks?.[1] ?? '')
      .split(' ')
      .filter((mark) => mark !== '')
      .map((mark) => `${at + 1}:${mark.slice(mark.indexOf('@') + 1)} ${mark.slice(0, 7)}`);
  });
}

function optionsOf(text: string): { also: Code[]; isInjected: boolean } {
  const words = (/^# Options: (.*)$/m.exec(text)?.[1] ?? '').split(' ');
  const also = words.flatMap((word) => (word.startsWith('also=') ? word.slice('also='.length).split(',') : []));
  return { also: also.filter(isCode), isInjected: !words.includes('not-injected') };
}

describe('the analysis of files', () => {
  const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));
  const seen = new Set<string>();
  for (const name of names.sort()) {
    const text = readFileSync(new URL(name, DIRECTORY), 'utf8');
    it(`says of ${name} what is marked in it, and nothing else`, () => {
      const messages = analyzeFiles({ [name]: text }, optionsOf(text));
      for (const { code } of messages) seen.add(code);
      const said = messages.map(({ place, code }) => `${place?.line}:${place?.column} ${code}`);
      assert.deepEqual(said.sort(), expectedIn(text).sort(), messages.map(({ text: one }) => one).join('\n'));
    });
  }

  it('has a case for each of its codes', () => {
    // What needs a certificate of today is in another file.
    const elsewhere = ['IST0161'];
    assert.deepEqual(
      Object.keys(CODES).filter((code) => !seen.has(code) && !elsewhere.includes(code)),
      [],
    );
  });
});
