// The documentation of filter chain match read word by word, without any index: what the table must agree with,
// and the random chains and connections for that.
import assert from 'node:assert/strict';
import type { Address } from '../../src/base/byte-stream.ts';
import type { Random } from '../../src/base/clock.ts';
import { decodeFilterChainMatch } from '../../src/proxy/config/filter-chain-match.ts';
import { compileFilterChains, findOverlap } from '../../src/proxy/listener/filter-chain-match.ts';
import type { ChainFacts } from '../../src/proxy/listener/filter-chain-match.ts';
import { addressOf } from '../support/chain-facts.ts';
import { decodeOrThrow } from '../support/filter-harness.ts';

type RangePb = { readonly address_prefix: string; readonly prefix_len: number };

/** envoy.config.listener.v3.FilterChainMatch as YAML has it. */
export type ChainMatchPb = {
  readonly destination_port?: number;
  readonly prefix_ranges?: readonly RangePb[];
  readonly server_names?: readonly string[];
  readonly transport_protocol?: string;
  readonly application_protocols?: readonly string[];
  readonly direct_source_prefix_ranges?: readonly RangePb[];
  readonly source_type?: 'ANY' | 'SAME_IP_OR_LOOPBACK' | 'EXTERNAL';
  readonly source_prefix_ranges?: readonly RangePb[];
  readonly source_ports?: readonly number[];
};

/** How closely a chain takes a connection, for each of its values; more is more specific, -1 is not at all. */
type Criterion = (match: ChainMatchPb, facts: ChainFacts) => readonly number[];

const CRITERIA: readonly Criterion[] = [
  ({ destination_port: port }, { localAddress }) => [
    port === undefined ? 0 : localAddress.family !== 'unix' && localAddress.port === port ? 1 : -1,
  ],
  (match, facts) => closenessOfRanges(match.prefix_ranges, facts.localAddress),
  (match, facts) => closeness(match.server_names, (name) => closenessOfName(name.toLowerCase(), facts.serverName)),
  ({ transport_protocol: wanted = '' }, facts) => [
    wanted === '' ? 0 : wanted === (facts.transportProtocol || 'raw_buffer') ? 1 : -1,
  ],
  (match, facts) =>
    closeness(match.application_protocols, (wanted) => {
      const at = facts.applicationProtocols.indexOf(wanted);
      return at < 0 ? -1 : 1000 - at;
    }),
  (match, facts) => closenessOfRanges(match.direct_source_prefix_ranges, facts.directRemoteAddress),
  ({ source_type: type = 'ANY' }, facts) => [type === 'ANY' ? 0 : (type === 'EXTERNAL') !== isLocal(facts) ? 1 : -1],
  (match, facts) => closenessOfRanges(match.source_prefix_ranges, facts.remoteAddress),
  (match, { remoteAddress }) =>
    closeness(match.source_ports, (port) => (remoteAddress.family !== 'unix' && remoteAddress.port === port ? 1 : -1)),
];

/** The index of the chain that takes a connection; -1 for none. */
export function findByReading(matches: readonly ChainMatchPb[], facts: ChainFacts): number {
  let left = matches.map((match, index) => ({ match, index }));
  for (const criterion of CRITERIA) {
    const best = Math.max(-1, ...left.flatMap(({ match }) => criterion(match, facts)));
    if (best < 0) return -1;
    left = left.filter(({ match }) => criterion(match, facts).includes(best));
  }
  assert.ok(left.length <= 1, 'chains overlap');
  return left[0]?.index ?? -1;
}

function closeness<V>(values: readonly V[] | undefined, of: (value: V) => number): readonly number[] {
  return values === undefined || values.length === 0 ? [0] : values.map(of);
}

function closenessOfName(wanted: string, name: string): number {
  if (!wanted.startsWith('*.')) return wanted === name ? 1000 : -1;
  const suffix = wanted.slice(1);
  return name.length > suffix.length && name.endsWith(suffix) ? suffix.length : -1;
}

/** A range of everything is closer than no range. */
function closenessOfRanges(list: readonly RangePb[] | undefined, address: Address): readonly number[] {
  return closeness(list, ({ address_prefix: prefix, prefix_len: length }) => {
    const own = bitsOf(address.family === 'unix' ? '255.255.255.255' : address.address);
    const wanted = bitsOf(prefix);
    return own.length === wanted.length && own.slice(0, length) === wanted.slice(0, length) ? length + 1 : -1;
  });
}

function bitsOf(text: string): string {
  if (!text.includes(':')) {
    return text
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  }
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): string[] => part.split(':').filter((group) => group !== '');
  const gap = text.includes('::') ? 8 - groups(head).length - groups(tail).length : 0;
  return [...groups(head), ...new Array<string>(gap).fill('0'), ...groups(tail)]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}

