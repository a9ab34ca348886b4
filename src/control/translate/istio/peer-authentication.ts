// PeerAuthentication → whether a workload takes mTLS, plaintext, or both; the whole mesh's, its namespace's, its own.
import { byCreation } from '../../model/hosts.ts';
import { hasLabels, type Labels, selects } from '../../model/labels.ts';
import type { MtlsMode, MtlsPolicy } from '../../model/policy.ts';
import type { ConfigObject } from '../../source/object.ts';
import type { Complaint } from '../complaint.ts';
import { isJson, namesIn, partIn, textIn } from '../fields.ts';

/** One object, read. A mode that is not set is that of the wider object. */
export type PeerRule = {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly creationMs: number;
  readonly selector: Labels;
  readonly mode: MtlsMode | null;
  readonly ports: ReadonlyMap<number, MtlsMode | null>;
};

export function translatePeerAuthentication(key: string, object: ConfigObject): PeerRule {
  const { spec, namespace, name, creationMs } = object;
  const ports = new Map<number, MtlsMode | null>();
  for (const [port, setting] of Object.entries(partIn(spec, 'portLevelMtls'))) {
    if (isJson(setting)) ports.set(Number(port), modeOf(textIn(setting, 'mode')));
  }
  return {
    ...{ key, namespace, name, creationMs, ports },
    selector: namesIn(partIn(spec, 'selector'), 'matchLabels'),
    mode: modeOf(textIn(partIn(spec, 'mtls'), 'mode')),
  };
}

function modeOf(mode: string): MtlsMode | null {
  return mode === 'STRICT' || mode === 'PERMISSIVE' || mode === 'DISABLE' ? mode : null;
}

/**
 * The mode of a workload. Of several objects for the same the oldest counts. In the root namespace only objects for
 * the whole mesh count; ports are a matter of the workload's own object.
 */
export function resolveMtls(
  rules: readonly PeerRule[],
  workload: { readonly namespace: string; readonly labels: Labels },
  rootNamespace: string,
): MtlsPolicy {
  const ofMesh = oldest(rules.filter((rule) => rule.namespace === rootNamespace && !hasLabels(rule.selector)));
  const local = rules.filter((rule) => rule.namespace === workload.namespace && rule.namespace !== rootNamespace);
  const ofNamespace = oldest(local.filter((rule) => !hasLabels(rule.selector)));
  const own = oldest(local.filter((rule) => hasLabels(rule.selector) && selects(rule.selector, workload.labels)));
  const mode = own?.mode ?? ofNamespace?.mode ?? ofMesh?.mode ?? 'PERMISSIVE';
  const ports = new Map<number, MtlsMode>();
  for (const [port, portMode] of own?.ports ?? []) ports.set(port, portMode ?? mode);
  const origins = [own, ofNamespace, ofMesh].flatMap((rule) => (rule === undefined ? [] : [rule.key]));
  return { mode, ports, origins };
}

/** What is said for a whole namespace, or else for the mesh; null where nothing is. */
export function namespaceMtls(rules: readonly PeerRule[], namespace: string, rootNamespace: string): MtlsMode | null {
  const wide = rules.filter((rule) => !hasLabels(rule.selector));
  const ofMesh = oldest(wide.filter((rule) => rule.namespace === rootNamespace));
  const own = oldest(wide.filter((rule) => rule.namespace === namespace));
  return own?.mode ?? ofMesh?.mode ?? null;
}

function oldest(rules: readonly PeerRule[]): PeerRule | undefined {
  return [...rules].sort(byCreation)[0];
}

/** What of an object can have no effect, given those of the same namespace. */
export function peerComplaints(rule: PeerRule, siblings: readonly PeerRule[], rootNamespace: string): Complaint[] {
  const complaints: Complaint[] = [];
  const add = (fieldPath: string, message: string, remedy: string): void => {
    complaints.push({ objectKey: rule.key, fieldPath, message, remedy, severity: 'warning' });
  };
  const isWide = !hasLabels(rule.selector);
  if (rule.namespace === rootNamespace && !isWide) {
    add(
      'spec.selector',
      `has no effect: in the root namespace ${rootNamespace} only an object for the whole mesh counts`,
      'move it to the namespace of the workloads, or remove the selector',
    );
  }
  if (isWide && rule.ports.size > 0) {
    add('spec.portLevelMtls', 'has no effect without a selector', 'select the workloads whose ports are meant');
  }
  const first = isWide ? oldest(siblings.filter((other) => !hasLabels(other.selector))) : rule;
  if (first !== undefined && first.key !== rule.key) {
    add('', `has no effect: ${first.key} is older and means the same workloads`, `remove one of the two`);
  }
  return complaints;
}
