// DestinationRule → how a service is called; rules of one namespace for one host become one, as Istio merges them.
import { byCreation } from '../../model/hosts.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { ServicePolicy, Subset, TrafficPolicy } from '../../model/traffic-policy.ts';
import type { ConfigObject } from '../../source/object.ts';
import type { Complaint } from '../complaint.ts';
import { isJson, namesIn, partIn, partsIn, textIn, textsIn } from '../fields.ts';
import { fullHost, visibility } from './names.ts';

const EVERYONE: readonly string[] = ['*'];

export function translateDestinationRule(rule: ConfigObject, mesh: Mesh): ServicePolicy {
  const { spec, namespace, name } = rule;
  const defaults = mesh.defaultDestinationRuleExportTo.length === 0 ? EVERYONE : mesh.defaultDestinationRuleExportTo;
  return {
    origins: [`DestinationRule/${namespace}/${name}`],
    namespace,
    name,
    host: fullHost(textIn(spec, 'host'), namespace, mesh.clusterDomain).toLowerCase(),
    exportTo: visibility(textsIn(spec, 'exportTo'), defaults, namespace),
    workloadSelector: namesIn(partIn(spec, 'workloadSelector'), 'matchLabels'),
    trafficPolicy: policyIn(spec['trafficPolicy']),
    subsets: partsIn(spec, 'subsets').map(
      (subset): Subset => ({
        name: textIn(subset, 'name'),
        labels: namesIn(subset, 'labels'),
        trafficPolicy: policyIn(subset['trafficPolicy']),
      }),
    ),
    creationMs: rule.creationMs,
  };
}

function policyIn(value: unknown): TrafficPolicy | null {
  return isJson(value) ? (value as TrafficPolicy) : null;
}

/**
 * Rules of one namespace and host that select the same workloads and are seen by the same namespaces become one: the
 * first by creation keeps what it says, later ones add subsets, and their top-level policy where there is none yet.
 */
export function mergeRules(
  rules: readonly ServicePolicy[],
  complain?: (complaint: Complaint) => void,
): ServicePolicy[] {
  const merged: ServicePolicy[] = [];
  for (const rule of [...rules].sort(byCreation)) {
    const at = merged.findIndex((other) => mayJoin(other, rule));
    const other = merged[at];
    if (other === undefined) merged.push(rule);
    else merged[at] = join(other, rule, complain);
  }
  return merged;
}

function mayJoin(a: ServicePolicy, b: ServicePolicy): boolean {
  return sameText(a.workloadSelector, b.workloadSelector) && sameSet(a.exportTo, b.exportTo);
}

function join(first: ServicePolicy, rule: ServicePolicy, complain?: (complaint: Complaint) => void): ServicePolicy {
  const names = new Set(first.subsets.map((subset) => subset.name));
  const added: Subset[] = [];
  rule.subsets.forEach((subset, index) => {
    if (!names.has(subset.name)) added.push(subset);
    else complain?.(duplicateSubset(first, rule, subset, index));
    names.add(subset.name);
  });
  return {
    ...first,
    origins: [...first.origins, ...rule.origins],
    trafficPolicy: first.trafficPolicy ?? rule.trafficPolicy,
    subsets: [...first.subsets, ...added],
  };
}

function duplicateSubset(first: ServicePolicy, rule: ServicePolicy, subset: Subset, index: number): Complaint {
  return {
    objectKey: rule.origins[0] ?? '',
    fieldPath: `spec.subsets[${index}].name`,
    message: `subset ${subset.name} of ${rule.host} is defined by ${first.origins.join(', ')} already`,
    remedy: 'give it another name, or remove one of the two',
    severity: 'error',
  };
}

function sameText(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}
