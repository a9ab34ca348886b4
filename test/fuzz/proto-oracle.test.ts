// Every message type of the descriptor set, with generated values, through our runtime and through @bufbuild/protobuf.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { toJson } from '../../src/proto/json-encode.ts';
import type { Message, MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { validateRules } from '../../src/proto/rules.ts';
import { MessageMaker, oracleOf, seeded } from './proto-oracle.ts';

/** Messages made per type, and fields set in each. */
const ROUNDS = 6;
const BUDGET = 60;

/** JSON as text would carry it, keys sorted, numbers as 32-bit floats: the two print floats differently. */
function normal(json: unknown): unknown {
  if (typeof json === 'number') return Math.fround(json);
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(normal);
  return Object.fromEntries(
    Object.keys(json)
      .sort()
      .map((key) => [key, normal((json as Message)[key])]),
  );
}

function check(type: MessageType, message: Message): void {
  const oracle = oracleOf(type);
  const bytes = encodeBinary(type, message);
  const report = new Report();
  const decoded = decodeBinary(type, bytes, report) as Message;
  assert.ok(report.isEmpty, `${type.fullName}: ${report}`);
  assert.deepEqual(encodeBinary(type, decoded), bytes, `${type.fullName}: encode, decode, encode`);
  const theirs = oracle.recode(bytes);
  const back = decodeBinary(type, theirs, report) as Message;
  assert.ok(report.isEmpty, `${type.fullName}: their binary: ${report}`);
  assert.ok(isDeepStrictEqual(back, decoded), `${type.fullName}: their binary means something else`);

  const ourJson = toJson(type, decoded);
  const theirJson = oracle.binaryToJson(bytes);
  assert.deepEqual(normal(ourJson), normal(theirJson), `${type.fullName}: JSON`);
  for (const json of [ourJson, theirJson, toJson(type, decoded, { preserveProtoFieldNames: true })]) {
    const read = fromJson(type, JSON.parse(JSON.stringify(json)), report);
    assert.ok(report.isEmpty, `${type.fullName}: reading JSON: ${report}`);
    assert.deepEqual(encodeBinary(type, read), bytes, `${type.fullName}: JSON reads back as something else`);
  }
  // Compared as JSON, for the order of map entries inside an Any is theirs.
  const fromOurs = decodeBinary(type, oracle.jsonToBinary(ourJson)) as Message;
  assert.deepEqual(normal(toJson(type, fromOurs)), normal(ourJson), `${type.fullName}: our JSON read by them`);
}

test('every message type agrees with @bufbuild/protobuf in binary and JSON', () => {
  const names = registry.messageNames();
  assert.ok(names.length > 1900, String(names.length));
  for (const [i, name] of names.entries()) {
    const type = registry.message(name);
    for (let round = 0; round < ROUNDS; round++) {
      const maker = new MessageMaker(seeded(i * 16 + round));
      const message = maker.make(type, BUDGET) as Message;
      check(type, message);
      validateRules(type, message, new Report());
    }
  }
});
