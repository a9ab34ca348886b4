// YAML as Kubernetes reads it, and the places of its values.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readChunk, splitChunks } from './read-documents.ts';
import { locate, parseYaml } from './yaml.ts';

function valueOf(text: string): unknown {
  const parsed = parseYaml(text);
  assert.ok('values' in parsed, JSON.stringify(parsed));
  return parsed.values[0];
}

describe('values', () => {
  const TABLE: readonly (readonly [text: string, value: unknown])[] = [
    ['[yes, No, on, OFF, y, n, true, "yes"]', [true, false, true, false, true, false, true, 'yes']],
    ['[0x10, 0o17, 017, 0b11, 1_000, -5, +5, 08]', [16, 15, 15, 3, 1000, -5, 5, 8]],
    ['[1.5, .5, 1e3, 1.0, 1e999]', [1.5, 0.5, 1000, 1, Number.POSITIVE_INFINITY]],
    [
      '[2024-01-01, 2024-01-01T00:00:00Z, 1:20, ~, null, ""]',
      ['2024-01-01', '2024-01-01T00:00:00Z', '1:20', null, null, ''],
    ],
    ['a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}', { a: { b: 1 }, c: { b: 1 }, d: { b: 1, e: 2 } }],
    ['1: a\ntrue: b', { '1': 'a', true: 'b' }],
    ['{\n\t"a": [1]\n}', { a: [1] }],
  ];
  for (const [text, value] of TABLE) test(text, () => assert.deepEqual(valueOf(text), value));

  test('that are doubled are errors with a place', () => {
    assert.deepEqual(parseYaml('a: 1\nb: 2\na: 3'), { error: 'duplicated mapping key', place: { line: 3, column: 1 } });
  });

  test('of aliases are independent of each other, and not without end', () => {
    const { a, b } = valueOf('a: &x [1]\nb: *x') as { readonly a: unknown; readonly b: unknown };
    assert.notEqual(a, b);
    const lines = ['a0: &a0 [x]'];
    for (let i = 1; i <= 12; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    const parsed = parseYaml(lines.join('\n'));
    assert.ok('error' in parsed && parsed.error.includes('aliases'));
  });

  test('nested too deep are an error', () => assert.ok('error' in parseYaml('['.repeat(200))));
});

describe('documents', () => {
  test('are split where they begin', () => {
    const text = '%YAML 1.2\n---\na: 1\n---\nb: |\n  ---\n  x\n--- # d\n\n---\nc: 1\n';
    assert.deepEqual(
      splitChunks(text).map(({ text: part, linesBefore }) => [valueOf(part), linesBefore]),
      [
        [{ a: 1 }, 0],
        [{ b: '---\nx\n' }, 3],
        [null, 7],
        [{ c: 1 }, 9],
      ],
    );
  });

  test('that are no objects are told', () => {
    const { unread } = readChunk('kind: A\n--- \n- 1\n---\nfoo: bar', 'x.yaml');
    assert.deepEqual(
      unread.map(({ severity, message }) => `${severity}: ${message}`),
      [
        'error: apiVersion is missing',
        'error: the document is no object',
        'warning: the document is no Kubernetes object',
      ],
    );
  });
});

describe('the place', () => {
  const text = 'a:\n  b:\n  - c: 1\n    "d": {e: [x, y]}\n  -\n---\nf: |\n  g: 1\n  h:\n    i: 2\n';
  const TABLE: readonly (readonly [
    document: number,
    path: readonly (string | number)[],
    line: number,
    column: number,
  ])[] = [
    [0, [], 1, 1],
    [0, ['a', 'b'], 2, 3],
    [0, ['a', 'b', 0, 'c'], 3, 5],
    [0, ['a', 'b', 0, 'd'], 4, 5],
    [0, ['a', 'b', 0, 'd', 'e', 1], 4, 18],
    [0, ['a', 'b', 0, 'missing', 'x'], 3, 5],
    [0, ['a', 'b', 1], 2, 3],
    [1, ['f', 'h', 'i'], 10, 5],
    [7, ['f'], 1, 1],
  ];
  for (const [document, path, line, column] of TABLE) {
    test(`of ${JSON.stringify(path)} in document ${document}`, () => {
      assert.deepEqual(locate(text, document, path), { line, column });
    });
  }
});

test('places of thousands of items cost one reading', () => {
  const item = (i: number): string => `- {name: n${i}, list: [a, b]}\n`;
  const text = `items:\n${Array.from({ length: 5000 }, (_, i) => item(i)).join('')}`;
  const startMs = performance.now();
  for (let i = 0; i < 5000; i++) assert.deepEqual(locate(text, 0, ['items', i, 'list', 1]).line, i + 2);
  // One by one it would be minutes.
  assert.ok(performance.now() - startMs < 5000);
});

test('texts that aliases write out are bounded', () => {
  const text = `a: &a "${'x'.repeat(1_000_000)}"\nb: [${Array(900).fill('*a').join(', ')}]\n`;
  const parsed = parseYaml(text);
  assert.ok('error' in parsed && /aliases/.test(parsed.error));
});
