// Ids of xDS nodes as Istio's agents write them: 'sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local'.

export type NodeRole = 'sidecar' | 'router' | 'waypoint' | 'ztunnel';
const ROLES: readonly string[] = ['sidecar', 'router', 'waypoint', 'ztunnel'];

export type NodeId = {
  readonly role: NodeRole;
  readonly ip: string;
  /** Name of the pod or workload. */
  readonly name: string;
  readonly namespace: string;
  readonly domain: string;
};

const MAX_ID_CHARS = 1024;

/** A text says what is wrong with the id. Source: Istio pilot/pkg/model, ParseServiceNodeWithMetadata. */
export function parseNodeId(id: string): NodeId | string {
  const shown = JSON.stringify(id.slice(0, 100));
  const [role = '', ip = '', owner = '', domain, ...rest] = id.length > MAX_ID_CHARS ? [] : id.split('~');
  if (domain === undefined || rest.length > 0) return `node id ${shown} is not TYPE~IP~NAME.NAMESPACE~DOMAIN`;
  if (!ROLES.includes(role)) return `node id ${shown} has the unknown type ${JSON.stringify(role)}`;
  // Names of pods may have dots, namespaces have none.
  const dot = owner.lastIndexOf('.');
  if (dot < 1 || dot === owner.length - 1) return `node id ${shown} has no NAME.NAMESPACE in its third part`;
  return { role: role as NodeRole, ip, name: owner.slice(0, dot), namespace: owner.slice(dot + 1), domain };
}
