// Scopes that come from elsewhere (SRDS), of one worker: which route configuration requests with a key go by.
import { whenAll } from '../../base/when-all.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import type { Headers } from '../../wire/headers.ts';
import type { OnDemandRoutes, RouteTable } from '../route/route.ts';
import { keyOf, keyText, type Scope, type ScopeFragment, ScopedTable } from '../route/scoped-table.ts';
import { Holder, type Holders, type WantSink } from './holders.ts';
import type { ConfigPlace } from './place.ts';
import { SCOPE_TYPE } from './types.ts';

/** Source: envoy.config.route.v3.ScopedRouteConfiguration. */
export type ScopeConfig = {
  readonly name: string;
  readonly key: readonly string[];
  /** Of the route configuration; '' where there is a `table`. */
  readonly routesName: string;
  readonly table: RouteTable | null;
  /** The route configuration is asked for with the first request that needs it. */
  readonly isOnDemand: boolean;
};

export type ScopeChange = { readonly name: string; readonly scope: ScopeConfig | null };
export type ScopeRefusal = { readonly name: string; readonly reason: string };

/** Source: ScopedRoutes with scoped_rds. */
export type ScopedRoutesConfig = {
  readonly name: string;
  readonly fragments: readonly ScopeFragment[];
  readonly place: ConfigPlace;
  /** Of route configurations. */
  readonly routesPlace: ConfigPlace;
};

/** All workers take the same: one counts. Source: Envoy ALL_SCOPED_RDS_STATS. */
const SCOPED_STATS = {
  config_reload: 'counter-once',
  update_empty: 'counter-once',
  config_reload_time_ms: 'gauge-once',
  all_scopes: 'gauge-once',
  active_scopes: 'gauge-once',
  on_demand_scopes: 'gauge-once',
} as const;

const EVERYTHING = '*';

/** All that came of one place. */
class ScopeSet {
  scopes: ReadonlyMap<string, ScopeConfig> = new Map();
  readonly users = new Set<ScopedUse>();
  isSettled = false;

  /** What can be of the changes; the others are added to `refused`. Source of the texts: Envoy, scoped_rds.cc. */
  accept(changes: readonly ScopeChange[], refused: ScopeRefusal[]): ReadonlyMap<string, ScopeConfig> {
    const accepted = new Map(this.scopes);
    for (const { name } of changes) accepted.delete(name);
    const owners = new Map<string, string>();
    for (const { name, key } of accepted.values()) owners.set(keyText(key), name);
    const add = (scope: ScopeConfig): string | null => {
      const text = keyText(scope.key);
      const first = owners.get(text);
      if (first !== undefined) {
        const conflict = `scope key conflict found, first scope is '${first}', second scope is '${scope.name}'`;
        return `Error adding/updating scoped route(s): ${conflict}`;
      }
      owners.set(text, scope.name);
      accepted.set(scope.name, scope);
      return null;
    };
    for (const { name, scope } of changes) {
      if (scope === null) continue;
      const reason = add(scope);
      if (reason === null) continue;
      refused.push({ name, reason });
      const before = this.scopes.get(name);
      if (before !== undefined) add(before);
    }
    return accepted;
  }
}

export class ScopeSets {
  readonly #sink: WantSink;
  readonly #routes: Holders<RouteTable>;
  readonly #stats: StatStore;
  readonly #wallMs: () => number;
  readonly #sets = new Map<string, ScopeSet>();

  constructor(sink: WantSink, routes: Holders<RouteTable>, stats: StatStore, wallMs: () => number) {
    this.#sink = sink;
    this.#routes = routes;
    this.#stats = stats;
    this.#wallMs = wallMs;
  }

