// Pod → workload: addresses, identity, place; and the names of what owns it.
import type { Mesh } from '../../model/mesh.ts';
import type { Locality } from '../../model/service.ts';
import type { Workload } from '../../model/workload.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, numberIn, partsIn, textIn } from '../fields.ts';

export const NOWHERE: Locality = Object.freeze({ region: '', zone: '', subZone: '' });

const REGION = ['topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'] as const;
const ZONE = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'] as const;
const SUB_ZONE = 'topology.istio.io/subzone';
const LOCALITY = 'istio-locality';
const NETWORK = 'topology.istio.io/network';
const TLS_MODE = 'security.istio.io/tlsMode';

/** Where a node stands. */
export function localityOfNode(node: ConfigObject): Locality {
  const { labels } = node;
  return {
    region: labels[REGION[0]] ?? labels[REGION[1]] ?? '',
    zone: labels[ZONE[0]] ?? labels[ZONE[1]] ?? '',
    subZone: labels[SUB_ZONE] ?? '',
  };
}

/** 'region/zone/subZone'. */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subZone = ''] = text.split('/');
  return { region, zone, subZone };
}

/** A pod's own label has dots, because labels have no slashes; a name with dots in it needs the slash elsewhere. */
export function localityOfLabels(labels: Readonly<Record<string, string>>): Locality | null {
  const text = labels[LOCALITY];
  if (text === undefined || text === '') return null;
  return parseLocality(text.includes('/') ? text : text.replaceAll('.', '/'));
}

export function networkOfLabels(labels: Readonly<Record<string, string>>): string {
  return labels[NETWORK] ?? '';
}

/** Whether a proxy in front of the pod takes mTLS. */
export function tlsModeOfPod(labels: Readonly<Record<string, string>>): 'istio' | 'disabled' {
  return labels[TLS_MODE] === 'istio' ? 'istio' : 'disabled';
}

export function translatePod(pod: ConfigObject, mesh: Mesh, node: Locality): Workload {
  const { spec, labels, namespace, name } = pod;
  const [owner, ownerKind] = ownerOf(pod);
  const subdomain = textIn(spec, 'subdomain');
  return {
    uid: `${mesh.cluster}//Pod/${namespace}/${name}`,
    ...{ name, namespace, owner, ownerKind, labels, annotations: pod.annotations },
    addresses: addressesOf(pod.status),
    network: networkOfLabels(labels) || mesh.network,
    cluster: mesh.cluster,
    node: textIn(spec, 'nodeName'),
    account: textIn(spec, 'serviceAccountName') || 'default',
    locality: localityOfLabels(labels) ?? node,
    tunnel: 'none',
    waypoint: '',
    health: isReady(pod.status) ? 'healthy' : 'unhealthy',
    hostname: subdomain === '' ? '' : textIn(spec, 'hostname') || name,
    subdomain,
    ports: portsOf(spec),
    weight: 1,
    origin: `Pod/${namespace}/${name}`,
  };
}

/** A pod that has ended has given its addresses back. */
function addressesOf(status: Json): readonly string[] {
  if (status['phase'] === 'Succeeded' || status['phase'] === 'Failed') return [];
  const addresses = partsIn(status, 'podIPs').map((entry) => textIn(entry, 'ip'));
  const known = addresses.filter((address) => address !== '');
  const first = textIn(status, 'podIP');
  return known.length > 0 || first === '' ? known : [first];
}

function isReady(status: Json): boolean {
  const ready = partsIn(status, 'conditions').find((condition) => condition['type'] === 'Ready');
  return ready === undefined || ready['status'] === 'True';
}

function portsOf(spec: Json): Readonly<Record<string, number>> {
  const ports = Object.create(null) as Record<string, number>;
  for (const container of partsIn(spec, 'containers')) {
    for (const port of partsIn(container, 'ports')) {
      const name = textIn(port, 'name');
      if (name !== '') ports[name] ??= numberIn(port, 'containerPort');
    }
  }
  return ports;
}

/**
 * What Istio finds through owner references, which objects here do not have: controllers leave their marks in labels
 * and name what they make after themselves.
 */
function ownerOf(pod: ConfigObject): readonly [string, Workload['ownerKind']] {
  const { labels, name } = pod;
  const template = labels['pod-template-hash'];
  if (template !== undefined) {
    const end = name.lastIndexOf(`-${template}-`);
    return [end > 0 ? name.slice(0, end) : name, 'deployment'];
  }
  if (labels['statefulset.kubernetes.io/pod-name'] !== undefined) {
    return [name.replace(/-\d+$/, ''), 'statefulset'];
  }
  const job = labels['batch.kubernetes.io/job-name'] ?? labels['job-name'];
  if (job !== undefined) {
    const scheduled = /^(.+)-\d{8,10}$/.exec(job);
    return scheduled === null ? [job, 'job'] : [scheduled[1] ?? job, 'cronjob'];
  }
  if (labels['controller-revision-hash'] !== undefined) return [name.replace(/-[a-z0-9]{5}$/, ''), 'daemonset'];
  return [name, 'pod'];
}
