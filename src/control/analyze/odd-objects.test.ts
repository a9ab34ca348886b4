// Whatever validation lets through is analysed: objects with parts of others, with values that nobody expects.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { analyzeFiles } from '../../../test/analyze/rig.ts';
import { POOL } from '../../../test/control/random-objects.ts';
import { readChunk, splitChunks } from '../source/read-documents.ts';
import { CODES, isCode } from './codes.ts';

const CASES = new URL('../../../test/analyze/', import.meta.url);
const SEEDS = new URL('../../../test/control/schema/testdata/seeds.yaml', import.meta.url);
const RUNS = 300;
const ALL = Object.keys(CODES).filter(isCode);

type Json = Readonly<Record<string, unknown>>;

const texts = [
  ...readdirSync(CASES).flatMap((name) => (name.endsWith('.yaml') ? [readFileSync(new URL(name, CASES), 'utf8')] : [])),
  ...Object.values(POOL).flat(),
  readFileSync(SEEDS, 'utf8'),
];
const DOCUMENTS: readonly Json[] = texts
  .flatMap((text) => splitChunks(text))
  .flatMap(({ text }) => readChunk(text, 'a.yaml').documents.map(({ value }) => value));

/** All paths into a value. */
function pathsOf(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  const keys = Array.isArray(value) ? value.map((_item, at) => at) : Object.keys(value);
  return [
    [...path],
    ...keys.flatMap((key) => pathsOf((value as Record<string | number, unknown>)[key], [...path, key])),
  ];
}

function withValue(value: unknown, path: readonly (string | number)[], put: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return put;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[key] = withValue(copy[key], rest, put);
  return copy;
}

const oddValue = fc.oneof(
  fc.constantFrom('', '*', '.', '~', '__proto__', 'constructor', '*.', 'a/b/c', '@request.auth.claims', 'mesh', '1337'),
  fc.constantFrom(null, 0, -1, 1337, true, [], {}, [null], [[]], { a: null }),
  fc.jsonValue({ maxDepth: 2 }),
);

const oddDocument = fc.constantFrom(...DOCUMENTS).chain((document) =>
  fc
    .array(fc.tuple(fc.constantFrom(...pathsOf(document).filter((path) => path.length > 1)), oddValue), {
      maxLength: 3,
    })
    .map((changes) =>
      changes.reduce<unknown>((value, [path, put]) => {
        try {
          return withValue(value, path, put);
        } catch {
          // An earlier change took the place away.
          return value;
        }
      }, document),
    ),
);

describe('the analysis of odd objects', () => {
  it('never throws, and says where', () => {
    const isAnalyzed = fc.property(fc.array(oddDocument, { minLength: 1, maxLength: 12 }), (documents) => {
      const text = documents.map((document) => `---\n${JSON.stringify(document)}\n`).join('');
      for (const message of analyzeFiles({ 'a.yaml': text }, { also: ALL })) {
        assert.ok(message.place !== null && message.place.line > 0 && message.place.column > 0);
      }
    });
    fc.assert(isAnalyzed, { numRuns: RUNS });
  });

  it('analyses all that there is at once', () => {
    const text = DOCUMENTS.map((document) => `---\n${JSON.stringify(document)}\n`).join('');
    assert.ok(analyzeFiles({ 'a.yaml': text }, { also: ALL }).length > 50);
  });
});
