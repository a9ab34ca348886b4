// All DNS caches of a worker by name: whoever names the same one shares it.
import type { Resolver, ResolverSettings } from '../../net/resolver/resolver.ts';
import { DnsCache, type DnsCacheParts } from './dns-cache.ts';
import type { DnsCacheConfig } from './dns-cache-config.ts';

/** What decoding asks: whether a cache may have these settings. `batch` names what is decoded together. */
export type DnsCacheClaims = { claim(name: string, fingerprint: string, batch: string): boolean };

type Known = { readonly cache: DnsCache; users: number };

export class DnsCaches implements DnsCacheClaims {
  readonly #parts: Omit<DnsCacheParts, 'resolver'>;
  readonly #makeResolver: (settings: ResolverSettings) => Resolver;
  readonly #caches = new Map<string, Known>();
  /** Settings of caches that are configured and perhaps not there yet. */
  readonly #claims = new Map<string, { readonly fingerprint: string; readonly batch: string }>();
  readonly #abandoned = new FinalizationRegistry<DnsCache>((cache) => this.release(cache));

  constructor(parts: Omit<DnsCacheParts, 'resolver'>, makeResolver: (settings: ResolverSettings) => Resolver) {
    this.#parts = parts;
    this.#makeResolver = makeResolver;
  }

  /** What nobody uses may come back with other settings, but not with two at once. */
  claim(name: string, fingerprint: string, batch: string): boolean {
    const inUse = this.#caches.get(name)?.cache.config.fingerprint;
    const last = this.#claims.get(name);
    const claimed = inUse ?? (last?.batch === batch ? last.fingerprint : undefined);
    if (claimed !== undefined && claimed !== fingerprint) return false;
    this.#claims.set(name, { fingerprint, batch });
    return true;
  }

  /** Whoever gets it gives it back once, with `release`. */
  acquire(config: DnsCacheConfig): DnsCache {
    let known = this.#caches.get(config.name);
    if (known === undefined) {
      const resolver = this.#makeResolver(config.resolver);
      known = { cache: new DnsCache(config, { ...this.#parts, resolver }), users: 0 };
      this.#caches.set(config.name, known);
    }
    known.users++;
    return known.cache;
  }

  /** For those without an end of their own (filters): it is given back once `owner` is garbage. */
  acquireFor(owner: object, config: DnsCacheConfig): DnsCache {
    const cache = this.acquire(config);
    this.#abandoned.register(owner, cache);
    return cache;
  }

  release({ config }: DnsCache): void {
    const known = this.#caches.get(config.name);
    if (known === undefined || --known.users > 0) return;
    this.#caches.delete(config.name);
    known.cache.close();
  }

  /** Before statistics are shown. */
  refreshGauges(): void {
    for (const { cache } of this.#caches.values()) cache.refreshGauges();
  }
}
