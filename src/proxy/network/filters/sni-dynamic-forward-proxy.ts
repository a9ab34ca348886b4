// The sni_dynamic_forward_proxy filter: looks up the server name that the client asks for, before tcp_proxy goes there.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { DNS_CACHE_FIELDS, type DnsCachePb, decodeDnsCache } from '../../dns-cache/decode-dns-cache.ts';
import type { DnsCache } from '../../dns-cache/dns-cache.ts';
import type { DnsCacheConfig } from '../../dns-cache/dns-cache-config.ts';
import type { DnsCaches } from '../../dns-cache/dns-caches.ts';
import type { DnsEntry, DnsWaiter } from '../../dns-cache/dns-entry.ts';
import { hostKeyOf } from '../../dns-cache/host-key.ts';
import { defineNetworkFilter, type NetworkConnection, type NetworkFilter } from '../filter.ts';
import type { NetworkFilterContext, NetworkFilterFactory, NetworkFilterStatus } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig';
const HOST_KEY = 'envoy.upstream.dynamic_host';
const PORT_KEY = 'envoy.upstream.dynamic_port';
const ADDRESS_KEY = 'envoy.stream.upstream_address';
const MAX_PORT = 65_535;
/** Source: Envoy FilterConfig.port_value. */
const DEFAULT_PORT = 443;

type FilterPb = {
  readonly dns_cache_config?: DnsCachePb;
  readonly port_value?: number;
  readonly save_upstream_address?: boolean;
};
type FilterConfig = { readonly cache: DnsCacheConfig; readonly port: number; readonly savesAddress: boolean };

export function makeSniForwardProxy(parts: { readonly dnsCaches: DnsCaches }): NetworkFilterFactory {
  return defineNetworkFilter<FilterConfig, FilterPb>({
    name: 'envoy.filters.network.sni_dynamic_forward_proxy',
    configType: TYPE,
    fields: { [TYPE]: 'dns_cache_config port_value save_upstream_address', ...DNS_CACHE_FIELDS },
    decode: (message, d: ConfigDecoder) =>
      Object.freeze({
        cache: decodeDnsCache(message.dns_cache_config ?? {}, d.at('dns_cache_config')),
        port: message.port_value ?? DEFAULT_PORT,
        savesAddress: message.save_upstream_address ?? false,
      }),
    create: (config, context) => new SniForwardProxy(config, context, parts.dnsCaches),
  });
}

class SniForwardProxy implements NetworkFilter {
  readonly #config: FilterConfig;
  readonly #caches: DnsCaches;
  readonly cache: DnsCache;
  readonly slot: number;

  constructor(config: FilterConfig, { slot }: NetworkFilterContext, caches: DnsCaches) {
    this.#config = config;
    this.#caches = caches;
    this.slot = slot;
    this.cache = caches.acquire(config.cache);
  }

  /** Source: Envoy ProxyFilter::onNewConnection. */
  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const state = connection.connection.filterState;
    const host = state?.get(HOST_KEY)?.value ?? connection.connection.requestedServerName;
    if (host === '') return 'continue';
    if (!this.cache.checkPending()) return refuse(connection);
    const told = Number(state?.get(PORT_KEY)?.value ?? 0);
    const isTold = told > 0 && told <= MAX_PORT;
    const port = isTold ? told : this.#config.port;
    if (!isTold) setPort(connection, port);
    const waiting = new Waiting(this, connection, hostKeyOf(host, port));
    const found = this.cache.load(waiting.key, port, waiting);
    if (found === 'overflow') return refuse(connection);
    if (found !== null) return this.take(connection, found);
    connection.slot[this.slot] = waiting;
    return 'stop';
  }

  /** Whether there is an address or not: without one the cluster has no host. */
  take(connection: NetworkConnection, { addresses }: DnsEntry): 'continue' {
    const address = addresses[0];
    if (this.#config.savesAddress && address !== undefined) {
      const { info } = connection;
      info.filterState ??= new Map();
      const kind = { value: '', typed: null, isOpaque: true, isReadOnly: false } as const;
      info.filterState.set(ADDRESS_KEY, { ...kind, lifeSpan: 'connection', address });
    }
    return 'continue';
  }

  onDestroy(connection: NetworkConnection): void {
    (connection.slot[this.slot] as Waiting | undefined)?.cancel();
  }

  close(): void {
    this.#caches.release(this.cache);
  }
}

/** A connection that waits for an answer. */
class Waiting implements DnsWaiter {
  readonly key: string;
  readonly #filter: SniForwardProxy;
  readonly #connection: NetworkConnection;

  constructor(filter: SniForwardProxy, connection: NetworkConnection, key: string) {
    this.#filter = filter;
    this.#connection = connection;
    this.key = key;
  }

  onResolved(entry: DnsEntry): void {
    this.#connection.slot[this.#filter.slot] = undefined;
    this.#filter.take(this.#connection, entry);
    this.#connection.continueReading();
  }

  cancel(): void {
    this.#filter.cache.cancel(this.key, this);
  }
}

/** The cluster takes the port from there. */
function setPort(connection: NetworkConnection, port: number): void {
  const { info } = connection;
  info.filterState ??= new Map();
  const value = String(port);
  info.filterState.set(PORT_KEY, { value, typed: port, isReadOnly: false, lifeSpan: 'connection' });
}

function refuse(connection: NetworkConnection): 'stop' {
  connection.close('no-flush', '');
  return 'stop';
}
