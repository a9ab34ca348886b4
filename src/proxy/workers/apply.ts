// Takes configuration updates on while traffic goes on: decodes in slices, then swaps one resource after another.
import { runInSlices } from '../../base/slices.ts';
import type { Core, Decoded } from '../core.ts';
import { extensionWarning, standInWarnings } from '../listener/stand-ins.ts';
import type { StandIn } from '../network/filter.ts';
import type { Worker } from '../worker.ts';
import type { Holders, Want } from '../xds/holders.ts';
import type { ConfigUpdate, ResourceUpdate, UpdateOutcome } from './contract.ts';
import { ADS_KEY } from '../xds/place.ts';
import {
  APPLIED_TYPES,
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  RUNTIME_TYPE,
  SCOPE_TYPE,
  SECRET_TYPE,
  VIRTUAL_HOST_TYPE,
} from '../xds/types.ts';
import type { HostChange } from '../xds/virtual-hosts.ts';
import type { ScopeChange } from '../xds/scope-sets.ts';
import { countReload } from './reload-stats.ts';
import { bugRefusal, type Resource, ResourceDecoder, typeName } from './resource-decoder.ts';

/** What waits for whoever uses it by name. */
const HELD_TYPES: ReadonlySet<string> = new Set([SECRET_TYPE, ENDPOINTS_TYPE, EXTENSION_TYPE, ROUTE_TYPE]);

type Change = { readonly update: ResourceUpdate; readonly generation: number };
type Ready = Change & { readonly resource: Resource };
type Refused = UpdateOutcome['refused'][number];
type Job = { readonly changes: readonly Change[]; readonly done: (refused: readonly Refused[]) => void };

/** Of a type that does not matter. */
type AnyHolders = Pick<Holders<unknown>, 'timedOut'> & {
  set(name: string, placeKey: string, value: null): boolean;
  find(name: string, placeKey: string): { readonly current: unknown; refusal(value: never): string | null } | null;
};

export class ConfigApplier {
  readonly #worker: Worker;
  readonly #core: Core;
  readonly #decoded: Decoded;
  readonly #decoder: ResourceDecoder;
  /** What serves now, by type and name. */
  readonly #current = new Map<string, Uint8Array>();
  readonly #waiting: Job[] = [];
  #isRunning = false;

  constructor(worker: Worker, core: Core, decoded: Decoded) {
    this.#worker = worker;
    this.#core = core;
    this.#decoded = decoded;
    this.#decoder = new ResourceDecoder(decoded);
    const { virtualHosts, routeFeeds } = decoded.holders;
    virtualHosts.decode = (open, resource) => this.#decoder.decodeHost(open, resource);
    routeFeeds.onReload = (statPrefix) => countReload(core, statPrefix);
  }

  /** Updates are taken one after another; `done` is called when all that can serve does. */
  apply({ generation, resources }: ConfigUpdate, done: (outcome: UpdateOutcome) => void): void {
    const changes = resources.map((update) => ({ update, generation }));
    this.#enqueue({ changes, done: (refused) => done({ generation, refused }) });
  }

  /** Takes all that happened so far at once, so that nothing serves before what it refers to. */
  applyAll(updates: readonly ConfigUpdate[], done: () => void): void {
    const latest = new Map<string, Change>();
    for (const { generation, resources } of updates) {
      for (const update of resources) latest.set(keyOf(update), { update, generation });
    }
    this.#enqueue({ changes: [...latest.values()], done });
  }

  #enqueue(job: Job): void {
    this.#waiting.push(job);
    if (!this.#isRunning) this.#next();
  }

