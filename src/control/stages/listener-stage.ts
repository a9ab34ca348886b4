// Listeners as resources: those of what workloads call, shared by all callers of a class as far as they name nobody,
// and those by which a workload is called, shared by replicas.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { encodeResource } from '../generate/encode.ts';
import { type InboundPort, inboundListeners } from '../generate/listener/inbound/listener.ts';
import { hasHttp, type OutboundEntry } from '../generate/listener/outbound/chain.ts';
import type { L4Routes } from '../generate/listener/outbound/l4-chains.ts';
import {
  fallbackCluster,
  httpProxyListener,
  outboundListener,
  virtualOutbound,
} from '../generate/listener/outbound/listener.ts';
import { outboundPlan } from '../generate/listener/outbound/plan.ts';
import {
  type ListenerSettings,
  listenerSettings,
  NOBODY,
  type TraceIdentity,
  traceIdentity,
} from '../generate/listener/settings.ts';
import { accessFilters } from '../generate/rbac/filters.ts';
import type { Labels } from '../model/labels.ts';
import { configReference } from '../model/origin.ts';
import { loopbackAddresses, parseClass, pickClass, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import type { RouteSet } from '../model/route.ts';
import { type Scope, scopeKey } from '../model/scope.ts';
import type { Endpoint } from '../model/service.ts';
import type { AccessLogsStage } from './access-logs-stage.ts';
import { sameResources } from './endpoint-resources-stage.ts';
import type { Inputs } from './inputs.ts';
import type { ScopesStage } from './scopes-stage.ts';
import { type SecurityStage, securityKey } from './security-stage.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';
import { policyQuery, readPolicy, type TrafficPolicyStage } from './traffic-policy-stage.ts';

export type ListenerResources = {
  /** Those without HTTP, and the one that capture leads to. */
  readonly shared: Memo<readonly EncodedResource[]>;
  /** Those with HTTP: their traces name the workload. */
  readonly http: Memo<readonly EncodedResource[]>;
  readonly inbound: Memo<readonly EncodedResource[]>;
  /** Addresses of pods that have a listener each, for callers of a class. */
  readonly podAddresses: Memo<ReadonlySet<string>>;
};

type TableRef = { readonly memo: Memo<readonly EncodedResource[]>; readonly key: string };

const PLAN_FIELDS = [
  ...(['namespace', 'dnsDomain', 'sidecar', 'labels', 'families', 'interception', 'dnsCapture', 'http10'] as const),
] as const;
const OUTBOUND_FIELDS = ['kind', ...PLAN_FIELDS] as const;
const INBOUND_FIELDS = ['kind', 'namespace', 'sidecar', 'families', 'interception', 'http10'] as const;
type PlanFacts = Pick<ProxyClass, (typeof PLAN_FIELDS)[number]>;
type OutboundFacts = Pick<ProxyClass, (typeof OUTBOUND_FIELDS)[number]>;
type InboundFacts = Pick<ProxyClass, (typeof INBOUND_FIELDS)[number]>;

/** In no name, and in JSON only escaped. */
const SEPARATOR = '\n';

/** Tables of a sidecar's listeners: memo and key, shared ones first. Read inside a stage. */
export function listenerTables(
  stage: ListenerResources,
  facts: OutboundFacts & Pick<ProxyClass, 'role' | 'cluster'>,
  node: Pick<ProxyNode, 'labels' | 'addresses' | 'metadata'>,
  read: Reader,
): readonly TableRef[] {
  if (facts.role !== 'sidecar' || facts.kind === 'grpc') return [];
  const { namespace, cluster } = facts;
  const meshId = node.metadata['MESH_ID'];
  const identity = traceIdentity(node.labels, namespace, cluster, typeof meshId === 'string' ? meshId : '');
  const outbound = pickClass(facts, ...OUTBOUND_FIELDS);
  const [own = ''] = node.addresses;
  const isPod = read.get(stage.podAddresses, pickClass(facts, ...PLAN_FIELDS)).has(own);
  const callee: Callee = { labels: sorted(node.labels), addresses: node.addresses, identity };
  return [
    { memo: stage.shared, key: `${outbound}${SEPARATOR}${isPod ? own : ''}` },
    { memo: stage.http, key: `${outbound}${SEPARATOR}${isPod ? own : ''}${SEPARATOR}${JSON.stringify(identity)}` },
    { memo: stage.inbound, key: `${pickClass(facts, ...INBOUND_FIELDS)}${SEPARATOR}${JSON.stringify(callee)}` },
  ];
}

/** Who is called. */
type Callee = { readonly labels: Labels; readonly addresses: readonly string[]; readonly identity: TraceIdentity };

function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export type ListenerParts = {
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  readonly routeSets: Collection<RouteSet>;
  readonly scopes: ScopesStage;
  readonly security: SecurityStage;
  readonly accessLogs: AccessLogsStage;
};

export function listenerStage(inputs: Inputs, parts: ListenerParts): ListenerResources {
  const { graph } = inputs;
  const plans = outboundPlans(inputs, parts);
  const settings = graph.memo<ListenerSettings>('settings of listeners', (key, read) => {
    const { kind, http10, namespace } = parseClass<'kind' | 'http10' | 'namespace'>(key);
    return listenerSettings(meshOf(inputs, read), kind, http10, read.get(parts.accessLogs.ofNamespace, namespace));
  });
  const settingsOf = (facts: Pick<ProxyClass, 'kind' | 'http10' | 'namespace'>, read: Reader): ListenerSettings =>
    read.get(settings, pickClass(facts, 'kind', 'http10', 'namespace'));
  const fallbacks = graph.memo<string>('fallbacks of scopes', (key, read) =>
    fallbackCluster(read.get(parts.scopes.scopes, key)),
  );
  // One entry of a plan: a plan that changed elsewhere ends here, and nothing is encoded again.
  const entries = graph.memo<OutboundEntry | null>('entries of listener plans', (key, read) => {
    const [plan = '', name = ''] = key.split(SEPARATOR);
    return read.get(plans, plan).get(name) ?? null;
  });
  const pieces = graph.memo<EncodedResource | null>(
    'outbound listeners',
    (key, read) => {
      const [classText = '', name = '', identity = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof OutboundFacts>(classText);
      const entry = read.get(entries, `${pickClass(facts, ...PLAN_FIELDS)}${SEPARATOR}${name}`);
      if (entry === null) return null;
      const fallback = read.get(fallbacks, scopeKey(facts));
      const who = identity === '' ? NOBODY : (JSON.parse(identity) as TraceIdentity);
      return encodeResource(LISTENER, name, outboundListener(entry, fallback, settingsOf(facts, read), who));
    },
    samePiece,
  );
  const line = (read: Reader, key: string, wantsHttp: boolean): EncodedResource[] => {
    const [classText = '', own = '', identity = ''] = key.split(SEPARATOR);
    const facts = parseClass<keyof OutboundFacts>(classText);
    const found: EncodedResource[] = [];
    for (const [name, entry] of read.get(plans, pickClass(facts, ...PLAN_FIELDS))) {
      if (hasHttp(entry) !== wantsHttp || (own !== '' && entry.podAddress === own)) continue;
      const piece = read.get(pieces, `${classText}${SEPARATOR}${name}${SEPARATOR}${identity}`);
      if (piece !== null) found.push(piece);
    }
    return found;
  };
  const virtual = graph.memo<EncodedResource | null>(
    'virtual outbound listeners',
    (key, read) => {
      const facts = parseClass<keyof OutboundFacts>(key);
      if (facts.interception === 'NONE') return null;
      const fallback = read.get(fallbacks, scopeKey(facts));
      return encodeResource(LISTENER, 'virtualOutbound', virtualOutbound(facts, fallback, settingsOf(facts, read)));
    },
    samePiece,
  );
  const httpProxy = graph.memo<EncodedResource | null>(
    'HTTP proxy listeners',
    (key, read) => {
      const [classText = '', , identity = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof OutboundFacts>(classText);
      const { proxyHttpPort } = meshOf(inputs, read);
      const [bind = ''] = loopbackAddresses(facts.families);
      if (proxyHttpPort === 0) return null;
      const who = JSON.parse(identity) as TraceIdentity;
      const listener = httpProxyListener(bind, proxyHttpPort, settingsOf(facts, read), who);
      return encodeResource(LISTENER, `${bind}_${proxyHttpPort}`, listener);
    },
    samePiece,
  );
  return {
    shared: graph.memo(
      'listeners without HTTP',
      (key, read) => [...line(read, key, false), ...present(read.get(virtual, key.split(SEPARATOR)[0] ?? ''))],
      sameResources,
    ),
    http: graph.memo(
      'listeners with HTTP',
      (key, read) => [...line(read, key, true), ...present(read.get(httpProxy, key))],
      sameResources,
    ),
    inbound: inboundMemo(inputs, parts, settingsOf),
    podAddresses: graph.memo(
      'pods with listeners',
      (key, read) => new Set([...read.get(plans, key).values()].map((entry) => entry.podAddress).filter(Boolean)),
    ),
  };
}

const LISTENER = 'envoy.config.listener.v3.Listener' as const;

function present<T>(value: T | null): T[] {
  return value === null ? [] : [value];
}

function samePiece(a: EncodedResource | null, b: EncodedResource | null): boolean {
  return a?.version === b?.version && a?.name === b?.name;
}

/** Ports that every proxy has for itself: capture, its state and its metrics. */
const OWN_PORTS = [15021, 15090];

function outboundPlans(inputs: Inputs, parts: ListenerParts): Memo<ReadonlyMap<string, OutboundEntry>> {
  const { graph } = inputs;
  // Only rules for connections: those for requests are routes, and change no listener.
  const rules = graph.map<RouteSet, L4Routes>('rules for connections', parts.routeSets, (_key, set) => {
    const { key, namespace, name, reference, hosts, parents, l4, ports } = set;
    return l4.length === 0 ? undefined : { key, namespace, name, reference, hosts, parents, l4, ports };
  });
  const pods = graph.map<readonly Endpoint[], Readonly<Record<string, readonly string[]>>>(
    'pods of headless services',
    parts.services.endpoints,
    (key, endpoints, read) =>
      read.get(parts.services.services, key)?.resolution === 'Passthrough' ? podsByPort(endpoints) : undefined,
  );
  return graph.memo<ReadonlyMap<string, OutboundEntry>>('plans of outbound listeners', (key, read) => {
    const facts = parseClass<keyof PlanFacts>(key);
    const mesh = meshOf(inputs, read);
    return outboundPlan({
      facts,
      scope: read.get(parts.scopes.scopes, scopeKey(facts)),
      reservedPorts: new Set([mesh.proxyListenPort, mesh.proxyInboundListenPort, ...OWN_PORTS]),
      service: (serviceKey) => read.get(parts.services.services, serviceKey),
      routes: (routeKey) => read.get(rules, routeKey),
      policyOf: (service) => {
        const query = policyQuery(facts.namespace, service.key, facts.labels);
        return readPolicy(parts.policies, read, read.get(parts.policies.refs, query));
      },
      podAddresses: (service, number) => {
        const port = service.ports.find((one) => one.number === number);
        return port === undefined ? [] : (read.get(pods, service.key)?.[port.name] ?? []);
      },
      statPattern: mesh.outboundClusterStatName,
    });
  });
}

function podsByPort(endpoints: readonly Endpoint[]): Readonly<Record<string, readonly string[]>> {
  const ports = new Map<string, Set<string>>();
  for (const { portName, address, isUnixSocket, health } of endpoints) {
    if (isUnixSocket || health === 'unhealthy' || !/^[\d.]+$|:/.test(address)) continue;
    const addresses = ports.get(portName) ?? new Set();
    ports.set(portName, addresses.add(address));
  }
  return Object.fromEntries([...ports].map(([name, addresses]) => [name, [...addresses]]));
}

type SettingsOf = (facts: Pick<ProxyClass, 'kind' | 'http10' | 'namespace'>, read: Reader) => ListenerSettings;

function inboundMemo(inputs: Inputs, parts: ListenerParts, settingsOf: SettingsOf): Memo<readonly EncodedResource[]> {
  const { graph } = inputs;
  // Under all that decides them: replicas, which differ in their addresses only, share them.
  const encoded = graph.memo<readonly EncodedResource[]>('inbound listeners', (key, read) => {
    const [classText = '', rest = ''] = key.split(SEPARATOR);
    const { families, interception, ...facts } = parseClass<keyof InboundFacts>(classText);
    const { labels, identity, ports } = JSON.parse(rest) as Omit<Callee, 'addresses'> & { ports: InboundPort[] };
    const { mtls, policies, closedBy } = read.get(parts.security.security, securityKey(facts.namespace, labels));
    const settings = settingsOf(facts, read);
    const access = accessFilters({ policies, closedBy, trustDomains: settings.trustDomains });
    const listeners = inboundListeners({ families, interception, ports, mtls, access, settings, identity });
    return listeners.map((listener) => encodeResource(LISTENER, listener.name ?? '', listener));
  });
  return graph.memo<readonly EncodedResource[]>(
    'inbound listeners of workloads',
    (key, read) => {
      const [classText = '', rest = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof InboundFacts>(classText);
      const { labels, addresses, identity } = JSON.parse(rest) as Callee;
      const scope = read.get(parts.scopes.scopes, scopeKey(facts));
      const ports =
        scope.ingress.length > 0
          ? sidecarPorts(scope, facts, addresses)
          : servicePorts(inputs, parts, facts, addresses, read);
      return read.get(encoded, `${classText}${SEPARATOR}${JSON.stringify({ labels, identity, ports })}`);
    },
    sameResources,
  );
}

/** What services say of the workload; where two say something of one port, the older has it. */
function servicePorts(
  inputs: Inputs,
  { services }: ListenerParts,
  facts: InboundFacts,
  addresses: readonly string[],
  read: Reader,
): InboundPort[] {
  // Without capture, listeners would take the ports on which the workload itself listens.
  if (facts.interception === 'NONE') return [];
  const { proxyListenPort, proxyInboundListenPort } = meshOf(inputs, read);
  const taken = new Set([proxyListenPort, proxyInboundListenPort, ...OWN_PORTS]);
  const found = addresses
    .flatMap((address) => read.lookup(services.instancesByAddress, address))
    .flatMap((instance) => {
      const service = read.get(services.services, instance.serviceKey);
      // An address names a workload of one's own namespace only: others may reuse it.
      if (service === undefined || service.namespace !== facts.namespace || service.isMeshExternal) return [];
      return [{ service, ports: instance.ports }];
    })
    .sort((a, b) => a.service.creationMs - b.service.creationMs || (a.service.key < b.service.key ? -1 : 1));
  const ports: InboundPort[] = [];
  for (const { service, ports: served } of found) {
    const { hostname, name, namespace, registry } = service;
    for (const { servicePort, targetPort } of served) {
      if (servicePort.protocol === 'UDP' || taken.has(targetPort)) continue;
      taken.add(targetPort);
      ports.push({
        ...{ port: servicePort.number, name: servicePort.name, protocol: servicePort.protocol, targetPort, hostname },
        service: { name, namespace, registry },
        ...{ binds: [], bindToPort: false, reference: '', tls: null },
      });
    }
  }
  return ports;
}

/** What the Sidecar that applies says instead. */
function sidecarPorts(scope: Scope, facts: InboundFacts, addresses: readonly string[]): InboundPort[] {
  const [namespace = '', name = ''] = facts.sidecar.split('/');
  const taken = new Set<number>();
  return scope.ingress.flatMap((listener): InboundPort[] => {
    const { number, protocol, name: portName } = listener.port;
    if (protocol === 'UDP' || taken.has(number)) return [];
    taken.add(number);
    const isDefault = listener.captureMode === 'DEFAULT';
    return [
      {
        ...{ port: number, name: portName, protocol, targetPort: number, service: null },
        hostname: `${name}.${namespace}`,
        binds: listener.bind === '' ? addresses : [listener.bind],
        bindToPort: isDefault ? facts.interception === 'NONE' : listener.captureMode === 'NONE',
        reference: configReference('networking.istio.io', 'Sidecar', namespace, name),
        tls: listener.tls,
      },
    ];
  });
}
