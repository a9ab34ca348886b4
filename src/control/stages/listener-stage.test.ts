// Listeners that our stages make of a captured istiod's input, against those that it sent; and what a change costs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { canonical, captureRig, shown, stageRig, type StageRig } from '../../../test/control/stage-rig.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { readNode } from '../model/node.ts';
import { workloadKey } from '../model/labels.ts';
import { familiesOf, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import { accessLogsStage } from './access-logs-stage.ts';
import { type ListenerResources, listenerStage, listenerTables } from './listener-stage.ts';
import { routesStage } from './routes-stage.ts';
import { type ScopesStage, scopesStage } from './scopes-stage.ts';
import { securityStage } from './security-stage.ts';
import { servicesStage } from './services-stage.ts';
import { trafficPolicyStage } from './traffic-policy-stage.ts';

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';

type Stages = { readonly rig: StageRig; readonly listeners: ListenerResources; readonly scopes: ScopesStage };

function stagesOf(rig: StageRig): Stages {
  const services = servicesStage(rig.inputs);
  const policies = trafficPolicyStage(rig.inputs, services);
  const { routeSets } = routesStage(rig.inputs, services);
  const security = securityStage(rig.inputs);
  const scopes = scopesStage(rig.inputs, { services: services.services, routeSets });
  const accessLogs = accessLogsStage(rig.inputs);
  const listeners = listenerStage(rig.inputs, { services, policies, routeSets, scopes, security, accessLogs });
  return { rig, listeners, scopes };
}

function nodeOf(capture: string, stock = false): ProxyNode {
  const { id, metadata } = openCapture(capture).node as { id: string; metadata: Record<string, unknown> };
  const node = readNode({ id, metadata: stock ? { ...metadata, HEDDLE_PROXY: 'envoy' } : metadata });
  assert(!('error' in node));
  return node;
}

/** All listeners of the proxy, which follow what is written to the rig later. */
function listenersOf({ rig, listeners, scopes }: Stages, node: ProxyNode): () => readonly EncodedResource[] {
  const { role, kind, namespace, dnsDomain, interception, locality, network, cluster, dnsCapture, http10 } = node;
  const all = rig.inputs.graph.memo<readonly EncodedResource[]>(`listeners of ${node.id}`, (_key, read) => {
    const sidecar = read.get(scopes.sidecarOf, workloadKey(namespace, node.labels));
    const facts: ProxyClass = {
      ...{ role, kind, namespace, dnsDomain, sidecar, labels: {}, families: familiesOf(node.addresses) },
      ...{ interception, explicit: node.explicit !== null, locality, network, cluster, dnsCapture, http10 },
    };
    return listenerTables(listeners, facts, node, read).flatMap(({ memo, key }) => read.get(memo, key));
  });
  all.retain('');
  return () => all.get('') ?? [];
}

const CAPTURES = [
  ...['01-plain-sidecar/client', '01-plain-sidecar/server', '03-vs-split-8020/client', '07-dr-tls-modes/client'],
  ...['11-egress-gateway/client', '12-sidecar-scoping/server', '12-sidecar-scoping/other'],
  ...['13-authz-allow-deny/server', '13-authz-allow-deny/tcpserver', '17-peerauth-strict/client'],
  ...['17-peerauth-strict/server', '18-peerauth-portlevel/client', '18-peerauth-portlevel/server'],
  ...['24-serviceentry-external/client', '25-workloadentry-locality/client', '36-tproxy-and-none/none'],
  ...['36-tproxy-and-none/tproxy', '40-stock-envoy-flags/client', '40-stock-envoy-flags/server'],
];

describe('listeners of captured proxies', () => {
  for (const capture of CAPTURES) {
    test(capture, () => {
      const stages = stagesOf(captureRig(capture));
      const ours = listenersOf(stages, nodeOf(capture, capture.startsWith('40')))();
      const theirs = openCapture(capture).types.get(LISTENER) ?? [];
      assert.deepEqual(ours.map(({ name }) => name).sort(), theirs.map(({ name }) => name).sort());
      for (const { name, json } of theirs) {
        const own = ours.find((one) => one.name === name) as EncodedResource;
        assert.deepEqual(shown(LISTENER, own.body), canonical(json), name);
      }
    });
  }
});

const SERVICE = (name: string, ip: string, port: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec:
  clusterIP: ${ip}
  ports: [${port}]
`;

const CALLER = readNode({
  id: 'sidecar~10.9.9.9~caller.shop~shop.svc.cluster.local',
  metadata: { NAMESPACE: 'shop', INSTANCE_IPS: '10.9.9.9', LABELS: { app: 'caller' }, ISTIO_VERSION: '1.32.0' },
}) as ProxyNode;

function shop(count: number): Record<string, string> {
  const files: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    files[`tcp-${i}.yaml`] = SERVICE(`tcp-${i}`, `10.1.0.${i + 1}`, '{name: tcp, port: 5000}');
    files[`http-${i}.yaml`] = SERVICE(`http-${i}`, `10.2.0.${i + 1}`, '{name: http, port: 80}');
  }
  return files;
}

describe('what a change costs', () => {
  const ENCODED = ['outbound listeners', 'virtual outbound listeners', 'inbound listeners'];
  const encodings = ({ rig }: Stages): number =>
    ENCODED.reduce((sum, name) => sum + (rig.inputs.graph.recomputed.get(name) ?? 0), 0);

  test('a new service is encoded alone, and only where it has a listener of its own', () => {
    const stages = stagesOf(stageRig(shop(40)));
    const ours = listenersOf(stages, CALLER);
    assert.equal(ours().length, 40 + 3);
    const before = new Map(ours().map((one) => [one.name, one]));
    stages.rig.write({ 'new.yaml': SERVICE('new', '10.3.0.1', '{name: tcp, port: 5000}') });
    assert.equal(encodings(stages), 1);
    assert.equal(ours().length, 40 + 4);
    for (const one of ours()) if (one.name !== '10.3.0.1_5000') assert.equal(one, before.get(one.name), one.name);
    stages.rig.write({ 'more.yaml': SERVICE('more', '10.3.0.2', '{name: http, port: 80}') });
    assert.equal(encodings(stages), 0);
  });

  test('rules for requests change no listener, rules for connections theirs', () => {
    const stages = stagesOf(stageRig(shop(20)));
    const ours = listenersOf(stages, CALLER);
    const before = ours();
    const rule = (host: string, rules: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rule, namespace: shop}
spec:
  hosts: [${host}.shop.svc.cluster.local]
  ${rules}
`;
    stages.rig.write({ 'r.yaml': rule('http-3', 'http: [{route: [{destination: {host: http-4}}]}]') });
    assert.equal(encodings(stages), 0);
    assert.equal(ours(), before);
    const route = '{destination: {host: tcp-4}, weight: 30}, {destination: {host: tcp-5}, weight: 70}';
    stages.rig.write({ 'r.yaml': rule('tcp-3', `tcp: [{route: [${route}]}]`) });
    assert.equal(encodings(stages), 1);
    const changed = ours().filter((one, index) => one !== before[index]);
    assert.deepEqual(
      changed.map(({ name }) => name),
      ['10.1.0.4_5000'],
    );
    const text = JSON.stringify(shown(LISTENER, changed[0]?.body ?? Buffer.alloc(0)));
    assert.match(text, /"outbound\|5000\|\|tcp-4.shop.svc.cluster.local","weight":30/);
    assert.match(text, /"stat_prefix":"rule.shop"/);
  });

  test('replicas share their inbound listeners, callers of a namespace what names nobody', () => {
    const stages = stagesOf(stageRig(shop(5)));
    const first = listenersOf(stages, CALLER)();
    const replica = { ...CALLER, id: 'sidecar~10.9.9.8~caller2.shop~shop.svc.cluster.local', addresses: ['10.9.9.8'] };
    const second = listenersOf(stages, replica)();
    for (const [index, one] of first.entries()) assert.equal(second[index], one);
    const other = { ...CALLER, id: 'sidecar~10.9.9.7~other.shop~shop.svc.cluster.local', labels: { app: 'other' } };
    const third = listenersOf(stages, { ...other, labels: { 'service.istio.io/canonical-name': 'other' } })();
    const differing = third.filter((one, index) => one !== first[index]).map(({ name }) => name);
    assert.deepEqual(differing, ['0.0.0.0_80', 'virtualInbound']);
  });
});

