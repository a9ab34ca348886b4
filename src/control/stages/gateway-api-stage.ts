// Gateways of the Gateway API: their listeners, which routes those take, and the gateways that proxies play.
import type { Collection, Index, Reader } from '../../base/collection.ts';
import { readKeyPair, readRoots } from '../credentials/secret-content.ts';
import type { Gateway } from '../model/gateway.ts';
import type { RouteSet } from '../model/route.ts';
import { type ConfigObject, objectKeyOf } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import { type Attached, attachRoute, type GatewayKind } from '../translate/gateway-api/attach.ts';
import { type GatewayContext, type MadeGateway, translateGateway } from '../translate/gateway-api/gateway.ts';
import type { NamespaceLabels } from '../translate/gateway-api/label-selector.ts';
import type { GatewayListener } from '../translate/gateway-api/listener.ts';
import { gatewayOfSet } from '../translate/gateway-api/listener-set.ts';
import { GATEWAY_API, isGranted } from '../translate/gateway-api/reference-grant.ts';
import type { GatewayParent } from '../translate/gateway-api/route-parents.ts';
import type { RouteSpec } from '../translate/gateway-api/route-spec.ts';
import type { Inputs } from './inputs.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';

export type GatewayApiStage = {
  readonly listeners: Collection<GatewayListener>;
  /** Listeners that take a route, by the route's object key. */
  readonly parents: Collection<readonly GatewayParent[]>;
  /** By the key of the object that is complained of: gateways, sets of listeners, routes. */
  readonly complaints: Collection<readonly Complaint[]>;
};

const GATEWAYS = `${GATEWAY_API}:Gateway`;
const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'];

export function gatewayApiStage(inputs: Inputs, services: ServicesStage): GatewayApiStage {
  const { graph } = inputs;
  const contextOf = contexts(inputs, services);
  const sets = inputs.kind('ListenerSet');
  const setsByGateway = sets.index('sets by gateway', (_key, set) => {
    const gateway = gatewayOfSet(set);
    return gateway === null ? [] : [`${gateway.namespace}/${gateway.name}`];
  });
  const made = graph.map<ConfigObject, MadeGateway>(
    'listeners of each gateway',
    inputs.kind(GATEWAYS),
    (key, object, read) => {
      const joining = read.lookup(setsByGateway, `${object.namespace}/${object.name}`);
      const keyed = joining.map((set): [string, ConfigObject] => [keyOf('ListenerSet', set.namespace, set.name), set]);
      return translateGateway(object, key, keyed, contextOf(read));
    },
  );
  const listeners = graph.flatMap<MadeGateway, GatewayListener>('listeners in gateways', made, (_key, one) =>
    one.listeners.map((listener): [string, GatewayListener] => [`${listener.owner} ${listener.section}`, listener]),
  );
  const byOwner = listeners.index('by owner', (_key, { owner }) => [owner]);
  const byGateway = listeners.index('by gateway', (_key, { gateway }) => [gateway]);
  const attached = attachedRoutes(inputs, byOwner, byGateway);
  const ofRoutes = graph.map<Attached, readonly Complaint[]>('complaints of attachment', attached, (_key, one) =>
    one.complaints.length === 0 ? undefined : one.complaints,
  );
  return {
    listeners,
    parents: graph.map<Attached, readonly GatewayParent[]>('listeners of routes', attached, (_key, one) =>
      one.parents.length === 0 ? undefined : one.parents,
    ),
    complaints: graph.union('complaints of gateways', gatewayComplaints(inputs, made), ofRoutes, notYet(inputs)),
  };
}

/** In the form of Istio's. `routesByParent`: route sets of the Gateway API, by the keys of gateways. */
export function gatewayApiGateways(
  inputs: Inputs,
  { listeners }: GatewayApiStage,
  routesByParent: Index<RouteSet>,
): Collection<Gateway> {
  return inputs.graph.map<GatewayListener, Gateway>('gateways of listeners', listeners, (_key, listener, read) => {
    const { key, namespace, name, owner, creationMs, players, server } = listener;
    if (server === null) return undefined;
    const attached = new Set(read.lookup(routesByParent, key).map((set) => set.key));
    const { selector, services, namespace: selectorNamespace } = players;
    const base = { key, namespace, name, origin: owner, creationMs, selector, selectorNamespace, services };
    return { ...base, servers: [{ ...server, attached }] };
  });
}

function keyOf(kind: GatewayKind, namespace: string, name: string): string {
  return objectKeyOf(GATEWAY_API, kind, namespace, name);
}

function labelsOf(inputs: Inputs, read: Reader): NamespaceLabels {
  return (namespace) => read.get(inputs.kind('Namespace'), objectKeyOf('', 'Namespace', '', namespace))?.labels;
}

