// Tests the DNS server on loopback: what it asks of upstream servers, what it keeps, and what clients get of it.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { queryOf, type ReadReply, readReply } from '../../../test/support/dns-messages.ts';
import { DnsServer as Upstream } from '../../../test/support/dns-server.ts';
import { Clock, Random } from '../../base/clock.ts';
import { createEngine, type Engine } from '../../net/engine.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { type DnsSettings, DnsService, dnsSettings } from './start-dns.ts';

const SERVFAIL = { code: 'SERVFAIL', answers: [] };

let upstream: Upstream;
let other: Upstream;
let engine: Engine;
let directory: string;
let keepAlive: NodeJS.Timeout;
let clock: SkippingClock;
let stats: StatStore;
let service: DnsService | null = null;

/** Time that jumps when it is told to. */
class SkippingClock extends Clock {
  #skippedMs = 0;

  skip(ms: number): void {
    // One that fires soon takes all others along that are due by then.
    this.timer(() => {}, null).arm(1);
    this.#skippedMs += ms;
  }

  override update(): number {
    super.update();
    // The first time is before there are own fields.
    if (#skippedMs in this) this.nowMs += this.#skippedMs;
    return this.nowMs;
  }
}

before(async () => {
  upstream = await Upstream.start();
  other = await Upstream.start();
  directory = mkdtempSync(join(tmpdir(), 'heddle-dns-'));
  // The clock's own timers let the process end.
  keepAlive = setInterval(() => {}, 1000);
});
after(async () => {
  clearInterval(keepAlive);
  await upstream.close();
  await other.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  clock = new SkippingClock();
  engine = createEngine({ clock, onBug: (error) => assert.fail(String(error)) });
  clock.wrap = (run) => engine.run(run);
  stats = new StatStore();
  for (const server of [upstream, other]) {
    server.queries.length = 0;
    server.zone = {};
  }
});
afterEach(() => {
  service?.close();
  service = null;
});

const local = (port: number) => ({ family: 'ipv4', address: '127.0.0.1', port }) as const;

/** Starts the service; returns its port. */
function start(settings: Partial<DnsSettings> = {}, resolvConf = 'options timeout:1 attempts:2\n'): number {
  const resolvConfPath = join(directory, 'resolv.conf');
  writeFileSync(resolvConfPath, resolvConf);
  const defaults = { addresses: [local(0)], optional: [], upstreams: [local(upstream.port)] };
  const rest = { isAlone: false, awaitsTable: false, namespace: 'ns1', domain: 'svc.cluster.local' };
  const inSlices = <T>(work: Generator<void, T>, done: (result: T) => void): void => {
    let step = work.next();
    while (step.done !== true) step = work.next();
    done(step.value);
  };
  const parts = { engine, clock, random: new Random(1), stats, inSlices, resolvConfPath };
  service = new DnsService({ ...defaults, ...rest, ...settings }, parts);
  assert.equal(service.start(), null);
  return service.view.addresses[0]?.port ?? 0;
}

function takeTable(table: object): void {
  const message = { table };
  const bytes = encodeBinary(registry.message('istio.networking.nds.v1.NameTable'), message as never);
  service?.takeTable(bytes, (refusal) => assert.equal(refusal, null));
}

function askUdp(port: number, query: Buffer): Promise<ReadReply> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('message', (bytes) => {
      socket.close();
      resolve(readReply(bytes));
    });
    socket.on('error', reject);
    socket.send(query, port, '127.0.0.1');
  });
}

/** Sends bytes, and resolves with so many replies in the order in which they came. */
function askTcp(port: number, bytes: readonly Buffer[], count: number): Promise<ReadReply[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const replies: ReadReply[] = [];
    let kept: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => resolve(replies));
    socket.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]);
      while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
        const end = 2 + kept.readUInt16BE(0);
        replies.push(readReply(kept.subarray(2, end)));
        kept = kept.subarray(end);
      }
      if (replies.length === count) socket.destroy();
    });
    for (const one of bytes) socket.write(one);
  });
}

function framed(query: Buffer): Buffer {
  return Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]);
}

const answer = async (port: number, name: string, ...more: unknown[]): Promise<readonly string[]> =>
  (await askUdp(port, queryOf(name, ...(more as [])))).answers;
const asked = (): string[] => upstream.queries.map(({ name, type, tcp }) => `${name}/${type}${tcp ? '/tcp' : ''}`);

