// The last ten minutes of traffic: who asked whom how often, how that went, and what is told of it.
import type { EdgeDelta, MeshReport, WorkloadName } from '../../telemetry/mesh-report.ts';
import { addTo, newSum, rounded, type Sum, signalsOf } from './histogram-figures.ts';
import type { GraphEdge, Signals } from './page-types.ts';

const KEEP_MS = 600_000;
/** Reports that are kept: one each 2 s. */
const MAX_FRAMES = 300;
/** Edges that are kept; of more those that were quiet for longest are forgotten. */
const MAX_EDGES = 1000;
/** Edges of all reports together: of a mesh with very many of them the time that is kept is shorter. */
const MAX_CELLS = 50_000;

/** One report. */
type Frame = {
  readonly n: number;
  readonly atMs: number;
  readonly intervalMs: number;
  readonly sum: Sum;
  readonly cells: number;
};

type Cell = {
  readonly frame: number;
  readonly count: number;
  readonly errors: number;
  readonly latency: readonly number[];
  readonly codes: Readonly<Record<string, number>>;
  readonly isMutualTls: boolean | null;
  readonly sentBytes: number;
  readonly receivedBytes: number;
};

/** A node as edges name it. */
export type Endpoint = {
  readonly id: string;
  readonly label: string;
  readonly namespace: string;
  readonly isKnown: boolean;
  readonly service: string;
  readonly version: string;
};

export type TrafficEdge = {
  readonly id: string;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly protocol: EdgeDelta['protocol'];
  /** The oldest first. */
  readonly cells: Cell[];
};

export type Window = { readonly firstFrame: number; readonly coveredS: number };

export class TrafficBook {
  readonly #frames: Frame[] = [];
  readonly #edges = new Map<string, TrafficEdge>();
  #next = 1;
  #cells = 0;

  /** `nowMs`: this machine's wall clock, whatever the report says. */
  take(report: MeshReport, nowMs: number): void {
    const cells = report.edges.length;
    const frame = { n: this.#next++, atMs: nowMs, intervalMs: report.intervalMs, sum: newSum(), cells };
    this.#frames.push(frame);
    this.#cells += cells;
    for (const delta of report.edges) {
      addTo(frame.sum, delta);
      this.#add(delta, frame.n);
    }
    this.#forget(nowMs);
  }

  #add(delta: EdgeDelta, frame: number): void {
    const source = endpointOf(delta.source, 'source');
    const destination = endpointOf(delta.destination, 'destination');
    const id = JSON.stringify([source.id, destination.id, delta.protocol]);
    const known = this.#edges.get(id);
    const edge = { id, source, destination, protocol: delta.protocol, cells: known?.cells ?? [] };
    const { count, errors, latency, codes, isMutualTls, sentBytes, receivedBytes } = delta;
    edge.cells.push({ frame, count, errors, latency, codes, isMutualTls, sentBytes, receivedBytes });
    // Whoever spoke last is last.
    this.#edges.delete(id);
    this.#edges.set(id, edge);
  }

  #forget(nowMs: number): void {
    for (let first = this.#frames[0]; first !== undefined; first = this.#frames[0]) {
      const isKept = this.#frames.length <= MAX_FRAMES && this.#cells <= MAX_CELLS && first.atMs >= nowMs - KEEP_MS;
      if (isKept) break;
      this.#cells -= first.cells;
      this.#frames.shift();
    }
    const oldest = this.#frames[0]?.n ?? this.#next;
    for (const [id, { cells }] of this.#edges) {
      while (cells.length > 0 && cells[0]!.frame < oldest) cells.shift();
      if (cells.length === 0 || this.#edges.size > MAX_EDGES) this.#edges.delete(id);
    }
  }

