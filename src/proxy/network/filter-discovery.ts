// Network filters whose configuration is only named and comes from elsewhere: new connections get the present one.
import type { Scope } from '../../telemetry/metrics.ts';
import { type Holder, type Holders, presentOf } from '../xds/holders.ts';
import type { ConfigPlace } from '../xds/place.ts';
import {
  defineNetworkFilter,
  type NetworkConnection,
  type NetworkFilter,
  type NetworkFilterContext,
  type NetworkFilterFactory,
  type NetworkFilterStatus,
} from './filter.ts';

/** A filter's configuration that came by name. */
export type NetworkExtension = {
  readonly name: string;
  /** Full name of its message. */
  readonly type: string;
  readonly factory: NetworkFilterFactory;
  readonly config: unknown;
};

/** Where a filter's configuration comes from. Source: envoy.config.core.v3.ExtensionConfigSource. */
export type NetworkDiscovery = {
  readonly name: string;
  readonly place: ConfigPlace;
  /** Until there is one, and when it is gone again. */
  readonly fallback: NetworkExtension | null;
  /** The listener does not wait for it. */
  readonly isFallbackReady: boolean;
  /** Full names of messages that it may be. */
  readonly types: readonly string[];
};

const EXTENSION_STATS = {
  config_reload: 'counter',
  config_fail: 'counter',
  config_conflict: 'counter',
} as const;
const MISSING_STATS = { network_extension_config_missing: 'counter' } as const;

/** Stands where a filter is followed; `extensions` absent: nothing can be asked for (validation of a part). */
export function makeDiscoveredFilter(extensions: Holders<NetworkExtension>): NetworkFilterFactory {
  return defineNetworkFilter<NetworkDiscovery>({
    name: 'config_discovery',
    configType: 'envoy.config.core.v3.ExtensionConfigSource',
    fields: {},
    decode: () => {
      throw new Error('a discovered filter is decoded by the listener');
    },
    standIns: (discovery) => {
      const present = presentOf(extensions.find(discovery.name, discovery.place.key)?.current, discovery);
      return present?.factory.standIns?.(present.config as never) ?? [];
    },
    create: (discovery, context) => new DiscoveredFilter(discovery, context, extensions),
  });
}

/** A connection keeps the filter that it began with, whatever comes meanwhile. */
class DiscoveredFilter implements NetworkFilter {
  readonly readsInfo = true;
  readonly #discovery: NetworkDiscovery;
  readonly #context: NetworkFilterContext;
  readonly #extensions: Holders<NetworkExtension>;
  readonly #holder: Holder<NetworkExtension>;
  readonly #scope: Scope;
  /** Undefined: there is no configuration. Null: it does nothing. */
  #present: NetworkFilter | null | undefined;
  readonly #chosen = new Map<NetworkConnection, NetworkFilter>();

  constructor(discovery: NetworkDiscovery, context: NetworkFilterContext, extensions: Holders<NetworkExtension>) {
    const { name, place, fallback } = discovery;
    const prefix = `extension_config_discovery.network_filter.${name}.`;
    this.#discovery = discovery;
    this.#context = context;
    this.#extensions = extensions;
    this.#scope = context.stats.scope(prefix, EXTENSION_STATS);
    this.#holder = extensions.use(name, place, prefix);
    this.#holder.checks.add(this.#check);
    this.#holder.listen(this.#changed);
    const { current } = this.#holder;
    this.#take(current !== null && this.#check(current) === null ? current : fallback);
  }

  /** Why the extension cannot stand here, or null. Source: Envoy DynamicFilterConfigProvider. */
  readonly #check = ({ name, type, factory }: NetworkExtension): string | null => {
    const { types } = this.#discovery;
    let reason: string | null = null;
    if (!types.includes(type)) reason = `Error: filter config has type URL ${type} but expect ${types.join(', ')}.`;
    else if (factory.isTerminal === true) {
      const text = `Error: terminal filter named ${name} of type ${factory.name}`;
      reason = `${text} must be the last filter in a network filter chain.`;
    }
    if (reason !== null) this.#scope.inc(this.#scope.dynamicCounter('config_fail'));
    return reason;
  };

  readonly #changed = (): void => {
    this.#scope.inc(this.#scope.dynamicCounter('config_reload'));
    this.#take(this.#holder.current ?? this.#discovery.fallback);
  };

  #take(extension: NetworkExtension | null): void {
    this.#present = extension === null ? undefined : extension.factory.create(extension.config as never, this.#context);
  }

  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const filter = this.#present;
    if (filter === undefined) {
      const scope = this.#context.stats.scope(this.#context.listenerPrefix, MISSING_STATS);
      scope.inc(scope.i.network_extension_config_missing);
      connection.close('no-flush', '');
      return 'stop';
    }
    if (filter === null) return 'continue';
    this.#chosen.set(connection, filter);
    return filter.onNewConnection?.(connection) ?? 'continue';
  }

  onData(
    connection: NetworkConnection,
    chunk: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): NetworkFilterStatus | Buffer {
    return this.#chosen.get(connection)?.onData?.(connection, chunk, start, end, endStream) ?? 'continue';
  }

  onDestroy(connection: NetworkConnection): void {
    const filter = this.#chosen.get(connection);
    if (filter === undefined) return;
    this.#chosen.delete(connection);
    filter.onDestroy?.(connection);
  }

  whenSettled(settled: () => void): void {
    if (this.#discovery.isFallbackReady) settled();
    else this.#holder.whenSettled(settled);
  }

  close(): void {
    this.#holder.checks.delete(this.#check);
    this.#holder.unlisten(this.#changed);
    this.#extensions.release(this.#holder);
    this.#present?.close?.();
  }
}
