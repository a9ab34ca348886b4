// What proxies without redirect get: listeners where they were told, one table, tunnels that end inside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shown } from '../../../test/control/stage-rig.ts';
import { MeshState } from '../mesh-state.ts';
import { readNode } from '../model/node.ts';
import { MemorySource } from '../source/config-source.ts';

type Json = Record<string, unknown> & { readonly name: string };
type Chain = Record<string, unknown> & { readonly name?: string; readonly filters: readonly Json[] };
type Listener = Json & {
  readonly address?: { readonly socket_address: { readonly address: string; readonly port_value: number } };
  readonly filter_chains: readonly Chain[];
  readonly default_filter_chain?: Chain;
};
type Route = Json & {
  readonly match: Record<string, unknown>;
  readonly route?: { readonly cluster?: string; readonly weighted_clusters?: { readonly clusters: readonly Json[] } };
  readonly direct_response?: Record<string, unknown>;
};
type Host = Json & { readonly domains: readonly string[]; readonly routes: readonly Route[] };
type Table = Json & { readonly virtual_hosts: readonly Host[] };

const TYPES = {
  listeners: 'envoy.config.listener.v3.Listener',
  clusters: 'envoy.config.cluster.v3.Cluster',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
} as const;

const ADDRESS = '127.64.3.2';
const place = (port: number) => ({ address: '127.0.0.1', port });

