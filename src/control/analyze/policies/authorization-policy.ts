// AuthorizationPolicies that guard nothing, or speak of namespaces that are not there.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { namesIn, partIn, partsIn, textsIn } from '../../translate/fields.ts';
import { isTargeted, policyTargets } from '../../translate/istio/policy-target.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import { selectorText, type World } from '../world.ts';
import { isInMesh } from '../workloads/injection.ts';

export const authorizationPolicies: Analyzer = {
  name: 'auth.AuthorizationPoliciesAnalyzer',
  description: 'Checks the validity of authorization policies',
  codes: ['IST0101', 'IST0127'],
  run(world, report) {
    for (const object of world.kind('AuthorizationPolicy')) {
      if (world.hasPods) checkTargets(world, object, report);
      checkNamespaces(world, object, report);
    }
  },
};

function checkTargets(world: World, object: ConfigObject, report: Report): void {
  const targets = policyTargets(object, world.mesh.rootNamespace);
  // What names a Gateway or a Service is told where that is not there.
  const own = targets.filter(({ kind }) => kind === 'namespace' || kind === 'workloads');
  if (own.length < targets.length) return;
  const isGuarded = world.workloads.some(
    (workload) => own.some((target) => isTargeted(target, workload)) && isInMesh(world, workload),
  );
  if (isGuarded) return;
  const labels = selectorText(namesIn(partIn(object.spec, 'selector'), 'matchLabels'));
  const path = labels === '' ? ['metadata', 'name'] : ['spec', 'selector', 'matchLabels'];
  report('IST0127', object, path, labels);
}

function checkNamespaces(world: World, object: ConfigObject, report: Report): void {
  for (const [at, rule] of partsIn(object.spec, 'rules').entries()) {
    for (const [i, from] of partsIn(rule, 'from').entries()) {
      const source = partIn(from, 'source');
      for (const field of ['namespaces', 'notNamespaces'] as const) {
        for (const [j, name] of textsIn(source, field).entries()) {
          if (isKnown(world, name)) continue;
          const path: PathPart[] = ['spec', 'rules', at, 'from', i, 'source', field, j];
          report('IST0101', object, path, 'namespace', name);
        }
      }
    }
  }
}

/** 'prod', 'prod-*', '*-prod', '*'. */
function isKnown({ namespaces }: World, name: string): boolean {
  if (!name.includes('*')) return namespaces.has(name);
  if (name === '*') return true;
  const names = [...namespaces];
  if (name.startsWith('*')) return names.some((one) => one.endsWith(name.slice(1)));
  return names.some((one) => one.startsWith(name.slice(0, -1)));
}
