// Tests what is answered by the name table: the rules of Istio's agent, one line each, through the desk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryOf, type ReadReply, readReply } from '../../../test/support/dns-messages.ts';
import { Clock, Random } from '../../base/clock.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { DnsDesk } from './desk.ts';
import { dnsStats } from './dns-stats.ts';
import { Forwarder } from './forwarder.ts';
import { type NameInfo, type NameScope, NameTable } from './name-table.ts';

const kubernetes = (shortname: string, namespace: string, ...ips: string[]) => {
  return { ips, registry: 'Kubernetes', shortname, namespace };
};
const external = (...ips: string[]) => ({ ips, registry: 'External' });

/** Source: Istio pkg/dns/client/dns_test.go, whose cases these are, and some more. */
const TABLE = {
  'www.google.com': external('1.1.1.1'),
  'productpage.ns1.svc.cluster.local': kubernetes('productpage', 'ns1', '9.9.9.9'),
  'example.ns2.svc.cluster.local': kubernetes('example', 'ns2', '10.10.10.10'),
  'details.ns2.svc.cluster.remote': kubernetes('details', 'ns2', '11.11.11.11', '12.12.12.12', '13.13.13.13'),
  'svc-with-alt.ns1.svc.cluster.local': {
    ...kubernetes('svc-with-alt', 'ns1', '15.15.15.15'),
    alt_hosts: ['svc-with-alt.ns1.svc.clusterset.local'],
  },
  'ipv6.localhost': external('2001:db8::ff00:42:8329'),
  'dual.localhost': external('2.2.2.2', '2001:db8::ff00:42:8329'),
  'ipv4.localhost': external('2.2.2.2'),
  '*.b.wildcard': external('11.11.11.11'),
  '*.wildcard': external('10.10.10.10'),
  'exact.wildcard': external('10.10.10.99'),
  '*.svc.mesh.company.net': external('10.1.2.3'),
  'example.localhost.': external('3.3.3.3'),
  'mysql.ns1.svc.cluster.local': kubernetes('mysql', 'ns1', '10.0.1.41', '10.0.1.42'),
  'mysql-0.mysql.ns1.svc.cluster.local': kubernetes('mysql-0.mysql', 'ns1', '10.0.1.41'),
  'MixedCase.Example.com': external('4.4.4.4'),
  'nothing.example.com': external('10.0.0.0/8'),
  'a..b': external('5.5.5.5'),
  'shop.svc.clusterset.local': { ips: ['6.6.6.6'], registry: 'Kubernetes' },
};

const SCOPE: NameScope = { namespace: 'ns1', domain: 'svc.cluster.local', search: 'ns1.svc.cluster.local' };

function build(entries: { table: Readonly<Record<string, NameInfo>> }, scope = SCOPE): NameTable {
  const table = new NameTable(scope.search);
  for (const [host, info] of Object.entries(entries.table)) table.add(host, info, scope);
  return table;
}

function desk(awaitsTable = true, random = new Random(1), isAlone = false): { desk: DnsDesk; stats: StatStore } {
  const store = new StatStore();
  const stats = dnsStats(store);
  const clock = new Clock();
  const engine = { bindUdp: () => assert.fail('asked a server'), connect: () => assert.fail('asked a server') };
  const servers = () => ({ addresses: [], timeoutMs: 1000, tries: 1 });
  const forwarder = new Forwarder({ engine, clock, random, stats, servers });
  return { desk: new DnsDesk({ clock, random, stats, forwarder, isAlone, awaitsTable }), stats: store };
}

/** Null: the question is for the servers. */
function ask(to: DnsDesk, query: Buffer, byTcp = false): ReadReply | null {
  const verdict = to.take(query, 0, query.length, byTcp);
  return verdict === 'reply' ? readReply(Buffer.from(to.reply.bytes.subarray(0, to.reply.length))) : null;
}

