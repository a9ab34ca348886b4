// Figures as people read them, and words that are safe in a shell.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { duration, rate, severityOf, share, shellWord, success } from './format.ts';
import { meaningOf } from './flags.ts';

test('what is not all is not told as all', () => {
  assert.equal(success(0), '100 %');
  assert.equal(success(0.00001), '>99.99 %');
  assert.equal(success(1), '0 %');
  assert.equal(success(null), '–');
  assert.deepEqual([0, 0.000001, 0.0042, 0.042, 0.42].map(share), ['0 %', '<0.01 %', '0.42 %', '4.2 %', '42 %']);
});

test('rates and durations', () => {
  assert.deepEqual([0, 0.01, 4.25, 12.4, 12_345].map(rate), ['0/s', '<0.1/s', '4.3/s', '12/s', '12\u202f345/s']);
  const times = [null, 0.2, 4.21, 812.4, 4200, 125_000].map(duration);
  assert.deepEqual(times, ['–', '<1 ms', '4.2 ms', '812 ms', '4.2 s', '2 min 5 s']);
  assert.deepEqual([null, 0, 0.01, 0.2].map(severityOf), ['none', 'good', 'odd', 'bad']);
});

test('a name is one word of a shell, whatever is in it', () => {
  assert.equal(shellWord('reviews-v1-1'), 'reviews-v1-1');
  assert.equal(shellWord('a; rm -rf ~'), "'a; rm -rf ~'");
  assert.equal(shellWord('-rf'), "'-rf'");
  const names = fc.array(fc.string({ minLength: 1, unit: fc.constantFrom(...'a$`\'"\\;&|<>(){}*?~! -#') }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(names, (words) => {
      const script = `printf '%s\\n' ${words.map(shellWord).join(' ')}`;
      const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
      assert.equal(stdout, words.length === 0 ? '\n' : words.map((word) => `${word}\n`).join(''));
    }),
    { numRuns: 50 },
  );
  assert.doesNotMatch(shellWord('a\nreboot\u001b[2J'), /[\n\u001b]/);
});

test('response flags in words', () => {
  assert.equal(meaningOf('UF,URX'), 'the endpoint could not be connected to; retries are used up');
  assert.equal(meaningOf('-'), '');
});