function contexts(inputs: Inputs, services: ServicesStage): (read: Reader) => GatewayContext {
  const grants = inputs.kind('ReferenceGrant').index('grants to gateways', (_key, grant) => [grant.namespace]);
  const find = (read: Reader, kind: string, namespace: string, name: string): ConfigObject | undefined =>
    kind === 'Secret' || kind === 'ConfigMap'
      ? read.get(inputs.kind(kind), objectKeyOf('', kind, namespace, name))
      : undefined;
  return (read) => ({
    clusterDomain: meshOf(inputs, read).clusterDomain,
    controllerOf: (name) => {
      const object = read.get(inputs.kind('GatewayClass'), objectKeyOf(GATEWAY_API, 'GatewayClass', '', name));
      return object === undefined ? undefined : String(object.spec['controllerName'] ?? '');
    },
    labelsOf: labelsOf(inputs, read),
    isService: (namespace, host) => read.get(services.services, `${namespace}/${host}`) !== undefined,
    naming: (kind, from) => ({
      namespace: from,
      isGranted: (what, namespace, name) => {
        const referrer = { group: GATEWAY_API, kind, namespace: from };
        return isGranted(read.lookup(grants, namespace), referrer, { group: '', kind: what, namespace, name });
      },
      whyNoCertificate: (namespace, name) => {
        const secret = find(read, 'Secret', namespace, name);
        if (secret === undefined) return `there is no Secret ${namespace}/${name}`;
        const pair = readKeyPair(secret);
        return typeof pair === 'string' ? pair : null;
      },
      whyNoRoots: (what, namespace, name) => {
        const object = find(read, what, namespace, name);
        if (object === undefined) return `there is no ${what} ${namespace}/${name}`;
        const roots = readRoots(object);
        return typeof roots === 'string' ? roots : null;
      },
    }),
  });
}

function attachedRoutes(
  inputs: Inputs,
  byOwner: Index<GatewayListener>,
  byGateway: Index<GatewayListener>,
): Collection<Attached> {
  const { graph } = inputs;
  const perKind = ROUTE_KINDS.map((kind) =>
    graph.map<ConfigObject, Attached>(`attachment of each ${kind}`, inputs.kind(kind), (key, object, read) => {
      const { parentRefs = [], hostnames = [] } = object.spec as RouteSpec<unknown>;
      const route = { key, kind, namespace: object.namespace, hostnames };
      return attachRoute(route, parentRefs, {
        labelsOf: labelsOf(inputs, read),
        listenersOf: (owner, namespace, name) => {
          const found = read.lookup(byOwner, keyOf(owner, namespace, name));
          return found.length === 0 ? null : found;
        },
        besides: (gateway) => read.lookup(byGateway, gateway),
      });
    }),
  );
  return graph.union('attachment of routes', ...perKind);
}

/** Those of gateways and their sets, and of sets whose Gateway is not there. */
function gatewayComplaints(inputs: Inputs, made: Collection<MadeGateway>): Collection<readonly Complaint[]> {
  const { graph } = inputs;
  const own = graph.flatMap<MadeGateway, readonly Complaint[]>('complaints of each gateway', made, (_key, one) =>
    Map.groupBy(one.complaints, ({ objectKey }) => objectKey),
  );
  const lost = graph.map<ConfigObject, readonly Complaint[]>(
    'complaints of sets',
    inputs.kind('ListenerSet'),
    (objectKey, set, read) => {
      const gateway = gatewayOfSet(set);
      if (gateway !== null && read.get(made, keyOf('Gateway', gateway.namespace, gateway.name))) return undefined;
      const message = 'the parent is no Gateway that is there';
      const remedy = 'Correct the reference, or create the Gateway.';
      return [{ objectKey, fieldPath: 'spec.parentRef', message, remedy, severity: 'error' }];
    },
  );
  return graph.union('complaints of gateways and sets', own, lost);
}

function notYet({ graph, kind }: Inputs): Collection<readonly Complaint[]> {
  const complain = (name: string, message: string, remedy: string): Collection<readonly Complaint[]> =>
    graph.map<ConfigObject, readonly Complaint[]>(`not yet effective: ${name}`, kind(name), (objectKey) => [
      { objectKey, fieldPath: 'spec', message: `not yet effective: ${message}`, remedy, severity: 'error' },
    ]);
  return graph.union(
    'not yet effective',
    complain(
      'BackendTLSPolicy',
      'connections to the backend are as they are without the policy',
      'Use tls in a DestinationRule.',
    ),
    complain('UDPRoute', 'gateways have no listeners of UDP', 'Remove the route.'),
  );
}