const FORWARDED = 'forwarded';
/** Name and type, and the answer section in short: addresses, 'alias TARGET', '' for none. */
const CASES: readonly (readonly [question: string, type: 'A' | 'AAAA' | 'PTR' | 'SRV' | 'ANY', answer: string])[] = [
  ['www.google.com', 'A', '1.1.1.1'],
  ['WWW.Google.COM', 'A', '1.1.1.1'],
  ['www.google.com.ns1.svc.cluster.local', 'A', 'alias www.google.com, 1.1.1.1'],
  ['www.google.com.ns1.svc.cluster.local', 'AAAA', ''],
  ['www.google.com.svc.cluster.local', 'A', FORWARDED],
  ['www.bing.com', 'A', FORWARDED],
  ['google.com', 'A', FORWARDED],
  ['productpage.ns1.svc.cluster.local', 'A', '9.9.9.9'],
  ['productpage.ns1.svc.cluster.local.ns1.svc.cluster.local', 'A', FORWARDED],
  ['productpage.ns1', 'A', '9.9.9.9'],
  ['productpage.ns1.svc', 'A', '9.9.9.9'],
  ['productpage', 'A', '9.9.9.9'],
  ['productpage.ns1.ns1.svc.cluster.local', 'A', 'alias productpage.ns1, 9.9.9.9'],
  ['productpage.ns1.svc.ns1.svc.cluster.local', 'A', 'alias productpage.ns1.svc, 9.9.9.9'],
  ['productpage.ns1.ns1.svc.cluster.local', 'AAAA', ''],
  ['productpage.ns1.svc.cluster', 'A', FORWARDED],
  ['example.ns2', 'A', '10.10.10.10'],
  ['example.ns2.svc', 'A', '10.10.10.10'],
  ['example.ns2.svc.cluster.local', 'A', '10.10.10.10'],
  ['example', 'A', FORWARDED],
  ['svc-with-alt', 'A', '15.15.15.15'],
  ['svc-with-alt.ns1.svc.clusterset.local', 'A', '15.15.15.15'],
  ['details.ns2.svc.cluster.remote', 'A', '11.11.11.11, 12.12.12.12, 13.13.13.13'],
  ['details.ns2', 'A', FORWARDED],
  ['dual.localhost', 'A', '2.2.2.2'],
  ['dual.localhost', 'AAAA', '2001:db8::ff00:42:8329'],
  ['ipv6.localhost', 'A', ''],
  ['ipv4.localhost', 'AAAA', ''],
  ['foo.wildcard', 'A', '10.10.10.10'],
  ['foo.wildcard', 'AAAA', ''],
  ['a.b.wildcard', 'A', '11.11.11.11'],
  ['x.a.b.wildcard', 'A', '11.11.11.11'],
  ['b.wildcard', 'A', '10.10.10.10'],
  ['exact.wildcard', 'A', '10.10.10.99'],
  ['*.wildcard', 'A', '10.10.10.10'],
  ['wildcard', 'A', FORWARDED],
  ['foo.wildcard.ns1.svc.cluster.local', 'A', 'alias *.wildcard, 10.10.10.10'],
  ['foo.foons.svc.mesh.company.net', 'A', '10.1.2.3'],
  ['foo.svc.mesh.company.net.ns1.svc.cluster.local', 'A', 'alias *.svc.mesh.company.net, 10.1.2.3'],
  ['example.localhost', 'A', '3.3.3.3'],
  ['mysql-0.mysql', 'A', '10.0.1.41'],
  ['mysql-0.mysql.ns1', 'A', '10.0.1.41'],
  ['mysql-0.mysql.ns1.svc.cluster.local', 'A', '10.0.1.41'],
  ['mysql', 'A', '10.0.1.41, 10.0.1.42'],
  ['mixedcase.example.com', 'A', '4.4.4.4'],
  ['nothing.example.com', 'A', FORWARDED],
  ['shop.svc.clusterset.local', 'A', '6.6.6.6'],
  ['', 'A', FORWARDED],
  ['www.google.com', 'SRV', FORWARDED],
  ['www.google.com', 'ANY', FORWARDED],
  ['1.1.1.1.in-addr.arpa', 'PTR', 'www.google.com'],
  ['41.1.0.10.in-addr.arpa', 'PTR', 'mysql-0.mysql.ns1.svc.cluster.local'],
  ['42.1.0.10.in-addr.arpa', 'PTR', 'mysql.ns1.svc.cluster.local'],
  ['8.8.8.8.in-addr.arpa', 'PTR', FORWARDED],
  // Only a wildcard has it, which is no name.
  ['3.2.1.10.in-addr.arpa', 'PTR', FORWARDED],
  ['9.2.3.8.2.4.0.0.0.0.f.f.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa', 'PTR', 'ipv6.localhost'],
];

