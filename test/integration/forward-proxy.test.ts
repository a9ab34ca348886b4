// Dynamic forward proxies of a running process: clusters that change under them, and several workers.
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DnsServer } from '../support/dns-server.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, RawConnection, scratchFolder, startUpstream, stat, until, type Upstream } from './heddle.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';

function typed(type: string, fields: Json = {}): Json {
  return { '@type': `${TYPES}.${type}`, ...fields };
}

type Rig = {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly upstream: Upstream;
  readonly dns: DnsServer;
  /** Further clusters, from the next replacement on. */
  readonly extra: Json[];
  /** Replaces the cluster. */
  cluster(cache: Json, fields?: Json): void;
};

const ends: (() => Promise<void>)[] = [];
after(async () => {
  for (const end of ends) await end();
});

function cacheOf(dns: DnsServer, fields: Json): Json {
  const resolvers = [{ socket_address: { address: '127.0.0.1', port_value: dns.port } }];
  const own = { resolvers, dns_resolver_options: { no_default_search_domain: true } };
  return {
    name: 'names',
    dns_lookup_family: 'V4_ONLY',
    typed_dns_resolver_config: {
      name: 'cares',
      typed_config: typed('network.dns_resolver.cares.v3.CaresDnsResolverConfig', own),
    },
    ...fields,
  };
}

/** `sub`: the cluster makes sub clusters, instead of hosts of a cache. */
async function start(cache: Json = {}, ...args: string[]): Promise<Rig> {
  return startWith(cache, null, args);
}

async function startWith(cache: Json, sub: Json | null, args: readonly string[]): Promise<Rig> {
  const [dns, upstream, port] = [await DnsServer.start(), await startUpstream(), await freePort()];
  ends.push(async () => {
    await upstream.stop();
    await dns.close();
  });
  const folder = scratchFolder();
  const path = join(folder, 'clusters.json');
  const extra: Json[] = [];
  const write = (own: Json, fields: Json = {}, version = '1'): void => {
    const cluster = {
      '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      name: 'names',
      lb_policy: 'CLUSTER_PROVIDED',
      cluster_type: {
        name: 'envoy.clusters.dynamic_forward_proxy',
        typed_config: typed(
          'clusters.dynamic_forward_proxy.v3.ClusterConfig',
          sub === null ? { dns_cache_config: own } : { sub_clusters_config: sub },
        ),
      },
      ...(sub === null
        ? {}
        : { dns_lookup_family: 'V4_ONLY', typed_dns_resolver_config: own['typed_dns_resolver_config'] }),
      ...fields,
    };
    const resources = [cluster, ...extra];
    writeFileSync(`${path}.new`, JSON.stringify({ version_info: version, resources }));
    renameSync(`${path}.new`, path);
  };
  const settings = cacheOf(dns, cache);
  write(settings);
  const manager = {
    stat_prefix: 'main',
    route_config: { validate_clusters: false, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [ROUTE] }] },
    http_filters: [
      {
        name: 'names',
        typed_config: typed(
          'filters.http.dynamic_forward_proxy.v3.FilterConfig',
          sub === null ? { dns_cache_config: settings } : { sub_cluster_config: {} },
        ),
      },
      { name: 'router', typed_config: typed('filters.http.router.v3.Router') },
    ],
  };
  const hcm = typed('filters.network.http_connection_manager.v3.HttpConnectionManager', manager);
  const config = {
    node: { id: 'n', cluster: 'c' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: { cds_config: { path_config_source: { path }, resource_api_version: 'V3' } },
    static_resources: {
      listeners: [
        {
          name: 'main',
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          connection_balance_config: { exact_balance: {} },
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: hcm }] }],
        },
      ],
    },
  };
  const proxy = await startProxy('heddle', JSON.stringify(config), folder, args);
  ends.push(() => proxy.stop());
  let version = 1;
  const cluster = (own: Json, fields: Json = {}): void =>
    write(cacheOf(dns, { ...cache, ...own }), fields, String(++version));
  return { proxy, port, upstream, dns, cluster, extra };
}

const ROUTE = { match: { prefix: '/' }, route: { cluster: 'names' } };

