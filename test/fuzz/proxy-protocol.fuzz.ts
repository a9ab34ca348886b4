// Fuzzes the PROXY protocol reader: what is written comes back, and nothing else upsets it, however it is cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../src/base/byte-stream.ts';
import { Random } from '../../src/base/clock.ts';
import { formatIp } from '../../src/base/ip.ts';
import { type ProxyHeader, type ProxyHeaderRules, readProxyHeader } from '../../src/wire/proxy-protocol.ts';
import { writeProxyHeader } from '../../src/wire/proxy-protocol-writer.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(3);
const STRICT: ProxyHeaderRules = { allowsV1: true, allowsV2: true, allowsNone: false };

function randomAddress(random: Random, family: 'ipv4' | 'ipv6'): Address {
  const word = (): number => random.below(2 ** 31) * 2 + random.below(2);
  // Unicast, and not the unspecified address.
  const first = (word() & 0x3fffffff) | 0x01000000;
  const ip =
    family === 'ipv4'
      ? ({ family, w0: 0, w1: 0, w2: 0, w3: first } as const)
      : ({ family, w0: first, w1: random.below(2) * word(), w2: random.below(2) * word(), w3: word() } as const);
  return { family, address: formatIp(ip), port: random.below(65_536) };
}

type Written = { bytes: Buffer; source: Address; destination: Address; tlvs: (readonly [number, Buffer])[] };

function randomHeader(random: Random): Written {
  const family = random.below(2) === 0 ? 'ipv4' : 'ipv6';
  const source = randomAddress(random, family);
  const destination = randomAddress(random, family);
  if (random.below(2) === 0) {
    const protocol = family === 'ipv4' ? 'TCP4' : 'TCP6';
    const line = `PROXY ${protocol} ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`;
    return { bytes: Buffer.from(line), source, destination, tlvs: [] };
  }
  const tlvs = Array.from({ length: random.below(5) }, () => {
    const value = Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
    return [random.below(256), value] as const;
  });
  return { bytes: writeProxyHeader(source, destination, tlvs), source, destination, tlvs };
}

/** Both ways to refuse count as one: which it is may depend on how many bytes came at once, as in Envoy. */
function kindOf({ status }: ProxyHeader): string {
  return status === 'denied' || status === 'error' ? 'refused' : status;
}

function inPieces(bytes: Buffer, rules: ProxyHeaderRules, random: Random): ProxyHeader {
  let header = readProxyHeader(bytes.subarray(0, 0), rules);
  const most = random.below(2) === 0 ? 1 : 40;
  for (let end = 0; end < bytes.length && header.status === 'more'; ) {
    end = Math.min(bytes.length, end + 1 + random.below(most));
    header = readProxyHeader(bytes.subarray(0, end), rules);
  }
  return header;
}

function check(bytes: Buffer, rules: ProxyHeaderRules, random: Random): ProxyHeader {
  const header = readProxyHeader(bytes, rules);
  const pieces = inPieces(bytes, rules, random);
  assert.equal(kindOf(pieces), kindOf(header));
  if (header.status !== 'found') return header;
  assert.deepEqual(pieces, header);
  assert.ok(header.length > 0 && header.length <= bytes.length);
  assert.equal(header.source === null, header.destination === null);
  for (const [, start, end] of header.tlvs) assert.ok(start <= end && end <= header.length);
  // What follows the header changes nothing, and a byte less is too little.
  assert.deepEqual(
    readProxyHeader(Buffer.concat([bytes.subarray(0, header.length), Buffer.from('x\r\n')]), rules),
    header,
  );
  assert.notEqual(readProxyHeader(bytes.subarray(0, header.length - 1), rules).status, 'found');
  return header;
}

function mutate(input: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(input);
  for (let i = random.below(4); i >= 0 && bytes.length > 0; i--) {
    const at = random.below(bytes.length);
    const kind = random.below(6);
    const marks = [...' \r\n\t\0%:.[]+-0PQ'].map((char) => char.charCodeAt(0));
    if (kind === 0) bytes[at] = random.below(256);
    else if (kind === 1) bytes[at] = marks[random.below(marks.length)] as number;
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(3))]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(0, random.below(20)), bytes.subarray(at)]);
  }
  return bytes;
}

test(`PROXY headers come back as they were written, ${seconds} s from seed ${seed}`, (t) => {
  const random = new Random(seed);
  const until = performance.now() + seconds * 1000;
  let inputs = 0;
  let found = 0;
  while (performance.now() < until) {
    const { bytes, source, destination, tlvs } = randomHeader(random);
    const header = check(bytes, STRICT, random);
    assert.equal(header.status, 'found', bytes.toString('latin1'));
    assert.deepEqual([header.source, header.destination, header.length], [source, destination, bytes.length]);
    assert.deepEqual(
      header.tlvs.map(([type, start, end]) => [type, bytes.subarray(start, end)]),
      tlvs,
    );
    for (let i = 0; i < 20; i++) {
      const rules = { allowsV1: random.below(4) > 0, allowsV2: random.below(4) > 0, allowsNone: random.below(2) > 0 };
      const mutated = mutate(bytes, random);
      inputs++;
      try {
        if (check(mutated, rules, random).status === 'found') found++;
      } catch (error) {
        const shown = `${JSON.stringify(rules)} ${mutated.toString('hex')}`;
        throw new Error(`seed ${seed}, input ${inputs}: ${shown}`, { cause: error });
      }
    }
  }
  t.diagnostic(`${inputs} mutated inputs, ${found} of them still a header`);
});
