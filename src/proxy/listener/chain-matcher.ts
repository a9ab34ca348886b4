// Chooses a filter chain by a tree of matchers (filter_chain_matcher) whose leaves are names of chains.
import { createHash } from 'node:crypto';
import type { ConfigDecoder } from '../config-decoder.ts';
import { MATCHER_TREE_FIELDS, decodeMatcher } from '../matcher/matcher.ts';
import type { MatcherPb } from '../matcher/matcher.ts';
import { NETWORK_INPUTS, NETWORK_INPUT_FIELDS, networkInput } from '../matcher/network-inputs.ts';
import type { NetworkFacts } from '../matcher/network-inputs.ts';
import { SOURCE_TYPE, sourceType } from '../matcher/source-type.ts';
import { NO_MATCH } from '../matcher/step.ts';
import type { Input } from '../matcher/step.ts';
import type { AcceptedSocket } from './filter.ts';
import { DEFAULT_TRANSPORT_PROTOCOL } from './filter-chain-match.ts';
import type { ChainFacts } from './filter-chain-match.ts';

export type MatcherFacts = ChainFacts & Pick<AcceptedSocket, 'filterState'>;

export type ChainMatcher = {
  /** Equal for equal configurations. */
  readonly fingerprint: string;
  /**
   * The name of a chain; null when nothing matches: the default chain is taken. NO_CHAIN when the tree names a chain
   * that there is not: as in Envoy none is taken then, not even the default one, which cannot be named.
   */
  find(socket: MatcherFacts): string | null;
};

/** No chain has this name. */
export const NO_CHAIN = '';

const CHAIN_NAME = 'google.protobuf.StringValue';

/** What only the choice of a chain can look at. */
const SOCKET_INPUTS: Readonly<Record<string, Input<MatcherFacts, null>>> = {
  [SOURCE_TYPE]: (socket) => sourceType(socket.localAddress, socket.remoteAddress),
  [`${NETWORK_INPUTS}.TransportProtocolInput`]: (socket) => socket.transportProtocol || DEFAULT_TRANSPORT_PROTOCOL,
  // Envoy writes the list so: 'h2','http/1.1'.
  [`${NETWORK_INPUTS}.ApplicationProtocolInput`]: ({ applicationProtocols: protocols }) =>
    protocols.length === 0 ? undefined : `'${protocols.join("','")}'`,
};

export const CHAIN_MATCHER_FIELDS = {
  ...MATCHER_TREE_FIELDS,
  ...NETWORK_INPUT_FIELDS,
  [SOURCE_TYPE]: '',
  [`${NETWORK_INPUTS}.TransportProtocolInput`]: '',
  [`${NETWORK_INPUTS}.ApplicationProtocolInput`]: '',
} as const;

const FACTS: NetworkFacts<MatcherFacts> = {
  destination: (socket) => socket.localAddress,
  source: (socket) => socket.remoteAddress,
  directSource: (socket) => socket.directRemoteAddress,
  serverName: (socket) => socket.serverName,
  filterState: (socket, key) => socket.filterState?.get(key),
};

/** Null after rejecting what cannot be decided. */
export function decodeChainMatcher(
  message: object,
  d: ConfigDecoder,
  chainNames: readonly string[],
): ChainMatcher | null {
  const before = d.reasons.length;
  const names: string[] = [];
  const root = decodeMatcher<MatcherFacts, null>(
    message as MatcherPb,
    {
      input: (type, input) => SOCKET_INPUTS[type] ?? networkInput(FACTS, type, input),
      action(type, name, at) {
        // The message of a wrapper is its value.
        if (type === CHAIN_NAME)
          return names.push(chainNames.includes(name as string) ? (name as string) : NO_CHAIN) - 1;
        at.reject('', `${type} is not supported: only ${CHAIN_NAME}, the name of a filter chain, is`);
        return NO_MATCH;
      },
    },
    d,
  );
  if (d.reasons.length > before) return null;
  return Object.freeze({
    fingerprint: fingerprintOf(message),
    find(socket: MatcherFacts): string | null {
      return names[root(socket, null)] ?? null;
    },
  });
}

function fingerprintOf(message: object): string {
  const text = JSON.stringify(message, (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
  return createHash('sha256').update(text).digest('base64url');
}
