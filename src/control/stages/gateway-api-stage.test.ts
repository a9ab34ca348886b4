// Gateways of the Gateway API: which proxies play them, which routes and sets join, and what is complained of.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import { MeshState } from '../mesh-state.ts';
import type { ProxyNode } from '../model/proxy.ts';
import { readNode } from '../model/node.ts';
import { MemorySource } from '../source/config-source.ts';

const CA = makeCa('ca');
const LEAF = makeCertificate({ issuer: CA });
const API = 'apiVersion: gateway.networking.k8s.io/v1\n';
const TYPES = 'type.googleapis.com/envoy.';
const LISTENERS = `${TYPES}config.listener.v3.Listener`;
const ROUTES = `${TYPES}config.route.v3.RouteConfiguration`;
const SECRETS = `${TYPES}extensions.transport_sockets.tls.v3.Secret`;

type Files = Record<string, string | null>;
type Mesh = { readonly state: MeshState; write(files: Files): void };

function meshOf(files: Files): Mesh {
  const source = new MemorySource(files as Record<string, string>);
  const state = new MeshState({ cluster: 'Kubernetes', clusterDomain: 'cluster.local', network: '' });
  source.onChange((changes) => void state.apply(changes));
  source.start();
  const errors = (): string[] =>
    source.findings().flatMap(({ severity, message }) => (severity === 'error' ? [message] : []));
  assert.deepEqual(errors(), []);
  return {
    state,
    write: (changed) => {
      source.write(changed);
      assert.deepEqual(errors(), []);
    },
  };
}

function proxy(namespace: string, labels: Record<string, string>, address = '10.0.0.1'): ProxyNode {
  const metadata = { NAMESPACE: namespace, LABELS: labels, INSTANCE_IPS: address, ISTIO_VERSION: '1.32.0' };
  const id = `router~${address}~gw.${namespace}~${namespace}.svc.cluster.local`;
  const node = readNode({ id, metadata, locality: { region: '', zone: '' } });
  assert.ok(!('error' in node));
  return node;
}

const EDGE = proxy('edge', { 'gateway.networking.k8s.io/gateway-name': 'gw' });

/** 'NAME' → the resource's bytes as text, in which names and clusters can be looked for. */
function seen({ state }: Mesh, typeUrl: string, node = EDGE): Map<string, string> {
  const key = `${node.id} ${JSON.stringify(node.labels)}`;
  const view = state.connect(key, { ...node, isProved: true });
  const found = new Map<string, string>();
  for (const table of view.tables(typeUrl)) {
    for (const name of table.names()) found.set(name, Buffer.from(table.get(name)!.body).toString('latin1'));
  }
  state.disconnect(key);
  return found;
}

function complaints({ state }: Mesh, key: string): string[] {
  return state.stages.complaints.flatMap((all) =>
    (all.get(key) ?? []).map(({ fieldPath, message }) => `${fieldPath}: ${message}`),
  );
}

