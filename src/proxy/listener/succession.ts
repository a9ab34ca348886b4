// What becomes of connections whose chain was replaced: policies of now hold for them, and nothing else is cut.
import type { DownstreamConnection } from '../network/connection.ts';
import type { FilterChain } from '../network/filter-chain.ts';
import type { MatcherFacts } from './chain-matcher.ts';

/** Where a connection that is open would go if it came now. */
export type ChainFinder = {
  /** The chain that would take it; null for none. */
  findChain(facts: MatcherFacts): FilterChain | null;
  /** ALPN of chains that take TLS only. */
  readonly secureProtocols: readonly string[];
};

/** All connections of a chain that is no longer configured, and those that are only now on their way into it. */
export function succeed(chain: FilterChain, next: ChainFinder): void {
  chain.succession = (connection) => void succeedOne(connection, next);
  let areAllTaken = true;
  for (const connection of [...chain.connections]) {
    if (connection.isStarted && !succeedOne(connection, next)) areAllTaken = false;
  }
  if (areAllTaken) chain.closeTerminal();
}

/** Nothing succeeds it: its connections end with the drain time. */
export function forsake(chain: FilterChain): void {
  chain.succession = null;
  for (const connection of chain.connections) connection.hasSuccessor = false;
}

/** Whether it needs the terminal filter of its chain no more. */
function succeedOne(connection: DownstreamConnection, next: ChainFinder): boolean {
  if (connection.isClosed) return true;
  const facts = factsOf(connection);
  const successor = next.findChain(facts);
  connection.hasSuccessor = successor !== null;
  if (successor === null) {
    if (demandsTls(connection, facts, next)) connection.deny();
    return false;
  }
  const isEqual = successor.config.fingerprint === connection.chain.config.fingerprint;
  if (!isEqual && successor.denies(connection)) {
    connection.deny();
    return false;
  }
  if (successor.terminal.takeOver?.(connection) === true) return true;
  connection.owner?.drainNow();
  return false;
}

/** Listener filters that came meanwhile would have found out what the handshake has told. */
function factsOf(connection: DownstreamConnection): MatcherFacts {
  const { localAddress, remoteAddress, directRemoteAddress, filterState, tls } = connection;
  const { transportProtocol, requestedServerName, applicationProtocols } = connection;
  return {
    localAddress,
    remoteAddress,
    directRemoteAddress,
    filterState: filterState as MatcherFacts['filterState'],
    transportProtocol: transportProtocol === '' && tls !== null ? 'tls' : transportProtocol,
    serverName: requestedServerName === '' ? (tls?.sni ?? '') : requestedServerName,
    applicationProtocols:
      applicationProtocols.length === 0 && tls !== null && tls.alpn !== '' ? [tls.alpn] : applicationProtocols,
  };
}

/** Whether it would be let in if it were secured: then a rule, not the end of a service, keeps it out. */
function demandsTls({ tls }: DownstreamConnection, facts: MatcherFacts, next: ChainFinder): boolean {
  if (tls !== null) return false;
  return [[], ...next.secureProtocols.map((name) => [name])].some((applicationProtocols) => {
    const secured = next.findChain({ ...facts, transportProtocol: 'tls', applicationProtocols });
    return secured !== null && secured.transport !== null;
  });
}
