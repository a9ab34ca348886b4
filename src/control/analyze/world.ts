// What analyzers ask of the objects: by kind, what labels select, which services have a name, all as the mesh has it.
import { isHostWithin } from '../model/hosts.ts';
import { hasLabels, labelPairs, type Labels, selects } from '../model/labels.ts';
import type { Gateway } from '../model/gateway.ts';
import type { Mesh } from '../model/mesh.ts';
import type { Service } from '../model/service.ts';
import type { PathPart } from '../source/finding.ts';
import { MESH_CONFIG_KEY } from '../source/kinds.ts';
import { type ConfigObject, objectKey } from '../source/object.ts';
import { type Json, namesIn, partIn } from '../translate/fields.ts';
import { translateGateway } from '../translate/istio/gateway.ts';
import { translateMeshConfig } from '../translate/istio/mesh-config.ts';
import { fullHost, isVisibleIn } from '../translate/istio/names.ts';
import { translateServiceEntry } from '../translate/istio/service-entry.ts';
import { translateService } from '../translate/kubernetes/service.ts';

export type Settings = {
  readonly clusterDomain: string;
  /** Since 1970: certificates are compared with it. */
  readonly nowMs: number;
  /** Whether pods get their proxies by injection; else every workload has one. */
  readonly isInjected: boolean;
  /** Whether Secrets that Gateways name and nobody has are made when the mesh starts. */
  readonly makesSecrets: boolean;
};

/** Something that labels select: a pod, the template of pods, an entry for a workload elsewhere. */
export type Workload = {
  readonly object: ConfigObject;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** The pod's spec and where it is; null for a workload that is no pod. */
  readonly pod: Json | null;
  readonly podPath: readonly PathPart[];
};

export const GATEWAY_API = 'gateway.networking.k8s.io';
const TEMPLATED = ['Deployment', 'StatefulSet'] as const;
const NONE: readonly never[] = [];

export class World {
  readonly objects: ReadonlyMap<string, ConfigObject>;
  readonly settings: Settings;
  readonly mesh: Mesh;
  readonly services: readonly Service[];
  readonly workloads: readonly Workload[];
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly #kinds = new Map<string, ConfigObject[]>();
  readonly #namespaces: ReadonlySet<string>;
  readonly #workloadsIn = new Map<string, Workload[]>();
  readonly #hosts = new Map<string, Service[]>();
  readonly #wildcards: readonly Service[];

