// Istio's TCP metadata exchange (istio.metadata_exchange): who the peers are, said before a connection's own bytes.
import type { LocalNode } from '../../../istio/node.ts';
import { exchangeBytes, KnownPeers, PeerReader } from '../../../istio/peer-exchange.ts';
import { DOWNSTREAM_PEER, peerStates } from '../../../istio/peer-state.ts';
import type { UpstreamFilterFactory } from '../../../cluster/upstream-filter.ts';
import { defineNetworkFilter } from '../../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterContext, NetworkFilterFactory } from '../../filter.ts';
import { countOutcome, decodeExchange, EXCHANGE_FIELDS, EXCHANGE_PREFIX, EXCHANGE_STATS } from './exchange-config.ts';
import { EXCHANGE_TYPE, type ExchangeConfig, type ExchangePb, type ExchangeScope } from './exchange-config.ts';
import { UpstreamExchange } from './upstream-exchange.ts';

const NAME = 'istio.metadata_exchange';
const NO_LABELS: ReadonlySet<string> = new Set();

/**
 * Both sides speak at once, as soon as the handshake has agreed on the protocol; Envoy waits for the first bytes, which
 * to a peer is the same. What the peer says is taken out of the bytes before the filters behind see them.
 */
class MetadataExchange implements NetworkFilter {
  readonly speaks: readonly string[];
  readonly #protocol: string;
  readonly #slot: number;
  readonly #stats: ExchangeScope;
  readonly #bytes: Buffer;
  readonly #known = new KnownPeers(NO_LABELS);

  constructor({ protocol }: ExchangeConfig, { stats, slot }: NetworkFilterContext, node: LocalNode) {
    this.#protocol = protocol;
    this.speaks = [protocol];
    this.#slot = slot;
    this.#stats = stats.scope(EXCHANGE_PREFIX, EXCHANGE_STATS);
    this.#bytes = exchangeBytes(node, NO_LABELS);
  }

  onNewConnection(connection: NetworkConnection): 'continue' {
    const stats = this.#stats;
    if (connection.connection.tls?.alpn !== this.#protocol) {
      stats.inc(stats.i.alpn_protocol_not_found);
      this.#tell(connection, null);
      return 'continue';
    }
    stats.inc(stats.i.alpn_protocol_found);
    connection.slot[this.#slot] = new PeerReader(this.#known);
    connection.writeOwn(this.#bytes);
    stats.inc(stats.i.metadata_added);
    return 'continue';
  }

  onData(
    connection: NetworkConnection,
    chunk: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): 'continue' | Buffer {
    const reader = connection.slot[this.#slot] as PeerReader | null | undefined;
    if (reader === null || reader === undefined) return 'continue';
    let rest = reader.read(chunk, start, end);
    countOutcome(this.#stats, reader);
    if (reader.outcome === 'more') {
      if (!endStream) return rest;
      rest = reader.end();
    }
    connection.slot[this.#slot] = null;
    if (reader.outcome === 'too-long') connection.close('no-flush', 'peer_metadata_too_long');
    else if (reader.outcome !== 'found') this.#tell(connection, null);
    else if (reader.peer !== null) this.#tell(connection, reader);
    return rest;
  }

  #tell({ info }: NetworkConnection, found: PeerReader | null): void {
    info.filterState ??= new Map();
    for (const [key, object] of peerStates(DOWNSTREAM_PEER, found?.peer ?? null)) info.filterState.set(key, object);
  }
}

/** Makes the filter of a worker out of what the proxy knows of itself. */
export function makeMetadataExchange(parts: { readonly node: LocalNode }): NetworkFilterFactory {
  return defineNetworkFilter<ExchangeConfig, ExchangePb>({
    name: NAME,
    configType: EXCHANGE_TYPE,
    fields: EXCHANGE_FIELDS,
    decode: decodeExchange,
    create: (config, context) => new MetadataExchange(config, context, parts.node),
  });
}

/** The same for clusters. */
export function makeUpstreamMetadataExchange(parts: { readonly node: LocalNode }): UpstreamFilterFactory {
  return {
    name: NAME,
    configType: EXCHANGE_TYPE,
    fields: EXCHANGE_FIELDS,
    decode: decodeExchange,
    create({ protocol }: ExchangeConfig, { stats }) {
      const bytes = exchangeBytes(parts.node, NO_LABELS);
      return new UpstreamExchange(protocol, bytes, stats.scope(EXCHANGE_PREFIX, EXCHANGE_STATS));
    },
  };
}
