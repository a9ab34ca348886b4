// Fuzzes the binary decoder: mutated messages of every type; it must never throw, and agree with @bufbuild/protobuf.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { toJson } from '../../src/proto/json-encode.ts';
import type { Message, MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { validateRules } from '../../src/proto/rules.ts';
import { fuzzLimits, mutateBytes, readCorpus } from './proto-mutator.ts';
import { MessageMaker, oracleOf, seeded } from './proto-oracle.ts';

/** No single input may take longer. */
const MAX_MS_PER_INPUT = 1000;

/** Checks one input; returns whether both implementations took it. */
export function checkBinary(type: MessageType, bytes: Uint8Array): boolean {
  const started = performance.now();
  const report = new Report();
  const message = decodeBinary(type, bytes, report);
  if (message !== undefined) {
    const again = encodeBinary(type, message);
    const copy = decodeBinary(type, again, new Report()) as Message;
    assert.deepEqual(encodeBinary(type, copy), again, 'what was decoded encodes to the same bytes twice');
    toJson(type, message);
    validateRules(type, message, new Report());
  } else assert.ok(!report.isEmpty, 'a refused message has a reason');
  assert.ok(performance.now() - started < MAX_MS_PER_INPUT, 'took too long');
  return compare(type, bytes, message, report);
}

function compare(type: MessageType, bytes: Uint8Array, message: Message | undefined, report: Report): boolean {
  let theirs: Uint8Array;
  try {
    theirs = oracleOf(type).recode(bytes);
  } catch (error) {
    const allowed = message === undefined || !report.isEmpty || /required field not set/.test(String(error));
    assert.ok(allowed, `only they refuse it: ${error}`);
    return false;
  }
  // They read known fields whatever the wire type says; to us such a field is unknown, and the two part ways.
  if (report.problems.some(({ kind }) => kind === 'unknown-field')) return message !== undefined;
  if (message === undefined) {
    const reason = report.problems.at(-1)?.reason ?? '';
    const allowed = ONLY_WE_REFUSE.some((text) => reason.includes(text));
    assert.ok(allowed, `only we refuse it: ${reason}`);
    return false;
  }
  const back = decodeBinary(type, theirs, new Report()) as Message;
  assert.deepEqual(encodeBinary(type, back), encodeBinary(type, message), 'they read something else');
  return true;
}

/** C++ refuses these too; they overlook ends of values, long lengths, wire types, what is in groups, deep nesting. */
const ONLY_WE_REFUSE = [
  'nested deeper',
  'runs over',
  'cut inside',
  'field number 0',
  'wire type',
  'varint',
  'a group',
  'a length',
  'a tag',
];

const { seconds, seed } = fuzzLimits(2);

test(`binary messages, ${seconds} s from seed ${seed}`, () => {
  const names = registry.messageNames();
  const corpus = readCorpus('proto');
  for (const { type, bytes } of corpus) checkBinary(registry.message(type), bytes);
  const until = performance.now() + seconds * 1000;
  let inputs = 0;
  let agreed = 0;
  for (let i = 0; performance.now() < until; i++) {
    const maker = new MessageMaker(seeded(seed * 1_000_003 + i));
    const sample = maker.below(5) === 0 ? maker.pick(corpus) : null;
    const type = registry.message(sample?.type ?? maker.pick(names));
    const start = sample?.bytes ?? encodeBinary(type, maker.make(type, 40) as Message);
    for (let round = 0; round < 8; round++) {
      const bytes = mutateBytes(start, maker);
      try {
        if (checkBinary(type, bytes)) agreed++;
      } catch (error) {
        const shown = Buffer.from(bytes).toString('hex');
        throw new Error(`seed ${seed}, message ${i}: ${type.fullName} ${shown}`, { cause: error });
      }
      inputs++;
    }
  }
  assert.ok(inputs > 100 && agreed > 0, `${inputs} inputs, ${agreed} taken by both`);
});