  constructor(objects: ReadonlyMap<string, ConfigObject>, settings: Settings) {
    this.objects = objects;
    this.settings = settings;
    for (const object of objects.values()) add(this.#kinds, kindOf(object), object);
    const { clusterDomain } = settings;
    const place = { clusterDomain, cluster: '', network: '' };
    this.mesh = translateMeshConfig(objects.get(MESH_CONFIG_KEY)?.spec ?? null, place);
    this.services = [
      ...this.kind('Service').map((object) => translateService(object, this.mesh, [])),
      ...this.kind('ServiceEntry').flatMap((object) => translateServiceEntry(object, this.mesh)),
    ];
    for (const service of this.services) add(this.#hosts, service.hostname, service);
    this.#wildcards = this.services.filter(({ hostname }) => hostname.startsWith('*'));
    this.workloads = [
      ...this.kind('Pod').map(workloadOfPod),
      ...TEMPLATED.flatMap((kind) => this.kind(kind)).map(workloadOfTemplate),
      ...this.kind('WorkloadEntry').map((object) => elsewhere(object, namesIn(object.spec, 'labels'))),
      ...this.kind('WorkloadGroup').map((object) => elsewhere(object, groupLabels(object))),
    ];
    for (const workload of this.workloads) add(this.#workloadsIn, workload.namespace, workload);
    this.gateways = new Map(
      this.kind('Gateway').map((object) => [objectKey(object), translateGateway(object, objectKey(object))]),
    );
    this.#namespaces = new Set(
      [...objects.values()].map(({ kind, namespace, name }) => (kind === 'Namespace' ? name : namespace)),
    );
  }

  /** Gateways of the Gateway API are 'gateway.networking.k8s.io:Gateway'. */
  kind(kind: string): readonly ConfigObject[] {
    return this.#kinds.get(kind) ?? NONE;
  }

  get(kind: string, namespace: string, name: string): ConfigObject | undefined {
    return this.objects.get(`${kind}/${namespace}/${name}`);
  }

  namespace(name: string): ConfigObject | undefined {
    return this.get('Namespace', '', name);
  }

  /** Those that are declared, and those that something is in. */
  get namespaces(): ReadonlySet<string> {
    return this.#namespaces;
  }

  /** Without any pod nothing can be said of what labels select: workloads join from elsewhere with labels of theirs. */
  get hasPods(): boolean {
    return this.workloads.some(({ pod }) => pod !== null);
  }

  workloadsIn(namespace: string): readonly Workload[] {
    return this.#workloadsIn.get(namespace) ?? NONE;
  }

  /** Of any namespace, unless Gateways are scoped. */
  workloadsOf(gateway: Gateway): readonly Workload[] {
    const { selector, selectorNamespace } = gateway;
    const all = selectorNamespace === '' ? this.workloads : this.workloadsIn(selectorNamespace);
    return all.filter(({ labels }) => selects(selector, labels));
  }

  /** Those that call the workload theirs. */
  servicesOf({ namespace, labels }: Workload): readonly Service[] {
    return this.services.filter(
      (service) =>
        service.namespace === namespace &&
        service.registry === 'Kubernetes' &&
        hasLabels(service.selector) &&
        selects(service.selector, labels),
    );
  }

  fullHost(host: string, namespace: string): string {
    return fullHost(host, namespace, this.settings.clusterDomain).toLowerCase();
  }

  /**
   * The service of that name as rules of a namespace with this exportTo may use it; a name with a wildcard stands for
   * any service within it.
   */
  findService(host: string, namespace: string, exportTo: readonly string[]): Service | null {
    const full = this.fullHost(host, namespace);
    const viewers = exportTo.length === 0 ? [namespace] : exportTo.map((to) => (to === '.' ? namespace : to));
    const isSeen = (service: Service): boolean => viewers.some((viewer) => isVisibleIn(service.exportTo, viewer));
    const exact = this.#hosts.get(full)?.find(isSeen);
    if (exact !== undefined) return exact;
    const wider = this.#wildcards.find((service) => isHostWithin(full, service.hostname) && isSeen(service));
    if (wider !== undefined || !full.startsWith('*')) return wider ?? null;
    return this.services.find((service) => isHostWithin(service.hostname, full) && isSeen(service)) ?? null;
  }
}

function add<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  list === undefined ? map.set(key, [value]) : list.push(value);
}

function kindOf({ group, kind }: ConfigObject): string {
  return group === GATEWAY_API && kind === 'Gateway' ? `${group}:${kind}` : kind;
}

function workloadOfPod(object: ConfigObject): Workload {
  const { namespace, name, labels, annotations, spec } = object;
  return { object, namespace, name, labels, annotations, pod: spec, podPath: ['spec'] };
}

function workloadOfTemplate(object: ConfigObject): Workload {
  const { namespace, name, spec } = object;
  const template = partIn(spec, 'template');
  const metadata = partIn(template, 'metadata');
  const [labels, annotations] = [namesIn(metadata, 'labels'), namesIn(metadata, 'annotations')];
  const pod = partIn(template, 'spec');
  return { object, namespace, name, labels, annotations, pod, podPath: ['spec', 'template', 'spec'] };
}

function elsewhere(object: ConfigObject, labels: Labels): Workload {
  const { namespace, name, annotations } = object;
  return { object, namespace, name, labels, annotations, pod: null, podPath: [] };
}

function groupLabels({ spec }: ConfigObject): Labels {
  return namesIn(partIn(spec, 'metadata'), 'labels');
}

/** 'app=reviews,version=v1', as Kubernetes prints selectors. */
export function selectorText(labels: Labels): string {
  return labelPairs(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

export const fullName = ({ namespace, name }: Pick<ConfigObject, 'namespace' | 'name'>): string =>
  namespace === '' ? name : `${namespace}/${name}`;
