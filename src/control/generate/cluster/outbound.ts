// Outbound clusters of one service: one for each port, and one for each subset that a rule defines.
import type { Cluster, JsonObject, LocalityLbEndpoints } from '../../../proto/generated/types.d.ts';
import { protoDuration } from '../../model/duration.ts';
import { hasLabels } from '../../model/labels.ts';
import type { Mesh } from '../../model/mesh.ts';
import { configReference } from '../../model/origin.ts';
import type { Families } from '../../model/proxy.ts';
import type { Service, ServicePort } from '../../model/service.ts';
import type { ServicePolicy, TrafficPolicy } from '../../model/traffic-policy.ts';
import { effectivePolicy } from '../effective-policy.ts';
import { keepsDraining } from '../endpoint/load-assignment.ts';
import { localitySetting } from '../endpoint/locality.ts';
import { fixed, typed } from '../listener/any.ts';
import { statName } from '../listener/outbound/stat-name.ts';
import { applyConnectionPool, applyHttp2Upgrade, applyPortProtocol } from './connection-pool.ts';
import { addMetadataExchange, type ClusterShape, type Draft, finish, istioMetadata } from './draft.ts';
import { applyLoadBalancer, applyOutlierDetection } from './load-balancing.ts';
import { outboundName, sniName, statPrefix } from './names.ts';
import { applyProxyProtocol, applyTls, isForeignTls } from './tls.ts';

export type OutboundFacts = {
  readonly service: Service;
  readonly policy: ServicePolicy | null;
  readonly mesh: Mesh;
  readonly shape: ClusterShape;
  /** 'sni': for gateways that pass mTLS through by its SNI; those clusters add no TLS of their own. */
  readonly mode: 'outbound' | 'sni';
  /** Identities of the endpoints. */
  readonly accounts: readonly string[];
  /** Whether mTLS may be tried without a rule; `isPassthrough` asks for every endpoint. */
  isMtlsPossible(port: ServicePort, isPassthrough: boolean): boolean;
  /** Endpoints inside the cluster, where they are names to be resolved. */
  inlineEndpoints(port: ServicePort, subset: string): LocalityLbEndpoints[];
};

export type NamedCluster = Cluster & { name: string };

export function outboundClusters(facts: OutboundFacts): NamedCluster[] {
  const { service, policy, mode } = facts;
  if (service.resolution === 'Alias' || (mode === 'sni' && service.isMeshExternal)) return [];
  return service.ports.flatMap((port) => {
    if (port.protocol === 'UDP') return [];
    const whole = clusterOf(facts, port, '');
    if (whole === null) return [];
    const subsets = (policy?.subsets ?? []).map((subset) => clusterOf(facts, port, subset.name));
    return [whole, ...subsets.filter((cluster) => cluster !== null)];
  });
}

/** How endpoints get into the cluster, before a rule says otherwise. */
export function discoveryType(
  service: Pick<Service, 'resolution'>,
  { role, explicit }: Pick<ClusterShape, 'role' | 'explicit'>,
): Cluster['type'] {
  switch (service.resolution) {
    case 'DNSLB':
      return 'STRICT_DNS';
    case 'DNSRoundRobinLB':
      return 'LOGICAL_DNS';
    // Neither gateways nor proxies without redirect have an original destination.
    case 'Passthrough':
      return role === 'router' || explicit ? 'EDS' : 'ORIGINAL_DST';
    default:
      return 'EDS';
  }
}

/** Where the proxy knows where a connection was going. */
export function isPassthroughPolicy(
  policy: TrafficPolicy | null,
  { explicit }: Pick<ClusterShape, 'explicit'>,
): boolean {
  return !explicit && policy?.loadBalancer?.['simple'] === 'PASSTHROUGH';
}

function clusterOf(facts: OutboundFacts, port: ServicePort, subset: string): NamedCluster | null {
  const { service, policy, mesh, shape, mode } = facts;
  const effective = effectivePolicy(policy, port.number, subset);
  const draft = startCluster(facts, port, subset, effective);
  if (draft === null) return null;
  const { cluster } = draft;
  applyPortProtocol(draft, mesh, port.protocol, shape.role === 'sidecar' || shape.role === 'waypoint');
  const isDynamic = service.resolution === 'DynamicDNS';
  if (!isDynamic) istioMetadata(draft)['services'] = [serviceMetadata(service)];
  applyHttp2Upgrade(draft, mesh, effective?.connectionPool, port.protocol);
  applyConnectionPool(draft, mesh, effective?.connectionPool, effective?.retryBudget);
  applyOutlierDetection(cluster, effective?.outlierDetection);
  if (isDynamic) cluster.lb_policy = 'CLUSTER_PROVIDED';
  else {
    const isIdle = shape.explicit && effective?.loadBalancer?.['simple'] === 'PASSTHROUGH';
    const settings = isIdle ? undefined : effective?.loadBalancer;
    applyLoadBalancer(cluster, settings, localitySetting(mesh, effective?.loadBalancer, service));
  }
  if (mode === 'outbound') {
    const isPassthrough = cluster.type === 'ORIGINAL_DST' || service.resolution === 'Passthrough';
    applyTls(draft, effective?.tls, {
      ...{ shape, mesh, service, accounts: facts.accounts },
      sni: sniName(port.number, subset, service.hostname),
      isAutomatic: mesh.isAutoMtls && !service.isMeshExternal && facts.isMtlsPossible(port, isPassthrough),
      selectsWorkloads: hasLabels(policy?.workloadSelector ?? {}),
    });
    applyProxyProtocol(draft, effective?.proxyProtocol);
  }
  if (cluster.type === 'EDS') cluster.eds_cluster_config = edsConfig(cluster.name);
  addMetadataExchange(draft, shape.kind);
  addRuleMetadata(draft, facts, subset, effective);
  return finish(draft);
}

