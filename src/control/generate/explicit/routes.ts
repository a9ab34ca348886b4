// Routes that only a proxy without redirect has: tunnels that end inside it, and refusals that tell what to declare.
import type { Mesh } from '../../model/mesh.ts';
import type { ProxyKind } from '../../model/proxy.ts';
import type { Scope } from '../../model/scope.ts';
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { PASSTHROUGH } from '../cluster/names.ts';
import { fixed } from '../listener/any.ts';
import { outboundCluster } from '../route/cluster-names.ts';
import { timeouts } from '../route/forward.ts';
import type { Route } from '../route/routes.ts';

type VirtualHost = MessageTypes['envoy.config.route.v3.VirtualHost'];

const UNCOUNTED = fixed('envoy.config.route.v3.FilterConfig', { disabled: true });
const NEVER = { numerator: 0 };

/**
 * Ends tunnels to a host, whose content a listener of the same proxy looks at. Each request inside is counted and
 * traced there: the tunnel itself is not.
 */
export function tunnelRoute(cluster: string, kind: ProxyKind, mesh: Pick<Mesh, 'defaultProviders'>): Route {
  const isCounted = kind !== 'envoy' && mesh.defaultProviders.metrics.includes('prometheus');
  return {
    name: 'tunnel',
    match: { connect_matcher: {} },
    route: { cluster, upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }], ...timeouts(0) },
    tracing: { client_sampling: NEVER, random_sampling: NEVER, overall_sampling: NEVER },
    ...(isCounted && { typed_per_filter_config: { 'istio.stats': UNCOUNTED() } }),
  };
}

const TUNNEL = {
  match: { connect_matcher: {} },
  route: { upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
};

const CONNECTIONS_ONLY =
  'heddle: %REQ(:AUTHORITY)% is a port for connections, not for requests. Open a tunnel to it by CONNECT, connect to ' +
  'the address that the proxy has for it, or declare its protocol with appProtocol: http.\n';
const NO_ENDPOINTS =
  'heddle: %REQ(:AUTHORITY)% is declared without endpoints (resolution NONE or DYNAMIC_DNS): it goes where the ' +
  'caller was going, which nobody knows without redirect. Declare it with resolution DNS or STATIC.\n';
const REGISTRY_ONLY =
  'heddle: %REQ(:AUTHORITY)% is not in the registry, and outboundTrafficPolicy REGISTRY_ONLY refuses it. ' +
  'Declare it with a ServiceEntry.\n';
const NOT_DECLARED =
  'heddle: %REQ(:AUTHORITY)% is nothing that the mesh knows, and nothing listens for what is in a tunnel to it. ' +
  'Declare it with a ServiceEntry.\n';
const NOT_IN_TUNNEL =
  'heddle: %REQ(:AUTHORITY)% is nothing that the mesh knows, and a tunnel to a port of the mesh leads to nothing ' +
  'else. Ask the proxy itself for it, or declare it with a ServiceEntry.\n';

/** A request in the clear would pass by the rules of a port for TCP or TLS. */
export function connectionsOnlyRoutes(): Route[] {
  return [refusal('connections_only', { prefix: '/' }, CONNECTIONS_ONLY)];
}

/** Nothing on that port takes requests. */
export function refusedTunnel(): Route {
  return refusal('not_declared', { connect_matcher: {} }, NOT_DECLARED);
}

export function unreachableRoutes(): Route[] {
  return both((match) => refusal('no_endpoints', match, NO_ENDPOINTS));
}

type Policy = Pick<Scope, 'outboundTrafficPolicy' | 'egressProxy'>;

/** Whether the proxy itself goes where nobody knows: by the name that it was told. */
export function looksNamesUp({ outboundTrafficPolicy, egressProxy }: Policy): boolean {
  return outboundTrafficPolicy === 'ALLOW_ANY' && egressProxy === null;
}

/** For hosts that nobody knows, behind HTTP_PROXY. */
export function unknownHost(
  scope: Policy,
  countsAttempts: boolean,
  kind: ProxyKind,
  mesh: Pick<Mesh, 'defaultProviders'>,
): VirtualHost {
  if (!looksNamesUp(scope)) return unknownInTunnel(scope, countsAttempts, kind, mesh);
  const name = 'allow_any';
  const requests: Route = { name, match: { prefix: '/' }, route: { cluster: PASSTHROUGH, ...timeouts(0) } };
  return {
    ...{ name, domains: ['*'], include_request_attempt_count: countsAttempts },
    // Nothing looks into these tunnels: what is in them is counted as bytes, and they as requests.
    routes: [{ ...requests, ...TUNNEL, route: { ...requests.route, ...TUNNEL.route } }, requests],
  };
}

/** For hosts that nobody knows, in a tunnel to a port of the mesh. */
export function unknownInTunnel(
  scope: Policy,
  countsAttempts: boolean,
  kind: ProxyKind,
  mesh: Pick<Mesh, 'defaultProviders'>,
): VirtualHost {
  const isAllowed = scope.outboundTrafficPolicy === 'ALLOW_ANY';
  const { egressProxy: proxy } = scope;
  const name = !isAllowed ? 'block_all' : proxy === null ? 'not_declared' : 'allow_any';
  const common = { name, domains: ['*'], include_request_attempt_count: countsAttempts };
  if (isAllowed && proxy !== null) {
    const cluster = outboundCluster(proxy.port, proxy.subset, proxy.host);
    const requests: Route = { name, match: { prefix: '/' }, route: { cluster, ...timeouts(0) } };
    return { ...common, routes: [tunnelRoute(cluster, kind, mesh), requests] };
  }
  const body = isAllowed ? NOT_IN_TUNNEL : REGISTRY_ONLY;
  return { ...common, routes: both((match) => refusal(name, match, body)) };
}

function refusal(name: string, match: Route['match'], body: string): Route {
  return {
    name,
    match,
    direct_response: { status: 502, body_format: { text_format_source: { inline_string: body } } },
  };
}

/** CONNECT has no path, and is matched by nothing else. */
function both(make: (match: NonNullable<Route['match']>) => Route): Route[] {
  return [make({ connect_matcher: {} }), make({ prefix: '/' })];
}
