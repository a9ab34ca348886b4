// Brings what a control plane sends to the workers: subscribes to what is wanted, and answers with what was refused.
import type { Clock } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { whenAll } from '../../base/when-all.ts';
import type {
  UpdateCounts,
  XdsListener,
  XdsRefusal,
  XdsResource,
  XdsResponse,
  XdsSource,
  XdsSubscription,
} from '../../xds/client/types.ts';
import type { DynamicConfig } from '../config/bootstrap.ts';
import type { ConfigUpdate, FirstComing, ResourceUpdate, UpdateOutcome } from '../workers/contract.ts';
import type { Want, WantSink } from './holders.ts';
import { isWhole } from '../../xds/client/services.ts';
import { ADS_KEY, ADS_PLACE, type ConfigPlace } from './place.ts';
import type { ConfigRecord } from './config-record.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, RUNTIME_TYPE, SCOPE_TYPE, VIRTUAL_HOST_TYPE } from './types.ts';

/** The workers, as the controller needs them. */
export type ControlledCrew = {
  update(update: ConfigUpdate, done: (outcome: UpdateOutcome) => void): void;
  attachWants(sink: WantSink): void;
  firstCame(kind: FirstComing): void;
  whenClustersReady(ready: () => void): void;
};

export type ControllerContext = {
  readonly clock: Clock;
  readonly crew: ControlledCrew;
  readonly dynamic: DynamicConfig;
  /** Layers of runtime values that come from elsewhere: everything else waits for their first answers, as in Envoy. */
  readonly runtimeLayers: readonly { readonly name: string; readonly place: ConfigPlace }[];
  /** Types that are asked for whole and only kept: for others of this process. */
  readonly keptTypes: readonly string[];
  /** One of them has come; `done` says why it is refused, or null. */
  readonly tookKept: (type: string, bytes: Uint8Array, done: (refusal: string | null) => void) => void;
  /** What has come, for the admin interface. */
  readonly record: ConfigRecord;
  /** Runtime values have come; null: they are gone. */
  readonly tookRuntime: (name: string, bytes: Uint8Array | null) => void;
  /** Opens a source; asked once for each place that is used. */
  readonly openSource: (place: ConfigPlace) => XdsSource;
  /** Statistics of a question, under 'cluster_manager.cds.', 'cluster.NAME.', … */
  readonly countsFor: (statPrefix: string, place: ConfigPlace) => UpdateCounts;
  /** For the operator. */
  readonly warn: (text: string) => void;
};

const PREFIXES: Readonly<Record<string, string>> = {
  [CLUSTER_TYPE]: 'cluster_manager.cds.',
  [LISTENER_TYPE]: 'listener_manager.lds.',
};

/** Resources of one response of which the log says why they were refused. */
const MAX_REFUSED_LINES = 100;

/** A space of names that came up after the first answer may be empty: nothing will come that says so. */
const EMPTY_SPACE_WAIT_MS = 1000;

/** All names, for a subscription of everything there is. */
const EVERYTHING = '*';

export class XdsController implements WantSink {
  readonly #context: ControllerContext;
  readonly #sources = new Map<string, XdsSource>();
  readonly #subscriptions = new Map<string, TypeSubscription>();
  /** Clusters on demand: by place, what was asked for, and its counts where all questions are one subscription. */
  readonly #onDemand = new Map<string, { readonly counts: UpdateCounts | null; readonly names: Set<string> }>();
  /** Of updates: each changes the version of what it brings. */
  #generation = 0;
  #isClosed = false;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Clusters first; listeners once those have their hosts. Source: Envoy's order of initialisation. */
  start(): void {
    const { runtimeLayers } = this.#context;
    for (const { name, place } of runtimeLayers) this.want({ type: RUNTIME_TYPE, name, place, statPrefix: 'runtime.' });
    const places = new Set(runtimeLayers.map(({ place }) => keyOf(RUNTIME_TYPE, place)));
    whenAll(
      places,
      (key, came) => this.#subscriptions.get(key)?.whenFirst(came),
      () => this.#startResources(),
    );
  }

