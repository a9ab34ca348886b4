// Services that objects declare: those of Kubernetes, and of entries.
import type { Collection, FlatCollection } from '../../base/collection.ts';
import { type Service, serviceKey } from '../model/service.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import { textIn } from '../translate/fields.ts';
import { addressesAt, assignPlaces, clusterAddress } from '../translate/istio/auto-address.ts';
import { complaintsOfEntry } from '../translate/istio/service-entry-complaints.ts';
import { translateServiceEntry, wantsAutoAddress } from '../translate/istio/service-entry.ts';
import { kubernetesHost, translateService } from '../translate/kubernetes/service.ts';
import type { Inputs } from './inputs.ts';
import { meshOf } from './mesh-of.ts';

export type DeclaredServices = {
  readonly services: Collection<Service>;
  readonly complaints: Collection<readonly Complaint[]>;
};

export function declaredServices(inputs: Inputs): DeclaredServices {
  const { graph } = inputs;
  const objects = inputs.kind('Service');
  const byExternalName = objects.index('by external name', (_key, object) =>
    object.spec['type'] === 'ExternalName' ? [textIn(object.spec, 'externalName')] : [],
  );
  const addressless = graph.flatMap<ConfigObject, true>('services without address', objects, (key, object, read) =>
    meshOf(inputs, read).assignsAddresses && lacksAddress(object) ? [[key, true]] : [],
  );
  const places = graph.memo('addresses of services', (_key, read) => assignPlaces(read.keys(addressless)));
  const kubernetes = graph.flatMap<ConfigObject, Service>('services of Kubernetes', objects, (key, object, read) => {
    const mesh = meshOf(inputs, read);
    const hostname = kubernetesHost(object.name, object.namespace, mesh.clusterDomain);
    const aliases = read
      .lookup(byExternalName, hostname)
      .map((alias) => kubernetesHost(alias.name, alias.namespace, mesh.clusterDomain));
    const service = translateService(object, mesh, aliases);
    const place = read.get(addressless, key) === true ? read.get(places, '').get(key) : undefined;
    return [[service.key, place === undefined ? service : { ...service, addresses: [clusterAddress(place)] }]];
  });
  const services = graph.union('services', kubernetes, entryServices(inputs));
  const ofEntries = graph.map<ConfigObject, readonly Complaint[]>(
    'complaints of service entries',
    inputs.kind('ServiceEntry'),
    (_key, entry, read) => {
      const isTaken = (host: string): boolean => read.get(kubernetes, serviceKey(entry.namespace, host)) !== undefined;
      const found = complaintsOfEntry(entry, isTaken);
      return found.length === 0 ? undefined : found;
    },
  );
  const ofServices = graph.map<ConfigObject, readonly Complaint[]>('complaints of services', objects, (key, object) =>
    object.spec['internalTrafficPolicy'] === 'Local' ? [notLocal(key)] : undefined,
  );
  return { services, complaints: graph.union('complaints about services', ofServices, ofEntries) };
}

/** What an API server would give an address. */
function lacksAddress({ spec }: ConfigObject): boolean {
  return textIn(spec, 'clusterIP') === '' && textIn(spec, 'type') !== 'ExternalName';
}

function notLocal(objectKey: string): Complaint {
  return {
    objectKey,
    fieldPath: 'spec.internalTrafficPolicy',
    message: 'Local is not yet effective: proxies call endpoints of other nodes too',
    remedy: 'set trafficDistribution: PreferSameNode, which prefers endpoints of the same node',
    severity: 'warning',
  };
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