const SERVICE = (name: string, namespace: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
  'spec: {clusterIP: 10.1.0.9, clusterIPs: [10.1.0.9], ports: [{name: http, port: 80, targetPort: 80}]}\n';
const GATEWAY = (listeners: string, more = '', namespace = 'edge'): string =>
  `${API}kind: Gateway\nmetadata: {name: gw, namespace: ${namespace}}\n` +
  `spec: {gatewayClassName: istio, ${more} listeners: [${listeners}]}\n`;
const LISTENER = (name: string, rest: string): string => `{name: ${name}, ${rest}}`;
const ROUTE = (namespace: string, name: string, rest = '', parent = ''): string =>
  `${API}kind: HTTPRoute\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
  `spec: {parentRefs: [{name: gw, namespace: edge${parent}}], ${rest}` +
  `rules: [{backendRefs: [{name: ${name}, port: 80}]}]}\n`;
const SECRET = (namespace: string, name: string): string => {
  const text = (value: string): string => Buffer.from(value).toString('base64');
  const data = `{tls.crt: ${text(LEAF.pem)}, tls.key: ${text(LEAF.keyPem)}, ca.crt: ${text(CA.pem)}}`;
  return (
    `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
    `type: kubernetes.io/tls\ndata: ${data}\n`
  );
};
const NAMESPACE = (name: string, labels: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {${labels}}}\n`;
const CLUSTER = (name: string, namespace = 'shop'): string => `outbound|80||${name}.${namespace}.svc.cluster.local`;

const HTTP = (from = 'All', more = ''): string =>
  LISTENER('http', `port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: ${from}${more}}}`);
const SHOP: Files = { 's.yaml': SERVICE('shop', 'shop'), 'r.yaml': ROUTE('shop', 'shop') };

describe('proxies that play a Gateway', () => {
  test('those with its name in its namespace, and no others', () => {
    const mesh = meshOf({ 'g.yaml': GATEWAY(HTTP()), ...SHOP });
    assert.deepEqual([...seen(mesh, LISTENERS).keys()], ['0.0.0.0_80']);
    const labels = EDGE.labels;
    assert.equal(seen(mesh, LISTENERS, proxy('shop', labels)).size, 0);
    assert.equal(seen(mesh, LISTENERS, proxy('edge', {})).size, 0);
  });

  test('the endpoints of the service that its address names, in its own namespace only', () => {
    const slice =
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: i, namespace: edge, ' +
      'labels: {kubernetes.io/service-name: ingress}}\naddressType: IPv4\n' +
      'endpoints: [{addresses: [10.0.0.7]}]\nports: [{name: http, port: 8080}]\n';
    const files = { 'i.yaml': SERVICE('ingress', 'edge'), 'e.yaml': slice, ...SHOP };
    const address = (host: string): string => `addresses: [{type: Hostname, value: ${host}}],`;
    const node = proxy('edge', {}, '10.0.0.7');
    const mesh = meshOf({ ...files, 'g.yaml': GATEWAY(HTTP(), address('ingress')) });
    assert.deepEqual([...seen(mesh, LISTENERS, node).keys()], ['0.0.0.0_8080']);
    assert.equal(seen(mesh, LISTENERS, EDGE).size, 0);
    mesh.write({ 'g.yaml': GATEWAY(HTTP(), address('ingress.edge.svc.cluster.local'), 'evil') });
    assert.equal(seen(mesh, LISTENERS, node).size, 0);
    assert.match(complaints(mesh, 'gateway.networking.k8s.io:Gateway/evil/gw').join(), /AddressNotUsable/);
  });

  test('classes of others are left to them', () => {
    const gatewayClass = (controller: string): string =>
      `${API}kind: GatewayClass\nmetadata: {name: mine}\nspec: {controllerName: ${controller}}\n`;
    const gateway = GATEWAY(HTTP()).replace('istio', 'mine');
    const mesh = meshOf({ 'g.yaml': gateway, ...SHOP });
    const key = 'gateway.networking.k8s.io:Gateway/edge/gw';
    assert.match(complaints(mesh, key).join(), /there is no GatewayClass mine/);
    assert.equal(seen(mesh, LISTENERS).size, 0);
    mesh.write({ 'c.yaml': gatewayClass('example.com/other') });
    assert.deepEqual([complaints(mesh, key), seen(mesh, LISTENERS).size], [[], 0]);
    mesh.write({ 'c.yaml': null });
    mesh.write({ 'c.yaml': gatewayClass('heddle.dev/gateway-controller') });
    assert.equal(seen(mesh, LISTENERS).size, 1);
  });
});

describe('routes', () => {
  const table = (mesh: Mesh): string => seen(mesh, ROUTES).get('http.80') ?? '';

  test('of other namespaces join only where the listener lets them', () => {
    const mesh = meshOf({ 'g.yaml': GATEWAY(HTTP('Same')), ...SHOP });
    assert.doesNotMatch(table(mesh), /outbound/);
    assert.match(complaints(mesh, 'HTTPRoute/shop/shop').join(), /parentRefs\[0\]: NotAllowedByListeners: .* shop/);
    mesh.write({ 'g.yaml': GATEWAY(HTTP('All')) });
    assert.ok(table(mesh).includes(CLUSTER('shop')));
    assert.deepEqual(complaints(mesh, 'HTTPRoute/shop/shop'), []);
  });

  test('join by the labels of their namespace, as those change', () => {
    const selector = (text: string): string => GATEWAY(HTTP('Selector', `, selector: {${text}}`));
    const mesh = meshOf({ 'g.yaml': selector('matchLabels: {team: a}'), ...SHOP });
    assert.doesNotMatch(table(mesh), /outbound/);
    mesh.write({ 'n.yaml': NAMESPACE('shop', 'team: a') });
    assert.match(table(mesh), /outbound/);
    mesh.write({ 'n.yaml': NAMESPACE('shop', 'team: b') });
    assert.doesNotMatch(table(mesh), /outbound/);
    mesh.write({
      'g.yaml': selector('matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop]}]'),
    });
    assert.match(table(mesh), /outbound/);
    // A label of that name does not make it another namespace.
    mesh.write({
      'n.yaml': NAMESPACE('shop', 'kubernetes.io/metadata.name: edge'),
      'g.yaml': selector('matchLabels: {kubernetes.io/metadata.name: edge}'),
    });
    assert.doesNotMatch(table(mesh), /outbound/);
  });

  test('join by section, port, host and kind, and say why not', () => {
    const listener = 'port: 80, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}';
    const mesh = meshOf({ 'g.yaml': GATEWAY(LISTENER('http', `${listener}}`)), ...SHOP });
    const reason = (): string => complaints(mesh, 'HTTPRoute/shop/shop').join();
    assert.equal(reason(), '');
    mesh.write({ 'r.yaml': ROUTE('shop', 'shop', 'hostnames: [other.com], ') });
    assert.match(reason(), /NoMatchingListenerHostname: .*other.com/);
    mesh.write({ 'r.yaml': ROUTE('shop', 'shop', '', ', sectionName: https') });
    assert.match(reason(), /NoMatchingParent/);
    mesh.write({ 'r.yaml': ROUTE('shop', 'shop', '', ', port: 81') });
    assert.match(reason(), /NoMatchingParent/);
    mesh.write({
      'r.yaml': SHOP['r.yaml'] as string,
      'g.yaml': GATEWAY(LISTENER('http', `${listener}, kinds: [{kind: GRPCRoute}]}`)),
    });
    assert.match(reason(), /NotAllowedByListeners: listener http takes no HTTPRoute/);
    assert.doesNotMatch(table(mesh), /outbound/);
  });

  test('name backends of other namespaces only with a grant', () => {
    const backend = 'rules: [{backendRefs: [{name: vault, namespace: safe, port: 80}]}]';
    const route = ROUTE('shop', 'shop').replace(/rules: .*}\n/, `${backend}}\n`);
    const mesh = meshOf({ 'g.yaml': GATEWAY(HTTP()), 's.yaml': SERVICE('vault', 'safe'), 'r.yaml': route });
    assert.doesNotMatch(table(mesh), /outbound/);
    const grant = (from: string): string =>
      `${API.replace('/v1\n', '/v1beta1\n')}kind: ReferenceGrant\nmetadata: {name: g, namespace: safe}\nspec: {from: ` +
      `[{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: ${from}}], to: [{group: "", kind: Service}]}\n`;
    mesh.write({ 'grant.yaml': grant('edge') });
    assert.doesNotMatch(table(mesh), /outbound/);
    mesh.write({ 'grant.yaml': grant('shop') });
    assert.ok(table(mesh).includes(CLUSTER('vault', 'safe')));
  });

  test('of Istio do not join listeners by the names that those have inside', () => {
    const virtualService =
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: edge}\n' +
      'spec: {hosts: ["*"], gateways: ["edge/gw~istio-autogenerated-k8s-gateway~http"], ' +
      'http: [{route: [{destination: {host: shop.shop.svc.cluster.local}}]}]}\n';
    const mesh = meshOf({
      'g.yaml': GATEWAY(HTTP('Same')),
      's.yaml': SERVICE('shop', 'shop'),
      'v.yaml': virtualService,
    });
    assert.doesNotMatch(table(mesh), /outbound/);
  });
});

describe('certificates', () => {
  const KEY = 'gateway.networking.k8s.io:Gateway/edge/gw';
  const https = (ref: string, host = 'a.com'): string =>
    LISTENER('https', `port: 443, protocol: HTTPS, hostname: ${host}, tls: {certificateRefs: [${ref}]}`);
  const route = { 'r.yaml': ROUTE('edge', 'shop'), 's.yaml': SERVICE('shop', 'edge') };
  const chains = (mesh: Mesh): string => seen(mesh, LISTENERS).get('0.0.0.0_443') ?? '';
  const grant = (kind: string, namespace = 'edge'): string =>
    `${API.replace('/v1\n', '/v1beta1\n')}kind: ReferenceGrant\nmetadata: {name: g, namespace: safe}\nspec: {from: ` +
    `[{group: gateway.networking.k8s.io, kind: ${kind}, namespace: ${namespace}}], ` +
    'to: [{group: "", kind: Secret, name: c}]}\n';

  test('a listener without a usable one is not programmed, the others are', () => {
    const mesh = meshOf({ 'g.yaml': GATEWAY(`${HTTP()}, ${https('{name: c}')}`), ...route });
    assert.deepEqual([...seen(mesh, LISTENERS).keys()], ['0.0.0.0_80']);
    assert.match(
      complaints(mesh, KEY).join(),
      /listeners\[1\].tls.certificateRefs\[0\]: InvalidCertificateRef: there is no Secret/,
    );
    mesh.write({ 'c.yaml': SECRET('edge', 'c') });
    assert.match(chains(mesh), /kubernetes-gateway:\/\/edge\/c/);
    assert.deepEqual(complaints(mesh, KEY), []);
    assert.deepEqual(
      [...seen(mesh, SECRETS).keys()],
      ['kubernetes-gateway://edge/c', 'kubernetes-gateway://edge/c-cacert'],
    );
  });

  test('of another namespace need its grant, for that kind and namespace', () => {
    const files = { 'g.yaml': GATEWAY(https('{name: c, namespace: safe}')), 'c.yaml': SECRET('safe', 'c'), ...route };
    const mesh = meshOf(files);
    for (const refused of [grant('HTTPRoute'), grant('ListenerSet'), grant('Gateway', 'shop')]) {
      mesh.write({ 'grant.yaml': refused });
      assert.equal(chains(mesh), '');
      assert.match(complaints(mesh, KEY).join(), /RefNotPermitted/);
      assert.equal(seen(mesh, SECRETS).size, 0);
    }
    mesh.write({ 'grant.yaml': grant('Gateway') });
    assert.match(chains(mesh), /kubernetes-gateway:\/\/safe\/c/);
    assert.equal(seen(mesh, SECRETS).size, 2);
  });

  test('of callers are asked for on all listeners of the port, those of sets too', () => {
    const config =
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: roots, namespace: edge}\n` +
      `data: {ca.crt: ${JSON.stringify(CA.pem)}}\n`;
    const roots = '{validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: roots}]}}';
    const more = `allowedListeners: {namespaces: {from: All}}, tls: {frontend: {default: ${roots}}},`;
    const set =
      `${API}kind: ListenerSet\nmetadata: {name: set, namespace: shop}\n` +
      'spec: {parentRef: {name: gw, namespace: edge}, ' +
      `listeners: [${https('{name: c}', 'b.com')}]}\n`;
    const mesh = meshOf({
      ...{ 'g.yaml': GATEWAY(https('{name: c}'), more), 'c.yaml': SECRET('edge', 'c'), 'd.yaml': SECRET('shop', 'c') },
      ...{ 'set.yaml': set, ...route },
    });
    // Without the authorities nobody can be checked, so nobody is let in.
    assert.equal(chains(mesh), '');
    assert.match(
      complaints(mesh, 'ListenerSet/shop/set').join(),
      /InvalidCACertificateRef: there is no ConfigMap edge\/roots/,
    );
    mesh.write({ 'roots.yaml': config });
    assert.equal(chains(mesh).split('configmap://edge/roots').length, 3);
    // The set's own certificate goes to the proxies of its Gateway.
    assert.ok(seen(mesh, SECRETS).has('kubernetes-gateway://shop/c'));
  });
});

