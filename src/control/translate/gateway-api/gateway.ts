// A Gateway of the Gateway API, with the sets of listeners that join it → listeners, and what is wrong with them.
import type { ConfigObject } from '../../source/object.ts';
import type { Complaint, ComplaintSink } from '../complaint.ts';
import { classKind } from './gateway-class.ts';
import type { GatewaySpec, ListenerSpec } from './gateway-spec.ts';
import { clientRoots, type NamingContext, type TlsContext } from './gateway-tls.ts';
import type { NamespaceLabels } from './label-selector.ts';
import { type GatewayListener, type ListenerOwner, listenerPort, type Players, translateListener } from './listener.ts';
import { conflictOf, type JoinedSet, joinSets } from './listener-set.ts';

export type GatewayContext = {
  readonly clusterDomain: string;
  /** `controllerName` of a GatewayClass; undefined where there is none. */
  readonly controllerOf: (className: string) => string | undefined;
  readonly labelsOf: NamespaceLabels;
  /** Whether there is such a service. */
  readonly isService: (namespace: string, host: string) => boolean;
  /** What objects of that kind and namespace may name. */
  readonly naming: (kind: 'Gateway' | 'ListenerSet', namespace: string) => NamingContext;
};

export type MadeGateway = {
  readonly listeners: readonly GatewayListener[];
  /** Of the Gateway and of its sets, by the keys of the objects. */
  readonly complaints: readonly Complaint[];
};

const NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';
const NETWORK_LABEL = 'topology.istio.io/network';
const NETWORK_PORT_LABEL = 'networking.istio.io/gatewayPort';
const NETWORK_PORT = '15443';

/** `sets`: all that name it as parent, with their keys. */
export function translateGateway(
  object: ConfigObject,
  key: string,
  sets: readonly (readonly [string, ConfigObject])[],
  context: GatewayContext,
): MadeGateway {
  const spec = object.spec as GatewaySpec;
  const complaints: Complaint[] = [];
  const complain: ComplaintSink = (complaint) => complaints.push(complaint);
  if (!isOurs(spec, key, context, complain)) return { listeners: [], complaints };
  if (spec.tls?.backend !== undefined) {
    const message = 'not yet effective: the gateway shows backends no certificate of its own';
    const remedy = 'Use tls in a DestinationRule.';
    complain({ objectKey: key, fieldPath: 'spec.tls.backend', message, remedy, severity: 'warning' });
  }
  const players = playersOf(object, key, context, complain);
  const { namespace, name, creationMs } = object;
  const owner: ListenerOwner = { key, gateway: key, namespace, name, creationMs };
  const own: JoinedSet = { owner, listeners: spec.listeners ?? [], kind: 'Gateway' };
  const joined = [own, ...joinSets(owner, spec, sets, context.labelsOf, complain)];
  const listeners: GatewayListener[] = [];
  const ownNaming = context.naming('Gateway', namespace);
  for (const { owner: from, listeners: specs, kind } of joined) {
    const naming = context.naming(kind, from.namespace);
    for (const [index, listener] of specs.entries()) {
      const tls: TlsContext = {
        ...{ ...naming, isAutoPassthrough: isOfNetwork(object, listener) },
        clients: clientRoots(spec, listenerPort(listener), ownNaming),
      };
      const fieldPath = `spec.listeners[${index}]`;
      const made = translateListener(listener, from, players, tls);
      for (const { field, message, severity } of made.problems) {
        const remedy = severity === 'error' ? 'Correct it; until then the listener is not programmed.' : 'Correct it.';
        complain({ objectKey: from.key, fieldPath: `${fieldPath}.${field}`, message, remedy, severity });
      }
      const message = conflictOf(made.listener, listeners);
      if (message === null) {
        listeners.push(made.listener);
        continue;
      }
      const remedy = 'Give it a port or a host of its own; until then it is not programmed.';
      complain({ objectKey: from.key, fieldPath, message, remedy, severity: 'error' });
    }
  }
  return { listeners, complaints };
}

function isOurs(
  { gatewayClassName = '' }: GatewaySpec,
  objectKey: string,
  { controllerOf }: GatewayContext,
  complain: ComplaintSink,
): boolean {
  const kind = classKind(gatewayClassName, controllerOf(gatewayClassName));
  const fieldPath = 'spec.gatewayClassName';
  if (kind === 'unknown') {
    const message = `there is no GatewayClass ${gatewayClassName}: nobody serves the Gateway`;
    const remedy = 'Use the class istio or heddle, or write a GatewayClass.';
    complain({ objectKey, fieldPath, message, remedy, severity: 'error' });
  } else if (kind === 'ambient') {
    const message = `not yet effective: Gateways of class ${gatewayClassName} are not served`;
    const remedy = 'Use sidecars for the workloads that it is for.';
    complain({ objectKey, fieldPath, message, remedy, severity: 'warning' });
  }
  return kind === 'ours';
}

/** A host name as address stands for an existing service; otherwise the proxies are those made for the Gateway. */
function playersOf(
  { namespace, name, spec }: ConfigObject,
  objectKey: string,
  { clusterDomain, isService }: GatewayContext,
  complain: ComplaintSink,
): Players {
  const { addresses = [] } = spec as GatewaySpec;
  const [first] = addresses;
  const isMade = first === undefined || (addresses.length === 1 && (first.type ?? 'IPAddress') === 'IPAddress');
  if (isMade) return { selector: { [NAME_LABEL]: name }, namespace, services: [] };
  const services: string[] = [];
  for (const [index, { type = 'IPAddress', value = '' }] of addresses.entries()) {
    const fieldPath = `spec.addresses[${index}]`;
    if (type !== 'Hostname') {
      const message = `UnsupportedAddress: only a host name is possible beside others, ${type} ${value} is not used`;
      complain({ objectKey, fieldPath, message, remedy: 'Remove the address.', severity: 'warning' });
      continue;
    }
    const host = (value.includes('.') ? value : `${value}.${namespace}.svc.${clusterDomain}`).toLowerCase();
    services.push(host);
    if (isService(namespace, host)) continue;
    const message = `AddressNotUsable: namespace ${namespace} has no service ${host}`;
    const remedy = "Name a service of the Gateway's own namespace.";
    complain({ objectKey, fieldPath, message, remedy, severity: 'error' });
  }
  // With no service at all nobody plays it: an empty selector would take every proxy of the namespace.
  return { selector: {}, namespace, services: services.length === 0 ? [''] : services };
}

/** Traffic of the mesh from another network comes by that port. */
function isOfNetwork({ labels }: ConfigObject, listener: ListenerSpec): boolean {
  if (labels[NETWORK_LABEL] === undefined) return false;
  return String(listener.port) === (labels[NETWORK_PORT_LABEL] ?? NETWORK_PORT);
}
