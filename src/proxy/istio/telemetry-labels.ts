// The labels by which Istio's metrics tell who spoke with whom: values in, an ordered list of names and values out.
import { type JsonObject, type LocalNode, objectAt, textAt } from './node.ts';
import { CANONICAL_NAME, CANONICAL_REVISION, type Peer } from './peer.ts';

export type Reporter = 'source' | 'destination' | 'waypoint';

/** What is known of the two ends of one exchange or connection; equal facts have equal labels. */
export type EndFacts = {
  readonly reporter: Reporter;
  /** '' where there is none. */
  readonly clusterName: string;
  readonly service: Service | null;
  /** Of the route; only the two that stand for no service count. */
  readonly routeName: string;
  /** The request's; '' where it is not to be looked at. */
  readonly host: string;
  /** Who is at the other end: downstream for a destination or waypoint, upstream for a source. */
  readonly peer: Peer | null;
  /** A waypoint's upstream. */
  readonly endpoint: Peer | null;
  readonly peerPrincipal: string;
  readonly localPrincipal: string;
};

/** The first of a cluster's metadata istio.services. */
export type Service = { readonly host: string | null; readonly name: string | null; readonly namespace: string };

export function serviceOf(istio: JsonObject | undefined): Service | null {
  const services = istio?.['services'];
  const [first] = Array.isArray(services) ? (services as unknown[]) : [];
  if (typeof first !== 'object' || first === null) return null;
  const service = first as JsonObject;
  const text = (name: string): string | null => (Object.hasOwn(service, name) ? textAt(service, name) : null);
  return { host: text('host'), name: text('name'), namespace: textAt(service, 'namespace') };
}

/** This proxy's own workload, as every metric names it. */
export type LocalLabels = {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
};

/** Unlike of peers, nothing but these names counts. Source: Istio, struct Context. */
export function localLabels({ metadata }: LocalNode): LocalLabels {
  const labels = objectAt(metadata, 'LABELS');
  return {
    workload: textAt(metadata, 'WORKLOAD_NAME'),
    namespace: textAt(metadata, 'NAMESPACE'),
    canonicalName: textAt(labels, CANONICAL_NAME),
    canonicalRevision: textAt(labels, CANONICAL_REVISION),
    app: textAt(labels, 'app'),
    version: textAt(labels, 'version'),
    cluster: textAt(metadata, 'CLUSTER_ID'),
  };
}

const UNKNOWN = 'unknown';
/** Clusters that stand for no service. */
const NO_SERVICE: ReadonlySet<string> = new Set([
  'BlackHoleCluster',
  'PassthroughCluster',
  'InboundPassthroughCluster',
  'InboundPassthroughClusterIpv4',
  'InboundPassthroughClusterIpv6',
]);

/** Routes that lead to no service, with the name that metrics give to where they lead. */
const NO_SERVICE_ROUTES: ReadonlyMap<string, string> = new Map([
  ['block_all', 'BlackHoleCluster'],
  ['allow_any', 'PassthroughCluster'],
]);

/** Whether the labels depend on the host of the request. */
export function needsHost(service: Service | null, clusterName: string, routeName: string): boolean {
  if (service === null || service.host === null) return true;
  return NO_SERVICE_ROUTES.has(routeName) || NO_SERVICE.has(clusterName);
}

/** Whether the labels depend on the route. */
export function isSpecialRoute(routeName: string): boolean {
  return NO_SERVICE_ROUTES.has(routeName);
}

type Destination = { readonly host: string; readonly name: string; readonly namespace: string };

/** Source: IstioStatsFilter::populatePeerInfo. */
function destinationOf({ routeName, clusterName, service, host }: EndFacts): Destination {
  const ofRoute = NO_SERVICE_ROUTES.get(routeName);
  if (ofRoute !== undefined) return { host, name: ofRoute, namespace: '' };
  if (NO_SERVICE.has(clusterName)) return { host, name: clusterName, namespace: '' };
  if (service === null) return { host, name: host, namespace: '' };
  const own = service.host ?? host;
  const dot = own.indexOf('.');
  return { host: own, name: service.name ?? (dot < 0 ? own : own.slice(0, dot)), namespace: service.namespace };
}

