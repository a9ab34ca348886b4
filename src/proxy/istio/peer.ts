// A workload as its peers know it: names, labels and place, read from and written to the forms that Istio sends.
import { type JsonObject, type LocalNode, objectAt, textAt } from './node.ts';

export type WorkloadType = '' | 'pod' | 'deployment' | 'job' | 'cronjob';

/** '' stands for what is not known. */
export type Peer = {
  readonly instance: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  readonly type: WorkloadType;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly identity: string;
  readonly region: string;
  readonly zone: string;
  /** Those that the configuration asks for besides. */
  readonly labels: readonly (readonly [name: string, value: string])[];
};

const NOBODY: Peer = Object.freeze({
  instance: '',
  cluster: '',
  namespace: '',
  workload: '',
  type: '',
  canonicalName: '',
  canonicalRevision: '',
  app: '',
  version: '',
  identity: '',
  region: '',
  zone: '',
  labels: Object.freeze([]),
});

export const CANONICAL_NAME = 'service.istio.io/canonical-name';
export const CANONICAL_REVISION = 'service.istio.io/canonical-revision';
const APP = 'app';
const QUALIFIED_APP = 'app.kubernetes.io/name';
const VERSION = 'version';
const QUALIFIED_VERSION = 'app.kubernetes.io/version';
const OWNER_PREFIX = 'kubernetes://apis/apps/v1/namespaces/';
const TYPES: ReadonlySet<string> = new Set<WorkloadType>(['pod', 'deployment', 'job', 'cronjob']);

// ─── Node metadata, as a proxy has it and as the exchanges carry it ───────────────────────────────────────────────

/** `additional`: labels that are kept besides those that Istio knows. Source: Istio convertStructToWorkloadMetadata. */
export function peerOfMetadata(metadata: JsonObject, additional: ReadonlySet<string>): Peer {
  const labels = objectAt(metadata, 'LABELS');
  const kept: [string, string][] = [];
  if (additional.size > 0) {
    for (const name of Object.keys(labels ?? {})) {
      if (additional.has(name) && !KNOWN_LABELS.has(name)) kept.push([name, textAt(labels, name)]);
    }
  }
  const workload = textAt(metadata, 'WORKLOAD_NAME');
  return Object.freeze({
    instance: textAt(metadata, 'NAME'),
    cluster: textAt(metadata, 'CLUSTER_ID'),
    namespace: textAt(metadata, 'NAMESPACE'),
    workload,
    type: typeOfOwner(textAt(metadata, 'OWNER'), workload),
    canonicalName: textAt(labels, CANONICAL_NAME),
    canonicalRevision: textAt(labels, CANONICAL_REVISION),
    app: textAt(labels, QUALIFIED_APP) || textAt(labels, APP),
    version: textAt(labels, QUALIFIED_VERSION) || textAt(labels, VERSION),
    identity: textAt(metadata, 'IDENTITY'),
    region: textAt(metadata, 'REGION'),
    zone: textAt(metadata, 'AVAILABILITY_ZONE'),
    labels: kept,
  });
}

const KNOWN_LABELS: ReadonlySet<string> = new Set([
  CANONICAL_NAME,
  CANONICAL_REVISION,
  APP,
  QUALIFIED_APP,
  VERSION,
  QUALIFIED_VERSION,
]);

/** This proxy's own workload; where the metadata do not say where it is, its node does. */
export function peerOfNode({ metadata, region, zone }: LocalNode, additional: ReadonlySet<string>): Peer {
  const peer = peerOfMetadata(metadata, additional);
  return Object.freeze({ ...peer, region: peer.region || region, zone: peer.zone || zone });
}

/** '…/namespaces/NS/deployments/NAME' of the workload NAME is a deployment. Source: Istio parseOwner. */
function typeOfOwner(owner: string, workload: string): WorkloadType {
  const cut = workload.length + 2;
  if (owner.length <= cut) return '';
  const path = owner.slice(0, owner.length - cut);
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : workloadType(path.slice(slash + 1));
}

function workloadType(text: string): WorkloadType {
  return TYPES.has(text) ? (text as WorkloadType) : '';
}

/** The Struct that tells others of the workload. Source: Istio convertWorkloadMetadataToStruct. */
export function metadataOfPeer(peer: Peer): JsonObject {
  const labels: Record<string, string> = {};
  put(labels, CANONICAL_NAME, peer.canonicalName);
  put(labels, CANONICAL_REVISION, peer.canonicalRevision);
  put(labels, APP, peer.app);
  put(labels, VERSION, peer.version);
  for (const [name, value] of peer.labels) labels[name] = value;
  const metadata: Record<string, unknown> = {};
  put(metadata, 'NAME', peer.instance);
  put(metadata, 'NAMESPACE', peer.namespace);
  put(metadata, 'WORKLOAD_NAME', peer.workload);
  put(metadata, 'CLUSTER_ID', peer.cluster);
  put(metadata, 'IDENTITY', peer.identity);
  metadata['LABELS'] = labels;
  if (peer.type !== '') metadata['OWNER'] = `${OWNER_PREFIX}${peer.namespace}/${peer.type}s/${peer.workload}`;
  put(metadata, 'REGION', peer.region);
  put(metadata, 'AVAILABILITY_ZONE', peer.zone);
  return metadata;
}

