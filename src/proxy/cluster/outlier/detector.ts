// Outlier detection of one cluster: puts hosts out that do worse than the others, and back when their time is over.
//
// With several workers every one of them has a detector, and all of them one memory (layout.ts): who counts the error
// that is one too many decides, under the cluster's lock; once per interval the first whose timer fires judges for all.
// Whoever changed something tells the others, who also look at each interval. Source: Envoy DetectorImpl.
import type { Clock, Random, Timer } from '../../../base/clock.ts';
import type { Records, SharedRecord } from '../../../base/shared-records.ts';
import type { StatStore } from '../../../telemetry/metrics.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { Runtime } from '../../http/filter.ts';
import type { OutlierEvent, OutlierEventLog } from './event-log.ts';
import { HostMonitor, type WatchedHost } from './host-monitor.ts';
import {
  AVERAGE,
  BACK_OFF,
  bucketAt,
  CHANGES,
  CONSECUTIVE_5XX,
  CONSECUTIVE_GATEWAY,
  CONSECUTIVE_LOCAL,
  clearBucket,
  DEGRADED_AT,
  DEGRADED_BACK_OFF,
  DEGRADED_JITTER,
  EJECTED_AT,
  EJECTIONS,
  EXTERNAL,
  IS_DEGRADED,
  IS_EJECTED,
  JITTER,
  LOCAL,
  LOCK,
  NEXT_SWEEP,
  type Origin,
  RATE,
  SWEEPS,
  THRESHOLD,
  UNDEGRADED_AT,
  UNEJECTED_AT,
} from './layout.ts';
import {
  type EjectionType,
  ENFORCING_KEYS,
  type ErrorMatcher,
  OUTLIER_KEYS,
  type OutlierConfig,
} from './outlier-config.ts';
import { OUTLIER_STATS, type OutlierScope, STAT_NAMES } from './stats.ts';
import { successRateThreshold } from './success-rate.ts';

/** What detectors of a thread share; with one worker there is nobody to tell. */
export type OutlierParts = {
  readonly records: Records;
  /** Of this thread, and how many there are. */
  readonly worker: number;
  readonly workers: number;
  /** Hosts of that cluster have been put out or back. */
  tellOthers(cluster: string): void;
  /** event_log_path; null: none. */
  eventLog: OutlierEventLog | null;
};

export type DetectorContext = {
  readonly parts: OutlierParts;
  readonly clusterName: string;
  readonly statName: string;
  /** The same in all workers, and another one for each version of the cluster. */
  readonly key: string;
  readonly errorMatcher: ErrorMatcher | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: StatStore;
  /** The health of some hosts is another one now. */
  onHealthChanged(): void;
};

type InRow = typeof CONSECUTIVE_5XX | typeof CONSECUTIVE_GATEWAY | typeof CONSECUTIVE_LOCAL;
type EnforcedType = Exclude<EjectionType, 'DEGRADED'>;

