// WorkloadEntry → workload; also the entries that a ServiceEntry holds itself.
import type { Mesh } from '../../model/mesh.ts';
import type { Workload } from '../../model/workload.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, namesIn, numberIn, numbersIn, partsIn, textIn } from '../fields.ts';
import { localityOfLabels, NOWHERE, networkOfLabels, parseLocality } from '../kubernetes/workload.ts';

const TLS_MODE = 'security.istio.io/tlsMode';

export function translateWorkloadEntry(entry: ConfigObject, mesh: Mesh): Workload {
  const { namespace, name } = entry;
  // Labels of the object count where the entry itself has none of that name.
  const labels = { ...entry.labels, ...namesIn(entry.spec, 'labels') };
  const origin = `WorkloadEntry/${namespace}/${name}`;
  const uid = `${mesh.cluster}/networking.istio.io/WorkloadEntry/${namespace}/${name}`;
  const workload = workloadOf(entry.spec, { uid, name, namespace, labels, origin }, mesh);
  return { ...workload, annotations: entry.annotations, health: isUnhealthy(entry.status) ? 'unhealthy' : 'healthy' };
}

type Names = Pick<Workload, 'uid' | 'name' | 'namespace' | 'labels' | 'origin'>;

/** `spec`: a WorkloadEntry's fields. */
export function workloadOf(spec: Json, names: Names, mesh: Mesh): Workload {
  const { labels } = names;
  const locality = textIn(spec, 'locality');
  const address = textIn(spec, 'address');
  return {
    ...names,
    addresses: address === '' ? [] : [address],
    network: textIn(spec, 'network') || networkOfLabels(labels) || mesh.network,
    cluster: mesh.cluster,
    node: '',
    account: textIn(spec, 'serviceAccount'),
    owner: names.name,
    ownerKind: 'workloadentry',
    annotations: {},
    locality: locality === '' ? (localityOfLabels(labels) ?? NOWHERE) : parseLocality(locality),
    tunnel: 'none',
    waypoint: '',
    health: 'healthy',
    hostname: '',
    subdomain: '',
    ports: numbersIn(spec, 'ports'),
    weight: numberIn(spec, 'weight') || 1,
  };
}

/** What has an account has a proxy, unless its label says otherwise. */
export function tlsModeOfEntry(workload: Workload): 'istio' | 'disabled' {
  const label = workload.labels[TLS_MODE];
  if (label !== undefined) return label === 'istio' ? 'istio' : 'disabled';
  return workload.account === '' ? 'disabled' : 'istio';
}

function isUnhealthy(status: Json): boolean {
  return partsIn(status, 'conditions').some(
    (condition) => condition['type'] === 'Healthy' && condition['status'] === 'False',
  );
}