/** The answer section as `CASES` has it; addresses in order, as they come in any. */
function short({ answers }: ReadReply): string {
  const aliases = answers.filter((text) => text.includes(' CNAME '));
  const rest = answers.filter((text) => !text.includes(' CNAME ')).map((text) => text.split(' ').at(-1));
  return [...aliases.map((text) => `alias ${text.split(' ').at(-1)}`), ...rest.sort()].join(', ');
}

test('names are found as Istio’s agent finds them', () => {
  const { desk: to } = desk();
  to.table = build({ table: TABLE });
  assert.equal(to.table.skipped, 2);
  for (const [name, type, answer] of CASES) {
    const reply = ask(to, queryOf(name, type));
    assert.equal(reply === null ? FORWARDED : short(reply), answer, `${name} ${type}`);
    if (reply === null) continue;
    // No name that is known is ever said not to exist: a client would give up on its other family.
    assert.equal(reply.code, 'NOERROR', name);
    assert.equal(reply.flags, 'qr aa rd ra');
    for (const text of reply.answers) assert.match(text, / 30 /);
  }
});

test('an alias is told with its target’s addresses, and the question keeps its letters', () => {
  const { desk: to } = desk();
  to.table = build({ table: TABLE });
  const reply = ask(to, queryOf('WWW.google.com.ns1.SVC.cluster.local', 'A', { id: 7, ednsBytes: 4096 }));
  assert.deepEqual(reply, {
    id: 7,
    code: 'NOERROR',
    flags: 'qr aa rd ra',
    question: 'WWW.google.com.ns1.SVC.cluster.local.',
    answers: ['www.google.com.ns1.svc.cluster.local 30 CNAME www.google.com', 'www.google.com 30 A 1.1.1.1'],
    authorities: [],
    additionals: [],
    ednsBytes: 1232,
  });
});

test('without a domain or search there are no short names; own names win over others’ spellings', () => {
  const bare = { namespace: '', domain: '', search: '' };
  const { desk: to } = desk();
  to.table = build({ table: TABLE }, bare);
  assert.equal(ask(to, queryOf('productpage.ns1')), null);
  assert.equal(ask(to, queryOf('www.google.com.ns1.svc.cluster.local')), null);
  assert.notEqual(ask(to, queryOf('productpage.ns1.svc.cluster.local')), null);
  for (const table of [
    { ...TABLE, productpage: external('7.7.7.7') },
    { productpage: external('7.7.7.7'), ...TABLE },
  ]) {
    to.table = build({ table });
    assert.equal(short(ask(to, queryOf('productpage')) as ReadReply), '7.7.7.7');
  }
});

test('without servers to ask, what the table does not have does not exist', () => {
  const { desk: own } = desk(true, new Random(1), true);
  own.table = build({ table: TABLE });
  const code = (name: string, type: 'A' | 'SRV'): string | undefined => ask(own, queryOf(name, type))?.code;
  const codes = [code('www.google.com', 'A'), code('www.google.com', 'SRV'), code('nobody.example', 'A')];
  assert.deepEqual(codes, ['NOERROR', 'NOERROR', 'NXDOMAIN']);
});

test('several addresses come first equally often', () => {
  const { desk: to } = desk();
  to.table = build({ table: { many: external('1.0.0.1', '1.0.0.2', '1.0.0.3', '1.0.0.4') } });
  const firsts = new Map<string, number>();
  for (let i = 0; i < 4000; i++) {
    const { answers } = ask(to, queryOf('many')) as ReadReply;
    assert.equal(new Set(answers).size, 4);
    firsts.set(answers[0] as string, (firsts.get(answers[0] as string) ?? 0) + 1);
  }
  for (const [first, count] of firsts) assert.ok(count > 850 && count < 1150, `${first}: ${count} of 4000`);
});

