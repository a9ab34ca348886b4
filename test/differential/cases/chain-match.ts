// Filter chain match: every combination of its nine dimensions, random tables, and filters that predicates leave out.
import { Random } from '../../../src/base/clock.ts';
import { formatAddress } from '../../../src/base/ip.ts';
import type { ChainFacts } from '../../../src/proxy/listener/filter-chain-match.ts';
import { randomChains, randomFacts } from '../../fuzz/chain-match-reference.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap } from '../config.ts';
import type { Fields } from '../config.ts';
import {
  byDefault,
  connectionsCase,
  inspectingListener,
  namedChain,
  proxyProtocol,
  tlsInspector,
} from './chain-match-client.ts';
import type { Connection } from './chain-match-client.ts';
import { randomTreeGroup } from './chain-match-random-trees.ts';
import { rbacTreeGroup } from './chain-match-rbac.ts';
import { chainTreeGroup } from './chain-match-trees.ts';

const CONNECTIONS_PER_CASE = 16;

/** What a chain asks for, one field each; a combination is a set of these, by the bits of a number. */
const DIMENSIONS: Readonly<Record<string, Fields>> = {
  port: { destination_port: 443 },
  prefix: { prefix_ranges: [{ address_prefix: '10.1.0.0', prefix_len: 16 }] },
  name: { server_names: ['*.example.com'] },
  tls: { transport_protocol: 'tls' },
  alpn: { application_protocols: ['h2'] },
  direct: { direct_source_prefix_ranges: [{ address_prefix: '127.0.0.2', prefix_len: 32 }] },
  local: { source_type: 'SAME_IP_OR_LOOPBACK' },
  source: { source_prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
  sourcePort: { source_ports: [1000] },
};
const WORDS = Object.keys(DIMENSIONS);
const COMBINATIONS = 1 << WORDS.length;

function wordsOf(bits: number): string[] {
  return WORDS.filter((_, i) => (bits & (1 << i)) !== 0);
}

function chainFor(bits: number): Fields {
  const words = wordsOf(bits);
  const match = Object.assign({}, ...words.map((word) => DIMENSIONS[word])) as Fields;
  return namedChain(words.join(' ') || 'any', match);
}

/** A connection that has what the bits say; null where there is none: plain bytes carry no name and no ALPN. */
function connectionFor(bits: number): Connection | null {
  const words = new Set(wordsOf(bits));
  const either = (word: string, yes: string, no: string): string => (words.has(word) ? yes : no);
  if (!words.has('tls') && (words.has('name') || words.has('alpn'))) return null;
  const to = either('prefix', '10.1.2.3', '10.9.9.9');
  // Inside the source range the destination's own address is the local one.
  const from = words.has('source') ? either('local', to, '10.5.5.5') : either('local', '127.0.0.1', '192.0.2.7');
  const hello = { name: either('name', 'a.example.com', 'b.org'), alpn: [either('alpn', 'h2', 'http/1.1')] };
  return {
    to: `${to}:${either('port', '443', '80')}`,
    from: `${from}:${either('sourcePort', '1000', '2000')}`,
    direct: either('direct', '127.0.0.2', '127.0.0.1'),
    tls: words.has('tls') ? hello : null,
  };
}

function allConnections(): Connection[] {
  const connections: Connection[] = [];
  for (let bits = 0; bits < COMBINATIONS; bits++) {
    const connection = connectionFor(bits);
    if (connection !== null) connections.push(connection);
  }
  return connections;
}

/** A share of all chains, in per mille, drawn by chance: what is missing shows that no step goes back. */
function someChains(seed: number, perMille: number): Fields[] {
  const random = new Random(seed);
  const chains: Fields[] = [];
  for (let bits = 0; bits < COMBINATIONS; bits++) if (random.below(1000) < perMille) chains.push(chainFor(bits));
  return chains;
}

function cases(listener: string, connections: readonly Connection[]): Case[] {
  const list: Case[] = [];
  for (let at = 0; at < connections.length; at += CONNECTIONS_PER_CASE) {
    const part = connections.slice(at, at + CONNECTIONS_PER_CASE);
    list.push(connectionsCase(`${listener}, connections from ${at}`, listener, part));
  }
  return list;
}

const combinations: Group = {
  name: 'filter chain match: all combinations',
  config: bootstrap({
    listeners: [
      inspectingListener('full', someChains(0, 1000)),
      inspectingListener('half', someChains(1, 500)),
      inspectingListener('sparse', someChains(2, 120), byDefault),
    ],
    clusters: [],
  }),
  cases: ['full', 'half', 'sparse'].flatMap((listener) => cases(listener, allConnections())),
};

const RANDOM_TABLES = 12;
const random = new Random(1);
const tables = Array.from({ length: RANDOM_TABLES }, () => randomChains(random));

function connectionOf(facts: ChainFacts): Connection {
  const { serverName, applicationProtocols: alpn } = facts;
  const hello = { ...(serverName === '' ? {} : { name: serverName }), ...(alpn.length === 0 ? {} : { alpn }) };
  return {
    to: formatAddress(facts.localAddress),
    from: formatAddress(facts.remoteAddress),
    tls: facts.transportProtocol === 'tls' ? hello : null,
  };
}

const randomTables: Group = {
  name: 'filter chain match: random tables',
  config: bootstrap({
    listeners: tables.map((chains, i) =>
      inspectingListener(
        `random${i}`,
        chains.map((match, j) => namedChain(`chain${j}`, match)),
        i % 2 === 0 ? byDefault : {},
      ),
    ),
    clusters: [],
  }),
  cases: tables.map((_, i) => {
    const connections = Array.from({ length: CONNECTIONS_PER_CASE }, () => connectionOf(randomFacts(random)));
    return connectionsCase(`table ${i}`, `random${i}`, connections);
  }),
};

const NAMES = 'a.x.com b.x.com c.b.x.com x.com com A.X.COM .x.com a. . a..x.com a.x.com. *.x.com 127.0.0.1 q.c';

const names: Group = {
  name: 'filter chain match: names',
  config: bootstrap({
    listeners: [
      inspectingListener(
        'names',
        [
          namedChain('exact', { server_names: ['a.x.com', 'COM'] }),
          namedChain('wildcard', { server_names: ['*.X.com'] }),
          namedChain('dot', { server_names: ['*.'] }),
          namedChain('stars', { server_names: ['*.*.c'] }),
        ],
        byDefault,
      ),
      inspectingListener('protocols', [
        namedChain('odd', { transport_protocol: 'quic' }),
        namedChain('h2', { application_protocols: ['h2', 'h3'] }),
        namedChain('h1', { application_protocols: ['http/1.1'] }),
      ]),
      inspectingListener('uninspected', [namedChain('raw', { transport_protocol: 'raw_buffer' })], {
        ...byDefault,
        listener_filters: [proxyProtocol],
      }),
      inspectingListener('types', [
        namedChain('local', { source_type: 'SAME_IP_OR_LOOPBACK' }),
        namedChain('external', { source_type: 'EXTERNAL' }),
      ]),
      inspectingListener('committed', [
        namedChain('port', { destination_port: 443, server_names: ['a'] }),
        namedChain('any', { server_names: ['b'] }),
      ]),
    ],
    clusters: [],
  }),
  cases: [
    connectionsCase(
      'server names',
      'names',
      NAMES.split(' ').map((name) => ({ tls: { name } })),
    ),
    connectionsCase('no server name', 'names', [{}, { tls: null }]),
    connectionsCase(
      'the order of ALPN decides',
      'protocols',
      ['h2,http/1.1', 'http/1.1,h2', 'x,h3', 'H2', 'x'].map((list) => ({ tls: { alpn: list.split(',') } })),
    ),
    connectionsCase('no ALPN', 'protocols', [{}, { tls: null }]),
    connectionsCase('nobody looked at the bytes', 'uninspected', [{}, { tls: null }]),
    connectionsCase('local and external sources', 'types', [
      { from: '127.0.0.1:1' },
      { from: '127.0.0.2:1' },
      { from: '10.0.0.1:1', to: '10.0.0.1:2' },
      { from: '10.0.0.2:1', to: '10.0.0.1:2' },
      { from: '[::1]:1', to: '[::2]:2' },
      { from: '[::5]:1', to: '[0:0::5]:2' },
      { from: '[::ffff:127.0.0.1]:1', to: '[::5]:2' },
    ]),
    connectionsCase('a step is not taken back', 'committed', [
      { tls: { name: 'a' } },
      { tls: { name: 'b' } },
      { to: '10.0.0.1:80', tls: { name: 'b' } },
    ]),
  ],
};

const portRange = (start: number, end: number): Fields => ({ destination_port_range: { start, end } });
const PREDICATES: Readonly<Record<string, Fields>> = {
  any: { any_match: true },
  range: portRange(100, 200),
  not: { not_match: portRange(100, 200) },
  or: { or_match: { rules: [portRange(100, 110), portRange(150, 160)] } },
  and: { and_match: { rules: [portRange(100, 160), portRange(150, 200)] } },
  empty: { destination_port_range: {} },
  deep: { not_match: { or_match: { rules: [portRange(0, 110), { not_match: portRange(0, 160) }] } } },
};
const PORTS = [99, 100, 109, 110, 150, 159, 160, 199, 200];

const predicates: Group = {
  name: 'filter_disabled',
  config: bootstrap({
    listeners: Object.entries(PREDICATES).map(([name, predicate]) =>
      inspectingListener(name, [namedChain('inspected', { transport_protocol: 'tls' }), namedChain('disabled')], {
        listener_filters: [proxyProtocol, { ...tlsInspector, filter_disabled: predicate }],
      }),
    ),
    clusters: [],
  }),
  cases: Object.keys(PREDICATES).map((name) =>
    connectionsCase(
      name,
      name,
      PORTS.map((port) => ({ to: `10.0.0.1:${port}` })),
    ),
  ),
};

export const chainMatchGroups: readonly Group[] = [
  combinations,
  randomTables,
  names,
  predicates,
  chainTreeGroup,
  randomTreeGroup(1),
  rbacTreeGroup,
];
