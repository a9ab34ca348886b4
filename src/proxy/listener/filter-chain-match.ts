// Chooses the filter chain of a connection: the matches of all chains, compiled into one table of nested look-ups.
import type { Address } from '../../base/byte-stream.ts';
import { CidrMap, formatCidr, hasIp, parseCidr } from '../../base/ip.ts';
import type { Cidr } from '../../base/ip.ts';
import { isSameIpOrLoopback } from '../matcher/source-type.ts';
import type { AcceptedSocket } from './filter.ts';

export type SourceType = 'ANY' | 'SAME_IP_OR_LOOPBACK' | 'EXTERNAL';

/** When a chain is taken; what is empty (0 for the port) asks for nothing. */
export type FilterChainMatch = {
  readonly destinationPort: number;
  readonly prefixRanges: readonly Cidr[];
  /** Names, or '.example.com' for '*.example.com'. */
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSourcePrefixRanges: readonly Cidr[];
  readonly sourceType: SourceType;
  readonly sourcePrefixRanges: readonly Cidr[];
  readonly sourcePorts: readonly number[];
};

/** What of a connection decides on its chain. */
export type ChainFacts = Pick<
  AcceptedSocket,
  'localAddress' | 'remoteAddress' | 'directRemoteAddress' | 'transportProtocol' | 'serverName' | 'applicationProtocols'
>;

export type FilterChainTable<T> = {
  /** The chain of a connection; the default chain when there is no other, null when there is none at all. */
  find(socket: ChainFacts): T | null;
};

export const MATCH_ALL: FilterChainMatch = Object.freeze({
  destinationPort: 0,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
});

/**
 * Compiles chains into a table. Each step takes the most specific branch that there is and never comes back: when that
 * branch leads nowhere the default chain is taken, even if another branch had led to a chain. Of chains that overlap
 * the first one wins; `findOverlap` tells. Source: Envoy FilterChainManagerImpl::findFilterChain.
 */
export function compileFilterChains<T>(
  chains: readonly { readonly match: FilterChainMatch | null; readonly value: T }[],
  defaultValue: T | null,
): FilterChainTable<T> {
  const entries = chains.map(({ match, value }, index) => ({ match: match ?? MATCH_ALL, value, index }));
  const root: Step<T> = entries.length === 0 ? new Leaf<T>(null) : compileLevel(0, entries, new Set());
  return { find: (socket) => root.find(socket) ?? defaultValue };
}

/** The index of the first chain of which one combination of matches belongs to another chain, or twice to itself. */
export function findOverlap(matches: readonly (FilterChainMatch | null)[]): number {
  const overlaps = new Set<number>();
  const entries = matches.map((match, index) => ({ match: match ?? MATCH_ALL, value: index, index }));
  if (entries.length > 0) compileLevel(0, entries, overlaps);
  return overlaps.size === 0 ? -1 : Math.min(...overlaps);
}

type Step<T> = { find(facts: ChainFacts): T | null };
type Entry<T> = { readonly match: FilterChainMatch; readonly value: T; readonly index: number };
type Key = string | number;

type Level = {
  /** Under which keys a match is found; '' or 0 stands for every connection. */
  keys(match: FilterChainMatch): readonly Key[];
  make<T>(branches: ReadonlyMap<Key, Step<T>>): Step<T>;
};

/** In the order of the documentation of envoy.config.listener.v3.FilterChainMatch. */
const LEVELS: readonly Level[] = [
  { keys: (match) => [match.destinationPort], make: (branches) => new PortStep(branches, 'localAddress') },
  { keys: (match) => rangeKeys(match.prefixRanges), make: (branches) => new AddressStep(branches, 'localAddress') },
  { keys: (match) => orAny(match.serverNames), make: (branches) => new ServerNameStep(branches) },
  { keys: (match) => [match.transportProtocol], make: (branches) => new TransportProtocolStep(branches) },
  { keys: (match) => orAny(match.applicationProtocols), make: (branches) => new ApplicationProtocolStep(branches) },
  {
    keys: (match) => rangeKeys(match.directSourcePrefixRanges),
    make: (branches) => new AddressStep(branches, 'directRemoteAddress'),
  },
  { keys: (match) => [match.sourceType === 'ANY' ? '' : match.sourceType], make: makeSourceTypeStep },
  {
    keys: (match) => rangeKeys(match.sourcePrefixRanges),
    make: (branches) => new AddressStep(branches, 'remoteAddress'),
  },
  {
    keys: (match) => (match.sourcePorts.length === 0 ? ANY_NUMBER : match.sourcePorts),
    make: (branches) => new PortStep(branches, 'remoteAddress'),
  },
];

const ANY_TEXT: readonly string[] = [''];
const ANY_NUMBER: readonly number[] = [0];

function orAny(keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? ANY_TEXT : keys;
}

function rangeKeys(ranges: readonly Cidr[]): readonly string[] {
  return ranges.length === 0 ? ANY_TEXT : ranges.map(formatCidr);
}

function compileLevel<T>(depth: number, entries: readonly Entry<T>[], overlaps: Set<number>): Step<T> {
  const level = LEVELS[depth];
  if (level === undefined) {
    for (const { index } of entries.slice(1)) overlaps.add(index);
    return new Leaf((entries[0] as Entry<T>).value);
  }
  // Where no chain asks for anything there is no step.
  if (entries.every(({ match }) => asksNothing(level.keys(match)))) return compileLevel(depth + 1, entries, overlaps);
  const groups = new Map<Key, Entry<T>[]>();
  for (const entry of entries) {
    for (const key of level.keys(entry.match)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [entry]);
      else group.push(entry);
    }
  }
  const branches = new Map<Key, Step<T>>();
  for (const [key, group] of groups) branches.set(key, compileLevel(depth + 1, group, overlaps));
  return level.make(branches);
}

