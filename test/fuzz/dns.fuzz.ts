// Fuzzes the DNS decoder: mutated answers and noise give null or a sane answer; names survive there and back.
import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { type DnsAnswer, decodeAnswer, encodeQuery } from '../../src/wire/dns/message.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(3);

/** Answers as servers send them: an alias with two addresses, IPv6 with EDNS, a service, nothing. */
const CORPUS = [
  '123481800001000200000001016104746573740000010001c00c00050001' +
    '0000000700040162c00e0162c00e000100010000003c00040a000001',
  '12348180000100010000000101610474657374' +
    '00001c0001c00c001c00010000003c0010fd00000000000000000000000000000900002904d0000000000000',
  '12348180000100010000000001610474657374000021' + '0001c00c002100010000003c0009000100021f90016200',
  '123481830001000000000000016104746573740000010001',
  '123482800001000000000000016104746573740000010001',
].map((hex) => Buffer.from(hex, 'hex'));

/** Flips, cuts, doubles, and bytes that mean something to the format: pointers, lengths, counts. */
function mutate(random: Random): Buffer {
  if (random.below(20) === 0) return Buffer.from(Array.from({ length: random.below(600) }, () => random.below(256)));
  let bytes = Buffer.from(CORPUS[random.below(CORPUS.length)] as Buffer);
  for (let i = random.below(6); i >= 0; i--) {
    if (bytes.length === 0) break;
    const at = random.below(bytes.length);
    const kind = random.below(5);
    if (kind === 0) bytes[at] = random.below(256);
    else if (kind === 1) bytes[at] = [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff][random.below(7)] as number;
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
  }
  return bytes;
}

function check(answer: DnsAnswer): void {
  // An escaped byte takes two characters.
  const isName = (name: string): boolean => name.length <= 2 * 255;
  assert.ok(answer.question === null || isName(answer.question.name));
  for (const record of answer.records) {
    assert.ok(isName(record.owner));
    assert.ok(record.ttlS >= 0 && record.ttlS < 2 ** 31);
    if ('address' in record) assert.ok(record.kind === 'A' ? isIPv4(record.address) : isIPv6(record.address));
    else assert.ok(isName(record.target));
  }
}

test('the decoder survives whatever a server sends', () => {
  const random = new Random(seed);
  const until = Date.now() + (seconds * 1000) / 2;
  let inputs = 0;
  let accepted = 0;
  while (Date.now() < until) {
    const bytes = mutate(random);
    inputs++;
    try {
      const answer = decodeAnswer(bytes);
      if (answer === null) continue;
      accepted++;
      check(answer);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}: ${bytes.toString('hex')}`, { cause: error });
    }
  }
  assert.ok(accepted > inputs / 50, `${accepted} of ${inputs} inputs were accepted`);
});

test('a name that can be asked for comes back as it was', () => {
  const random = new Random(seed);
  const until = Date.now() + (seconds * 1000) / 2;
  while (Date.now() < until) {
    const letters = 'ab.-_\\*\u00e9A';
    const name = Array.from({ length: random.below(80) }, () => letters[random.below(letters.length)]).join('');
    const query = encodeQuery({ id: 7, name, type: 1, udpPayloadBytes: random.below(2) * 1232 });
    if (query === null) continue;
    query[2] = (query[2] as number) | 0x80;
    const asked = decodeAnswer(query)?.question?.name;
    assert.notEqual(asked, undefined, name);
    const again = encodeQuery({ id: 7, name: asked as string, type: 1, udpPayloadBytes: 0 });
    const lower = encodeQuery({ id: 7, name: name.toLowerCase(), type: 1, udpPayloadBytes: 0 });
    assert.deepEqual(again, lower, `seed ${seed}: ${JSON.stringify(name)}`);
  }
});