/** The status line of the answer. */
async function ask({ port }: Rig, host: string): Promise<string> {
  const client = new RawConnection(port);
  client.send(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  await until('an answer', () => client.text.includes('\r\n\r\n') || client.isClosed);
  return client.text.slice(0, client.text.indexOf('\r\n'));
}

const OK = 'HTTP/1.1 200 OK';

test('a new version of the cluster knows the hosts, and other settings of the cache are refused', async () => {
  const rig = await start();
  rig.dns.zone = { 'one.test': ['127.0.0.1'] };
  const host = `one.test:${rig.upstream.port}`;
  assert.equal(await ask(rig, host), OK);
  const queries = rig.dns.queries.length;
  rig.cluster({}, { connect_timeout: '3s' });
  await until('the new version', async () => (await stat(rig.proxy, 'cluster_manager.cluster_modified')) === 1);
  assert.equal(await ask(rig, host), OK);
  assert.equal(rig.dns.queries.length, queries, 'nothing was looked up again');
  assert.equal(await stat(rig.proxy, 'cluster.names.membership_total'), 1);
  const before = await stat(rig.proxy, 'cluster_manager.cds.update_rejected');
  rig.cluster({ max_hosts: 7 });
  await until('a refusal', async () => (await stat(rig.proxy, 'cluster_manager.cds.update_rejected')) > before);
  assert.match(rig.proxy.output, /config specified DNS cache 'names' with different settings/);
  assert.equal(await ask(rig, host), OK);
  assert.equal(await stat(rig.proxy, 'dns_cache.names.num_hosts'), 1);
});

test('workers share the limit of who may wait, and count together', async () => {
  const rig = await start({ dns_cache_circuit_breaker: { max_pending_requests: 2 } }, '--concurrency', '3');
  const { port: backend } = rig.upstream;
  rig.dns.zone = { 'slow.test': { delayMs: 600, answers: ['127.0.0.1'] } };
  const answers = await Promise.all([1, 2, 3].map(() => ask(rig, `slow.test:${backend}`)));
  assert.deepEqual(answers.sort(), [OK, OK, 'HTTP/1.1 503 Service Unavailable']);
  await until('statistics', async () => (await stat(rig.proxy, 'dns_cache.names.dns_query_success')) === 2);
  assert.equal(await stat(rig.proxy, 'dns_cache.names.dns_rq_pending_overflow'), 1);
  assert.equal(await stat(rig.proxy, 'dns_cache.names.circuit_breakers.rq_pending_open'), 0);
  assert.equal(await stat(rig.proxy, 'dns_cache.names.circuit_breakers.rq_pending_remaining'), 2);
  const { body } = await rig.proxy.admin('/clusters');
  assert.equal(body.match(/::hostname::slow\.test/g)?.length, 1, body);
});

const CLUSTER_TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

async function dumped({ proxy }: Rig): Promise<string[]> {
  const { body } = await proxy.admin('/config_dump?resource=dynamic_active_clusters');
  const { configs = [] } = JSON.parse(body) as { configs?: { cluster: { name: string; lb_policy?: string } }[] };
  return configs.map(({ cluster: { name, lb_policy: policy } }) => `${name} ${policy}`).sort();
}

test('sub clusters outlive updates of others, and go with the cluster that made them', async () => {
  const rig = await startWith({}, { lb_policy: 'RANDOM' }, []);
  rig.dns.zone = { 'one.test': ['127.0.0.1'] };
  const host = `one.test:${rig.upstream.port}`;
  assert.equal(await ask(rig, host), OK);
  const made = `DFPCluster:${host} RANDOM`;
  assert.deepEqual(await dumped(rig), [made, 'names CLUSTER_PROVIDED']);
  rig.extra.push({ '@type': CLUSTER_TYPE, name: 'another' });
  rig.cluster({});
  await until('another cluster', async () => (await stat(rig.proxy, 'cluster_manager.active_clusters')) === 3);
  assert.equal(await ask(rig, host), OK);
  assert.equal(rig.dns.queries.length, 1, 'nothing was looked up again');
  rig.extra.length = 0;
  rig.cluster({});
  await until('it to go', async () => (await stat(rig.proxy, 'cluster_manager.active_clusters')) === 2);
  assert.deepEqual(await dumped(rig), [made, 'names CLUSTER_PROVIDED']);
  rig.cluster({}, { connect_timeout: '3s' });
  await until('a new version', async () => (await stat(rig.proxy, 'cluster_manager.active_clusters')) === 1);
  assert.deepEqual(await dumped(rig), ['names CLUSTER_PROVIDED']);
  assert.equal(await ask(rig, host), OK);
  assert.deepEqual(await dumped(rig), [made, 'names CLUSTER_PROVIDED']);
});

test('each worker makes the sub clusters that its requests want, and they are told as one', async () => {
  const rig = await startWith({}, { lb_policy: 'RANDOM', sub_cluster_ttl: '2s' }, ['--concurrency', '3']);
  const { port: backend } = rig.upstream;
  rig.dns.zone = { 'slow.test': { delayMs: 600, answers: ['127.0.0.1'] } };
  const host = `slow.test:${backend}`;
  // Connections are dealt out in turn, and each waits.
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => ask(rig, host))), [OK, OK, OK]);
  assert.equal(rig.dns.queries.length, 3);
  const { body } = await rig.proxy.admin('/clusters');
  assert.equal(body.match(/^DFPCluster:slow\.test:\d+::127\.0\.0\.1:\d+::rq_total::3$/gm)?.length, 1, body);
  assert.deepEqual(await dumped(rig), [`DFPCluster:${host} RANDOM`, 'names CLUSTER_PROVIDED']);
  assert.equal(await stat(rig.proxy, `cluster.DFPCluster_slow.test_${backend}.upstream_rq_total`), 3);
  await until('an end', async () => !(await rig.proxy.admin('/clusters')).body.includes('DFPCluster'), 8_000);
  assert.equal(await ask(rig, host), OK);
});