test('what the table does not know is asked for once, and kept for as long as it is good', async () => {
  upstream.zone = {
    'a.test': [
      { data: '10.0.0.1', ttl: 100 },
      { data: '10.0.0.2', ttl: 20 },
    ],
  };
  const port = start();
  const first = await askUdp(port, queryOf('A.Test', 'A', { id: 99 }));
  assert.equal(first.id, 99);
  assert.equal(first.question, 'A.Test.');
  assert.equal(first.flags, 'qr rd ra');
  assert.deepEqual(first.answers, ['a.test 100 A 10.0.0.1', 'a.test 20 A 10.0.0.2']);
  clock.skip(15_000);
  assert.deepEqual(await answer(port, 'a.test'), ['a.test 85 A 10.0.0.1', 'a.test 5 A 10.0.0.2']);
  assert.deepEqual(asked(), ['a.test/A']);
  clock.skip(6_000);
  assert.deepEqual(await answer(port, 'a.test'), ['a.test 100 A 10.0.0.1', 'a.test 20 A 10.0.0.2']);
  assert.deepEqual(asked(), ['a.test/A', 'a.test/A']);
  assert.equal(stats.find('dns.server.cache_hits'), 1);
  assert.equal(stats.find('istiocustom.istio_agent_dns_requests_total'), 3);
  assert.equal(stats.find('istiocustom.istio_agent_dns_upstream_requests_total'), 2);
});

test('what does not exist is kept by its SOA, and without one not at all', async () => {
  upstream.zone = { 'gone.test': { code: 3, soa: [600, 30] }, 'empty.test': { soa: [20, 600] } };
  const port = start();
  for (const name of ['gone.test', 'empty.test', 'lost.test']) {
    for (let i = 0; i < 2; i++) {
      const reply = await askUdp(port, queryOf(name));
      assert.equal(reply.code, name === 'empty.test' ? 'NOERROR' : 'NXDOMAIN');
      assert.equal(reply.authorities.length, name === 'lost.test' ? 0 : 1);
    }
  }
  assert.deepEqual(asked(), ['gone.test/A', 'empty.test/A', 'lost.test/A', 'lost.test/A']);
  clock.skip(25_000);
  await askUdp(port, queryOf('gone.test'));
  await askUdp(port, queryOf('empty.test'));
  assert.deepEqual(asked().slice(4), ['empty.test/A']);
});

test('different questions do not share an answer: type, class, and flags that change it', async () => {
  upstream.zone = { 'a.test': ['10.0.0.1', 'fd00::1'] };
  const port = start();
  for (const query of [
    queryOf('a.test'),
    queryOf('a.test', 'AAAA'),
    queryOf('a.test', 'A', { class: 3 }),
    queryOf('a.test', 'A', { flags: 0 }),
    queryOf('a.test', 'A', { flags: 0x0110 }),
    queryOf('a.test', 'A', { ednsBytes: 1232, dnssec: true }),
  ]) {
    await askUdp(port, query);
  }
  assert.equal(upstream.queries.length, 6);
  await askUdp(port, queryOf('a.test', 'A', { ednsBytes: 1232 }));
  assert.equal(upstream.queries.length, 6, 'a size is the client’s own matter');
});

test('many who ask for the same at once cause one question', async () => {
  upstream.zone = { 'slow.test': { answers: ['10.0.0.1'], delayMs: 50 } };
  const port = start();
  const replies = await Promise.all(
    Array.from({ length: 50 }, (_, id) => askUdp(port, queryOf('slow.test', 'A', { id }))),
  );
  assert.deepEqual(
    replies.map(({ id }) => id),
    Array.from({ length: 50 }, (_, id) => id),
  );
  for (const { answers } of replies) assert.deepEqual(answers, ['slow.test 60 A 10.0.0.1']);
  assert.deepEqual(asked(), ['slow.test/A']);
});

test('cut answers are fetched by TCP, and cut again for clients that take less', async () => {
  const ips = Array.from({ length: 60 }, (_, i) => `10.0.0.${i}`);
  upstream.zone = { 'big.test': { truncated: true, answers: ips } };
  const port = start();
  const small = await askUdp(port, queryOf('big.test'));
  assert.equal(small.answers.length, Math.floor((512 - 26) / 16));
  assert.equal(small.flags, 'qr tc rd ra');
  const large = await askUdp(port, queryOf('big.test', 'A', { ednsBytes: 4096 }));
  assert.equal(large.answers.length, 60);
  assert.equal(large.flags, 'qr rd ra');
  const [byTcp] = await askTcp(port, [framed(queryOf('big.test'))], 1);
  assert.equal(byTcp?.answers.length, 60);
  assert.deepEqual(asked(), ['big.test/A', 'big.test/A/tcp']);
});

