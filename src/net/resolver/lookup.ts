// One name on its way to its addresses: numeric hosts, /etc/hosts, search domains, and one family after the other.
import { networkInterfaces } from 'node:os';
import { formatIp, parseIp } from '../../base/ip.ts';
import { RecordType } from '../../wire/dns/message.ts';
import type { DnsChannel, QueryOutcome } from './dns-channel.ts';
import type { CaresScope, LookupFamily, Resolution, ResolvedAddress, ResolverSettings } from './resolver.ts';
import type { HostAddress, SystemFiles } from './system-files.ts';

type Family = 'ipv4' | 'ipv6';

/** How one round of questions ended. */
type Round = {
  readonly kind: 'found' | 'none' | 'failed';
  readonly text: string;
  readonly addresses: readonly ResolvedAddress[];
  readonly timeouts: number;
  /** The server is at fault, or unreachable: c-ares would start over with a new channel. */
  readonly isServerFault: boolean;
};

const NAME_NOT_FOUND: Round = none('Domain name not found');
const MISFORMATTED: Round = { ...none('Misformatted domain name'), kind: 'failed' };
const NO_DATA: Round = none('DNS server returned answer with no data');

//   start ─► numeric? ─► rounds: [AAAA, A] AUTO · [A, AAAA] V4_PREFERRED · [A + AAAA] ALL · one
//              each round: /etc/hosts ─► localhost ─► the name with each search domain until one has addresses
export class Lookup {
  readonly #name: string;
  readonly #settings: ResolverSettings;
  readonly #channel: DnsChannel;
  readonly #files: SystemFiles;
  readonly #stats: CaresScope | null;
  readonly #rounds: readonly (readonly Family[])[];
  #told: ((resolution: Resolution) => void) | null = null;
  #hasFailed = false;
  /** Queries of the round under way. */
  #queries: { cancel(): void }[] = [];

  constructor(
    name: string,
    family: LookupFamily,
    settings: ResolverSettings,
    channel: DnsChannel,
    files: SystemFiles,
    stats: CaresScope | null,
  ) {
    this.#name = name;
    this.#settings = settings;
    this.#channel = channel;
    this.#files = files;
    this.#stats = stats;
    this.#rounds = roundsOf(family, settings.kind === 'getaddrinfo');
  }

  /** Calls `told` once, perhaps now. */
  start(told: (resolution: Resolution) => void): void {
    this.#told = told;
    this.#startRound(0);
  }

  cancel(): void {
    this.#told = null;
    for (const query of this.#queries) query.cancel();
  }

  #finish(resolution: Resolution): void {
    const told = this.#told;
    this.#told = null;
    told?.(resolution);
  }

  #startRound(round: number): void {
    const stats = this.#stats;
    stats?.inc(stats.i.resolve_total);
    let families = this.#rounds[round] as readonly Family[];
    if (this.#settings.filterUnroutable) families = families.filter(isRoutable);
    const local = families.length === 0 ? NO_DATA : this.#lookLocally(families);
    if (local !== null) this.#roundEnds(round, local);
    else this.#ask(round, families, this.#candidates(), 0, NAME_NOT_FOUND);
  }