  #set(placeKey: string): ScopeSet {
    let known = this.#sets.get(placeKey);
    if (known === undefined) {
      known = new ScopeSet();
      this.#sets.set(placeKey, known);
    }
    return known;
  }

  /** The routes of a connection manager; `httpPrefix`: 'http.PREFIX.'. Released like those that come by name. */
  use(config: ScopedRoutesConfig, httpPrefix: string): Holder<RouteTable> {
    const { name, place } = config;
    const set = this.#set(place.key);
    const statPrefix = `${httpPrefix}scoped_rds.${name}.`;
    const want = { type: SCOPE_TYPE, name: EVERYTHING, place, statPrefix };
    const counts = this.#stats.scope(statPrefix, SCOPED_STATS);
    const use = new ScopedUse(config, httpPrefix, this.#routes, counts);
    const isFirst = set.users.size === 0;
    set.users.add(use);
    use.holder.onEnd = () => {
      set.users.delete(use);
      if (set.users.size === 0) this.#sink.unwant(want);
      use.close();
      counts.release();
    };
    use.update(set.scopes);
    if (isFirst) this.#sink.want(want);
    if (set.isSettled) use.settle();
    return use.holder;
  }

  /** Takes the changes of one response on; says what cannot be. `isGood`: nothing of it was refused before. */
  take(placeKey: string, changes: readonly ScopeChange[], isGood: boolean): ScopeRefusal[] {
    const set = this.#set(placeKey);
    const refused: ScopeRefusal[] = [];
    set.scopes = set.accept(changes, refused);
    const counted = new Set<string>();
    for (const use of set.users) {
      use.update(set.scopes);
      const { counts, holder } = use;
      if (!isGood || refused.length > 0 || counted.has(holder.statPrefix)) continue;
      counted.add(holder.statPrefix);
      counts.inc(counts.i.config_reload);
      counts.set(counts.i.config_reload_time_ms, Math.floor(this.#wallMs()));
    }
    return refused;
  }

  /** The first answer has come, or was waited for long enough. */
  settle(placeKey: string): void {
    const set = this.#set(placeKey);
    if (set.isSettled) return;
    set.isSettled = true;
    for (const use of set.users) use.settle();
  }
}

/** One scope of one connection manager. */
class LiveScope {
  readonly scope: ScopeConfig;
  readonly slot: { current: RouteTable | null };
  /** Null: the scope has its own, or nobody needed them yet. */
  routes: Holder<RouteTable> | null = null;
  readonly #changed: () => void;
  readonly #follow = (): void => {
    if (this.routes === null || !this.routes.isSettled) return;
    this.slot.current = this.routes.current;
    this.#changed();
  };

  constructor(scope: ScopeConfig, before: RouteTable | null, changed: () => void) {
    this.scope = scope;
    this.slot = { current: scope.table ?? before };
    this.#changed = changed;
  }

  /** What served before serves until there is another. */
  load(routes: Holder<RouteTable>): void {
    this.routes = routes;
    if (routes.current !== null) this.slot.current = routes.current;
    routes.listen(this.#follow);
    routes.whenSettled(this.#follow);
  }

  close(all: Holders<RouteTable>): void {
    const { routes } = this;
    this.routes = null;
    if (routes === null) return;
    routes.unlisten(this.#follow);
    all.release(routes);
  }
}

/** The scopes of one connection manager. */
class ScopedUse implements OnDemandRoutes {
  /** Set once everything that is waited for is there. */
  readonly holder: Holder<RouteTable>;
  readonly counts: ScopeOf<typeof SCOPED_STATS>;
  readonly #config: ScopedRoutesConfig;
  readonly #httpPrefix: string;
  readonly #routes: Holders<RouteTable>;
  readonly #live = new Map<string, LiveScope>();
  readonly #byKey = new Map<string, Scope['routes']>();
  readonly #scopeByKey = new Map<string, LiveScope>();
  readonly #table: ScopedTable;
  #isPublished = false;

  constructor(
    config: ScopedRoutesConfig,
    httpPrefix: string,
    routes: Holders<RouteTable>,
    counts: ScopeOf<typeof SCOPED_STATS>,
  ) {
    this.#config = config;
    this.#httpPrefix = httpPrefix;
    this.#routes = routes;
    this.counts = counts;
    this.#table = new ScopedTable(config.name, config.fragments, this.#byKey, this);
    this.holder = new Holder(config.name, config.place, `${httpPrefix}scoped_rds.${config.name}.`);
    this.holder.users = 1;
  }

  /** From now on these are all scopes. */
  update(scopes: ReadonlyMap<string, ScopeConfig>): void {
    const ended: LiveScope[] = [];
    for (const [name, live] of this.#live) {
      if (scopes.get(name) === live.scope) continue;
      ended.push(live);
      const text = keyText(live.scope.key);
      this.#byKey.delete(text);
      this.#scopeByKey.delete(text);
      if (!scopes.has(name)) this.#live.delete(name);
    }
    for (const [name, scope] of scopes) {
      const before = this.#live.get(name);
      if (before?.scope === scope) continue;
      const live = new LiveScope(scope, scope.isOnDemand ? null : (before?.slot.current ?? null), this.#changed);
      const isNeeded = !scope.isOnDemand || (before?.routes?.name ?? '') === scope.routesName;
      if (scope.table === null && isNeeded) this.#load(live);
      this.#live.set(name, live);
      this.#byKey.set(keyText(scope.key), live.slot);
      this.#scopeByKey.set(keyText(scope.key), live);
    }
    // Only now: what others of them go on using is not asked for anew.
    for (const live of ended) live.close(this.#routes);
    this.#changed();
  }

  #load(live: LiveScope): void {
    const { routesName } = live.scope;
    const { routesPlace } = this.#config;
    live.load(this.#routes.use(routesName, routesPlace, `${this.#httpPrefix}rds.${routesName}.`));
  }

  readonly #changed = (): void => {
    const { counts } = this;
    const all = [...this.#live.values()];
    counts.set(counts.i.all_scopes, all.length);
    counts.set(counts.i.active_scopes, all.filter(({ routes }) => routes !== null).length);
    counts.set(counts.i.on_demand_scopes, all.filter(({ scope }) => scope.table === null && scope.isOnDemand).length);
    this.#table.changed();
    if (this.#isPublished) this.holder.set(this.#table);
  };

  /** All scopes there are at first are here: what they need is waited for. */
  settle(): void {
    const awaited = [...this.#live.values()].flatMap(({ routes }) => routes ?? []);
    whenAll(
      awaited,
      (routes, called) => routes.whenSettled(called),
      () => {
        this.#isPublished = true;
        this.holder.set(this.#table);
      },
    );
  }

  close(): void {
    for (const live of this.#live.values()) live.close(this.#routes);
    this.#live.clear();
  }

  /** Source: Envoy RdsRouteConfigUpdateRequester::requestSrdsUpdate. */
  ask(headers: Headers, told: (isThere: boolean) => void): (() => void) | null {
    const key = keyOf(headers, this.#config.fragments);
    const live = key === null ? undefined : this.#scopeByKey.get(key);
    if (live === undefined) return null;
    const { current } = live.slot;
    if (current !== null) return current.onDemand?.ask(headers, told) ?? null;
    if (live.routes === null) this.#load(live);
    const { routes } = live;
    // It is there now, or there is none.
    if (routes === null || routes.isSettled) return null;
    let cancel: (() => void) | null = null;
    let isOver = false;
    routes.whenSettled(() => {
      if (isOver) return;
      const table = live.slot.current;
      const isThere = table !== null && table.virtualHost(headers) !== null;
      cancel = isThere ? null : (table?.onDemand?.ask(headers, told) ?? null);
      if (cancel === null) told(isThere);
    });
    return () => {
      isOver = true;
      cancel?.();
    };
  }
}
