// Builds the shared side of a connection manager: its filters, statistics and the chain compiled from them.
import type { Clock, Random } from '../../base/clock.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import { whenAll } from '../../base/when-all.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { DrainDecision, NetworkConnection, NetworkFilter } from '../network/filter.ts';
import type { RouteTable } from '../route/route.ts';
import type { Holder, Holders } from '../xds/holders.ts';
import type { ConfigPlace } from '../xds/place.ts';
import type { FilterChain } from './filter-chain.ts';
import {
  type Awaited,
  DiscoveredChain,
  type FilterSpec,
  endWith,
  followInner,
  type HttpExtension,
  isDiscovered,
} from './filter-discovery.ts';
import type { Runtime } from './filter.ts';
import type { HttpConfig } from './http-config.ts';
import { HttpConnection } from './connection-manager.ts';
import { makeChain } from './make-chain.ts';
import type { HttpManager } from './manager.ts';
import { PolicyWatch } from './policy-watch.ts';
import { type Http2CodecScope, HTTP2_CODEC_STATS } from '../codec/http2-stats.ts';
import { HTTP1_CODEC_STATS, HTTP_STATS, LISTENER_HTTP_STATS, ROUTE_RESOLUTION_STATS, TRACING_STATS } from './stats.ts';

export type HttpManagerParts = {
  readonly config: Omit<HttpConfig, 'chain'>;
  readonly filters: readonly FilterSpec[];
  /** The route configuration that comes from elsewhere; then `config.routes` is empty. */
  readonly rds?: { readonly name: string; readonly place: ConfigPlace } | null;
  /** Or parts of it do: the table as it changes; asked with 'http.PREFIX.'. */
  readonly followRoutes?: ((httpPrefix: string) => Holder<RouteTable>) | null;
  /** Of upgrades that have their own, by type (lower case). */
  readonly upgradeFilters?: ReadonlyMap<string, readonly FilterSpec[]>;
};

export type HttpManagerContext = {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: StatStore;
  /** Counts of all workers; absent where there is one. */
  readonly shared?: SharedCells;
  readonly dateText: () => string;
  readonly drain: DrainDecision;
  /** 'listener.ADDRESS.' */
  readonly listenerPrefix: string;
  /** The chain speaks TLS. */
  readonly isSecure?: boolean;
  /** Route configurations by name; absent where all are written in place. */
  readonly routes?: Holders<RouteTable>;
  /** Filters by name; absent where all are written in place. */
  readonly extensions?: Holders<HttpExtension>;
  /** Gets what follows filters from elsewhere, to be closed with the manager. */
  readonly discovered?: Awaited[];
};