test('a server that is silent, unreachable or refuses is made up for by another', async () => {
  const port = start({ upstreams: [local(upstream.port), local(other.port), local(1)] });
  for (const bad of [{ silent: true }, { code: 2 }, { code: 5 }, { raw: '00' }]) {
    const name = `n${JSON.stringify(bad).length}x${'code' in bad ? bad.code : ''}.test`;
    upstream.zone = { [name]: bad };
    other.zone = { [name]: ['10.0.0.1'] };
    assert.deepEqual(await answer(port, name), [`${name} 60 A 10.0.0.1`]);
  }
  assert.equal(stats.find('istiocustom.istio_agent_dns_upstream_failures_total'), 0);
});

test('when all fail the client hears it: the servers’ own words, or SERVFAIL', async () => {
  upstream.zone = { 'refused.test': { code: 5 }, 'dead.test': { silent: true } };
  const port = start({}, 'options timeout:1 attempts:1\n');
  assert.equal((await askUdp(port, queryOf('refused.test'))).code, 'REFUSED');
  const dead = askUdp(port, queryOf('dead.test'));
  setTimeout(() => clock.skip(6000), 200);
  const { code, answers } = await dead;
  assert.deepEqual({ code, answers }, SERVFAIL);
  assert.equal(stats.find('istiocustom.istio_agent_dns_upstream_failures_total'), 1);
  service?.close();
  const closed = start({ upstreams: [local(1)] });
  assert.equal((await askUdp(closed, queryOf('a.test'))).code, 'SERVFAIL');
});

test('answers with a wrong id or question are not believed', async () => {
  upstream.zone = {
    'spoofed.test': { lies: 3, answers: ['10.0.0.1'] },
    'guessed.test': { lies: 9, delayMs: 20, answers: ['10.0.0.2'] },
    'other.test': { wrongQuestion: true, answers: ['6.6.6.6'] },
  };
  const port = start({}, 'options timeout:1 attempts:1\n');
  assert.deepEqual(await answer(port, 'spoofed.test'), ['spoofed.test 60 A 10.0.0.1']);
  assert.equal(stats.find('dns.server.answers_spoofed'), 3);
  assert.deepEqual(await answer(port, 'guessed.test'), ['guessed.test 60 A 10.0.0.2']);
  assert.deepEqual(asked(), ['spoofed.test/A', 'guessed.test/A', 'guessed.test/A/tcp'], 'whoever guesses is escaped');
  const lied = askUdp(port, queryOf('other.test'));
  setTimeout(() => clock.skip(6000), 200);
  assert.equal((await lied).code, 'SERVFAIL');
});

test('a server from before EDNS is asked without', async () => {
  upstream.zone = { 'old.test': { noEdns: true, answers: ['10.0.0.1'] } };
  const port = start();
  assert.deepEqual(await answer(port, 'old.test', 'A', { ednsBytes: 1232 }), ['old.test 60 A 10.0.0.1']);
  assert.deepEqual(asked(), ['old.test/A', 'old.test/A']);
});

test('services and other types pass through as they are', async () => {
  upstream.zone = { '_http._tcp.test': ['SRV 1 2 8080 web.test'] };
  const port = start();
  takeTable({ '_http._tcp.test': { ips: ['1.2.3.4'], registry: 'External' } });
  assert.deepEqual(await answer(port, '_http._tcp.test', 'SRV'), ['_http._tcp.test 60 SRV 1 2 8080 web.test']);
  assert.deepEqual(await answer(port, '_http._tcp.test', 'A'), ['_http._tcp.test 30 A 1.2.3.4']);
});