  #roundEnds(round: number, result: Round): void {
    const isLast = result.kind === 'found' || round === this.#rounds.length - 1;
    this.#count(result, isLast);
    if (result.kind === 'failed') this.#hasFailed = true;
    if (!isLast) {
      this.#startRound(round + 1);
      return;
    }
    const isFailed = result.kind !== 'found' && this.#hasFailed;
    const kind = result.kind === 'found' ? 'success' : result.kind === 'none' ? 'norecords' : 'failure';
    this.#finish({ isFailed, details: `cares_${kind}:${result.text}`, addresses: result.addresses });
  }

  #count(result: Round, isLast: boolean): void {
    const stats = this.#stats;
    if (stats === null) return;
    if (result.timeouts > 0) stats.add(stats.i.timeouts, result.timeouts);
    if (result.kind === 'none') stats.inc(stats.i.not_found);
    if (result.kind !== 'failed' || result.timeouts > 0) return;
    stats.inc(stats.i.get_addr_failure);
    if (result.isServerFault && isLast) stats.inc(stats.i.reinits);
  }

  /** What this machine knows itself, or null. */
  #lookLocally(families: readonly Family[]): Round | null {
    const ip = parseIp(this.#name);
    if (ip !== null) {
      // Source: c-ares: an IPv4 address is good for every family, an IPv6 address is no name for IPv4.
      if (ip.family === 'ipv6' && !families.includes('ipv6')) return MISFORMATTED;
      return found([{ family: ip.family, address: formatIp(ip), ttlS: 0 }]);
    }
    const name = this.#name.toLowerCase().replace(/\.$/, '');
    const known = this.#files.hostAddresses(name).filter(({ family }) => families.includes(family));
    // RFC 6761 §6.3: localhost is never asked for.
    const isLocalhost = name === 'localhost' || name.endsWith('.localhost');
    const addresses = isLocalhost ? [...known, ...missingLoopbacks(known, families)] : known;
    return addresses.length === 0 ? null : found(addresses.map((one) => ({ ...one, ttlS: 0 })));
  }

  /** The names to try, one after the other. Source: resolv.conf(5), ndots. */
  #candidates(): readonly string[] {
    const name = this.#name;
    const { search, ndots } = this.#files.resolvConf;
    if (this.#settings.noSearch || name.endsWith('.') || search.length === 0) return [name];
    const searched = search.map((domain) => (domain === '.' ? name : `${name}.${domain}`));
    const dots = name.split('.').length - 1;
    return dots >= ndots ? [name, ...searched] : [...searched, name];
  }

  /** Asks for one candidate, then, when it has nothing, for the next. `best` is how the round ends without any. */
  #ask(round: number, families: readonly Family[], candidates: readonly string[], at: number, best: Round): void {
    const name = candidates[at];
    if (name === undefined) {
      this.#roundEnds(round, best);
      return;
    }
    const outcomes: (QueryOutcome | null)[] = families.map(() => null);
    this.#queries = [];
    for (const [i, family] of families.entries()) {
      const type = family === 'ipv4' ? RecordType.A : RecordType.AAAA;
      const query = this.#channel.query(name, type, (outcome) => {
        outcomes[i] = outcome;
        if (outcomes.includes(null)) return;
        this.#queries = [];
        this.#candidateEnds(round, families, candidates, at, best, outcomes as QueryOutcome[]);
      });
      if (query !== null) this.#queries.push(query);
    }
  }

  #candidateEnds(
    round: number,
    families: readonly Family[],
    candidates: readonly string[],
    at: number,
    best: Round,
    outcomes: readonly QueryOutcome[],
  ): void {
    const results = outcomes.map((outcome, i) => roundOf(outcome, families[i] as Family));
    const addresses = results.flatMap((result) => result.addresses);
    if (addresses.length > 0) {
      this.#roundEnds(round, found(addresses));
      return;
    }
    const failed = results.find((result) => result.kind === 'failed');
    // A server that fails for one search domain may know the next; what else goes wrong ends the search.
    if (failed !== undefined && (!failed.isServerFault || at === candidates.length - 1)) {
      this.#roundEnds(round, failed);
      return;
    }
    const hasNoData = results.includes(NO_DATA);
    this.#ask(round, families, candidates, at + 1, failed ?? (hasNoData ? NO_DATA : best));
  }
}

function missingLoopbacks(known: readonly HostAddress[], families: readonly Family[]): HostAddress[] {
  const missing = families.filter((family) => !known.some((one) => one.family === family));
  return missing.map((family) => ({ family, address: family === 'ipv4' ? '127.0.0.1' : '::1' }));
}

function roundsOf(family: LookupFamily, atOnce: boolean): readonly (readonly Family[])[] {
  switch (family) {
    case 'V4_ONLY':
      return [['ipv4']];
    case 'V6_ONLY':
      return [['ipv6']];
    case 'AUTO':
      return [['ipv6'], ['ipv4']];
    case 'V4_PREFERRED':
      return [['ipv4'], ['ipv6']];
    case 'ALL':
      return [atOnce ? ['ipv6', 'ipv4'] : ['ipv4', 'ipv6']];
  }
}

function roundOf(outcome: QueryOutcome, family: Family): Round {
  if (outcome.kind === 'failed') {
    const { text, timeouts, isServerFault } = outcome;
    return { kind: 'failed', text, addresses: [], timeouts, isServerFault };
  }
  if (outcome.kind === 'not-found') return NAME_NOT_FOUND;
  const wanted = family === 'ipv4' ? 'A' : 'AAAA';
  const addresses: ResolvedAddress[] = [];
  let aliasTtlS = Number.POSITIVE_INFINITY;
  for (const record of outcome.records) if (record.kind === 'CNAME') aliasTtlS = Math.min(aliasTtlS, record.ttlS);
  for (const record of outcome.records) {
    if (record.kind !== wanted) continue;
    const { address, ttlS } = record;
    addresses.push({ family, address, ttlS: Math.min(ttlS, aliasTtlS) });
  }
  return addresses.length === 0 ? NO_DATA : found(addresses);
}

function found(addresses: readonly ResolvedAddress[]): Round {
  return { kind: 'found', text: 'Successful completion', addresses, timeouts: 0, isServerFault: false };
}

function none(text: string): Round {
  return { kind: 'none', text, addresses: [], timeouts: 0, isServerFault: false };
}

/** Whether this machine has an address of the family besides loopback. */
function isRoutable(family: Family): boolean {
  const wanted = family === 'ipv4' ? 'IPv4' : 'IPv6';
  return Object.values(networkInterfaces()).some((addresses) =>
    (addresses ?? []).some((address) => address.family === wanted && !address.internal),
  );
}
