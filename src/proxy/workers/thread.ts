// The entry of a worker thread: makes a worker of the bytes it is started with, and does what the supervisor says.
import assert from 'node:assert/strict';
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { SharedMemory } from '../../base/shared-memory.ts';
import { SharedRecords } from '../../base/shared-records.ts';
import { runInSlices } from '../../base/slices.ts';
import { closeDescriptor } from '../../net/native.ts';
import { LogRegistry } from '../../telemetry/log.ts';
import { StatJournal } from '../../telemetry/stat-journal.ts';
import { recordBytes } from '../cluster/outlier/layout.ts';
import { type Core, type CoreParts, type Decoded, decodeProxy, makeCore } from '../core.ts';
import { DrainManager } from '../listener/drain.ts';
import { Worker } from '../worker.ts';
import type { Want } from '../xds/holders.ts';
import { inTurns, LoadBook, type LoadQuestion } from '../xds/load-report/loads.ts';
import type { WorkerHolders } from '../xds/worker-holders.ts';
import { ConfigApplier } from './apply.ts';
import { ExactBalancer } from './balancer.ts';
import { decodeBootstrapBytes } from './bootstrap-bytes.ts';
import { clusterStatus } from './cluster-status.ts';
import type { ConfigUpdate } from './contract.ts';
import type { ClusterStatus } from './crew.ts';
import { GrantedSockets } from './granted-sockets.ts';
import { Inquiries } from './inquiry.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';
import { ThreadTaps } from './taps.ts';

/** Clusters in one message. */
const CLUSTERS_PER_PIECE = 200;

class WorkerThread {
  readonly #port: NonNullable<typeof parentPort>;
  readonly #core: Core;
  readonly #logs: LogRegistry;
  readonly #journal: StatJournal;
  readonly #sockets: GrantedSockets;
  readonly #balancer: ExactBalancer;
  readonly #drain: DrainManager;
  readonly #worker: Worker;
  readonly #applier: ConfigApplier;
  /** Made with the first question. */
  #loadBook: LoadBook | null = null;
  readonly #inquiries: Inquiries;
  readonly #taps: ThreadTaps;

