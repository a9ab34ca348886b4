// What callers of one class may call, by which rule, and whether it matters where they are.
import type { Collection, Memo } from '../../base/collection.ts';
import { callerLabels, dependsOnCaller, localitySetting } from '../generate/endpoint/locality.ts';
import { effectivePolicy } from '../generate/effective-policy.ts';
import type { Mesh } from '../model/mesh.ts';
import { parseClass, pickClass, type ProxyClass } from '../model/proxy.ts';
import { scopeKey } from '../model/scope.ts';
import type { Service } from '../model/service.ts';
import type { ServicePolicy, TrafficPolicy } from '../model/traffic-policy.ts';
import type { Inputs } from './inputs.ts';
import type { ScopesStage } from './scopes-stage.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';
import { policyQuery, type TrafficPolicyStage } from './traffic-policy-stage.ts';

/** `ref`: where the rule is. `isPlaced`: the result depends on the caller's locality. */
export type Callee = { readonly service: string; readonly ref: string; readonly isPlaced: boolean };

export const CALLER_FIELDS = ['namespace', 'sidecar', 'labels'] as const;
export type CallerFacts = Pick<ProxyClass, (typeof CALLER_FIELDS)[number]>;

export type CallersStage = {
  /** In the order of the scope; key: `callerKey`. */
  readonly callees: Memo<readonly Callee[]>;
  /** Names of callers' labels on which priorities of endpoints depend, sorted; key: ''. They belong into the class. */
  readonly failoverLabels: Memo<readonly string[]>;
};

export function callerKey(facts: CallerFacts): string {
  return pickClass(facts, ...CALLER_FIELDS);
}

export type CallersParts = {
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  readonly scopes: ScopesStage;
};

export function callersStage(inputs: Inputs, parts: CallersParts): CallersStage {
  const { graph } = inputs;
  const { services, policies, scopes } = parts;
  const near = graph.map<Service, true>('services that want to be near', services.services, (_key, service) =>
    service.trafficDistribution !== '' && service.trafficDistribution !== 'Any' ? true : undefined,
  );
  const placed = placedPolicies(inputs, policies);
  const callees = graph.memo<readonly Callee[]>('callees', (key, read) => {
    const facts = parseClass<keyof CallerFacts>(key);
    const isNear = new Set(read.keys(near));
    const ofMesh = isMeshPlaced(meshOf(inputs, read));
    return read.get(scopes.services, scopeKey(facts)).map((service) => {
      const ref = read.get(policies.refs, policyQuery(facts.namespace, service, facts.labels));
      const byRule = ref === '' ? false : isPlacedRef(read.get(placed, ref.slice(0, ref.lastIndexOf('|'))), ref);
      return { service, ref, isPlaced: ofMesh || isNear.has(service) || byRule };
    });
  });
  return { callees, failoverLabels: failoverLabels(inputs, policies) };
}

/** By the key of merged rules: which of them look at the caller's place. */
function placedPolicies(inputs: Inputs, { policies }: TrafficPolicyStage): Collection<readonly boolean[]> {
  return inputs.graph.map<readonly ServicePolicy[], readonly boolean[]>(
    'placed policies',
    policies,
    (_key, merged, read) => merged.map((policy) => isPolicyPlaced(policy, meshOf(inputs, read))),
  );
}

function isPlacedRef(placed: readonly boolean[] | undefined, ref: string): boolean {
  return placed?.[Number(ref.slice(ref.lastIndexOf('|') + 1))] ?? false;
}

function isPolicyPlaced(policy: ServicePolicy, mesh: Mesh): boolean {
  return allSettings(policy).some((settings) => {
    const locality = localitySetting(mesh, settings.loadBalancer, { trafficDistribution: '' });
    return dependsOnCaller(locality, settings.outlierDetection != null);
  });
}

/** The settings that hold for some port and subset. */
function allSettings(policy: ServicePolicy): TrafficPolicy[] {
  const parts = [policy.trafficPolicy, ...policy.subsets.map((subset) => subset.trafficPolicy)];
  const ports = parts.flatMap((part) => part?.portLevelSettings?.map((settings) => settings.port?.number ?? 0) ?? []);
  const found: TrafficPolicy[] = [];
  for (const port of new Set([0, ...ports])) {
    for (const subset of ['', ...policy.subsets.map(({ name }) => name)]) {
      const effective = effectivePolicy(policy, port, subset);
      if (effective !== null) found.push(effective);
    }
  }
  return found;
}

/** Without outlier detection only weights by locality look at the caller. */
function isMeshPlaced(mesh: Mesh): boolean {
  const setting = mesh.raw['localityLbSetting'] as Readonly<Record<string, unknown>> | null | undefined;
  return setting?.['distribute'] != null && setting['enabled'] !== false;
}

function failoverLabels(inputs: Inputs, { policies }: TrafficPolicyStage): Memo<readonly string[]> {
  const named = inputs.graph.map<readonly ServicePolicy[], readonly string[]>(
    'labels of failover',
    policies,
    (_key, merged, read) => {
      const mesh = meshOf(inputs, read);
      const settings = merged.flatMap(allSettings);
      const names = settings.flatMap(({ loadBalancer }) =>
        callerLabels(localitySetting(mesh, loadBalancer, { trafficDistribution: '' }).setting),
      );
      return names.length === 0 ? undefined : names;
    },
  );
  return inputs.graph.memo<readonly string[]>('labels that failover looks at', (_key, read) =>
    [...new Set([...read.all(named).values()].flat())].sort(),
  );
}
