// Which tables each connected proxy is served from: its class, and the resources of every type under that class's key.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { CLUSTER_URL, ENDPOINT_URL, LISTENER_URL, ROUTE_URL, VIRTUAL_HOST_URL } from '../../xds/server/order.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import type { MergedListener } from '../generate/gateway/merge.ts';
import { workloadKey } from '../model/labels.ts';
import { familiesOf, parseClass, pickClass, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import { scopeKey } from '../model/scope.ts';
import type { ProxyPlan } from '../views.ts';
import type { CallersStage } from './callers-stage.ts';
import { type ClusterResources, clusterTables, sniClusterTable } from './cluster-resources-stage.ts';
import { type CredentialsStage, credentialsKey, SECRET_TYPE } from './credentials-stage.ts';
import { type EndpointResources, endpointTables, sniEndpointTable } from './endpoint-resources-stage.ts';
import { gatewayListenerTable } from './gateway-listener-stage.ts';
import { gatewayRouteKey } from './gateway-routes-stage.ts';
import { gatewayPlayerKey, type GatewaysStage } from './gateways-stage.ts';
import { type GrpcListeners, grpcListenerTables } from './grpc-listener-stage.ts';
import type { Inputs } from './inputs.ts';
import { type ListenerResources, listenerTables } from './listener-stage.ts';
import { nameTableKey, type NameTableStage } from './name-table-stage.ts';
import { type RouteResources, tablesKey } from './route-resources-stage.ts';
import type { ScopesStage } from './scopes-stage.ts';
import type { TrafficPolicyStage } from './traffic-policy-stage.ts';

export type PlanParts = {
  readonly scopes: ScopesStage;
  readonly policies: TrafficPolicyStage;
  readonly callers: CallersStage;
  readonly clusters: ClusterResources;
  readonly endpoints: EndpointResources;
  readonly listeners: ListenerResources;
  readonly routes: RouteResources;
  readonly names: NameTableStage;
  readonly credentials: CredentialsStage;
  readonly gateways: GatewaysStage;
  readonly gatewayListeners: Memo<readonly EncodedResource[]>;
  readonly grpcListeners: GrpcListeners;
  /** By `gatewayRouteKey`. */
  readonly gatewayRoutes: Memo<EncodedResource>;
};

/** A connected proxy; `isProved`: its identity is, so that it may have credentials. */
export type ConnectedProxy = ProxyNode & { readonly isProved: boolean };

const NAME_TABLE = 'type.googleapis.com/istio.networking.nds.v1.NameTable';

export function plansStage(
  inputs: Inputs,
  proxies: Collection<ConnectedProxy>,
  parts: PlanParts,
): Collection<ProxyPlan> {
  const gatewayTables = tablesOfGateways(inputs, parts);
  return inputs.graph.map<ConnectedProxy, ProxyPlan>('plans', proxies, (_key, node, read) => {
    const facts = classOf(node, read, parts);
    const routes = tablesKey(facts);
    const isGateway = node.role !== 'sidecar';
    // mTLS goes through such a gateway unopened, to the cluster that its SNI names.
    const passesOn = isGateway && read.get(parts.gateways.merged, gatewayPlayerKey(node)).listeners.some(isUnopened);
    return {
      [CLUSTER_URL]: [
        ...clusterTables(parts.clusters, facts, node.addresses, node.explicit?.inbound),
        ...(facts.explicit && !isGateway ? [{ memo: parts.clusters.tunnels, key: scopeKey(facts) }] : []),
        ...(passesOn ? [sniClusterTable(parts.clusters, facts)] : []),
      ],
      [ENDPOINT_URL]: [
        ...endpointTables(parts.endpoints, facts),
        ...(passesOn ? [sniEndpointTable(parts.endpoints, facts)] : []),
      ],
      [LISTENER_URL]:
        node.kind === 'grpc'
          ? grpcListenerTables(parts.grpcListeners, facts, node)
          : node.role === 'router'
            ? [gatewayListenerTable(parts.gatewayListeners, facts, node)]
            : listenerTables(parts.listeners, facts, node, read),
      [ROUTE_URL]: isGateway
        ? [{ memo: gatewayTables, key: gatewayTablesKey(facts, node) }]
        : [{ memo: parts.routes.tables, key: routes }],
      [VIRTUAL_HOST_URL]: facts.kind === 'heddle' && !isGateway ? [{ memo: parts.routes.tableHosts, key: routes }] : [],
      [NAME_TABLE]: [{ memo: parts.names.tables, key: nameTableKey(facts) }],
      [SECRET_TYPE]: node.isProved
        ? [{ memo: parts.credentials.tables, key: credentialsKey(node.namespace, isGateway) }]
        : [],
    };
  });
}

function classOf(node: ProxyNode, read: Reader, parts: PlanParts): ProxyClass {
  const { role, kind, namespace, dnsDomain, interception, locality, network, cluster, dnsCapture, http10 } = node;
  // Gateways see what their namespace sees.
  const sidecar = role === 'sidecar' ? read.get(parts.scopes.sidecarOf, workloadKey(namespace, node.labels)) : '';
  // Only labels by which something that the proxy sees tells proxies apart.
  const selecting = [
    ...read.get(parts.policies.selectingLabels, namespace),
    ...read.get(parts.routes.selectingLabels, scopeKey({ namespace, sidecar })),
    ...read.get(parts.callers.failoverLabels, ''),
  ];
  const labels: Record<string, string> = {};
  for (const name of selecting) {
    const value = node.labels[name];
    if (value !== undefined) labels[name] = value;
  }
  return {
    ...{ role, kind, namespace, dnsDomain, sidecar, labels, families: familiesOf(node.addresses) },
    ...{ interception, explicit: node.explicit !== null, locality, network, cluster, dnsCapture, http10 },
  };
}

function isUnopened({ servers }: MergedListener): boolean {
  return servers.some(({ server }) => server.tls?.mode === 'AUTO_PASSTHROUGH');
}

function gatewayTablesKey(facts: ProxyClass, node: ProxyNode): string {
  return `${pickClass(facts, 'namespace', 'labels')}\n${gatewayPlayerKey(node)}`;
}

/** The route configurations of a gateway, lined up; key: `gatewayTablesKey`. */
function tablesOfGateways({ graph }: Inputs, { gateways, gatewayRoutes }: PlanParts): Memo<readonly EncodedResource[]> {
  return graph.memo<readonly EncodedResource[]>('route configurations by gateway', (key, read) => {
    const [facts = '', player = ''] = key.split('\n');
    const names = [...read.get(gateways.merged, player).routes.keys()].sort();
    return names.map((name) => read.get(gatewayRoutes, gatewayRouteKey(parseClass(facts), player, name)));
  });
}
