// The tables of `heddle config`: of dumps that the real Envoy and Heddle's proxy made, and of what those do not have.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { table } from '../command/table.ts';
import { clusterRows, parseClusterName, selectClusters } from './clusters.ts';
import { ConfigDump, type Json } from './dump.ts';
import { dumpedEndpointRows, endpointRows, readStatuses } from './endpoints.ts';
import { listenerRows, selectListeners } from './listeners.ts';
import { printAll } from './print.ts';
import { routeRows, selectRoutes } from './routes.ts';
import { dumpedSecrets, secretRows } from './secrets.ts';

const place = join(import.meta.dirname, 'testdata');
type Stored = Readonly<Record<string, { readonly dump: Json; readonly clusters: Json }>>;

function stored(kind: 'envoy' | 'heddle', role: string): { dump: ConfigDump; clusters: readonly Json[] } {
  const all = JSON.parse(brotliDecompressSync(readFileSync(join(place, `${kind}.json.br`))).toString()) as Stored;
  const dump = ConfigDump.read(JSON.stringify(all[role]?.dump));
  const clusters = readStatuses(JSON.stringify(all[role]?.clusters));
  assert.ok(typeof dump !== 'string' && typeof clusters !== 'string');
  return { dump, clusters };
}

function dumpOf(section: string, fields: Json): ConfigDump {
  const dump = ConfigDump.read(
    JSON.stringify({ configs: [{ '@type': `type.googleapis.com/envoy.admin.v3.${section}ConfigDump`, ...fields }] }),
  );
  assert.ok(typeof dump !== 'string');
  return dump;
}

function tablesOf(kind: 'envoy' | 'heddle', role: string): string {
  const { dump, clusters } = stored(kind, role);
  return [
    table(listenerRows(selectListeners(dump, {})), 1),
    table(routeRows(selectRoutes(dump, undefined)), 5),
    table(clusterRows(selectClusters(dump, {})), 5),
    table(endpointRows(clusters, {}), 5).replace(/127\.0\.0\.1:\d+ +/g, '127.0.0.1:PORT '),
  ].join('\n');
}

for (const role of ['client', 'gateway']) {
  test(`of a ${role}: both proxies give the same, and what they gave before`, () => {
    const text = tablesOf('envoy', role);
    const golden = join(place, `${role}.txt`);
    if (process.env['UPDATE_GOLDEN'] === '1' || !existsSync(golden)) writeFileSync(golden, text);
    assert.equal(text, readFileSync(golden, 'utf8'));
    assert.equal(tablesOf('heddle', role), text);
  });
}

test('filters', () => {
  const { dump, clusters } = stored('envoy', 'client');
  const ports = (filter: Parameters<typeof selectListeners>[1]): unknown[] =>
    selectListeners(dump, filter).map(({ name }) => name);
  assert.deepEqual(ports({ port: 6379 }), ['10.96.0.11_6379']);
  assert.deepEqual(ports({ address: '10.96.0.6' }), ['10.96.0.6_3306']);
  assert.ok(ports({ type: 'http+tcp' }).length > ports({ type: 'UNKNOWN' }).length);
  assert.deepEqual(
    selectClusters(dump, { fqdn: 'reviews', subset: 'v2', port: 9080, direction: 'outbound' }).map(({ name }) => name),
    ['outbound|9080|v2|reviews.bookinfo.svc.cluster.local'],
  );
  assert.deepEqual(selectRoutes(dump, '9080').length, 1);
  assert.equal(endpointRows(clusters, { cluster: 'OUTBOUND|6379||redis.bookinfo.svc.cluster.local' }).length, 2);
  assert.equal(endpointRows(clusters, { status: 'unhealthy' }).length, 1);
});

