// Route configurations as istiod makes them, and what one change costs and concerns.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { canonical, captureRig, classOfNode, shown, type StageRig, stageRig } from '../../../test/control/stage-rig.ts';
import { workloadKey } from '../model/labels.ts';
import type { ProxyClass } from '../model/proxy.ts';
import { type RouteResources, routeKey, routeResourcesStage, tablesKey } from './route-resources-stage.ts';
import { type RoutesStage, routesStage } from './routes-stage.ts';
import { type ScopesStage, scopesStage } from './scopes-stage.ts';
import { servicesStage } from './services-stage.ts';
import { trafficPolicyStage } from './traffic-policy-stage.ts';

const ROUTE_TYPE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';

type Json = Record<string, unknown>;
type Stages = { readonly scopes: ScopesStage; readonly routes: RoutesStage; readonly resources: RouteResources };

function stagesOf({ inputs }: StageRig): Stages {
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const routes = routesStage(inputs, services, undefined, policies);
  const scopes = scopesStage(inputs, { services: services.services, routeSets: routes.routeSets });
  return { scopes, routes, resources: routeResourcesStage(inputs, { services, policies, routes, scopes }) };
}

/** The class of a node with the Sidecar that applies to it and the labels by which something selects. */
function fullClass(stages: Stages, node: Json, kind: ProxyClass['kind']): ProxyClass {
  const facts = classOfNode(node, kind);
  const all = (node['metadata'] as { LABELS?: Record<string, string> }).LABELS ?? {};
  const sidecar = stages.scopes.sidecarOf.retain(workloadKey(facts.namespace, all));
  const scope = sidecar === '' ? facts.namespace : `${facts.namespace}|${sidecar}`;
  const names = stages.resources.selectingLabels.retain(scope).filter((name) => all[name] !== undefined);
  return { ...facts, sidecar, labels: Object.fromEntries(names.map((name) => [name, all[name]!])) };
}

/** istiod writes query parameters in the order of a map, which is another one each time. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, sorted(inner)]);
  const object = Object.fromEntries(entries);
  const params = object['query_parameters'] as { name: string }[] | undefined;
  return params === undefined
    ? object
    : { ...object, query_parameters: params.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

describe('route configurations of sidecars are those of istiod', () => {
  const captures = [
    ...['01-plain-sidecar/client', '01-plain-sidecar/server', '02-dns-capture/client', '03-vs-split-8020/client'],
    ...['04-vs-match-rewrite-redirect/client', '05-vs-fault-retry-mirror-cors/client', '07-dr-tls-modes/client'],
    ...['11-egress-gateway/client', '12-sidecar-scoping/server', '12-sidecar-scoping/other'],
    ...['24-serviceentry-external/client', '25-workloadentry-locality/client', '40-stock-envoy-flags/client'],
    ...['08-gateway-http/client', '17-peerauth-strict/client'],
  ];
  for (const name of captures) {
    test(name, () => {
      const capture = openCapture(name);
      const stages = stagesOf(captureRig(name));
      const facts = fullClass(stages, capture.node as Json, name.startsWith('40') ? 'envoy' : 'istio-proxy');
      const captured = capture.types.get(ROUTE_TYPE) ?? [];
      const scope = facts.sidecar === '' ? facts.namespace : `${facts.namespace}|${facts.sidecar}`;
      assert.deepEqual(stages.resources.routeNames.retain(scope), captured.map((resource) => resource.name).sort());
      for (const resource of captured) {
        const made = stages.resources.routeConfigurations.retain(routeKey(facts, resource.name));
        assert.deepEqual(sorted(shown(ROUTE_TYPE, made.body)), sorted(canonical(resource.json as Json)), resource.name);
      }
    });
  }
});

const SERVICE = (name: string, namespace: string, port = 80): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
  `spec: {clusterIP: 10.1.0.${name.length}, clusterIPs: [10.1.0.${name.length}], selector: {app: ${name}}, ` +
  `ports: [{name: http, port: ${port}, targetPort: 80, protocol: TCP}]}\n`;
const VIRTUAL_SERVICE = (name: string, namespace: string, spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\n` +
  `metadata: {name: ${name}, namespace: ${namespace}}\nspec: {${spec}}\n`;
const ROUTE_TO = (host: string): string => `http: [{route: [{destination: {host: ${host}}}]}]`;

const CALLER = { id: 'sidecar~10.0.0.1~a.team~team.svc.cluster.local', metadata: { NAMESPACE: 'team' } };
const OTHER = { id: 'sidecar~10.0.0.2~b.other~other.svc.cluster.local', metadata: { NAMESPACE: 'other' } };

type Shown = {
  virtual_hosts: { name: string; domains: string[]; routes: { name: string; route?: Json; match: Json }[] }[];
  vhds?: unknown;
};

function table(stages: Stages, node: Json, name: string, labels: Record<string, string> = {}): Shown {
  const facts = { ...fullClass(stages, node, 'istio-proxy'), labels };
  return shown(ROUTE_TYPE, stages.resources.routeConfigurations.retain(routeKey(facts, name)).body) as Shown;
}

/** Names of virtual hosts with the clusters of their routes. */
function clusters({ virtual_hosts: hosts }: Shown): Record<string, unknown[]> {
  return Object.fromEntries(hosts.map(({ name, routes }) => [name, routes.map(({ route }) => route?.['cluster'])]));
}

