// What differs between two texts: by hand, and against the system's diff.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { unifiedDiff } from './line-diff.ts';

const place = mkdtempSync(join(tmpdir(), 'heddle-diff-'));
after(() => rmSync(place, { recursive: true, force: true }));

test('a changed line stands between the lines around it', () => {
  const lines = ['a', 'b', 'c', 'd', 'weight: 80', 'e', 'f', 'g', 'h'];
  const before = `${lines.join('\n')}\n`;
  const diff = unifiedDiff(before, before.replace('80', '50'));
  assert.equal(diff, '@@ -2,7 +2,7 @@\n b\n c\n d\n-weight: 80\n+weight: 50\n e\n f\n g\n');
  assert.equal(unifiedDiff(before, before), '');
});

test('what is far apart is in hunks of its own', () => {
  const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`);
  const changed = lines.map((line, at) => (at === 2 || at === 25 ? `${line} changed` : line));
  const diff = unifiedDiff(lines.join('\n'), changed.join('\n'));
  assert.deepEqual(diff.match(/^@@.*$/gm), ['@@ -1,6 +1,6 @@', '@@ -23,7 +23,7 @@']);
});

test('a new text, and one that is gone', () => {
  assert.equal(unifiedDiff('', 'a\nb\n'), '@@ -0,0 +1,2 @@\n+a\n+b\n');
  assert.equal(unifiedDiff('a\nb\n', ''), '@@ -1,2 +0,0 @@\n-a\n-b\n');
});

test('a large difference is cut, and costs little', () => {
  const many = (word: string) => Array.from({ length: 5000 }, (_, at) => `${word} ${at}`).join('\n');
  const lines = unifiedDiff(many('old'), many('new')).trimEnd().split('\n');
  assert.equal(lines.length, 401);
  assert.match(lines.at(-1) as string, /… 9601 more lines/);
});

test('patch makes the new text of the old one', (context) => {
  if (spawnSync('patch', ['--version']).status !== 0) return context.skip('no patch is installed');
  const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd: 1', ''), { maxLength: 40 });
  const [old, difference] = [join(place, 'old'), join(place, 'difference')];
  fc.assert(
    fc.property(text, text, (before, after) => {
      const [from, to] = [before, after].map((lines) => lines.map((line) => `${line}\n`).join(''));
      const diff = unifiedDiff(from as string, to as string);
      if (diff === '') return assert.equal(from, to);
      writeFileSync(old, from as string);
      writeFileSync(difference, `--- old\n+++ old\n${diff}`);
      const { status, stdout } = spawnSync('patch', ['--fuzz=0', '-s', '-o', '-', old, difference], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, diff);
      assert.equal(stdout, to);
    }),
    { numRuns: 60 },
  );
});