test('routes: names and matches, where a route comes of, and hosts without routes', () => {
  const config = (path: string): Json => ({ filter_metadata: { istio: { config: path } } });
  const route = (match: Json, more: Json = {}): Json => ({ match, route: { cluster: 'a' }, ...more });
  const host = (name: string, domains: readonly string[], routes: readonly Json[]): Json => ({ name, domains, routes });
  const service = ['reviews.shop.svc.cluster.local', 'reviews', 'reviews.shop.svc', 'reviews.shop', '10.0.0.1'];
  const withPorts = service.flatMap((domain) => [domain, `${domain}:9080`]);
  const dump = dumpOf('Routes', {
    dynamic_route_configs: [
      { route_config: { name: 'http.8080', virtual_hosts: [host('none:80', ['none'], [])] } },
      {
        route_config: {
          name: '9080',
          virtual_hosts: [
            host('reviews', withPorts, [
              route(
                { prefix: '/' },
                { metadata: config('/apis/networking.istio.io/v1/namespaces/shop/virtual-service/r') },
              ),
              route({ path: '/a' }, { metadata: config('/apis/x.example/v1/namespaces/shop/k/r') }),
              route({ safe_regex: { regex: '/a.*' } }),
              route({ path_separated_prefix: '/b' }),
            ]),
            host('allow_any', ['*'], [{ match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } }]),
          ],
        },
      },
      {
        route_config: {
          name: '80',
          virtual_hosts: [host('six', ['[fd00::1]', '[fd00::1]:80'], [route({ prefix: '/' })])],
        },
      },
    ],
  });
  assert.deepEqual(routeRows(selectRoutes(dump, undefined)).slice(1), [
    ['80', 'six', '[fd00::1]', '/*', ''],
    ['9080', 'reviews', 'reviews, reviews.shop + 1 more...', '/*', 'r.shop'],
    ['9080', 'reviews', 'reviews, reviews.shop + 1 more...', '/a', '<unknown>'],
    ['9080', 'reviews', 'reviews, reviews.shop + 1 more...', 'regex /a.*', ''],
    ['9080', 'reviews', 'reviews, reviews.shop + 1 more...', 'PathPrefix:/b', ''],
    ['http.8080', 'none:80', 'none', '/*', '404'],
  ]);
});

test('listeners: pipes, further addresses, ranges, names, inline routes and black holes', () => {
  const http = (config: Json): Json => ({
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: config,
  });
  const tcp = (config: Json): Json => ({ name: 'envoy.filters.network.tcp_proxy', typed_config: config });
  const all = (cluster: string): Json => ({
    virtual_hosts: [{ domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
  });
  const socket = (address: string, port: number): Json => ({ socket_address: { address, port_value: port } });
  const listener = (name: string, address: Json, chains: readonly Json[], more: Json = {}): Json => ({
    listener: { name, address, filter_chains: chains, ...more },
  });
  const dump = dumpOf('Listeners', {
    dynamic_listeners: [{ name: 'warming', warming_state: listener('warming', socket('1.1.1.1', 1), []) }],
    static_listeners: [
      listener(
        'inbound',
        socket('0.0.0.0', 15006),
        [
          {
            filter_chain_match: {
              ...{ destination_port: 9080, transport_protocol: 'tls', server_names: ['a', 'b'] },
              application_protocols: ['istio-peer-exchange', 'istio'],
              prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }],
            },
            filters: [http({ route_config: all('inbound|9080||') })],
          },
          {
            filters: [
              tcp({
                weighted_clusters: {
                  clusters: [
                    { name: 'x', weight: 1 },
                    { name: 'y', weight: 3 },
                  ],
                },
              }),
            ],
          },
        ],
        { default_filter_chain: { filters: [tcp({ cluster: 'BlackHoleCluster' })] } },
      ),
      listener('pipe', { pipe: { path: '/run/x' } }, [{ filters: [http({ rds: { route_config_name: 'r' } })] }]),
      listener(
        'stats',
        socket('0.0.0.0', 15090),
        [
          {
            filters: [
              http({
                route_config: { virtual_hosts: [{ domains: ['a', 'b'], routes: [{ match: { prefix: '/stats' } }] }] },
              }),
            ],
          },
        ],
        { additional_addresses: [{ address: socket('::', 15090) }] },
      ),
    ],
  });
  assert.deepEqual(listenerRows(selectListeners(dump, {})).slice(1), [
    ['/run/x', '0', 'ALL', 'Route: r'],
    ['0.0.0.0', '15006', 'ALL', 'Non-HTTP/Non-TCP'],
    ['0.0.0.0', '15006', 'ALL', 'Cluster: x (1), y (3)'],
    ['0.0.0.0', '15006', 'SNI: a,b; Trans: tls; App: TCP TLS; Addr: 10.0.0.0/8:9080', 'Cluster: inbound|9080||'],
    ['0.0.0.0,::', '15090', 'ALL', 'Inline Route: a/b /stats*'],
  ]);
  assert.equal(selectListeners(dump, { address: '::' }).length, 1);
});

