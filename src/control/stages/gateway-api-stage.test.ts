// Gateways of the Gateway API: which proxies play them, and which routes join.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  API,
  LISTENERS,
  ROUTES,
  type Mesh,
  meshOf,
  proxy,
  EDGE,
  seen,
  complaints,
  SERVICE,
  GATEWAY,
  LISTENER,
  ROUTE,
  NAMESPACE,
  CLUSTER,
  HTTP,
  SHOP,
} from '../../../test/control/gateway-api-rig.ts';

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

  test('what has no place beside an older Gateway of the same proxies is complained of', () => {
    const istio = (name: string, host: string): string =>
      `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: ${name}, namespace: edge}\n` +
      `spec: {selector: {app: gw}, servers: [{port: {number: 443, name: s, protocol: HTTPS}, hosts: [${host}], ` +
      'tls: {mode: SIMPLE, credentialName: c}}]}\n';
    const mesh = meshOf({ 'one.yaml': istio('one', 'a.com'), 'two.yaml': istio('two', 'a.com') });
    assert.deepEqual(complaints(mesh, 'Gateway/edge/one'), []);
    assert.match(complaints(mesh, 'Gateway/edge/two').join(), /spec.servers: .*a.com are taken by an older server/);
    mesh.write({ 'two.yaml': istio('two', 'b.com') });
    assert.deepEqual(complaints(mesh, 'Gateway/edge/two'), []);
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
