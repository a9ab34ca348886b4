// Random matcher trees that choose chains: nested lists, maps, ranges and domains over the same few connections.
import { Random } from '../../../src/base/clock.ts';
import type { Group } from '../case.ts';
import { bootstrap } from '../config.ts';
import type { Fields } from '../config.ts';
import { byDefault, connectionsCase, inspectingListener, namedChain } from './chain-match-client.ts';
import type { Connection } from './chain-match-client.ts';
import { chain, customTree, input } from './chain-match-trees.ts';

const CHAINS = ['a', 'b', 'c', 'd', 'e', 'f'];
const MAX_DEPTH = 3;
const TREES = 16;
const CONNECTIONS_PER_TREE = 24;

/** Inputs with values that connections have. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  DestinationIPInput: ['10.1.2.3', '10.1.9.9', '2001:db8::5'],
  DestinationPortInput: ['443', '80'],
  SourceIPInput: ['10.1.2.3', '192.0.2.7', '2001:db8::5'],
  SourcePortInput: ['1000', '2000'],
  DirectSourceIPInput: ['127.0.0.1', '127.0.0.2'],
  SourceTypeInput: ['local'],
  ServerNameInput: ['a.x.com', 'b.x.com', 'com'],
  TransportProtocolInput: ['tls', 'raw_buffer'],
  ApplicationProtocolInput: ["'h2'", "'h2','http/1.1'"],
};
const INPUTS = Object.keys(VALUES);
const RANGES = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '0.0.0.0/0', '2001:db8::/32', '127.0.0.2/32'];
const DOMAINS = ['a.x.com', '*.x.com', '*.com', '*', 'com', '443', '10.1.2.3', '*.2.3'];

class TreeMaker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  tree(depth = 0): Fields {
    const rest = this.#below(3) === 0 ? { on_no_match: this.#onMatch(depth) } : {};
    switch (this.#below(5)) {
      case 0:
        return { matcher_list: { matchers: this.#some(3, () => this.#field(depth)) }, ...rest };
      case 1:
        return { matcher_tree: this.#map('exact_match_map', depth), ...rest };
      case 2:
        return { matcher_tree: this.#map('prefix_match_map', depth), ...rest };
      case 3: {
        const range_matchers = this.#some(4, () => this.#range(depth));
        const from = input(this.pick(['DestinationIPInput', 'SourceIPInput', 'DirectSourceIPInput']));
        return customTree(from, 'IPMatcher', { range_matchers }, rest);
      }
      default: {
        const domain_matchers = this.#distinct(DOMAINS, 4).map((domain) => ({
          domains: [domain],
          on_match: this.#onMatch(depth),
        }));
        const from = input(this.pick(['ServerNameInput', 'ServerNameInput', 'DestinationPortInput', 'SourceIPInput']));
        return customTree(from, 'ServerNameMatcher', { domain_matchers }, rest);
      }
    }
  }

  pick<V>(values: readonly V[]): V {
    return values[this.#below(values.length)] as V;
  }

  connection(): Connection {
    const addresses = this.pick([
      ['10.1.2.3', '10.1.9.9', '10.9.9.9', '192.0.2.7', '127.0.0.1'],
      ['::1', '2001:db8::5'],
    ]);
    const at = (ports: readonly string[]): string => `[${this.pick(addresses)}]:${this.pick(ports)}`;
    const name = this.pick(['a.x.com', 'b.x.com', 'x.com', 'com', 'org', '']);
    const alpn = this.pick([['h2'], ['h2', 'http/1.1'], []]);
    const hello = { ...(name === '' ? {} : { name }), ...(alpn.length === 0 ? {} : { alpn }) };
    return {
      to: at(['443', '80', '81']),
      from: at(['1000', '2000', '3000']),
      direct: this.pick(['127.0.0.1', '127.0.0.2']),
      tls: this.#below(4) === 0 ? null : hello,
    };
  }

  #below(limit: number): number {
    return this.#random.below(limit);
  }

  #some<V>(limit: number, make: () => V): V[] {
    return Array.from({ length: 1 + this.#below(limit) }, make);
  }

  #distinct<V>(values: readonly V[], limit: number): V[] {
    return [...new Set(this.#some(limit, () => this.pick(values)))];
  }

  #onMatch(depth: number): Fields {
    const isLeaf = depth >= MAX_DEPTH || this.#below(5) < 3;
    return isLeaf ? chain(this.pick(CHAINS)) : { matcher: this.tree(depth + 1) };
  }

  #field(depth: number): Fields {
    return { predicate: this.#predicate(depth), on_match: this.#onMatch(depth) };
  }

  #predicate(depth: number): Fields {
    const kind = depth >= MAX_DEPTH ? 5 : this.#below(6);
    const two = (): Fields => ({ predicate: [this.#predicate(depth + 1), this.#predicate(depth + 1)] });
    if (kind === 0) return { and_matcher: two() };
    if (kind === 1) return { or_matcher: two() };
    if (kind === 2) return { not_matcher: this.#predicate(depth + 1) };
    const name = this.pick(INPUTS);
    const value = this.pick(VALUES[name] as readonly string[]);
    const value_match = this.pick<Fields>([{ exact: value }, { exact: value }, { contains: value.slice(0, 2) }]);
    return { single_predicate: { input: input(name), value_match } };
  }

  #map(field: 'exact_match_map' | 'prefix_match_map', depth: number): Fields {
    const name = this.pick(INPUTS);
    const values = this.#distinct(VALUES[name] as readonly string[], 3);
    const keys = field === 'exact_match_map' ? values : values.map((value) => value.slice(0, this.#below(6)));
    return {
      input: input(name),
      [field]: { map: Object.fromEntries(keys.map((key) => [key, this.#onMatch(depth)])) },
    };
  }

  #range(depth: number): Fields {
    const ranges = this.#distinct(RANGES, 2).map((text) => {
      const [address_prefix, length] = text.split('/');
      return { address_prefix, prefix_len: Number(length) };
    });
    return { ranges, on_match: this.#onMatch(depth), exclusive: this.#below(4) === 0 };
  }
}

export function randomTreeGroup(seed: number, count = TREES): Group {
  const maker = new TreeMaker(new Random(seed));
  const chains = CHAINS.map((name) => namedChain(name));
  const trees = Array.from({ length: count }, () => maker.tree());
  return {
    name: 'filter_chain_matcher: random trees',
    config: bootstrap({
      listeners: trees.map((filter_chain_matcher, i) =>
        inspectingListener(`random${i}`, chains, { filter_chain_matcher, ...byDefault }),
      ),
      clusters: [],
    }),
    cases: trees.map((_, i) => {
      const connections = Array.from({ length: CONNECTIONS_PER_TREE }, () => maker.connection());
      return connectionsCase(`tree ${i}`, `random${i}`, connections);
    }),
  };
}