  constructor(port: NonNullable<typeof parentPort>, parts: ThreadParts, start: WorkerStart) {
    this.#port = port;
    const { core, worker, applier, drain } = parts;
    this.#core = core;
    this.#inquiries = new Inquiries(core, parts.transports);
    this.#taps = parts.taps;
    this.#worker = worker;
    this.#applier = applier;
    this.#drain = drain;
    this.#logs = parts.logs;
    this.#journal = parts.journal;
    this.#sockets = parts.sockets;
    this.#balancer = parts.balancer;
    for (const query of start.logLevels) this.#logs.change(new URLSearchParams(query));
    if (start.drain.isStarted) drain.start();
    drain.healthCheckFailed = start.drain.isHealthCheckFailed;
    // New names are told at once, so that they are known when this thread dies.
    parts.journal.onChange = () => core.clock.defer(() => this.#report(0, false));
    port.on('message', (message: ToWorker) => core.engine.run(() => this.#take(message)));
  }

  #take(message: ToWorker): void {
    const { stats, runtime, accessLogs } = this.#core;
    switch (message.kind) {
      case 'report':
        this.#report(message.id, message.withHistograms);
        break;
      case 'clusters':
        this.#showClusters(message.id);
        break;
      case 'inquiry':
        this.#inquiries.answer(message.inquiry, (answer) => this.#send({ kind: 'answer', id: message.id, answer }));
        break;
      case 'attach-tap':
        this.#attachTap(message);
        break;
      case 'detach-tap':
        this.#taps.detach();
        break;
      case 'tap-taken':
        this.#taps.taken(message.number, message.bytes);
        break;
      case 'loads':
        this.#tellLoads(message.id, message.question);
        break;
      case 'update':
        this.#sockets.add(message.sockets);
        this.#update(message.id, message.update);
        break;
      case 'runtime':
        runtime.modify(message.values);
        break;
      case 'runtime-disks':
        runtime.setDisks(message.disks);
        break;
      case 'log-levels':
        this.#logs.change(new URLSearchParams(message.query));
        break;
      case 'adopt':
        this.#adopt(message);
        break;
      case 'first-came':
        this.#worker.firstCame(message.what);
        break;
      case 'health-changed':
        this.#worker.clusters.healthChanged(message.cluster);
        break;
      case 'health-check':
        this.#drain.healthCheckFailed = message.failed;
        break;
      case 'reset-counters':
        stats.resetCounters();
        break;
      case 'reopen-logs':
        this.#reopenLogs();
        break;
      case 'drain-inbound':
        this.#worker.listeners.drainInbound();
        break;
      case 'stop-listeners':
        this.#worker.listeners.stopAccepting(message.inboundOnly);
        this.#send({ kind: 'done', id: message.id });
        break;
      case 'end':
        this.#worker.listeners.stopAccepting();
        accessLogs.drain(() => this.#send({ kind: 'done', id: message.id }));
        break;
      default:
        this.#drain.start();
    }
  }

  #reopenLogs(): void {
    this.#core.accessLogs.reopen();
    this.#logs.reopen();
  }

  #attachTap({ id, attachment }: Extract<ToWorker, { kind: 'attach-tap' }>): void {
    const answer = this.#taps.attach(attachment);
    if (id !== 0) this.#send({ kind: 'tap-attached', id, answer });
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  #update(id: number, update: ConfigUpdate): void {
    this.#applier.apply(update, (outcome) => {
      this.#sockets.closeRest();
      this.#send({ kind: 'updated', id, outcome, listeners: this.#worker.listeners.statuses() });
    });
  }

  /** Somebody asked, unless the number is 0: then gauges that other workers share are written anew. */
  #report(id: number, withHistograms: boolean): void {
    if (id === 0) this.#sendReport(id, withHistograms);
    else runInSlices(this.#core, this.#refreshGauges(), () => this.#sendReport(id, withHistograms));
  }

  *#refreshGauges(): Generator<void, void> {
    for (const { breakers } of this.#worker.clusters.all()) {
      breakers.DEFAULT.refresh();
      breakers.HIGH.refresh();
      yield;
    }
    this.#worker.clusters.dnsCaches?.refreshGauges();
  }

  /** Names and histograms leave in pieces, between turns of the event loop. */
  #sendReport(id: number, withHistograms: boolean): void {
    const pieces = this.#journal.report(this.#core.stats, withHistograms, id !== 0);
    const next = (): void => {
      const piece = pieces.next();
      if (piece.done === true) return;
      this.#send({ kind: 'report', id, report: piece.value });
      if (!piece.value.isLast) this.#core.clock.defer(next);
      else pieces.return(undefined);
    };
    next();
  }

  #showClusters(id: number): void {
    const all = this.#worker.clusters.all();
    const next = (): void => {
      const clusters: ClusterStatus[] = [];
      let step = all.next();
      for (; step.done !== true; step = all.next()) {
        if (clusters.push(clusterStatus(step.value)) === CLUSTERS_PER_PIECE) break;
      }
      const isLast = step.done === true;
      this.#send({ kind: 'clusters', id, clusters, isLast });
      if (!isLast) this.#core.clock.defer(next);
    };
    next();
  }

  #tellLoads(id: number, question: LoadQuestion): void {
    this.#loadBook ??= new LoadBook();
    const pieces = this.#loadBook.answer(this.#worker.clusters.all(), question);
    const nothing = { loads: [], begun: [] };
    inTurns(
      this.#core.clock,
      pieces,
      (answer) => this.#send({ kind: 'loads', id, answer, isLast: false }),
      () => this.#send({ kind: 'loads', id, answer: nothing, isLast: true }),
    );
  }

  #adopt({ id, key, handover }: Extract<ToWorker, { kind: 'adopt' }>): void {
    this.#send({ kind: 'adopted', id });
    this.#balancer.adopted(key);
    const stream = this.#core.engine.adopt(handover.fd, handover.family);
    if (stream !== null) {
      this.#worker.listeners.adopt(key, stream);
      return;
    }
    closeDescriptor(handover.fd);
    this.#balancer.closed(key);
  }
}

