// Which services an address serves: what its own proxy listens for.
import type { Collection, Index, Reader } from '../../base/collection.ts';
import { labelKeys, selectorKey, selects } from '../model/labels.ts';
import type { Endpoint, Service, ServicePort } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import { UNIX } from '../translate/endpoint-of-workload.ts';
import type { Inputs } from './inputs.ts';
import type { Workloads } from './workloads-stage.ts';

/** A service that an address serves, with the ports by which it does. */
export type Instance = {
  readonly address: string;
  readonly serviceKey: string;
  readonly ports: readonly InstancePort[];
};
export type InstancePort = { readonly servicePort: ServicePort; readonly targetPort: number };

type Entry = readonly [string, Instance];

/**
 * A workload serves what selects it, ready or not: a proxy must not stop listening because its pod leaves the
 * endpoints. Only what no known workload stands behind is taken from endpoints.
 */
export function instanceCollection(
  inputs: Inputs,
  services: Collection<Service>,
  endpoints: Collection<readonly Endpoint[]>,
  workloads: Workloads,
): Collection<Instance> {
  const { graph } = inputs;
  const bySelector = services.index('by selector', (_key, { namespace, selector }) => {
    const key = selectorKey(namespace, selector);
    return key === '' ? [] : [key];
  });
  const selected = graph.flatMap<Workload, Instance>('selected instances', workloads.all, (_key, workload, read) =>
    selectingServices(workload, read, bySelector).flatMap((service) => instancesOfWorkload(workload, service)),
  );
  const listed = graph.flatMap<readonly Endpoint[], Instance>('listed instances', endpoints, (key, found, read) => {
    const service = read.get(services, key);
    if (service === undefined) return [];
    const isSelecting = selectorKey(service.namespace, service.selector) !== '';
    const unknown = found.filter(
      (endpoint) => !isSelecting || read.lookup(workloads.byAddress, endpoint.address).length === 0,
    );
    return instancesOfEndpoints(unknown, service);
  });
  return graph.union('instances', selected, listed);
}

function selectingServices(workload: Workload, read: Reader, bySelector: Index<Service>): Service[] {
  const found = labelKeys(workload.namespace, workload.labels).flatMap((key) => read.lookup(bySelector, key));
  return found.filter((service) => selects(service.selector, workload.labels) && service.resolution !== 'Alias');
}

function instancesOfWorkload(workload: Workload, service: Service): Entry[] {
  const ports = service.ports.flatMap((servicePort): InstancePort[] => {
    const targetPort = targetOf(workload, service, servicePort);
    return targetPort === 0 ? [] : [{ servicePort, targetPort }];
  });
  const addresses = workload.addresses.filter((address) => !address.startsWith(UNIX));
  return ports.length === 0 ? [] : addresses.map((address) => entryOf(address, service, ports));
}

/** A name that the workload does not have means that it does not serve the port: 0. */
function targetOf(workload: Workload, service: Service, { name, number, targetPort }: ServicePort): number {
  if (typeof targetPort === 'string') return workload.ports[targetPort] ?? 0;
  const own =
    service.registry === 'External' || workload.ownerKind === 'workloadentry' ? workload.ports[name] : undefined;
  return own ?? (targetPort || number);
}

function instancesOfEndpoints(endpoints: readonly Endpoint[], service: Service): Entry[] {
  const byAddress = new Map<string, InstancePort[]>();
  for (const endpoint of endpoints) {
    const servicePort = service.ports.find((port) => port.name === endpoint.portName);
    if (servicePort === undefined || endpoint.isUnixSocket) continue;
    const ports = byAddress.get(endpoint.address) ?? [];
    ports.push({ servicePort, targetPort: endpoint.port });
    byAddress.set(endpoint.address, ports);
  }
  return [...byAddress].map(([address, ports]) => entryOf(address, service, ports));
}

function entryOf(address: string, { key }: Service, ports: readonly InstancePort[]): Entry {
  return [`${address}|${key}`, { address, serviceKey: key, ports }];
}
