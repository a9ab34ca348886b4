// The built proxy as the DNS server of a workload: an unmodified resolver against a table that a control plane pushes.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCapture } from '../captures/captures.ts';
import { queryOf, readReply } from '../support/dns-messages.ts';
import { DnsServer } from '../support/dns-server.ts';
import { type ProxyProcess, runToEnd } from '../support/proxy-process.ts';
import { runProgram } from '../support/run-program.ts';
import { type Json, openDescriptors, scratchFolder, stat, until } from './heddle.ts';
import { LISTENER, NAME_TABLE, put, type Rig, startRig } from './xds-types-rig.ts';

const SERVICE = { ips: ['10.96.0.1'], registry: 'Kubernetes', shortname: 'web', namespace: 'shop' };
const TABLE: Json = {
  'web.shop.svc.cluster.local': SERVICE,
  'db.shop.svc.cluster.local': { ...SERVICE, ips: ['10.0.0.1', '10.0.0.2', '10.0.0.3'], shortname: 'db' },
  'db-0.db.shop.svc.cluster.local': { ...SERVICE, ips: ['10.0.0.1'], shortname: 'db-0.db' },
  'api.external.com': { ips: ['240.240.0.1', '2001:2::1'], registry: 'External' },
  '*.wild.example': { ips: ['240.240.0.2'], registry: 'External' },
};
const NODE = { id: 'sidecar~10.0.1.1~web-1.shop~shop.svc.cluster.local', cluster: 'web' };
const CAPTURED = { ...NODE, metadata: { DNS_CAPTURE: 'true', NAMESPACE: 'shop' } };

let upstream: DnsServer;

before(async () => {
  upstream = await DnsServer.start();
  upstream.zone = { 'outside.test': ['192.0.2.1', 'fd00::1'], '_x._tcp.outside.test': ['SRV 1 2 443 outside.test'] };
});
after(() => upstream.close());

type DnsRig = Rig & { readonly dnsPort: number };

async function dnsPort(proxy: ProxyProcess): Promise<number> {
  const { body } = await proxy.admin('/dns');
  return Number((JSON.parse(body) as { addresses: string[] }).addresses[0]?.split(':').at(-1));
}

async function start(table: Json | null, node: Json = CAPTURED, args: readonly string[] = []): Promise<DnsRig> {
  const flags = ['--dns-address', '127.0.0.1:0', '--dns-upstream', `127.0.0.1:${upstream.port}`, ...args];
  const prepare = (ads: Rig['ads']): void => {
    // Nothing, but said: a proxy is ready once it was told what there is.
    ads.set(LISTENER, {});
    if (table !== null) put(ads, NAME_TABLE, '', { table });
  };
  const rig = await startRig('heddle', 'DELTA_GRPC', prepare, { node }, flags);
  return { ...rig, dnsPort: await dnsPort(rig.proxy) };
}

function resolverOf({ dnsPort: port }: DnsRig): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver;
}

async function addresses(rig: DnsRig, name: string, type: 'A' | 'AAAA' = 'A'): Promise<string> {
  const found = resolverOf(rig)
    .resolve(name, type)
    .catch((error: NodeJS.ErrnoException) => [error.code ?? '']);
  return [...(await found)].sort().join(' ');
}

const tableCame = (rig: DnsRig) =>
  until('the table answers', async () => (await stat(rig.proxy, 'dns.server.table_names')) > 0);

