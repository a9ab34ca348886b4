// Tests of outlier detection with a clock that is led by hand: back-off, shares, rates, and several workers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Clock, Random } from '../../../base/clock.ts';
import { allocateRecords, LocalRecords, type Records, SharedRecords } from '../../../base/shared-records.ts';
import { StatStore } from '../../../telemetry/metrics.ts';
import { Headers } from '../../../wire/headers.ts';
import { decodedCluster } from '../../../../test/support/cluster-decoding.ts';
import { OutlierDetector } from './detector.ts';
import type { OutlierEvent } from './event-log.ts';
import type { HostMonitor } from './host-monitor.ts';
import { EXTERNAL, recordBytes } from './layout.ts';
import type { OutlierConfig } from './outlier-config.ts';
import { successRateThreshold } from './success-rate.ts';

const HOSTS = 5;
type Options = { records?: Records; worker?: number; workers?: number; clock?: Clock; runtime?: Map<string, number> };

/** One worker's detector over hosts that are named h0, h1, … */
class Rig {
  readonly clock: Clock;
  readonly stats = new StatStore();
  readonly events: OutlierEvent[] = [];
  readonly told: string[] = [];
  readonly renewed: string[] = [];
  changes = 0;
  readonly detector: OutlierDetector;
  readonly hosts: HostMonitor[] = [];

  constructor(detection: object, options: Options = {}) {
    const { worker = 0, workers = 1, records = new LocalRecords(recordBytes(workers)), runtime } = options;
    this.clock = options.clock ?? new Clock({ manual: true });
    if (options.clock === undefined) this.clock.advance(1000);
    const config = decodedCluster({ outlier_detection: detection }).outliers as OutlierConfig;
    this.detector = new OutlierDetector(config, {
      parts: {
        ...{ records, worker, workers },
        tellOthers: (cluster) => this.told.push(cluster),
        eventLog: { log: (event) => this.events.push(event) },
      },
      ...{ clusterName: 'up', statName: 'up', key: 'up 0', errorMatcher: null },
      ...{ clock: this.clock, random: new Random(), stats: this.stats },
      runtime: {
        number: (key, fallback) => runtime?.get(key) ?? fallback,
        double: (_key, fallback) => fallback,
        boolean: (_key, fallback) => fallback,
        featureEnabled: () => false,
      },
      onHealthChanged: () => this.changes++,
    });
    for (let i = 0; i < HOSTS; i++) {
      const name = `h${i}`;
      this.hosts.push(this.detector.add({ name, renewConnections: () => this.renewed.push(name) }, name));
    }
  }

  /** Answers of one host; decisions fall in a later turn. */
  async answers(host: number, ...statuses: readonly number[]): Promise<void> {
    for (const status of statuses) this.hosts[host]?.answered(answer(status), false);
    await turn();
  }

  stat(name: string): number | undefined {
    return this.stats.find(`cluster.up.outlier_detection.${name}`);
  }

  get out(): number[] {
    return this.hosts.flatMap(({ isEjected }, i) => (isEjected ? [i] : []));
  }

  /** How long a host stays out, in intervals of a second. */
  async secondsOut(host: number): Promise<number> {
    await this.answers(host, 500, 500);
    assert.deepEqual(this.out, [host]);
    let seconds = 0;
    while (this.out.length > 0) {
      this.clock.advance(1000);
      seconds++;
    }
    return seconds;
  }
}

function answer(status: number): Headers {
  const headers = new Headers();
  headers.status = status;
  return headers;
}

const QUICK = {
  consecutive_5xx: 2,
  interval: '1s',
  base_ejection_time: '3s',
  max_ejection_time: '8s',
  max_ejection_percent: 100,
};

