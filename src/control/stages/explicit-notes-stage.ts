// What objects ask for and proxies without redirect cannot do, told at the objects while such proxies are connected.
import type { Collection, Reader } from '../../base/collection.ts';
import { workloadKey } from '../model/labels.ts';
import type { ProxyNode } from '../model/proxy.ts';
import type { SidecarRule } from '../translate/istio/sidecar.ts';
import type { Complaint } from '../translate/complaint.ts';
import type { Inputs } from './inputs.ts';
import type { ScopesStage } from './scopes-stage.ts';
import type { ServicesStage } from './services-stage.ts';

export type ExplicitNoteParts = { readonly services: ServicesStage; readonly scopes: ScopesStage };

/** By the keys of `proxies`. */
export function explicitNotesStage(
  { graph }: Inputs,
  proxies: Collection<ProxyNode>,
  { services, scopes }: ExplicitNoteParts,
): Collection<readonly Complaint[]> {
  const rules = scopes.sidecars.index('sidecars of explicit proxies', (_key, rule) => [rule.key]);
  return graph.map<ProxyNode, readonly Complaint[]>('complaints of explicit mode', proxies, (_key, node, read) => {
    if (node.explicit === null || node.role !== 'sidecar') return undefined;
    const name = read.get(scopes.sidecarOf, workloadKey(node.namespace, node.labels));
    const rule = name === '' ? undefined : read.lookup(rules, name)[0];
    const told = [
      ...(rule === undefined ? [] : ofSidecar(rule, node)),
      ...(rule === undefined || rule.ingress.length === 0 ? ofServices(read, services, node) : []),
    ];
    return told.length === 0 ? undefined : told;
  });
}

function ofSidecar(rule: SidecarRule, node: ProxyNode): Complaint[] {
  const inbound = node.explicit?.inbound ?? {};
  const egress = (rule.egress ?? []).flatMap(({ bind, captureMode }, index): Complaint[] => {
    if (bind === '' && captureMode !== 'NONE') return [];
    return [
      warning(
        rule.origin,
        `spec.egress[${index}]`,
        `${node.name} has no redirect, and its proxy binds no listener of its Sidecar: others might want the same`,
        'call through HTTP_PROXY, or through the address that the workload has for that service',
      ),
    ];
  });
  const ingress = rule.ingress.flatMap(({ port, defaultEndpoint }, index): Complaint[] => {
    if (defaultEndpoint !== '' || inbound[port.number] !== undefined) return [];
    return [
      warning(
        rule.origin,
        `spec.ingress[${index}].defaultEndpoint`,
        `nobody said where ${node.name} listens for port ${port.number}, and without redirect it cannot be guessed`,
        'say it here, or declare the port of the workload',
      ),
    ];
  });
  return [...egress, ...ingress];
}

function ofServices(read: Reader, { instancesByAddress, services }: ServicesStage, node: ProxyNode): Complaint[] {
  const inbound = node.explicit?.inbound ?? {};
  // Where many share one address, others' ports are none of this one's.
  if (Object.keys(inbound).length === 0) return [];
  const told = new Map<string, Complaint>();
  for (const { serviceKey, ports } of node.addresses.flatMap((address) => read.lookup(instancesByAddress, address))) {
    const service = read.get(services, serviceKey);
    if (service === undefined || service.namespace !== node.namespace || service.isMeshExternal) continue;
    for (const { servicePort, targetPort } of ports) {
      if (servicePort.protocol === 'UDP' || inbound[targetPort] !== undefined) continue;
      const message = `nobody said where ${node.name} listens for port ${targetPort}, so that calls there are refused`;
      told.set(
        `${service.key} ${targetPort}`,
        warning(service.origin, 'spec.ports', message, 'declare the port of the workload, or leave it out here'),
      );
    }
  }
  return [...told.values()];
}

function warning(objectKey: string, fieldPath: string, message: string, remedy: string): Complaint {
  return { objectKey, fieldPath, message, remedy, severity: 'warning' };
}
