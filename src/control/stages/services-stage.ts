// Services, workloads and endpoints of the mesh, from all kinds of objects that declare them.
import type { Collection, FlatCollection, Index, Memo, Reader } from '../../base/collection.ts';
import { labelKeys, selectorKey, selects } from '../model/labels.ts';
import type { Mesh } from '../model/mesh.ts';
import { type Endpoint, type Locality, type Service, type ServicePort, serviceKey } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import type { ConfigObject } from '../source/object.ts';
import { endpointOfWorkload } from '../translate/endpoint-of-workload.ts';
import { textIn } from '../translate/fields.ts';
import { addressesAt, assignPlaces } from '../translate/istio/auto-address.ts';
import { endpointsOf, entryEndpoints, hasSelector } from '../translate/istio/service-entry-endpoints.ts';
import { translateServiceEntry, wantsAutoAddress } from '../translate/istio/service-entry.ts';
import { tlsModeOfEntry, translateWorkloadEntry } from '../translate/istio/workload-entry.ts';
import { serviceOfSlice, translateSlice } from '../translate/kubernetes/endpoint-slice.ts';
import { kubernetesHost, translateService } from '../translate/kubernetes/service.ts';
import { localityOfNode, NOWHERE, translatePod } from '../translate/kubernetes/workload.ts';
import type { Inputs } from './inputs.ts';

/** A service that an address serves, with the ports by which it does. */
export type Instance = {
  readonly address: string;
  readonly serviceKey: string;
  readonly ports: readonly { readonly servicePort: ServicePort; readonly targetPort: number }[];
};

export type ServicesStage = {
  /** By 'NAMESPACE/HOSTNAME'. */
  readonly services: Collection<Service>;
  readonly servicesByHost: Index<Service>;
  readonly servicesByNamespace: Index<Service>;
  /** By object key: pods and workload entries. */
  readonly workloads: Collection<Workload>;
  readonly workloadsByAddress: Index<Workload>;
  readonly workloadsByNamespace: Index<Workload>;
  /** Of a service, in a stable order; the keys are those of `services`. */
  readonly endpoints: Collection<readonly Endpoint[]>;
  readonly instances: Collection<Instance>;
  readonly instancesByAddress: Index<Instance>;
  /** Identities that a service's certificates may show, sorted; by service key. */
  readonly accounts: Memo<readonly string[]>;
};

export function servicesStage(inputs: Inputs): ServicesStage {
  const { graph } = inputs;
  const workloads = workloadStage(inputs);
  const services = serviceCollection(inputs);
  const endpoints = endpointCollection(inputs, services, workloads);
  const instances = graph.flatMap<readonly Endpoint[], Instance>('instances', endpoints, (key, found, read) =>
    instancesOf(key, found, read.get(services, key)),
  );
  return {
    services,
    servicesByHost: services.index('by host', (_key, service) => [service.hostname]),
    servicesByNamespace: services.index('by namespace', (_key, service) => [service.namespace]),
    workloads: workloads.all,
    workloadsByAddress: workloads.byAddress,
    workloadsByNamespace: workloads.all.index('by namespace', (_key, workload) => [workload.namespace]),
    endpoints,
    instances,
    instancesByAddress: instances.index('by address', (_key, instance) => [instance.address]),
    accounts: graph.memo('service accounts', (key, read) =>
      accountsOf(read.get(services, key), read.get(endpoints, key), meshOf(inputs, read)),
    ),
  };
}

/** The settings of the mesh are always there. */
export function meshOf(inputs: Inputs, read: Reader): Mesh {
  const mesh = read.get(inputs.mesh, '');
  if (mesh === undefined) throw new Error('the mesh has no settings');
  return mesh;
}

type Workloads = {
  readonly all: Collection<Workload>;
  readonly pods: Collection<Workload>;
  readonly entries: Collection<Workload>;
  readonly localities: Collection<Locality>;
  readonly byAddress: Index<Workload>;
  readonly byLabel: Index<Workload>;
  readonly entriesByLabel: Index<Workload>;
};