  window(seconds: number, nowMs: number): Window {
    const frames = this.#frames.filter(({ atMs }) => atMs > nowMs - seconds * 1000);
    const covered = frames.reduce((sum, { intervalMs }) => sum + intervalMs, 0) / 1000;
    return { firstFrame: frames[0]?.n ?? this.#next, coveredS: covered };
  }

  /** Those that were used in the window; connections of TCP stay open without a count. */
  *edges({ firstFrame, coveredS }: Window): IterableIterator<{ edge: TrafficEdge; sum: Sum; told: GraphEdge }> {
    for (const edge of this.#edges.values()) {
      const cells = edge.cells.filter(({ frame }) => frame >= firstFrame);
      if (cells.length === 0) continue;
      const sum = newSum();
      for (const cell of cells) addTo(sum, cell);
      yield { edge, sum, told: toldEdge(edge, cells, sum, coveredS) };
    }
  }

  /** Of all edges together, from reports that are wholly of the time between. */
  total(fromMs: number, untilMs: number): { readonly signals: Signals; readonly seconds: number } {
    const sum = newSum();
    let seconds = 0;
    for (const frame of this.#frames) {
      if (frame.atMs > untilMs || frame.atMs - frame.intervalMs < fromMs) continue;
      addTo(sum, frame.sum);
      seconds += frame.intervalMs / 1000;
    }
    return { signals: signalsOf(sum, seconds), seconds: rounded(seconds) };
  }

  /** Requests per second in the last `points` reports to each node, the latest last. */
  series(points: number): ReadonlyMap<string, readonly number[]> {
    const frames = this.#frames.slice(-points);
    const first = frames[0]?.n ?? 0;
    const byNode = new Map<string, number[]>();
    for (const { destination, cells } of this.#edges.values()) {
      const rates = byNode.get(destination.id) ?? new Array<number>(frames.length).fill(0);
      byNode.set(destination.id, rates);
      for (const { frame, count } of cells) {
        const at = frame - first;
        if (at >= 0) rates[at] = rounded(rates[at]! + (count * 1000) / frames[at]!.intervalMs);
      }
    }
    return byNode;
  }
}

function toldEdge(edge: TrafficEdge, cells: readonly Cell[], sum: Sum, seconds: number): GraphEdge {
  const codes: Record<string, number> = {};
  let sent = 0;
  let received = 0;
  for (const cell of cells) {
    for (const [code, count] of Object.entries(cell.codes)) codes[code] = (codes[code] ?? 0) + count;
    sent += cell.sentBytes;
    received += cell.receivedBytes;
  }
  const perSecond = (bytes: number): number => (seconds > 0 ? Math.round(bytes / seconds) : 0);
  return {
    ...{ id: edge.id, source: edge.source.id, destination: edge.destination.id, protocol: edge.protocol },
    ...{ mutualTls: mutualTlsOf(cells), count: sum.count, errors: sum.errors, codes },
    ...signalsOf(sum, seconds),
    sentBytesPerSecond: perSecond(sent),
    receivedBytesPerSecond: perSecond(received),
  };
}

function mutualTlsOf(cells: readonly Cell[]): GraphEdge['mutualTls'] {
  const told = new Set(cells.filter(({ count }) => count > 0).map(({ isMutualTls }) => isMutualTls));
  if (told.has(true)) return told.has(false) ? 'some' : 'all';
  return told.has(false) ? 'none' : 'unknown';
}

const isUnknown = (name: string): boolean => name === '' || name === 'unknown';

export const nodeId = (namespace: string, workload: string): string => `${namespace}/${workload}`;

/** A workload; else the service that was called; else somebody. */
function endpointOf(name: WorkloadName, side: 'source' | 'destination'): Endpoint {
  const { workload, namespace, service, version } = name;
  if (!isUnknown(workload)) {
    return { id: nodeId(namespace, workload), label: workload, namespace, isKnown: true, service, version };
  }
  if (!isUnknown(service)) {
    return { id: `service ${service}`, label: service, namespace: '', isKnown: true, service, version: '' };
  }
  const label = side === 'source' ? 'outside' : 'unknown';
  return { id: `? ${label}`, label, namespace: '', isKnown: false, service: '', version: '' };
}