  #startResources(): void {
    const { crew, dynamic, keptTypes } = this.#context;
    const { clusters, listeners } = dynamic;
    crew.firstCame('runtime');
    for (const type of keptTypes) this.#subscribeToAll(type, ADS_PLACE, () => {});
    if (clusters !== null) this.#subscribeToAll(CLUSTER_TYPE, clusters, () => crew.firstCame('clusters'));
    crew.attachWants(this);
    if (listeners === null) return;
    crew.whenClustersReady(() => {
      this.#subscribeToAll(LISTENER_TYPE, listeners, () => crew.firstCame('listeners'));
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
    this.#subscriptions.clear();
  }

  #subscribeToAll(type: string, place: ConfigPlace, firstCame: () => void): void {
    const prefix = PREFIXES[type] ?? `xds.${type}.`;
    this.#open(type, place, this.#context.countsFor(prefix, place)).whenFirst(firstCame);
  }

  want({ type, name, place, statPrefix }: Want): void {
    if (type === CLUSTER_TYPE && !this.#isNewCluster(name, place, statPrefix)) return;
    if (type !== CLUSTER_TYPE) this.record.wanted(type, name);
    if (type === SCOPE_TYPE) this.record.label(type, place.key, scopesName(statPrefix));
    const subscription = this.#subscriptions.get(keyOf(type, place)) ?? this.#open(type, place, null);
    // A host that is asked for is counted with the others of its route configuration.
    const isCounted = type !== VIRTUAL_HOST_TYPE || isWhole(type, name);
    const counts = isCounted ? this.#context.countsFor(statPrefix, place) : null;
    subscription.add(name, counts, place.initialFetchTimeoutMs);
  }

  /** Of clusters on demand: a server is told once of each; '' only says that there may be some to count. */
  #isNewCluster(name: string, place: ConfigPlace, statPrefix: string): boolean {
    const known = this.#onDemand.get(place.key);
    if (known === undefined) {
      const counts = place.key === ADS_KEY ? null : this.#context.countsFor(statPrefix, place);
      this.#onDemand.set(place.key, { counts, names: new Set([name]) });
      return name !== '';
    }
    const isNew = name !== '' && !known.names.has(name);
    known.names.add(name);
    // Source: Envoy GrpcSubscriptionImpl::requestOnDemandUpdate, which counts what the server knows already, too.
    if (!isNew && name !== '') known.counts?.attempted();
    return isNew;
  }

  unwant({ type, name, place }: Want): void {
    if (type === CLUSTER_TYPE) this.#onDemand.get(place.key)?.names.delete(name);
    else this.record.unwanted(type, place.key, name);
    this.#subscriptions.get(keyOf(type, place))?.remove(name);
  }

  /** `counts`: of a subscription of everything there is; null: names are added to it. */
  #open(type: string, place: ConfigPlace, counts: UpdateCounts | null): TypeSubscription {
    const source = this.#sources.get(place.key) ?? this.#context.openSource(place);
    this.#sources.set(place.key, source);
    const opened = new TypeSubscription(type, place, this);
    this.#subscriptions.set(keyOf(type, place), opened);
    opened.start(source.subscribe(type, counts !== null, place.initialFetchTimeoutMs, opened, counts));
    return opened;
  }

  /** For subscriptions. */
  update(resources: readonly ResourceUpdate[], done: (refused: readonly XdsRefusal[]) => void): void {
    if (resources.length === 0) {
      done([]);
      return;
    }
    if (this.#context.keptTypes.includes(resources[0]?.typeUrl ?? '')) {
      this.#keep(resources, done);
      return;
    }
    this.#context.crew.update({ generation: ++this.#generation, resources }, ({ refused }) => {
      this.#tellOfRuntime(resources, refused);
      const lines = refused.slice(0, MAX_REFUSED_LINES);
      for (const { typeUrl, name, reason } of lines) this.warn(`${typeUrl} ${JSON.stringify(name)}: ${reason}`);
      if (refused.length > lines.length) this.warn(`and ${refused.length - lines.length} more resources`);
      done(refused);
    });
  }

  /** What is gone stays with who has it: names and addresses of yesterday are better than none. */
  #keep(resources: readonly ResourceUpdate[], done: (refused: readonly XdsRefusal[]) => void): void {
    const refused: XdsRefusal[] = [];
    whenAll(
      resources,
      ({ typeUrl, name, bytes }, came) => {
        if (bytes === null) came();
        else {
          this.#context.tookKept(typeUrl, bytes, (reason) => {
            if (reason !== null) refused.push({ name, reason });
            came();
          });
        }
      },
      () => done(refused),
    );
  }

  #tellOfRuntime(resources: readonly ResourceUpdate[], refused: readonly XdsRefusal[]): void {
    for (const { typeUrl, name, bytes, isTimeout = false } of resources) {
      if (typeUrl !== RUNTIME_TYPE || isTimeout || refused.some((one) => one.name === name)) continue;
      this.#context.tookRuntime(name, bytes);
    }
  }

  /** What the type's version is after a response. That of clusters is the one of all there are, as in Envoy. */
  versionFor(type: string, place: ConfigPlace, version: string): string {
    const isOnDemand = type === CLUSTER_TYPE && place.key !== this.#context.dynamic.clusters?.key;
    return isOnDemand ? this.record.versionOf(type) : version;
  }

  get record(): ConfigRecord {
    return this.#context.record;
  }

  after(ms: number, call: () => void): void {
    this.#context.clock.timer(() => this.#isClosed || call(), undefined).arm(ms);
  }

  warn(text: string): void {
    this.#context.warn(text);
  }
}

