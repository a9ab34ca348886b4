// Clusters that every proxy has: nowhere, wherever the connection was going, and the application beside it.
import type { BindConfig, Http_HttpProtocolOptions } from '../../../proto/generated/types.d.ts';
import { protoDuration } from '../../model/duration.ts';
import { typed } from '../listener/any.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { Families } from '../../model/proxy.ts';
import { applyConnectionPool } from './connection-pool.ts';
import { addMetadataExchange, type ClusterShape, type Draft, finish } from './draft.ts';
import { BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH, statPrefix } from './names.ts';
import type { NamedCluster } from './outbound.ts';

const IDLE_MS = 300_000;
/** Rules of interception leave connections alone that come from here. */
const OWN_ADDRESSES = { v4: '127.0.0.6', v6: '::6' } as const;

export function staticClusters(mesh: Mesh, shape: ClusterShape): NamedCluster[] {
  // Libraries have no traffic but what they call themselves.
  if (shape.kind === 'grpc') return [];
  const blackHole = {
    name: BLACK_HOLE,
    type: 'STATIC',
    connect_timeout: protoDuration(mesh.connectTimeoutMs),
    alt_stat_name: statPrefix(BLACK_HOLE),
  } as const;
  if (shape.role !== 'sidecar') return [blackHole];
  if (shape.explicit) return [blackHole, namedPassthrough(mesh)];
  const outbound = passthrough(PASSTHROUGH, mesh);
  addMetadataExchange(outbound, shape.kind);
  const inbound = passthrough(INBOUND_PASSTHROUGH, mesh);
  inbound.cluster.upstream_bind_config = ownAddress(shape.families);
  return [blackHole, finish(outbound), finish(inbound)];
}

function passthrough(name: string, mesh: Mesh): Draft {
  const http: Http_HttpProtocolOptions = {
    common_http_protocol_options: { idle_timeout: protoDuration(IDLE_MS) },
    use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
  };
  // Both count under one name, as Istio's do.
  const cluster = { name, type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', alt_stat_name: statPrefix(PASSTHROUGH) };
  const draft: Draft = { cluster: cluster as NamedCluster, http };
  applyConnectionPool(draft, mesh, undefined, undefined);
  return draft;
}

const DYNAMIC = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/**
 * Without redirect a request says by name where it goes. The limits are Envoy's own: a request for the proxy itself
 * comes back to it until one of them is reached.
 */
function namedPassthrough(mesh: Mesh): NamedCluster {
  const http = {
    common_http_protocol_options: { idle_timeout: protoDuration(IDLE_MS) },
    use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
  };
  return {
    name: PASSTHROUGH,
    alt_stat_name: statPrefix(PASSTHROUGH),
    connect_timeout: protoDuration(mesh.connectTimeoutMs),
    lb_policy: 'CLUSTER_PROVIDED',
    cluster_type: {
      name: 'envoy.clusters.dynamic_forward_proxy',
      typed_config: typed(DYNAMIC, {
        dns_cache_config: passthroughCache(),
        // There is no TLS to name anybody in: what is encrypted is so between the application and the host.
        allow_insecure_cluster_options: true,
      }),
    },
    typed_extension_protocol_options: { [HTTP_OPTIONS]: typed(HTTP_OPTIONS, http) },
  };
}

/** Names that no service has, of a proxy without redirect; the same for its listener and its cluster. */
export function passthroughCache() {
  return { name: 'passthrough_dns_cache', dns_lookup_family: 'V4_PREFERRED' } as const;
}

/** The address from which the proxy calls the application beside it. */
export function ownAddress(families: Families): BindConfig {
  const [first = 'v4', second] = families.split(',') as ('v4' | 'v6')[];
  const source = (family: 'v4' | 'v6') => ({ address: OWN_ADDRESSES[family], port_value: 0 });
  if (second === undefined) return { source_address: source(first) };
  return { source_address: source(first), extra_source_addresses: [{ address: source(second) }] };
}