function isLocal({ localAddress, remoteAddress }: ChainFacts): boolean {
  if (remoteAddress.family === 'unix' || ['127.0.0.1', '::1'].includes(remoteAddress.address)) return true;
  return localAddress.family !== 'unix' && localAddress.address === remoteAddress.address;
}

/** Compares the table with the reading for one connection. */
export function checkFind(matches: readonly ChainMatchPb[], facts: ChainFacts): void {
  const chains = matches.map((match, value) => ({ match: decode(match), value }));
  const found = compileFilterChains(chains, -1).find(facts);
  assert.equal(found, findByReading(matches, facts), JSON.stringify({ matches, facts }, null, 1));
}

function decode(match: ChainMatchPb): ReturnType<typeof decodeFilterChainMatch> {
  return decodeOrThrow((d) => decodeFilterChainMatch(match as never, d));
}

const MAX_CHAINS = 12;
const PORTS = [80, 443, 8443];
const SOURCE_PORTS = [1000, 1001, 1002];
const RANGES = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32', '192.168.0.0/16', '2001:db8::/32'].map(
  (text) => ({ address_prefix: text.split('/')[0] as string, prefix_len: Number(text.split('/')[1]) }),
);
const ADDRESSES = ['10.1.2.3', '10.1.2.4', '10.1.9.9', '10.9.9.9', '192.168.1.1', '11.0.0.1', '127.0.0.1'];
const ADDRESSES_V6 = ['2001:db8::5', '2001:db9::1', '::1'];
const NAMES = ['a.b.com', '*.b.com', '*.com', 'b.com', '*.B.com', 'x.org'];
const SERVER_NAMES = ['a.b.com', 'z.b.com', 'z.a.b.com', 'b.com', 'q.com', 'com', 'x.org', ''];
const PROTOCOLS = ['h2', 'http/1.1', 'h3'];
const PROTOCOL_LISTS = [[], ['h2', 'http/1.1'], ['http/1.1', 'h2'], ['h3'], ['zz', 'h2'], ['zz']];

/** Chains of which none overlap. */
export function randomChains(random: Random): ChainMatchPb[] {
  const chains: ChainMatchPb[] = [];
  // A few dimensions per set of chains, so that chains meet in them.
  const density = 0.04 + 0.04 * random.below(8);
  const wanted = 1 + random.below(MAX_CHAINS);
  for (let tries = 0; tries < 3 * MAX_CHAINS && chains.length < wanted; tries++) {
    const chain = randomMatch(random, density);
    if (findOverlap([...chains, chain].map(decode)) < 0) chains.push(chain);
  }
  return chains;
}

function randomMatch(random: Random, density: number): ChainMatchPb {
  const isSet = (): boolean => random.below(1000) < 1000 * density;
  const some = <V>(values: readonly V[]): V[] => {
    const rest = [...values];
    const count = 1 + random.below(2);
    return Array.from({ length: count }, () => rest.splice(random.below(rest.length), 1)[0] as V);
  };
  return {
    ...(isSet() ? { destination_port: pick(random, PORTS) } : {}),
    ...(isSet() ? { prefix_ranges: some(RANGES) } : {}),
    ...(isSet() ? { server_names: some(NAMES) } : {}),
    ...(isSet() ? { transport_protocol: pick(random, ['tls', 'raw_buffer']) } : {}),
    ...(isSet() ? { application_protocols: some(PROTOCOLS) } : {}),
    ...(isSet() ? { direct_source_prefix_ranges: some([...RANGES, LOOPBACK]) } : {}),
    ...(isSet() ? { source_type: pick(random, ['SAME_IP_OR_LOOPBACK', 'EXTERNAL'] as const) } : {}),
    ...(isSet() ? { source_prefix_ranges: some(RANGES) } : {}),
    ...(isSet() ? { source_ports: some(SOURCE_PORTS) } : {}),
  };
}

const LOOPBACK: RangePb = { address_prefix: '127.0.0.0', prefix_len: 8 };

/** A connection as a PROXY header and a ClientHello can make it: both addresses of one family. */
export function randomFacts(random: Random): ChainFacts {
  const addresses = random.below(4) === 0 ? ADDRESSES_V6 : ADDRESSES;
  const at = (port: number): Address => ({ ...addressOf(`[${pick(random, addresses)}]:${port}`) });
  const transportProtocol = pick(random, ['tls', 'tls', 'raw_buffer']);
  const isTls = transportProtocol === 'tls';
  return {
    localAddress: at(pick(random, [...PORTS, 9])),
    remoteAddress: at(pick(random, [...SOURCE_PORTS, 5000])),
    directRemoteAddress: addressOf(`${random.below(2) === 0 ? '127.0.0.1' : pick(random, ADDRESSES)}:40000`),
    transportProtocol,
    serverName: isTls ? pick(random, SERVER_NAMES) : '',
    applicationProtocols: isTls ? pick(random, PROTOCOL_LISTS) : [],
  };
}

function pick<V>(random: Random, values: readonly V[]): V {
  return values[random.below(values.length)] as V;
}