test('each ejection lasts longer, up to the most, and quiet intervals make it shorter again', async () => {
  const rig = new Rig(QUICK);
  const lasted = [];
  for (let i = 0; i < 4; i++) lasted.push(await rig.secondsOut(0));
  // The interval that brings a host back is not one in which it was well.
  assert.deepEqual(lasted, [3, 6, 8, 8]);
  assert.equal(rig.stat('ejections_enforced_total'), 4);
  assert.equal(rig.stat('ejections_active'), 0);
  rig.clock.advance(20_000);
  assert.equal(await rig.secondsOut(0), 3);
  assert.deepEqual(rig.renewed, ['h0', 'h0', 'h0', 'h0', 'h0']);
});

test('no more hosts are out than their share', async () => {
  const rig = new Rig({ ...QUICK, max_ejection_percent: 40 });
  for (const host of [0, 1, 2]) await rig.answers(host, 500, 500);
  assert.deepEqual(rig.out, [0, 1]);
  assert.equal(rig.stat('ejections_overflow'), 1);
  assert.equal(rig.stat('ejections_active'), 2);
  rig.detector.remove(rig.hosts[0] as HostMonitor);
  assert.equal(rig.stat('ejections_active'), 1);
});

test('success rates: average, deviation and who is below', async () => {
  assert.deepEqual(
    successRateThreshold(
      [50, 100, 100, 100, 100].map((rate) => ({ rate })),
      1.9,
    ),
    {
      average: 90,
      threshold: 52,
    },
  );
  const rig = new Rig({ ...QUICK, consecutive_5xx: 0, success_rate_request_volume: 10 });
  const statuses = (errors: number) => Array.from({ length: 10 }, (_, i) => (i < errors ? 500 : 200));
  await rig.answers(0, ...statuses(5));
  for (const host of [1, 2, 3, 4]) await rig.answers(host, ...statuses(0));
  rig.clock.advance(1000);
  assert.deepEqual(rig.out, [0]);
  assert.deepEqual(rig.detector.rates(EXTERNAL), { average: 90, threshold: 52 });
  assert.deepEqual(
    rig.hosts.map(({ successRate }) => successRate),
    [50, 100, 100, 100, 100],
  );
  const [event] = rig.events;
  assert.equal(event?.type, 'SUCCESS_RATE');
  const facts = {
    host_success_rate: 50,
    cluster_average_success_rate: 90,
    cluster_success_rate_ejection_threshold: 52,
  };
  assert.deepEqual(event?.facts, { eject_success_rate_event: facts });
  // What was counted before is over.
  rig.clock.advance(1000);
  assert.deepEqual(rig.detector.rates(EXTERNAL), { average: -1, threshold: -1 });
  assert.equal(rig.hosts[1]?.successRate, -1);
});

test('too few requests, or too few hosts with enough of them, say nothing', async () => {
  const rig = new Rig({
    ...QUICK,
    consecutive_5xx: 0,
    success_rate_request_volume: 3,
    enforcing_failure_percentage: 100,
  });
  await rig.answers(0, 500, 500, 500);
  for (const host of [1, 2, 3]) await rig.answers(host, 200, 200, 200);
  await rig.answers(4, 200, 200);
  rig.clock.advance(1000);
  assert.deepEqual(rig.out, []);
  assert.equal(rig.hosts[0]?.successRate, 0);
  assert.equal(rig.hosts[4]?.successRate, -1);
});

test('a share of failures is enough, whatever the others do; two rules put a host out once', async () => {
  const failing = {
    failure_percentage_request_volume: 4,
    failure_percentage_threshold: 75,
    enforcing_failure_percentage: 100,
  };
  const rig = new Rig({ ...QUICK, consecutive_5xx: 0, ...failing });
  for (const host of [0, 1]) await rig.answers(host, 200, 500, 500, 500);
  for (const host of [2, 3, 4]) await rig.answers(host, 200, 200, 500, 500);
  rig.clock.advance(1000);
  assert.deepEqual(rig.out, [0, 1]);
  const both = new Rig({ ...QUICK, consecutive_5xx: 0, ...failing, success_rate_request_volume: 4 });
  await both.answers(0, 500, 500, 500, 500);
  for (const host of [1, 2, 3, 4]) await both.answers(host, 200, 200, 200, 200);
  both.clock.advance(1000);
  assert.equal(both.stat('ejections_detected_success_rate'), 1);
  assert.equal(both.stat('ejections_detected_failure_percentage'), 1);
  assert.equal(both.stat('ejections_active'), 1);
  assert.equal(both.stat('ejections_enforced_total'), 1);
});

