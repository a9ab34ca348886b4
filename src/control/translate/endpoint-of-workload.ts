// A workload as endpoint of one port of a service.
import { spiffeId } from '../../base/spiffe.ts';
import type { Mesh } from '../model/mesh.ts';
import type { Endpoint } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';

export type EndpointFacts = Pick<Endpoint, 'address' | 'port' | 'portName' | 'health' | 'tlsMode'>;

export function endpointOfWorkload(workload: Workload, mesh: Mesh, facts: EndpointFacts): Endpoint {
  const isUnixSocket = facts.address.startsWith(UNIX);
  return {
    ...facts,
    address: isUnixSocket ? facts.address.slice(UNIX.length) : facts.address,
    isUnixSocket,
    port: isUnixSocket ? 0 : facts.port,
    labels: workload.labels,
    namespace: workload.namespace,
    workloadName: workload.owner,
    account: workload.account,
    identity: identityOf(mesh, workload.namespace, workload.account),
    network: workload.network,
    cluster: workload.cluster,
    locality: workload.locality,
    nodeName: workload.node,
    weight: workload.weight,
    hostname: workload.hostname,
    subdomain: workload.subdomain,
    tunnel: workload.tunnel,
  };
}

export function identityOf(mesh: Mesh, namespace: string, account: string): string {
  return account === '' ? '' : spiffeId({ trustDomain: mesh.trustDomain, namespace, account });
}

/** What addresses of unix sockets begin with in objects. */
export const UNIX = 'unix://';
