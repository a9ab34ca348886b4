// Endpoints of clusters as resources: one for each port and subset of a service.
import type { Memo, Reader } from '../../base/collection.ts';
import type { LocalityLbEndpoints } from '../../proto/generated/types.d.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { outboundName, sniName } from '../generate/cluster/names.ts';
import { discoveryType, isPassthroughPolicy } from '../generate/cluster/outbound.ts';
import { effectivePolicy, endpointTlsMode } from '../generate/effective-policy.ts';
import { encodeResource } from '../generate/encode.ts';
import { chooseEndpoints, loadAssignment, localityEndpoints } from '../generate/endpoint/load-assignment.ts';
import { applyLocality, type CallerPlace, groupByLocality, localitySetting } from '../generate/endpoint/locality.ts';
import type { Mesh } from '../model/mesh.ts';
import { parseClass, pickClass, type ProxyClass, type ProxyRole } from '../model/proxy.ts';
import type { Endpoint, Service, ServicePort } from '../model/service.ts';
import type { ServicePolicy } from '../model/traffic-policy.ts';
import type { Callee, CallersParts, CallersStage } from './callers-stage.ts';
import { CALLER_FIELDS, callerKey } from './callers-stage.ts';
import type { Inputs } from './inputs.ts';
import { isPlain, type PlainStage } from './plain-stage.ts';
import { meshOf } from './services-stage.ts';
import { readPolicy } from './traffic-policy-stage.ts';

export type EndpointResources = {
  /** For all callers of a namespace, wherever they are. */
  readonly shared: Memo<readonly EncodedResource[]>;
  /** Those whose order depends on where the caller is. */
  readonly placed: Memo<readonly EncodedResource[]>;
  /** Behind gateways that pass mTLS through by SNI: only endpoints that take mTLS. */
  readonly sni: Memo<readonly EncodedResource[]>;
};

export type EndpointParts = CallersParts & { readonly callers: CallersStage; readonly plain: PlainStage };

const SHARED_FIELDS = [...CALLER_FIELDS, 'role', 'explicit'] as const;
const PLACED_FIELDS = [...SHARED_FIELDS, 'locality', 'network', 'cluster'] as const;

export type EndpointFacts = Pick<ProxyClass, (typeof PLACED_FIELDS)[number]>;

/** Tables of a proxy's endpoints: memo and key, shared ones first. */
export function endpointTables(
  stage: EndpointResources,
  facts: EndpointFacts,
): readonly { readonly memo: Memo<readonly EncodedResource[]>; readonly key: string }[] {
  return [
    { memo: stage.shared, key: pickClass(facts, ...SHARED_FIELDS) },
    { memo: stage.placed, key: pickClass(facts, ...PLACED_FIELDS) },
  ];
}

export function sniEndpointTable(
  stage: EndpointResources,
  facts: EndpointFacts,
): { readonly memo: Memo<readonly EncodedResource[]>; readonly key: string } {
  return { memo: stage.sni, key: pickClass(facts, ...PLACED_FIELDS) };
}

/** What one service's endpoints depend on; `caller` is null for those that do not care. */
type Piece = {
  readonly mode: 'outbound' | 'sni';
  readonly role: ProxyRole;
  readonly explicit: boolean;
  readonly service: string;
  readonly ref: string;
  readonly caller: CallerPlace | null;
};

