// A cluster in the making: its message, and the HTTP options that go into it at the end.
import type { Cluster, Http_HttpProtocolOptions, JsonObject } from '../../../proto/generated/types.d.ts';
import type { ProxyKind, ProxyRole } from '../../model/proxy.ts';
import type { Families } from '../../model/proxy.ts';
import { fixed, fixedStruct, typed } from '../listener/any.ts';

/** What clusters depend on of the proxies that get them. */
export type ClusterShape = {
  readonly role: ProxyRole;
  readonly kind: ProxyKind;
  readonly families: Families;
  /** Without redirect: nobody knows where a connection was going. */
  readonly explicit: boolean;
};

export type Draft = {
  readonly cluster: Cluster & { name: string };
  http: Http_HttpProtocolOptions | null;
};

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const METADATA_EXCHANGE = fixedStruct('envoy.tcp.metadataexchange.config.MetadataExchange', {
  protocol: 'istio-peer-exchange',
  enable_discovery: true,
});

export const rawBuffer = fixed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {});

/** Istio's own filters are not in every Envoy. */
export function hasIstioFilters(kind: ProxyKind): boolean {
  return kind === 'istio-proxy' || kind === 'heddle';
}

export function addMetadataExchange({ cluster }: Draft, kind: ProxyKind): void {
  if (!hasIstioFilters(kind)) return;
  cluster.filters = [{ name: 'istio.metadata_exchange', typed_config: METADATA_EXCHANGE() }];
}

export function httpOptions(draft: Draft): Http_HttpProtocolOptions {
  draft.http ??= {};
  return draft.http;
}

export function setHttp2(draft: Draft): void {
  const options = httpOptions(draft);
  options.explicit_http_config = { http2_protocol_options: {} };
  delete options.use_downstream_protocol_config;
}

export function setDownstreamProtocol(draft: Draft): void {
  const options = httpOptions(draft);
  const http1 = options.explicit_http_config?.http_protocol_options ?? {};
  delete options.explicit_http_config;
  options.use_downstream_protocol_config = { http_protocol_options: http1, http2_protocol_options: {} };
}

export function isHttp2(draft: Draft): boolean {
  return draft.http?.explicit_http_config?.http2_protocol_options !== undefined;
}

/** The part of the metadata that Istio's telemetry reads. */
export function istioMetadata({ cluster }: Draft): JsonObject {
  cluster.metadata ??= { filter_metadata: {} };
  const filters = (cluster.metadata.filter_metadata ??= {});
  return (filters['istio'] ??= {});
}

/** Options that say nothing of the protocol mean HTTP/1. */
export function finish(draft: Draft): Cluster & { name: string } {
  const { cluster, http } = draft;
  if (http === null) return cluster;
  if (http.explicit_http_config === undefined && http.use_downstream_protocol_config === undefined) {
    http.explicit_http_config = { http_protocol_options: {} };
  }
  cluster.typed_extension_protocol_options = { [HTTP_OPTIONS]: typed(HTTP_OPTIONS, http) };
  return cluster;
}
