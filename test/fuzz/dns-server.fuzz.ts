// Fuzzes the DNS server: whatever clients, upstream servers and control planes send, what goes out can be read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, Random } from '../../src/base/clock.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { DnsDesk } from '../../src/proxy/dns/desk.ts';
import { dnsStats } from '../../src/proxy/dns/dns-stats.ts';
import { Forwarder } from '../../src/proxy/dns/forwarder.ts';
import { DnsService } from '../../src/proxy/dns/start-dns.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';
import { readAnswerLayout } from '../../src/wire/dns/answer-layout.ts';
import { QueryReader } from '../../src/wire/dns/query.ts';
import { ReplyWriter } from '../../src/wire/dns/reply.ts';
import { queryOf, readReply } from '../support/dns-messages.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(3);
const NAME_TABLE = 'istio.networking.nds.v1.NameTable';

const TABLE = {
  'web.shop.svc.cluster.local': { ips: ['10.0.0.1'], registry: 'Kubernetes', shortname: 'web', namespace: 'shop' },
  'many.test': { ips: Array.from({ length: 40 }, (_, i) => `10.0.1.${i}`), registry: 'External' },
  '*.wild.test': { ips: ['10.0.0.2', 'fd00::2'], registry: 'External' },
};

const QUERIES = [
  queryOf('web', 'A', { ednsBytes: 1232 }),
  queryOf('many.test', 'A', { ednsBytes: 700 }),
  queryOf('a.b.wild.test.shop.svc.cluster.local', 'AAAA', { ednsBytes: 4096, dnssec: true }),
  queryOf('1.0.0.10.in-addr.arpa', 'PTR'),
  queryOf('elsewhere.test', 'SRV', { flags: 0x0110 }),
];

/** An alias with two addresses; IPv6 with EDNS; a service; nothing, with SOA; mail with names; EDNS not at its end. */
const ANSWERS = [
  '123481800001000200000001016104746573740000010001c00c000500010000000700040162c00e' +
    '0162c00e000100010000003c00040a0000010000290200000000000000',
  '12348180000100010000000101610474657374' +
    '00001c0001c00c001c00010000003c0010fd00000000000000000000000000000900002904d0000000000000',
  '12348180000100010000000001610474657374000021' + '0001c00c002100010000003c0009000100021f90016200',
  '123481830001000000010000016104746573740000010001' +
    'c00e000600010000003c0018026e73c00e00c00e' +
    '0000000100000002000000030000000400000005'.slice(0, 32),
  '1234818000010001000000020161047465737400000f0001c00c000f00010000003c000600050162c00e' +
    '0000290200000000000000c00c000100010000003c00040a000001',
].map((hex) => Buffer.from(hex, 'hex'));

/** Flips, cuts, doubles, and bytes that mean something to the format: pointers, lengths, counts. */
function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = Buffer.from(corpus[random.below(corpus.length)] as Buffer);
  for (let i = random.below(6); i > 0; i--) {
    if (bytes.length === 0) break;
    const at = random.below(bytes.length);
    const kind = random.below(5);
    if (kind === 0) bytes[at] = random.below(256);
    else if (kind === 1) bytes[at] = [0, 1, 0x0c, 0x3f, 0x40, 0x80, 0xc0, 0xff][random.below(8)] as number;
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
  }
  return bytes;
}