function service(name: string, ports: string, more = ''): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [${ports}]${more}}
---
apiVersion: v1
kind: Pod
metadata: {name: ${name}-1, namespace: shop, labels: {app: ${name}}}
spec: {containers: [{name: app, image: app}]}
status: {phase: Running, podIP: ${name === 'web' ? ADDRESS : '127.64.9.9'}}
`;
}

const SHOP: Readonly<Record<string, string>> = {
  'web.yaml': service('web', '{name: http, port: 80, targetPort: 9080}, {name: tcp, port: 7000}'),
  'reviews.yaml': service('reviews', '{name: http, port: 9080}, {name: http-admin, port: 9081}'),
  'store.yaml': service('store', '{name: tcp, port: 6379}'),
  'any.yaml': service('any', '{name: data, port: 5000}'),
  'pods.yaml': service('pods', '{name: http, port: 8000}, {name: tcp, port: 8001}', ', clusterIP: None'),
};

const WEB = {
  httpProxy: place(40_001),
  inbound: { 9080: place(40_002), 9999: place(40_003) },
  outbound: {
    'store.shop.svc.cluster.local:6379': place(40_004),
    'late.shop.svc.cluster.local:1': place(40_005),
    'reviews.shop.svc.cluster.local:9080': place(40_006),
  },
};

class Rig {
  readonly source: MemorySource;
  readonly state = new MeshState({ cluster: 'Kubernetes', clusterDomain: 'cluster.local', network: '' });
  readonly #view;

  constructor(files: Readonly<Record<string, string>>, metadata: Readonly<Record<string, unknown>>, role = 'sidecar') {
    this.source = new MemorySource({ ...files });
    this.source.onChange((changes) => void this.state.apply(changes));
    this.source.start();
    const id = `${role}~${ADDRESS}~web-1.shop~shop.svc.cluster.local`;
    const node = readNode({
      id,
      metadata: { NAMESPACE: 'shop', INSTANCE_IPS: `${ADDRESS},10.0.0.1,fd00::1`, LABELS: { app: 'web' }, ...metadata },
    });
    assert(!('error' in node), JSON.stringify(node));
    this.#view = this.state.connect('web', { ...node, isProved: true });
  }

  all<T = Json>(kind: keyof typeof TYPES): ReadonlyMap<string, T> {
    const url = `type.googleapis.com/${TYPES[kind]}`;
    const found = new Map<string, T>();
    for (const table of this.#view.tables(url)) {
      for (const name of table.names()) found.set(name, shown(url, table.get(name)?.body as Uint8Array) as T);
    }
    return found;
  }

  listener(name: string): Listener {
    return this.all<Listener>('listeners').get(name) as Listener;
  }

  host(name: string, table = 'http_proxy'): Host {
    const all = this.all<Table>('routes').get(table)?.virtual_hosts ?? [];
    return all.find((host) => host.name === name) as Host;
  }

  findings(): string[] {
    return this.state.stages.complaints
      .flatMap((one) => [...one.entries()].flatMap(([, told]) => told))
      .map(({ objectKey, fieldPath, message }) => `${objectKey} ${fieldPath}: ${message}`);
  }
}

const explicit = (more: Readonly<Record<string, unknown>> = {}): Rig =>
  new Rig(SHOP, { HEDDLE_VERSION: '1', EXPLICIT: WEB, ...more });

/** Its listener as text without its names, to be compared. */
const anonymous = (chain: Chain): string => JSON.stringify(chain).replaceAll(/(?:0\.0\.0\.0|127\.64\.3\.2)_/g, '');

test('listeners are where the node says, and inside', () => {
  const rig = explicit();
  const all = rig.all<Listener>('listeners');
  const bound = [...all.values()].filter((one) => one['internal_listener'] === undefined);
  assert.deepEqual(bound.map(({ name }) => name).sort(), [
    ...['127.0.0.1_40001', '127.0.0.1_40004', '127.0.0.1_40006', '127.64.3.2_9080', '127.64.3.2_9999'],
  ]);
  for (const { name, address } of bound) {
    const { address: host, port_value: port } = address?.socket_address ?? { address: '', port_value: 0 };
    assert.equal(`${host}_${port}`, name);
  }
  const internal = [...all.keys()].filter((name) => name.startsWith('connect_'));
  const hosts = (...names: string[]): string[] => names.map((name) => `connect_${name}`);
  assert.deepEqual(
    internal.sort(),
    hosts(
      ...['80', '8000', '9080', '9081', 'any.shop.svc.cluster.local_5000', 'pods.shop.svc.cluster.local_8001'],
      ...['store.shop.svc.cluster.local_6379', 'web.shop.svc.cluster.local_7000'],
    ),
  );
  // Each has a cluster that leads to it, and none is left that would need an original destination.
  const clusters = rig.all<Json & { readonly type?: string }>('clusters');
  for (const name of internal) {
    const { load_assignment } = clusters.get(name) as Json;
    assert.match(JSON.stringify(load_assignment), new RegExp(`"server_listener_name":"${name}"`));
  }
  assert.deepEqual(
    [...clusters.values()].filter(({ type }) => type === 'ORIGINAL_DST'),
    [],
  );
  assert.ok(rig.all('endpoints').has('outbound|8000||pods.shop.svc.cluster.local'));
});

test('a port is taken as in a pod: modes of mTLS, policies, filters', () => {
  for (const [mode, port] of [
    ['STRICT', 'STRICT'],
    ['PERMISSIVE', 'STRICT'],
    ['STRICT', 'DISABLE'],
    ['PERMISSIVE', 'UNSET'],
  ]) {
    const files = {
      ...SHOP,
      'security.yaml': `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: ${mode}}, portLevelMtls: {9080: {mode: ${port}}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}`,
    };
    const ours = new Rig(files, { HEDDLE_VERSION: '1', EXPLICIT: WEB }).listener('127.64.3.2_9080');
    const pod = new Rig(files, { HEDDLE_VERSION: '1', INSTANCE_IPS: ADDRESS }).listener('virtualInbound');
    const ofPort = pod.filter_chains.filter(({ name }) => name === '0.0.0.0_9080');
    assert.ok(ofPort.length > 0);
    assert.deepEqual(ours.filter_chains.map(anonymous), ofPort.map(anonymous), `${mode} ${port}`);
  }
});

test('calls go where the application listens', () => {
  const clusters = explicit().all<Json & { readonly load_assignment: Json }>('clusters');
  const at = (name: string): string => JSON.stringify(clusters.get(name)?.load_assignment.endpoints);
  assert.match(at('inbound|9080||'), /"address":"127\.0\.0\.1","port_value":40002/);
  // No service has that port: it is looked at, as redirect would lead there.
  assert.match(at('inbound|9999||'), /"port_value":40003/);
  assert.equal(clusters.get('inbound|9080||')?.['upstream_bind_config'], undefined);
  assert.equal(clusters.has('inbound|7000||'), false);
});

test('a Sidecar says what is called, and where that is', () => {
  const sidecar = (ingress: string): Rig =>
    new Rig(
      {
        ...SHOP,
        'sidecar.yaml': `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: shop}