function workloadStage(inputs: Inputs): Workloads {
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

function nodeKey(name: string): string {
  return `Node//${name}`;
}

function serviceCollection(inputs: Inputs): Collection<Service> {
  const { graph } = inputs;
  const objects = inputs.kind('Service');
  const byExternalName = objects.index('by external name', (_key, object) =>
    object.spec['type'] === 'ExternalName' ? [textIn(object.spec, 'externalName')] : [],
  );
  const kubernetes = graph.flatMap<ConfigObject, Service>('services of Kubernetes', objects, (_key, object, read) => {
    const mesh = meshOf(inputs, read);
    const hostname = kubernetesHost(object.name, object.namespace, mesh.clusterDomain);
    const aliases = read
      .lookup(byExternalName, hostname)
      .map((alias) => kubernetesHost(alias.name, alias.namespace, mesh.clusterDomain));
    const service = translateService(object, mesh, aliases);
    return [[service.key, service]];
  });
  return graph.union('services', kubernetes, entryServices(inputs));
}

/** Several entries of a namespace may declare one host: they make one service. */
function entryServices(inputs: Inputs): FlatCollection<Service> {
  const { graph } = inputs;
  const declared = graph.flatMap<ConfigObject, Service>(
    'hosts of service entries',
    inputs.kind('ServiceEntry'),
    (key, entry, read) =>
      translateServiceEntry(entry, meshOf(inputs, read)).map((service) => [`${service.key}|${key}`, service] as const),
  );
  const byService = declared.index('by service', (_key, service) => [service.key]);
  const wishes = graph.flatMap<Service, true>('hosts without address', declared, (_key, service, read) => {
    const entry = read.get(inputs.kind('ServiceEntry'), service.origin);
    return entry !== undefined && wantsAutoAddress(entry, service) ? [[service.key, true]] : [];
  });
  const places = graph.memo('made-up addresses', (_key, read) => assignPlaces(read.keys(wishes)));
  return graph.flatMap<Service, Service>('services of entries', declared, (_key, service, read) => {
    const merged = mergeServices(read.lookup(byService, service.key));
    const isAssigned = merged.autoAddresses.v4 !== '' || merged.autoAddresses.v6 !== '';
    if (isAssigned || !read.get(wishes, service.key)) return [[service.key, merged]];
    const place = read.get(places, '').get(service.key);
    return [[service.key, place === undefined ? merged : { ...merged, autoAddresses: addressesAt(place) }]];
  });
}

/** The oldest decides; others add ports and addresses. */
function mergeServices(declared: readonly Service[]): Service {
  const [first, ...others] = [...declared].sort(byCreation) as [Service, ...Service[]];
  if (others.length === 0) return first;
  const ports = new Map(first.ports.map((port) => [port.number, port]));
  const addresses = new Set(first.addresses);
  for (const other of others) {
    for (const port of other.ports) if (!ports.has(port.number)) ports.set(port.number, port);
    for (const address of other.addresses) addresses.add(address);
  }
  return { ...first, ports: [...ports.values()], addresses: [...addresses] };
}

function byCreation(a: Service, b: Service): number {
  if (a.creationMs !== b.creationMs) return a.creationMs - b.creationMs;
  return a.origin < b.origin ? -1 : Number(a.origin > b.origin);
}

function endpointCollection(
  inputs: Inputs,
  services: Collection<Service>,
  workloads: Workloads,
): Collection<readonly Endpoint[]> {
  const { graph } = inputs;
  const slices = graph.map<ConfigObject, readonly Endpoint[]>(
    'endpoints of slices',
    inputs.kind('EndpointSlice'),
    (_key, slice, read) =>
      translateSlice(slice, meshOf(inputs, read), {
        workload: (namespace, pod, address) =>
          pod === ''
            ? read.lookup(workloads.byAddress, address)[0]
            : read.get(workloads.pods, `Pod/${namespace}/${pod}`),
        locality: (node) => (node === '' ? NOWHERE : (read.get(workloads.localities, nodeKey(node)) ?? NOWHERE)),
      }),
  );
  const slicesByService = inputs
    .kind('EndpointSlice')
    .index('by service', (_key, slice) => [`${slice.namespace}/${serviceOfSlice(slice)}`]);
  const entriesByHost = inputs
    .kind('ServiceEntry')
    .index('by host', (_key, entry) =>
      ((entry.spec['hosts'] as readonly string[] | undefined) ?? []).map((host) =>
        serviceKey(entry.namespace, host.toLowerCase()),
      ),
    );
  return graph.map<Service, readonly Endpoint[]>('endpoints', services, (key, service, read) => {
    const mesh = meshOf(inputs, read);
    if (service.registry === 'Kubernetes') {
      const found = read
        .lookup(slicesByService, `${service.namespace}/${service.name}`)
        .flatMap((slice) => read.get(slices, `EndpointSlice/${slice.namespace}/${slice.name}`) ?? []);
      return distinct([...found, ...selectedEntries(service, mesh, read, workloads)]);
    }
    const entries = read.lookup(entriesByHost, key);
    return distinct(
      entries.flatMap((entry) => [
        ...entryEndpoints(entry, service, mesh),
        ...(hasSelector(entry) ? selectedWorkloads(service, mesh, read, workloads) : []),
      ]),
    );
  });
}

function selectedWorkloads(service: Service, mesh: Mesh, read: Reader, workloads: Workloads): Endpoint[] {
  const key = selectorKey(service.namespace, service.selector);
  const found = key === '' ? [] : read.lookup(workloads.byLabel, key);
  return found
    .filter((workload) => selects(service.selector, workload.labels))
    .flatMap((workload) => endpointsOf(workload, service, mesh));
}

/** A service of Kubernetes takes machines that have an entry and the right labels, like pods. */
function selectedEntries(service: Service, mesh: Mesh, read: Reader, workloads: Workloads): Endpoint[] {
  const key = selectorKey(service.namespace, service.selector);
  if (key === '' || service.externalName !== '') return [];
  const found = read.lookup(workloads.entriesByLabel, key);
  return found
    .filter((workload) => selects(service.selector, workload.labels))
    .flatMap((workload) => machineEndpoints(workload, service, mesh));
}

function machineEndpoints(workload: Workload, service: Service, mesh: Mesh): Endpoint[] {
  return workload.addresses.flatMap((address) =>
    service.ports.flatMap((port) => {
      const { targetPort } = port;
      const named = typeof targetPort === 'string' ? workload.ports[targetPort] : undefined;
      const number =
        named ?? workload.ports[port.name] ?? (typeof targetPort === 'string' ? 0 : targetPort || port.number);
      if (number === 0) return [];
      const health = workload.health === 'unhealthy' ? 'unhealthy' : 'unknown';
      const facts = { address, port: number, portName: port.name, health } as const;
      return [endpointOfWorkload(workload, mesh, { ...facts, tlsMode: tlsModeOfEntry(workload) })];
    }),
  );
}

/** During a rollout one address can be in two slices. */
function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const seen = new Set<string>();
  return endpoints.filter((endpoint) => {
    const key = `${endpoint.address}|${endpoint.port}|${endpoint.portName}`;
    return !seen.has(key) && seen.add(key);
  });
}

