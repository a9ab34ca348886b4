// Listeners of the Gateway API: certificates, sets that join, and what ends there.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decoded,
  FROM_ALL,
  CA,
  API,
  LISTENERS,
  ROUTES,
  SECRETS,
  type Mesh,
  meshOf,
  seen,
  complaints,
  SERVICE,
  GATEWAY,
  LISTENER,
  ROUTE,
  SECRET,
  CLUSTER,
  HTTP,
  hostsOf,
} from '../../../test/control/gateway-api-rig.ts';

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
    // Names sort before the Gateway's, and yet its port stays its own.
    const tls = LISTENER('own', 'port: 80, protocol: TLS, hostname: a.com, tls: {mode: Passthrough}');
    mesh.write({ 'set.yaml': set(tls).replace('name: set', 'name: a-set') });
    assert.match(complaints(mesh, 'ListenerSet/shop/a-set').join(), /ProtocolConflict: port 80/);
    assert.ok(seen(mesh, ROUTES).has('http.80'));
    mesh.write({ 'set.yaml': set(LISTENER('own', 'port: 80, protocol: HTTP, hostname: a.com')) });
    assert.deepEqual(complaints(mesh, 'ListenerSet/shop/set'), []);
  });

  test('have their hosts for themselves', () => {
    const gateway = GATEWAY(HTTP(), 'allowedListeners: {namespaces: {from: All}},');
    const more = { 'g.yaml': gateway, 'e.yaml': ROUTE('edge', 'edge', 'hostnames: [a.com, b.com], ') };
    const mesh = meshOf({ ...files, ...more, 't.yaml': SERVICE('edge', 'edge'), 'set.yaml': set(own) });
    const clusters = (): unknown => hostsOf(mesh, 'http.80').map(([host, cluster]) => `${host} ${cluster}`);
    const [edge, shop] = [CLUSTER('edge', 'edge'), CLUSTER('shop')];
    assert.deepEqual(clusters(), [`a.com ${edge}`, `b.com ${edge}`]);
    mesh.write({ 'set.yaml': set(LISTENER('own', 'port: 80, protocol: HTTP, hostname: a.com')) });
    assert.deepEqual(clusters(), [`a.com ${shop}`, `b.com ${edge}`]);
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

test('TLS that is passed on is for the names of its own listener alone', () => {
  const pass = (name: string, hostname: string): string =>
    LISTENER(name, `port: 443, protocol: TLS, hostname: "${hostname}", tls: {mode: Passthrough}, ${FROM_ALL}`);
  const route = (namespace: string, section: string, hosts: string): string =>
    `${API}kind: TLSRoute\nmetadata: {name: r, namespace: ${namespace}}\n` +
    `spec: {parentRefs: [{name: gw, namespace: edge, sectionName: ${section}}], ${hosts}` +
    'rules: [{backendRefs: [{name: shop, port: 80}]}]}\n';
  const mesh = meshOf({
    'g.yaml': GATEWAY([pass('a', 'a.com'), pass('any', '*.com'), pass('b', 'b.com')].join(', ')),
    ...{
      'one.yaml': route('one', 'a', 'hostnames: ["*.com"], '),
      'two.yaml': route('two', 'any', 'hostnames: [b.com, c.com, a.com], '),
    },
    ...{ 'three.yaml': route('three', 'b', 'hostnames: ["*.com"], ') },
    ...{ '1.yaml': SERVICE('shop', 'one'), '2.yaml': SERVICE('shop', 'two'), '3.yaml': SERVICE('shop', 'three') },
  });
  const listener = decoded(LISTENERS, seen(mesh, LISTENERS).get('0.0.0.0_443')) as unknown as {
    filter_chains: {
      filter_chain_match: { server_names: string[] };
      filters: { typed_config: { cluster?: string } }[];
    }[];
  };
  const chains = listener.filter_chains.map(({ filter_chain_match: { server_names: names }, filters }) => [
    ...[names.join(), filters.at(-1)?.typed_config.cluster],
  ]);
  assert.deepEqual(chains.sort(), [
    ['a.com', CLUSTER('shop', 'one')],
    ['b.com', CLUSTER('shop', 'three')],
    ['c.com', CLUSTER('shop', 'two')],
  ]);
});

test('a listener without host ends TLS for all names', () => {
  const https = LISTENER('https', 'port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}');
  const files = { 'g.yaml': GATEWAY(https), 'c.yaml': SECRET('edge', 'c'), 'r.yaml': ROUTE('edge', 'shop') };
  const mesh = meshOf({ ...files, 's.yaml': SERVICE('shop', 'edge') });
  const listener = decoded(LISTENERS, seen(mesh, LISTENERS).get('0.0.0.0_443')) as { filter_chains: object[] };
  assert.deepEqual(
    listener.filter_chains.map((chain) => 'filter_chain_match' in chain),
    [false],
  );
});
