// The crew of a proxy with several workers: threads that are started, fed, asked, and replaced when they die.
import { allocateSharedMemory, SharedMemory } from '../../base/shared-memory.ts';
import { allocateRecords, type RecordBuffers, SharedRecords } from '../../base/shared-records.ts';
import type { Clock } from '../../base/clock.ts';
import { closeDescriptor } from '../../net/native.ts';
import type { Bootstrap } from '../../proto/generated/types.d.ts';
import { MergedStats, WorkerStats } from '../../telemetry/merged-stats.ts';
import type { Logger, LogRegistry } from '../../telemetry/log.ts';
import type { StatFilter } from '../../telemetry/metrics.ts';
import { recordBytes } from '../cluster/outlier/layout.ts';
import type { Core, Decoded } from '../core.ts';
import { DOWNSTREAM_CONNECTIONS } from '../listener/listener.ts';
import type { ListenerConfig } from '../listener/listener-config.ts';
import type { ProxyOptions } from '../options.ts';
import type { RuntimeChanges } from '../runtime.ts';
import type { RuntimeEntry } from '../runtime-values.ts';
import { CREW_STATS, type CrewScope } from '../server-stats.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { Want, WantSink } from '../xds/holders.ts';
import { ADS_KEY } from '../xds/place.ts';
import { type LoadAnswer, LoadBook, type LoadQuestion } from '../xds/load-report/loads.ts';
import { SharedWants } from '../xds/shared-wants.ts';
import { balanceName } from './balancer.ts';
import { encodeBootstrap } from './bootstrap-bytes.ts';
import type { ConfigUpdate, FirstComing, ResourceUpdate, UpdateOutcome } from './contract.ts';
import { CrewTaps } from './crew-taps.ts';
import type { TapAnswer, TapAttachment, TookTrace } from './taps.ts';
import { type ClusterStatus, type Crew, type ListenerStatus, mergeClusters } from './crew.ts';
import { Inquiries, type Inquiry, type ThreadAnswer } from './inquiry.ts';
import { closeGrants, KeptSockets } from './kept-sockets.ts';
import type { FromWorker, HandOver, PostedWant, ToWorker, WorkerStart } from './messages.ts';
import { Questions } from './questions.ts';
import { ENDPOINTS_TYPE, LISTENER_TYPE, SECRET_TYPE } from '../xds/types.ts';
import { typeName } from './resource-decoder.ts';
import { type CheckedUpdate, Resources } from './resources.ts';
import { Seat, type SeatOwner } from './seat.ts';

/** How long the end of the workers is waited for. */
const END_MS = 5_000;
/** Changes of log levels that a later worker is told of. */
const MAX_LOG_LEVELS = 64;
/** Of inquiries: profiles are big, and a module is loaded first. */
const INQUIRY_MS = 10_000;
/** How long workers may take over an update before it counts as done without them. */
const UPDATE_MS = 60_000;

export type CrewSettings = {
  readonly logs: LogRegistry;
  readonly options: ProxyOptions;
  readonly variables: WorkerStart['variables'];
  readonly version: string;
  readonly bootstrap: Bootstrap;
  readonly decoded: Decoded;
  /** stats_matcher. */
  readonly filter: StatFilter | null;
};

/** Starts all workers; resolves once every one of them serves, or says why one cannot: then none is left. */
export async function startThreadCrew(core: Core, settings: CrewSettings): Promise<ThreadCrew | { error: string }> {
  const crew = new ThreadCrew(core, settings);
  const problem = await new Promise<string | null>((resolve) => crew.start(resolve));
  if (problem === null) return crew;
  await new Promise<void>((resolve) => crew.end(resolve));
  return { error: problem };
}