  #next(): void {
    const job = this.#waiting.shift();
    this.#isRunning = job !== undefined;
    if (job === undefined) return;
    const refused: Refused[] = [];
    runInSlices(this.#core, this.#work(job.changes, refused), () => {
      job.done(refused);
      this.#next();
    });
  }

  /** All of an update, a small step at a time. */
  *#work(all: readonly Change[], refused: Refused[]): Generator<void> {
    const ready: Ready[] = [];
    const ofHosts = all.filter(({ update }) => typeName(update.typeUrl) === VIRTUAL_HOST_TYPE);
    const changes = ofHosts.length === 0 ? all : all.filter((change) => !ofHosts.includes(change));
    for (const { update, generation } of inOrder(changes.filter((change) => change.update.bytes !== null))) {
      if (this.#isServing(update)) continue;
      const resource = this.#decoder.refusal(update) ?? (yield* this.#decoder.decode(update, generation));
      if (typeof resource === 'string') refused.push(this.#refuse(update, resource));
      else ready.push({ update, generation, resource });
      yield;
    }
    this.#takeScopes(changes, ready, refused);
    for (const { update, generation, resource } of ready) {
      if (resource.kind === 'scope') continue;
      const problem = this.#swap(update, resource, generation);
      if (problem === null) this.#current.set(keyOf(update), update.bytes as Uint8Array);
      else refused.push(this.#refuse(update, problem));
      yield;
    }
    this.#decoder.pendingClusters.clear();
    const changesClusters = this.#changesClusters(changes, ready);
    for (const { update } of inOrder(changes.filter((change) => change.update.bytes === null)).reverse()) {
      const refusal = this.#decoder.refusal(update);
      const problem = refusal ?? this.#remove(update);
      if (problem !== null) refused.push(refusalOf(update, problem));
      yield;
    }
    if (ofHosts.length > 0) yield* this.#takeHosts(ofHosts, refused);
    if (changes.some(({ update }) => typeName(update.typeUrl) === EXTENSION_TYPE)) {
      this.#worker.listeners.countStandIns();
    }
    if (changesClusters) countReload(this.#core, 'cluster_manager.cds.');
  }

  /** Whether the clusters that come by themselves change; others come on demand, from places of their own. */
  #changesClusters(changes: readonly Change[], ready: readonly Ready[]): boolean {
    const { clusters: all } = this.#decoded.config.dynamic;
    const isOfAll = ({ place = ADS_KEY }: ResourceUpdate): boolean => all?.key === place;
    return (
      ready.some(({ resource, update }) => resource.kind === 'cluster' && isOfAll(update)) ||
      changes.some(
        ({ update }) => isRemovedCluster(update) && isOfAll(update) && this.#worker.clusters.knows(update.name),
      )
    );
  }

  /** Whether nothing changes. Who has come to use it since then has nothing yet. */
  #isServing(update: ResourceUpdate): boolean {
    if (!isSame(this.#current.get(keyOf(update)), update.bytes)) return false;
    const { typeUrl, name, place = ADS_KEY } = update;
    const type = typeName(typeUrl);
    if (!HELD_TYPES.has(type)) return true;
    return this.#holdersOf(type).some((named) => (named.find(name, place)?.current ?? null) !== null);
  }

  /** Nobody uses it any more. */
  forget(want: Want): void {
    this.#current.delete(keyOfWant(want));
  }

  /** From now on it serves; says why it cannot, or null. */
  #swap(update: ResourceUpdate, resource: Resource, generation: number): string | null {
    try {
      return this.#install(update, resource, generation);
    } catch (bug) {
      return bugRefusal(this.#core.clock, bug);
    }
  }

  #install({ name, place = ADS_KEY }: ResourceUpdate, resource: Resource, generation: number): string | null {
    const { holders, transports } = this.#decoded;
    switch (resource.kind) {
      case 'cluster':
        this.#worker.clusters.set(resource.config, generation);
        return null;
      case 'endpoints':
        holders.endpoints.set(name, place, resource.endpoints);
        return null;
      case 'routes':
        return holders.routeFeeds.set(name, place, resource.table, resource.hosts);
      case 'secret': {
        const holder = holders.secrets.find(name, place);
        const refusal = holder?.refusal(resource.secret) ?? null;
        // One user's mistake must not keep the others from what they can use.
        if (refusal === null || holder?.fitsSome(resource.secret)) holders.secrets.set(name, place, resource.secret);
        return refusal;
      }
      case 'extension': {
        const { factory, config } = resource.extension;
        const effect = factory.standsIn?.(config as never);
        const standIns = effect === undefined ? [] : [{ name: factory.name, effect }];
        return this.#setExtension(holders.extensions, name, place, resource.extension, standIns);
      }
      case 'network-extension': {
        const { factory, config } = resource.extension;
        const standIns = factory.standIns?.(config as never) ?? [];
        return this.#setExtension(holders.networkExtensions, name, place, resource.extension, standIns);
      }
      case 'listener-extension':
        return this.#setExtension(holders.listenerExtensions, name, place, resource.extension, []);
      case 'runtime':
        this.#core.runtime.setLayer(name, resource.values);
        return null;
      case 'scope':
        // Taken on with the others of its response.
        return null;
      default: {
        const outcome = this.#worker.listeners.set(resource.config);
        if (typeof outcome !== 'object') for (const text of standInWarnings(resource.config)) transports.warn(text);
        return typeof outcome === 'object' ? outcome.error : null;
      }
    }
  }

  /** Whoever expects a filter of another kind under that name says so. */
  #setExtension<T>(
    own: Holders<T>,
    name: string,
    place: string,
    extension: T,
    standIns: readonly StandIn[],
  ): string | null {
    for (const named of this.#holdersOf(EXTENSION_TYPE)) {
      const refusal = named.find(name, place)?.refusal(extension as never) ?? null;
      if (refusal !== null) return refusal;
    }
    for (const standIn of standIns) this.#decoded.transports.warn(extensionWarning(name, standIn));
    own.set(name, place, extension);
    return null;
  }

  /** Who waits for the first answer has one: it goes on without. Source: Envoy's onConfigUpdateFailed. */
  #refuse(update: ResourceUpdate, reason: string): Refused {
    const type = typeName(update.typeUrl);
    if (!HELD_TYPES.has(type)) return refusalOf(update, reason);
    for (const named of this.#holdersOf(type)) named.timedOut(update.name, update.place ?? ADS_KEY);
    return refusalOf(update, reason);
  }

  #remove(update: ResourceUpdate): string | null {
    try {
      this.#drop(update);
      return null;
    } catch (bug) {
      return bugRefusal(this.#core.clock, bug);
    }
  }

  #drop(update: ResourceUpdate): void {
    const { typeUrl, name, place = ADS_KEY, isTimeout = false } = update;
    const type = typeName(typeUrl);
    if (type === CLUSTER_TYPE) this.#dropCluster(name, place, isTimeout);
    else if (type === LISTENER_TYPE) this.#worker.listeners.remove(name);
    else if (type === RUNTIME_TYPE) {
      if (!isTimeout) this.#core.runtime.setLayer(name, {});
    } else if (type === SCOPE_TYPE) {
      if (isTimeout) this.#decoded.holders.scopes.settle(place);
    } else if (type === ROUTE_TYPE && !isTimeout) this.#decoded.holders.routeFeeds.remove(name, place);
    else {
      for (const named of this.#holdersOf(type)) {
        // Source: Envoy SdsApi, which ignores removals.
        if (isTimeout || type === SECRET_TYPE) named.timedOut(name, place);
        else named.set(name, place, null);
      }
    }
    if (!isTimeout) this.#current.delete(keyOf(update));
  }

  #dropCluster(name: string, place: string, isTimeout: boolean): void {
    const { onDemandClusters } = this.#decoded;
    if (isTimeout) {
      onDemandClusters.fetchTimedOut(name, place);
      return;
    }
    this.#worker.clusters.remove(name);
    onDemandClusters.missing(name);
  }

  /** Scopes of one response are taken on together: a key may go from one to another. */
  #takeScopes(all: readonly Change[], ready: readonly Ready[], refused: Refused[]): void {
    const changes = all.filter(({ update }) => typeName(update.typeUrl) === SCOPE_TYPE && update.isTimeout !== true);
    const decoded = new Map(ready.map(({ update, resource }) => [update, resource]));
    for (const [place, own] of Map.groupBy(changes, ({ update }) => update.place ?? ADS_KEY)) {
      const taken: ScopeChange[] = [];
      for (const { update } of own) {
        const resource = decoded.get(update);
        if (update.bytes === null) taken.push({ name: update.name, scope: null });
        else if (resource?.kind === 'scope') taken.push({ name: update.name, scope: resource.scope });
      }
      const isGood = refused.every(({ typeUrl }) => typeName(typeUrl) !== SCOPE_TYPE);
      const problems = this.#decoded.holders.scopes.take(place, taken, isGood);
      for (const { update } of own) {
        const problem = problems.find(({ name }) => name === update.name);
        if (problem !== undefined) refused.push(refusalOf(update, problem.reason));
        else if (decoded.has(update)) this.#current.set(keyOf(update), update.bytes as Uint8Array);
      }
    }
  }

  *#takeHosts(changes: readonly Change[], refused: Refused[]): Generator<void> {
    const { virtualHosts } = this.#decoded.holders;
    for (const [place, own] of Map.groupBy(changes, ({ update }) => update.place ?? ADS_KEY)) {
      const taken: HostChange[] = [];
      for (const { update, generation } of own) {
        const { name, bytes, aliases = [], isAbsent = false, isTimeout = false } = update;
        if (!isTimeout) taken.push({ name, bytes, generation, aliases, isAbsent });
      }
      const problems: { readonly name: string; readonly reason: string }[] = [];
      yield* virtualHosts.take(place, taken, problems);
      for (const { name, reason } of problems) refused.push({ typeUrl: VIRTUAL_HOST_TYPE, name, reason });
      for (const { update } of own) if (update.isTimeout === true) virtualHosts.settle(place, update.name);
    }
  }

  #holdersOf(type: string): readonly AnyHolders[] {
    const { endpoints, routes, secrets, extensions, networkExtensions, listenerExtensions } = this.#decoded.holders;
    if (type === ENDPOINTS_TYPE) return [endpoints];
    if (type === EXTENSION_TYPE) return [extensions, networkExtensions, listenerExtensions];
    return type === ROUTE_TYPE ? [routes] : [secrets];
  }
}

export function keyOf({ typeUrl, name, place = '' }: ResourceUpdate): string {
  return `${typeUrl} ${place} ${name}`;
}

/** The key of what is asked for. */
export function keyOfWant({ type, name, place }: Want): string {
  return keyOf({ typeUrl: type, name, bytes: null, ...(place.key === ADS_KEY ? {} : { place: place.key }) });
}

/** Whether the bytes are those that serve already. */
export function isSame(a: Uint8Array | undefined, b: Uint8Array | null): boolean {
  return a !== undefined && b !== null && (a === b || Buffer.compare(a, b) === 0);
}

function refusalOf({ typeUrl, name }: ResourceUpdate, reason: string): Refused {
  return { typeUrl, name, reason };
}

function isRemovedCluster({ typeUrl, bytes, isTimeout = false }: ResourceUpdate): boolean {
  return bytes === null && !isTimeout && typeName(typeUrl) === CLUSTER_TYPE;
}

function inOrder(changes: readonly Change[]): Change[] {
  const rank = ({ update }: Change): number => APPLIED_TYPES.indexOf(typeName(update.typeUrl));
  return [...changes].sort((a, b) => rank(a) - rank(b));
}
