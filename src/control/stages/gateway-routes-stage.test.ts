// Route configurations of gateways as istiod makes them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { canonical, captureRig, classOfNode, shown, type StageRig, stageRig } from '../../../test/control/stage-rig.ts';
import type { BoundServer } from '../generate/route/gateway-route.ts';
import { gatewayRouteKey, gatewayRoutesStage } from './gateway-routes-stage.ts';
import { routesStage } from './routes-stage.ts';
import { servicesStage } from './services-stage.ts';
import { trafficPolicyStage } from './traffic-policy-stage.ts';

const ROUTE_TYPE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
type Json = Record<string, unknown>;
type Servers = Record<string, readonly BoundServer[]>;
type Shown = { virtual_hosts?: { name: string; domains: string[]; routes?: { route: { cluster: string } }[] }[] };

function server(gateway: string, port: number, hosts: string, rest: Partial<BoundServer> = {}): BoundServer {
  const pairs = hosts.split(' ').map((text) => {
    const [namespace, host] = text.includes('/') ? text.split('/') : ['*', text];
    return { namespace: namespace!, host: host! };
  });
  return { gateway, port, isTls: false, httpsRedirect: false, hosts: pairs, attached: null, ...rest };
}

const HTTPS = { isTls: true };
const CAPTURES: Readonly<Record<string, Servers>> = {
  '08-gateway-http/gateway': { 'http.8080': [server('bookinfo/bookinfo-gw', 80, '*')] },
  '40-stock-envoy-flags/gateway': { 'http.8080': [server('bookinfo/bookinfo-gw', 80, '*')] },
  '09-gateway-https-sds/gateway': {
    'http.8080': [server('istio-system/gw', 80, 'bookinfo.example.com', { isTls: true, httpsRedirect: true })],
    'https.443.https-simple.gw.istio-system': [server('istio-system/gw', 443, 'bookinfo.example.com', HTTPS)],
    'https.443.https-mutual.gw.istio-system': [server('istio-system/gw', 443, 'mutual.example.com', HTTPS)],
    'https.443.https-optmutual.gw.istio-system': [server('istio-system/gw', 443, 'opt.example.com', HTTPS)],
    'https.443.https-files.gw.istio-system': [server('istio-system/gw', 443, 'files.example.com', HTTPS)],
    'https.443.https-istio.gw.istio-system': [server('istio-system/gw', 443, 'im.example.com', HTTPS)],
  },
  '11-egress-gateway/gateway': {
    'https.443.https-port-for-tls-origination.istio-egressgateway.bookinfo': [
      server('bookinfo/istio-egressgateway', 443, 'edition.cnn.com', HTTPS),
    ],
  },
};

/** The table of that name for a gateway in the namespace. */
function tablesOf(rig: StageRig, servers: Servers, namespace: string): (name: string) => unknown {
  const { inputs } = rig;
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const routes = routesStage(inputs, services);
  const serversOf = inputs.graph.memo('servers', (key) => servers[key.split('\n')[1]!] ?? []);
  const tables = gatewayRoutesStage(inputs, { services, policies, routes }, serversOf);
  return (name) => shown(ROUTE_TYPE, tables.retain(gatewayRouteKey({ namespace, labels: {} }, 'gw', name)).body);
}

describe('route configurations of gateways are those of istiod', () => {
  for (const [name, servers] of Object.entries(CAPTURES)) {
    test(name, () => {
      const capture = openCapture(name);
      const { namespace } = classOfNode(capture.node as Json, 'istio-proxy');
      const table = tablesOf(captureRig(name), servers, namespace);
      for (const resource of capture.types.get(ROUTE_TYPE) ?? []) {
        assert.deepEqual(table(resource.name), canonical(resource.json as Json), resource.name);
      }
    });
  }
});

const VIRTUAL_SERVICE = (name: string, rest: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ${name}}\nspec: {${rest}}\n`;

test('hosts meet, catch-alls come last, and routes of other namespaces only where servers take them', () => {
  const rig = stageRig({
    'a.yaml': VIRTUAL_SERVICE(
      'a, namespace: team',
      'hosts: [shop.example.com, "*.io"], gateways: [infra/gw], http: [{route: [{destination: {host: a.team.svc}}]}]',
    ),
    'b.yaml': VIRTUAL_SERVICE(
      'b, namespace: team',
      'hosts: [shop.example.com], gateways: [infra/gw], http: [{match: [{uri: {prefix: /b}}], ' +
        'route: [{destination: {host: b.team.svc}}]}]',
    ),
    'c.yaml': VIRTUAL_SERVICE(
      'c, namespace: evil',
      'hosts: [shop.example.com], gateways: [infra/gw], http: [{match: [{uri: {prefix: /c}}], ' +
        'route: [{destination: {host: c.evil.svc}}]}]',
    ),
    'd.yaml': VIRTUAL_SERVICE(
      'd, namespace: team',
      'hosts: [shop.example.com], gateways: [infra/gw], exportTo: ["."], http: [{match: [{uri: {prefix: /d}}], ' +
        'route: [{destination: {host: d.team.svc}}]}]',
    ),
  });
  const table = tablesOf(rig, { 'http.80': [server('infra/gw', 80, 'team/*.example.com team/x.io')] }, 'infra');
  const { virtual_hosts: hosts = [] } = table('http.80') as Shown;
  assert.deepEqual(
    hosts.map(({ name, domains, routes }) => [name, domains, routes?.map((one) => one.route.cluster)]),
    [
      ['shop.example.com:80', ['shop.example.com'], ['outbound|80||b.team.svc', 'outbound|80||a.team.svc']],
      ['x.io:80', ['x.io'], ['outbound|80||a.team.svc']],
    ],
  );
  assert.deepEqual(table('http.81'), { name: 'http.81', validate_clusters: false });
});

test('hosts with the same rules share a virtual host; a server without routes answers 404 everywhere', () => {
  const rig = stageRig({
    'a.yaml': VIRTUAL_SERVICE(
      'a, namespace: team',
      'hosts: [a.example.com, long.example.com], gateways: [gw], http: [{route: [{destination: {host: a.team.svc}}]}]',
    ),
  });
  const servers = { 'http.80': [server('team/gw', 80, '*')], 'http.81': [server('team/other', 81, '*')] };
  const table = tablesOf(rig, servers, 'infra');
  const [shared] = (table('http.80') as Shown).virtual_hosts ?? [];
  assert.deepEqual([shared?.name, shared?.domains], ['long.example.com:80', ['long.example.com', 'a.example.com']]);
  assert.deepEqual((table('http.81') as Shown).virtual_hosts, [{ name: 'blackhole:81', domains: ['*'] }]);
});
