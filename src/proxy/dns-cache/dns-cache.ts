// A cache of names that clients choose (dynamic forward proxy): shared by the filters and clusters that name it.
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { cidrContains, parseIp, unmapIp } from '../../base/ip.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { ResolvedAddress, Resolution, Resolver } from '../../net/resolver/resolver.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import { Resource } from '../cluster/circuit-breaker.ts';
import type { DnsCacheConfig } from './dns-cache-config.ts';
import { DnsEntry, type DnsWaiter } from './dns-entry.ts';
import { hostKeyOf, splitHost } from './host-key.ts';

/** Under 'dns_cache.NAME.'. Source: Envoy ALL_DNS_CACHE_STATS; the cache is kept nowhere, so nothing is loaded. */
const DNS_CACHE_STATS = {
  cache_load: 'counter',
  dns_address_filter_out: 'counter',
  dns_query_attempt: 'counter',
  dns_query_failure: 'counter',
  dns_query_success: 'counter',
  dns_query_timeout: 'counter',
  dns_rq_pending_overflow: 'counter',
  host_added: 'counter',
  host_address_changed: 'counter',
  host_overflow: 'counter',
  host_removed: 'counter',
  'circuit_breakers.rq_pending_open': 'gauge-once',
  'circuit_breakers.rq_pending_remaining': 'gauge-once',
  num_hosts: 'gauge',
} as const;

/** Clusters whose hosts are those of the cache that have an address. */
export type DnsCacheUser = {
  /** New, or its addresses changed. */
  onHost(entry: DnsEntry): void;
  onHostGone(entry: DnsEntry): void;
};

export type DnsCacheParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly shared: SharedCells;
  readonly resolver: Resolver;
};

export class DnsCache {
  readonly config: DnsCacheConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: Resolver;
  /** Who waits for a first answer. */
  readonly #pending: Resource;
  readonly #stats: ScopeOf<typeof DNS_CACHE_STATS>;
  readonly #entries = new Map<string, DnsEntry>();
  readonly #users = new Set<DnsCacheUser>();

