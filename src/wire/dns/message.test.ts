// Tests DNS messages: queries as bytes, answers of every kind, names with compression, and malformed input.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAnswer, encodeQuery, RecordType } from './message.ts';

/** An answer made by hand: header, one question for a.test/A, then the given records. */
function answerOf(
  records: readonly (readonly number[])[],
  options: { flags?: number; additional?: number } = {},
): Buffer {
  const { flags = 0x8180, additional = 0 } = options;
  const question = [1, 97, 4, ...Buffer.from('test'), 0, 0, 1, 0, 1];
  const counts = [0, 1, 0, records.length - additional, 0, 0, 0, additional];
  return Buffer.from([0x12, 0x34, flags >> 8, flags & 0xff, ...counts, ...question, ...records.flat()]);
}

function record(owner: readonly number[], type: number, data: readonly number[], ttl = [0, 0, 0, 60]): number[] {
  return [...owner, 0, type, 0, 1, ...ttl, data.length >> 8, data.length & 0xff, ...data];
}

const ASKED = [0xc0, 12];

test('a query has one question, asks for recursion, and offers EDNS when told to', () => {
  const plain = encodeQuery({ id: 0xabcd, name: 'a.test', type: RecordType.A, udpPayloadBytes: 0 });
  assert.equal(plain?.toString('hex'), 'abcd010000010000000000000161047465737400' + '00010001');
  const edns = encodeQuery({ id: 1, name: 'a.test.', type: RecordType.AAAA, udpPayloadBytes: 1232 });
  assert.equal(edns?.toString('hex').slice(-22), '00002904d0000000000000');
});

test('names that no DNS message can carry give no query', () => {
  for (const name of ['a..test', '.a', `${'x'.repeat(64)}.test`, `${'abcdefg.'.repeat(32)}test`, 'ü€.test']) {
    assert.equal(encodeQuery({ id: 1, name, type: 1, udpPayloadBytes: 0 }), null, name);
  }
  assert.notEqual(encodeQuery({ id: 1, name: `${'x'.repeat(63)}.test`, type: 1, udpPayloadBytes: 0 }), null);
});

test('an answer gives its addresses, aliases and services in order', () => {
  const answer = decodeAnswer(
    answerOf([
      record(ASKED, 5, [1, 98, 0xc0, 14], [0, 0, 0, 7]),
      record([1, 98, 0xc0, 14], 1, [10, 0, 0, 1]),
      record(ASKED, 28, [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
      record(ASKED, 33, [0, 1, 0, 2, 0x1f, 0x90, 0xc0, 12]),
      record(ASKED, 16, [3, 97, 98, 99]),
    ]),
  );
  assert.deepEqual(answer, {
    id: 0x1234,
    code: 0,
    isTruncated: false,
    question: { name: 'a.test', type: 1 },
    records: [
      { kind: 'CNAME', owner: 'a.test', ttlS: 7, target: 'b.test' },
      { kind: 'A', owner: 'b.test', ttlS: 60, address: '10.0.0.1' },
      { kind: 'AAAA', owner: 'a.test', ttlS: 60, address: 'fd00::9' },
      { kind: 'SRV', owner: 'a.test', ttlS: 60, priority: 1, weight: 2, port: 8080, target: 'a.test' },
    ],
  });
});

test('a TTL with its highest bit set is 0, and EDNS extends the code', () => {
  const negative = decodeAnswer(answerOf([record(ASKED, 1, [10, 0, 0, 1], [0x80, 0, 0, 1])]));
  assert.equal(negative?.records[0]?.ttlS, 0);
  const extended = decodeAnswer(answerOf([record([0], 41, [], [1, 0, 0, 0])], { additional: 1 }));
  assert.equal(extended?.code, 16);
});

test('names compare without case, and dots inside labels stay apart from dots between them', () => {
  const bytes = Buffer.from('00018180000100000000000003412e5404746553540000010001', 'hex');
  assert.equal(decodeAnswer(bytes)?.question?.name, 'a\\.t.test');
});

test('malformed answers are null: loops, forward pointers, cut records, wrong lengths, queries', () => {
  const bad: readonly Buffer[] = [
    Buffer.alloc(0),
    Buffer.alloc(11),
    answerOf([], { flags: 0x0100 }),
    answerOf([], { flags: 0x8980 }),
    answerOf([record([0xc0, 24], 1, [10, 0, 0, 1])]),
    answerOf([record([1, 98, 0xc0, 24], 1, [10, 0, 0, 1])]),
    answerOf([record([0xc0, 200], 1, [10, 0, 0, 1])]),
    answerOf([record([0x80, 1], 1, [10, 0, 0, 1])]),
    answerOf([record(ASKED, 1, [10, 0, 0])]),
    answerOf([record(ASKED, 28, [10, 0, 0, 1])]),
    answerOf([record(ASKED, 5, [1, 98])]),
    answerOf([record(ASKED, 33, [0, 1, 0, 2, 0, 80])]),
  ];
  for (const bytes of bad) assert.equal(decodeAnswer(bytes), null, bytes.toString('hex'));
  const whole = answerOf([record(ASKED, 1, [10, 0, 0, 1])]);
  for (let length = 0; length < whole.length; length++) assert.equal(decodeAnswer(whole.subarray(0, length)), null);
  assert.notEqual(decodeAnswer(whole), null);
});