const IN_ROW = {
  [CONSECUTIVE_5XX]: { type: 'CONSECUTIVE_5XX', setting: 'consecutive5xx' },
  [CONSECUTIVE_GATEWAY]: { type: 'CONSECUTIVE_GATEWAY_FAILURE', setting: 'consecutiveGatewayFailure' },
  [CONSECUTIVE_LOCAL]: { type: 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE', setting: 'consecutiveLocalOriginFailure' },
} as const;

/** Waiting for the lock: it is held for microseconds, unless its thread died with it. */
const LOCK_WAIT_MS = 5;
const LOCK_TRIES = 10;
/** Of a matched answer, and of one that was looked at and did not match. Source: Envoy router.cc. */
const MATCHED = 500;
const UNMATCHED = 200;

export class OutlierDetector {
  readonly config: OutlierConfig;
  readonly record: SharedRecord;
  readonly worker: number;
  readonly scope: OutlierScope;
  readonly #context: DetectorContext;
  readonly #monitors = new Set<HostMonitor>();
  readonly #timer: Timer;
  #seenChanges = 0;
  #isLocked = false;
  #isClosed = false;

  constructor(config: OutlierConfig, context: DetectorContext) {
    const { parts, key, stats, statName, clock } = context;
    this.config = config;
    this.#context = context;
    this.worker = parts.worker;
    this.record = parts.records.record(`outliers ${key}`);
    this.scope = stats.scope(`cluster.${statName}.outlier_detection.`, OUTLIER_STATS);
    this.scope.set(this.scope.i.ejections_active, 0);
    this.#timer = clock.timer(sweep, this);
    this.#arm();
  }

  /** A host has come; `key` is the same in all workers. */
  add(host: WatchedHost, key: string): HostMonitor {
    const record = this.#context.parts.records.record(`outlier ${this.#context.key} ${key}`);
    const monitor = new HostMonitor(host, this, record);
    this.#monitors.add(monitor);
    monitor.look();
    return monitor;
  }

  remove(monitor: HostMonitor): void {
    if (!this.#monitors.delete(monitor)) return;
    monitor.leave();
    this.#countActive();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.disarm();
    for (const monitor of this.#monitors) monitor.leave();
    this.#monitors.clear();
    this.record.release();
    this.scope.release();
  }

  // ─── What hosts tell ────────────────────────────────────────────────────────────────────────────────────────────

  /** The status that counts: that of the answer, unless an error_matcher decides. */
  statusOf(headers: Headers): number {
    const { errorMatcher } = this.#context;
    if (errorMatcher === null) return headers.status;
    return errorMatcher(headers) ? MATCHED : UNMATCHED;
  }

  /** So many errors in a row. What follows is not decided in the middle of an exchange. */
  noteInRow(monitor: HostMonitor, which: InRow, count: number): void {
    const { setting } = IN_ROW[which];
    if (count !== this.#number(OUTLIER_KEYS[setting], this.config[setting])) return;
    this.#context.clock.defer(() => this.#onInRow(monitor, which));
  }

  noteDegraded(monitor: HostMonitor): void {
    if (monitor.ints[IS_DEGRADED] === 0) this.#context.clock.defer(() => this.#degrade(monitor));
  }

  #onInRow(monitor: HostMonitor, which: InRow): void {
    if (this.#isClosed || monitor.isGone) return;
    this.#underLock(() => {
      if (monitor.ints[IS_EJECTED] !== 0) return;
      const { type } = IN_ROW[which];
      this.#countDetected(type);
      this.#eject(monitor, type);
      if (type === 'CONSECUTIVE_5XX') this.scope.inc(this.scope.i.ejections_consecutive_5xx);
      Atomics.store(monitor.ints, which, 0);
    });
    this.#tell();
  }

  // ─── Out ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #eject(monitor: HostMonitor, type: EnforcedType): void {
    const { scope } = this;
    if (!this.#mayEject()) {
      scope.inc(scope.i.ejections_overflow);
      return;
    }
    if (type === 'CONSECUTIVE_5XX' || type === 'SUCCESS_RATE') scope.inc(scope.i.ejections_total);
    const percent = this.#number(ENFORCING_KEYS[type], this.config.enforcing[type]);
    const isEnforced = this.#context.random.below(100) < percent;
    // One that was put out for its success rate may fail too often as well.
    if (isEnforced && monitor.ints[IS_EJECTED] === 0) this.#putOut(monitor, type);
    this.#log(monitor, type, 'EJECT', isEnforced);
  }

  #mayEject(): boolean {
    const { maxEjectionPercent, alwaysEjectsOne } = this.config;
    const active = this.#active;
    if (alwaysEjectsOne && active === 0) return true;
    const percent = Math.min(100, this.#number(OUTLIER_KEYS.maxEjectionPercent, maxEjectionPercent));
    return (100 * (active + 1)) / this.#monitors.size <= percent;
  }

  #putOut({ ints, doubles }: HostMonitor, type: EnforcedType): void {
    const { scope } = this;
    const { clock, random } = this.#context;
    scope.inc(scope.i.ejections_enforced_total);
    scope.inc(scope.i[`ejections_enforced_${STAT_NAMES[type]}`]);
    ints[IS_EJECTED] = 1;
    (ints[EJECTIONS] as number)++;
    doubles[EJECTED_AT] = clock.nowMs;
    doubles[JITTER] = random.below(this.#jitterMs + 1);
    const { baseMs, maxMs } = this.#times;
    if ((ints[BACK_OFF] as number) * baseMs < maxMs + baseMs) (ints[BACK_OFF] as number)++;
    Atomics.add(this.record.ints, CHANGES, 1);
  }

  #degrade(monitor: HostMonitor): void {
    if (this.#isClosed || monitor.isGone) return;
    const { scope } = this;
    const { ints, doubles } = monitor;
    this.#underLock(() => {
      if (ints[IS_DEGRADED] !== 0) return;
      const { clock, random } = this.#context;
      scope.inc(scope.i.ejections_detected_degradation);
      ints[IS_DEGRADED] = 1;
      doubles[DEGRADED_AT] = clock.nowMs;
      doubles[DEGRADED_JITTER] = random.below(this.#jitterMs + 1);
      const { baseMs, maxMs } = this.#times;
      if ((ints[DEGRADED_BACK_OFF] as number) * baseMs < maxMs + baseMs) (ints[DEGRADED_BACK_OFF] as number)++;
      Atomics.add(this.record.ints, CHANGES, 1);
      this.#log(monitor, 'DEGRADED', 'EJECT', true);
    });
    this.#tell();
  }

  // ─── Once per interval ──────────────────────────────────────────────────────────────────────────────────────────

  /** For the timer. */
  sweep(): void {
    this.#underLock(() => {
      const { nowMs } = this.#context.clock;
      const { doubles } = this.record;
      // Another worker has judged meanwhile.
      if (nowMs < (doubles[NEXT_SWEEP] as number)) return;
      doubles[NEXT_SWEEP] = nowMs + this.#intervalMs;
      this.#judge();
    });
    this.#tell();
    this.#arm();
  }

  /** The memory of a new cluster says nothing of its first interval yet. */
  #arm(): void {
    const { doubles } = this.record;
    const { nowMs } = this.#context.clock;
    if (doubles[NEXT_SWEEP] === 0) doubles[NEXT_SWEEP] = nowMs + this.#intervalMs;
    this.#timer.arm(Math.min(this.#intervalMs, Math.max(1, (doubles[NEXT_SWEEP] as number) - nowMs)));
  }

  #judge(): void {
    const { ints } = this.record;
    const { workers } = this.#context.parts;
    const sweeps = ints[SWEEPS] as number;
    for (const monitor of this.#monitors) {
      this.#putBack(monitor);
      clearBucket(monitor.ints, workers, sweeps + 1);
      monitor.doubles[RATE[EXTERNAL]] = 0;
      monitor.doubles[RATE[LOCAL]] = 0;
    }
    Atomics.store(ints, SWEEPS, sweeps + 1);
    this.#judgeRates(EXTERNAL, sweeps);
    this.#judgeRates(LOCAL, sweeps);
    this.#calmDown();
  }

  #putBack(monitor: HostMonitor): void {
    const { ints, doubles } = monitor;
    const { nowMs } = this.#context.clock;
    const { baseMs, maxMs } = this.#times;
    const isOver = (since: number, backOff: number, jitter: number): boolean =>
      Math.min(baseMs * (ints[backOff] as number), maxMs) + (doubles[jitter] as number) <=
      nowMs - (doubles[since] as number);
    if (ints[IS_EJECTED] !== 0 && isOver(EJECTED_AT, BACK_OFF, JITTER)) {
      ints[IS_EJECTED] = 0;
      for (const which of [CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL]) Atomics.store(ints, which, 0);
      doubles[UNEJECTED_AT] = nowMs;
      Atomics.add(this.record.ints, CHANGES, 1);
      this.#log(monitor, 'CONSECUTIVE_5XX', 'UNEJECT', false);
    }
    if (ints[IS_DEGRADED] !== 0 && isOver(DEGRADED_AT, DEGRADED_BACK_OFF, DEGRADED_JITTER)) {
      ints[IS_DEGRADED] = 0;
      doubles[UNDEGRADED_AT] = nowMs;
      Atomics.add(this.record.ints, CHANGES, 1);
      this.#log(monitor, 'CONSECUTIVE_5XX', 'UNEJECT', false);
    }
  }

  /** Times in which hosts were well make their next ejection shorter. */
  #calmDown(): void {
    const { nowMs } = this.#context.clock;
    const intervalMs = this.#intervalMs;
    for (const { ints, doubles } of this.#monitors) {
      const calm = (is: number, since: number, backOff: number): void => {
        const sinceMs = doubles[since] as number;
        if (ints[is] !== 0 || sinceMs === 0 || nowMs - sinceMs < intervalMs) return;
        if (ints[backOff] !== 0) (ints[backOff] as number)--;
      };
      calm(IS_EJECTED, UNEJECTED_AT, BACK_OFF);
      calm(IS_DEGRADED, UNDEGRADED_AT, DEGRADED_BACK_OFF);
    }
  }

  /** Source: Envoy processSuccessRateEjections. */
  #judgeRates(origin: Origin, sweeps: number): void {
    const { successRate, failurePercentage } = this.config;
    const { doubles } = this.record;
    const minimumHosts = this.#number(OUTLIER_KEYS.successRateMinimumHosts, successRate.minimumHosts);
    const volume = this.#number(OUTLIER_KEYS.successRateRequestVolume, successRate.requestVolume);
    const minimumFailing = this.#number(OUTLIER_KEYS.failurePercentageMinimumHosts, failurePercentage.minimumHosts);
    const failingVolume = this.#number(OUTLIER_KEYS.failurePercentageRequestVolume, failurePercentage.requestVolume);
    doubles[AVERAGE[origin]] = 0;
    doubles[THRESHOLD[origin]] = 0;
    const { size } = this.#monitors;
    if (size < minimumHosts && size < minimumFailing) return;
    const rated: { readonly monitor: HostMonitor; readonly rate: number }[] = [];
    const failing: typeof rated = [];
    for (const monitor of this.#monitors) {
      if (monitor.ints[IS_EJECTED] !== 0) continue;
      const { total, success } = this.#counted(monitor, origin, sweeps);
      if (total === 0) continue;
      const one = { monitor, rate: (success * 100) / total };
      if (total >= Math.min(volume, failingVolume)) monitor.doubles[RATE[origin]] = one.rate + 1;
      if (total >= volume) rated.push(one);
      if (total >= failingVolume) failing.push(one);
    }
    if (rated.length > 0 && rated.length >= minimumHosts) this.#judgeSuccess(origin, rated);
    if (failing.length > 0 && failing.length >= minimumFailing) this.#judgeFailures(origin, failing);
  }

  #judgeSuccess(origin: Origin, rated: readonly { readonly monitor: HostMonitor; readonly rate: number }[]): void {
    const { scope } = this;
    const { doubles } = this.record;
    const factor = this.#number(OUTLIER_KEYS.successRateStdevFactor, this.config.successRate.stdevFactor) / 1000;
    const { average, threshold } = successRateThreshold(rated, factor);
    doubles[AVERAGE[origin]] = average + 1;
    doubles[THRESHOLD[origin]] = threshold + 1;
    const type = origin === EXTERNAL ? 'SUCCESS_RATE' : 'SUCCESS_RATE_LOCAL_ORIGIN';
    for (const { monitor, rate } of rated) {
      if (rate >= threshold) continue;
      scope.inc(scope.i.ejections_success_rate);
      this.#countDetected(type);
      this.#eject(monitor, type);
    }
  }

  #judgeFailures(origin: Origin, failing: readonly { readonly monitor: HostMonitor; readonly rate: number }[]): void {
    const { threshold } = this.config.failurePercentage;
    const most = this.#number(OUTLIER_KEYS.failurePercentageThreshold, threshold);
    const type = origin === EXTERNAL ? 'FAILURE_PERCENTAGE' : 'FAILURE_PERCENTAGE_LOCAL_ORIGIN';
    for (const { monitor, rate } of failing) {
      if (100 - rate < most) continue;
      this.#countDetected(type);
      this.#eject(monitor, type);
    }
  }

  /** Of all workers, in the bucket that was written before the sweep. */
  #counted(
    { ints }: HostMonitor,
    origin: Origin,
    sweeps: number,
  ): { readonly total: number; readonly success: number } {
    let total = 0;
    let success = 0;
    for (let worker = 0; worker < this.#context.parts.workers; worker++) {
      const at = bucketAt(worker, sweeps) + origin;
      total += ints[at] as number;
      success += ints[at + 1] as number;
    }
    return { total, success };
  }

  // ─── All workers ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another worker has put hosts out or back. */
  look(): void {
    const changes = Atomics.load(this.record.ints, CHANGES);
    if (changes === this.#seenChanges || this.#isClosed) return;
    this.#seenChanges = changes;
    this.#countActive();
    let hasChanged = false;
    const out: HostMonitor[] = [];
    for (const monitor of this.#monitors) {
      const { isEjected } = monitor;
      if (!monitor.look()) continue;
      hasChanged = true;
      if (monitor.isEjected && !isEjected) out.push(monitor);
    }
    if (hasChanged) this.#context.onHealthChanged();
    // The way to the host may be to blame. Source: Envoy ThreadLocalClusterManagerImpl::onHostHealthFailure.
    for (const { host } of out) host.renewConnections();
  }

  #tell(): void {
    const seen = this.#seenChanges;
    this.look();
    const { parts, clusterName } = this.#context;
    if (this.#seenChanges !== seen && parts.workers > 1) parts.tellOthers(clusterName);
  }

  #underLock(work: () => void): void {
    this.#lock();
    try {
      work();
    } finally {
      if (this.#isLocked) Atomics.store(this.record.ints, LOCK, 0);
      this.#isLocked = false;
    }
  }

  /** A lock that nobody gives back is passed over: its thread died. */
  #lock(): void {
    const { ints } = this.record;
    for (let tries = 0; ; tries++) {
      const holder = Atomics.compareExchange(ints, LOCK, 0, this.worker + 1);
      if (holder === 0) break;
      if (tries === LOCK_TRIES) {
        Atomics.store(ints, LOCK, this.worker + 1);
        break;
      }
      Atomics.wait(ints, LOCK, holder, LOCK_WAIT_MS);
    }
    this.#isLocked = true;
  }

  // ─── What it looks like ─────────────────────────────────────────────────────────────────────────────────────────

  get #active(): number {
    let active = 0;
    for (const { ints } of this.#monitors) if (ints[IS_EJECTED] !== 0) active++;
    return active;
  }

  #countActive(): void {
    this.scope.set(this.scope.i.ejections_active, this.#active);
  }

  /** Average of success rates and the threshold below which a host is put out; -1: none. */
  rates(origin: Origin): { readonly average: number; readonly threshold: number } {
    const { doubles } = this.record;
    return { average: (doubles[AVERAGE[origin]] as number) - 1, threshold: (doubles[THRESHOLD[origin]] as number) - 1 };
  }

  #countDetected(type: EnforcedType): void {
    this.scope.inc(this.scope.i[`ejections_detected_${STAT_NAMES[type]}`]);
  }

  #log(monitor: HostMonitor, type: EjectionType, action: OutlierEvent['action'], enforced: boolean): void {
    const { parts, clusterName, clock } = this.#context;
    if (parts.eventLog === null) return;
    const { host, ints, doubles } = monitor;
    const lastMs = doubles[action === 'EJECT' ? UNEJECTED_AT : EJECTED_AT] as number;
    parts.eventLog.log({
      ...{ type, action, enforced },
      cluster: clusterName,
      host: host.name,
      ejections: ints[EJECTIONS] as number,
      sinceLastS: lastMs === 0 ? null : Math.floor((clock.nowMs - lastMs) / 1000),
      ...(action === 'EJECT' ? { facts: this.#facts(monitor, type) } : {}),
    });
  }

  #facts(monitor: HostMonitor, type: EjectionType): NonNullable<OutlierEvent['facts']> {
    const origin = type.endsWith('LOCAL_ORIGIN') ? LOCAL : EXTERNAL;
    const host_success_rate = whole((monitor.doubles[RATE[origin]] as number) - 1);
    if (type.startsWith('FAILURE_PERCENTAGE')) return { eject_failure_percentage_event: { host_success_rate } };
    if (!type.startsWith('SUCCESS_RATE')) return { eject_consecutive_event: {} };
    const { average, threshold } = this.rates(origin);
    return {
      eject_success_rate_event: {
        host_success_rate,
        cluster_average_success_rate: whole(average),
        cluster_success_rate_ejection_threshold: whole(threshold),
      },
    };
  }

  // ─── Settings ───────────────────────────────────────────────────────────────────────────────────────────────────

  #number(key: string, configured: number): number {
    return this.#context.runtime.number(key, configured);
  }

  get #intervalMs(): number {
    return Math.max(1, this.#number(OUTLIER_KEYS.intervalMs, this.config.intervalMs));
  }

  get #times(): { readonly baseMs: number; readonly maxMs: number } {
    const baseMs = this.#number(OUTLIER_KEYS.baseEjectionMs, this.config.baseEjectionMs);
    return { baseMs, maxMs: this.#number(OUTLIER_KEYS.maxEjectionMs, this.config.maxEjectionMs) };
  }

  get #jitterMs(): number {
    return this.#number(OUTLIER_KEYS.maxEjectionJitterMs, this.config.maxEjectionJitterMs);
  }
}

/** Of fields that hold whole numbers: what comes after the point is cut off. */
function whole(value: number): number {
  return Math.max(0, Math.trunc(value));
}

function sweep(detector: OutlierDetector): void {
  detector.sweep();
}