  constructor(config: DnsCacheConfig, { clock, random, stats, shared, resolver }: DnsCacheParts) {
    this.config = config;
    this.clock = clock;
    this.random = random;
    this.resolver = resolver;
    const scope = stats.scope(`dns_cache.${config.name}.`, DNS_CACHE_STATS);
    this.#stats = scope;
    const open = scope.i['circuit_breakers.rq_pending_open'];
    const remaining = scope.i['circuit_breakers.rq_pending_remaining'];
    this.#pending = new Resource(config.maxPending, scope, open, remaining, {
      shared,
      name: `dns_cache.${config.name}.pending`,
    });
    for (const { host, port } of config.preresolved) this.#add(hostKeyOf(host, port), port);
  }

  // ─── For those who want a host ──────────────────────────────────────────────────────────────────────────────────

  /** False, and counted, where too many wait already. */
  checkPending(): boolean {
    if (this.#pending.canCreate) return true;
    this.#stats.inc(this.#stats.i.dns_rq_pending_overflow);
    return false;
  }

  /** The host of the key, which may have no address; null where it must be asked for (`load`). */
  find(key: string): DnsEntry | null {
    const known = this.#entries.get(key);
    return known?.isAnswered === true && (this.config.refreshesFailures || !known.hasFailed) ? known : null;
  }

  /**
   * As `find`; null: `waiter` is told later, unless it is cancelled. Each waiter
   * is one of `maxPending`: ask `checkPending` before.
   */
  load(key: string, defaultPort: number, waiter: DnsWaiter): DnsEntry | 'overflow' | null {
    const found = this.find(key);
    if (found !== null) return found;
    const known = this.#entries.get(key);
    // A full cache refuses those who would wait for a host of its own, too. Source: Envoy.
    if (this.#entries.size >= this.config.maxHosts) {
      this.#stats.inc(this.#stats.i.host_overflow);
      return 'overflow';
    }
    if (known?.isAnswered === true) this.#remove(known);
    // Counted before anything else is done, and looked at again: other workers ask at the same moment.
    this.#pending.inc();
    if (this.#pending.current > this.#pending.max) {
      this.#pending.dec();
      this.#stats.inc(this.#stats.i.dns_rq_pending_overflow);
      return 'overflow';
    }
    const entry = known === undefined || known.isGone ? this.#add(key, defaultPort) : known;
    if (entry.isAnswered) {
      this.#pending.dec();
      return entry;
    }
    entry.waiters.add(waiter);
    return null;
  }

  cancel(key: string, waiter: DnsWaiter): void {
    if (this.#entries.get(key)?.waiters.delete(waiter) === true) this.#pending.dec();
  }

  // ─── For clusters ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Tells of the hosts that there are, and of changes. */
  addUser(user: DnsCacheUser): void {
    this.#users.add(user);
    for (const entry of this.#entries.values()) if (entry.addresses.length > 0) user.onHost(entry);
  }

  removeUser(user: DnsCacheUser): void {
    this.#users.delete(user);
  }

  /** Writes the gauges anew: other workers may have counted since. */
  refreshGauges(): void {
    this.#pending.refresh();
  }

  close(): void {
    for (const entry of this.#entries.values()) {
      entry.close();
      this.#tellWaiters(entry);
    }
    this.#entries.clear();
    this.resolver.close();
    this.#pending.release();
    this.#stats.release();
  }

  // ─── For entries ────────────────────────────────────────────────────────────────────────────────────────────────

  noteQuery(): void {
    this.#stats.inc(this.#stats.i.dns_query_attempt);
  }

  refresh(entry: DnsEntry): void {
    if (this.clock.nowMs - entry.usedMs > this.config.hostTtlMs) this.#remove(entry);
    else entry.ask();
  }

  /** Takes an answer; returns how long to wait until the next question, -1 for ever. */
  take(entry: DnsEntry, resolution: Resolution, isTimeout: boolean): number {
    const stats = this.#stats;
    const { isFailed } = resolution;
    if (isTimeout) stats.inc(stats.i.dns_query_timeout);
    stats.inc(isFailed ? stats.i.dns_query_failure : stats.i.dns_query_success);
    const good = isFailed ? [] : resolution.addresses.filter((one) => this.#isAllowed(one));
    const isFirst = !entry.isAnswered;
    const hasChanged = good.length > 0 && !isSame(good, entry.addresses);
    if (hasChanged || entry.addresses.length === 0) {
      const isDenied = good.length === 0 && resolution.addresses.length > 0;
      const text = isDenied ? 'address_denied' : resolution.details.replace(/\s/g, '_');
      entry.details = good.length === 0 ? `dns_resolution_failure{${text}}` : text;
      entry.hasFailed = isFailed;
    }
    entry.isAnswered = true;
    if (hasChanged) {
      const { port } = entry;
      entry.addresses = Object.freeze(good.map(({ family, address }) => Object.freeze({ family, address, port })));
      stats.inc(stats.i.host_address_changed);
      for (const user of [...this.#users]) user.onHost(entry);
    }
    if (isFirst) this.#tellWaiters(entry);
    return this.#delayMs(entry, isFailed, good[0]?.ttlS ?? -1);
  }

  #delayMs(entry: DnsEntry, isFailed: boolean, ttlS: number): number {
    const { refreshMs, minRefreshMs, refreshesFailures } = this.config;
    if (isFailed) return refreshesFailures ? entry.failureMs() : -1;
    entry.succeeded();
    return ttlS < 0 ? refreshMs : Math.max(minRefreshMs, ttlS * 1000);
  }

  #tellWaiters(entry: DnsEntry): void {
    const waiters = [...entry.waiters];
    entry.waiters.clear();
    for (const waiter of waiters) {
      this.#pending.dec();
      waiter.onResolved(entry);
    }
  }

  /**
   * Envoy compares what came. An IPv4 address inside of an IPv6 one (::ffff:127.0.0.1) is connected to as the former,
   * so it is denied as that, too.
   */
  #isAllowed({ address }: ResolvedAddress): boolean {
    const { denied } = this.config;
    const ip = denied === null ? null : parseIp(address);
    if (denied === null || ip === null) return true;
    const isIn = (one: typeof ip): boolean => denied.ranges.some((range) => cidrContains(range, one));
    const isDenied = denied.isInverted ? !isIn(ip) : isIn(ip) || isIn(unmapIp(ip));
    if (isDenied) this.#stats.inc(this.#stats.i.dns_address_filter_out);
    return !isDenied;
  }

  #add(key: string, defaultPort: number): DnsEntry {
    const entry = new DnsEntry(this, key, splitHost(key, defaultPort));
    this.#entries.set(key, entry);
    this.#stats.inc(this.#stats.i.host_added);
    this.#stats.inc(this.#stats.i.num_hosts);
    entry.ask();
    return entry;
  }

  #remove(entry: DnsEntry): void {
    entry.close();
    this.#entries.delete(entry.key);
    this.#stats.inc(this.#stats.i.host_removed);
    this.#stats.dec(this.#stats.i.num_hosts);
    if (entry.addresses.length > 0) for (const user of [...this.#users]) user.onHostGone(entry);
  }
}

/** In this order, as in Envoy. */
function isSame(found: readonly ResolvedAddress[], known: readonly Address[]): boolean {
  return found.length === known.length && found.every(({ address }, i) => address === known[i]?.address);
}
