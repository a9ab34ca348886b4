// Which pods get a proxy, by the labels of namespaces and their own; and what contradicts it.
import type { Labels } from '../../model/labels.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, partsIn, textIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName, type Workload, type World } from '../world.ts';
import { INJECT } from './annotation-table.ts';

const INJECTION = 'istio-injection';
const REVISION = 'istio.io/rev';
const DATA_PLANE = 'istio.io/dataplane-mode';
const REDIRECTION = 'ambient.istio.io/redirection';
const PROXY = 'istio-proxy';
const SYSTEM: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);

export function isSystemNamespace(name: string): boolean {
  return SYSTEM.has(name);
}

/** What belongs to Istio itself. */
export function isControlPlane({ labels }: Pick<ConfigObject, 'labels'>): boolean {
  return labels['istio'] !== undefined || labels['release'] === 'istio';
}

export function isAmbientNamespace(namespace: ConfigObject | undefined): boolean {
  const labels = namespace?.labels ?? {};
  return labels[DATA_PLANE] === 'ambient' && labels[INJECTION] !== 'enabled' && (labels[REVISION] ?? '') === '';
}

export function isAmbient({ annotations }: Workload): boolean {
  return annotations[REDIRECTION] === 'enabled';
}

/** Undefined where its labels and annotations say nothing. */
function ownWish({
  labels,
  annotations,
}: {
  readonly labels: Labels;
  readonly annotations: Labels;
}): boolean | undefined {
  const wish = labels[INJECT] ?? annotations[INJECT];
  return wish === undefined ? undefined : wish.toLowerCase() === 'true';
}

function isInjectedNamespace({ labels }: ConfigObject): boolean {
  return labels[INJECTION] === 'enabled' || (labels[INJECTION] === undefined && labels[REVISION] !== undefined);
}

/** Whether it has a proxy or will get one; in doubt it has. */
export function isInMesh(world: World, workload: Workload): boolean {
  if (!world.settings.isInjected || workload.pod === null || hasProxy(workload.pod)) return true;
  const wish = ownWish(workload);
  if (wish !== undefined) return wish;
  const namespace = world.namespace(workload.namespace);
  return namespace === undefined || isInjectedNamespace(namespace) || isAmbient(workload);
}

function hasProxy(pod: Json): boolean {
  return containersOf(pod).some((one) => textIn(one, 'name') === PROXY && textIn(one, 'image') !== '');
}

function containersOf(pod: Json): readonly Json[] {
  return [...partsIn(pod, 'containers'), ...partsIn(pod, 'initContainers')];
}

export const injection: Analyzer = {
  name: 'injection.Analyzer',
  description: 'Checks conditions related to Istio sidecar injection',
  codes: ['IST0102', 'IST0103', 'IST0123'],
  run(world, report) {
    if (!world.settings.isInjected) return;
    const injected = new Set<string>();
    for (const object of world.kind('Namespace')) {
      const { name, labels } = object;
      if (name === world.mesh.rootNamespace) continue;
      const said = saidLabels(labels);
      const path = ['metadata', 'labels', REVISION in labels ? REVISION : DATA_PLANE];
      if (said.length > 1) report('IST0123', object, path, said);
      if (labels[DATA_PLANE] === 'ambient') continue;
      const isSilent = (labels[INJECTION] ?? '') === '' && labels[REVISION] === undefined;
      if (isSilent && !SYSTEM.has(name)) report('IST0102', object, ['metadata', 'name'], name, name);
      if (isInjectedNamespace(object) && !SYSTEM.has(name)) injected.add(name);
    }
    for (const workload of world.workloads) {
      const { object, namespace, pod } = workload;
      if (object.kind !== 'Pod' || pod === null || !injected.has(namespace)) continue;
      if (ownWish(workload) === false || pod['hostNetwork'] === true || hasProxy(pod)) continue;
      report('IST0103', object, ['metadata', 'name'], fullName(object));
    }
  },
};

/** What it says of proxies; disabled injection goes with anything. */
function saidLabels(labels: Labels): string[] {
  const own = labels[INJECTION];
  const others = [REVISION, DATA_PLANE].filter((name) => labels[name] !== undefined);
  const said = own === undefined ? [] : [`${INJECTION}=${own}`];
  if (own === undefined || own === 'enabled') said.push(...others.map((name) => `${name}=${labels[name]}`));
  return said;
}

export const automaticImages: Analyzer = {
  name: 'injection.ImageAutoAnalyzer',
  description: 'Makes sure that Pods and Deployments with `image: auto` are going to be injected',
  codes: ['IST0146', 'IST0147'],
  run(world, report) {
    for (const workload of world.workloads) {
      const { object, pod, podPath, name } = workload;
      const at = partsIn(pod ?? {}, 'containers').findIndex(
        (one) => textIn(one, 'name') === PROXY && textIn(one, 'image') === 'auto',
      );
      if (at < 0) continue;
      const path = [...podPath, 'containers', at, 'image'];
      if (object.kind === 'Pod') report('IST0147', object, path, 'Pod', name);
      else if (!isMatched(world, workload)) report('IST0146', object, path, object.kind, name);
    }
  },
};

/** By what the webhooks of an installation select. */
function isMatched(world: World, workload: Workload): boolean {
  const wish = workload.labels[INJECT];
  if (wish !== undefined) return wish === 'true';
  const namespace = world.namespace(workload.namespace);
  return (namespace !== undefined && isInjectedNamespace(namespace)) || workload.labels[REVISION] !== undefined;
}
