// A filter chain at run time: its network filters, the connections that it serves, and whether it drains.
import { whenAll } from '../../base/when-all.ts';
import type { Metadata } from '../stream-info.ts';
import type { DownstreamTransport, TransportConfig, TransportServices } from '../transport/transport.ts';
import type { DownstreamConnection } from './connection.ts';
import type { DrainDecision, NetworkFilter, NetworkFilterContext, NetworkFilterFactory } from './filter.ts';

/** One network filter as configured. */
export type NetworkFilterConfig = {
  readonly name: string;
  readonly factory: NetworkFilterFactory;
  readonly config: unknown;
};

/** A filter chain as configured: frozen, without its match. */
export type FilterChainConfig = {
  readonly name: string;
  /** Equal for chains that do the same: an update keeps such a chain and its connections. */
  readonly fingerprint: string;
  readonly metadata: Metadata | null;
  /** Null: the socket's bytes are the connection's. */
  readonly transport: TransportConfig<DownstreamTransport> | null;
  /** transport_socket_connect_timeout, ms; 0 = none. */
  readonly transportTimeoutMs: number;
  /** The last one is terminal. */
  readonly filters: readonly NetworkFilterConfig[];
};

/** What istio.metadata_exchange speaks: in a chain without it, its peer's preamble would reach the application. */
const PREAMBLE_PROTOCOLS: readonly string[] = ['istio-peer-exchange'];

const NOTHING = (): void => undefined;

export class FilterChain {
  readonly config: FilterChainConfig;
  readonly filters: readonly NetworkFilter[];
  readonly terminal: NetworkFilter;
  readonly transport: DownstreamTransport | null;
  /** Some filter before the terminal one reads the bytes. */
  readonly readsData: boolean;
  /** Some filter before the terminal one reads what is known of the connection. */
  readonly readsInfo: boolean;
  readonly slots: number;
  readonly connections = new Set<DownstreamConnection>();
  /** An update has removed it; its connections end with their exchanges. */
  isDraining = false;
  /** Set once another version has replaced it: tells what becomes of a connection that only now got through. */
  succession: ((connection: DownstreamConnection) => void) | null = null;
  /** Told when a retired chain has no connection left. */
  #onDrained = NOTHING;
  #isRetired = false;
  #isTerminalClosed = false;
  #isClosed = false;

  constructor(
    config: FilterChainConfig,
    context: Omit<NetworkFilterContext, 'slot' | 'drain' | 'chainKey'>,
    drain: DrainDecision,
    transports: TransportServices | null,
  ) {
    this.config = config;
    const filters: NetworkFilter[] = [];
    const decision = new ChainDrain(this, drain);
    const chainKey = `${context.listenerName}/${config.fingerprint}`;
    let slot = 0;
    for (const { factory, config: filterConfig } of config.filters) {
      const filter = factory.create(filterConfig as never, {
        ...context,
        chainKey,
        slot: slot++,
        drain: decision,
        isSecure: config.transport !== null,
      });
      if (filter !== null) filters.push(filter);
    }
    this.slots = slot;
    const terminal = filters.pop();
    if (terminal?.start === undefined) throw new Error(`filter chain ${config.name} has no terminal filter`);
    this.terminal = terminal;
    const { transport } = config;
    // The admin interface has no transport socket, and needs no services for one.
    this.transport =
      transport === null || transports === null
        ? null
        : transport.factory.create(transport.config as never, {
            ...transports,
            unspokenProtocols: PREAMBLE_PROTOCOLS.filter((name) => !isSpoken(name, filters)),
            statPrefix: context.listenerPrefix,
          });
    this.filters = filters;
    this.readsData = filters.some((filter) => filter.onData !== undefined);
    this.readsInfo = filters.some((filter) => filter.readsInfo === true);
  }

  /** Calls back once, perhaps now: the transport has its secrets, or goes on without. */
  whenSettled(settled: () => void): void {
    const { terminal, transport, filters } = this;
    whenAll(
      [transport, terminal, ...filters],
      (one, called) => (one?.whenSettled === undefined ? called() : one.whenSettled(called)),
      settled,
    );
  }

  /** A connection is over. */
  forget(connection: DownstreamConnection): void {
    this.connections.delete(connection);
    if (this.#isRetired && this.connections.size === 0) this.#drained();
  }

  /**
   * Whether a connection that another version let in would be turned away by this one: the peer's identity is judged as
   * of its handshake, for that it has since expired is no change of policy.
   */
  denies(connection: DownstreamConnection): boolean {
    const { transport, filters } = this;
    const isOtherTrust = connection.tls === null || connection.chain.transport?.trust !== transport?.trust;
    if (isOtherTrust && transport?.denies?.(connection.tls, connection.startWallMs) === true) return true;
    return filters.some((filter) => filter.denies?.(connection) === true);
  }

  /** Ends the chain: connections close with their next exchanges, but for those that have a successor. */
  drain(onDrained: () => void): void {
    this.isDraining = true;
    for (const connection of this.connections) if (!connection.hasSuccessor) connection.owner?.startDrain();
    this.retire(onDrained);
  }

  /** No more connections will come: gives back what it has once the last one is over. */
  retire(onDrained: () => void = NOTHING): void {
    this.#isRetired = true;
    this.#onDrained = onDrained;
    if (this.connections.size === 0) this.#drained();
  }

  /** The time for draining is over. */
  closeAll(reason: string): void {
    for (const connection of this.connections) if (!connection.hasSuccessor) connection.close('no-flush', reason);
  }

  /** Another chain's terminal filter serves all connections there are. */
  closeTerminal(): void {
    if (this.#isTerminalClosed) return;
    this.#isTerminalClosed = true;
    this.terminal.close?.();
  }

  #drained(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.transport?.close();
      this.closeTerminal();
      for (const filter of this.filters) filter.close?.();
    }
    const told = this.#onDrained;
    this.#onDrained = NOTHING;
    told();
  }
}

function isSpoken(protocol: string, filters: readonly NetworkFilter[]): boolean {
  return filters.some(({ speaks }) => speaks?.includes(protocol) === true);
}

/** A chain that was removed drains at once, whatever the listener does. Source: Envoy FilterChainFactoryContextImpl. */
class ChainDrain implements DrainDecision {
  readonly #chain: FilterChain;
  readonly #parent: DrainDecision;

  constructor(chain: FilterChain, parent: DrainDecision) {
    this.#chain = chain;
    this.#parent = parent;
  }
  get isDraining(): boolean {
    return this.#chain.isDraining || this.#parent.isDraining;
  }
  get healthCheckFailed(): boolean {
    return this.#parent.healthCheckFailed === true;
  }
  shouldDrainClose(): boolean {
    return this.#chain.isDraining || this.#parent.shouldDrainClose();
  }
}
