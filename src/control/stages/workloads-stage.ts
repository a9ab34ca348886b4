// Workloads: pods and the machines that have entries, with where they stand.
import type { Collection, Index } from '../../base/collection.ts';
import { labelKeys } from '../model/labels.ts';
import type { Locality } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import type { ConfigObject } from '../source/object.ts';
import { textIn } from '../translate/fields.ts';
import { translateWorkloadEntry } from '../translate/istio/workload-entry.ts';
import { localityOfNode, NOWHERE, translatePod } from '../translate/kubernetes/workload.ts';
import type { Inputs } from './inputs.ts';
import { meshOf } from './mesh-of.ts';

export type Workloads = {
  readonly all: Collection<Workload>;
  readonly pods: Collection<Workload>;
  readonly entries: Collection<Workload>;
  readonly localities: Collection<Locality>;
  readonly byAddress: Index<Workload>;
  readonly byLabel: Index<Workload>;
  readonly entriesByLabel: Index<Workload>;
};

export function workloadStage(inputs: Inputs): Workloads {
  const { graph } = inputs;
  const localities = graph.map<ConfigObject, Locality>('localities of nodes', inputs.kind('Node'), (_key, node) =>
    localityOfNode(node),
  );
  const pods = graph.map<ConfigObject, Workload>('workloads of pods', inputs.kind('Pod'), (_key, pod, read) => {
    const node = textIn(pod.spec, 'nodeName');
    const locality = node === '' ? undefined : read.get(localities, nodeKey(node));
    return translatePod(pod, meshOf(inputs, read), locality ?? NOWHERE);
  });
  const entries = graph.map<ConfigObject, Workload>(
    'workloads of entries',
    inputs.kind('WorkloadEntry'),
    (_key, entry, read) => translateWorkloadEntry(entry, meshOf(inputs, read)),
  );
  const all = graph.union('workloads', pods, entries);
  const byLabel = (_key: string, workload: Workload): string[] => labelKeys(workload.namespace, workload.labels);
  return {
    ...{ all, pods, entries, localities },
    byAddress: all.index('by address', (_key, workload) => workload.addresses),
    byLabel: all.index('by label', byLabel),
    entriesByLabel: entries.index('by label', byLabel),
  };
}

export function nodeKey(name: string): string {
  return `Node//${name}`;
}