export class ThreadCrew implements Crew, SeatOwner {
  readonly clock: Clock;
  readonly stats: MergedStats;
  readonly #settings: CrewSettings;
  readonly #core: Core;
  readonly #log: Logger;
  readonly #buffer: SharedArrayBuffer;
  readonly #shared: SharedMemory;
  readonly #recordBuffers: RecordBuffers;
  readonly #records: SharedRecords;
  readonly #sockets: KeptSockets;
  readonly #seats: readonly Seat[];
  readonly #bootstrap: Uint8Array;
  readonly #scope: CrewScope;
  readonly #questions: Questions;
  readonly #resources: Resources;
  /** What workers refuse of the update under way. */
  #refused: UpdateOutcome['refused'][number][] = [];
  readonly #waitingUpdates: (() => void)[] = [];
  #isUpdating = false;
  /** What threads that start now would miss. */
  #updating: ConfigUpdate | null = null;
  /** Parts of answers to `clusters`. */
  readonly #clusters = new Map<number, ClusterStatus[][]>();
  /** Of loads: the last question, who hears the answers, and what the supervisor's own clusters have told. */
  #loadsId = 0;
  #tookLoads: (answer: LoadAnswer, isLate: boolean) => void = () => {};
  #loadBook: LoadBook | null = null;
  /** Made with the first inquiry; what workers answered to those under way. */
  #inquiries: Inquiries | null = null;
  readonly #answers = new Map<number, ThreadAnswer[]>();
  readonly #taps: CrewTaps;
  readonly #logLevels: string[] = [];
  #listeners: readonly ListenerStatus[] = [];
  readonly #wants = new SharedWants();
  readonly #came: FirstComing[] = [];
  /** Seats whose clusters have been ready once, and who waits for all. */
  readonly #ready = new Set<number>();
  #onReady: (() => void)[] = [];
  /** Seats whose worker has let connections in once. */
  readonly #initialized = new Set<number>();
  #nextHandOver = 1;
  #isDraining = false;
  #isHealthCheckFailed = false;
  #isStopped = false;
  #onStarted: ((problem: string | null) => void) | null = null;

  constructor(core: Core, settings: CrewSettings) {
    const { concurrency } = settings.options;
    this.#core = core;
    this.clock = core.clock;
    this.#settings = settings;
    this.#log = settings.logs.logger('main');
    this.#buffer = allocateSharedMemory(concurrency + 1);
    this.#shared = new SharedMemory(this.#buffer, 0, concurrency + 1);
    const bytes = recordBytes(concurrency);
    this.#recordBuffers = allocateRecords(concurrency + 1, bytes);
    this.#records = new SharedRecords(this.#recordBuffers, 0, concurrency + 1, bytes);
    this.#sockets = new KeptSockets(concurrency);
    this.#bootstrap = encodeBootstrap(settings.bootstrap);
    this.stats = new MergedStats(core.stats, settings.filter);
    this.#scope = core.stats.scope('heddle.', CREW_STATS);
    this.#questions = new Questions(core.clock);
    this.#resources = new Resources(core, settings.decoded);
    this.#seats = Array.from({ length: concurrency }, (_, index) => new Seat(index, this));
    this.#taps = new CrewTaps(this.#questions, this.#seats);
  }

  // ─── Life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Binds all addresses and starts the threads; `started` is called once, with what went wrong or null. */
  start(started: (problem: string | null) => void): void {
    for (const listener of this.#resources.listeners) {
      const problem = this.#sockets.bind(listener) ?? this.#probeDatagrams(listener);
      if (problem === null) continue;
      started(`listener ${JSON.stringify(listener.name)}: ${problem}`);
      return;
    }
    this.#onStarted = started;
    for (const seat of this.#seats) seat.start();
  }

  /** Workers bind UDP sockets with SO_REUSEPORT, each its own: whether the port is free shows without it. */
  #probeDatagrams({ udp, addresses, bindToPort }: ListenerConfig): string | null {
    if (udp === null || !bindToPort) return null;
    for (const { address, ipv4Compat, socketOptions } of addresses) {
      const quiet = { onDatagram: () => undefined, onError: () => undefined };
      const probe = this.#core.engine.bindUdp(address, { ipv4Compat, socketOptions }, quiet);
      if ('errno' in probe) return probe.detail;
      probe.close();
    }
    return null;
  }