function asksNothing(keys: readonly Key[]): boolean {
  return keys.length === 1 && (keys[0] === '' || keys[0] === 0);
}

class Leaf<T> implements Step<T> {
  readonly #value: T | null;
  constructor(value: T | null) {
    this.#value = value;
  }
  find(): T | null {
    return this.#value;
  }
}

class PortStep<T> implements Step<T> {
  readonly #ports: ReadonlyMap<Key, Step<T>>;
  readonly #any: Step<T> | undefined;
  readonly #which: WhichAddress;
  constructor(branches: ReadonlyMap<Key, Step<T>>, which: WhichAddress) {
    this.#ports = branches;
    this.#any = branches.get(0);
    this.#which = which;
  }
  find(facts: ChainFacts): T | null {
    const address = facts[this.#which];
    const branch = (hasIp(address) ? this.#ports.get(address.port) : undefined) ?? this.#any;
    return branch === undefined ? null : branch.find(facts);
  }
}

/** Branches by address: the longest prefix that holds the address. */
class Ranges<T> {
  readonly #map: CidrMap<Step<T>>;

  constructor(branches: ReadonlyMap<Key, Step<T>>) {
    const entries: [Cidr, Step<T>][] = [];
    const any = branches.get('');
    // A chain for 0.0.0.0/0 is more specific than one for no range; in Envoy chance decides between them.
    if (any !== undefined) for (const range of EVERYTHING) entries.push([range, any]);
    for (const [key, branch] of branches) if (key !== '') entries.push([parseCidr(key as string) as Cidr, branch]);
    this.#map = new CidrMap(entries);
  }

  find(address: Address, facts: ChainFacts): T | null {
    const branch = this.#map.lookup(hasIp(address) ? address.address : UNKNOWN_ADDRESS);
    return branch === undefined ? null : branch.find(facts);
  }
}

const EVERYTHING: readonly Cidr[] = [parseCidr('0.0.0.0/0') as Cidr, parseCidr('::/0') as Cidr];
/** Envoy looks unix sockets up as this address. */
const UNKNOWN_ADDRESS = '255.255.255.255';

type WhichAddress = 'localAddress' | 'directRemoteAddress' | 'remoteAddress';

class AddressStep<T> implements Step<T> {
  readonly #ranges: Ranges<T>;
  readonly #which: WhichAddress;
  constructor(branches: ReadonlyMap<Key, Step<T>>, which: WhichAddress) {
    this.#ranges = new Ranges(branches);
    this.#which = which;
  }
  find(facts: ChainFacts): T | null {
    return this.#ranges.find(facts[this.#which], facts);
  }
}

class ServerNameStep<T> implements Step<T> {
  readonly #names: ReadonlyMap<Key, Step<T>>;
  readonly #any: Step<T> | undefined;
  constructor(branches: ReadonlyMap<Key, Step<T>>) {
    this.#names = branches;
    this.#any = branches.get('');
  }
  find(facts: ChainFacts): T | null {
    const name = facts.serverName;
    let branch = this.#names.get(name);
    // 'a.b.c' is looked up as '.b.c', then '.c'; a dot at either end begins no suffix.
    for (let dot = name.indexOf('.', 1); branch === undefined && dot > 0 && dot < name.length - 1; ) {
      branch = this.#names.get(name.slice(dot));
      dot = name.indexOf('.', dot + 1);
    }
    branch ??= this.#any;
    return branch === undefined ? null : branch.find(facts);
  }
}

/** What Envoy says of a connection of which no listener filter said anything. */
export const DEFAULT_TRANSPORT_PROTOCOL = 'raw_buffer';

class TransportProtocolStep<T> implements Step<T> {
  readonly #protocols: ReadonlyMap<Key, Step<T>>;
  readonly #any: Step<T> | undefined;
  constructor(branches: ReadonlyMap<Key, Step<T>>) {
    this.#protocols = branches;
    this.#any = branches.get('');
  }
  find(facts: ChainFacts): T | null {
    const branch = this.#protocols.get(facts.transportProtocol || DEFAULT_TRANSPORT_PROTOCOL) ?? this.#any;
    return branch === undefined ? null : branch.find(facts);
  }
}

class ApplicationProtocolStep<T> implements Step<T> {
  readonly #protocols: ReadonlyMap<Key, Step<T>>;
  readonly #any: Step<T> | undefined;
  constructor(branches: ReadonlyMap<Key, Step<T>>) {
    this.#protocols = branches;
    this.#any = branches.get('');
  }
  /** The client's order decides among several. */
  find(facts: ChainFacts): T | null {
    for (const protocol of facts.applicationProtocols) {
      const branch = this.#protocols.get(protocol);
      if (branch !== undefined) return branch.find(facts);
    }
    return this.#any === undefined ? null : this.#any.find(facts);
  }
}

function makeSourceTypeStep<T>(branches: ReadonlyMap<Key, Step<T>>): Step<T> {
  const any = branches.get('') ?? NOWHERE;
  return new SourceTypeStep<T>(branches.get('SAME_IP_OR_LOOPBACK') ?? any, branches.get('EXTERNAL') ?? any);
}

const NOWHERE: Step<never> = { find: () => null };

class SourceTypeStep<T> implements Step<T> {
  readonly #local: Step<T>;
  readonly #external: Step<T>;
  constructor(local: Step<T>, external: Step<T>) {
    this.#local = local;
    this.#external = external;
  }
  find(facts: ChainFacts): T | null {
    const isLocal = isSameIpOrLoopback(facts.localAddress, facts.remoteAddress);
    return isLocal ? this.#local.find(facts) : this.#external.find(facts);
  }
}