test('tables of libraries for gRPC are those of istiod', () => {
  const capture = openCapture('35-proxyless-grpc/grpc');
  const stages = stagesOf(captureRig('35-proxyless-grpc'));
  const facts = fullClass(stages, capture.node as Json, 'grpc');
  const tables = stages.resources.tables.retain(tablesKey(facts));
  for (const { name, json } of capture.types.get(ROUTE_TYPE) ?? []) {
    const made = tables.find((resource) => resource.name === name);
    assert.deepEqual(shown(ROUTE_TYPE, made?.body ?? Buffer.alloc(0)), canonical(json as Json), name);
  }
});

test('labels by which no route selects do not part tables', () => {
  const stages = stagesOf(captureRig('01-plain-sidecar'));
  const facts = fullClass(stages, openCapture('01-plain-sidecar/client').node as Json, 'istio-proxy');
  const [one] = stages.resources.tables.retain(tablesKey({ ...facts, labels: { zone: 'a' } }));
  const [other] = stages.resources.tables.retain(tablesKey({ ...facts, labels: { zone: 'b' } }));
  assert.equal(one, other);
});

describe('what one object concerns', () => {
  test('one changed virtual service makes its hosts anew, and only them', () => {
    const files: Record<string, string> = {};
    for (let i = 0; i < 50; i += 1) {
      files[`s${i}.yaml`] = SERVICE(`s${i}`, 'team');
      files[`v${i}.yaml`] = VIRTUAL_SERVICE(`s${i}`, 'team', `hosts: [s${i}], ${ROUTE_TO(`s${i}`)}`);
    }
    const rig = stageRig(files);
    const stages = stagesOf(rig);
    const { graph } = rig.inputs;
    const ours = tablesKey(fullClass(stages, CALLER, 'heddle'));
    const before = stages.resources.tableHosts.retain(ours);
    stages.resources.tables.retain(ours);
    stages.resources.tables.retain(tablesKey(fullClass(stages, CALLER, 'istio-proxy')));
    rig.write({
      'v7.yaml': VIRTUAL_SERVICE('s7', 'team', `hosts: [s7], http: [{route: [{destination: {host: s8}}]}]`),
    });
    assert.equal(graph.recomputed.get('routes of virtual hosts'), 1);
    assert.equal(graph.recomputed.get('virtual hosts'), 1);
    assert.equal(graph.recomputed.get('route plans') ?? 0, 0);
    const after = stages.resources.tableHosts.get(ours)!;
    assert.deepEqual(
      after.filter((resource, index) => resource !== before[index]).map(({ name }) => name),
      ['80/s7.team.svc.cluster.local:80'],
    );
  });

  test('an endpoint changes nothing', () => {
    const rig = stageRig({ 's.yaml': SERVICE('shop', 'team') });
    const stages = stagesOf(rig);
    stages.resources.tables.retain(tablesKey(fullClass(stages, CALLER, 'istio-proxy')));
    rig.write({
      'e.yaml':
        'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: shop-1, namespace: team, ' +
        'labels: {kubernetes.io/service-name: shop}}\naddressType: IPv4\nendpoints: [{addresses: [10.0.0.9]}]\n' +
        'ports: [{name: http, port: 80, protocol: TCP}]\n',
    });
    const { recomputed } = rig.inputs.graph;
    for (const name of ['route configurations', 'route plans', 'routes of virtual hosts']) {
      assert.equal(recomputed.get(name) ?? 0, 0, name);
    }
  });

  test('routes of another namespace change nothing unless they are exported', () => {
    const shop = SERVICE('shop', 'team');
    const evil = (exportTo: string): string =>
      VIRTUAL_SERVICE('evil', 'other', `hosts: [shop.team.svc.cluster.local], ${exportTo} ${ROUTE_TO('evil')}`);
    for (const exportTo of ['exportTo: ["."],', 'exportTo: [third],', 'exportTo: ["~"],']) {
      const stages = stagesOf(stageRig({ 's.yaml': shop, 'evil.yaml': evil(exportTo) }));
      const found = clusters(table(stages, CALLER, '80'));
      assert.deepEqual(found['shop.team.svc.cluster.local:80'], ['outbound|80||shop.team.svc.cluster.local'], exportTo);
    }
    const stages = stagesOf(stageRig({ 's.yaml': shop, 'evil.yaml': evil('exportTo: [team],') }));
    const found = clusters(table(stages, CALLER, '80'));
    assert.deepEqual(found['shop.team.svc.cluster.local:80'], ['outbound|80||evil.other.svc.cluster.local']);
  });

  test('of two virtual services for a host the older one has it', () => {
    const dated = (name: string, year: number): string =>
      VIRTUAL_SERVICE(name, 'team', `hosts: [shop], ${ROUTE_TO(name)}`).replace(
        'namespace: team}',
        `namespace: team, creationTimestamp: "${year}-01-01T00:00:00Z"}`,
      );
    const files = { 's.yaml': SERVICE('shop', 'team'), 'a.yaml': dated('a', 2024), 'z.yaml': dated('z', 2020) };
    const found = clusters(table(stagesOf(stageRig(files)), CALLER, '80'));
    assert.deepEqual(found['shop.team.svc.cluster.local:80'], ['outbound|80||z.team.svc.cluster.local']);
  });

  test('matches on labels and namespaces of callers hold for those alone', () => {
    const http =
      'http: [{match: [{sourceLabels: {app: a}}], route: [{destination: {host: a}}]}, ' +
      '{match: [{sourceNamespace: other}], route: [{destination: {host: b}}]}, {route: [{destination: {host: c}}]}]';
    const files = {
      's.yaml': SERVICE('shop', 'team'),
      'v.yaml': VIRTUAL_SERVICE('v', 'team', `hosts: [shop], ${http}`),
    };
    const stages = stagesOf(stageRig(files));
    const targets = (node: Json, labels = {}): unknown =>
      clusters(table(stages, node, '80', labels))['shop.team.svc.cluster.local:80'];
    assert.deepEqual(stages.resources.selectingLabels.retain('team'), ['app']);
    assert.deepEqual(targets(CALLER, { app: 'a' }), ['outbound|80||a.team.svc.cluster.local']);
    assert.deepEqual(targets(CALLER, { app: 'x' }), ['outbound|80||c.team.svc.cluster.local']);
    assert.deepEqual(targets(OTHER), ['outbound|80||b.team.svc.cluster.local']);
  });

  test('a wildcard has the services that no narrower host has', () => {
    const files = {
      's.yaml': SERVICE('shop', 'team'),
      't.yaml': SERVICE('store', 'team'),
      'w.yaml': VIRTUAL_SERVICE('w', 'team', `hosts: ["*.team.svc.cluster.local"], ${ROUTE_TO('wild')}`),
      'v.yaml': VIRTUAL_SERVICE('x', 'team', `hosts: [shop], ${ROUTE_TO('narrow')}`),
    };
    const found = clusters(table(stagesOf(stageRig(files)), CALLER, '80'));
    assert.deepEqual(found['shop.team.svc.cluster.local:80'], ['outbound|80||narrow.team.svc.cluster.local']);
    assert.deepEqual(found['store.team.svc.cluster.local:80'], ['outbound|80||wild.team.svc.cluster.local']);
  });

  test('a consistent hash of the service is the hash of its routes, and keeps the host on retries', () => {
    const rule =
      'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d, namespace: team}\n' +
      'spec: {host: shop, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}\n';
    const files = { 's.yaml': SERVICE('shop', 'team'), 'd.yaml': rule };
    const policy = [{ header: { header_name: 'x-user' } }];
    const [plain] = table(stagesOf(stageRig(files)), CALLER, '80').virtual_hosts;
    assert.deepEqual(plain?.routes[0]?.route?.['hash_policy'], policy);
    const routed = { ...files, 'v.yaml': VIRTUAL_SERVICE('v', 'team', `hosts: [shop], ${ROUTE_TO('shop')}`) };
    const [host] = table(stagesOf(stageRig(routed)), CALLER, '80').virtual_hosts;
    assert.deepEqual(host?.routes[0]?.route?.['hash_policy'], policy);
    const retries = host?.routes[0]?.route?.['retry_policy'] as { retry_host_predicate?: unknown } | undefined;
    assert.ok(retries !== undefined && retries.retry_host_predicate === undefined);
  });

  test('proxies of ours get a table that waits for its hosts, with what takes all others', () => {
    const stages = stagesOf(stageRig({ 's.yaml': SERVICE('shop', 'team') }));
    const facts = fullClass(stages, CALLER, 'heddle');
    const made = stages.resources.routeConfigurations.retain(routeKey(facts, '80'));
    const { vhds, virtual_hosts: hosts } = shown(ROUTE_TYPE, made.body) as Shown;
    assert.deepEqual(vhds, { config_source: { ads: {}, resource_api_version: 'V3' } });
    assert.deepEqual(
      hosts.map(({ name }) => name),
      ['allow_any'],
    );
    const names = stages.resources.virtualHosts.retain(routeKey(facts, '80')).map(({ name }) => name);
    assert.deepEqual(names, ['80/shop.team.svc.cluster.local:80']);
  });

  test('what a proxy would refuse has no effect, and takes nothing else with it', () => {
    const broken = [
      'http: [{match: [{uri: {regex: "("}}], route: [{destination: {host: shop}}]}]',
      'http: [{match: [{headers: {"": {exact: a}}}], route: [{destination: {host: shop}}]}]',
      'http: [{headers: {request: {set: {a: "100%"}}}, route: [{destination: {host: shop}}]}]',
      'http: [{rewrite: {uriRegexRewrite: {match: "a", rewrite: "\\\\3"}}, route: [{destination: {host: shop}}]}]',
      'http: [{fault: {abort: {httpStatus: 17, percentage: {value: 1}}}, route: [{destination: {host: shop}}]}]',
      'http: [{directResponse: {status: 17}}]',
      'http: [{corsPolicy: {allowOrigins: [{regex: "["}]}, route: [{destination: {host: shop}}]}]',
    ];
    for (const http of broken) {
      const files = {
        's.yaml': SERVICE('shop', 'team'),
        'v.yaml': VIRTUAL_SERVICE('v', 'team', `hosts: [shop], ${http}`),
      };
      const stages = stagesOf(stageRig(files));
      const [host] = table(stages, CALLER, '80').virtual_hosts;
      assert.equal(host?.routes[0]?.name, 'default', http);
      const complaint = stages.routes.complaints.get('VirtualService/team/v')?.[0];
      assert.deepEqual([complaint?.fieldPath, complaint?.severity], ['spec.http[0]', 'error'], http);
    }
  });

  test('backends without a share answer 500', () => {
    const http = 'http: [{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]}]';
    const files = {
      's.yaml': SERVICE('shop', 'team'),
      'v.yaml': VIRTUAL_SERVICE('v', 'team', `hosts: [shop], ${http}`),
    };
    const [host] = table(stagesOf(stageRig(files)), CALLER, '80').virtual_hosts;
    assert.deepEqual((host?.routes[0] as Json | undefined)?.['direct_response'], { status: 500 });
  });

  test('what users should know: older objects, subsets that there are not, hosts that are none', () => {
    const rule =
      'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d, namespace: team}\n' +
      'spec: {host: shop, subsets: [{name: v1, labels: {version: v1}}]}\n';
    const subset = (name: string): string => `{destination: {host: shop, subset: ${name}}, weight: 50}`;
    const split = `http: [{route: [${subset('v1')}, ${subset('v2')}]}]`;
    const far = `hosts: [shop.team.svc.cluster.local], exportTo: [z], ${ROUTE_TO('own')}`;
    const stages = stagesOf(
      stageRig({
        's.yaml': SERVICE('shop', 'team'),
        'd.yaml': rule,
        'a.yaml': VIRTUAL_SERVICE('a', 'team', `hosts: [shop, "*"], ${split}`),
        'b.yaml': VIRTUAL_SERVICE('b', 'team', `hosts: [shop, "x y"], ${ROUTE_TO('gone')}`),
        'c.yaml': VIRTUAL_SERVICE('c', 'other', far),
        'o.yaml': SERVICE('own', 'other'),
      }),
    );
    const complaints = (name: string): string[] =>
      (stages.routes.complaints.get(`VirtualService/${name}`) ?? []).map((one) => `${one.fieldPath}: ${one.message}`);
    const host = 'shop.team.svc.cluster.local';
    assert.deepEqual(complaints('team/a'), [
      "spec.hosts[1]: in the mesh, '*' stands for the services there are, not for hosts that nobody knows",
      `spec.http[0]: there is no subset v2 of ${host}`,
    ]);
    const older = complaints('team/b').at(-1);
    assert.equal(older, `spec.hosts[0]: requests to ${host} follow VirtualService/team/a, which is older`);
    assert.ok(!complaints('other/c').some((text) => text.includes('older')));
    const { virtual_hosts: hosts } = table(stages, CALLER, '80');
    assert.deepEqual(
      hosts.filter(({ domains }) => domains.includes('*')).map(({ name }) => name),
      ['allow_any'],
    );
  });
});