function put(object: Record<string, unknown>, name: string, value: string): void {
  if (value !== '') object[name] = value;
}

// ─── What filter state holds ──────────────────────────────────────────────────────────────────────────────────────

/** Source: Istio WorkloadMetadataObject::serializeAsProto, whose `name` goes with `cluster`. */
export function stateOfPeer(peer: Peer): JsonObject {
  const state: Record<string, unknown> = {};
  put(state, 'type', peer.type);
  put(state, 'workload', peer.workload);
  if (peer.cluster !== '') state['name'] = peer.instance;
  put(state, 'cluster', peer.cluster);
  put(state, 'namespace', peer.namespace);
  put(state, 'service', peer.canonicalName);
  put(state, 'revision', peer.canonicalRevision);
  put(state, 'app', peer.app);
  put(state, 'version', peer.version);
  put(state, 'identity', peer.identity);
  put(state, 'region', peer.region);
  put(state, 'availability_zone', peer.zone);
  if (peer.labels.length > 0) state['labels'] = Object.fromEntries(peer.labels);
  return state;
}

/** Fields by which formats ask. Source: Istio WorkloadMetadataObject::field. */
export function fieldsOfPeer(peer: Peer): Readonly<Record<string, string>> {
  return {
    namespace: peer.namespace,
    cluster: peer.cluster,
    service: peer.canonicalName,
    revision: peer.canonicalRevision,
    app: peer.app,
    version: peer.version,
    workload: peer.workload,
    type: peer.type || 'unknown',
    name: peer.instance,
    region: peer.region,
    availability_zone: peer.zone,
  };
}

/** Source: Istio WorkloadMetadataObject::serializeAsString. */
export function textOfPeer(peer: Peer): string {
  const parts: string[] = [];
  const pairs = [
    ['type', peer.type],
    ['workload', peer.workload],
    ['name', peer.instance],
    ['cluster', peer.cluster],
    ['namespace', peer.namespace],
    ['service', peer.canonicalName],
    ['revision', peer.canonicalRevision],
    ['app', peer.app],
    ['version', peer.version],
    ['region', peer.region],
    ['availability_zone', peer.zone],
  ] as const;
  for (const [name, value] of pairs) if (value !== '') parts.push(`${name}=${value}`);
  for (const [name, value] of peer.labels) parts.push(`labels[]${name}=${value}`);
  return parts.join(',');
}

// ─── Endpoints and baggage ────────────────────────────────────────────────────────────────────────────────────────

/** 'workload;namespace;service;revision;cluster' of endpoint metadata istio.workload; null for anything shorter. */
export function peerOfEndpoint(text: string): Peer | null {
  const [workload = '', namespace = '', canonicalName = '', canonicalRevision = '', cluster] = text.split(';');
  if (cluster === undefined) return null;
  return Object.freeze({ ...NOBODY, workload, namespace, canonicalName, canonicalRevision, cluster });
}

/** The value of a baggage header. Source: Istio convertBaggageToWorkloadMetadata. */
export function peerOfBaggage(text: string): Peer {
  const peer = { ...NOBODY } as { -readonly [name in keyof Peer]: Peer[name] };
  for (const property of text.split(',')) {
    const [key = '', value = ''] = property.split('=');
    switch (key) {
      case 'k8s.namespace.name':
        peer.namespace = value;
        break;
      case 'k8s.cluster.name':
        peer.cluster = value;
        break;
      case 'service.name':
        peer.canonicalName = value;
        peer.app ||= value;
        break;
      case 'service.version':
        peer.canonicalRevision = value;
        peer.version ||= value;
        break;
      case 'app.name':
        peer.app = value;
        peer.canonicalName ||= value;
        break;
      case 'app.version':
        peer.version = value;
        peer.canonicalRevision ||= value;
        break;
      case 'k8s.deployment.name':
      case 'k8s.pod.name':
      case 'k8s.cronjob.name':
      case 'k8s.job.name':
        peer.workload = value;
        peer.type = workloadType(key.split('.')[1] ?? '');
        break;
      case 'k8s.instance.name':
        peer.instance = value;
        break;
      case 'cloud.region':
        peer.region = value;
        break;
      case 'cloud.availability_zone':
        peer.zone = value;
    }
  }
  return Object.freeze(peer);
}
