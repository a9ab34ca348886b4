// Clusters as resources: outbound ones by service, shared by all callers of a class; inbound ones by workload.
import type { Memo, Reader } from '../../base/collection.ts';
import type { ExplicitMode } from '../../base/explicit-mode.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { grpcClusters } from '../generate/cluster/grpc.ts';
import { withinHeddle } from '../generate/cluster/heddle.ts';
import { inboundClusters, type InboundTarget } from '../generate/cluster/inbound.ts';
import { type NamedCluster, outboundClusters } from '../generate/cluster/outbound.ts';
import { staticClusters } from '../generate/cluster/static.ts';
import { encodeResource } from '../generate/encode.ts';
import { tunnelCluster } from '../generate/explicit/clusters.ts';
import { askedPorts, tunnelNames } from '../generate/explicit/ports.ts';
import type { CallerPlace } from '../generate/endpoint/locality.ts';
import { parseClass, pickClass, type ProxyClass } from '../model/proxy.ts';
import { type Scope, scopeKey } from '../model/scope.ts';
import type { Service, ServicePort } from '../model/service.ts';
import { CALLER_FIELDS, type Callee, callerKey } from './callers-stage.ts';
import { endpointMaker, type EndpointParts, placeOf, sameResources } from './endpoint-resources-stage.ts';
import type { Inputs } from './inputs.ts';
import { meshOf } from './services-stage.ts';
import { policyQuery, readPolicy } from './traffic-policy-stage.ts';

export type ClusterResources = {
  /** Those of services, for all callers of a class. */
  readonly outbound: Memo<readonly EncodedResource[]>;
  /** Those that hold endpoints whose order depends on where the caller is. */
  readonly placed: Memo<readonly EncodedResource[]>;
  /** Those of gateways that pass mTLS through by SNI. */
  readonly sni: Memo<readonly EncodedResource[]>;
  readonly statics: Memo<readonly EncodedResource[]>;
  /** Without redirect: those that lead to what is behind tunnels; key: `scopeKey`. */
  readonly tunnels: Memo<readonly EncodedResource[]>;
  readonly inbound: Memo<readonly EncodedResource[]>;
};

type TableRef = { readonly memo: Memo<readonly EncodedResource[]>; readonly key: string };

const SHAPE_FIELDS = ['role', 'kind', 'families', 'explicit'] as const;
const OUTBOUND_FIELDS = [...CALLER_FIELDS, ...SHAPE_FIELDS] as const;
const PLACED_FIELDS = [...OUTBOUND_FIELDS, 'locality', 'network', 'cluster'] as const;
const INBOUND_FIELDS = [...SHAPE_FIELDS, 'namespace', 'sidecar', 'interception'] as const;

/** In no name, and in JSON only escaped. */
const SEPARATOR = '\n';

type PlacedFacts = Pick<ProxyClass, (typeof PLACED_FIELDS)[number]>;
type InboundFacts = Pick<ProxyClass, (typeof INBOUND_FIELDS)[number]>;
export type ClusterFacts = PlacedFacts & InboundFacts;

/** Tables of a proxy's clusters: memo and key, shared ones first, its own last. */
export function clusterTables(
  stage: ClusterResources,
  facts: ClusterFacts,
  addresses: readonly string[],
  inbound: ExplicitMode['inbound'] | null = null,
): readonly TableRef[] {
  const own = [pickClass(facts, ...INBOUND_FIELDS), addresses.join(','), JSON.stringify(inbound)];
  return [
    { memo: stage.outbound, key: pickClass(facts, ...OUTBOUND_FIELDS) },
    { memo: stage.placed, key: pickClass(facts, ...PLACED_FIELDS) },
    { memo: stage.statics, key: pickClass(facts, ...SHAPE_FIELDS) },
    { memo: stage.inbound, key: own.join(SEPARATOR) },
  ];
}

/** In addition, for gateways with a server that passes mTLS through. */
export function sniClusterTable(stage: ClusterResources, facts: ClusterFacts): TableRef {
  return { memo: stage.sni, key: pickClass(facts, ...PLACED_FIELDS) };
}

