// DNS that says nothing, lies, or says too much, and destinations that are the proxy itself: the proxy goes on serving.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DnsServer } from '../support/dns-server.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { bootstrap, type Json, scratchFolder, startUpstream, until, type Upstream } from './heddle.ts';

const HERE = ['127.0.0.1'];
const ADDRESSES_PER_NAME = 4000;
/** Time-out of a lookup and a few refreshes. */
const SETTLE_MS = 900;

let dns: DnsServer;
let upstream: Upstream;
const proxies: ProxyProcess[] = [];

before(async () => {
  dns = await DnsServer.start(await freePort());
  upstream = await startUpstream();
});
beforeEach(() => {
  dns.zone = {};
});
after(async () => {
  for (const proxy of proxies) await proxy.stop();
  await upstream.stop();
  await dns.close();
});

function cluster(names: readonly string[], port: number): Json {
  const resolver = {
    '@type': 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
    resolvers: [{ socket_address: { address: '127.0.0.1', port_value: dns.port } }],
    dns_resolver_options: { no_default_search_domain: true },
    query_timeout_seconds: 1,
    query_tries: 1,
  };
  return {
    name: 'up',
    type: 'STRICT_DNS',
    connect_timeout: '1s',
    dns_lookup_family: 'V4_ONLY',
    dns_refresh_rate: '0.1s',
    typed_dns_resolver_config: { name: 'cares', typed_config: resolver },
    load_assignment: {
      cluster_name: 'up',
      endpoints: [
        {
          lb_endpoints: names.map((address) => ({
            endpoint: { address: { socket_address: { address, port_value: port } } },
          })),
        },
      ],
    },
  };
}

type Front = { readonly proxy: ProxyProcess; readonly port: number; readonly startMs: number };

/** Resolves once the proxy is live. */
async function start(up: Json, listener: Json = {}): Promise<Front> {
  const port = await freePort();
  const config = bootstrap({ listener: port, upstream: upstream.port });
  const statics = config['static_resources'] as { listeners: readonly Json[] };
  const whole = {
    ...config,
    static_resources: { listeners: [{ ...statics.listeners[0], ...listener }], clusters: [up] },
  };
  const startedMs = performance.now();
  const proxy = await startProxy('heddle', JSON.stringify(whole), scratchFolder());
  proxies.push(proxy);
  return { proxy, port, startMs: performance.now() - startedMs };
}

function status({ port }: Front, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path: '/', headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function stat({ proxy }: Front, name: string): Promise<number> {
  const { body } = await proxy.admin(`/stats?filter=^${name}$`);
  return Number(body.split(': ')[1]);
}

test('a silent server holds the start up for one time-out, and hosts come once it speaks', async () => {
  dns.zone = { 'a.test': { silent: true } };
  const front = await start(cluster(['a.test'], upstream.port));
  assert.ok(front.startMs > 900, `live after ${front.startMs} ms`);
  assert.equal(await status(front), 503);
  dns.zone = { 'a.test': HERE };
  await sleep(SETTLE_MS + 1000);
  assert.equal(await status(front), 200);
});

test('lies, noise and failures change nothing', async () => {
  dns.zone = { 'a.test': HERE };
  const front = await start(cluster(['a.test'], upstream.port));
  assert.equal(await status(front), 200);
  for (const lie of [
    { wrongId: true },
    { wrongQuestion: true },
    { raw: 'ff'.repeat(40) },
    { code: 2 },
    { silent: true },
  ]) {
    dns.zone = { 'a.test': { answers: ['127.0.0.66'], ...lie } };
    await sleep(SETTLE_MS);
    assert.equal(await status(front), 200, JSON.stringify(lie));
  }
  dns.zone = { 'a.test': [] };
  await sleep(SETTLE_MS + 1000);
  assert.equal(await status(front), 503, 'an empty answer is the truth');
});

test('twelve thousand addresses become hosts, and the proxy goes on answering', async () => {
  const names = [1, 2, 3].map((i) => `n${i}.test`);
  const many = (second: number): string[] =>
    Array.from({ length: ADDRESSES_PER_NAME }, (_, i) => `10.${second}.${i >> 8}.${i & 255}`);
  dns.zone = Object.fromEntries(names.map((name, i) => [name, { truncated: true, answers: many(i) }]));
  const front = await start(cluster([...names, '127.0.0.1'], upstream.port));
  const members = (count: number): Promise<void> =>
    until(`${count} hosts`, async () => (await stat(front, 'cluster.up.membership_total')) === count);
  await members(3 * ADDRESSES_PER_NAME + 1);
  const asked = performance.now();
  assert.equal((await front.proxy.admin('/ready')).status, 200);
  assert.ok(performance.now() - asked < 5000);
  dns.zone = Object.fromEntries(names.map((name) => [name, []]));
  await members(1);
  assert.equal(await status(front), 200);
});

test('a destination that is the proxy itself has no host', async () => {
  const original = {
    name: 'up',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    original_dst_lb_config: { use_http_header: true },
  };
  const type = 'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
  const proxyProtocol = {
    name: 'proxy_protocol',
    typed_config: { '@type': type, allow_requests_without_proxy_protocol: true },
  };
  const front = await start(original, { listener_filters: [proxyProtocol] });
  const header = 'x-envoy-original-dst-host';
  assert.equal(await status(front, { [header]: `127.0.0.1:${upstream.port}` }), 200);
  assert.equal(await status(front, { [header]: `127.0.0.1:${front.port}` }), 503);
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(front.port, '127.0.0.1');
    socket.once('data', (data: Buffer) => {
      resolve(data.toString('latin1'));
      socket.destroy();
    });
    socket.on('error', reject);
    socket.write(`PROXY TCP4 127.0.0.1 127.0.0.1 5 ${front.port}\r\nGET / HTTP/1.1\r\nhost: example.com\r\n\r\n`);
  });
  assert.match(text, /^HTTP\/1\.1 503 .*no healthy upstream$/s);
  assert.equal(await stat(front, 'cluster.up.upstream_cx_total'), 1);
});
