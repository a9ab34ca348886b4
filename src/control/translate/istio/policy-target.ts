// What a policy is attached to: the mesh, a namespace, selected workloads, or named targets.
import { hasLabels, type Labels, selects } from '../../model/labels.ts';
import type { PolicyTarget } from '../../model/policy.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, namesIn, partIn, partsIn, textIn } from '../fields.ts';

/** The label by which the proxies of a Gateway of the Gateway API know whose they are. */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

/** Targets are found in the policy's own namespace; only policies of the root namespace reach beyond it. */
export function policyTargets(object: ConfigObject, rootNamespace: string): readonly PolicyTarget[] {
  const { namespace, spec } = object;
  const refs = [
    ...partsIn(spec, 'targetRefs'),
    ...[partIn(spec, 'targetRef')].filter((ref) => textIn(ref, 'name') !== ''),
  ];
  if (refs.length > 0) return refs.map((ref) => namedTarget(ref, namespace));
  const labels = namesIn(partIn(spec, 'selector'), 'matchLabels');
  const isRoot = namespace === rootNamespace;
  if (hasLabels(labels)) return [{ kind: 'workloads', namespace: isRoot ? '' : namespace, labels }];
  return [isRoot ? { kind: 'mesh' } : { kind: 'namespace', namespace }];
}

function namedTarget(ref: Json, namespace: string): PolicyTarget {
  const isGateway = textIn(ref, 'kind') === 'Gateway' || textIn(ref, 'kind') === 'GatewayClass';
  return { kind: isGateway ? 'gateway' : 'service', namespace, name: textIn(ref, 'name') };
}

/** Whether a workload's own proxy is meant. Services are guarded by waypoints, not by what serves them. */
export function isTargeted(
  target: PolicyTarget,
  workload: { readonly namespace: string; readonly labels: Labels },
): boolean {
  switch (target.kind) {
    case 'mesh':
      return true;
    case 'namespace':
      return target.namespace === workload.namespace;
    case 'workloads':
      return (
        (target.namespace === '' || target.namespace === workload.namespace) && selects(target.labels, workload.labels)
      );
    case 'gateway':
      return target.namespace === workload.namespace && workload.labels[GATEWAY_NAME] === target.name;
    case 'service':
      return false;
  }
}

/** For messages: 'the whole mesh', 'namespace bookinfo', 'workloads app=reviews of namespace bookinfo'. */
export function describeTargets(targets: readonly PolicyTarget[]): string {
  return targets.map(describe).join(', ');
}

function describe(target: PolicyTarget): string {
  switch (target.kind) {
    case 'mesh':
      return 'the whole mesh';
    case 'namespace':
      return `namespace ${target.namespace}`;
    case 'workloads': {
      const labels = Object.entries(target.labels).map(([name, value]) => `${name}=${value}`);
      const where = target.namespace === '' ? 'of all namespaces' : `of namespace ${target.namespace}`;
      return `workloads ${labels.join(',')} ${where}`;
    }
    default:
      return `${target.kind} ${target.namespace}/${target.name}`;
  }
}
