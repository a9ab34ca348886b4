// What this page knows of the mesh.
import { computed, signal } from '@preact/signals';
import type { ListedObject, ToldFinding } from '../../src/control/api/object-types.ts';
import type {
  HelloEvent,
  NumberedRequest,
  TimelineEntry,
  TrafficEvent,
} from '../../src/control/telemetry/page-types.ts';

export type Connection = 'connecting' | 'open' | 'lost' | 'refused' | 'full';

const MAX_REQUESTS = 500;
const MAX_CHANGES = 400;
/** Reports come every 2 s. */
const STALE_MS = 8000;

export const connection = signal<Connection>('connecting');
export const windowS = signal(60);
export const isPaused = signal(false);
export const version = signal('');
export const traffic = signal<Omit<TrafficEvent, 'requests'> | null>(null);
export const requests = signal<readonly NumberedRequest[]>([]);
export const timeline = signal<readonly TimelineEntry[]>([]);
export const objects = signal<readonly ListedObject[] | null>(null);
export const findings = signal<readonly ToldFinding[]>([]);
/** This machine's clock, each second. */
export const now = signal(Date.now());
/** How much later the server's clock is. */
const aheadMs = signal(0);

/** Null: nothing was reported yet. */
export const reportAgeMs = computed(() => {
  const reported = traffic.value?.graph.reportMs ?? 0;
  return reported === 0 ? null : Math.max(0, now.value + aheadMs.value - reported);
});
export const isStale = computed(() => (reportAgeMs.value ?? 0) > STALE_MS);

/** What came while the page stood still. */
let held: TrafficEvent[] = [];
const MAX_HELD = 300;

export function takeHello(hello: HelloEvent): void {
  version.value = hello.version;
  timeline.value = hello.timeline;
  held = [];
  requests.value = hello.requests;
  show(hello);
}

export function takeTraffic(event: TrafficEvent): void {
  if (!isPaused.value) {
    show(event);
    addRequests(event.requests);
    return;
  }
  held.push(event);
  if (held.length > MAX_HELD) held.shift();
}

export function setPaused(paused: boolean): void {
  isPaused.value = paused;
  if (paused) return;
  const last = held.at(-1);
  for (const event of held) addRequests(event.requests);
  if (last !== undefined) show(last);
  held = [];
}

function show({ graph, workloads, droppedRequests }: TrafficEvent): void {
  aheadMs.value = graph.atMs - Date.now();
  traffic.value = { graph, workloads, droppedRequests };
}

function addRequests(more: readonly NumberedRequest[]): void {
  if (more.length > 0) requests.value = [...requests.value, ...more].slice(-MAX_REQUESTS);
}

/** One that is known already is replaced. */
export function takeChange(entry: TimelineEntry): void {
  const others = timeline.value;
  const at = others.findLastIndex(({ id }) => id === entry.id);
  timeline.value = at < 0 ? [...others, entry].slice(-MAX_CHANGES) : others.with(at, entry);
}