spec:
  workloadSelector: {labels: {app: web}}
  ingress: [${ingress}]`,
      },
      { HEDDLE_VERSION: '1', EXPLICIT: WEB },
    );
  const placeOf = (rig: Rig, name: string): string =>
    JSON.stringify((rig.all('clusters').get(name)?.['load_assignment'] as Json | undefined)?.['endpoints'] ?? null);
  const port = '{number: 8443, protocol: HTTP, name: http}';
  // The port of a pod stands for the one that the application was given.
  const known = sidecar(`{port: ${port}, defaultEndpoint: "127.0.0.1:9080"}`);
  assert.match(placeOf(known, 'inbound|8443||'), /"port_value":40002/);
  assert.ok(known.listener('127.64.3.2_8443') !== undefined);
  const foreign = sidecar(`{port: ${port}, defaultEndpoint: "127.0.0.1:5555", bind: 0.0.0.0, captureMode: IPTABLES}`);
  assert.match(placeOf(foreign, 'inbound|8443||'), /"port_value":5555/);
  assert.ok(foreign.listener('127.64.3.2_8443') !== undefined);
  assert.match(placeOf(sidecar(`{port: ${port}, defaultEndpoint: "unix:///app"}`), 'inbound|8443||'), /"path":"\/app"/);
  const unknown = sidecar(`{port: ${port}}`);
  assert.match(unknown.findings().join('\n'), /Sidecar\/shop\/web spec\.ingress\[0\]\.defaultEndpoint: nobody said/);
});

test('the table knows hosts by their whole authority', () => {
  const rig = explicit();
  const table = rig.all<Table>('routes').get('http_proxy') as Table;
  assert.equal(table['ignore_port_in_host_matching'] ?? false, false);
  const web = rig.host('web.shop.svc.cluster.local:80');
  assert.ok(['web', 'web:80', 'web.shop', 'web.shop.svc.cluster.local:80'].every((d) => web.domains.includes(d)));
  const reviews = rig.host('reviews.shop.svc.cluster.local:9080');
  assert.ok(reviews.domains.length > 0 && reviews.domains.every((domain) => domain.endsWith(':9080')));
  const domains = table.virtual_hosts.flatMap((host) => host.domains);
  assert.equal(new Set(domains).size, domains.length);
  // Tunnels first, requests after them.
  assert.deepEqual(
    reviews.routes.map(({ match, route }) => [Object.keys(match)[0], route?.cluster]),
    [
      ['connect_matcher', 'connect_9080'],
      ['prefix', 'outbound|9080||reviews.shop.svc.cluster.local'],
    ],
  );
  const [tunnel] = rig.host('store.shop.svc.cluster.local:6379').routes;
  assert.equal(tunnel?.route?.cluster, 'connect_store.shop.svc.cluster.local_6379');
  assert.equal(rig.host('store.shop.svc.cluster.local:6379').routes[1]?.direct_response?.['status'], 502);
  const last = table.virtual_hosts.at(-1) as Host;
  // What nobody knows goes out by its name.
  assert.deepEqual([last.name, last.domains], ['allow_any', ['*']]);
  assert.deepEqual(
    last.routes.map(({ match, route }) => [Object.keys(match)[0], route?.cluster]),
    [
      ['connect_matcher', 'PassthroughCluster'],
      ['prefix', 'PassthroughCluster'],
    ],
  );
  const inTunnel = rig.all<Table>('routes').get('9080')?.virtual_hosts.at(-1);
  assert.deepEqual(
    inTunnel?.routes.map(({ direct_response }) => direct_response?.['status']),
    [502, 502],
  );
});

test('rules hold on the port that was asked for', () => {
  const rig = explicit();
  rig.source.write({
    'routes.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - {match: [{port: 9081}], name: admin, route: [{destination: {host: web, port: {number: 80}}}]}
  - {name: others, route: [{destination: {host: reviews}}]}`,
  });
  const of = (port: number): (string | undefined)[] =>
    rig.host(`reviews.shop.svc.cluster.local:${port}`).routes.map(({ name }) => name);
  assert.deepEqual(of(9081), ['tunnel', 'admin']);
  assert.deepEqual(of(9080), ['tunnel', 'others']);
  // Without a port the destination is on the one that was asked for.
  const [, others] = rig.host('reviews.shop.svc.cluster.local:9080').routes;
  assert.equal(others?.route?.cluster, 'outbound|9080||reviews.shop.svc.cluster.local');
});

