// Network filters whose configuration is only named and comes from elsewhere: new connections get the present one.
import {
  type Discovery,
  type Extension,
  FollowedExtension,
  presentOf,
  terminalRefusal,
} from '../xds/followed-extension.ts';
import type { Holders } from '../xds/holders.ts';
import {
  defineNetworkFilter,
  type NetworkConnection,
  type NetworkFilter,
  type NetworkFilterContext,
  type NetworkFilterFactory,
  type NetworkFilterStatus,
} from './filter.ts';

/** A filter's configuration that came by name. */
export type NetworkExtension = Extension<NetworkFilterFactory>;
export type NetworkDiscovery = Discovery<NetworkFilterFactory>;

const MISSING_STATS = { network_extension_config_missing: 'counter' } as const;

/** Stands where a filter is followed: at the end of the chain, or before it. */
export function makeDiscoveredFilter(extensions: Holders<NetworkExtension>, isTerminal: boolean): NetworkFilterFactory {
  return defineNetworkFilter<NetworkDiscovery>({
    name: 'config_discovery',
    configType: 'envoy.config.core.v3.ExtensionConfigSource',
    fields: {},
    isTerminal,
    decode: () => {
      throw new Error('a discovered filter is decoded by the listener');
    },
    standIns: (discovery) => {
      const present = presentOf(extensions, discovery);
      return present?.factory.standIns?.(present.config as never) ?? [];
    },
    create: (discovery, context) => {
      const followed = new FollowedFilter(discovery, context, extensions, isTerminal);
      return isTerminal ? new DiscoveredTerminal(followed) : new DiscoveredFilter(followed);
    },
  });
}

/** A filter that stands there, or did when connections came that still are; null does nothing. */
type Version = { readonly filter: NetworkFilter | null; connections: number };

/** A connection keeps the filter that it began with, whatever comes meanwhile, unless the new one turns it away. */
class FollowedFilter {
  readonly #context: NetworkFilterContext;
  readonly #followed: FollowedExtension<NetworkFilterFactory>;
  /** Null: there is no configuration. */
  #present: Version | null = null;
  readonly #chosen = new Map<NetworkConnection, Version>();

  constructor(
    discovery: NetworkDiscovery,
    context: NetworkFilterContext,
    extensions: Holders<NetworkExtension>,
    isTerminal: boolean,
  ) {
    this.#context = context;
    this.#followed = new FollowedExtension(discovery, extensions, {
      kind: 'network_filter',
      stats: context.stats,
      whyNot: (extension) => terminalRefusal(extension, isTerminal, 'network'),
      changed: () => this.#take(),
    });
    this.#take();
  }

  #take(): void {
    const before = this.#present;
    const { current } = this.#followed;
    const filter = current?.factory.create(current.config as never, this.#context) ?? null;
    this.#present = current === null ? null : { filter, connections: 0 };
    if (before?.connections === 0) before.filter?.close?.();
    if (filter?.denies === undefined) return;
    for (const connection of [...this.#chosen.keys()]) if (filter.denies(connection)) connection.deny();
  }

  /** Null: it does nothing. Undefined: there is none, and the connection is closed. */
  choose(connection: NetworkConnection): NetworkFilter | null | undefined {
    const version = this.#present;
    if (version === null) {
      const scope = this.#context.stats.scope(this.#context.listenerPrefix, MISSING_STATS);
      scope.inc(scope.i.network_extension_config_missing);
      connection.close('no-flush', '');
      return undefined;
    }
    version.connections++;
    this.#chosen.set(connection, version);
    return version.filter;
  }

  of(connection: NetworkConnection): NetworkFilter | null {
    return this.#chosen.get(connection)?.filter ?? null;
  }

  has(connection: NetworkConnection): boolean {
    return this.#chosen.has(connection);
  }

  get present(): NetworkFilter | null {
    return this.#present?.filter ?? null;
  }

  forget(connection: NetworkConnection): void {
    const version = this.#chosen.get(connection);
    if (version === undefined) return;
    this.#chosen.delete(connection);
    version.filter?.onDestroy?.(connection);
    if (--version.connections === 0 && version !== this.#present) version.filter?.close?.();
  }

  /** Those that serve a connection, or would serve the next. */
  get all(): ReadonlySet<NetworkFilter> {
    const filters = [...this.#chosen.values()].map(({ filter }) => filter);
    return new Set([...filters, this.present].filter((filter) => filter !== null));
  }

  /** The filter that came first may wait for something of its own. */
  whenSettled(settled: () => void): void {
    this.#followed.whenSettled(() => {
      const { present } = this;
      if (present?.whenSettled === undefined) settled();
      else present.whenSettled(settled);
    });
  }

  close(): void {
    this.#followed.close();
    this.present?.close?.();
  }
}

class DiscoveredFilter implements NetworkFilter {
  readonly readsInfo = true;
  readonly #filter: FollowedFilter;

  constructor(filter: FollowedFilter) {
    this.#filter = filter;
  }

  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const filter = this.#filter.choose(connection);
    if (filter === undefined) return 'stop';
    return filter?.onNewConnection?.(connection) ?? 'continue';
  }

  onData(
    connection: NetworkConnection,
    chunk: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): NetworkFilterStatus | Buffer {
    return this.#filter.of(connection)?.onData?.(connection, chunk, start, end, endStream) ?? 'continue';
  }

  onDestroy(connection: NetworkConnection): void {
    this.#filter.forget(connection);
  }

  denies(connection: NetworkConnection): boolean {
    return this.#filter.present?.denies?.(connection) === true;
  }

  whenSettled(settled: () => void): void {
    this.#filter.whenSettled(settled);
  }

  close(): void {
    this.#filter.close();
  }
}

const NOBODY = { onData: () => {}, onEnd: () => {}, onDrain: () => {} };

class DiscoveredTerminal implements NetworkFilter {
  readonly readsInfo = true;
  readonly #filter: FollowedFilter;

  constructor(filter: FollowedFilter) {
    this.#filter = filter;
  }

  start(connection: NetworkConnection): void {
    // Without a filter nobody listens to the stream that is closed then.
    connection.stream.handler = { ...NOBODY, onClose: (failure) => connection.closed(failure) };
    this.#filter.choose(connection)?.start?.(connection);
  }

  onDestroy(connection: NetworkConnection): void {
    if (this.#filter.has(connection)) this.#filter.forget(connection);
    else this.#filter.present?.onDestroy?.(connection);
  }

  whenSettled(settled: () => void): void {
    this.#filter.whenSettled(settled);
  }

  drainConnections(): void {
    for (const filter of this.#filter.all) filter.drainConnections?.();
  }

  close(): void {
    this.#filter.close();
  }
}