  end(done: () => void): void {
    this.#isStopped = true;
    this.#onStarted = null;
    const living = this.#seats.filter((seat) => seat.isServing);
    const ended = (): void => {
      for (const seat of this.#seats) seat.terminate();
      this.#sockets.closeAll();
      this.#core.accessLogs.drain(done);
    };
    this.#questions.ask(living, (seat, id) => seat.post({ kind: 'end', id }), ended, END_MS);
  }

  stopListeners(inboundOnly = false): void {
    if (!inboundOnly) this.#isStopped = true;
    const stays = this.#resources.listeners.filter(({ trafficDirection }) => trafficDirection !== 'INBOUND');
    // What was closed is not lent to a worker that takes a dead one's place.
    const stopped = (): void => (inboundOnly ? this.#sockets.keepOnly(stays) : this.#sockets.closeAll());
    this.#questions.ask(this.#serving, (seat, id) => seat.post({ kind: 'stop-listeners', id, inboundOnly }), stopped);
  }

  // ─── SeatOwner ──────────────────────────────────────────────────────────────────────────────────────────────────

  startOf({ index }: Seat): WorkerStart {
    const { options, variables, version, logs } = this.#settings;
    return {
      index,
      concurrency: options.concurrency,
      options,
      // process.env is not a plain object.
      variables: { ...variables },
      version,
      log: logs.settings,
      shared: this.#buffer,
      records: this.#recordBuffers,
      bootstrap: this.#bootstrap,
      updates: [...this.#resources.updates, ...(this.#updating === null ? [] : [this.#updating])],
      runtime: this.#core.runtime.changes,
      logLevels: this.#logLevels,
      drain: { isStarted: this.#isDraining, isHealthCheckFailed: this.#isHealthCheckFailed },
      came: this.#came,
      sockets: this.#sockets.grantsFor(index),
      tap: this.#taps.attachment,
    };
  }

  take(seat: Seat, message: FromWorker): void {
    this.#core.engine.run(() => this.#take(seat, message));
  }

  died(seat: Seat, why: string): boolean {
    const scope = this.#scope;
    this.#shared.forget(seat.index + 1);
    this.#records.forget(seat.index + 1);
    this.#wants.gone(seat.index);
    seat.stats?.end();
    seat.stats = null;
    this.#questions.gone(seat);
    closeGrants(seat.grants);
    seat.grants = [];
    if (this.#onStarted !== null) {
      this.#started(`worker ${seat.index} died at its start: ${why}`);
      return false;
    }
    if (this.#isStopped) return false;
    scope.inc(scope.i.worker_restarts);
    const when = seat.backOffMs === 0 ? 'now' : `in ${seat.backOffMs} ms`;
    this.#log.critical(`worker ${seat.index} died and is started again ${when}: ${why}`);
    const lost = [...seat.handOvers.values()];
    seat.handOvers.clear();
    for (const { key, handover } of lost) this.#handOver(seat.index, key, handover);
    return true;
  }

  // ─── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  get #serving(): readonly Seat[] {
    return this.#seats.filter((seat) => seat.isServing);
  }

  #take(seat: Seat, message: FromWorker): void {
    switch (message.kind) {
      case 'started':
        seat.stats = new WorkerStats(message.cells, this.stats);
        seat.isServing = true;
        seat.grants = seat.grants.filter(({ taken }) => Atomics.load(taken, 0) === 0);
        this.#listeners = message.listeners;
        if (this.#seats.every((one) => one.isServing)) {
          this.stats.dropUnused();
          this.#started(null);
        }
        break;
      case 'initialized':
        this.#ready.add(seat.index);
        this.#tellReady();
        break;
      case 'open':
        this.#initialized.add(seat.index);
        break;
      case 'want':
      case 'unwant':
        this.#wanted(seat, message.kind, message.want);
        break;
      case 'refused':
        if (this.#onStarted !== null) this.#started(message.reason);
        else this.#log.critical(`worker ${seat.index} cannot start: ${message.reason}`);
        break;
      case 'report':
        seat.stats?.take(message.report);
        if (message.report.isLast) this.#questions.answered(message.id, seat);
        break;
      case 'clusters':
        this.#clusters.get(message.id)?.[seat.index]?.push(...message.clusters);
        if (message.isLast) this.#questions.answered(message.id, seat);
        break;
      case 'answer':
        this.#answers.get(message.id)?.push({ thread: `worker_${seat.index}`, ...message.answer });
        this.#questions.answered(message.id, seat);
        break;
      case 'tap-attached':
        this.#taps.attached(seat, message);
        break;
      case 'trace':
        this.#taps.traced(seat, message);
        break;
      case 'loads':
        this.#tookLoads(message.answer, message.id !== this.#loadsId);
        if (message.isLast) this.#questions.answered(message.id, seat);
        break;
      case 'health-changed':
        for (const other of this.#seats) if (other !== seat) other.post(message);
        break;
      case 'hand-over':
        this.#handOver(message.to, message.key, message.handover);
        break;
      case 'adopted':
        seat.handOvers.delete(message.id);
        break;
      case 'updated':
        this.#refused.push(...message.outcome.refused);
        seat.grants = seat.grants.filter(({ taken }) => Atomics.load(taken, 0) === 0);
        this.#listeners = message.listeners;
        this.#questions.answered(message.id, seat);
        break;
      default:
        this.#questions.answered(message.id, seat);
    }
  }

  #wanted(seat: Seat, kind: 'want' | 'unwant', { place: message, ...rest }: PostedWant): void {
    const { environment } = this.#settings.decoded;
    const place = environment.configPlace?.(message, new ConfigDecoder({ ...environment, hasAds: true })) ?? null;
    if (place === null) return;
    const want = { ...rest, place };
    if (kind === 'want') this.#wants.want(seat.index, want);
    else this.#wants.unwant(seat.index, want);
  }

  #tellReady(): void {
    if (this.#ready.size < this.#seats.length) return;
    const told = this.#onReady;
    this.#onReady = [];
    for (const ready of told) ready();
  }

  #started(problem: string | null): void {
    const started = this.#onStarted;
    this.#onStarted = null;
    started?.(problem);
  }

  #tellAll(message: ToWorker): void {
    for (const seat of this.#seats) seat.post(message);
  }

  /** Sends an accepted socket to a worker that has counted it already; to another one when that is not there. */
  #handOver(to: number, key: string, handover: HandOver): void {
    let target = this.#seats[to];
    if (target?.isServing !== true) {
      this.#countBalance(to, key, -1);
      const loads = this.#serving.map((seat) => ({ seat, connections: this.#balanceOf(seat.index, key) }));
      target = loads.sort((a, b) => a.connections - b.connections)[0]?.seat;
      if (target === undefined) {
        closeDescriptor(handover.fd);
        return;
      }
      this.#countBalance(target.index, key, 1);
    }
    const id = this.#nextHandOver++;
    target.handOvers.set(id, { key, handover });
    target.post({ kind: 'adopt', id, key, handover });
  }

  #balanceOf(index: number, key: string): number {
    const counter = this.#shared.counter(balanceName(index, key));
    const { value } = counter;
    counter.release();
    return value;
  }

  #countBalance(index: number, key: string, by: 1 | -1): void {
    const counter = this.#shared.counter(balanceName(index, key));
    if (by > 0) {
      counter.inc();
      counter.giveUp();
    } else {
      counter.takeOver();
      counter.dec();
    }
    counter.release();
  }