/** Calls `one` until the time is over; what it throws names the seed and the input. */
function repeat(one: (random: Random) => Buffer): number {
  const random = new Random(seed);
  const until = Date.now() + (seconds * 1000) / 3;
  let inputs = 0;
  let input: Buffer = Buffer.alloc(0);
  for (; Date.now() < until; inputs++) {
    try {
      input = one(random);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}, after ${input.toString('hex')}`, { cause: error });
    }
  }
  return inputs;
}

const noEngine = { bindUdp: () => ({ errno: 'ENOENT', detail: '' }), connect: () => ({ cancel: () => {} }) };

function makeService(): { service: DnsService; desk: DnsDesk } {
  const clock = new Clock({ manual: true });
  const store = new StatStore();
  const random = new Random(seed);
  const settings = { addresses: [], optional: [], upstreams: [], isAlone: false, awaitsTable: false };
  const inSlices = <T>(work: Generator<void, T>, done: (result: T) => void): void => {
    let step = work.next();
    while (step.done !== true) step = work.next();
    done(step.value);
  };
  const parts = { engine: noEngine as never, clock, random, stats: store, inSlices };
  const service = new DnsService({ ...settings, namespace: 'shop', domain: 'svc.cluster.local' }, parts);
  const stats = dnsStats(store);
  const servers = () => ({ addresses: [], timeoutMs: 1, tries: 1 });
  const forwarder = new Forwarder({ engine: noEngine, clock, random, stats, servers });
  return { service, desk: new DnsDesk({ clock, random, stats, forwarder, isAlone: false, awaitsTable: false }) };
}

function takeTable(service: DnsService, bytes: Uint8Array): string | null {
  let refusal: string | null = 'never told';
  service.takeTable(bytes, (told) => {
    refusal = told;
  });
  return refusal;
}

test('every query is answered by what can be read, within its size, or not at all', () => {
  const { service, desk } = makeService();
  const bytes = encodeBinary(registry.message(NAME_TABLE), { table: TABLE } as never);
  assert.equal(takeTable(service, bytes), null);
  desk.table = service.view.table;
  let answered = 0;
  const inputs = repeat((random) => {
    const query = mutate(QUERIES, random);
    const byTcp = random.below(2) === 0;
    const check = (reply: Buffer): void => {
      const { id } = readReply(reply);
      assert.equal(id, query.readUInt16BE(0));
      assert.ok(reply.length <= (byTcp ? 65_535 : 65_507));
      if (query.readUInt16BE(10) === 0 && !byTcp) assert.ok(reply.length <= 512);
      answered++;
    };
    const verdict = desk.take(query, 0, query.length, byTcp);
    if (verdict === 'reply') check(Buffer.from(desk.reply.bytes.subarray(0, desk.reply.length)));
    else if (verdict === 'wait') desk.forward((out, length) => check(Buffer.from(out.subarray(0, length))));
    return query;
  });
  assert.ok(answered > inputs / 10, `${answered} of ${inputs} queries were answered`);
});

test('answers that are handed on can be read, however they are cut', () => {
  const writer = new ReplyWriter();
  let handed = 0;
  const inputs = repeat((random) => {
    const answer = mutate(ANSWERS, random);
    const layout = readAnswerLayout(answer);
    if (layout === null) return answer;
    assert.ok(layout.lifetimeS >= 0 && layout.lifetimeS <= 3600);
    assert.equal(layout.ends.length, layout.answers + layout.authorities + layout.additionals);
    const query = new QueryReader();
    const asked = Buffer.concat([
      Buffer.from('00010100000100000000' + '0000', 'hex'),
      answer.subarray(12, layout.questionEnd),
    ]);
    if (query.read(asked, 0, asked.length, false) !== 'query') return answer;
    query.limitBytes = 512 + random.below(300);
    writer.begin(query, 0);
    const ageS = random.below(2) * random.below(100);
    writer.copyRecords(answer, layout, ageS);
    writer.end(layout.code);
    assert.ok(writer.length <= query.limitBytes);
    // Names that point at what is no name may run through a TTL, which ages.
    if (ageS === 0) readReply(Buffer.from(writer.bytes.subarray(0, writer.length)));
    handed++;
    return answer;
  });
  assert.ok(handed > inputs / 50, `${handed} of ${inputs} answers were handed on`);
});

test('a table is taken or refused, and what is there goes on answering', () => {
  const { service } = makeService();
  const good = Buffer.from(encodeBinary(registry.message(NAME_TABLE), { table: TABLE } as never));
  let taken = 0;
  const inputs = repeat((random) => {
    const bytes = mutate([good], random);
    const before = service.view.table;
    if (takeTable(service, bytes) === null) taken++;
    else assert.equal(service.view.table, before);
    for (const [name] of service.view.table?.names() ?? []) service.view.table?.find(name);
    service.view.table?.findReverse('\x011\x010\x010\x0210\x07in-addr\x04arpa\0');
    return bytes;
  });
  assert.ok(taken > inputs / 50, `${taken} of ${inputs} tables were taken`);
});