describe('listeners of one namespace and objects of another', () => {
  const texts = (resources: readonly EncodedResource[]): string[] =>
    resources.map(({ name, version }) => name + version);

  test('nothing that is not exported to it changes them', () => {
    const stages = stagesOf(stageRig(shop(3)));
    const ours = listenersOf(stages, CALLER);
    const before = texts(ours());
    stages.rig.write({
      'foreign.yaml': `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: evil}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: evil}
spec: {action: DENY, selector: {matchLabels: {app: caller}}, rules: [{}]}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: evil}
spec: {selector: {matchLabels: {app: caller}}, jwtRules: [{issuer: x, jwksUri: "https://example.com/keys"}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: steal, namespace: evil}
spec:
  exportTo: ["."]
  hosts: [tcp-1.shop.svc.cluster.local]
  tcp: [{route: [{destination: {host: evil.example.com}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shadow, namespace: evil}
spec:
  exportTo: ["."]
  hosts: [shadow.example.com]
  addresses: [10.1.0.1]
  ports: [{number: 5000, name: tcp, protocol: TCP}]
  resolution: STATIC
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: evil}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["./*"]}]}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: evil}
spec: {accessLogging: [{providers: [{name: envoy}]}]}
`,
    });
    assert.deepEqual(texts(ours()), before);
  });

  test('the root namespace reaches all of them', () => {
    const stages = stagesOf(stageRig(shop(1)));
    const ours = listenersOf(stages, CALLER);
    stages.rig.write({
      'root.yaml': `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: istio-system}
spec: {action: DENY, selector: {matchLabels: {app: caller}}, rules: [{to: [{operation: {ports: ["1"]}}]}]}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: istio-system}
spec: {accessLogging: [{providers: [{name: envoy}]}]}
`,
    });
    const inbound = ours().find(({ name }) => name === 'virtualInbound') as EncodedResource;
    const text = JSON.stringify(shown(LISTENER, inbound.body));
    assert.match(text, /ns\[istio-system\]-policy\[deny\]-rule\[0\]/);
    assert.match(text, /\/dev\/stdout/);
  });
});