describe('sets of listeners', () => {
  const set = (listeners: string, namespace = 'shop', more = ''): string =>
    `${API}kind: ListenerSet\nmetadata: {name: set, namespace: ${namespace}${more}}\n` +
    `spec: {parentRef: {name: gw, namespace: edge}, listeners: [${listeners}]}\n`;
  const own = LISTENER('own', 'port: 81, protocol: HTTP');
  const route =
    `${API}kind: HTTPRoute\nmetadata: {name: shop, namespace: shop}\n` +
    'spec: {parentRefs: [{kind: ListenerSet, name: set}], ' +
    'rules: [{backendRefs: [{name: shop, port: 80}]}]}\n';
  const files = { 's.yaml': SERVICE('shop', 'shop'), 'r.yaml': route, 'set.yaml': set(own) };

  test('join only where the Gateway lets them', () => {
    const mesh = meshOf({ ...files, 'g.yaml': GATEWAY(HTTP()) });
    assert.deepEqual([...seen(mesh, LISTENERS).keys()], ['0.0.0.0_80']);
    assert.match(complaints(mesh, 'ListenerSet/shop/set').join(), /NotAllowed: Gateway edge\/gw takes no ListenerSets/);
    mesh.write({ 'g.yaml': GATEWAY(HTTP(), 'allowedListeners: {namespaces: {from: Same}},') });
    assert.deepEqual([...seen(mesh, LISTENERS).keys()], ['0.0.0.0_80']);
    mesh.write({ 'g.yaml': GATEWAY(HTTP(), 'allowedListeners: {namespaces: {from: All}},') });
    assert.deepEqual([...seen(mesh, LISTENERS).keys()], ['0.0.0.0_80', '0.0.0.0_81']);
    assert.ok(seen(mesh, ROUTES).get('http.81')?.includes(CLUSTER('shop')));
    assert.ok(!seen(mesh, ROUTES).get('http.80')?.includes('outbound'));
    mesh.write({ 'g.yaml': null });
    assert.match(complaints(mesh, 'ListenerSet/shop/set').join(), /the parent is no Gateway/);
  });

  test('cannot take what the Gateway or an older one has', () => {
    const gateway = GATEWAY(HTTP(), 'allowedListeners: {namespaces: {from: All}},');
    const mesh = meshOf({ ...files, 'g.yaml': gateway, 'set.yaml': set(LISTENER('own', 'port: 80, protocol: HTTP')) });
    assert.match(complaints(mesh, 'ListenerSet/shop/set').join(), /HostnameConflict: port 80/);
    mesh.write({ 'set.yaml': set(LISTENER('own', 'port: 80, protocol: TCP')) });
    assert.match(complaints(mesh, 'ListenerSet/shop/set').join(), /ProtocolConflict: port 80/);
    mesh.write({ 'set.yaml': set(LISTENER('own', 'port: 80, protocol: HTTP, hostname: a.com')) });
    assert.deepEqual(complaints(mesh, 'ListenerSet/shop/set'), []);
  });
});

