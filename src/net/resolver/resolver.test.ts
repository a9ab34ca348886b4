// Tests the resolver against a scripted DNS server on loopback: families, search, retries, lies, TCP, files.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { DnsServer } from '../../../test/support/dns-server.ts';
import { Clock, Random } from '../../base/clock.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { createEngine, type Engine } from '../engine.ts';
import {
  createResolver,
  DEFAULT_RESOLVER,
  type LookupFamily,
  type Resolution,
  type Resolver,
  type ResolverSettings,
} from './resolver.ts';
import { parseHosts, parseResolvConf } from './system-files.ts';

let server: DnsServer;
let engine: Engine;
let directory: string;
const clock = new Clock();
let stats = new StatStore();
let keepAlive: NodeJS.Timeout;

before(async () => {
  server = await DnsServer.start();
  engine = createEngine({ clock, onBug: (error) => assert.fail(String(error)) });
  directory = mkdtempSync(join(tmpdir(), 'heddle-resolver-'));
  writeFileSync(
    join(directory, 'hosts'),
    '127.0.0.1 localhost\n10.8.0.1 Known.test other # comment\nfd00::8 known.test\n',
  );
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 192.0.2.1\nsearch one.test two.test\noptions ndots:2\n');
  // The clock's own timers let the process end.
  keepAlive = setInterval(() => {}, 1000);
});
after(async () => {
  clearInterval(keepAlive);
  await server.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  server.queries.length = 0;
  stats = new StatStore();
});

function make(settings: Partial<ResolverSettings> = {}): Resolver {
  const servers = [{ family: 'ipv4', address: '127.0.0.1', port: server.port } as const];
  return createResolver(
    { ...DEFAULT_RESOLVER, servers, noSearch: true, timeoutMs: 600, tries: 2, ...settings },
    {
      engine,
      clock,
      random: new Random(1),
      stats,
      hostsPath: join(directory, 'hosts'),
      resolvConfPath: join(directory, 'resolv.conf'),
    },
  );
}

function resolve(resolver: Resolver, name: string, family: LookupFamily = 'V4_ONLY'): Promise<Resolution> {
  return new Promise((done) => engine.run(() => resolver.resolve(name, family, done)));
}

async function addressesOf(name: string, family: LookupFamily = 'V4_ONLY', settings: Partial<ResolverSettings> = {}) {
  const resolution = await resolve(make(settings), name, family);
  return resolution.isFailed ? resolution.details : resolution.addresses.map((one) => one.address);
}

const asked = (): string[] => server.queries.map(({ name, type, tcp }) => `${name}/${type}${tcp ? '/tcp' : ''}`);

test('each family asks for what it prefers, and for the other one when there is nothing', async () => {
  server.zone = { 'both.test': ['10.0.0.1', 'fd00::1'], 'v4.test': ['10.0.0.1'], 'v6.test': ['fd00::1'] };
  assert.deepEqual(await addressesOf('both.test', 'AUTO'), ['fd00::1']);
  assert.deepEqual(await addressesOf('v4.test', 'AUTO'), ['10.0.0.1']);
  assert.deepEqual(await addressesOf('both.test', 'V4_PREFERRED'), ['10.0.0.1']);
  assert.deepEqual(await addressesOf('v6.test', 'V4_PREFERRED'), ['fd00::1']);
  assert.deepEqual(await addressesOf('both.test', 'ALL'), ['10.0.0.1', 'fd00::1']);
  assert.deepEqual(await addressesOf('both.test', 'V6_ONLY'), ['fd00::1']);
  assert.deepEqual(await addressesOf('v4.test', 'V6_ONLY'), []);
  assert.deepEqual(asked().slice(0, 3), ['both.test/AAAA', 'v4.test/AAAA', 'v4.test/A']);
});

