// EndpointSlice → endpoints of a service.
import { parseIp } from '../../../base/ip.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { Endpoint, Locality } from '../../model/service.ts';
import type { Workload } from '../../model/workload.ts';
import type { ConfigObject } from '../../source/object.ts';
import { endpointOfWorkload } from '../endpoint-of-workload.ts';
import { type Json, numberIn, partIn, partsIn, textIn, textsIn } from '../fields.ts';
import { tlsModeOfPod } from './workload.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

/** Name of the service that the slice belongs to, '' for none. */
export function serviceOfSlice(slice: ConfigObject): string {
  return slice.labels[SERVICE_NAME] ?? '';
}

export type SlicePlaces = {
  /** The workload behind an endpoint, by pod name where one is given, else by address. */
  workload(namespace: string, podName: string, address: string): Workload | undefined;
  locality(nodeName: string): Locality;
};

/** An endpoint whose pod is not known counts without labels: a directory need not hold every pod. */
export function translateSlice(slice: ConfigObject, mesh: Mesh, places: SlicePlaces): readonly Endpoint[] {
  if (slice.data['addressType'] === 'FQDN') return [];
  const endpoints: Endpoint[] = [];
  const ports = partsIn(slice.data, 'ports');
  for (const entry of partsIn(slice.data, 'endpoints')) {
    const health = healthOf(partIn(entry, 'conditions'));
    const target = partIn(entry, 'targetRef');
    const podName = target['kind'] === 'Pod' ? textIn(target, 'name') : '';
    const podNamespace = textIn(target, 'namespace') || slice.namespace;
    for (const address of textsIn(entry, 'addresses')) {
      // One that is none would have the whole cluster refused.
      if (parseIp(address) === null) continue;
      const workload =
        places.workload(podNamespace, podName, address) ?? bareWorkload(slice, mesh, places, entry, podName);
      for (const port of ports) {
        const facts = { address, port: numberIn(port, 'port'), portName: textIn(port, 'name'), health };
        endpoints.push(endpointOfWorkload(workload, mesh, { ...facts, tlsMode: tlsModeOfPod(workload.labels) }));
      }
    }
  }
  return endpoints;
}

/** Unset means yes for ready and serving, and no for terminating. */
function healthOf(conditions: Json): Endpoint['health'] {
  if (conditions['terminating'] === true) return 'draining';
  return conditions['ready'] === false ? 'unhealthy' : 'healthy';
}

function bareWorkload(slice: ConfigObject, mesh: Mesh, places: SlicePlaces, entry: Json, podName: string): Workload {
  const node = textIn(entry, 'nodeName');
  return {
    ...{ uid: '', name: podName, namespace: slice.namespace, owner: podName, ownerKind: 'pod', node },
    ...{ addresses: [], network: mesh.network, cluster: mesh.cluster, account: '', labels: {}, annotations: {} },
    ...{ locality: places.locality(node), tunnel: 'none', waypoint: '', health: 'healthy' },
    ...{ hostname: '', subdomain: '', ports: {}, weight: 1, origin: '' },
  };
}