test('TLS that ends at a listener goes on as TCP, by TLSRoutes and TCPRoutes', () => {
  const tls = LISTENER(
    'tls',
    'port: 443, protocol: TLS, hostname: a.com, tls: {mode: Terminate, certificateRefs: [{name: c}]}',
  );
  const route = (kind: string, hosts: string): string =>
    `${API}kind: ${kind}\nmetadata: {name: r, namespace: edge}\nspec: {parentRefs: [{name: gw}], ${hosts}` +
    'rules: [{backendRefs: [{name: shop, port: 80}]}]}\n';
  for (const text of [route('TLSRoute', 'hostnames: [a.com], '), route('TCPRoute', '')]) {
    const files = { 's.yaml': SERVICE('shop', 'edge'), 'c.yaml': SECRET('edge', 'c'), 'r.yaml': text };
    const chains = seen(meshOf({ ...files, 'g.yaml': GATEWAY(tls) }), LISTENERS).get('0.0.0.0_443') ?? '';
    assert.ok(chains.includes(CLUSTER('shop', 'edge')) && chains.includes('kubernetes-gateway://edge/c'));
  }
});

test('a change of one route changes the table of its port alone', () => {
  const other = LISTENER('other', 'port: 81, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}');
  const at = (section: string): string => `, sectionName: ${section}`;
  const mesh = meshOf({
    ...{ 'g.yaml': GATEWAY(`${HTTP()}, ${other}`), 's.yaml': SERVICE('shop', 'shop') },
    'r.yaml': ROUTE('shop', 'shop', 'hostnames: [a.com], ', at('http')),
  });
  const view = mesh.state.connect('edge', { ...EDGE, isProved: true });
  const versions = (): Map<string, string> =>
    new Map(
      [LISTENERS, ROUTES].flatMap((type) =>
        view
          .tables(type)
          .flatMap((table) => [...table.names()].map((name) => [name, table.get(name)!.version] as const)),
      ),
    );
  const before = versions();
  mesh.write({ 'r.yaml': ROUTE('shop', 'shop', 'hostnames: [b.com], ', at('http')) });
  const after = versions();
  assert.deepEqual([...after.keys()].sort(), ['0.0.0.0_80', '0.0.0.0_81', 'http.80', 'http.81']);
  assert.deepEqual(
    [...after].filter(([name, version]) => before.get(name) !== version).map(([name]) => name),
    ['http.80'],
  );
});

test('a policy of backends is complained of', () => {
  const policy =
    `${API}kind: BackendTLSPolicy\nmetadata: {name: p, namespace: shop}\n` +
    'spec: {targetRefs: [{group: "", kind: Service, ' +
    'name: shop}], validation: {hostname: a.com, wellKnownCACertificates: System}}\n';
  const mesh = meshOf({ 'p.yaml': policy });
  assert.match(complaints(mesh, 'BackendTLSPolicy/shop/p').join(), /not yet effective/);
});
