// Names to addresses: what a resolver is, and the one that asks DNS servers as c-ares does for Envoy.
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { Engine } from '../engine.ts';
import { DnsChannel } from './dns-channel.ts';
import { Lookup } from './lookup.ts';
import { SystemFiles } from './system-files.ts';

/** Which addresses are wanted. Source: Envoy Cluster.DnsLookupFamily; AUTO prefers IPv6. */
export type LookupFamily = 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';

export type ResolvedAddress = {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  /** Seconds; 0 where nobody said how long it is good for. */
  readonly ttlS: number;
};

/** A name that does not exist, or has no such address, is no failure: it has no addresses. */
export type Resolution = {
  readonly isFailed: boolean;
  /** As Envoy logs it: 'cares_success:Successful completion'. */
  readonly details: string;
  readonly addresses: readonly ResolvedAddress[];
};

export type ResolveCallback = (resolution: Resolution) => void;

/** A question under way. After `cancel` the callback is not called. */
export type PendingResolve = { cancel(): void };

/**
 * The seam between clusters and the network: the same questions may be answered by this thread, or by the supervisor
 * for all workers. The callback may run during the call (numeric hosts, /etc/hosts).
 */
export type Resolver = {
  resolve(name: string, family: LookupFamily, callback: ResolveCallback): PendingResolve;
  close(): void;
};

export type ResolverSettings = {
  /** 'cares' counts under dns.cares and asks one family after the other; 'getaddrinfo' asks as the C library does. */
  readonly kind: 'cares' | 'getaddrinfo';
  /** Empty: the nameservers of /etc/resolv.conf. Port 0 is 53. */
  readonly servers: readonly Address[];
  /** use_resolvers_as_fallback: `servers` count only where /etc/resolv.conf names none. */
  readonly serversAreFallback: boolean;
  readonly useTcp: boolean;
  /** no_default_search_domain. */
  readonly noSearch: boolean;
  readonly rotate: boolean;
  /** Asks for no family of which this machine has no address but loopback. */
  readonly filterUnroutable: boolean;
  /** Of the first try; 0: as /etc/resolv.conf says. */
  readonly timeoutMs: number;
  readonly tries: number;
  /** Offered by EDNS; 0 for none. */
  readonly udpPayloadBytes: number;
  /** getaddrinfo: how often a lookup that failed is made again; infinite unless num_retries says so. */
  readonly retries: number;
};

/** Source: Envoy CaresDnsResolverConfig. */
export const DEFAULT_RESOLVER: ResolverSettings = Object.freeze({
  kind: 'cares',
  servers: Object.freeze([]),
  serversAreFallback: false,
  useTcp: false,
  noSearch: false,
  rotate: false,
  filterUnroutable: false,
  timeoutMs: 5000,
  tries: 4,
  udpPayloadBytes: 0,
  retries: 0,
});

export type ResolverParts = {
  readonly engine: Pick<Engine, 'bindUdp' | 'connect'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  /** Other places for /etc/hosts and /etc/resolv.conf, for tests. */
  readonly hostsPath?: string;
  readonly resolvConfPath?: string;
};

/** Source: Envoy cares/dns_impl.h, under 'dns.cares.'. `reinits` counts what makes c-ares start over. */
export const CARES_STATS = {
  get_addr_failure: 'counter-once',
  not_found: 'counter-once',
  reinits: 'counter-once',
  resolve_total: 'counter-once',
  timeouts: 'counter-once',
  pending_resolutions: 'gauge-once',
} as const;

/** Names under way at once; what comes beyond fails, and is asked for again at the next refresh. */
const MAX_QUESTIONS = 10_000;
/** Between retries, so that a dead server is not asked in a busy loop. */
const RETRY_PAUSE_MS = 1000;

const TOO_MANY: Resolution = { isFailed: true, details: 'too many lookups at once', addresses: [] };

export function createResolver(settings: ResolverSettings, parts: ResolverParts): Resolver {
  return new DnsResolver(settings, parts);
}

/** A callback that waits for a lookup which others may wait for too. */
class Waiter implements PendingResolve {
  readonly callback: ResolveCallback;
  isCancelled = false;

  constructor(callback: ResolveCallback) {
    this.callback = callback;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

/** One name and family that is being asked for, and those who wait for the answer. */
class Question {
  readonly waiters: Waiter[] = [];
  lookup: Lookup | null = null;
  retryTimer: Timer | null = null;
  retriesLeft: number;

  constructor(retriesLeft: number) {
    this.retriesLeft = retriesLeft;
  }

  tell(resolution: Resolution): void {
    for (const waiter of this.waiters) if (!waiter.isCancelled) waiter.callback(resolution);
  }
}

class DnsResolver implements Resolver {
  readonly #settings: ResolverSettings;
  readonly #parts: ResolverParts;
  readonly #channel: DnsChannel;
  readonly #files: SystemFiles;
  readonly #stats: CaresScope | null;
  /** By family and name. */
  readonly #questions = new Map<string, Question>();

  constructor(settings: ResolverSettings, parts: ResolverParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#files = new SystemFiles(parts.hostsPath, parts.resolvConfPath);
    this.#channel = new DnsChannel(settings, this.#files, parts);
    this.#stats = settings.kind === 'cares' ? caresScope(parts.stats) : null;
    // Another resolver may count there already.
    this.#stats?.add(this.#stats.i.pending_resolutions, 0);
  }

  resolve(name: string, family: LookupFamily, callback: ResolveCallback): PendingResolve {
    const key = `${family} ${name}`;
    const waiter = new Waiter(callback);
    const known = this.#questions.get(key);
    if (known !== undefined) {
      known.waiters.push(waiter);
      return waiter;
    }
    if (this.#questions.size >= MAX_QUESTIONS) {
      callback(TOO_MANY);
      return waiter;
    }
    const question = new Question(this.#settings.retries);
    question.waiters.push(waiter);
    this.#questions.set(key, question);
    const stats = this.#stats;
    stats?.inc(stats.i.pending_resolutions);
    this.#ask(key, question, name, family);
    return waiter;
  }

  #ask(key: string, question: Question, name: string, family: LookupFamily): void {
    question.lookup = new Lookup(name, family, this.#settings, this.#channel, this.#files, this.#stats);
    question.lookup.start((resolution) => {
      if (resolution.isFailed && question.retriesLeft-- > 0) {
        question.retryTimer = this.#parts.clock.timer(() => this.#ask(key, question, name, family), null);
        question.retryTimer.arm(RETRY_PAUSE_MS);
        return;
      }
      this.#questions.delete(key);
      const stats = this.#stats;
      stats?.dec(stats.i.pending_resolutions);
      question.tell(resolution);
    });
  }

  close(): void {
    const stats = this.#stats;
    for (const question of this.#questions.values()) {
      question.lookup?.cancel();
      question.retryTimer?.disarm();
      stats?.dec(stats.i.pending_resolutions);
    }
    this.#questions.clear();
    stats?.release();
  }
}

function caresScope(stats: StatStore) {
  return stats.scope('dns.cares.', CARES_STATS);
}

export type CaresScope = ReturnType<typeof caresScope>;
