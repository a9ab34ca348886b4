// Tests what a forwarder knows of an answer: how long it is good for, where its records end, and what is malformed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAnswerLayout } from './answer-layout.ts';

type Parts = { flags?: number; answers?: number[][]; authorities?: number[][]; additionals?: number[][] };

const QUESTION = [1, 97, 4, ...Buffer.from('test'), 0, 0, 1, 0, 1];
const ASKED = [0xc0, 12];
const NAME_SERVER = [2, 110, 115, 0xc0, 14];

function answerOf({ flags = 0x8180, answers = [], authorities = [], additionals = [] }: Parts): Buffer {
  const counts = [answers, authorities, additionals].flatMap(({ length }) => [length >> 8, length & 255]);
  const records = [...answers, ...authorities, ...additionals].flat();
  return Buffer.from([0, 7, flags >> 8, flags & 255, 0, 1, ...counts, ...QUESTION, ...records]);
}

function record(type: number, ttl: number, data: readonly number[], owner: readonly number[] = ASKED): number[] {
  const four = [ttl >>> 24, (ttl >>> 16) & 255, (ttl >>> 8) & 255, ttl & 255];
  return [...owner, type >> 8, type & 255, 0, 1, ...four, 0, data.length, ...data];
}

const address = (ttl: number): number[] => record(1, ttl, [10, 0, 0, 1]);
const alias = (ttl: number): number[] => record(5, ttl, [1, 98, 0xc0, 14]);
const soa = (ttl: number, minimum: number): number[] => {
  const numbers = [...new Array<number>(16).fill(0), 0, 0, minimum >> 8, minimum & 255];
  return record(6, ttl, [...NAME_SERVER, 0xc0, 14, ...numbers]);
};
const opt = (code = 0): number[] => [0, 0, 41, 4, 208, code, 0, 0, 0, 0, 0];

const NXDOMAIN = 0x8183;
/** Source: RFC 2181 §5.2 and §8, RFC 2308 §5. */
const LIVES: readonly (readonly [what: string, parts: Parts, lifetimeS: number])[] = [
  ['an address', { answers: [address(60)] }, 60],
  ['the lowest of several', { answers: [alias(50), address(60)], additionals: [address(40), opt()] }, 40],
  ['no longer than an hour', { answers: [address(86_400)] }, 3600],
  ['not at all', { answers: [address(0)] }, 0],
  ['the highest bit is 0', { answers: [address(0x8000_0001)] }, 0],
  ['an alias that leads nowhere', { answers: [alias(60)] }, 0],
  ['the same with SOA', { answers: [alias(60)], authorities: [soa(600, 300)] }, 60],
  ['nothing of the type', { authorities: [soa(600, 300)] }, 300],
  ['nothing, by the SOA’s own TTL', { authorities: [soa(20, 300)] }, 20],
  ['nothing, no longer than half an hour', { authorities: [soa(7200, 7200)] }, 1800],
  ['nothing without SOA', {}, 0],
  ['no such name', { flags: NXDOMAIN, authorities: [soa(600, 30)] }, 30],
  ['no such name without SOA', { flags: NXDOMAIN }, 0],
  ['no such name behind an alias', { flags: NXDOMAIN, answers: [alias(10)], authorities: [soa(600, 30)] }, 10],
  ['SERVFAIL', { flags: 0x8182, authorities: [soa(600, 30)] }, 0],
  ['REFUSED', { flags: 0x8185, answers: [address(60)] }, 0],
];

test('an answer is good for what its records say', () => {
  for (const [what, parts, lifetimeS] of LIVES) {
    assert.equal(readAnswerLayout(answerOf(parts))?.lifetimeS, lifetimeS, what);
  }
});

test('records end where they end, and EDNS with all behind it is left out', () => {
  const bytes = answerOf({ answers: [alias(5), address(60)], authorities: [soa(6, 7)], additionals: [address(8)] });
  const layout = readAnswerLayout(bytes);
  assert.deepEqual([layout?.answers, layout?.authorities, layout?.additionals], [2, 1, 1]);
  assert.equal(layout?.ends.at(-1), bytes.length);
  const ttls = [...(layout?.ttlAt ?? [])].map((at) => bytes.readUInt32BE(at));
  assert.deepEqual(ttls, [5, 60, 6, 8]);
  const cut = readAnswerLayout(answerOf({ answers: [address(60)], additionals: [address(7), opt(1), address(8)] }));
  assert.deepEqual([cut?.answers, cut?.additionals, cut?.ends.length, cut?.code], [1, 1, 2, 16]);
  assert.equal(readAnswerLayout(answerOf({ flags: 0x8380, answers: [[1, 2, 3]] }))?.answers, 0, 'a cut answer');
});

test('malformed answers are null', () => {
  const good = answerOf({ answers: [address(60)] });
  assert.notEqual(readAnswerLayout(good), null);
  const broken: readonly (readonly [string, Buffer])[] = [
    ['a query', answerOf({ flags: 0x0100 })],
    ['another operation', answerOf({ flags: 0xa180 })],
    ['its end is missing', good.subarray(0, good.length - 1)],
    ['one address too short', answerOf({ answers: [record(1, 60, [10, 0, 0])] })],
    ['a name that points at itself', answerOf({ answers: [record(1, 60, [1, 2, 3, 4], [0xc0, 24])] })],
    ['a name in the header', answerOf({ answers: [record(1, 60, [1, 2, 3, 4], [0xc0, 4])] })],
    ['a name that runs into who points at it', answerOf({ answers: [record(1, 60, [1, 2, 3, 4], [0xc0, 23])] })],
    ['data behind a name', answerOf({ answers: [record(5, 60, [1, 98, 0, 0])] })],
    ['a service without a name', answerOf({ answers: [record(33, 60, [0, 1, 0, 1, 0, 1])] })],
    ['SOA without its numbers', answerOf({ authorities: [record(6, 60, [0xc0, 12, 0xc0, 12])] })],
    ['EDNS twice', answerOf({ additionals: [opt(), opt()] })],
    ['EDNS among the answers', answerOf({ answers: [opt()] })],
  ];
  for (const [what, bytes] of broken) assert.equal(readAnswerLayout(bytes), null, what);
  const counted = Buffer.from(good);
  counted.writeUInt16BE(0xffff, 6);
  assert.equal(readAnswerLayout(counted), null, 'more records than bytes');
});