  attachWants(sink: WantSink): void {
    const resources = this.#resources;
    this.#wants.attach({
      // Whoever asks has nothing, whatever was there before.
      want: (want) => {
        resources.forget(want);
        sink.want(want);
      },
      unwant: (want) => {
        resources.forget(want);
        sink.unwant(want);
      },
    });
    // The supervisor's own clusters, over which it asks servers, may need secrets and endpoints of servers, too.
    const own = this.#seats.length;
    const isOwn = ({ type }: Want): boolean => type === SECRET_TYPE || type === ENDPOINTS_TYPE;
    this.#settings.decoded.holders.wants.attach({
      want: (want) => void (isOwn(want) && this.#wants.want(own, want)),
      unwant: (want) => void (isOwn(want) && this.#wants.unwant(own, want)),
    });
  }

  firstCame(what: FirstComing): void {
    this.#came.push(what);
    this.#tellAll({ kind: 'first-came', what });
  }

  whenClustersReady(ready: () => void): void {
    this.#onReady.push(ready);
    this.#tellReady();
  }

  // ─── Crew ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get connectionCount(): number {
    const counter = this.#shared.counter(DOWNSTREAM_CONNECTIONS);
    const { value } = counter;
    counter.release();
    return value;
  }

  get isInitialized(): boolean {
    return this.#initialized.size === this.#seats.length;
  }

  refresh(done: () => void): void {
    this.#questions.ask(this.#serving, (seat, id) => seat.post({ kind: 'report', id, withHistograms: false }), done);
  }

  flush(): void {
    const done = (): void => this.stats.flush();
    this.#questions.ask(this.#serving, (seat, id) => seat.post({ kind: 'report', id, withHistograms: true }), done);
  }

  clusters(done: (clusters: Iterable<ClusterStatus>) => void): void {
    let parts: ClusterStatus[][] = [];
    this.#questions.ask(
      this.#serving,
      (seat, id) => {
        if (!this.#clusters.has(id)) {
          parts = this.#seats.map(() => []);
          this.#clusters.set(id, parts);
        }
        seat.post({ kind: 'clusters', id });
      },
      () => {
        for (const [id, known] of this.#clusters) if (known === parts) this.#clusters.delete(id);
        done(mergeClusters(parts));
      },
    );
  }

  inquire(inquiry: Inquiry, done: (answers: readonly ThreadAnswer[]) => void): void {
    const answers: ThreadAnswer[] = [];
    let own: ThreadAnswer | null = null;
    let asked = 0;
    const ask = (seat: Seat, id: number): void => {
      asked = id;
      this.#answers.set(id, answers);
      seat.post({ kind: 'inquiry', id, inquiry });
    };
    const answered = (): void => {
      this.#answers.delete(asked);
      done(own === null ? answers : [own, ...answers]);
    };
    if (inquiry.about === 'certificates') {
      this.#questions.ask(this.#serving.slice(0, 1), ask, answered, INQUIRY_MS);
      return;
    }
    this.#inquiries ??= new Inquiries(this.#core, this.#settings.decoded.transports);
    this.#inquiries.answer(inquiry, (answer) => {
      own = { thread: '', ...answer };
      this.#questions.ask(this.#serving, ask, answered, INQUIRY_MS);
    });
  }

  attachTap(attachment: TapAttachment, took: TookTrace, done: (answers: readonly TapAnswer[]) => void): void {
    this.#taps.attach(attachment, took, done);
  }

  detachTap(): void {
    this.#taps.detach();
  }

  loads(question: LoadQuestion, took: (answer: LoadAnswer, isLate: boolean) => void, done: () => void): void {
    this.#tookLoads = took;
    const ask = (seat: Seat, id: number): void => {
      this.#loadsId = id;
      seat.post({ kind: 'loads', id, question });
    };
    // The supervisor's own clusters carry what it asks servers.
    this.#loadBook ??= new LoadBook();
    for (const answer of this.#loadBook.answer(this.#settings.decoded.clusters.all(), question)) took(answer, false);
    const answered = (): void => {
      this.#loadsId = 0;
      done();
    };
    this.#questions.ask(this.#serving, ask, answered);
  }

  update(update: ConfigUpdate, done: (outcome: UpdateOutcome) => void): void {
    this.#waitingUpdates.push(() => this.#resources.check(update, (checked) => this.#update(checked, done)));
    this.#nextUpdate();
  }

  #nextUpdate(): void {
    if (this.#isUpdating) return;
    const next = this.#waitingUpdates.shift();
    this.#isUpdating = next !== undefined;
    next?.();
  }

  #update(checked: CheckedUpdate, done: (outcome: UpdateOutcome) => void): void {
    const { update, listeners } = checked;
    const firstNew = this.#sockets.count;
    const unbound: UpdateOutcome['refused'][number][] = [];
    for (const listener of listeners) {
      const reason = this.#sockets.bind(listener);
      const resource = update.resources.find(({ typeUrl, name }) => isListener(typeUrl) && name === listener.name);
      if (reason !== null && resource !== undefined) unbound.push({ ...resource, reason });
    }
    const isBound = (one: ResourceUpdate): boolean => !unbound.some(({ typeUrl, name }) => isNamed(one, typeUrl, name));
    const bound = { generation: update.generation, resources: update.resources.filter(isBound) };
    this.#refused = [];
    this.#updating = bound;
    for (const { typeUrl, name, place = ADS_KEY } of bound.resources)
      this.#wants.answered(typeName(typeUrl), name, place);
    const ask = (seat: Seat, id: number): void => {
      const sockets = this.#sockets.grantsFor(seat.index, firstNew);
      seat.grants = [...seat.grants, ...sockets];
      seat.post({ kind: 'update', id, update: bound, sockets });
    };
    const updated = (): void => {
      const refused = distinct([...checked.refused, ...unbound, ...this.#refused]);
      this.#resources.keep({ ...checked, update: bound }, refused);
      this.#sockets.keepOnly(this.#resources.listeners);
      this.#updating = null;
      this.#isUpdating = false;
      done({ generation: update.generation, refused });
      this.#nextUpdate();
    };
    // Those that are still starting find it in their mail.
    const seats = this.#seats.filter((seat) => seat.hasThread);
    this.#questions.ask(seats, ask, updated, UPDATE_MS);
  }

  listeners(): readonly ListenerStatus[] {
    return this.#listeners;
  }

  modifyRuntime(values: ReadonlyMap<string, RuntimeEntry | null>): void {
    this.#tellAll({ kind: 'runtime', values });
  }

  setRuntimeDisks(disks: RuntimeChanges['disks']): void {
    this.#tellAll({ kind: 'runtime-disks', disks });
  }

  resetCounters(): void {
    this.stats.resetCounters();
    this.#tellAll({ kind: 'reset-counters' });
  }

  reopenLogs(): void {
    this.#core.accessLogs.reopen();
    this.#tellAll({ kind: 'reopen-logs' });
  }

  changeLogLevels(query: string): void {
    // A level for all makes what was said before void; of those for one logger the last ones suffice.
    if (new URLSearchParams(query).has('level')) this.#logLevels.length = 0;
    this.#logLevels.push(query);
    if (this.#logLevels.length > MAX_LOG_LEVELS) this.#logLevels.shift();
    this.#tellAll({ kind: 'log-levels', query });
  }

  drainInbound(): void {
    for (const seat of this.#serving) seat.post({ kind: 'drain-inbound' });
  }

  startDrain(): void {
    this.#isDraining = true;
    this.#tellAll({ kind: 'start-drain' });
  }

  failHealthCheck(failed: boolean): void {
    this.#isHealthCheckFailed = failed;
    this.#tellAll({ kind: 'health-check', failed });
  }

  /** Ends a worker's thread as a bug outside all care would; another takes its place. For tests. */
  kill(index: number): void {
    this.#seats[index]?.kill();
  }
}

function isListener(typeUrl: string): boolean {
  return typeName(typeUrl) === LISTENER_TYPE;
}

function isNamed(resource: ResourceUpdate, typeUrl: string, name: string): boolean {
  return resource.typeUrl === typeUrl && resource.name === name;
}

/** Workers refuse alike: one reason each. */
function distinct(refused: readonly UpdateOutcome['refused'][number][]): UpdateOutcome['refused'] {
  const seen = new Map(refused.map(({ typeUrl, name, reason }) => [`${typeUrl} ${name}`, { typeUrl, name, reason }]));
  return [...seen.values()];
}
