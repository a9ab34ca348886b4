// Preference for near endpoints: which setting holds, and the priorities and weights that it gives to localities.
import type { Mesh } from '../../model/mesh.ts';
import type { Endpoint, Locality, Service } from '../../model/service.ts';
import type { TrafficPolicy } from '../../model/traffic-policy.ts';

type Json = Readonly<Record<string, unknown>>;

/** `setting` has the shape of Istio's LocalityLoadBalancerSetting; null: localities do not matter. */
export type LocalitySetting = { readonly setting: Json | null; readonly isFailoverForced: boolean };

/** Endpoints of one locality, with their share and rank. */
export type LocalityGroup = {
  readonly locality: Locality;
  readonly endpoints: readonly Endpoint[];
  readonly weight: number;
  readonly priority: number;
};

/** Who is near: the caller. */
export type CallerPlace = {
  readonly locality: Locality;
  readonly network: string;
  readonly cluster: string;
  readonly labels: Readonly<Record<string, string>>;
};

const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';
const SUB_ZONE = 'topology.istio.io/subzone';
const NETWORK = 'topology.istio.io/network';
const CLUSTER = 'topology.istio.io/cluster';
const HOSTNAME = 'kubernetes.io/hostname';

/** The rule first, then what the service says, then the mesh. */
export function localitySetting(
  mesh: Mesh,
  settings: TrafficPolicy['loadBalancer'],
  service: Pick<Service, 'trafficDistribution'>,
): LocalitySetting {
  const ofRule = settings?.['localityLbSetting'] as Json | null | undefined;
  if (ofRule != null) return { setting: ofRule['enabled'] === false ? null : ofRule, isFailoverForced: false };
  const labels = NEARNESS[service.trafficDistribution];
  if (labels !== undefined) return { setting: { failoverPriority: labels }, isFailoverForced: true };
  const ofMesh = mesh.raw['localityLbSetting'] as Json | null | undefined;
  if (ofMesh == null) return { setting: MESH_DEFAULT, isFailoverForced: false };
  return { setting: ofMesh['enabled'] === false ? null : ofMesh, isFailoverForced: false };
}

/** Failover by locality is on, without further settings; it needs outlier detection to do anything. */
const MESH_DEFAULT: Json = {};

const NEARNESS: Readonly<Partial<Record<string, readonly string[]>>> = {
  PreferClose: [NETWORK, REGION, ZONE],
  PreferSameZone: [NETWORK, REGION, ZONE],
  PreferSameNode: [NETWORK, REGION, ZONE, SUB_ZONE, HOSTNAME],
  PreferSameRegion: [NETWORK, REGION],
};

/** Names of labels of the caller, beyond its place, on which the groups depend. */
export function callerLabels(setting: Json | null): readonly string[] {
  const names = prioritiesIn(setting).map((name) => name.split('=', 1)[0] ?? '');
  return names.filter((name) => ![REGION, ZONE, SUB_ZONE, NETWORK, CLUSTER].includes(name));
}

/** Whether the groups depend on where the caller is. */
export function dependsOnCaller({ setting, isFailoverForced }: LocalitySetting, hasOutliers: boolean): boolean {
  return setting !== null && (setting['distribute'] != null || hasOutliers || isFailoverForced);
}

/** One group for each locality, in order of their names. */
export function groupByLocality(endpoints: readonly Endpoint[]): readonly LocalityGroup[] {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const name = nameOf(endpoint.locality);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [endpoint]);
    else group.push(endpoint);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, found]) => ({ locality: found[0]!.locality, endpoints: found, weight: weightOf(found), priority: 0 }));
}

export function applyLocality(
  groups: readonly LocalityGroup[],
  { setting, isFailoverForced }: LocalitySetting,
  hasOutliers: boolean,
  caller: CallerPlace,
): readonly LocalityGroup[] {
  if (setting === null) return groups;
  const distribute = setting['distribute'] as readonly Json[] | null | undefined;
  if (distribute != null) return distributed(groups, distribute, caller.locality);
  if (!hasOutliers && !isFailoverForced) return groups;
  const priorities = prioritiesIn(setting);
  const failover = (setting['failover'] as readonly Json[] | null | undefined) ?? [];
  if (priorities.length === 0) return failedOver(groups, failover, caller.locality);
  const ranked = rankedByLabels(groups, priorities, caller);
  return failover.length === 0 ? ranked : failedOver(ranked, failover, caller.locality);
}

function prioritiesIn(setting: Json | null): readonly string[] {
  return (setting?.['failoverPriority'] as readonly string[] | null | undefined) ?? [];
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return Math.min(
    endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0),
    0xffff_ffff,
  );
}