test('connections follow rules of TCP and of TLS', () => {
  const rig = explicit();
  rig.source.write({
    'rules.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: store, namespace: shop}
spec:
  hosts: [store]
  tcp:
  - match: [{port: 6379, destinationSubnets: [10.0.0.0/8]}]
    route: [{destination: {host: any}}]
  - route:
    - {destination: {host: store}, weight: 90}
    - {destination: {host: web, port: {number: 7000}}, weight: 10}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: [outside.example]
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside, namespace: shop}
spec:
  hosts: [outside.example]
  tls: [{match: [{sniHosts: [outside.example]}], route: [{destination: {host: web, port: {number: 80}}}]}]`,
  });
  const text = (name: string): string => JSON.stringify(rig.listener(name).filter_chains);
  for (const name of ['connect_store.shop.svc.cluster.local_6379', '127.0.0.1_40004']) {
    assert.match(text(name), /"weighted_clusters":\{"clusters":\[\{"name":"outbound\|6379\|\|store[^}]*"weight":90/);
    assert.doesNotMatch(text(name), /prefix_ranges/);
  }
  const outside = rig.listener('connect_outside.example_443');
  assert.match(JSON.stringify(outside.filter_chains), /"server_names":\["outside\.example"\].*outbound\|80\|\|web/);
  // TLS for another name still is for that host.
  assert.match(JSON.stringify(outside.default_filter_chain), /"cluster":"outbound\|443\|\|outside\.example"/);
});

test('a listener for one service comes and goes with it', () => {
  const rig = explicit();
  assert.equal(rig.listener('127.0.0.1_40005'), undefined);
  rig.source.write({ 'late.yaml': service('late', '{name: tcp, port: 1}') });
  assert.ok(rig.listener('127.0.0.1_40005') !== undefined);
  rig.source.write({ 'late.yaml': null as never });
  assert.equal(rig.listener('127.0.0.1_40005'), undefined);
  // Whatever a request calls itself there, it is for that service.
  const own = rig.all<Table>('routes').get('reviews.shop.svc.cluster.local:9080') as Table;
  assert.deepEqual(
    own.virtual_hosts.flatMap(({ domains }) => domains),
    ['*'],
  );
});

test('what is unknown is refused, and what has no endpoints too', () => {
  const rig = explicit();
  rig.source.write({
    'outside.yaml': `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: anywhere, namespace: shop}
spec: {hosts: ["*.example"], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}`,
  });
  const table = rig.all<Table>('routes').get('http_proxy') as Table;
  assert.equal(table.virtual_hosts.at(-1)?.name, 'block_all');
  const names = rig.host('*.example:80').routes.map(({ name }) => name);
  assert.deepEqual(names, ['no_endpoints', 'no_endpoints']);
});

test('a Sidecar that narrows what is seen narrows tunnels; what it would bind is told', () => {
  const rig = explicit();
  rig.source.write({
    'sidecar.yaml': `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec:
  egress:
  - port: {number: 6379, protocol: TCP, name: tcp}
    bind: 127.0.0.1
    captureMode: NONE
    hosts: [./store.shop.svc.cluster.local]
  - {hosts: [./reviews.shop.svc.cluster.local]}`,
  });
  const names = [...rig.all('listeners').keys()].filter((name) => name.startsWith('connect_'));
  assert.deepEqual(names.sort(), [
    ...['connect_80', 'connect_9080', 'connect_9081', 'connect_store.shop.svc.cluster.local_6379'],
  ]);
  assert.equal(rig.listener('127.0.0.1_6379'), undefined);
  assert.match(rig.findings().join('\n'), /Sidecar\/shop\/default spec\.egress\[0\]: web-1 has no redirect/);
});

test('a port of a service behind which nothing listens is told', () => {
  const told = explicit().findings();
  assert.deepEqual(
    told.filter((line) => line.includes('nobody said')),
    ['Service/shop/web spec.ports: nobody said where web-1 listens for port 7000, so that calls there are refused'],
  );
});

test('gateways bind their own address', () => {
  const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {selector: {app: web}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}`;
  const rig = new Rig({ 'gateway.yaml': gateway }, { HEDDLE_VERSION: '1', EXPLICIT: {} }, 'router');
  assert.deepEqual([...rig.all('listeners').keys()], ['127.64.3.2_8080']);
  const pod = new Rig({ 'gateway.yaml': gateway }, { HEDDLE_VERSION: '1', INSTANCE_IPS: ADDRESS }, 'router');
  assert.deepEqual([...pod.all('listeners').keys()], ['0.0.0.0_8080']);
});

test('a stock Envoy gets no settings for filters that it has not', () => {
  const stock = explicit({ HEDDLE_VERSION: undefined, HEDDLE_PROXY: 'envoy' });
  const text = JSON.stringify(stock.all('routes').get('http_proxy'));
  assert.match(text, /connect_matcher/);
  assert.doesNotMatch(text, /istio\.stats/);
});

test('a node that says it wrongly is refused', () => {
  const id = `sidecar~${ADDRESS}~web-1.shop~shop.svc.cluster.local`;
  const read = readNode({ id, metadata: { EXPLICIT: { inbound: { http: place(1) } } } });
  assert.ok('error' in read && /EXPLICIT\.inbound\["http"\]: the name is no port/.test(read.error));
  const ztunnel = readNode({ id: id.replace('sidecar', 'ztunnel'), metadata: { EXPLICIT: {} } });
  assert.ok('error' in ztunnel && ztunnel.error.includes('for sidecars and gateways'));
});