test('runtime values change limits and times while it runs', async () => {
  const runtime = new Map([['outlier_detection.consecutive_5xx', 3]]);
  const rig = new Rig(QUICK, { runtime });
  await rig.answers(0, 500, 500);
  assert.deepEqual(rig.out, []);
  runtime.set('outlier_detection.base_ejection_time_ms', 1000);
  await rig.answers(0, 500);
  assert.deepEqual(rig.out, [0]);
  rig.clock.advance(1000);
  assert.deepEqual(rig.out, []);
});

test('a host that has left changes nothing any more', async () => {
  const rig = new Rig(QUICK);
  const [host] = rig.hosts as [HostMonitor];
  host.answered(answer(500), false);
  rig.detector.remove(host);
  await rig.answers(0, 500, 500, 500);
  assert.equal(rig.stat('ejections_enforced_total'), 0);
  rig.detector.close();
  await rig.answers(1, 500, 500, 500);
  assert.equal(rig.changes, 0);
});

// ─── Several workers ────────────────────────────────────────────────────────────────────────────────────────────────

function pairOfRigs(detection: object): { one: Rig; two: Rig; clock: Clock } {
  const bytes = recordBytes(2);
  const buffers = allocateRecords(3, bytes, 64);
  const clock = new Clock({ manual: true });
  clock.advance(1000);
  const rig = (worker: number): Rig =>
    new Rig(detection, { records: new SharedRecords(buffers, worker + 1, 3, bytes), worker, workers: 2, clock });
  return { one: rig(0), two: rig(1), clock };
}

test('errors in a row are those of all workers, and a success of any ends the row', async () => {
  const { one, two } = pairOfRigs({ ...QUICK, consecutive_5xx: 4 });
  await one.answers(0, 500, 500);
  await two.answers(0, 500, 200);
  await one.answers(0, 500, 500, 500);
  assert.deepEqual([one.out, two.out], [[], []]);
  await two.answers(0, 500);
  assert.deepEqual([one.out, two.out], [[], [0]]);
  assert.deepEqual(two.told, ['up']);
  one.detector.look();
  assert.deepEqual(one.out, [0]);
  assert.deepEqual([one.changes, two.changes], [1, 1]);
  assert.deepEqual([one.stat('ejections_active'), two.stat('ejections_active')], [1, 1]);
  assert.equal((one.stat('ejections_enforced_total') ?? 0) + (two.stat('ejections_enforced_total') ?? 0), 1);
});

test('rates are of all workers, one of them judges, and shares are of the whole', async () => {
  const { one, two, clock } = pairOfRigs({
    ...QUICK,
    consecutive_5xx: 0,
    success_rate_request_volume: 4,
    max_ejection_percent: 20,
  });
  for (const rig of [one, two]) {
    await rig.answers(0, 500, 500);
    for (const host of [1, 2, 3, 4]) await rig.answers(host, 200, 200);
  }
  clock.advance(1000);
  // Each looks at its own interval at the latest.
  assert.deepEqual([one.out, two.out], [[0], [0]]);
  assert.equal(one.events.length + two.events.length, 1);
  for (const rig of [one, two]) assert.equal(rig.detector.rates(EXTERNAL).average, 80);
  assert.equal(one.hosts[0]?.successRate, 0);
});

test('a worker that is gone leaves neither a lock nor a judgement behind', async () => {
  const { one, two, clock } = pairOfRigs(QUICK);
  await one.answers(0, 500, 500);
  one.detector.close();
  // As if it had died with the lock.
  Atomics.store(two.detector.record.ints, 0, 1);
  two.detector.look();
  assert.deepEqual(two.out, [0]);
  clock.advance(4000);
  assert.deepEqual(two.out, []);
});