function instancesOf(
  key: string,
  endpoints: readonly Endpoint[],
  service: Service | undefined,
): (readonly [string, Instance])[] {
  const byAddress = new Map<string, Instance['ports'][number][]>();
  for (const endpoint of endpoints) {
    const servicePort = service?.ports.find((port) => port.name === endpoint.portName);
    if (servicePort === undefined || endpoint.isUnixSocket) continue;
    const ports = byAddress.get(endpoint.address) ?? [];
    ports.push({ servicePort, targetPort: endpoint.port });
    byAddress.set(endpoint.address, ports);
  }
  return [...byAddress].map(([address, ports]) => [`${address}|${key}`, { address, serviceKey: key, ports }] as const);
}

/** With the aliases of the trust domain: their certificates are as good. */
function accountsOf(
  service: Service | undefined,
  endpoints: readonly Endpoint[] | undefined,
  mesh: Mesh,
): readonly string[] {
  const names = new Set(service?.subjectAltNames);
  for (const { identity } of endpoints ?? []) if (identity !== '') names.add(identity);
  const own = `spiffe://${mesh.trustDomain}/`;
  for (const name of [...names]) {
    if (!name.startsWith(own)) continue;
    for (const alias of mesh.trustDomainAliases) names.add(`spiffe://${alias}/${name.slice(own.length)}`);
  }
  return [...names].sort();
}
