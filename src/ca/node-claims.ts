// Holds what an xDS node says of itself against the identity that its stream proved.
import { type NodeRole, parseNodeId } from '../base/node-id.ts';
import type { Identity } from './authenticate/authenticator.ts';

/** Of envoy.config.core.v3.Node. */
export type ClaimingNode = {
  /** 'sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local'. */
  readonly id?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
};

/** Null when the account may have proxies of this role, else why not; asked only of roles beside sidecar. */
export type RolePolicy = (
  role: NodeRole,
  account: { readonly namespace: string; readonly account: string },
) => string | null;

/**
 * Null when the node is who it says it is. Everything that decides what a proxy gets must agree with the identity: the
 * namespace (in the id, in the metadata, in the domain), the account, the workload where the proof names one, the
 * role by `policy`.
 */
export function checkNode(identity: Identity, node: ClaimingNode, policy: RolePolicy): string | null {
  const claims = parseNodeId(node.id ?? '');
  if (typeof claims === 'string') return claims;
  const { namespace, account, workload } = identity;
  const own = `its identity is of ${namespace}/${account}`;
  if (claims.namespace !== namespace) return `the node claims namespace ${quoted(claims.namespace)} in its id, ${own}`;
  const metadata = node.metadata ?? {};
  for (const [key, expected] of [
    ['NAMESPACE', namespace],
    ['CONFIG_NAMESPACE', namespace],
    ['SERVICE_ACCOUNT', account],
  ] as const) {
    const claimed = metadata[key];
    if (claimed !== undefined && claimed !== '' && claimed !== expected) {
      return `the node claims ${key} ${quoted(claimed)}, ${own}`;
    }
  }
  // The first label of NAMESPACE.svc.DOMAIN is where short names of hosts are looked up.
  const at = claims.domain.indexOf('.svc');
  if (at >= 0 && claims.domain.slice(0, at) !== namespace) {
    return `the node claims the domain ${quoted(claims.domain)}, ${own}`;
  }
  if (workload !== null && claims.name !== workload) {
    return `the node claims to be ${quoted(claims.name)}, its credential is that of ${workload}`;
  }
  return claims.role === 'sidecar' ? null : policy(claims.role, { namespace, account });
}

/** Labels of what runs under an account: of pods, and of the templates that make pods. */
export type AccountWorkload = {
  readonly namespace: string;
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
};

/** Selectors of Istio's Gateways; `namespace` null where a gateway of any namespace may serve it. */
export type GatewaySelector = {
  readonly namespace: string | null;
  readonly labels: Readonly<Record<string, string>>;
};

/** What the Gateway API's controllers mark the pods of a Gateway with; a waypoint is one, too. */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const GATEWAY_CLASS = 'gateway.networking.k8s.io/gateway-class-name';
const WAYPOINT_CLASSES = ['istio-waypoint', 'istio-east-west'];

/**
 * Who may be a gateway: a gateway gets the keys of its namespace's credentials, so an ordinary workload must not become
 * one by saying so. Among the workloads that are known of the account at least one must be a gateway: selected by a
 * Gateway, or made for one. Accounts of which no workload is known (machines outside, configurations without pods) may,
 * unless `isStrict`: nothing says that they are anything else. Node proxies (ztunnel) always need a known workload.
 */
export function gatewayPolicy(
  workloads: Iterable<AccountWorkload>,
  selectors: readonly GatewaySelector[],
  isStrict = false,
): RolePolicy {
  // Made with the first question: most proxies are sidecars, of whom none is asked.
  let known: ReadonlyMap<string, readonly AccountWorkload[]> | null = null;
  return (role, { namespace, account }) => {
    known ??= byAccount(workloads);
    const found = known.get(`${namespace}/${account}`);
    if (found === undefined) {
      if (!isStrict && role !== 'ztunnel') return null;
      return `no workload of ${namespace}/${account} is known that could be a ${role}`;
    }
    const isOne = found.some(({ labels }) => servesAs(role, namespace, labels, selectors));
    return isOne ? null : `no workload of ${namespace}/${account} is a ${role}: no Gateway selects one`;
  };
}

function byAccount(workloads: Iterable<AccountWorkload>): ReadonlyMap<string, readonly AccountWorkload[]> {
  const known = new Map<string, AccountWorkload[]>();
  for (const one of workloads) {
    const key = `${one.namespace}/${one.account}`;
    const list = known.get(key);
    if (list === undefined) known.set(key, [one]);
    else list.push(one);
  }
  return known;
}

function servesAs(
  role: NodeRole,
  namespace: string,
  labels: Readonly<Record<string, string>>,
  selectors: readonly GatewaySelector[],
): boolean {
  if (role === 'ztunnel') return labels['app'] === 'ztunnel';
  const isWaypoint = WAYPOINT_CLASSES.includes(labels[GATEWAY_CLASS] ?? '');
  if (role === 'waypoint') return isWaypoint;
  if (labels[GATEWAY_NAME] !== undefined && !isWaypoint) return true;
  return selectors.some(
    (selector) =>
      (selector.namespace === null || selector.namespace === namespace) &&
      // An empty selector is of all workloads; that makes nobody a gateway.
      Object.keys(selector.labels).length > 0 &&
      Object.entries(selector.labels).every(([key, value]) => labels[key] === value),
  );
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 100));
}
