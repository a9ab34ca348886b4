// All that the live page shows, kept as reports and changes come, and told to the streams that follow.
import type { Clock } from '../../base/clock.ts';
import type { MeshReport, WorkloadHealth } from '../../telemetry/mesh-report.ts';
import type { ObjectStatus } from '../push/receipts.ts';
import { graphOf, type MeshFacts, workloadsOf } from './graph.ts';
import { rounded } from './histogram-figures.ts';
import type { Graph, HelloEvent, ProcessRow, StatusEvent, TrafficEvent, WorkloadRow } from './page-types.ts';
import { RequestBook } from './request-book.ts';
import { receiptOf, Timeline, type TimelineParts } from './timeline.ts';
import { TrafficBook } from './traffic-book.ts';

/** False: the event was lost, because the reader is too slow. */
export type LiveReader = { readonly send: (event: string, data: unknown) => boolean; readonly windowS: number };

export type LiveParts = Omit<TimelineParts, 'traffic'> & { readonly version: string };

const MAX_READERS = 32;
/** Of one event. */
const MAX_NEW_REQUESTS = 200;
/** Processes of no report that is newer are gone, or nobody looks after them. */
const STALE_MS = 30_000;
const HEARTBEAT_MS = 5000;

type Reader = LiveReader & { lastRequest: number; isBehind: boolean };

export class LiveMesh {
  readonly timeline: Timeline;
  readonly requests = new RequestBook();
  readonly #clock: Clock;
  readonly #version: string;
  readonly #traffic = new TrafficBook();
  readonly #readers = new Set<Reader>();
  #processes: readonly ProcessRow[] = [];
  #capture = '';
  #reportMs = 0;
  #dropped = 0;

  constructor(parts: LiveParts) {
    this.#clock = parts.clock;
    this.#version = parts.version;
    this.timeline = new Timeline({ ...parts, traffic: this.#traffic });
    this.timeline.subscribe((entry) => this.#send('change', () => entry));
    parts.receipts.subscribe((status) => this.#send('status', () => statusEvent(status)));
  }

  take(report: MeshReport): void {
    const nowMs = this.#now();
    const seconds = this.#reportMs === 0 ? 0 : (nowMs - this.#reportMs) / 1000;
    const earlier = new Map(this.#processes.map((process) => [process.name, process]));
    this.#processes = report.workloads.map((health) => withCores(health, earlier.get(health.name), seconds));
    this.#capture = report.capture;
    this.#reportMs = nowMs;
    this.#dropped += report.droppedRequests;
    this.#traffic.take(report, nowMs);
    this.requests.take(report.requests);
    this.timeline.reported();
    this.#sendTraffic();
  }

  graph(windowS: number): Graph {
    const nowMs = this.#now();
    return graphOf(this.#facts(nowMs), windowS, nowMs);
  }

  workloads(windowS: number): WorkloadRow[] {
    const nowMs = this.#now();
    return workloadsOf(this.#facts(nowMs), windowS, nowMs);
  }

  /** Returns a function that ends it; null: too many follow already. */
  follow(reader: LiveReader): (() => void) | null {
    if (this.#readers.size >= MAX_READERS) return null;
    const { send, windowS } = reader;
    const own: Reader = { send, windowS, lastRequest: 0, isBehind: false };
    this.#readers.add(own);
    this.#hello(own);
    const timer = this.#clock.timer(() => {
      own.isBehind ? this.#hello(own) : own.send('alive', { atMs: this.#now() });
      timer.arm(HEARTBEAT_MS);
    }, null);
    timer.arm(HEARTBEAT_MS);
    return () => {
      timer.disarm();
      this.#readers.delete(own);
    };
  }

  #hello(reader: Reader): void {
    const hello: HelloEvent = {
      ...this.#trafficEvent(reader.windowS, 0),
      requests: this.requests.after(0),
      version: this.#version,
      timeline: this.timeline.entries(),
    };
    reader.lastRequest = this.requests.lastNumber;
    reader.isBehind = !reader.send('hello', hello);
  }

  #sendTraffic(): void {
    const events = new Map<number, TrafficEvent>();
    for (const reader of this.#readers) {
      const { windowS, lastRequest } = reader;
      if (reader.isBehind) {
        this.#hello(reader);
        continue;
      }
      const known = events.get(windowS) ?? this.#trafficEvent(windowS, lastRequest);
      events.set(windowS, known);
      reader.lastRequest = this.requests.lastNumber;
      reader.isBehind = !reader.send('traffic', known);
    }
  }

  #send(event: string, data: () => unknown): void {
    for (const reader of this.#readers) if (!reader.isBehind) reader.isBehind = !reader.send(event, data());
  }

  #trafficEvent(windowS: number, lastRequest: number): TrafficEvent {
    return {
      graph: this.graph(windowS),
      workloads: this.workloads(windowS),
      requests: this.requests.after(lastRequest).slice(-MAX_NEW_REQUESTS),
      droppedRequests: this.#dropped,
    };
  }

  #facts(nowMs: number): MeshFacts {
    const processes = nowMs - this.#reportMs > STALE_MS ? [] : this.#processes;
    return { traffic: this.#traffic, processes, capture: this.#capture, reportMs: this.#reportMs };
  }

  #now(): number {
    this.#clock.update();
    return Math.round(this.#clock.wallMs);
  }
}

/** A process that was started anew counts from 0 again. */
function withCores(health: WorkloadHealth, before: ProcessRow | undefined, seconds: number): ProcessRow {
  const cores = (field: 'cpuSeconds' | 'proxyCpuSeconds'): number | null => {
    const spent = before === undefined || seconds <= 0 ? -1 : health[field] - before[field];
    return spent < 0 ? null : rounded(spent / seconds);
  };
  return { ...health, cores: cores('cpuSeconds'), proxyCores: cores('proxyCpuSeconds') };
}

function statusEvent(status: ObjectStatus): StatusEvent {
  return { key: status.key, ...receiptOf(status) };
}