test('numbers, localhost and the hosts file need no server', async () => {
  assert.deepEqual(await addressesOf('10.1.2.3', 'V6_ONLY'), ['10.1.2.3']);
  assert.deepEqual(await addressesOf('FD00:0::1', 'V4_PREFERRED'), ['fd00::1']);
  assert.equal(await addressesOf('fd00::1', 'V4_ONLY'), 'cares_failure:Misformatted domain name');
  assert.deepEqual(await addressesOf('localhost', 'ALL'), ['127.0.0.1', '::1']);
  assert.deepEqual(await addressesOf('a.localhost', 'ALL'), ['127.0.0.1', '::1']);
  assert.deepEqual(await addressesOf('known.TEST.', 'AUTO'), ['fd00::8']);
  assert.deepEqual(asked(), []);
  writeFileSync(join(directory, 'hosts'), '10.8.0.2 known.test\n');
  assert.deepEqual(await addressesOf('known.test'), ['10.8.0.2']);
});

test('names with few dots are searched for', async () => {
  server.zone = { 'short.two.test': ['10.0.0.1'], 'a.b.c': ['10.0.0.2'] };
  assert.deepEqual(await addressesOf('short', 'V4_ONLY', { noSearch: false }), ['10.0.0.1']);
  assert.deepEqual(await addressesOf('a.b.c', 'V4_ONLY', { noSearch: false }), ['10.0.0.2']);
  assert.deepEqual(await addressesOf('short.', 'V4_ONLY', { noSearch: false }), []);
  assert.deepEqual(asked(), ['short.one.test/A', 'short.two.test/A', 'a.b.c/A', 'short/A']);
});

test('what does not exist has no addresses; what cannot be said fails, after all tries', async () => {
  server.zone = {
    'empty.test': [],
    'broken.test': { code: 2 },
    'alias.test': ['CNAME elsewhere.test'],
    'odd.test': { code: 6 },
  };
  for (const name of ['empty.test', 'nowhere.test', 'alias.test', 'odd.test'])
    assert.deepEqual(await addressesOf(name), []);
  server.queries.length = 0;
  assert.equal(await addressesOf('broken.test'), 'cares_failure:DNS server returned general failure');
  assert.deepEqual(asked(), ['broken.test/A', 'broken.test/A']);
  assert.equal(await addressesOf('a..test'), 'cares_failure:Misformatted domain name');
  assert.equal(stats.find('dns.cares.not_found'), 4);
  assert.equal(stats.find('dns.cares.get_addr_failure'), 2);
  assert.equal(stats.find('dns.cares.reinits'), 1);
  assert.equal(stats.find('dns.cares.pending_resolutions'), 0);
});

test('one family that fails is a failure only when the other has nothing', async () => {
  server.zone = { 'x.test/AAAA': { code: 2 }, 'x.test/A': ['10.0.0.1'], 'y.test/AAAA': { code: 2 }, 'y.test/A': [] };
  assert.deepEqual(await addressesOf('x.test', 'AUTO'), ['10.0.0.1']);
  assert.deepEqual(await addressesOf('x.test', 'ALL'), ['10.0.0.1']);
  assert.equal(await addressesOf('y.test', 'AUTO'), 'cares_norecords:DNS server returned answer with no data');
});

test('the TTL of an address is the least of it and the aliases before it', async () => {
  server.zone = {
    'a.test': [
      { data: 'CNAME b.test', ttl: 7 },
      { owner: 'b.test', data: '10.0.0.1', ttl: 60 },
    ],
    'b.test': [
      { data: '10.0.0.1', ttl: 5 },
      { data: '10.0.0.2', ttl: 9 },
    ],
  };
  const a = await resolve(make(), 'a.test');
  assert.deepEqual(a.addresses, [{ family: 'ipv4', address: '10.0.0.1', ttlS: 7 }]);
  assert.deepEqual(
    (await resolve(make(), 'b.test')).addresses.map((one) => one.ttlS),
    [5, 9],
  );
});

test('lies are not believed: another id, another question, noise', async () => {
  server.zone = {
    'id.test': { wrongId: true, answers: ['10.0.0.1'] },
    'question.test': { wrongQuestion: true, answers: ['10.0.0.1'] },
    'noise.test': { raw: 'ffffffff' },
    'silent.test': { silent: true },
  };
  assert.equal(await addressesOf('noise.test'), 'cares_failure:Misformatted DNS reply');
  for (const name of ['id.test', 'question.test', 'silent.test']) {
    assert.equal(await addressesOf(name), 'cares_failure:Timeout while contacting DNS servers', name);
  }
  assert.equal(stats.find('dns.cares.timeouts'), 6);
  assert.equal(server.queries.length, 8);
});

