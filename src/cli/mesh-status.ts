// The mesh that `heddle up` runs, as `heddle status` shows it: how its workloads are, and how calls go.
import type { Graph, GraphEdge, WorkloadRow } from '../control/telemetry/page-types.ts';
import { table } from './command/table.ts';
import { askControl, type ControlPlace } from './control-client.ts';

const WINDOW_S = 60;
const HEADS = ['WORKLOAD', 'READY', 'REQ/S', 'SUCCESS', 'P50', 'P99', 'MTLS', 'RESTARTS', 'RSS', 'PROXY RSS'];

export type MeshStatus = { readonly workloads: readonly WorkloadRow[]; readonly edges: readonly GraphEdge[] };

/** Null where no mesh of `heddle up` is asked. */
export async function askMesh(place: ControlPlace): Promise<MeshStatus | null> {
  if (place.mesh === null) return null;
  const workloads = await askControl(place, `/api/v1/workloads?window=${WINDOW_S}`);
  const graph = await askControl(place, `/api/v1/graph?window=${WINDOW_S}`);
  if (workloads.status !== 200 || graph.status !== 200) return null;
  return { ...(workloads.body as Pick<MeshStatus, 'workloads'>), edges: (graph.body as Graph).edges };
}

export function meshLines({ mesh }: ControlPlace, { workloads, edges }: MeshStatus): string {
  if (mesh === null) return '';
  const life = lifeText(Date.now() - mesh.startedMs);
  const head = `${mesh.directory}: up for ${life}, ${mesh.control}/#token=${mesh.token}`;
  const rows = workloads.flatMap((row) => processRows(row, edges));
  return `${head}\n${table([HEADS, ...rows], 2)}`;
}

function processRows({ id, inbound, processes }: WorkloadRow, edges: readonly GraphEdge[]): string[][] {
  const called = edges.filter(({ destination, mutualTls }) => destination === id && mutualTls !== 'unknown');
  const mtls = called.length === 0 ? '-' : called.every(({ mutualTls }) => mutualTls === 'all') ? 'yes' : 'no';
  const { perSecond, errorShare, p50Ms, p99Ms } = inbound;
  return processes.map((process, index) => [
    process.name,
    process.state === 'ready' ? 'yes' : `${process.state}${process.reason === '' ? '' : `: ${process.reason}`}`,
    // Of all replicas together.
    ...(index > 0
      ? ['', '', '', '', '']
      : [
          perSecond === 0 ? '-' : perSecond.toFixed(1),
          errorShare === null ? '-' : `${((1 - errorShare) * 100).toFixed(1)}%`,
          ...[p50Ms, p99Ms].map((ms) => (ms === null ? '-' : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`)),
          mtls,
        ]),
    String(process.restarts),
    ...[process.rssMb, process.proxyRssMb].map((mb) => (mb === 0 ? '-' : `${Math.round(mb)} MB`)),
  ]);
}

function lifeText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes === 0) return `${Math.floor(ms / 1000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
