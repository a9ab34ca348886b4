// Listeners that our stages make of a captured istiod's input, against those that it sent; and what a change costs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { canonical, captureRig, shown, type StageRig } from '../../../test/control/stage-rig.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { readNode } from '../model/node.ts';
import { familiesOf, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import { accessLogsStage } from './access-logs-stage.ts';
import { type ListenerResources, listenerStage, listenerTables } from './listener-stage.ts';
import { routesStage } from './routes-stage.ts';
import { type ScopesStage, scopesStage, sidecarKey } from './scopes-stage.ts';
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
    const sidecar = read.get(scopes.sidecarOf, sidecarKey(namespace, node.labels));
    const facts: ProxyClass = {
      ...{ role, kind, namespace, dnsDomain, sidecar, labels: {}, families: familiesOf(node.addresses) },
      ...{ interception, locality, network, cluster, dnsCapture, http10 },
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
