// Sets of listeners that join a Gateway: which may, in what order, and which of their listeners clash with others.
import type { ConfigObject } from '../../source/object.ts';
import type { ComplaintSink } from '../complaint.ts';
import type { GatewaySpec, ListenerSetSpec, ListenerSpec } from './gateway-spec.ts';
import { type NamespaceLabels, takesNamespace } from './label-selector.ts';
import type { GatewayListener, ListenerOwner } from './listener.ts';
import { GATEWAY_API } from './reference-grant.ts';

export type JoinedSet = {
  readonly owner: ListenerOwner;
  readonly listeners: readonly ListenerSpec[];
  readonly kind: 'Gateway' | 'ListenerSet';
};

/** The Gateway that the set is to join; null where it names something else. */
export function gatewayOfSet({ namespace, spec }: ConfigObject): { namespace: string; name: string } | null {
  const { parentRef = {} } = spec as ListenerSetSpec;
  if ((parentRef.group ?? GATEWAY_API) !== GATEWAY_API || (parentRef.kind ?? 'Gateway') !== 'Gateway') return null;
  return { namespace: parentRef.namespace || namespace, name: parentRef.name ?? '' };
}

/** The oldest first. None may join unless the Gateway says so. */
export function joinSets(
  { key: gateway, namespace, name }: ListenerOwner,
  spec: GatewaySpec,
  sets: readonly (readonly [string, ConfigObject])[],
  labelsOf: NamespaceLabels,
  complain: ComplaintSink,
): JoinedSet[] {
  const allowed = spec.allowedListeners?.namespaces ?? {};
  const joined = sets.filter(([objectKey, set]) => {
    if (takesNamespace(allowed, 'None', namespace, set.namespace, labelsOf)) return true;
    const message = `NotAllowed: Gateway ${namespace}/${name} takes no ListenerSets of namespace ${set.namespace}`;
    const remedy = 'Let the Gateway allow it in spec.allowedListeners.';
    complain({ objectKey, fieldPath: 'spec.parentRef', message, remedy, severity: 'error' });
    return false;
  });
  joined.sort(([a, left], [b, right]) => left.creationMs - right.creationMs || (a < b ? -1 : 1));
  return joined.map(([key, set]) => ({
    owner: { key, gateway, namespace: set.namespace, name: set.name, creationMs: set.creationMs },
    listeners: (set.spec as ListenerSetSpec).listeners ?? [],
    kind: 'ListenerSet',
  }));
}

/** Against those that were there first. Null: they can be told apart. */
export function conflictOf(listener: GatewayListener, others: readonly GatewayListener[]): string | null {
  const same = others.find((other) => other.key === listener.key);
  if (same !== undefined) return `Conflicted: another object has a listener ${listener.key}`;
  for (const other of others) {
    if (other.port !== listener.port || areDistinct(listener, other)) continue;
    const reason = listener.protocol === other.protocol && isWeb(other) ? 'HostnameConflict' : 'ProtocolConflict';
    const host = other.hostname === '' ? '' : ` for ${other.hostname}`;
    return `${reason}: port ${other.port}${host} is taken by listener ${other.section} of ${other.owner}`;
  }
  return null;
}

/** HTTP and TLS carry names of hosts; on one port there is either TLS or not. */
function areDistinct(a: GatewayListener, b: GatewayListener): boolean {
  return isWeb(a) && isWeb(b) && (a.protocol === 'HTTP') === (b.protocol === 'HTTP') && a.hostname !== b.hostname;
}

function isWeb({ protocol }: GatewayListener): boolean {
  return protocol === 'HTTP' || protocol === 'HTTPS' || protocol === 'TLS';
}
