// The listeners by which a workload is called: by what services or its Sidecar declare, and who may come in.
import type { Reader } from '../../../base/collection.ts';
import type { EncodedResource } from '../../../xds/server/resource.ts';
import { encodeResource } from '../../generate/encode.ts';
import { isUnspecified } from '../../generate/listener/outbound/addresses.ts';
import { type InboundPort, inboundListeners } from '../../generate/listener/inbound/listener.ts';
import { accessFilters } from '../../generate/rbac/filters.ts';
import { configReference } from '../../model/origin.ts';
import { workloadKey } from '../../model/labels.ts';
import { parseClass } from '../../model/proxy.ts';
import { type Scope, scopeKey } from '../../model/scope.ts';
import { sameResources } from '../endpoint-resources-stage.ts';
import type { Inputs } from '../inputs.ts';
import { meshOf } from '../services-stage.ts';
import {
  type Callee,
  type InboundFacts,
  LISTENER,
  type ListenerParts,
  type ListMemo,
  OWN_PORTS,
  SEPARATOR,
  type SettingsOf,
} from './parts.ts';

/** Key: a class by `INBOUND_FIELDS`, and the callee. */
export function inboundMemo(inputs: Inputs, parts: ListenerParts, settingsOf: SettingsOf): ListMemo {
  const { graph } = inputs;
  // Under all that decides them: replicas, which differ in their addresses only, share them.
  const encoded = graph.memo<readonly EncodedResource[]>('inbound listeners', (key, read) => {
    const [classText = '', rest = ''] = key.split(SEPARATOR);
    const { families, interception, ...facts } = parseClass<keyof InboundFacts>(classText);
    const { labels, identity, ports } = JSON.parse(rest) as Pick<Callee, 'labels' | 'identity'> & {
      ports: InboundPort[];
    };
    const { mtls, policies, closedBy } = read.get(parts.security.security, workloadKey(facts.namespace, labels));
    const settings = settingsOf(facts, read);
    const access = accessFilters({ policies, closedBy, trustDomains: settings.trustDomains });
    const listeners = inboundListeners({ families, interception, ports, mtls, access, settings, identity });
    return listeners.map((listener) => encodeResource(LISTENER, listener.name ?? '', listener));
  });
  // The rest of a scope changes with every service and route.
  const ingresses = graph.memo<Scope['ingress']>('ingress of scopes', (key, read) => {
    return read.get(parts.scopes.scopes, key).ingress;
  });
  return graph.memo<readonly EncodedResource[]>(
    'inbound listeners of workloads',
    (key, read) => {
      const [classText = '', rest = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof InboundFacts>(classText);
      const { labels, addresses, identity, inbound } = JSON.parse(rest) as Callee;
      const ingress = read.get(ingresses, scopeKey(facts));
      const isBound = inbound !== undefined;
      const ofServices = (): InboundPort[] => servicePorts(inputs, parts, facts, addresses, read, isBound);
      const ports =
        ingress.length > 0
          ? sidecarPorts(ingress, facts, addresses, isBound)
          : isBound
            ? explicitPorts(ofServices(), inbound, addresses)
            : ofServices();
      return read.get(encoded, `${classText}${SEPARATOR}${JSON.stringify({ labels, identity, ports })}`);
    },
    sameResources,
  );
}

/** What services say of the workload; where two say something of one port, the older has it. */
function servicePorts(
  inputs: Inputs,
  { services }: ListenerParts,
  facts: InboundFacts,
  addresses: readonly string[],
  read: Reader,
  isBound: boolean,
): InboundPort[] {
  // Without capture, listeners would take the ports on which the workload itself listens.
  if (facts.interception === 'NONE' && !isBound) return [];
  const { proxyListenPort, proxyInboundListenPort } = meshOf(inputs, read);
  const taken = new Set([proxyListenPort, proxyInboundListenPort, ...OWN_PORTS]);
  const found = addresses
    .flatMap((address) => read.lookup(services.instancesByAddress, address))
    .flatMap((instance) => {
      const service = read.get(services.services, instance.serviceKey);
      // An address names a workload of one's own namespace only: others may reuse it.
      if (service === undefined || service.namespace !== facts.namespace || service.isMeshExternal) return [];
      return [{ service, ports: instance.ports }];
    })
    .sort((a, b) => a.service.creationMs - b.service.creationMs || (a.service.key < b.service.key ? -1 : 1));
  const ports: InboundPort[] = [];
  for (const { service, ports: served } of found) {
    const { hostname, name, namespace, registry } = service;
    for (const { servicePort, targetPort } of served) {
      if (servicePort.protocol === 'UDP' || taken.has(targetPort)) continue;
      taken.add(targetPort);
      ports.push({
        ...{ port: servicePort.number, name: servicePort.name, protocol: servicePort.protocol, targetPort, hostname },
        service: { name, namespace, registry },
        ...{ binds: [], bindToPort: false, reference: '', tls: null },
      });
    }
  }
  return ports;
}

/** Every workload has all addresses of the machine, and one of its own. */
function bindsOf(bind: string, addresses: readonly string[], isBound: boolean): readonly string[] {
  return bind === '' || (isBound && isUnspecified(bind)) ? addresses : [bind];
}

/**
 * Without redirect each port at which the workload is called has a listener on its own address. A port of a service
 * behind which the workload listens nowhere has none; one that no service has is looked at, as with redirect.
 */
function explicitPorts(
  ofServices: readonly InboundPort[],
  inbound: NonNullable<Callee['inbound']>,
  addresses: readonly string[],
): InboundPort[] {
  const served = new Map(ofServices.map((port) => [port.targetPort, port]));
  return Object.keys(inbound).map((key) => {
    const number = Number(key);
    const undeclared: InboundPort = {
      ...{ port: number, name: '', protocol: 'UNSUPPORTED', targetPort: number, hostname: '', service: null },
      ...{ binds: [], bindToPort: true, reference: '', tls: null },
    };
    return { ...(served.get(number) ?? undeclared), binds: addresses.slice(0, 1), bindToPort: true };
  });
}

/** What the Sidecar that applies says instead. */
function sidecarPorts(
  ingress: Scope['ingress'],
  facts: InboundFacts,
  addresses: readonly string[],
  isBound: boolean,
): InboundPort[] {
  const [namespace = '', name = ''] = facts.sidecar.split('/');
  const taken = new Set<number>();
  return ingress.flatMap((listener): InboundPort[] => {
    const { number, protocol, name: portName } = listener.port;
    if (protocol === 'UDP' || taken.has(number)) return [];
    taken.add(number);
    const isDefault = listener.captureMode === 'DEFAULT';
    return [
      {
        ...{ port: number, name: portName, protocol, targetPort: number, service: null },
        hostname: `${name}.${namespace}`,
        binds: bindsOf(listener.bind, addresses, isBound),
        // What is redirected elsewhere is bound where nothing is.
        bindToPort: isBound || (isDefault ? facts.interception === 'NONE' : listener.captureMode === 'NONE'),
        reference: configReference('networking.istio.io', 'Sidecar', namespace, name),
        tls: listener.tls,
      },
    ];
  });
}
