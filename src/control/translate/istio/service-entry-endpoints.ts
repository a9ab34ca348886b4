// The endpoints of a ServiceEntry's services: those it holds, its own name, or workloads that it selects.
import { parseIp } from '../../../base/ip.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { Endpoint, Service, ServicePort } from '../../model/service.ts';
import type { Workload } from '../../model/workload.ts';
import type { ConfigObject } from '../../source/object.ts';
import { endpointOfWorkload, UNIX } from '../endpoint-of-workload.ts';
import { namesIn, partsIn } from '../fields.ts';
import { tlsModeOfPod } from '../kubernetes/workload.ts';
import { tlsModeOfEntry, workloadOf } from './workload-entry.ts';

/** Endpoints that the entry itself gives for its service. */
export function entryEndpoints(entry: ConfigObject, service: Service, mesh: Mesh): readonly Endpoint[] {
  const { namespace, name, spec } = entry;
  const origin = service.origin;
  const held = partsIn(spec, 'endpoints');
  const isByName = service.resolution === 'DNSLB' || service.resolution === 'DNSRoundRobinLB';
  if (held.length === 0) {
    if (!isByName || hasSelector(entry)) return [];
    const workload = workloadOf({}, { uid: '', name, namespace, labels: {}, origin }, mesh);
    return service.ports.map((port) => {
      const facts = { address: service.hostname, port: targetOf(port), portName: port.name };
      return endpointOfWorkload(workload, mesh, { ...facts, health: 'unknown', tlsMode: 'disabled' });
    });
  }
  return held.flatMap((spec, index) => {
    const names = { uid: '', name: `${name}-${index}`, namespace, labels: namesIn(spec, 'labels'), origin };
    return endpointsOf(workloadOf(spec, names, mesh), service, mesh);
  });
}

export function hasSelector(entry: ConfigObject): boolean {
  return entry.spec['workloadSelector'] !== undefined && entry.spec['workloadSelector'] !== null;
}

/** A workload, of whichever kind, that a ServiceEntry selects. */
export function endpointsOf(workload: Workload, service: Service, mesh: Mesh): readonly Endpoint[] {
  const isPod = workload.ownerKind !== 'workloadentry';
  const tlsMode = isPod ? tlsModeOfPod(workload.labels) : tlsModeOfEntry(workload);
  const health = healthOf(workload, isPod);
  const isByName = service.resolution === 'DNSLB' || service.resolution === 'DNSRoundRobinLB';
  const addresses = isPod ? workload.addresses.slice(0, 1) : workload.addresses;
  return addresses.flatMap((address) => {
    // Names are for clusters that resolve, and sockets for those that do not: others refuse them.
    const isSocket = address.startsWith(UNIX);
    if (isByName ? isSocket : !isSocket && parseIp(address) === null) return [];
    return service.ports.map((port) => {
      const own = workload.ports[port.name];
      const facts = { address, port: own ?? targetOf(port), portName: port.name };
      return endpointOfWorkload(workload, mesh, { ...facts, health, tlsMode });
    });
  });
}

function healthOf(workload: Workload, isPod: boolean): Endpoint['health'] {
  if (workload.health === 'unhealthy') return 'unhealthy';
  return isPod ? 'healthy' : 'unknown';
}

function targetOf(port: ServicePort): number {
  return typeof port.targetPort === 'number' && port.targetPort > 0 ? port.targetPort : port.number;
}