/** Weights by destination for callers of one locality; localities that are not named get nothing. */
function distributed(
  groups: readonly LocalityGroup[],
  distribute: readonly Json[],
  from: Locality,
): readonly LocalityGroup[] {
  const rule = distribute.find((entry) => localityMatches(from, String(entry['from'] ?? '')));
  if (rule === undefined) return groups;
  const shares = new Map<LocalityGroup, number>();
  for (const [to, share] of Object.entries((rule['to'] as Readonly<Record<string, number>> | undefined) ?? {}).sort()) {
    const matching = groups.filter((group) => !shares.has(group) && localityMatches(group.locality, to));
    const total = matching.reduce((sum, group) => sum + group.weight, 0);
    for (const group of matching) shares.set(group, Math.ceil((group.weight * share) / total));
  }
  return groups.map((group) => {
    const weight = shares.get(group);
    if (weight === undefined) return { ...group, endpoints: [] };
    return weight > 0 ? { ...group, weight } : group;
  });
}

/** 'region/zone/*', 'region/*', '*': a part that is not given, or '*', takes everything. */
function localityMatches(locality: Locality, rule: string): boolean {
  const [region = '', zone = '', subZone = ''] = rule.split('/');
  const takes = (pattern: string, value: string): boolean => pattern === '' || pattern === '*' || pattern === value;
  return takes(region, locality.region) && takes(zone, locality.zone) && takes(subZone, locality.subZone);
}

/** Same sub-zone, same zone, same region, the region to fail over to, the rest. */
function failedOver(
  groups: readonly LocalityGroup[],
  failover: readonly Json[],
  from: Locality,
): readonly LocalityGroup[] {
  const target = failover.find((entry) => entry['from'] === from.region);
  return compacted(
    groups.map((group) => {
      let rank = distance(from, group.locality);
      if (rank === 3 && target !== undefined && group.locality.region !== target['to']) rank = 4;
      return { ...group, priority: group.priority * 5 + rank };
    }),
  );
}

function distance(from: Locality, to: Locality): number {
  if (from.region !== to.region) return 3;
  if (from.zone !== to.zone) return 2;
  return from.subZone === to.subZone ? 0 : 1;
}

/** Endpoints that share more of the labels, from the first on, go first; a locality may fall apart by rank. */
function rankedByLabels(
  groups: readonly LocalityGroup[],
  priorities: readonly string[],
  caller: CallerPlace,
): readonly LocalityGroup[] {
  const wanted = priorities.map((text): readonly [string, string] => {
    const [name = '', value] = text.split('=', 2);
    return [name, value ?? callerLabel(caller, name)];
  });
  const ranked = groups.flatMap((group) => {
    const ranks = new Map<number, Endpoint[]>();
    for (const endpoint of group.endpoints) {
      const at = wanted.findIndex(([name, value]) => value !== endpointLabel(endpoint, name));
      const rank = at < 0 ? 0 : wanted.length - at;
      const same = ranks.get(rank);
      if (same === undefined) ranks.set(rank, [endpoint]);
      else same.push(endpoint);
    }
    return [...ranks]
      .sort(([a], [b]) => a - b)
      .map(([priority, endpoints]) => ({ ...group, endpoints, priority, weight: weightOf(endpoints) }));
  });
  return compacted(ranked);
}

/** Ranks count from 0 without gaps. */
function compacted(groups: readonly LocalityGroup[]): readonly LocalityGroup[] {
  const ranks = [...new Set(groups.map((group) => group.priority))].sort((a, b) => a - b);
  return groups.map((group) => ({ ...group, priority: ranks.indexOf(group.priority) }));
}

function callerLabel({ locality, network, cluster, labels }: CallerPlace, name: string): string {
  return placeLabel(name, locality, network, cluster) || labelOf(labels, name);
}

function endpointLabel({ locality, network, cluster, nodeName, labels }: Endpoint, name: string): string {
  if (name === HOSTNAME) return nodeName;
  return placeLabel(name, locality, network, cluster) || labelOf(labels, name);
}

function labelOf(labels: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] ?? '') : '';
}

/** Every workload has these labels, whether they are written down or not. */
function placeLabel(name: string, locality: Locality, network: string, cluster: string): string {
  switch (name) {
    case REGION:
      return locality.region;
    case ZONE:
      return locality.zone;
    case SUB_ZONE:
      return locality.subZone;
    case NETWORK:
      return network;
    case CLUSTER:
      return cluster;
    default:
      return '';
  }
}

function nameOf({ region, zone, subZone }: Locality): string {
  return `${region}/${zone}/${subZone}`;
}
