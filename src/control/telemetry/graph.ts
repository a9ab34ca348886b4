// Traffic and health together: the graph of who speaks with whom, and the rows of workloads.
import type { WorkloadHealth, WorkloadState } from '../../telemetry/mesh-report.ts';
import { addTo, newSum, type Sum, signalsOf } from './histogram-figures.ts';
import type { Graph, GraphEdge, GraphNode, NodeKind, ProcessRow, WorkloadRow } from './page-types.ts';
import { type Endpoint, nodeId, type TrafficBook } from './traffic-book.ts';

/** What is shown of a workload with several processes: the first of these that one of them is in. */
const WORST_FIRST: readonly WorkloadState[] = ['failed', 'restarting', 'not ready', 'starting', 'ready', 'stopped'];
const SERIES_POINTS = 60;

export type MeshFacts = {
  readonly traffic: TrafficBook;
  readonly processes: readonly ProcessRow[];
  readonly capture: string;
  readonly reportMs: number;
};

type Draft = {
  readonly id: string;
  readonly label: string;
  readonly namespace: string;
  kind: NodeKind;
  readonly services: Set<string>;
  readonly versions: Set<string>;
  readonly processes: ProcessRow[];
  readonly inbound: Sum;
};

export function graphOf(facts: MeshFacts, windowS: number, nowMs: number): Graph {
  const window = facts.traffic.window(windowS, nowMs);
  const { drafts, edges, total } = drawn(facts, window);
  return {
    ...{ atMs: nowMs, reportMs: facts.reportMs, windowS, coveredS: window.coveredS, capture: facts.capture },
    nodes: drafts.map((draft) => toldNode(draft, window.coveredS)),
    edges,
    total: signalsOf(total, window.coveredS),
  };
}

export function workloadsOf(facts: MeshFacts, windowS: number, nowMs: number): WorkloadRow[] {
  const window = facts.traffic.window(windowS, nowMs);
  const series = facts.traffic.series(SERIES_POINTS);
  return drawn(facts, window)
    .drafts.filter(({ processes }) => processes.length > 0)
    .map(({ id, label, namespace, kind, processes, inbound }) => ({
      ...{ id, workload: label, namespace, kind, processes },
      service: processes[0]!.service,
      version: processes[0]!.version,
      inbound: signalsOf(inbound, window.coveredS),
      series: series.get(id) ?? [],
    }));
}

function drawn({ traffic, processes }: MeshFacts, window: ReturnType<TrafficBook['window']>) {
  const drafts = new Map<string, Draft>();
  const draftOf = (id: string, label: string, namespace: string, kind: NodeKind): Draft => {
    const known = drafts.get(id);
    if (known !== undefined) return known;
    const sets = { services: new Set<string>(), versions: new Set<string>() };
    const draft = { id, label, namespace, kind, ...sets, processes: [], inbound: newSum() };
    drafts.set(id, draft);
    return draft;
  };
  for (const process of processes) {
    const { namespace, workload, kind } = process;
    const draft = draftOf(nodeId(namespace, workload), workload, namespace, kind);
    draft.processes.push(process);
    note(draft, process);
  }
  // The mesh knows hosts outside by their service; a process that stands for one has a name of its own.
  const outside = new Map([...drafts.values()].filter(isOutside).map((draft) => [[...draft.services][0], draft]));
  const ofEndpoint = (endpoint: Endpoint): Draft => {
    const { id, label, namespace, isKnown, service } = endpoint;
    const draft =
      drafts.get(id) ??
      outside.get(service) ??
      draftOf(id, label, namespace, isKnown ? (namespace === '' ? 'external' : 'workload') : 'unknown');
    note(draft, endpoint);
    return draft;
  };
  const edges: GraphEdge[] = [];
  const total = newSum();
  for (const { edge, sum, told } of traffic.edges(window)) {
    const [source, destination] = [ofEndpoint(edge.source), ofEndpoint(edge.destination)];
    addTo(destination.inbound, sum);
    addTo(total, sum);
    edges.push({ ...told, source: source.id, destination: destination.id });
  }
  // In an order of their own, so that a picture of them does not jump.
  edges.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { drafts: [...drafts.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), edges, total };
}

const isOutside = ({ kind, services }: Draft): boolean => kind === 'external' && services.size > 0;

function note({ services, versions }: Draft, { service, version }: Pick<WorkloadHealth, 'service' | 'version'>): void {
  if (service !== '' && service !== 'unknown') services.add(service);
  if (version !== '' && version !== 'unknown') versions.add(version);
}

function toldNode(draft: Draft, seconds: number): GraphNode {
  const { id, label, namespace, kind, services, versions, processes, inbound } = draft;
  const state = WORST_FIRST.find((one) => processes.some((process) => process.state === one)) ?? null;
  const isUp = (process: ProcessRow): boolean =>
    process.state === 'ready' && (process.isProxyReady || process.proxy === 'none');
  return {
    ...{ id, label, namespace, kind, state },
    versions: [...versions].sort(),
    services: [...services].sort(),
    reason: processes.find((process) => process.state === state)?.reason ?? '',
    ready: processes.filter(isUp).length,
    replicas: processes.length,
    inbound: signalsOf(inbound, seconds),
  };
}