for (const concurrency of ['1', '2']) {
  test(`names of the mesh and of the world, with ${concurrency} worker(s)`, async () => {
    const rig = await start(TABLE, CAPTURED, ['--concurrency', concurrency]);
    try {
      await tableCame(rig);
      assert.equal(await addresses(rig, 'web'), '10.96.0.1');
      assert.equal(await addresses(rig, 'web.shop'), '10.96.0.1');
      assert.equal(await addresses(rig, 'web.shop.svc.cluster.local'), '10.96.0.1');
      assert.equal(await addresses(rig, 'web', 'AAAA'), 'ENODATA');
      assert.equal(await addresses(rig, 'db'), '10.0.0.1 10.0.0.2 10.0.0.3');
      assert.equal(await addresses(rig, 'db-0.db.shop.svc.cluster.local'), '10.0.0.1');
      assert.equal(await addresses(rig, 'api.external.com'), '240.240.0.1');
      assert.equal(await addresses(rig, 'api.external.com', 'AAAA'), '2001:2::1');
      assert.equal(await addresses(rig, 'a.b.wild.example'), '240.240.0.2');
      assert.equal(await addresses(rig, 'outside.test'), '192.0.2.1');
      assert.equal(await addresses(rig, 'outside.test', 'AAAA'), 'fd00::1');
      assert.equal(await addresses(rig, 'nowhere.test'), 'ENOTFOUND');
      assert.deepEqual(await resolverOf(rig).reverse('10.0.0.1'), ['db-0.db.shop.svc.cluster.local']);
      const [service] = await resolverOf(rig).resolveSrv('_x._tcp.outside.test');
      assert.equal(service?.port, 443);
      const metrics = (await rig.proxy.admin('/stats/prometheus')).body;
      assert.match(metrics, /^istio_agent_dns_requests_total\{\} 14$/m);
      assert.match(metrics, /^istio_agent_dns_upstream_requests_total\{\} 4$/m);
      assert.match(metrics, /^istio_agent_dns_upstream_request_duration_seconds_bucket\{le="0\.005\d*"\} \d/m);
    } finally {
      await rig.stop();
    }
  });
}

test('a table changes what is answered, and stays when the control plane goes', async () => {
  const rig = await start(null);
  try {
    assert.equal(await addresses(rig, 'outside.test'), 'ESERVFAIL', 'before the table nothing is known for sure');
    put(rig.ads, NAME_TABLE, '', { table: { 'web.shop.svc.cluster.local': SERVICE } });
    await tableCame(rig);
    assert.equal(await addresses(rig, 'web'), '10.96.0.1');
    put(rig.ads, NAME_TABLE, '', { table: { 'web.shop.svc.cluster.local': { ...SERVICE, ips: ['10.96.0.9'] } } });
    await until('it changes', async () => (await addresses(rig, 'web')) === '10.96.0.9');
    rig.ads.stop();
    await until('the server is missed', async () =>
      (await rig.proxy.admin('/ready')).body.includes('no control plane'),
    );
    assert.equal(await addresses(rig, 'web'), '10.96.0.9');
    assert.equal(await addresses(rig, 'outside.test'), '192.0.2.1');
    const { body } = await rig.proxy.admin('/dns?name=web.shop.svc');
    const view = JSON.parse(body) as Json;
    assert.equal(view['table_state'], 'received');
    assert.deepEqual(view['table'], { 'web.shop.svc': ['10.96.0.9'], 'web.shop.svc.cluster.local': ['10.96.0.9'] });
  } finally {
    await rig.stop();
  }
});

test('what a real istiod sends is answered, spelling by spelling', async () => {
  const capture = openCapture('02-dns-capture/client');
  const resource = capture.types.get(`type.googleapis.com/${NAME_TABLE}`)?.[0]?.json as { table: Json };
  const { id, cluster, metadata } = capture.node;
  const rig = await start(resource.table, { id, cluster, metadata } as Json);
  try {
    await tableCame(rig);
    const entries = Object.entries(resource.table) as [
      string,
      { ips: string[]; shortname?: string; namespace?: string },
    ][];
    assert.ok(entries.length >= 15);
    for (const [host, { ips, shortname, namespace }] of entries) {
      const names = [host];
      if (shortname !== undefined) names.push(`${shortname}.${namespace}`, `${shortname}.${namespace}.svc`);
      if (namespace === 'bookinfo') names.push(String(shortname));
      for (const name of names) assert.equal(await addresses(rig, name), [...ips].sort().join(' '), name);
    }
    assert.equal(await addresses(rig, 'istiod'), 'ENOTFOUND', 'short names are of the own namespace');
  } finally {
    await rig.stop();
  }
});

test('dig sees what it asks for: EDNS, truncation, TCP', async (t) => {
  const dig = await runProgram('dig', ['-v']);
  if (dig.code !== 0) {
    t.diagnostic('there is no dig here');
    return;
  }
  const ips = Array.from({ length: 60 }, (_, i) => `10.1.0.${i}`);
  const rig = await start({ 'many.test': { ips, registry: 'External' } });
  try {
    await tableCame(rig);
    const ask = async (...args: string[]): Promise<string> =>
      (await runProgram('dig', ['@127.0.0.1', '-p', String(rig.dnsPort), '+tries=1', 'many.test', ...args])).output;
    assert.match(await ask('+noedns', '+ignore'), /flags: qr aa tc rd ra; QUERY: 1, ANSWER: 30,/);
    assert.match(await ask('+noedns'), /flags: qr aa rd ra; QUERY: 1, ANSWER: 60,.*\(TCP\)/s);
    assert.match(await ask('+bufsize=1232'), /ANSWER: 60,.*udp: 1232.*\(UDP\)/s);
    assert.match(await ask('+edns=1', '+noednsneg'), /status: BADVERS/);
    assert.match(await ask('+opcode=NOTIFY'), /status: NOTIMP/);
    assert.doesNotMatch(await ask('+bufsize=4096'), /malformed|WARNING/i);
  } finally {
    await rig.stop();
  }
});