test('what does not fit is cut and said to be, by what the client takes', () => {
  const { desk: to, stats } = desk();
  const ips = Array.from({ length: 100 }, (_, i) => `10.0.${i}.1`);
  to.table = build({ table: { many: external(...ips) } });
  const count = (query: Buffer, byTcp = false): string => {
    const { answers, flags } = ask(to, query, byTcp) as ReadReply;
    return `${answers.length}${flags.includes('tc') ? ' cut' : ''}`;
  };
  // 22 bytes of header and question, 16 of a record, 11 of OPT.
  assert.equal(count(queryOf('many')), '30 cut');
  assert.equal(count(queryOf('many', 'A', { ednsBytes: 100 })), '29 cut');
  assert.equal(count(queryOf('many', 'A', { ednsBytes: 1232 })), '74 cut');
  assert.equal(count(queryOf('many', 'A', { ednsBytes: 1633 })), '100');
  assert.equal(count(queryOf('many', 'A', { ednsBytes: 1632 })), '99 cut');
  assert.equal(count(queryOf('many'), true), '100');
  assert.equal(stats.find('dns.server.answers_truncated'), 4);
});

test('a headless service of thousands fits into no message, and harms none', () => {
  const { desk: to } = desk();
  const ips = Array.from({ length: 70_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  to.table = build({ table: { many: external(...ips) } });
  const reply = ask(to, queryOf('many'), true) as ReadReply;
  assert.equal(reply.answers.length, Math.floor((65_535 - 22) / 16));
  assert.ok(reply.flags.includes('tc'));
});

test('before the table has come nothing is answered, if one will come', () => {
  const waiting = desk(true);
  assert.equal(ask(waiting.desk, queryOf('www.google.com'))?.code, 'SERVFAIL');
  assert.equal(waiting.stats.find('dns.server.queries_early'), 1);
  assert.equal(ask(desk(false).desk, queryOf('www.google.com')), null);
});

test('what is no query is not answered, and what is none of ours is refused', () => {
  const { desk: to, stats } = desk();
  to.table = build({ table: TABLE });
  const answer = queryOf('www.google.com', 'A', { flags: 0x8180 });
  assert.equal(to.take(answer, 0, answer.length, false), 'none');
  assert.equal(to.take(Buffer.alloc(11), 0, 11, false), 'none');
  assert.equal(stats.find('dns.server.queries_ignored'), 2);
  assert.equal(ask(to, queryOf('www.google.com', 'A', { flags: 0x2000 }))?.code, 'NOTIMP');
  assert.equal(ask(to, queryOf('www.google.com', 'A', { ednsBytes: 1232, ednsVersion: 1 }))?.code, '16');
  const malformed: readonly (readonly [string, (bytes: Buffer) => unknown])[] = [
    ['no question', (bytes) => bytes.writeUInt16BE(0, 4)],
    ['two questions', (bytes) => bytes.writeUInt16BE(2, 4)],
    ['two answers', (bytes) => bytes.writeUInt16BE(2, 6)],
    ['three additional records', (bytes) => bytes.writeUInt16BE(3, 10)],
    ['a pointer as its name', (bytes) => bytes.writeUInt16BE(0xc00c, 12)],
    ['a label beyond the end', (bytes) => bytes.subarray(0, 15)],
    ['no class', (bytes) => bytes.subarray(0, bytes.length - 13)],
    ['EDNS beyond the end', (bytes) => bytes.subarray(0, bytes.length - 1)],
    ['options beyond the end', (bytes) => bytes.writeUInt16BE(9, bytes.length - 2)],
  ];
  for (const [what, spoil] of malformed) {
    const query = queryOf('www.google.com', 'A', { ednsBytes: 1232 });
    const spoiled = spoil(query);
    assert.equal(ask(to, spoiled instanceof Buffer ? spoiled : query)?.code, 'FORMERR', what);
  }
  assert.equal(stats.find('dns.server.queries_malformed'), malformed.length + 2);
  assert.equal(ask(to, queryOf('www.google.com', 'A', { class: 3 })), null, 'another class is not ours');
});
