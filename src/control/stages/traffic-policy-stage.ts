// Which rule says how a service is called by the proxies of a namespace.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { hasLabels, type Labels, selects } from '../model/labels.ts';
import type { ServicePolicy } from '../model/traffic-policy.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import { mergeRules, translateDestinationRule } from '../translate/istio/destination-rule.ts';
import { isVisibleIn } from '../translate/istio/names.ts';
import { complaintsOfPolicy } from '../translate/istio/traffic-policy-checks.ts';
import type { Inputs } from './inputs.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';

export type TrafficPolicyStage = {
  /** Merged rules by 'NAMESPACE|HOST', those of different workloads or visibility apart. */
  readonly policies: Collection<readonly ServicePolicy[]>;
  /** Where the rule for a caller and a service is: a `policyRef`, '' for none. Keys: `policyQuery`. */
  readonly refs: Memo<string>;
  /** Names of labels by which rules of a namespace tell its proxies apart, sorted: they belong into the class. */
  readonly selectingLabels: Memo<readonly string[]>;
  readonly complaints: Collection<readonly Complaint[]>;
};

/** `labels`: those of the caller by which rules may select. */
export function policyQuery(namespace: string, serviceKey: string, labels: Labels = {}): string {
  const names = Object.keys(labels).sort();
  return [namespace, serviceKey, ...names.map((name) => `${name}=${labels[name]}`)].join('|');
}

export function readPolicy(stage: TrafficPolicyStage, read: Reader, ref: string): ServicePolicy | null {
  if (ref === '') return null;
  const end = ref.lastIndexOf('|');
  return read.get(stage.policies, ref.slice(0, end))?.[Number(ref.slice(end + 1))] ?? null;
}

export function trafficPolicyStage(inputs: Inputs, services: ServicesStage): TrafficPolicyStage {
  const { graph } = inputs;
  const rules = graph.map<ConfigObject, ServicePolicy>('rules', inputs.kind('DestinationRule'), (_key, rule, read) =>
    translateDestinationRule(rule, meshOf(inputs, read)),
  );
  const byHost = rules.index('by host', (_key, rule) => [hostKey(rule.namespace, rule.host)]);
  const policies = graph.flatMap<ServicePolicy, readonly ServicePolicy[]>('policies', rules, (_key, rule, read) => {
    const key = hostKey(rule.namespace, rule.host);
    return [[key, mergeRules(read.lookup(byHost, key))]];
  });
  const complaints = graph.flatMap<ServicePolicy, readonly Complaint[]>(
    'complaints of rules',
    rules,
    (key, rule, read) => {
      const found: Complaint[] = [];
      mergeRules(read.lookup(byHost, hostKey(rule.namespace, rule.host)), (complaint) => found.push(complaint));
      const own = [...found.filter((complaint) => complaint.objectKey === key), ...complaintsOfPolicy(rule)];
      return own.length === 0 ? [] : [[key, own]];
    },
  );
  const wildcards = policies.index('wildcards', (_key, [first]) =>
    first?.host.startsWith('*') ? [first.namespace] : [],
  );
  const find = makeFinder(inputs, services, policies, wildcards);
  return {
    policies,
    complaints,
    refs: graph.memo('policies of callers', (query, read) => {
      const [namespace = '', service = '', ...labels] = query.split('|');
      return find(read, namespace, service, Object.fromEntries(labels.map(splitLabel)));
    }),
    selectingLabels: selectingLabels(inputs, rules),
  };
}

function hostKey(namespace: string, host: string): string {
  return `${namespace}|${host}`;
}

function splitLabel(text: string): [string, string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}

type Finder = (read: Reader, namespace: string, serviceKey: string, labels: Labels) => string;

/** The caller's namespace first, then the service's, then the root namespace: the first that has a rule decides. */
function makeFinder(
  inputs: Inputs,
  { services }: ServicesStage,
  policies: Collection<readonly ServicePolicy[]>,
  wildcards: ReturnType<typeof policies.index>,
): Finder {
  const candidates = (read: Reader, namespace: string, host: string): readonly ServicePolicy[] => {
    const exact = read.get(policies, hostKey(namespace, host));
    if (exact !== undefined) return exact;
    const found = read.lookup(wildcards, namespace).filter(([first]) => host.endsWith((first?.host ?? '').slice(1)));
    return found.sort((a, b) => (b[0]?.host.length ?? 0) - (a[0]?.host.length ?? 0))[0] ?? [];
  };
  return (read, namespace, serviceKey, labels) => {
    const service = read.get(services, serviceKey);
    if (service === undefined) return '';
    const { rootNamespace } = meshOf(inputs, read);
    const own = candidates(read, namespace, service.hostname);
    const visible = own.filter((policy) => isVisibleIn(policy.exportTo, namespace));
    if (visible.length > 0) return refOf(own, choose(visible, namespace, labels));
    for (const owner of new Set([service.namespace, rootNamespace])) {
      if (owner === namespace) continue;
      const others = candidates(read, owner, service.hostname);
      const exported = others.filter((policy) => isVisibleIn(policy.exportTo, namespace));
      if (exported.length > 0) return refOf(others, choose(exported, namespace, labels));
    }
    return '';
  };
}

/** A rule that selects the caller goes before the one for all; rules select only in their own namespace. */
function choose(policies: readonly ServicePolicy[], namespace: string, labels: Labels): ServicePolicy | undefined {
  const selecting = policies.find(
    (policy) =>
      policy.namespace === namespace && hasLabels(policy.workloadSelector) && selects(policy.workloadSelector, labels),
  );
  return selecting ?? policies.find((policy) => !hasLabels(policy.workloadSelector));
}

function refOf(policies: readonly ServicePolicy[], chosen: ServicePolicy | undefined): string {
  return chosen === undefined ? '' : `${hostKey(chosen.namespace, chosen.host)}|${policies.indexOf(chosen)}`;
}

function selectingLabels(inputs: Inputs, rules: Collection<ServicePolicy>): Memo<readonly string[]> {
  const selecting = rules.index('selecting', (_key, rule) =>
    hasLabels(rule.workloadSelector) ? [rule.namespace] : [],
  );
  return inputs.graph.memo('labels that rules select by', (namespace, read) => {
    const names = read.lookup(selecting, namespace).flatMap((rule) => Object.keys(rule.workloadSelector));
    return [...new Set(names)].sort();
  });
}
