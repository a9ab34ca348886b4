// Who may come in where: mTLS modes and access rules of every workload, by its namespace and labels.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { isKnownKey } from '../generate/rbac/conditions.ts';
import { byAge } from '../model/hosts.ts';
import { parseWorkloadKey, workloadKey } from '../model/labels.ts';
import type { AccessPolicy, ClosedBy, MtlsMode, MtlsPolicy } from '../model/policy.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import { translateAuthorizationPolicy } from '../translate/istio/authorization-policy.ts';
import { closedBy, closedComplaint } from '../translate/istio/closed-by.ts';
import {
  namespaceMtls,
  peerComplaints,
  type PeerRule,
  resolveMtls,
  translatePeerAuthentication,
} from '../translate/istio/peer-authentication.ts';
import { isTargeted } from '../translate/istio/policy-target.ts';
import type { Inputs } from './inputs.ts';
import type { MtlsLookup } from './mtls-lookup.ts';
import { meshOf } from './services-stage.ts';

/** What holds for one workload. Workloads with the same have equal values, so replicas share what is made of it. */
export type Security = {
  readonly mtls: MtlsPolicy;
  /** ALLOW, DENY and AUDIT, in Istio's order. */
  readonly policies: readonly AccessPolicy[];
  readonly closedBy: readonly ClosedBy[];
};

export type SecurityStage = {
  /** Keys: `workloadKey`. */
  readonly security: Memo<Security>;
  /** For clusters and endpoints of callers. */
  readonly lookup: MtlsLookup;
  readonly policies: Collection<AccessPolicy>;
  readonly closed: Collection<ClosedBy>;
  readonly complaints: Collection<readonly Complaint[]>;
};

/** Kinds of objects that may close workloads. */
const GUARDS = ['RequestAuthentication', 'AuthorizationPolicy', 'WasmPlugin', 'TrafficExtension'] as const;
/** Index key of what reaches every namespace. */
const EVERYWHERE = '*';

export function securityStage(inputs: Inputs): SecurityStage {
  const { graph } = inputs;
  const root = (read: Reader): string => meshOf(inputs, read).rootNamespace;
  const peers = graph.map<ConfigObject, PeerRule>('peer rules', inputs.kind('PeerAuthentication'), (key, object) =>
    translatePeerAuthentication(key, object),
  );
  const peersByNamespace = peers.index('by namespace', (_key, rule) => [rule.namespace]);
  const policies = graph.map<ConfigObject, AccessPolicy>(
    'access policies',
    inputs.kind('AuthorizationPolicy'),
    (key, object, read) => translateAuthorizationPolicy(key, object, root(read)),
  );
  const policiesByPlace = policies.index('by place', (_key, policy) => placesOf(policy));
  const closed = graph.union(
    'closed workloads',
    ...GUARDS.map((kind) =>
      graph.map<ConfigObject, ClosedBy>(`closed by ${kind}`, inputs.kind(kind), (key, object, read) =>
        closedBy(key, object, root(read)),
      ),
    ),
  );
  const closedByPlace = closed.index('by place', (_key, one) => placesOf(one));
  const mtls = graph.memo<MtlsPolicy>('mtls', (key, read) => {
    const workload = parseWorkloadKey(key);
    const rootNamespace = root(read);
    const rules = [...read.lookup(peersByNamespace, rootNamespace)];
    if (workload.namespace !== rootNamespace) rules.push(...read.lookup(peersByNamespace, workload.namespace));
    return resolveMtls(rules, workload, rootNamespace);
  });
  const security = graph.memo<Security>('security', (key, read) => {
    const workload = parseWorkloadKey(key);
    const isHere = (one: Pick<AccessPolicy, 'targets'>): boolean =>
      one.targets.some((target) => isTargeted(target, workload));
    const places = [EVERYWHERE, workload.namespace];
    const effective = places.flatMap((place) => read.lookup(policiesByPlace, place));
    return {
      mtls: read.get(mtls, key),
      policies: effective.filter((policy) => policy.action !== 'CUSTOM' && isHere(policy)).sort(byAge),
      closedBy: places.flatMap((place) => read.lookup(closedByPlace, place)).filter(isHere),
    };
  });
  const ofNamespace = graph.memo<MtlsMode | null>('mtls of namespaces', (namespace, read) => {
    const rootNamespace = root(read);
    const rules = [rootNamespace, namespace].flatMap((place) => read.lookup(peersByNamespace, place));
    return namespaceMtls(rules, namespace, rootNamespace);
  });
  const lookup: MtlsLookup = {
    ofNamespace: (read, namespace) => read.get(ofNamespace, namespace),
    ofPort: (read, namespace, labels, port) => {
      const { mode, ports } = read.get(mtls, workloadKey(namespace, labels));
      return ports.get(port) ?? mode;
    },
  };
  return { security, lookup, policies, closed, complaints: complaintsOf(inputs, { peers, policies, closed }) };
}

/** Namespaces whose workloads may be meant. */
function placesOf({ targets }: Pick<AccessPolicy, 'targets'>): string[] {
  const places = targets.map((target) => (target.kind === 'mesh' ? EVERYWHERE : target.namespace || EVERYWHERE));
  return [...new Set(places)];
}

function complaintsOf(
  inputs: Inputs,
  parts: {
    readonly peers: Collection<PeerRule>;
    readonly policies: Collection<AccessPolicy>;
    readonly closed: Collection<ClosedBy>;
  },
): Collection<readonly Complaint[]> {
  const { graph } = inputs;
  const byNamespace = parts.peers.index('siblings', (_key, rule) => [rule.namespace]);
  const ofPeers = graph.map<PeerRule, readonly Complaint[]>(
    'complaints of peer rules',
    parts.peers,
    (_key, rule, read) => {
      const siblings = read.lookup(byNamespace, rule.namespace);
      const found = peerComplaints(rule, siblings, meshOf(inputs, read).rootNamespace);
      return found.length === 0 ? undefined : found;
    },
  );
  const ofPolicies = graph.map<AccessPolicy, readonly Complaint[]>(
    'complaints of access policies',
    parts.policies,
    (key, policy, read) => {
      const closed = read.get(parts.closed, key);
      const found = [...(closed === undefined ? [] : [closedComplaint(closed)]), ...policyComplaints(policy)];
      return found.length === 0 ? undefined : found;
    },
  );
  const ofGuards = graph.map<ClosedBy, readonly Complaint[]>('complaints of guards', parts.closed, (_key, closed) => [
    closedComplaint(closed),
  ]);
  return graph.union('complaints of security', ofPeers, ofPolicies, ofGuards);
}

function policyComplaints(policy: AccessPolicy): Complaint[] {
  const complaints: Complaint[] = [];
  policy.rules.forEach((rule, index) => {
    const unknown = rule.when.find((condition) => !isKnownKey(condition.key));
    if (unknown === undefined) return;
    const effect = policy.action === 'ALLOW' ? 'the rule allows nobody' : 'the condition is left out';
    complaints.push({
      objectKey: policy.key,
      fieldPath: `spec.rules[${index}].when`,
      message: `nothing is known as ${JSON.stringify(unknown.key)}: ${effect}`,
      remedy: "use one of Istio's attributes, such as source.principal or request.headers[NAME]",
      severity: 'error',
    });
  });
  if (policy.targets.some((target) => target.kind === 'service')) {
    complaints.push({
      objectKey: policy.key,
      fieldPath: 'spec.targetRefs',
      message: 'services are guarded by waypoints, and this mesh has none yet: the policy has no effect',
      remedy: 'select the workloads that serve it',
      severity: 'error',
    });
  }
  return complaints;
}
