// Fuzzes the JSON decoder: mutated JSON of every type; it must never throw, and agree with @bufbuild/protobuf.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson, fromStrictJson } from '../../src/proto/json-decode.ts';
import { toJson } from '../../src/proto/json-encode.ts';
import type { Message, MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { validateRules } from '../../src/proto/rules.ts';
import { fuzzLimits, mutateJson, readCorpus } from './proto-mutator.ts';
import { MessageMaker, oracleOf, seeded } from './proto-oracle.ts';

/** No single input may take longer. */
const MAX_MS_PER_INPUT = 1000;

/** Checks one input; returns whether both implementations took it. */
export function checkJson(type: MessageType, json: unknown): boolean {
  const started = performance.now();
  const report = new Report();
  const message = fromJson(type, json, report);
  const bytes = encodeBinary(type, message);
  const copy = decodeBinary(type, bytes, new Report()) as Message;
  assert.deepEqual(encodeBinary(type, copy), bytes, 'what was read survives the binary form');
  validateRules(type, message, new Report());
  const again = new Report();
  const back = fromJson(type, JSON.parse(JSON.stringify(toJson(type, message))), again);
  assert.equal(again.toString(), report.problems.some(({ kind }) => kind === 'unknown-type') ? again.toString() : '');
  if (again.isEmpty) assert.deepEqual(encodeBinary(type, back), bytes, 'what was read survives JSON');
  assert.ok(performance.now() - started < MAX_MS_PER_INPUT, 'took too long');
  const strictReport = new Report();
  const strict = fromStrictJson(type, json, strictReport);
  if (strictReport.isEmpty) assert.deepEqual(encodeBinary(type, strict), bytes, 'what is right is read alike');
  return compare(type, json, strict, strictReport);
}

function compare(type: MessageType, json: unknown, message: Message, report: Report): boolean {
  // What null is when it is not a field is nowhere said.
  if (json === null) return false;
  let theirs: Uint8Array;
  try {
    theirs = oracleOf(type).jsonToBinary(JSON.parse(JSON.stringify(json)));
  } catch (error) {
    const reason = String(error);
    const allowed = !report.isEmpty || ONLY_THEY_REFUSE.some((text) => text.test(reason));
    assert.ok(allowed, `only they refuse it: ${reason}`);
    return false;
  }
  if (!report.isEmpty) {
    const allowed = report.problems.some(({ reason }) => ONLY_WE_REFUSE.some((text) => text.test(reason)));
    assert.ok(allowed, `only we refuse it: ${report}`);
    return false;
  }
  const back = decodeBinary(type, theirs, new Report()) as Message;
  assert.deepEqual(toJson(type, back), toJson(type, message), 'they read something else');
  return true;
}

/** Differences that are wanted, each for its reason. */
const ONLY_THEY_REFUSE: readonly RegExp[] = [
  // "1.0" and "1e3" are integers in the specification, for 64 bits too.
  /expected bigint .* out of range/,
  // A name given twice is no matter when one of the two is null.
  /set multiple times/,
  // Required fields of proto2 belong to the descriptors themselves only; nothing depends on them.
  /required field not set/,
];
const ONLY_WE_REFUSE: readonly RegExp[] = [
  // They pass over what stands beside 'value'; C++ does not.
  /^no such field: .* beside a /,
  // They read hexadecimal text as a number, and 64-bit text with spaces around it.
  /^expected a(?:n integer| number).* got "(?:0x10| 1)"$/,
  // They take an absent Struct for an empty one, and null for the value of a wrapper.
  /^'value' with the google\.protobuf\.(?:Struct|\w+Value) is missing$/,
  // A string with half a surrogate pair has no UTF-8; they replace it, C++ refuses it.
  /^expected (?:field paths|a string|a key that is a string|a value of|one of)/,
];

const { seconds, seed } = fuzzLimits(2);

test(`JSON messages, ${seconds} s from seed ${seed}`, () => {
  const names = registry.messageNames();
  const corpus = readCorpus('proto-json').map(({ type, bytes }) => ({ type, json: JSON.parse(bytes.toString()) }));
  for (const { type, json } of corpus) checkJson(registry.message(type), json);
  const until = performance.now() + seconds * 1000;
  let inputs = 0;
  let agreed = 0;
  for (let i = 0; performance.now() < until; i++) {
    const maker = new MessageMaker(seeded(seed * 1_000_003 + i));
    const sample = maker.below(5) === 0 ? maker.pick(corpus) : null;
    const type = registry.message(sample?.type ?? maker.pick(names));
    const start: unknown = sample?.json ?? toJson(type, maker.make(type, 40) as Message);
    for (let round = 0; round < 8; round++) {
      const json = mutateJson(start, maker);
      try {
        if (checkJson(type, json)) agreed++;
      } catch (error) {
        throw new Error(`seed ${seed}, message ${i}: ${type.fullName} ${JSON.stringify(json)}`, { cause: error });
      }
      inputs++;
    }
  }
  assert.ok(inputs > 100 && agreed > 0, `${inputs} inputs, ${agreed} taken by both`);
});