test('a table that is replaced holds at once, and one that is malformed changes nothing', async () => {
  const port = start({ awaitsTable: true });
  assert.equal((await askUdp(port, queryOf('web'))).code, 'SERVFAIL');
  takeTable({
    'web.ns1.svc.cluster.local': { ips: ['1.1.1.1'], registry: 'Kubernetes', shortname: 'web', namespace: 'ns1' },
  });
  assert.deepEqual(await answer(port, 'web'), ['web 30 A 1.1.1.1']);
  takeTable({
    'web.ns1.svc.cluster.local': { ips: ['1.1.1.2'], registry: 'Kubernetes', shortname: 'web', namespace: 'ns1' },
  });
  assert.deepEqual(await answer(port, 'web'), ['web 30 A 1.1.1.2']);
  service?.takeTable(Buffer.from('0aff', 'hex'), (refusal) => assert.notEqual(refusal, null));
  assert.deepEqual(await answer(port, 'web'), ['web 30 A 1.1.1.2']);
  assert.equal(stats.find('dns.server.table_updates'), 2);
  assert.equal(stats.find('dns.server.table_names'), 4);
});

test('over TCP queries come in a row or byte by byte, and answers as they are ready', async () => {
  upstream.zone = { 'slow.test': { answers: ['10.0.0.1'], delayMs: 60 } };
  const port = start();
  takeTable({ 'fast.test': { ips: ['1.1.1.1'] } });
  const both = Buffer.concat([
    framed(queryOf('slow.test', 'A', { id: 1 })),
    framed(queryOf('fast.test', 'A', { id: 2 })),
  ]);
  assert.deepEqual(
    (await askTcp(port, [both], 2)).map(({ id }) => id),
    [2, 1],
  );
  const bytes = [...framed(queryOf('fast.test', 'A', { id: 3 }))].map((byte) => Buffer.from([byte]));
  assert.deepEqual(
    (await askTcp(port, bytes, 1)).map(({ id }) => id),
    [3],
  );
  const many = Array.from({ length: 300 }, (_, id) => framed(queryOf('slow.test', 'A', { id })));
  assert.equal((await askTcp(port, [Buffer.concat(many)], 300)).length, 300, 'more than may wait at once');
  assert.deepEqual(await askTcp(port, [framed(Buffer.alloc(3))], 1), [], 'what is no query ends the connection');
});

test('a client that stays silent is sent away', async () => {
  const port = start();
  const ended = askTcp(port, [Buffer.from([0, 40, 1])], 1);
  setTimeout(() => clock.skip(11_000), 100);
  assert.deepEqual(await ended, []);
  assert.equal(stats.find('dns.server.tcp_active'), 0);
});

test('no server asks itself', async () => {
  const port = start();
  service?.close();
  const again = start({ addresses: [local(port)], upstreams: [local(port)] });
  assert.deepEqual(service?.view.upstreams, []);
  assert.equal((await askUdp(again, queryOf('a.test'))).code, 'SERVFAIL');
});

test('a port that is taken is said, and nothing stays open', () => {
  const port = start();
  const addresses = [local(0), local(port)];
  const settings = { addresses, optional: [], upstreams: [], isAlone: false, awaitsTable: false };
  const parts = { engine, clock, random: new Random(1), stats, inSlices: () => {} };
  const second = new DnsService({ ...settings, namespace: '', domain: '' }, parts);
  assert.equal(second.start(), `dns: cannot bind '127.0.0.1:${port}': Address already in use`);
  assert.deepEqual(second.view.addresses, []);
});

test('the node says where to listen, and whose names are short', () => {
  const none = { dnsAddresses: [], dnsUpstreams: [] };
  const id = 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local';
  const metadata = { DNS_CAPTURE: 'true', NAMESPACE: 'shop' };
  const text = ({ addresses }: DnsSettings): string[] => addresses.map(({ address, port }) => `${address} ${port}`);
  const told = dnsSettings(none, { id, metadata }, true);
  assert.deepEqual(text(told), ['127.0.0.1 15053', '::1 15053']);
  assert.deepEqual([told.namespace, told.domain, told.awaitsTable], ['shop', 'svc.cluster.local', true]);
  assert.deepEqual(text(dnsSettings(none, { id, metadata: { DNS_CAPTURE: 'false' } }, true)), []);
  assert.deepEqual(text(dnsSettings(none, { id: id.replace('sidecar', 'router'), metadata }, true)), []);
  const flagged = dnsSettings({ ...none, dnsAddresses: [local(53)] }, { id, metadata }, false);
  assert.deepEqual(text(flagged), ['127.0.0.1 53']);
  assert.equal(flagged.awaitsTable, false, 'nobody will send one');
  assert.equal(dnsSettings(none, { id, metadata: {} }, true).namespace, 'shop');
  assert.equal(dnsSettings(none, {}, true).domain, '');
});
