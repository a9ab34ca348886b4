// Fuzzes the documents of a configuration: whatever a file holds, it is read in bounded time, nothing throws, every
// finding has a place in the file, and what was live stays live while its file is broken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';
import { captureInput, captureInputNames } from '../control/capture-inputs.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(4);
/** Of one text of some kilobytes, on a busy machine. */
const MAX_MS = 2_000;

const CORPUS = captureInputNames().flatMap((name) => {
  const { files } = captureInput(name);
  return [files['config.yaml'], files['mesh.yaml']].filter((text): text is string => (text ?? '') !== '');
});
const BITS = [
  ...[
    '---\n',
    '\n---\n',
    '...\n',
    ': ',
    '- ',
    '  ',
    '\t',
    '\n',
    '{',
    '}',
    '[',
    ']',
    ', ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '%YAML 1.2\n',
  ],
  ...[
    '&a ',
    '*a',
    '<<: *a',
    '!!str ',
    '? ',
    'null',
    '~',
    'yes',
    '1e999',
    '.inf',
    '0x7fffffffffffffff',
    '-0',
    '\0',
    '\ufeff',
  ],
  ...[
    '__proto__: {a: 1}\n',
    'constructor: 1\n',
    'kind: List\nitems:\n',
    'apiVersion: v1\n',
    'kind: ConfigMap\n',
    'items: [[[]]]',
  ],
  ...['&b [*a,*a,*a,*a,*a,*a,*a,*a,*a]', `${'['.repeat(300)}`, `${'a: '.repeat(50)}`, 'é😀', '\ud800'],
];

function mutate(random: Random): string {
  let text = CORPUS[random.below(CORPUS.length)] as string;
  for (let changes = random.below(6); changes > 0; changes--) {
    const at = random.below(text.length + 1);
    const kind = random.below(5);
    if (kind <= 1) text = text.slice(0, at) + (BITS[random.below(BITS.length)] as string) + text.slice(at);
    else if (kind === 2) text = text.slice(0, at) + text.slice(at + 1 + random.below(20));
    else if (kind === 3) text = text.slice(0, at);
    else text = text.slice(0, at) + text.slice(random.below(text.length + 1));
  }
  return text;
}

function checkFindings(source: MemorySource, text: string): void {
  const lines = text.split('\n');
  for (const { line, column, message, remedy, file, severity } of source.findings()) {
    assert.ok(line >= 1 && line <= lines.length + 1 && column >= 1, `${line}:${column} in ${JSON.stringify(text)}`);
    assert.ok(message !== '' && remedy !== '' && file !== '' && severity !== undefined);
  }
}

test(`documents of a configuration, ${seconds} s from seed ${seed}`, (t) => {
  const random = new Random(seed);
  const until = performance.now() + seconds * 1000;
  let texts = 0;
  let accepted = 0;
  while (performance.now() < until) {
    const first = mutate(random);
    const start = performance.now();
    const source = new MemorySource({ 'a.yaml': first });
    source.start();
    checkFindings(source, first);
    const live = [...source.objects().keys()];
    accepted += live.length;
    const second = mutate(random);
    source.write({ 'a.yaml': second });
    checkFindings(source, second);
    const isBroken = source.findings().some(({ message }) => message.startsWith('the document is no YAML'));
    if (isBroken)
      for (const key of live) assert.ok(source.objects().has(key), `${key} went with ${JSON.stringify(second)}`);
    const took = performance.now() - start;
    assert.ok(took < MAX_MS, `${took} ms for ${JSON.stringify(first)} and ${JSON.stringify(second)}`);
    texts += 2;
  }
  assert.ok(accepted > 0);
  t.diagnostic(`${texts} texts, ${accepted} objects`);
});
