// What came of the requests to one host, counted over all workers: errors in a row, and shares of success.
import { H } from '../../../wire/header-names.ts';
import { httpStatusOfGrpc, parseGrpcStatus } from '../../../wire/grpc/status.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { SharedRecord } from '../../../base/shared-records.ts';
import type { HealthStatus } from '../cluster-config.ts';
import type { OutlierDetector } from './detector.ts';
import {
  bucketAt,
  CONSECUTIVE_5XX,
  CONSECUTIVE_GATEWAY,
  CONSECUTIVE_LOCAL,
  EXTERNAL,
  EXTERNAL_RATE,
  IS_DEGRADED,
  IS_EJECTED,
  LOCAL,
  LOCAL_RATE,
  SWEEPS,
} from './layout.ts';

/** Whom a monitor is for. */
export type WatchedHost = { readonly name: string; renewConnections(): void };

const OK = 200;
const UNAVAILABLE = 503;
const GATEWAY_TIMEOUT = 504;

/**
 * Whoever sends to the host tells it here. Source: Envoy DetectorHostMonitorImpl; an error is external when the host
 * answered with it, and of local origin when there was no answer.
 */
export class HostMonitor {
  readonly host: WatchedHost;
  readonly #detector: OutlierDetector;
  readonly #isSplit: boolean;
  readonly #cluster: Int32Array;
  readonly #worker: number;
  readonly #record: SharedRecord;
  ints: Int32Array;
  doubles: Float64Array;
  /** What this worker's load balancer goes by. */
  isEjected = false;
  isDegraded = false;
  /** It has left its cluster; what still comes of it changes nothing. */
  isGone = false;

  constructor(host: WatchedHost, detector: OutlierDetector, record: SharedRecord) {
    this.host = host;
    this.#detector = detector;
    this.#isSplit = detector.config.isSplit;
    this.#cluster = detector.record.ints;
    this.#worker = detector.worker;
    this.#record = record;
    this.ints = record.ints;
    this.doubles = record.doubles;
  }

  /** Its place may be another host's from now on. */
  leave(): void {
    this.isGone = true;
    this.ints = new Int32Array(this.ints);
    this.doubles = new Float64Array(this.doubles);
    this.#record.release();
  }

  // ─── What is told ───────────────────────────────────────────────────────────────────────────────────────────────

  /** A connection stands, and requests will tell more. */
  connected(): void {
    if (this.#isSplit) this.#localSuccess();
  }

  /** A connection stands, and nothing more will be told (tcp_proxy). */
  connectedFinally(): void {
    if (this.#isSplit) this.#localSuccess();
    else this.#put(OK);
  }

  /** A connection, or a request that had no answer yet, failed or was reset. */
  failed(): void {
    if (this.#isSplit) this.#localFailure();
    else this.#put(UNAVAILABLE);
  }

  /** `status`: that of the answer which stands for the one that did not come. */
  timedOut(status: number = GATEWAY_TIMEOUT): void {
    if (this.#isSplit) this.#localFailure();
    else this.#put(status);
  }

  /** The head of an answer, before retries are decided. Source: Envoy Router::Filter::onUpstreamHeaders. */
  answered(headers: Headers, isGrpc: boolean): void {
    const status = (isGrpc ? grpcStatusOf(headers) : null) ?? this.#detector.statusOf(headers);
    this.#put(status);
    if (status >= 500 && status < 600) return;
    if (!this.#detector.config.detectsDegraded || !headers.mayHave(H['x-envoy-degraded'])) return;
    if (headers.get(H['x-envoy-degraded']) !== undefined) this.#detector.noteDegraded(this);
  }

  // ─── What is counted ────────────────────────────────────────────────────────────────────────────────────────────

  #put(status: number): void {
    const { ints } = this;
    const at = bucketAt(this.#worker, this.#cluster[SWEEPS] as number) + EXTERNAL;
    (ints[at] as number)++;
    if (status >= 500 && status < 600) {
      this.#putError(status);
      return;
    }
    (ints[at + 1] as number)++;
    if (ints[CONSECUTIVE_5XX] !== 0) Atomics.store(ints, CONSECUTIVE_5XX, 0);
    if (ints[CONSECUTIVE_GATEWAY] !== 0) Atomics.store(ints, CONSECUTIVE_GATEWAY, 0);
  }

  #putError(status: number): void {
    const { ints } = this;
    if (status >= 502 && status <= 504) this.#countInRow(CONSECUTIVE_GATEWAY);
    else Atomics.store(ints, CONSECUTIVE_GATEWAY, 0);
    this.#countInRow(CONSECUTIVE_5XX);
  }

  #localSuccess(): void {
    const { ints } = this;
    const at = bucketAt(this.#worker, this.#cluster[SWEEPS] as number) + LOCAL;
    (ints[at] as number)++;
    (ints[at + 1] as number)++;
    if (ints[CONSECUTIVE_LOCAL] !== 0) Atomics.store(ints, CONSECUTIVE_LOCAL, 0);
  }

  #localFailure(): void {
    const at = bucketAt(this.#worker, this.#cluster[SWEEPS] as number) + LOCAL;
    (this.ints[at] as number)++;
    this.#countInRow(CONSECUTIVE_LOCAL);
  }

  #countInRow(which: typeof CONSECUTIVE_5XX | typeof CONSECUTIVE_GATEWAY | typeof CONSECUTIVE_LOCAL): void {
    // Of all workers only one sees the count that is too many.
    const count = Atomics.add(this.ints, which, 1) + 1;
    this.#detector.noteInRow(this, which, count);
  }

  // ─── What it is ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** The host's health: what the check found, or else what its endpoint says. */
  healthBeside(health: HealthStatus): HealthStatus {
    if (this.isEjected) return 'UNHEALTHY';
    return this.isDegraded && health === 'HEALTHY' ? 'DEGRADED' : health;
  }

  /** Takes on what all workers have agreed on; says whether anything changed. */
  look(): boolean {
    const isEjected = this.ints[IS_EJECTED] !== 0;
    const isDegraded = this.ints[IS_DEGRADED] !== 0;
    if (isEjected === this.isEjected && isDegraded === this.isDegraded) return false;
    this.isEjected = isEjected;
    this.isDegraded = isDegraded;
    return true;
  }

  /** Of the last interval, in per cent; -1 where there were too few requests. */
  get successRate(): number {
    return (this.doubles[EXTERNAL_RATE] as number) - 1;
  }
  get localOriginSuccessRate(): number {
    return (this.doubles[LOCAL_RATE] as number) - 1;
  }
}

/** Null: the answer does not say how the call ended. */
function grpcStatusOf(headers: Headers): number | null {
  const status = parseGrpcStatus(headers.get(H['grpc-status']));
  return status === null ? null : httpStatusOfGrpc(status);
}
