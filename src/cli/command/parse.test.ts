// Options and arguments of verbs, and what is said of mistakes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpOf } from './help.ts';
import { durationMs, oneOf, parseCommand, UsageError } from './parse.ts';
import type { CommandSpec } from './spec.ts';
import { table } from './table.ts';

const SPEC = {
  verb: 'try',
  about: 'Tries.',
  arguments: [{ name: 'KIND' }, { name: '[NAME]...', repeats: true }],
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['json', 'yaml'], default: 'json', help: 'a format' },
    filename: { type: 'string', short: 'f', multiple: true, value: 'FILE', help: 'a file' },
    namespace: { type: 'string', value: 'NS', help: 'a namespace' },
    all: { type: 'boolean', short: 'A', help: 'everything' },
  },
  examples: [['heddle try x', 'one']],
} as const satisfies CommandSpec;

test('values have the types that the table says', () => {
  const parsed = parseCommand(SPEC, ['vs', '-o', 'yaml', 'a', '-f', '1', '-f2', 'b']);
  assert.ok(parsed !== 'help');
  const { output, filename, namespace, all } = parsed.values;
  assert.deepEqual([output, filename, namespace, all], ['yaml', ['1', '2'], undefined, false]);
  assert.deepEqual(parsed.words, ['vs', 'a', 'b']);
  assert.equal(parseCommand(SPEC, ['x', '--help']), 'help');
  const bare = parseCommand(SPEC, []);
  assert.ok(bare !== 'help');
  assert.deepEqual([bare.values.output, bare.values.filename], ['json', []]);
});

test('mistakes name what was probably meant', () => {
  const TABLE: readonly (readonly [readonly string[], RegExp])[] = [
    [['--ouput', 'x'], /heddle try has no option --ouput: is --output meant\?/],
    [['--zzzzzzzz'], /no option --zzzzzzzz: see --help/],
    [['-x'], /no option -x/],
    [['--output', 'jsn'], /--output jsn: is json meant\?/],
    [['--output', 'nothing'], /--output nothing: expected json, yaml/],
    [['--namespace'], /--namespace: NS is missing/],
    [['--all=x'], /--all takes no value/],
  ];
  for (const [args, expected] of TABLE) {
    assert.throws(
      () => parseCommand(SPEC, args),
      (error) => error instanceof UsageError && expected.test(error.message),
      args.join(' '),
    );
  }
  const one = { ...SPEC, arguments: [{ name: 'KIND' }] } satisfies CommandSpec;
  assert.throws(() => parseCommand(one, ['a', 'b']), /nothing that "b" could be/);
  assert.throws(() => oneOf('KIND', 'routs', ['routes', 'all']), /is routes meant\?/);
  assert.throws(() => oneOf('KIND', undefined, ['routes']), /KIND is missing: routes/);
});

test('times', () => {
  assert.deepEqual(
    ['10', '1.5s', '2m', '300ms', '1h'].map((text) => durationMs('t', text)),
    [10_000, 1500, 120_000, 300, 3_600_000],
  );
  assert.throws(() => durationMs('timeout', 'soon'), /--timeout soon: expected a time/);
});

test('the help has every option and every example', () => {
  const help = helpOf(SPEC);
  assert.match(help, /^usage: heddle try KIND \[NAME\]\.\.\. \[OPTIONS\]\n\nTries\.\n/);
  for (const name of Object.keys(SPEC.options)) assert.ok(help.includes(`--${name}`), name);
  assert.match(help, /-o, --output FORMAT +a format \(json\)\n/);
  assert.match(help, /examples:\n {2}# one\n {2}heddle try x\n$/);
});

test('columns are as wide as their widest cell', () => {
  assert.equal(
    table(
      [
        ['A', 'BB', 'C'],
        ['aaa', 'b', ''],
        ['', 'äö', 'c'],
      ],
      2,
    ),
    'A    BB  C\naaa  b\n     äö  c\n',
  );
});