export function endpointResourcesStage(inputs: Inputs, parts: EndpointParts): EndpointResources {
  const { graph } = inputs;
  const { callees } = parts.callers;
  const pieces = graph.memo<readonly EncodedResource[]>(
    'endpoints of services',
    (key, read) => endpointsOfService(JSON.parse(key) as Piece, read, inputs, parts),
    sameResources,
  );
  const collect = (read: Reader, key: string, mode: Piece['mode'], wants: (callee: Callee) => boolean) => {
    const facts = parseClass<keyof EndpointFacts>(key);
    return read.get(callees, callerKey(facts)).flatMap((callee) => {
      if (!wants(callee)) return [];
      const caller = callee.isPlaced ? placeOf(facts) : null;
      const { role, explicit } = facts;
      const piece: Piece = { mode, role, explicit, service: callee.service, ref: callee.ref, caller };
      return read.get(pieces, JSON.stringify(piece));
    });
  };
  return {
    shared: graph.memo(
      'endpoints of classes',
      (key, read) => collect(read, key, 'outbound', (callee) => !callee.isPlaced),
      sameResources,
    ),
    placed: graph.memo(
      'endpoints by place',
      (key, read) => collect(read, key, 'outbound', (callee) => callee.isPlaced),
      sameResources,
    ),
    sni: graph.memo('endpoints by SNI', (key, read) => collect(read, key, 'sni', () => true), sameResources),
  };
}

export function placeOf({ locality, network, cluster, labels }: Omit<EndpointFacts, 'role' | 'explicit'>): CallerPlace {
  return { locality, network, cluster, labels };
}

export function sameResources(a: readonly EncodedResource[], b: readonly EncodedResource[]): boolean {
  return (
    a.length === b.length &&
    a.every((resource, index) => resource.version === b[index]?.version && resource.name === b[index].name)
  );
}

function endpointsOfService(piece: Piece, read: Reader, inputs: Inputs, parts: EndpointParts): EncodedResource[] {
  const service = read.get(parts.services.services, piece.service);
  if (service === undefined || discoveryType(service, piece) !== 'EDS') return [];
  if (service.resolution === 'Alias' || service.resolution === 'DynamicDNS') return [];
  if (piece.mode === 'sni' && service.isMeshExternal) return [];
  const policy = readPolicy(parts.policies, read, piece.ref);
  const makeEndpoints = endpointMaker(service, policy, piece.caller, read, inputs, parts);
  const nameOf = piece.mode === 'sni' ? sniName : outboundName;
  const subsets = ['', ...(policy?.subsets ?? []).map(({ name }) => name)];
  return service.ports.flatMap((port) =>
    subsets.flatMap((subset) => {
      if (port.protocol === 'UDP' || isPassthroughPolicy(effectivePolicy(policy, port.number, subset), piece))
        return [];
      const name = nameOf(port.number, subset, service.hostname);
      const message = loadAssignment(name, makeEndpoints(port, subset, piece.mode === 'sni'));
      return [encodeResource('envoy.config.endpoint.v3.ClusterLoadAssignment', name, message)];
    }),
  );
}

/** Makes the endpoints of ports and subsets of one service, for callers of one place. */
export function endpointMaker(
  service: Service,
  policy: ServicePolicy | null,
  caller: CallerPlace | null,
  read: Reader,
  inputs: Inputs,
  parts: Pick<EndpointParts, 'services' | 'plain'>,
): (port: ServicePort, subset: string, isMtlsOnly: boolean) => LocalityLbEndpoints[] {
  const mesh: Mesh = meshOf(inputs, read);
  const all = read.get(parts.services.endpoints, service.key) ?? [];
  return (port, subset, isMtlsOnly) => {
    const mode = endpointTlsMode(policy, port.number, subset);
    const takesMtls = (endpoint: Endpoint): boolean => {
      if (mode !== null) return mode === 'ISTIO_MUTUAL';
      if (endpoint.tlsMode !== 'istio') return false;
      return !isPlain(parts.plain, read, endpoint);
    };
    const chosen = chooseEndpoints(all, service, port.name, policy, subset);
    const groups = groupByLocality(isMtlsOnly ? chosen.filter(takesMtls) : chosen);
    if (caller === null) return localityEndpoints(groups, takesMtls);
    const effective = effectivePolicy(policy, port.number, subset);
    const setting = localitySetting(mesh, effective?.loadBalancer, service);
    const ranked = applyLocality(groups, setting, effective?.outlierDetection != null, caller);
    return localityEndpoints(ranked, takesMtls);
  };
}