/** What the clusters of one service depend on; `caller` is null for those that do not care where it is. */
type Piece = Pick<ProxyClass, (typeof SHAPE_FIELDS)[number]> & {
  readonly mode: 'outbound' | 'sni';
  readonly service: string;
  readonly ref: string;
  readonly caller: CallerPlace | null;
};

export function clusterResourcesStage(inputs: Inputs, parts: EndpointParts): ClusterResources {
  const { graph } = inputs;
  const resolved = graph.map<Service, true>('services by name', parts.services.services, (_key, service) =>
    service.resolution === 'DNSLB' || service.resolution === 'DNSRoundRobinLB' ? true : undefined,
  );
  const withSidecars = graph.memo<boolean>('ports with sidecars only', (key, read) => {
    const [service = '', portName] = key.split(SEPARATOR);
    const endpoints = (read.get(parts.services.endpoints, service) ?? []).filter((e) => e.portName === portName);
    return endpoints.length > 0 && endpoints.every((endpoint) => endpoint.tlsMode === 'istio');
  });
  const pieces = graph.memo<readonly EncodedResource[]>(
    'clusters of services',
    (key, read) => encoded(clustersOfService(JSON.parse(key) as Piece, read, inputs, parts, withSidecars)),
    sameResources,
  );
  const collect = (read: Reader, key: string, mode: Piece['mode'], wants: (isPlaced: boolean) => boolean) => {
    const { role, kind, families, explicit, ...facts } = parseClass<keyof PlacedFacts>(key);
    const byName = new Set(read.keys(resolved));
    // Only clusters that hold their endpoints themselves know an order of them.
    const isPlaced = (callee: Callee): boolean => callee.isPlaced && byName.has(callee.service);
    return read.get(parts.callers.callees, callerKey(facts)).flatMap((callee) => {
      if (!wants(isPlaced(callee))) return [];
      const caller = isPlaced(callee) ? placeOf(facts) : null;
      const shape = { role, kind, families, explicit };
      const piece: Piece = { ...shape, mode, service: callee.service, ref: callee.ref, caller };
      return read.get(pieces, JSON.stringify(piece));
    });
  };
  return {
    outbound: graph.memo(
      'outbound clusters',
      (key, read) => collect(read, key, 'outbound', (isPlaced) => !isPlaced),
      sameResources,
    ),
    placed: graph.memo(
      'clusters by place',
      (key, read) => collect(read, key, 'outbound', (isPlaced) => isPlaced),
      sameResources,
    ),
    sni: graph.memo('clusters by SNI', (key, read) => collect(read, key, 'sni', () => true), sameResources),
    statics: graph.memo(
      'static clusters',
      (key, read) => encoded(staticClusters(meshOf(inputs, read), parseClass<(typeof SHAPE_FIELDS)[number]>(key))),
      sameResources,
    ),
    tunnels: tunnelsMemo(inputs, parts),
    inbound: inboundMemo(inputs, parts),
  };
}

function encoded(clusters: readonly NamedCluster[]): EncodedResource[] {
  return clusters.map((cluster) => encodeResource('envoy.config.cluster.v3.Cluster', cluster.name, cluster));
}

function clustersOfService(
  piece: Piece,
  read: Reader,
  inputs: Inputs,
  parts: EndpointParts,
  withSidecars: Memo<boolean>,
): readonly NamedCluster[] {
  const service = read.get(parts.services.services, piece.service);
  if (service === undefined) return [];
  const { role, kind, families, explicit, mode, caller } = piece;
  const policy = readPolicy(parts.policies, read, piece.ref);
  const clustersOf = kind === 'grpc' ? grpcClusters : outboundClusters;
  const clusters = clustersOf({
    ...{ service, policy, mode, mesh: meshOf(inputs, read), shape: { role, kind, families, explicit } },
    accounts: read.get(parts.services.accounts, service.key),
    isMtlsPossible: (port: ServicePort, isPassthrough: boolean) => {
      if (read.get(parts.plain.namespaces, service.namespace)) return false;
      return !isPassthrough || read.get(withSidecars, `${service.key}${SEPARATOR}${port.name}`);
    },
    inlineEndpoints: (port, subset) =>
      endpointMaker(service, policy, caller, read, inputs, parts)(port, subset, mode === 'sni'),
  });
  return kind === 'heddle' ? clusters.map(withinHeddle) : clusters;
}