/** The namespace in 'spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT', or ''. */
function namespaceOf(principal: string): string {
  const at = principal.indexOf('/ns/');
  if (at < 0) return '';
  const end = principal.indexOf('/', at + 4);
  return end < 0 ? principal.slice(at + 4) : principal.slice(at + 4, end);
}

/** Name, value, name, value, … in Istio's order. */
export function endLabels(facts: EndFacts, local: LocalLabels): string[] {
  const { peer, peerPrincipal } = facts;
  const to = destinationOf(facts);
  const peerNamespace = namespaceOf(peerPrincipal) || (peer?.namespace ?? '');
  const labels: string[] = ['reporter', facts.reporter];
  if (facts.reporter === 'source') {
    pushSource(labels, ownEnd(local, facts.localPrincipal));
    pushDestination(labels, {
      ...peerEnd(peer, peerNamespace, peerPrincipal),
      service: to.host || UNKNOWN,
      serviceName: to.name || UNKNOWN,
      serviceNamespace: to.namespace || peerNamespace || UNKNOWN,
    });
    return labels;
  }
  pushSource(labels, peerEnd(peer, peerNamespace, peerPrincipal));
  if (facts.reporter === 'waypoint') {
    const { endpoint } = facts;
    pushDestination(labels, {
      ...peerEnd(endpoint, endpoint?.namespace ?? '', endpoint?.identity ?? ''),
      // Unlike of all others.
      revision: endpoint?.canonicalRevision || UNKNOWN,
      service: to.host || UNKNOWN,
      serviceName: to.name || UNKNOWN,
      serviceNamespace: to.namespace || UNKNOWN,
    });
    return labels;
  }
  pushDestination(labels, {
    ...ownEnd(local, facts.localPrincipal),
    service: to.host || local.canonicalName,
    serviceName: to.name || local.canonicalName,
    serviceNamespace: local.namespace,
  });
  return labels;
}

type End = {
  readonly workload: string;
  readonly namespace: string;
  readonly principal: string;
  readonly app: string;
  readonly version: string;
  readonly canonical: string;
  readonly revision: string;
  readonly cluster: string;
};
type ServedEnd = End & {
  readonly service: string;
  readonly serviceName: string;
  readonly serviceNamespace: string;
};

/** What this proxy does not know of itself is empty, not unknown. */
function ownEnd(local: LocalLabels, principal: string): End {
  return {
    workload: local.workload,
    namespace: local.namespace,
    principal: principal || UNKNOWN,
    app: local.app,
    version: local.version,
    canonical: local.canonicalName,
    revision: local.canonicalRevision,
    cluster: local.cluster,
  };
}

function peerEnd(peer: Peer | null, namespace: string, principal: string): End {
  return {
    workload: peer?.workload || UNKNOWN,
    namespace: namespace || UNKNOWN,
    principal: principal || UNKNOWN,
    app: peer?.app || UNKNOWN,
    version: peer?.version || UNKNOWN,
    canonical: peer?.canonicalName || UNKNOWN,
    revision: peer?.canonicalRevision || 'latest',
    cluster: peer?.cluster || UNKNOWN,
  };
}

function pushSource(labels: string[], end: End): void {
  labels.push(
    'source_workload', end.workload,
    'source_canonical_service', end.canonical,
    'source_canonical_revision', end.revision,
    'source_workload_namespace', end.namespace,
    'source_principal', end.principal,
    'source_app', end.app,
    'source_version', end.version,
    'source_cluster', end.cluster,
  ); // biome-ignore format: pairs.
}

function pushDestination(labels: string[], end: ServedEnd): void {
  labels.push(
    'destination_workload', end.workload,
    'destination_workload_namespace', end.namespace,
    'destination_principal', end.principal,
    'destination_app', end.app,
    'destination_version', end.version,
    'destination_service', end.service,
    'destination_canonical_service', end.canonical,
    'destination_canonical_revision', end.revision,
    'destination_service_name', end.serviceName,
    'destination_service_namespace', end.serviceNamespace,
    'destination_cluster', end.cluster,
  ); // biome-ignore format: pairs.
}
