// Hosts of a DNS cluster: each name is asked for again and again, and its addresses become endpoints.
import { addressText } from '../../../net/address.ts';
import type { Address } from '../../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../../base/clock.ts';
import type { PendingResolve, Resolution, Resolver } from '../../../net/resolver/resolver.ts';
import type { DnsDiscoveryConfig, DnsName, EndpointConfig } from '../cluster-config.ts';
import type { ClusterScope } from '../stats.ts';

export type DnsDiscoveryParts = {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: ClusterScope;
  /** An answer had so many addresses of the endpoint. */
  readonly countMatches: (endpoint: DnsName['endpoint'], count: number) => void;
  /** Takes the endpoints of all names; called only when they changed. */
  readonly onEndpoints: (endpoints: readonly EndpointConfig[]) => void;
};

//  ask ─► addresses ─► changed? endpoints : update_no_rebuild ─► wait refresh rate, or TTL ─┐
//   ▲  └► failure: the endpoints stay ─► wait failure rate ─────────────────────────────────┤
//   └───────────────────────────────────────────────────────────────────────────────────────┘
export class DnsDiscovery {
  readonly config: DnsDiscoveryConfig;
  readonly parts: DnsDiscoveryParts;
  readonly #names: readonly Name[];
  #failureBoundMs: number;
  #onReady: (() => void) | null = null;

  constructor(config: DnsDiscoveryConfig, parts: DnsDiscoveryParts) {
    this.config = config;
    this.parts = parts;
    this.#failureBoundMs = config.failureBaseMs;
    this.#names = config.names.map((name, i) => new Name(this, name, i));
  }

  /** `onReady` is called once, perhaps now: the first name has its answer, whatever it is. Source: Envoy. */
  start(onReady: () => void): void {
    this.#onReady = onReady;
    for (const name of this.#names) name.ask();
    if (this.#names.length === 0 || !this.config.waitsForFirst) this.#ready();
  }

  close(): void {
    this.#onReady = null;
    for (const name of this.#names) name.close();
  }

  // ─── For the names ──────────────────────────────────────────────────────────────────────────────────────────────

  publish(): void {
    this.parts.onEndpoints(this.#names.flatMap((name) => name.endpoints));
  }

  answered(): void {
    this.#ready();
  }

  #ready(): void {
    const onReady = this.#onReady;
    this.#onReady = null;
    onReady?.();
  }

  /** How long to wait after an answer whose addresses are good for `ttlS`; 0: unknown. */
  refreshMs(ttlS: number): number {
    const { refreshMs, respectTtl, minRefreshMs, jitterMs } = this.config;
    this.#failureBoundMs = this.config.failureBaseMs;
    const ms = respectTtl && ttlS > 0 ? Math.max(ttlS * 1000, minRefreshMs) : refreshMs;
    return jitterMs > 0 ? ms + this.parts.random.below(jitterMs) : ms;
  }

  /** How long to wait after a failure; all names of the cluster back off together. */
  failureMs(): number {
    const { failureBaseMs, failureMaxMs, refreshMs } = this.config;
    if (failureBaseMs === 0) return refreshMs;
    const bound = this.#failureBoundMs;
    this.#failureBoundMs = Math.min(bound * 2, failureMaxMs);
    return this.parts.random.below(Math.max(1, Math.ceil(bound)));
  }
}

/** One name of the configuration and the endpoints that it stands for now. */
class Name {
  readonly #owner: DnsDiscovery;
  readonly #config: DnsName;
  readonly #timer: Timer;
  #pending: PendingResolve | null = null;
  #isClosed = false;
  /** Names are apart from each other; of a logical host each new set of addresses is a new host. */
  #group: number;
  endpoints: readonly EndpointConfig[] = [];
  /** The addresses of `endpoints`. */
  #known: ReadonlyMap<string, Address> = new Map();

  constructor(owner: DnsDiscovery, config: DnsName, index: number) {
    this.#owner = owner;
    this.#config = config;
    this.#group = index;
    this.#timer = owner.parts.clock.timer(askAgain, this);
  }

  ask(): void {
    const { config, parts } = this.#owner;
    parts.stats.inc(parts.stats.i.update_attempt);
    let isAnswered = false;
    const pending = parts.resolver.resolve(this.#config.name, config.family, (resolution) => {
      isAnswered = true;
      this.#pending = null;
      if (!this.#isClosed) this.#onAnswer(resolution);
    });
    if (!isAnswered) this.#pending = pending;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.disarm();
    this.#pending?.cancel();
    this.#pending = null;
  }

  #onAnswer(resolution: Resolution): void {
    const owner = this.#owner;
    const { stats } = owner.parts;
    const { isLogical } = owner.config;
    // A logical host keeps its addresses when there are none; other clusters lose their hosts.
    const isGood = !resolution.isFailed && !(isLogical && resolution.addresses.length === 0);
    let delayMs: number;
    if (isGood) {
      stats.inc(stats.i.update_success);
      const { port } = this.#config;
      const addresses = resolution.addresses.map(({ family, address }) => ({ family, address, port }));
      const hasChanged = isLogical ? this.#takeLogical(addresses) : this.#takeAll(addresses);
      if (hasChanged) owner.publish();
      else stats.inc(stats.i.update_no_rebuild);
      delayMs = owner.refreshMs(leastTtl(resolution, isLogical));
    } else {
      stats.inc(stats.i.update_failure);
      delayMs = owner.failureMs();
    }
    owner.answered();
    if (!this.#isClosed) this.#timer.arm(delayMs);
  }

  /** Each address is a host; those that were there already stay. */
  #takeAll(addresses: readonly Address[]): boolean {
    const byText = new Map<string, Address>();
    for (const address of addresses) if (!byText.has(address.address)) byText.set(address.address, address);
    this.#owner.parts.countMatches(this.#config.endpoint, byText.size);
    const before = this.#known;
    let isSame = before.size === byText.size;
    if (isSame) for (const text of byText.keys()) if (!before.has(text)) isSame = false;
    if (isSame) return false;
    this.#known = byText;
    const group = this.#group;
    this.endpoints = Array.from(byText.values(), (address) =>
      Object.freeze({ ...this.#config.endpoint, address: Object.freeze(address), group }),
    );
    return true;
  }

  /** All addresses are one host, which another first address, or another list, replaces. */
  #takeLogical(addresses: readonly Address[]): boolean {
    this.#owner.parts.countMatches(this.#config.endpoint, 1);
    const [address, ...additionalAddresses] = addresses as readonly [Address, ...Address[]];
    const before = this.endpoints[0];
    const namesBefore = before === undefined ? [] : [before.address, ...(before.additionalAddresses ?? [])];
    const isSame =
      namesBefore.length === addresses.length &&
      namesBefore.every((one, i) => addressText(one) === addressText(addresses[i] as Address));
    if (isSame) return false;
    this.#group++;
    this.endpoints = [Object.freeze({ ...this.#config.endpoint, address, additionalAddresses, group: this.#group })];
    return true;
  }
}

/** Source: Envoy: of all addresses, but of the first one where they are one host. */
function leastTtl({ addresses }: Resolution, isLogical: boolean): number {
  if (isLogical) return addresses[0]?.ttlS ?? 0;
  return addresses.reduce((least, { ttlS }) => Math.min(least, ttlS), addresses[0]?.ttlS ?? 0);
}

function askAgain(name: Name): void {
  name.ask();
}
