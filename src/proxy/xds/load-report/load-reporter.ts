// Reports the loads of clusters to a load reporting service, over a stream that is opened again whenever it ends.
import type { Clock, Timer } from '../../../base/clock.ts';
import type { ClusterStats, LoadStatsRequest, LoadStatsResponse, Node } from '../../../proto/generated/types.d.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import type { LogLevel } from '../../../telemetry/log.ts';
import type { ScopeOf, StatStore } from '../../../telemetry/metrics.ts';
import { GRPC } from '../../../wire/grpc/status.ts';
import type { Locality } from '../../cluster/cluster-config.ts';
import type { GrpcCall, GrpcMethod } from '../../cluster/upstream-client/grpc-call.ts';
import type { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import { detailsOf } from '../sources/grpc-channel.ts';
import { LoadSum } from './load-sum.ts';
import type { LoadAnswer, LoadQuestion } from './loads.ts';

/** Under 'load_reporter.'. Source: Envoy ALL_LOAD_REPORTER_STATS. */
const LOAD_REPORTER_STATS = {
  errors: 'counter',
  requests: 'counter',
  responses: 'counter',
  retries: 'counter',
} as const;

const METHOD: GrpcMethod<LoadStatsRequest, LoadStatsResponse> = {
  path: '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
  get request() {
    return registry.message('envoy.service.load_stats.v3.LoadStatsRequest') as MessageType<LoadStatsRequest>;
  },
  get response() {
    return registry.message('envoy.service.load_stats.v3.LoadStatsResponse') as MessageType<LoadStatsResponse>;
  },
};

/** Source: Envoy LoadStatsReporterImpl, RETRY_DELAY_MS. */
const RETRY_MS = 5_000;
/** A server that names no interval, or a shorter one, gets reports so often; Envoy sends them without a pause then. */
const MIN_INTERVAL_MS = 100;
/** Source: Envoy LoadStatsReporterImpl. */
const SUPPORTS_ALL = 'envoy.lrs.supports_send_all_clusters';

export type LoadReporterParts = {
  readonly clock: Clock;
  readonly stats: StatStore;
  readonly client: Pick<GrpcClient, 'stream'>;
  /** What requests say of this proxy. */
  readonly node: Node;
  readonly log: (level: LogLevel, text: string) => void;
  /**
   * Asks all threads: `took` is called with each piece of their answers (`isLate`: of an earlier question, maybe after
   * `done`), `done` once, later.
   */
  readonly ask: (question: LoadQuestion, took: (answer: LoadAnswer, isLate: boolean) => void, done: () => void) => void;
};

//  open ──message──► report every interval ──ends──► wait 5 s ──► open (reports what is tracked at once)
export class LoadReporter {
  readonly #parts: LoadReporterParts;
  readonly #scope: ScopeOf<typeof LOAD_REPORTER_STATS>;
  readonly #node: Node;
  readonly #local: Locality | null;
  readonly #retryTimer: Timer;
  readonly #reportTimer: Timer;
  #call: GrpcCall<LoadStatsRequest, LoadStatsResponse> | null = null;
  #generation = 0;
  /** The server's last message, also of an earlier stream. */
  #wishes: LoadStatsResponse | null = null;
  /** Clusters that are reported, and since when they have not been. */
  #tracked = new Map<string, number>();
  /** What is not reported yet. */
  readonly #sum = new LoadSum();
  #isAsking = false;
  #isReportDue = false;
  #isPeriodDue = false;

  constructor(parts: LoadReporterParts) {
    this.#parts = parts;
    const { stats, clock, node } = parts;
    this.#scope = stats.scope('load_reporter.', LOAD_REPORTER_STATS);
    this.#node = { ...node, client_features: [...(node.client_features ?? []), SUPPORTS_ALL] };
    const { locality } = node;
    this.#local =
      locality === undefined
        ? null
        : { region: locality.region ?? '', zone: locality.zone ?? '', subZone: locality.sub_zone ?? '' };
    this.#retryTimer = clock.timer(retry, this as LoadReporter);
    this.#reportTimer = clock.timer(reportDue, this as LoadReporter);
  }

  /** Opens the stream. */
  start(): void {
    const generation = ++this.#generation;
    const { client } = this.#parts;
    let isOver = false;
    const call = client.stream(METHOD, {
      onMessage: (message) => this.#took(message),
      onClose: (status, message, trailers) => {
        isOver = true;
        if (generation === this.#generation) this.#closed(status, message + detailsOf(message, trailers !== null));
      },
    });
    if (isOver) {
      // Source: Envoy counts it twice: as a stream that ended, and as one that never was.
      this.#parts.log('warning', 'Unable to establish new stream');
      this.#failed();
      return;
    }
    this.#call = call;
    this.#isReportDue = true;
    this.#next();
  }

  /** Ends the stream for good. */
  stop(): void {
    this.#generation++;
    this.#retryTimer.disarm();
    this.#reportTimer.disarm();
    this.#call?.cancel();
    this.#call = null;
  }

  #took(message: LoadStatsResponse): void {
    const scope = this.#scope;
    scope.inc(scope.i.requests);
    this.#wishes = message;
    this.#isPeriodDue = true;
    this.#next();
  }

  #closed(status: number, message: string): void {
    const { log } = this.#parts;
    this.#call = null;
    this.#isReportDue = false;
    this.#reportTimer.disarm();
    if (status === GRPC.ok) this.#retryLater();
    else {
      log('warning', `StreamLoadStats gRPC config stream closed: ${status}, ${message}`);
      this.#failed();
    }
  }

  #failed(): void {
    this.#scope.inc(this.#scope.i.errors);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#parts.log('info', `Load reporter stats stream/connection will retry in ${RETRY_MS} ms.`);
    this.#retryTimer.arm(RETRY_MS);
  }

  /** For the timer. */
  onRetry(): void {
    this.#scope.inc(this.#scope.i.retries);
    this.start();
  }

  /** For the timer. */
  onReportDue(): void {
    // A server that reads slower than it asks for gets fewer reports, of longer intervals.
    if (this.#call?.isAboveWatermark === true) this.#armReport();
    else {
      this.#isReportDue = true;
      this.#next();
    }
  }

  /** What is due, one question at a time. */
  #next(): void {
    if (this.#isAsking || this.#call === null) return;
    if (this.#isReportDue) {
      this.#isReportDue = false;
      this.#report();
    } else if (this.#isPeriodDue) {
      this.#isPeriodDue = false;
      this.#beginPeriod();
    }
  }

  /** `told` is called with the clusters that count from now on. */
  #ask(question: Omit<LoadQuestion, 'withHosts'>, told: (begun: readonly string[]) => void): void {
    const begun = new Set<string>();
    const took = (answer: LoadAnswer, isLate: boolean): void => {
      for (const load of answer.loads) this.#sum.add(load, isLate);
      for (const name of answer.begun) begun.add(name);
    };
    this.#isAsking = true;
    const withHosts = this.#wishes?.report_endpoint_granularity ?? false;
    this.#parts.ask({ ...question, withHosts }, took, () => {
      this.#isAsking = false;
      told([...begun]);
      this.#next();
    });
  }

  // ─── A report ───────────────────────────────────────────────────────────────────────────────────────────────────

  #report(): void {
    const wishes = this.#wishes;
    const tracked = [...this.#tracked.keys()];
    const begins = wishes?.send_all_clusters === true ? null : [];
    if (tracked.length === 0 && begins !== null) this.#send([]);
    else this.#ask({ tracked, isReport: true, begins }, (begun) => this.#send(begun));
  }

  #send(begun: readonly string[]): void {
    const call = this.#call;
    // The stream is gone: the next one brings what is known.
    if (call === null) return;
    const now = this.#parts.clock.nowMs;
    const all: ClusterStats[] = [];
    for (const [name, since] of this.#tracked) {
      const stats = this.#sum.statsOf(name, now - since, this.#local);
      if (stats === null) continue;
      all.push(stats);
      this.#tracked.set(name, now);
    }
    if (this.#wishes?.send_all_clusters === true) {
      const known = new Set(this.#sum.names);
      for (const name of this.#tracked.keys()) if (!known.has(name)) this.#tracked.delete(name);
    }
    for (const name of begun) this.#tracked.set(name, now);
    this.#sum.clear();
    call.send({ node: this.#node, ...(all.length === 0 ? {} : { cluster_stats: all }) });
    this.#scope.inc(this.#scope.i.responses);
    if (this.#wishes !== null) this.#armReport();
  }

  // ─── What is reported ───────────────────────────────────────────────────────────────────────────────────────────

  /** Clusters that are reported already go on from where they are. */
  #beginPeriod(): void {
    const wishes = this.#wishes;
    if (wishes === null) return;
    this.#armReport();
    const now = this.#parts.clock.nowMs;
    const tracked = [...this.#tracked.keys()];
    if (wishes.send_all_clusters === true) {
      this.#ask({ tracked, isReport: false, begins: null }, (begun) => {
        for (const name of begun) this.#tracked.set(name, now);
      });
      return;
    }
    const wanted = wishes.clusters ?? [];
    const begins = wanted.filter((name) => !this.#tracked.has(name));
    this.#tracked = new Map(wanted.map((name) => [name, this.#tracked.get(name) ?? now]));
    if (begins.length > 0) this.#ask({ tracked: [], isReport: false, begins }, () => {});
  }

  #armReport(): void {
    const { seconds = 0, nanos = 0 } = this.#wishes?.load_reporting_interval ?? {};
    this.#reportTimer.arm(Math.max(MIN_INTERVAL_MS, Number(seconds) * 1000 + nanos / 1e6));
  }
}

function retry(reporter: LoadReporter): void {
  reporter.onRetry();
}

function reportDue(reporter: LoadReporter): void {
  reporter.onReportDue();
}