function tunnelsMemo(inputs: Inputs, parts: EndpointParts): Memo<readonly EncodedResource[]> {
  const names = inputs.graph.memo<readonly string[]>('names of tunnel clusters', (key, read) => {
    const ports = askedPorts(read.get(parts.scopes.scopes, key), (one) => read.get(parts.services.services, one));
    return tunnelNames(ports);
  });
  return inputs.graph.memo(
    'tunnel clusters',
    (key, read) => {
      const mesh = meshOf(inputs, read);
      return encoded(read.get(names, key).map((name) => tunnelCluster(name, mesh)));
    },
    sameResources,
  );
}

function inboundMemo(inputs: Inputs, parts: EndpointParts): Memo<readonly EncodedResource[]> {
  const targets = inboundTargets(inputs, parts);
  // Scopes change with every service that comes or goes; what comes in seldom does.
  const arrivals = inputs.graph.memo<Pick<Scope, 'ingress' | 'inboundConnectionPool'>>(
    'arrivals of scopes',
    (key, read) => {
      const { ingress, inboundConnectionPool } = read.get(parts.scopes.scopes, key);
      return { ingress, inboundConnectionPool };
    },
  );
  return inputs.graph.memo(
    'inbound clusters',
    (key, read) => {
      const [classText = '', addresses = '', inbound = 'null'] = key.split(SEPARATOR);
      const facts = parseClass<keyof InboundFacts>(classText);
      const { role, kind, families, explicit, namespace, sidecar, interception } = facts;
      const found = role === 'sidecar' ? read.get(targets, `${namespace}${SEPARATOR}${addresses}`) : [];
      return encoded(
        inboundClusters({
          mesh: meshOf(inputs, read),
          shape: { role, kind, families, explicit },
          explicit: JSON.parse(inbound) as ExplicitMode['inbound'] | null,
          addresses: addresses.split(','),
          isIntercepted: interception !== 'NONE',
          scope: read.get(arrivals, scopeKey({ namespace, sidecar })),
          targets: found,
        }),
      );
    },
    sameResources,
  );
}

/** Ports of services that addresses of a namespace serve, those of older services first. */
function inboundTargets(inputs: Inputs, parts: EndpointParts): Memo<readonly InboundTarget[]> {
  return inputs.graph.memo('inbound targets', (key, read) => {
    const [namespace = '', addresses = ''] = key.split(SEPARATOR);
    const found: InboundTarget[] = [];
    const seen = new Set<string>();
    for (const address of addresses.split(',')) {
      for (const instance of read.lookup(parts.services.instancesByAddress, address)) {
        const service = read.get(parts.services.services, instance.serviceKey);
        // An address names a workload of one's own namespace only: others may reuse it.
        if (service === undefined || service.namespace !== namespace || service.isMeshExternal) continue;
        const ref = read.get(parts.policies.refs, policyQuery(namespace, service.key));
        const policy = readPolicy(parts.policies, read, ref);
        for (const { servicePort, targetPort } of instance.ports) {
          const id = `${service.key}|${servicePort.number}|${targetPort}`;
          if (servicePort.protocol === 'UDP' || seen.has(id)) continue;
          seen.add(id);
          const { name: portName, protocol, number } = servicePort;
          found.push({ service, policy, servicePort: number, portName, protocol, targetPort });
        }
      }
    }
    return found.sort(
      (a, b) => a.service.creationMs - b.service.creationMs || (a.service.key < b.service.key ? -1 : 1),
    );
  });
}