export function makeHttpManager(parts: HttpManagerParts, context: HttpManagerContext): HttpManager {
  const { clock, random, runtime, stats } = context;
  const statPrefix = `http.${parts.config.statPrefix}.`;
  const scope = stats.scope(statPrefix, HTTP_STATS);
  const tracingStats = stats.scope(`${statPrefix}tracing.`, TRACING_STATS);
  const { shared, extensions, discovered } = context;
  const common = {
    ...{ statPrefix, stats, scope, clock, random, runtime, health: context.drain },
    ...(shared === undefined ? {} : { shared }),
    ...(extensions === undefined ? {} : { follow: followInner(stats, extensions, discovered ?? []) }),
    ...(discovered === undefined ? {} : { atEnd: endWith(discovered) }),
  };
  const upgrades = [...(parts.upgradeFilters ?? [])];
  const { rds = null, followRoutes = null } = parts;
  const useRoutes = (): Holder<RouteTable> | null =>
    rds === null ? null : (context.routes?.use(rds.name, rds.place, `${statPrefix}rds.${rds.name}.`) ?? null);
  const holder = followRoutes === null ? useRoutes() : followRoutes(statPrefix);
  let http2Stats: Http2CodecScope | null = null;
  const chainOf = (specs: readonly FilterSpec[], changed: (chain: FilterChain) => void): FilterChain => {
    const parts = { ...common, chain: {} };
    if (extensions === undefined || !specs.some(isDiscovered)) return makeChain(specs, parts);
    const followed = new DiscoveredChain(specs, parts, extensions, changed);
    discovered?.push(followed);
    return followed.chain;
  };
  const config = {
    ...parts.config,
    ...(holder === null ? {} : { routes: holder }),
    chain: chainOf(parts.filters, (chain) => {
      config.chain = chain;
      manager.policy?.changed();
    }),
  };
  const upgradeChains = new Map<string, FilterChain>();
  for (const [type, filters] of upgrades) {
    const changed = (chain: FilterChain): void => {
      upgradeChains.set(type, chain);
      manager.policy?.changed();
    };
    upgradeChains.set(type, chainOf(filters, changed));
  }
  const manager: HttpManager = {
    config,
    rds: holder,
    clock,
    random,
    runtime,
    stats: scope,
    tracingStats,
    resolutionStats: parts.config.recordsRouteResolution ? stats.scope(statPrefix, ROUTE_RESOLUTION_STATS) : null,
    listenerStats: stats.scope(`${context.listenerPrefix}${statPrefix}`, LISTENER_HTTP_STATS),
    codecStats: stats.scope('http1.', HTTP1_CODEC_STATS),
    http2Stats: () => {
      http2Stats ??= stats.scope('http2.', HTTP2_CODEC_STATS);
      return http2Stats;
    },
    drain: context.drain,
    dateText: context.dateText,
    isSecure: context.isSecure ?? false,
    upgradeChains,
    matchContext: { random, runtime, format: null as never },
    connections: new Set(),
    policy: null,
  };
  manager.policy = new PolicyWatch(manager);
  return manager;
}

/** The connection manager as the last network filter of its chain. */
export class HttpManagerFilter implements NetworkFilter {
  readonly #manager: HttpManager;
  readonly #routes: Holders<RouteTable> | null;
  readonly #discovered: readonly Awaited[];

  constructor(manager: HttpManager, routes: Holders<RouteTable> | null = null, discovered: readonly Awaited[] = []) {
    this.#manager = manager;
    this.#routes = routes;
    this.#discovered = discovered;
    manager.rds?.listen(this.#routesChanged);
  }

  readonly #routesChanged = (): void => this.#manager.policy?.changed();

  whenSettled(settled: () => void): void {
    const { rds } = this.#manager;
    const awaited: { whenSettled(called: () => void): void }[] = [...this.#discovered];
    if (rds !== null) awaited.push(rds);
    whenAll(awaited, (one, called) => one.whenSettled(called), settled);
  }

  close(): void {
    for (const one of this.#discovered) one.close();
    const { rds } = this.#manager;
    rds?.unlisten(this.#routesChanged);
    if (rds !== null) this.#routes?.release(rds);
  }

  start(connection: NetworkConnection): void {
    new HttpConnection(this.#manager, connection);
  }

  takeOver({ owner }: NetworkConnection): boolean {
    const manager = this.#manager;
    if (!(owner instanceof HttpConnection) || !isAlike(owner.manager, manager)) return false;
    owner.moveTo(manager);
    manager.policy?.changed();
    return true;
  }

  /** A connection that an earlier filter or the handshake ended counts all the same, as in Envoy. */
  onDestroy(connection: NetworkConnection): void {
    if (connection.isStarted) return;
    const { stats } = this.#manager;
    stats.inc(stats.i.downstream_cx_total);
    if (this.#manager.isSecure) stats.inc(stats.i.downstream_cx_ssl_total);
    stats.set(stats.i.downstream_cx_active, stats.value(stats.i.downstream_cx_active));
  }

  drainConnections(): void {
    for (const connection of this.#manager.connections) connection.drainNow();
  }
}

/** A codec stays what it is. */
function isAlike(a: HttpManager, b: HttpManager): boolean {
  return a.isSecure === b.isSecure && a.config.codecType === b.config.codecType;
}