test('clusters: names in both forms, and types', () => {
  assert.deepEqual(parseClusterName('outbound_.9080_.v1_.reviews.shop'), {
    ...{ direction: 'outbound', port: '9080', subset: 'v1', host: 'reviews.shop' },
  });
  const cluster = (name: string, more: Json = {}): Json => ({ cluster: { name, ...more } });
  const dump = dumpOf('Clusters', {
    static_clusters: [
      cluster('agent'),
      cluster('forward', { cluster_type: { name: 'envoy.clusters.dynamic_forward_proxy' } }),
    ],
    dynamic_active_clusters: [
      cluster('outbound|443||a.shop', { type: 'EDS' }),
      cluster('outbound|80||a.shop', {
        type: 'EDS',
        metadata: {
          filter_metadata: {
            istio: { config: '/apis/networking.istio.io/v1alpha3/namespaces/shop/destination-rule/a' },
          },
        },
      }),
    ],
  });
  assert.deepEqual(clusterRows(selectClusters(dump, {})).slice(1), [
    ['a.shop', '80', '-', 'outbound', 'EDS', 'a.shop'],
    ['a.shop', '443', '-', 'outbound', 'EDS', ''],
    ['agent', '-', '-', '-', 'STATIC', ''],
    ['forward', '-', '-', '-', 'envoy.clusters.dynamic_forward_proxy', ''],
  ]);
});

test('endpoints: sockets, pipes and internal listeners, and what the outlier check found', () => {
  const host = (address: Json, more: Json = {}): Json => ({
    address,
    health_status: { eds_health_status: 'HEALTHY', ...more },
  });
  const statuses = readStatuses(
    JSON.stringify({
      cluster_statuses: [
        {
          name: 'a',
          host_statuses: [
            host({ socket_address: { address: '10.0.0.9', port_value: 80 } }, { failed_outlier_check: true }),
            host({ pipe: { path: '/run/x' } }),
            host({ envoy_internal_address: { server_listener_name: 'main', endpoint_id: '10.0.0.1:80' } }),
          ],
        },
      ],
    }),
  );
  assert.ok(typeof statuses !== 'string');
  assert.deepEqual(endpointRows(statuses, {}).slice(1), [
    ['10.0.0.9:80', 'HEALTHY', 'FAILED', 'a'],
    ['envoy://main/10.0.0.1:80', 'HEALTHY', 'OK', 'a'],
    ['unix:///run/x', 'HEALTHY', 'OK', 'a'],
  ]);
  const { dump } = stored('heddle', 'client');
  assert.ok(
    dumpedEndpointRows(dump, { port: 6379 }).some((row) => row.includes('endpoint/10.0.1.50:6379') || row.length === 4),
  );
});

test('secrets: their certificates at a time, and those that nobody has answered for', () => {
  const { dump } = stored('envoy', 'client');
  const secrets = dumpedSecrets(dump);
  const rows = (nowMs: number): string[] => secretRows(secrets, nowMs).map((row) => row.slice(0, 4).join(' '));
  const [from, to] = [secretRows(secrets, 0)[1]?.[6], secretRows(secrets, 0)[1]?.[5]].map((time) =>
    Date.parse(time ?? ''),
  );
  assert.deepEqual(rows((from as number) + 1), [
    ...['RESOURCE NAME TYPE STATUS VALID CERT', 'default Cert Chain ACTIVE true', 'ROOTCA CA ACTIVE true'],
  ]);
  assert.equal(rows((to as number) + 1)[1], 'default Cert Chain ACTIVE false');
  const empty = dumpOf('Secrets', {
    dynamic_warming_secrets: [
      { name: 'kubernetes://x', version_info: 'uninitialized', secret: { name: 'kubernetes://x' } },
    ],
    dynamic_active_secrets: [{ name: 'y', version_info: 'uninitialized', secret: { name: 'y' } }],
  });
  assert.deepEqual(secretRows(dumpedSecrets(empty), 0).slice(1), [
    ['kubernetes://x', '', 'WARMING', 'false', '', '', ''],
    ['y', '', 'UNINITIALIZED', 'false', '', '', ''],
  ]);
});

test('all kinds at once', () => {
  const text = printAll(stored('heddle', 'gateway').dump, {});
  const titles = [...text.matchAll(/^------ (\w+) info ------$/gm)].map(([, title]) => title);
  assert.deepEqual(titles, ['bootstrap', 'cluster', 'listener', 'route', 'secret', 'endpoints']);
  assert.match(text, /^Heddle Version: \d/m);
});

test('what is no dump says so', () => {
  assert.match(String(ConfigDump.read('{')), /no JSON/);
  assert.match(String(ConfigDump.read('{"a": 1}')), /no dump of a proxy/);
  assert.match(String(readStatuses('{"configs": []}')), /no answer of GET \/clusters/);
});
