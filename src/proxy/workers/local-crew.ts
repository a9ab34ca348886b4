// The crew of a proxy with one worker: this thread.
import type { Core, Decoded } from '../core.ts';
import type { Worker } from '../worker.ts';
import { ConfigApplier } from './apply.ts';
import { clusterStatus } from './cluster-status.ts';
import type { WantSink } from '../xds/holders.ts';
import { inTurns, type LoadAnswer, LoadBook, type LoadQuestion } from '../xds/load-report/loads.ts';
import { Inquiries, type Inquiry, type ThreadAnswer } from './inquiry.ts';
import type { ConfigUpdate, FirstComing, UpdateOutcome } from './contract.ts';
import type { ClusterStatus, Crew, ListenerStatus, ProxyStats } from './crew.ts';
import { type TapAnswer, type TapAttachment, ThreadTaps, type TookTrace } from './taps.ts';

/** Most of what a crew is told has already happened: supervisor and worker have one runtime, log and drain. */
export class LocalCrew implements Crew {
  readonly stats: ProxyStats;
  readonly #core: Core;
  readonly #worker: Worker;
  readonly #decoded: Decoded;
  /** Made with the first update: most proxies of one worker are static. */
  #applier: ConfigApplier | null = null;
  /** Made with the first question. */
  #loadBook: LoadBook | null = null;
  #inquiries: Inquiries | null = null;
  /** Made with the first tap. */
  #taps: ThreadTaps | null = null;
  /** The tap that is attached, and who hears of it. */
  #tap: { readonly number: number; readonly took: TookTrace } | null = null;

  constructor(core: Core, worker: Worker, decoded: Decoded) {
    this.#decoded = decoded;
    this.stats = core.stats;
    this.#core = core;
    this.#worker = worker;
  }

  get connectionCount(): number {
    return this.#worker.listeners.connectionCount;
  }

  get isInitialized(): boolean {
    return this.#worker.isOpen;
  }

  refresh(done: () => void): void {
    done();
  }

  flush(): void {
    this.#core.stats.flush();
  }

  clusters(done: (clusters: Iterable<ClusterStatus>) => void): void {
    const worker = this.#worker;
    done({ [Symbol.iterator]: () => statuses(worker) });
  }

  loads(question: LoadQuestion, took: (answer: LoadAnswer, isLate: boolean) => void, done: () => void): void {
    this.#loadBook ??= new LoadBook();
    const pieces = this.#loadBook.answer(this.#worker.clusters.all(), question);
    inTurns(this.#core.clock, pieces, (answer) => took(answer, false), done);
  }

  listeners(): readonly ListenerStatus[] {
    return this.#worker.listeners.statuses();
  }

  inquire(inquiry: Inquiry, done: (answers: readonly ThreadAnswer[]) => void): void {
    this.#inquiries ??= new Inquiries(this.#core, this.#decoded.transports);
    this.#inquiries.answer(inquiry, (answer) => done([{ thread: '', ...answer }]));
  }

  attachTap(attachment: TapAttachment, took: TookTrace, done: (answers: readonly TapAnswer[]) => void): void {
    const { clock } = this.#core;
    // Not in the middle of the exchange that says it.
    this.#taps ??= new ThreadTaps(this.#decoded, (number, piece) => clock.defer(() => this.#traced(number, piece)));
    this.#tap = { number: attachment.number, took };
    const answer = this.#taps.attach(attachment);
    clock.defer(() => done([answer]));
  }

  #traced(number: number, piece: Uint8Array): void {
    if (this.#tap?.number === number) this.#tap.took(piece, () => this.#taps?.taken(number, piece.length));
  }

  detachTap(): void {
    this.#tap = null;
    this.#taps?.detach();
  }

  modifyRuntime(): void {}

  setRuntimeDisks(): void {}

  resetCounters(): void {
    this.#core.stats.resetCounters();
  }

  reopenLogs(): void {
    this.#core.accessLogs.reopen();
  }

  changeLogLevels(): void {}

  startDrain(): void {}

  drainInbound(): void {
    this.#worker.listeners.drainInbound();
  }

  failHealthCheck(): void {}

  stopListeners(inboundOnly = false): void {
    this.#worker.listeners.stopAccepting(inboundOnly);
  }

  update(update: ConfigUpdate, done: (outcome: UpdateOutcome) => void): void {
    this.#applier ??= new ConfigApplier(this.#worker, this.#core, this.#decoded);
    this.#applier.apply(update, done);
  }

  attachWants(sink: WantSink): void {
    this.#decoded.holders.wants.attach({
      want: (want) => sink.want(want),
      unwant: (want) => {
        this.#applier?.forget(want);
        sink.unwant(want);
      },
    });
  }

  firstCame(kind: FirstComing): void {
    this.#worker.firstCame(kind);
  }

  whenClustersReady(ready: () => void): void {
    this.#worker.clusters.whenInitialized(ready);
  }

  end(done: () => void): void {
    this.stopListeners();
    this.#core.accessLogs.drain(done);
  }
}

function* statuses(worker: Worker): Generator<ClusterStatus> {
  for (const cluster of worker.clusters.all()) yield clusterStatus(cluster);
}