/** What one place says of one type. */
class TypeSubscription implements XdsListener {
  readonly #type: string;
  readonly #place: ConfigPlace;
  readonly #controller: XdsController;
  #subscription: XdsSubscription | null = null;
  /** Of subscriptions of everything: what is there now. */
  readonly #known = new Set<string>();
  /** Names that stand for many, whose users wait for the first answer. */
  readonly #wholes = new Set<string>();
  #onFirst: (() => void) | null = null;
  #hasFirst = false;
  /** A response is here, perhaps not taken yet. */
  #hasAnswer = false;

  constructor(type: string, place: ConfigPlace, controller: XdsController) {
    this.#type = type;
    this.#place = place;
    this.#controller = controller;
  }

  start(subscription: XdsSubscription): void {
    this.#subscription = subscription;
  }

  whenFirst(came: () => void): void {
    if (this.#hasFirst) came();
    else this.#onFirst = came;
  }

  add(name: string, counts: UpdateCounts | null, initialFetchTimeoutMs: number): void {
    this.#subscription?.add(name, counts, initialFetchTimeoutMs);
    if (!isWhole(this.#type, name)) return;
    const isKnown = name === EVERYTHING || [...this.#known].some((known) => known.startsWith(name));
    if (this.#hasFirst && isKnown) {
      this.#controller.update([this.#waitIsOver(name)], () => {});
      return;
    }
    this.#wholes.add(name);
    if (this.#hasAnswer) this.#limitWait(name);
  }

  /** Everything was asked for at once, so a space may already have had its answer, without a word of it. */
  #limitWait(name: string): void {
    this.#controller.after(EMPTY_SPACE_WAIT_MS, () => {
      if (this.#wholes.delete(name)) this.#controller.update([this.#waitIsOver(name)], () => {});
    });
  }

  /** Whose wait a response ends: of those it brings something for, and of all when it says that there is nothing. */
  #answered({ resources }: XdsResponse): readonly string[] {
    const over = [...this.#wholes].filter(
      (whole) => whole === EVERYTHING || resources.length === 0 || resources.some(({ name }) => name.startsWith(whole)),
    );
    for (const name of over) this.#wholes.delete(name);
    if (!this.#hasAnswer) for (const name of this.#wholes) this.#limitWait(name);
    this.#hasAnswer = true;
    return over;
  }

  remove(name: string): void {
    this.#known.delete(name);
    this.#wholes.delete(name);
    this.#subscription?.remove(name);
  }

  onResponse(response: XdsResponse, done: (refused: readonly XdsRefusal[]) => void): void {
    const refused: XdsRefusal[] = [];
    const updates: ResourceUpdate[] = [];
    const names = new Set<string>();
    for (const resource of response.resources) {
      const { name, type } = resource;
      if (names.has(name)) refused.push({ name, reason: `duplicate ${this.#type} ${name} found` });
      else if (type !== this.#type) refused.push({ name, reason: `is a ${type}, not a ${this.#type}` });
      else updates.push(this.#updateTo(resource));
      names.add(name);
    }
    const gone = response.isComplete ? [...this.#known].filter((name) => !names.has(name)) : response.removed;
    for (const name of gone) updates.push(this.#hasAliases ? this.#hostUpdate(name, null) : this.#updateOf(name, null));
    for (const name of this.#answered(response)) updates.push(this.#waitIsOver(name));
    this.#controller.update(updates, (more) => {
      for (const name of names) this.#known.add(name);
      for (const name of gone) this.#known.delete(name);
      const all = [...refused, ...more];
      const resources = response.resources.filter(({ bytes }) => !this.#hasAliases || bytes.length > 0);
      this.#takeFormer(response.resources, more, (ofFormer) => {
        const told = { version: this.#controller.versionFor(this.#type, this.#place, response.version), resources };
        this.#controller.record.took(this.#type, this.#place.key, told, gone, all, response.broken);
        done([...all, ...ofFormer]);
        this.#first();
      });
    });
  }

  /** What came just before that which was refused serves in its place. */
  #takeFormer(
    newest: readonly XdsResource[],
    refused: readonly XdsRefusal[],
    done: (refused: readonly XdsRefusal[]) => void,
  ): void {
    const names = new Set(refused.map(({ name }) => name));
    const resources: XdsResource[] = [];
    for (const { name, former: [last, ...others] = [] } of newest) {
      if (last !== undefined && names.has(name)) resources.push({ ...last, former: others });
    }
    if (resources.length === 0) {
      done([]);
      return;
    }
    const updates = resources.map((resource) => this.#updateTo(resource));
    this.#controller.update(updates, (more) => {
      const version = resources[0]?.version ?? '';
      this.#controller.record.took(this.#type, this.#place.key, { version, resources }, [], more);
      this.#takeFormer(resources, more, (others) => done([...more, ...others]));
    });
  }

  #updateTo({ name, bytes, aliases }: XdsResource): ResourceUpdate {
    return this.#hasAliases ? this.#hostUpdate(name, bytes, aliases) : this.#updateOf(name, bytes);
  }

  #updateOf(name: string, bytes: Uint8Array | null): ResourceUpdate {
    const { key } = this.#place;
    return { typeUrl: this.#type, name, bytes, ...(key === ADS_KEY ? {} : { place: key }) };
  }

  get #hasAliases(): boolean {
    return this.#type === VIRTUAL_HOST_TYPE;
  }

  #hostUpdate(name: string, bytes: Uint8Array | null, more: readonly string[] = []): ResourceUpdate {
    const aliases = [name, ...more];
    // What the server could not find comes without content.
    const isAbsent = bytes?.length === 0;
    return { ...this.#updateOf(name, isAbsent ? null : bytes), aliases, isAbsent };
  }

  #waitIsOver(name: string): ResourceUpdate {
    return { ...this.#updateOf(name, null), isTimeout: true };
  }

  #first(): void {
    this.#hasFirst = true;
    const told = this.#onFirst;
    this.#onFirst = null;
    told?.();
  }

  onFetchTimeout(names: readonly string[]): void {
    const named = names.filter((name) => name !== EVERYTHING || this.#wholes.has(name));
    for (const name of named) this.#wholes.delete(name);
    const updates = named.map((name) => this.#waitIsOver(name));
    this.#controller.update(updates, () => this.#first());
  }

  onConnection(failure: Failure | null): void {
    this.#controller.record.connection(this.#type, this.#place.key, failure === null);
    if (failure !== null) this.#controller.warn(`${this.#type}: ${failure.detail}`);
  }
}

/** 'http.PREFIX.scoped_rds.NAME.' */
function scopesName(statPrefix: string): string {
  const mark = '.scoped_rds.';
  return statPrefix.slice(statPrefix.lastIndexOf(mark) + mark.length, -1);
}

function keyOf(type: string, place: ConfigPlace): string {
  return `${type} ${place.key}`;
}