function startCluster(
  facts: OutboundFacts,
  port: ServicePort,
  subset: string,
  effective: TrafficPolicy | null,
): Draft | null {
  const { service, mesh, shape, mode } = facts;
  const { hostname } = service;
  const name = mode === 'sni' ? sniName(port.number, subset, hostname) : outboundName(port.number, subset, hostname);
  const pattern = mesh.outboundClusterStatName;
  const at = { host: hostname, subset, port: port.number, portName: port.name, service };
  const cluster: NamedCluster = { name, alt_stat_name: statPrefix(pattern === '' ? name : statName(pattern, at)) };
  if (service.resolution === 'DynamicDNS') {
    cluster.cluster_type = dynamicType(hostname, shape.families);
    return { cluster, http: null };
  }
  const type = subset !== '' && isPassthroughPolicy(effective, shape) ? 'ORIGINAL_DST' : discoveryType(service, shape);
  cluster.type = type;
  // Endpoints that are not ready are sent as such: Envoy must not fall back on them when many are.
  cluster.common_lb_config = { healthy_panic_threshold: {} };
  if (subset === '' && keepsDraining(service)) {
    cluster.common_lb_config.override_host_status = { statuses: ['HEALTHY', 'DRAINING', 'UNKNOWN', 'DEGRADED'] };
  }
  if (type === 'STRICT_DNS' || type === 'LOGICAL_DNS') {
    const found = facts.inlineEndpoints(port, subset);
    const endpoints = type === 'LOGICAL_DNS' ? firstOf(found) : found;
    if (endpoints.length === 0) return null;
    cluster.load_assignment = { cluster_name: name, endpoints };
    addResolution(cluster, mesh, shape.families);
  } else if (type === 'ORIGINAL_DST' && service.registry === 'External' && port.targetPort !== 0) {
    cluster.original_dst_lb_config = { upstream_port_override: Number(port.targetPort) };
  }
  return { cluster, http: null };
}

/** One name is all that such a cluster takes. */
function firstOf([first]: readonly LocalityLbEndpoints[]): LocalityLbEndpoints[] {
  const endpoint = first?.lb_endpoints?.[0];
  if (first === undefined || endpoint === undefined) return [];
  return [{ ...first, lb_endpoints: [endpoint], load_balancing_weight: endpoint.load_balancing_weight }];
}

const RESOLVER = fixed('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
  udp_max_queries: 100,
});
const DNS_JITTER_MS = 100;

function addResolution(cluster: Cluster, mesh: Mesh, families: Families): void {
  cluster.dns_lookup_family = lookupFamily(families);
  cluster.typed_dns_resolver_config = { name: 'envoy.network.dns_resolver.cares', typed_config: RESOLVER() };
  cluster.dns_jitter = protoDuration(DNS_JITTER_MS);
  cluster.dns_refresh_rate = protoDuration(mesh.dnsRefreshRateMs);
  cluster.respect_dns_ttl = true;
}

function lookupFamily(families: Families): NonNullable<Cluster['dns_lookup_family']> {
  if (families === 'v4') return 'V4_ONLY';
  return families === 'v6' ? 'V6_ONLY' : 'ALL';
}

const DYNAMIC = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';

/** Hosts below a wildcard, resolved when they are asked for. */
function dynamicType(hostname: string, families: Families): NonNullable<Cluster['cluster_type']> {
  const cache = { name: `${hostname}_dfp_dns_cache`, dns_lookup_family: lookupFamily(families) };
  return {
    name: 'envoy.clusters.dynamic_forward_proxy',
    typed_config: typed(DYNAMIC, { dns_cache_config: cache }),
  };
}

function edsConfig(name: string): NonNullable<Cluster['eds_cluster_config']> {
  return {
    service_name: name,
    eds_config: { ads: {}, initial_fetch_timeout: protoDuration(0), resource_api_version: 'V3' },
  };
}

export function serviceMetadata({ hostname, name, namespace }: Service): JsonObject {
  return { host: hostname, name, namespace };
}

function addRuleMetadata(
  draft: Draft,
  { service, policy, mode }: OutboundFacts,
  subset: string,
  effective: TrafficPolicy | null,
): void {
  const metadata = istioMetadata(draft);
  if (subset === '' && service.isMeshExternal) metadata['external'] = true;
  if (policy === null) return;
  metadata['config'] = configReference('networking.istio.io', 'DestinationRule', policy.namespace, policy.name);
  if (subset !== '') metadata['subset'] = subset;
  if (isForeignTls(effective?.tls) && mode === 'outbound') metadata['alpn_override'] = 'false';
}