test('without DNS_CAPTURE nothing is waited for, and the table is used if it comes', async () => {
  const rig = await start(null, NODE);
  try {
    assert.equal(await addresses(rig, 'outside.test'), '192.0.2.1');
    put(rig.ads, NAME_TABLE, '', { table: TABLE });
    await tableCame(rig);
    assert.equal(await addresses(rig, 'web'), '10.96.0.1');
  } finally {
    await rig.stop();
  }
});

test('an address that cannot be had stops the start, with a message', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const config = JSON.stringify({ admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } } });
  try {
    const ended = await runToEnd('heddle', config, scratchFolder(), ['--dns-address', `127.0.0.1:${port}`]);
    assert.equal(ended.code, 1);
    assert.match(ended.output, new RegExp(`heddle: dns: cannot bind '127.0.0.1:${port}': Address already in use`));
    const bad = await runToEnd('heddle', config, scratchFolder(), ['--dns-upstream', 'dns.test:53']);
    assert.match(bad.output, /--dns-upstream takes IP, IP:PORT or \[IP\]:PORT, not "dns.test:53"/);
  } finally {
    taken.close();
  }
});

test('floods and nonsense are bounded, and leave nothing behind', async () => {
  const rig = await start(TABLE);
  const port = rig.dnsPort;
  const socket = createSocket('udp4');
  const stats = (name: string): Promise<number> => stat(rig.proxy, `dns.server.${name}`);
  try {
    await tableCame(rig);
    await addresses(rig, 'outside.test');
    const before = openDescriptors(rig.proxy.pid);
    upstream.zone = { ...upstream.zone };
    let servfails = 0;
    socket.on('message', (bytes) => {
      if (readReply(bytes).code === 'SERVFAIL') servfails++;
    });
    // Names that no server answers: far more than may wait.
    const silent = Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`n${i}.test`, { silent: true }]));
    upstream.zone = { ...upstream.zone, ...silent };
    for (let i = 0; i < 700; i++) {
      socket.send(queryOf(`n${i}.test`, 'A', { id: i }), port, '127.0.0.1');
      if (i % 50 === 0) await sleep(5);
    }
    await until('too many are refused', async () => (await stats('queries_overflow')) >= 100);
    assert.ok((await stats('upstream_active')) <= 512);
    assert.equal(await addresses(rig, 'web'), '10.96.0.1', 'the table answers all the same');
    // Messages of the largest size, loops, and noise.
    const huge = Buffer.concat([queryOf('web', 'A', { ednsBytes: 1232 }), Buffer.alloc(65_000)]);
    const loop = Buffer.from('000101000001000000000000c00c00010001', 'hex');
    for (const bytes of [huge, loop, Buffer.alloc(0), Buffer.alloc(60_000, 0xff)])
      socket.send(bytes, port, '127.0.0.1');
    const tcp = connect(port, '127.0.0.1');
    tcp.on('error', () => {});
    tcp.write(Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(65_535, 0xc0)]));
    const closed = Array.from({ length: 600 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    await until('they are counted', async () => (await stats('tcp_overflow')) >= 80);
    assert.equal(await addresses(rig, 'web'), '10.96.0.1');
    for (const one of closed) one.destroy();
    tcp.destroy();
    // The deadline of questions.
    if (process.env['HEDDLE_LONG'] !== '1') return;
    await until('all wait ends', async () => (await stats('upstream_active')) === 0, 10_000);
    await until('they hear so', () => servfails === 700, 2_000);
    await until('nothing stays open', () => openDescriptors(rig.proxy.pid) <= before + 2, 10_000);
    assert.equal(await stats('tcp_active'), 0);
  } finally {
    socket.close();
    await rig.stop();
  }
});
