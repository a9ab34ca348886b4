// Hosts of a dynamic forward proxy cluster: those of its DNS cache; each request names its own.
import type { FilterStateObject } from '../../stream-info.ts';
import type { DnsCache, DnsCacheUser } from '../../dns-cache/dns-cache.ts';
import type { DnsEntry, DnsWaiter } from '../../dns-cache/dns-entry.ts';
import { HostKeys, hostKeyOf } from '../../dns-cache/host-key.ts';
import type { Host, HostCallback, HostSearch, LoadBalancer, LoadBalancerContext } from '../cluster.ts';
import { type EndpointConfig, NOWHERE } from '../cluster-config.ts';
import type { HostEntry } from '../host.ts';

export type ForwardProxyParts = {
  readonly cache: DnsCache;
  /** Of names that say none: 443 where the cluster speaks TLS. */
  readonly defaultPort: number;
  readonly addHost: (endpoint: EndpointConfig) => HostEntry;
  readonly removeHosts: (hosts: readonly HostEntry[]) => void;
};

/** Source: Envoy: filter state that says where to go instead of the request. */
export const DYNAMIC_HOST = 'envoy.upstream.dynamic_host';
export const DYNAMIC_PORT = 'envoy.upstream.dynamic_port';
const MAX_PORT = 65_535;

type Known = { readonly host: HostEntry; readonly entry: DnsEntry };

export class ForwardProxyLoadBalancer implements LoadBalancer, DnsCacheUser {
  readonly #parts: ForwardProxyParts;
  readonly #keys: HostKeys;
  readonly #hosts = new Map<string, Known>();
  /** Hosts of one address are different hosts. */
  #nextGroup = 0;

  constructor(parts: ForwardProxyParts) {
    this.#parts = parts;
    this.#keys = new HostKeys(parts.defaultPort);
  }

  start(): void {
    this.#parts.cache.addUser(this);
  }

  close(): void {
    this.#parts.cache.removeUser(this);
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    const known = this.#hosts.get(this.#keyOf(context));
    if (known === undefined) return null;
    known.entry.touch();
    return known.host;
  }

  /** Resolves the name that `chooseHost` did not know. Source: Envoy dfp_cluster_resolves_hosts. */
  findHost(context: LoadBalancerContext, told: HostCallback): HostSearch | null {
    const key = this.#keyOf(context);
    const { cache, defaultPort } = this.#parts;
    if (key === '') {
      told(null, 'empty_host_header');
      return null;
    }
    if (!cache.checkPending()) {
      told(null, 'dns_cache_pending_requests_overflow');
      return null;
    }
    const search = new Search(cache, key, (entry) => {
      told(this.#hosts.get(entry.key)?.host ?? null, entry.details);
    });
    const found = cache.load(key, askedPort(context) ?? defaultPort, search);
    if (found === null) return search;
    if (found === 'overflow') told(null, 'dns_cache_overflow');
    else search.onResolved(found);
    return null;
  }

  /** '' for none. */
  #keyOf(context: LoadBalancerContext): string {
    const authority = askedHost(context);
    const port = askedPort(context);
    return port === null ? this.#keys.of(authority) : hostKeyOf(authority, port);
  }

  // ─── For the cache ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Where addresses change the host stays: its connections serve on, new ones go elsewhere. As Envoy's LogicalHost. */
  onHost(entry: DnsEntry): void {
    const [address, ...further] = entry.addresses;
    if (address === undefined) return;
    const known = this.#hosts.get(entry.key);
    if (known !== undefined) {
      known.host.moveTo(address, further);
      return;
    }
    const host = this.#parts.addHost(
      Object.freeze({
        address,
        additionalAddresses: further,
        hostname: entry.key,
        healthCheckAddress: '',
        weight: 1,
        health: 'HEALTHY',
        edsHealth: 'UNKNOWN',
        metadata: null,
        locality: NOWHERE,
        localityWeight: 0,
        priority: 0,
        group: this.#nextGroup++,
      }),
    );
    this.#hosts.set(entry.key, { host, entry });
  }

  onHostGone({ key }: DnsEntry): void {
    const known = this.#hosts.get(key);
    if (known === undefined) return;
    this.#hosts.delete(key);
    this.#parts.removeHosts([known.host]);
  }
}

/** One who waits for a host; nothing is told once it was cancelled. */
class Search implements DnsWaiter, HostSearch {
  readonly #cache: DnsCache;
  readonly #key: string;
  readonly #told: (entry: DnsEntry) => void;

  constructor(cache: DnsCache, key: string, told: (entry: DnsEntry) => void) {
    this.#cache = cache;
    this.#key = key;
    this.#told = told;
  }

  onResolved(entry: DnsEntry): void {
    this.#told(entry);
  }

  cancel(): void {
    this.#cache.cancel(this.#key, this);
  }
}

function stateOf({ info, connection }: LoadBalancerContext, key: string): FilterStateObject | undefined {
  return info?.filterState?.get(key) ?? connection?.filterState?.get(key);
}

/** Where it is to go: as filter state says, else the request, else the server name; '' for nowhere. */
export function askedHost(context: LoadBalancerContext): string {
  const host = stateOf(context, DYNAMIC_HOST)?.value;
  return host ?? context.requestHeaders?.authority ?? context.connection?.requestedServerName ?? '';
}

/** Null: filter state does not say. */
export function askedPort(context: LoadBalancerContext): number | null {
  const state = stateOf(context, DYNAMIC_PORT);
  const port = state === undefined ? 0 : Number(state.value);
  return port > 0 && port <= MAX_PORT ? port : null;
}