type ThreadParts = {
  readonly core: Core;
  readonly transports: Decoded['transports'];
  readonly worker: Worker;
  readonly applier: ConfigApplier;
  readonly drain: DrainManager;
  readonly logs: LogRegistry;
  readonly journal: StatJournal;
  readonly sockets: GrantedSockets;
  readonly balancer: ExactBalancer;
  readonly holders: WorkerHolders;
  readonly taps: ThreadTaps;
};

/** Everything that the thread runs, or why it cannot. */
function makeParts(start: WorkerStart, send: (message: FromWorker) => void): ThreadParts | string {
  const logs = LogRegistry.open({ ...start.log, thread: threadId });
  if (typeof logs === 'string') return logs;
  const { index, concurrency, options, version } = start;
  // Without what objects inherit: a configuration may name any variable.
  const variables = Object.assign(Object.create(null), start.variables) as typeof start.variables;
  const shared = new SharedMemory(start.shared, index + 1, concurrency + 1);
  const balancer = new ExactBalancer(index, concurrency, shared, (to, key, handover) =>
    send({ kind: 'hand-over', to, key, handover }),
  );
  const sockets = new GrantedSockets(start.sockets);
  const journal = new StatJournal();
  const records = new SharedRecords(start.records, index + 1, concurrency + 1, recordBytes(concurrency));
  const healthChanged = (cluster: string): void => send({ kind: 'health-changed', cluster });
  const seams = { index, concurrency, shared, sockets, balancer, records, healthChanged };
  const parts: CoreParts = { options, logs, variables, version, journal, seams };
  const core = makeCore(parts);
  const bootstrap = decodeBootstrapBytes(start.bootstrap);
  const decoded = decodeProxy(parts, core, bootstrap);
  if ('error' in decoded) return decoded.error;
  const { clock, random, engine, stats, runtime } = core;
  const { config, clusters, holders, transports } = decoded;
  runtime.load(config.runtimeLayers);
  runtime.setDisks(start.runtime.disks);
  runtime.modify(start.runtime.admin);
  const taps = new ThreadTaps(decoded, (number, piece) => send({ kind: 'trace', number, piece }));
  if (start.tap !== null) taps.attach(start.tap);
  const drain = new DrainManager(clock, random, options.drainStrategy, options.drainTimeMs);
  const worker = new Worker({ engine, clock, random, stats, runtime, drain, seams, transports }, clusters);
  const problem = worker.start(config);
  if (problem !== null) return problem;
  const applier = new ConfigApplier(worker, core, decoded);
  return { core, transports, worker, applier, drain, logs, journal, sockets, balancer, holders, taps };
}

function main(): void {
  const port = parentPort;
  assert(port !== null, 'a worker thread has a parent');
  const start = workerData as WorkerStart;
  const send = (message: FromWorker): void => port.postMessage(message);
  const parts = makeParts(start, send);
  if (typeof parts === 'string') {
    send({ kind: 'refused', reason: parts });
    return;
  }
  new WorkerThread(port, parts, start);
  const { core, worker, applier, sockets, holders } = parts;
  const started = (): void => {
    sockets.closeRest();
    send({ kind: 'started', cells: core.stats.memory, listeners: worker.listeners.statuses() });
  };
  applier.applyAll(start.updates, () => {
    started();
    for (const what of start.came) worker.firstCame(what);
  });
  worker.clusters.whenInitialized(() => send({ kind: 'initialized' }));
  worker.whenOpen(() => send({ kind: 'open' }));
  const post = (kind: 'want' | 'unwant', { type, name, statPrefix, place }: Want): void =>
    send({ kind, want: { type, name, statPrefix, place: place.message } });
  holders.wants.attach({
    want: (want) => post('want', want),
    unwant: (want) => {
      applier.forget(want);
      post('unwant', want);
    },
  });
}

main();