test('a cut answer is asked for again by TCP, where thousands of addresses fit', async () => {
  const many = Array.from({ length: 4000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  server.zone = { 'many.test': { truncated: true, answers: many }, 'tcp.test': ['10.0.0.1'] };
  assert.deepEqual(await addressesOf('many.test', 'V4_ONLY', { timeoutMs: 5_000 }), many);
  assert.deepEqual(asked(), ['many.test/A', 'many.test/A/tcp']);
  assert.deepEqual(await addressesOf('tcp.test', 'V4_ONLY', { useTcp: true }), ['10.0.0.1']);
  assert.equal(asked().at(-1), 'tcp.test/A/tcp');
});

test('EDNS is offered, and left out for a server from before it', async () => {
  server.zone = { 'old.test': { noEdns: true, answers: ['10.0.0.1'] } };
  assert.deepEqual(await addressesOf('old.test', 'V4_ONLY', { udpPayloadBytes: 1232 }), ['10.0.0.1']);
  assert.equal(server.queries.length, 2);
});

test('a server that is not there hands over to the next one', async () => {
  server.zone = { 'x.test': ['10.0.0.1'] };
  const gone = await DnsServer.start();
  await gone.close();
  const servers = [gone.port, server.port].map((port) => ({ family: 'ipv4', address: '127.0.0.1', port }) as const);
  assert.deepEqual(await addressesOf('x.test', 'V4_ONLY', { servers }), ['10.0.0.1']);
  const failed = await addressesOf('x.test', 'V4_ONLY', { servers: servers.slice(0, 1) });
  assert.equal(failed, 'cares_failure:Could not contact DNS servers');
});

test('a question that is under way is not asked twice, and who cancels hears nothing', async () => {
  server.zone = { 'x.test': { delayMs: 20, answers: ['10.0.0.1'] } };
  const resolver = make();
  const heard: string[] = [];
  const cancelled = resolver.resolve('x.test', 'V4_ONLY', () => heard.push('cancelled'));
  const both = await Promise.all([resolve(resolver, 'x.test'), resolve(resolver, 'x.test')]);
  cancelled.cancel();
  assert.equal(both[0], both[1]);
  assert.equal(server.queries.length, 1);
  const pending = resolver.resolve('x.test', 'V4_ONLY', () => heard.push('late'));
  pending.cancel();
  await resolve(resolver, 'x.test');
  assert.deepEqual(heard, ['cancelled']);
});

test('hundreds of names wait for a socket in turn', async () => {
  const names = Array.from({ length: 500 }, (_, i) => `n${i}.test`);
  server.zone = Object.fromEntries(names.map((name, i) => [name, [`10.1.${i >> 8}.${i & 255}`]]));
  const resolver = make({ timeoutMs: 2000 });
  const all = await Promise.all(names.map((name) => resolve(resolver, name)));
  assert.deepEqual(
    all.map((one) => one.addresses.length).filter((length) => length !== 1),
    [],
  );
});

test('resolv.conf and hosts are read as their manuals say', () => {
  const text = 'domain a.test\nsearch b.test c.test ; no\nnameserver 10.0.0.1\nnameserver fd00::1\nnameserver x\n';
  const conf = parseResolvConf(`${text}options timeout:3 attempts:9 rotate ndots:99\n`, 'host.example.test');
  assert.deepEqual(conf, {
    servers: [
      { family: 'ipv4', address: '10.0.0.1', port: 53 },
      { family: 'ipv6', address: 'fd00::1', port: 53 },
    ],
    search: ['b.test', 'c.test'],
    ndots: 15,
    timeoutMs: 3000,
    attempts: 5,
    rotate: true,
  });
  assert.deepEqual(parseResolvConf('', 'host.example.test').search, ['example.test']);
  assert.deepEqual(parseHosts('nonsense a\n::1 b # c\n::1 b').get('b'), [{ family: 'ipv6', address: '::1' }]);
});
