// Listeners of gateways against those of captured istiods, and the servers that the captures do not have.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { canonical, captureRig, shown, type StageRig, stageRig } from '../../../test/control/stage-rig.ts';
import type { Listener } from '../../proto/generated/types.d.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { readNode } from '../model/node.ts';
import { familiesOf, type ProxyNode } from '../model/proxy.ts';
import { accessLogsStage } from './access-logs-stage.ts';
import { gatewayListenerStage, gatewayListenerTable } from './gateway-listener-stage.ts';
import { gatewaysStage } from './gateways-stage.ts';
import { routesStage } from './routes-stage.ts';
import { scopesStage } from './scopes-stage.ts';
import { securityStage } from './security-stage.ts';
import { servicesStage } from './services-stage.ts';
import { trafficPolicyStage } from './traffic-policy-stage.ts';

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';

/** All that the proxy listens on. */
function made({ inputs }: StageRig, node: ProxyNode): ReadonlyMap<string, EncodedResource> {
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const { routeSets } = routesStage(inputs, services);
  const security = securityStage(inputs);
  const gateways = gatewaysStage(inputs, services);
  const scopes = scopesStage(inputs, { services: services.services, routeSets });
  const accessLogs = accessLogsStage(inputs);
  const parts = { services, policies, routeSets, scopes, security, accessLogs, gateways };
  const stage = gatewayListenerStage(inputs, parts);
  const { kind, namespace, http10, addresses } = node;
  const facts = { kind, namespace, sidecar: '', labels: {}, families: familiesOf(addresses), http10 };
  const { memo, key } = gatewayListenerTable(stage, facts, node);
  return new Map(memo.retain(key).map((one) => [one.name, one]));
}

/** As messages, with what stands inside. */
function listenersOf(rig: StageRig): ReadonlyMap<string, Listener> {
  const type = registry.message('envoy.config.listener.v3.Listener');
  const pairs = [...made(rig, NODE)].map(([name, one]) => [name, decodeBinary(type, one.body) as Listener] as const);
  return new Map(pairs);
}

function nodeOf(capture: string): ProxyNode {
  const { id, metadata } = openCapture(capture).node as { id: string; metadata: Record<string, unknown> };
  const stock = capture.startsWith('40') ? { HEDDLE_PROXY: 'envoy' } : {};
  const node = readNode({ id, metadata: { ...metadata, ...stock } });
  assert(!('error' in node));
  return node;
}

function text(rig: StageRig, name: string): string {
  return JSON.stringify(shown(LISTENER, made(rig, NODE).get(name)?.body ?? new Uint8Array()));
}

describe('listeners of captured gateways', () => {
  for (const scenario of ['08-gateway-http', '09-gateway-https-sds', '11-egress-gateway', '40-stock-envoy-flags']) {
    test(scenario, () => {
      const capture = `${scenario}/gateway`;
      const listeners = made(captureRig(scenario), nodeOf(capture));
      const theirs = openCapture(capture).types.get(LISTENER) ?? [];
      assert.deepEqual([...listeners.keys()].sort(), theirs.map(({ name }) => name).sort());
      for (const { name, json } of theirs) {
        const own = listeners.get(name);
        assert(own !== undefined);
        assert.deepEqual(shown(LISTENER, own.body), canonical(json), name);
      }
    });
  }
});

const NODE = readNode({
  id: 'router~10.1.1.1~front.gate~gate.svc.cluster.local',
  metadata: { NAMESPACE: 'gate', INSTANCE_IPS: '10.1.1.1', LABELS: { istio: 'front' }, ISTIO_VERSION: '1.32.0' },
}) as ProxyNode;

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.2.0.1, ports: [{name: tcp, port: 5000}]}
---
`;

function gateway(servers: string, rules = ''): Record<string, string> {
  return {
    'a.yaml': `${SERVICES}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: gate}
