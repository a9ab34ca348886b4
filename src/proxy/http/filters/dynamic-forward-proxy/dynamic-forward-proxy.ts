// The dynamic_forward_proxy filter: looks up the name that a request asks for, before its cluster goes there.
import { type HeaderKey, headerKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ClusterManager, SubClusters } from '../../../cluster/cluster.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { DNS_CACHE_FIELDS, type DnsCachePb, decodeDnsCache } from '../../../dns-cache/decode-dns-cache.ts';
import type { DnsCache } from '../../../dns-cache/dns-cache.ts';
import type { DnsCacheConfig } from '../../../dns-cache/dns-cache-config.ts';
import type { DnsCaches } from '../../../dns-cache/dns-caches.ts';
import type { DnsEntry, DnsWaiter } from '../../../dns-cache/dns-entry.ts';
import { HostKeys, hostKeyOf } from '../../../dns-cache/host-key.ts';
import { findFilterState, Flag } from '../../../stream-info.ts';
import { defineHttpFilter, type FilterContext, type FilterStream } from '../../filter.ts';
import type { HeadersStatus, HttpFilter, HttpFilterFactory } from '../../filter.ts';
import { WaitingForCluster } from './waiting-for-cluster.ts';

const TYPE = 'envoy.extensions.filters.http.dynamic_forward_proxy.v3';
/** Source: Envoy StreamInfo::UpstreamAddress. */
const ADDRESS_KEY = 'envoy.stream.upstream_address';
/** Filter state that says where to go instead of the request. */
const HOST_KEY = 'envoy.upstream.dynamic_host';
const PORT_KEY = 'envoy.upstream.dynamic_port';
const MAX_PORT = 65_535;
/** Source: Envoy SubClusterConfig.cluster_init_timeout. */
const INIT_TIMEOUT_MS = 5000;

export type ForwardProxyFilterParts = { readonly clusters: ClusterManager; readonly dnsCaches: DnsCaches };

type FilterPb = {
  readonly dns_cache_config?: DnsCachePb;
  readonly save_upstream_address?: boolean;
  readonly allow_dynamic_host_from_filter_state?: boolean;
  readonly sub_cluster_config?: { readonly cluster_init_timeout?: DnsCachePb['host_ttl'] };
};

type FilterConfig = {
  readonly cache: DnsCacheConfig;
  readonly savesAddress: boolean;
  readonly readsState: boolean;
  /** How long a request waits for its sub cluster. */
  readonly initTimeoutMs: number;
};

type PerRoutePb = { readonly host_rewrite_literal?: string; readonly host_rewrite_header?: string };
type PerRouteConfig = { readonly literal: string; readonly header: HeaderKey | null };

export function makeDynamicForwardProxy(parts: ForwardProxyFilterParts): HttpFilterFactory {
  return defineHttpFilter<FilterConfig, PerRouteConfig, FilterPb, PerRoutePb>({
    name: 'envoy.filters.http.dynamic_forward_proxy',
    configType: `${TYPE}.FilterConfig`,
    routeConfigType: `${TYPE}.PerRouteConfig`,
    fields: {
      [`${TYPE}.FilterConfig`]:
        'dns_cache_config save_upstream_address allow_dynamic_host_from_filter_state sub_cluster_config',
      [`${TYPE}.SubClusterConfig`]: 'cluster_init_timeout',
      [`${TYPE}.PerRouteConfig`]: 'host_rewrite_literal host_rewrite_header',
      ...DNS_CACHE_FIELDS,
    },
    decode,
    decodeRoute: ({ host_rewrite_literal: literal = '', host_rewrite_header: header = '' }) =>
      Object.freeze({ literal, header: header === '' ? null : headerKey(header.toLowerCase()) }),
    create: (config, context) => new DynamicForwardProxy(config, context, parts),
  });
}

function decode(message: FilterPb, d: ConfigDecoder): FilterConfig {
  return Object.freeze({
    cache: decodeDnsCache(message.dns_cache_config ?? {}, d.at('dns_cache_config')),
    savesAddress: message.save_upstream_address ?? false,
    readsState: message.allow_dynamic_host_from_filter_state ?? false,
    initTimeoutMs: d
      .at('sub_cluster_config')
      .durationMs(message.sub_cluster_config?.cluster_init_timeout, INIT_TIMEOUT_MS),
  });
}

class DynamicForwardProxy implements HttpFilter {
  readonly config: FilterConfig;
  readonly cache: DnsCache;
  readonly slot: number;
  readonly #clusters: ClusterManager;
  /** By default port. */
  readonly #keys = new Map<number, HostKeys>();

  constructor(config: FilterConfig, { slot }: FilterContext, { clusters, dnsCaches }: ForwardProxyFilterParts) {
    this.config = config;
    this.slot = slot;
    this.#clusters = clusters;
    this.cache = dnsCaches.acquireFor(this, config.cache);
  }

