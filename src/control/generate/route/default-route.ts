// Routes that nobody wrote: to a service of which no rule speaks, to the workload's own port, to anywhere.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { protoDuration } from '../../model/duration.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { Scope } from '../../model/scope.ts';
import { outboundCluster } from './cluster-names.ts';
import { hashPolicy, timeouts } from './forward.ts';
import { meshRetries, retryPolicy } from './retries.ts';
import type { Route } from './routes.ts';

type VirtualHost = MessageTypes['envoy.config.route.v3.VirtualHost'];

/** `hash`: Istio's ConsistentHashLB by which the service is balanced, null for none. */
export function defaultOutboundRoute(
  host: string,
  port: number,
  mesh: Pick<Mesh, 'raw'>,
  hash: Readonly<Record<string, unknown>> | null,
): Route {
  const policy = hash === null ? null : hashPolicy(hash);
  const retries = retryPolicy(meshRetries(mesh), false);
  return {
    name: 'default',
    match: { prefix: '/' },
    route: {
      cluster: outboundCluster(port, '', host),
      ...timeouts(0),
      ...(policy !== null && { hash_policy: [policy] }),
      ...(retries !== undefined && { retry_policy: retries }),
    },
    decorator: { operation: `${host}:${port}/*` },
  };
}

/** To the application beside the proxy: no time limits, and a retry where the request cannot have been read. */
export function defaultInboundRoute(cluster: string, operation: string): Route {
  const none = protoDuration(0);
  return {
    name: 'default',
    match: { prefix: '/' },
    route: {
      cluster,
      timeout: none,
      max_stream_duration: { max_stream_duration: none, grpc_timeout_header_max: none },
      retry_policy: { retry_on: 'reset-before-request', num_retries: 2 },
    },
    decorator: { operation },
  };
}

/** For hosts that nobody knows: they are passed through, or refused. */
export function catchAllHost(
  scope: Pick<Scope, 'outboundTrafficPolicy' | 'egressProxy'>,
  countsAttempts: boolean,
): VirtualHost {
  const isAllowed = scope.outboundTrafficPolicy === 'ALLOW_ANY';
  const name = isAllowed ? 'allow_any' : 'block_all';
  const { egressProxy: proxy } = scope;
  const cluster = proxy === null ? 'PassthroughCluster' : outboundCluster(proxy.port, proxy.subset, proxy.host);
  const match = { prefix: '/' };
  const route: Route = isAllowed
    ? { name, match, route: { cluster, ...timeouts(0) } }
    : { name, match, direct_response: { status: 502 } };
  return { name, domains: ['*'], routes: [route], include_request_attempt_count: countsAttempts };
}