spec: {selector: {istio: front}, servers: [${servers}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rules, namespace: shop}
spec: {hosts: ["db.example.com"], gateways: [gate/front], ${rules}}
`,
  };
}

const TO_DB = 'route: [{destination: {host: db, port: {number: 5000}}}]';

describe('servers of gateways', () => {
  test('plain TCP goes by the first rule, and without one there is no listener', () => {
    const tcp = '{port: {number: 5000, name: tcp, protocol: TCP}, hosts: ["*"]}';
    const shownText = text(stageRig(gateway(tcp, `tcp: [{${TO_DB}}]`)), '0.0.0.0_5000');
    assert.match(shownText, /"cluster":"outbound\|5000\|\|db.shop.svc.cluster.local"/);
    assert.doesNotMatch(shownText, /filter_chain_match|tls_inspector/);
    const http = 'http: [{route: [{destination: {host: db}}]}]';
    assert.equal(made(stageRig(gateway(tcp, http)), NODE).size, 0);
  });

  test('TLS that is passed through is told apart by name, each name once', () => {
    const tls = '{port: {number: 443, name: tls, protocol: TLS}, hosts: ["*"], tls: {mode: PASSTHROUGH}}';
    const match = 'match: [{sniHosts: ["db.example.com"]}]';
    const listeners = listenersOf(stageRig(gateway(tls, `tls: [{${match}, ${TO_DB}}, {${match}, ${TO_DB}}]`)));
    const listener = listeners.get('0.0.0.0_443') as Listener;
    assert.equal(listener.filter_chains?.length, 1);
    assert.deepEqual(listener.filter_chains[0]?.filter_chain_match, { server_names: ['db.example.com'] });
    assert.equal(listener.filter_chains[0]?.transport_socket, undefined);
    assert.equal(listener.listener_filters?.[0]?.name, 'envoy.filters.listener.tls_inspector');
  });

  test('TLS of the mesh that ends here tells who the peer is', () => {
    const tls = '{port: {number: 443, name: tls, protocol: TLS}, hosts: ["*"], tls: {mode: ISTIO_MUTUAL}}';
    const files = gateway(tls, `tcp: [{${TO_DB}}]`);
    const [chain] = listenersOf(stageRig(files)).get('0.0.0.0_443')?.filter_chains ?? [];
    assert.equal(chain?.filters?.[0]?.name, 'istio.metadata_exchange');
    assert.match(text(stageRig(files), '0.0.0.0_443'), /"istio-peer-exchange"/);
  });

  test('automatic passing on has a chain for each port of the mesh, for its proxies only', () => {
    const tls = '{port: {number: 15443, name: tls, protocol: TLS}, hosts: ["*.local"], tls: {mode: AUTO_PASSTHROUGH}}';
    const listeners = listenersOf(stageRig(gateway(tls, `tcp: [{${TO_DB}}]`)));
    const chains = listeners.get('0.0.0.0_15443')?.filter_chains ?? [];
    assert.deepEqual(
      chains.map((chain) => chain.filter_chain_match),
      [
        {
          server_names: ['outbound_.5000_._.db.shop.svc.cluster.local'],
          application_protocols: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
        },
      ],
    );
  });

  test('servers that cannot be told apart are left out, the first stays', () => {
    const https = (name: string, host: string): string =>
      `{port: {number: 443, name: ${name}, protocol: HTTPS}, hosts: [${host}], tls: {mode: SIMPLE, credentialName: c}}`;
    const plain = '{port: {number: 443, name: plain, protocol: HTTP}, hosts: ["*"]}';
    const servers = [https('one', 'a.com'), https('two', 'a.com'), https('three', 'b.com'), plain].join(', ');
    const listeners = listenersOf(stageRig(gateway(servers, `tcp: [{${TO_DB}}]`)));
    assert.equal(listeners.get('0.0.0.0_443')?.filter_chains?.length, 2);
  });
});

describe('gateways and objects of other namespaces', () => {
  test('rules that are not exported to the gateway do not join it', () => {
    const tcp = '{port: {number: 5000, name: tcp, protocol: TCP}, hosts: ["*"]}';
    assert.equal(made(stageRig(gateway(tcp, `exportTo: ["."], tcp: [{${TO_DB}}]`)), NODE).size, 0);
    const limited = '{port: {number: 5000, name: tcp, protocol: TCP}, hosts: ["gate/*"]}';
    assert.equal(made(stageRig(gateway(limited, `tcp: [{${TO_DB}}]`)), NODE).size, 0);
    assert.equal(made(stageRig(gateway(tcp, `exportTo: [gate], tcp: [{${TO_DB}}]`)), NODE).size, 1);
  });
});