  /** Source: Envoy ProxyFilter::decodeHeaders. */
  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const { route } = stream;
    if (route === null || route.forward === null) return 'continue';
    const cluster = this.#clusters.get(route.clusterName)?.forwardProxy ?? null;
    if (cluster === null) return 'continue';
    rewriteHost(headers, stream.routeConfig(this.slot) as PerRouteConfig | null);
    if (cluster.subClusters !== null) return this.#loadSubCluster(stream, headers, cluster.subClusters);
    if (!this.cache.checkPending()) {
      return refuse(
        stream,
        'Dynamic forward proxy pending request overflow',
        'dynamic_forward_proxy_pending_request_overflow',
      );
    }
    const port = this.config.readsState ? (portOf(stream) ?? cluster.defaultPort) : cluster.defaultPort;
    const key = this.#keyOf(stream, headers.authority, port);
    if (key === '') {
      stream.sendLocalReply({ status: 400, body: 'Empty host header', details: 'empty_host_header' });
      return 'stop';
    }
    const known = this.cache.find(key);
    if (known !== null) return this.take(stream, known) ? 'continue' : 'stop';
    const waiting = new Waiting(this, stream, key);
    const found = this.cache.load(key, port, waiting);
    if (found === null) {
      stream.slot[this.slot] = waiting;
      return 'stop-all-and-watermark';
    }
    if (found === 'overflow') return refuse(stream, 'DNS cache overflow', 'dns_cache_overflow');
    return this.take(stream, found) ? 'continue' : 'stop';
  }

  /** Source: Envoy ProxyFilter::loadDynamicCluster. */
  #loadSubCluster(stream: FilterStream, { authority }: Headers, clusters: SubClusters): HeadersStatus {
    const { readsState } = this.config;
    const host = readsState ? findFilterState(stream.info, HOST_KEY)?.value : undefined;
    const name = clusters.nameOf(authority, host, readsState ? portOf(stream) : null);
    if (clusters.touch(name)) return 'continue';
    const waiting = new WaitingForCluster(stream, this.slot, clusters, name);
    const found = clusters.load(name, waiting);
    if (found === 'serving') return 'continue';
    if (found === 'overflow') return refuse(stream, 'Sub cluster overflow', 'sub_cluster_overflow');
    waiting.wait(this.config.initTimeoutMs);
    stream.slot[this.slot] = waiting;
    return 'stop-all-and-watermark';
  }

  #keyOf(stream: FilterStream, authority: string, port: number): string {
    const host = this.config.readsState ? findFilterState(stream.info, HOST_KEY)?.value : undefined;
    if (host !== undefined) return hostKeyOf(host, port);
    let keys = this.#keys.get(port);
    if (keys === undefined) {
      // Ports of filter state are whoever's who writes it.
      if (this.#keys.size >= MAX_KEPT_PORTS) return hostKeyOf(authority, port);
      keys = new HostKeys(port);
      this.#keys.set(port, keys);
    }
    return keys.of(authority);
  }

  /** False when there is no address, and the request was answered. */
  take(stream: FilterStream, { addresses, details }: DnsEntry): boolean {
    const address = addresses[0];
    if (address === undefined) {
      stream.sendLocalReply({ status: 503, body: 'DNS resolution failure', details, flags: Flag.DF });
      return false;
    }
    if (!this.config.savesAddress) return true;
    const { info } = stream;
    info.filterState ??= new Map();
    const state = { value: '', typed: null, isOpaque: true, isReadOnly: false, lifeSpan: 'request', address } as const;
    info.filterState.set(ADDRESS_KEY, state);
    return true;
  }

  onDestroy(stream: FilterStream): void {
    (stream.slot[this.slot] as Waiting | WaitingForCluster | undefined)?.cancel();
  }
}

const MAX_KEPT_PORTS = 16;

/** A request that waits for an answer. */
class Waiting implements DnsWaiter {
  readonly #filter: DynamicForwardProxy;
  readonly #stream: FilterStream;
  readonly #key: string;

  constructor(filter: DynamicForwardProxy, stream: FilterStream, key: string) {
    this.#filter = filter;
    this.#stream = stream;
    this.#key = key;
  }

  onResolved(entry: DnsEntry): void {
    const { slot } = this.#filter;
    const stream = this.#stream;
    stream.slot[slot] = undefined;
    if (!stream.isDestroyed && this.#filter.take(stream, entry)) stream.continueDecoding(slot);
  }

  cancel(): void {
    this.#filter.cache.cancel(this.#key, this);
  }
}

/** What is looked up is what the upstream gets to see. */
function rewriteHost(headers: Headers, config: PerRouteConfig | null): void {
  if (config === null) return;
  if (config.literal !== '') headers.authority = config.literal;
  if (config.header === null) return;
  // Only the first value: clients may have written it.
  const value = headers.get(config.header);
  if (value !== undefined) headers.authority = value;
}

function refuse(stream: FilterStream, body: string, details: string): 'stop' {
  stream.sendLocalReply({ status: 503, body, details });
  return 'stop';
}

function portOf({ info }: FilterStream): number | null {
  const state = findFilterState(info, PORT_KEY);
  const port = state === undefined ? 0 : Number(state.value);
  return port > 0 && port <= MAX_PORT ? port : null;
}
