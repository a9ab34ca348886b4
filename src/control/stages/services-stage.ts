// Services, workloads and endpoints of the mesh, from all kinds of objects that declare them.
import type { Collection, Index, Memo, Reader } from '../../base/collection.ts';
import { parseIp } from '../../base/ip.ts';
import { selectorKey, selects } from '../model/labels.ts';
import type { Mesh } from '../model/mesh.ts';
import { type Endpoint, type Service, serviceKey } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import { endpointOfWorkload, UNIX } from '../translate/endpoint-of-workload.ts';
import { endpointsOf, entryEndpoints, hasSelector } from '../translate/istio/service-entry-endpoints.ts';
import { tlsModeOfEntry } from '../translate/istio/workload-entry.ts';
import { serviceOfSlice, translateSlice } from '../translate/kubernetes/endpoint-slice.ts';
import { NOWHERE } from '../translate/kubernetes/workload.ts';
import { declaredServices } from './declared-services.ts';
import type { Inputs } from './inputs.ts';
import { type Instance, instanceCollection } from './instances-stage.ts';
import { meshOf } from './mesh-of.ts';
import { nodeKey, type Workloads, workloadStage } from './workloads-stage.ts';

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
  readonly complaints: Collection<readonly Complaint[]>;
};

export function servicesStage(inputs: Inputs): ServicesStage {
  const { graph } = inputs;
  const workloads = workloadStage(inputs);
  const { services, complaints } = declaredServices(inputs);
  const endpoints = endpointCollection(inputs, services, workloads);
  const instances = instanceCollection(inputs, services, endpoints, workloads);
  return {
    ...{ services, complaints },
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

export { meshOf };

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
  const addresses = workload.addresses.filter((address) => address.startsWith(UNIX) || parseIp(address) !== null);
  return addresses.flatMap((address) =>
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

const MAX_PORT = 65_535;

/** During a rollout one address can be in two slices. A port that is none would have the whole cluster refused. */
function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const seen = new Set<string>();
  return endpoints.filter((endpoint) => {
    if (!endpoint.isUnixSocket && (endpoint.port <= 0 || endpoint.port > MAX_PORT)) return false;
    const key = `${endpoint.address}|${endpoint.port}|${endpoint.portName}`;
    return !seen.has(key) && seen.add(key);
  });
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
