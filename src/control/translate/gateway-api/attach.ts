// Which listeners take a route: by section and port, by the route's kind and namespace, and by hosts.
import { hostsMeet } from '../../model/hosts.ts';
import type { Complaint } from '../complaint.ts';
import { type NamespaceLabels, takesNamespace } from './label-selector.ts';
import type { GatewayListener } from './listener.ts';
import { GATEWAY_API } from './reference-grant.ts';
import type { GatewayParent } from './route-parents.ts';
import type { ParentRef } from './route-spec.ts';

export type AttachedRoute = {
  readonly key: string;
  readonly kind: string;
  readonly namespace: string;
  readonly hostnames: readonly string[];
};

export type GatewayKind = 'Gateway' | 'ListenerSet';

export type AttachContext = {
  readonly labelsOf: NamespaceLabels;
  /** Of a Gateway or ListenerSet; null: there is no such object, or it is another controller's. */
  readonly listenersOf: (kind: GatewayKind, namespace: string, name: string) => readonly GatewayListener[] | null;
  /** All of a Gateway, with those of the sets that joined it. */
  readonly besides: (gateway: string) => readonly GatewayListener[];
};

export type Attached = { readonly parents: readonly GatewayParent[]; readonly complaints: readonly Complaint[] };

export function attachRoute(route: AttachedRoute, refs: readonly ParentRef[], context: AttachContext): Attached {
  const parents = new Map<string, GatewayParent>();
  const complaints: Complaint[] = [];
  for (const [index, ref] of refs.entries()) {
    const kind = gatewayKind(ref);
    const listeners = kind && context.listenersOf(kind, ref.namespace || route.namespace, ref.name ?? '');
    if (listeners === null) continue;
    const refusals: Refusal[] = [];
    let isTaken = false;
    for (const listener of listeners) {
      const refusal = refusalOf(route, ref, listener, context.labelsOf);
      if (refusal !== null) {
        refusals.push(refusal);
        continue;
      }
      isTaken = true;
      parents.set(listener.key, parentOf(listener, context.besides(listener.gateway)));
    }
    if (isTaken) continue;
    const { message, remedy } = explain(route, refusals);
    complaints.push({
      ...{ objectKey: route.key, fieldPath: `spec.parentRefs[${index}]`, message, remedy, severity: 'error' },
    });
  }
  return { parents: [...parents.values()].sort((a, b) => (a.key < b.key ? -1 : 1)), complaints };
}

/** Null for services, which are of the mesh. */
function gatewayKind({ group = GATEWAY_API, kind = 'Gateway' }: ParentRef): GatewayKind | null {
  if (group !== GATEWAY_API) return null;
  return kind === 'Gateway' || kind === 'ListenerSet' ? kind : null;
}

/** In the order in which they are asked. */
const REASONS = ['place', 'host', 'namespace', 'kind'] as const;
type Refusal = { readonly reason: (typeof REASONS)[number]; readonly section: string };

function refusalOf(
  route: AttachedRoute,
  { sectionName = '', port = 0 }: ParentRef,
  listener: GatewayListener,
  labelsOf: NamespaceLabels,
): Refusal | null {
  const { section, hostname, routesFrom, namespace, routeKinds } = listener;
  const refuse = (reason: Refusal['reason']): Refusal => ({ reason, section });
  if ((sectionName !== '' && sectionName !== section) || (port !== 0 && port !== listener.port)) return refuse('place');
  const hosts = route.hostnames.length === 0 ? ['*'] : route.hostnames;
  if (!hosts.some((host) => hostsMeet(host.toLowerCase(), hostname || '*'))) return refuse('host');
  if (!takesNamespace(routesFrom, 'Same', namespace, route.namespace, labelsOf)) return refuse('namespace');
  return routeKinds.includes(route.kind) ? null : refuse('kind');
}

/** Of the listener that was the nearest to taking it. */
function explain(route: AttachedRoute, refusals: readonly Refusal[]): { message: string; remedy: string } {
  let nearest: Refusal | undefined;
  for (const one of refusals) {
    if (nearest === undefined || REASONS.indexOf(one.reason) > REASONS.indexOf(nearest.reason)) nearest = one;
  }
  const section = nearest?.section ?? '';
  switch (nearest?.reason) {
    case 'host':
      return {
        message: `NoMatchingListenerHostname: listener ${section} is not for ${route.hostnames.join(', ')}`,
        remedy: 'Name a host in spec.hostnames that the listener has.',
      };
    case 'namespace':
      return {
        message: `NotAllowedByListeners: listener ${section} takes no routes of namespace ${route.namespace}`,
        remedy: 'Let the listener allow it in allowedRoutes.namespaces.',
      };
    case 'kind':
      return {
        message: `NotAllowedByListeners: listener ${section} takes no ${route.kind}`,
        remedy: 'Name another listener, or let this one allow the kind in allowedRoutes.kinds.',
      };
    default:
      return {
        message: 'NoMatchingParent: the parent has no listener of that name and port',
        remedy: 'Correct sectionName and port.',
      };
  }
}

/** Hosts of other listeners of the same port are theirs where they name them more closely. */
function parentOf(listener: GatewayListener, all: readonly GatewayListener[]): GatewayParent {
  const { key, hostname, port, protocol } = listener;
  const others = all.filter((one) => one.key !== key && one.port === port && one.protocol === protocol);
  const siblings = [...new Set(others.map((one) => one.hostname))].filter((one) => one !== hostname);
  return { key, hostname, siblings };
}
