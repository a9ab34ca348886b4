// The configuration of a DNS cache at run time: frozen, complete with defaults.
import type { Cidr } from '../../base/ip.ts';
import type { LookupFamily, ResolverSettings } from '../../net/resolver/resolver.ts';

/** DnsCacheConfig; times in ms. */
export type DnsCacheConfig = {
  readonly name: string;
  /** Equal where all settings are: whoever names the same cache must want the same one. */
  readonly fingerprint: string;
  readonly family: LookupFamily;
  /** Between answers without an address. */
  readonly refreshMs: number;
  /** Between answers, however short their addresses are good for. */
  readonly minRefreshMs: number;
  /** A host that nobody used for so long goes at its next refresh. */
  readonly hostTtlMs: number;
  readonly maxHosts: number;
  /** After failures: drawn below a bound that doubles from base to max; 0: `refreshMs`. */
  readonly failureBaseMs: number;
  readonly failureMaxMs: number;
  /** False: what failed is asked for again when it is next wanted. */
  readonly refreshesFailures: boolean;
  /** dns_cache_circuit_breaker: who may wait at once. */
  readonly maxPending: number;
  /** 0: as long as the resolver takes. */
  readonly timeoutMs: number;
  readonly preresolved: readonly { readonly host: string; readonly port: number }[];
  /** resolved_address_filter: addresses that no answer may have; null: all are good. */
  readonly denied: { readonly ranges: readonly Cidr[]; readonly isInverted: boolean } | null;
  readonly resolver: ResolverSettings;
};

/** Source: Envoy DnsCacheConfig. */
export const DNS_CACHE_DEFAULTS = Object.freeze({
  refreshMs: 60_000,
  minRefreshMs: 5000,
  hostTtlMs: 300_000,
  maxHosts: 1024,
  maxPending: 1024,
  timeoutMs: 5000,
});
