// All that is known of the node or edge that was chosen.
import type { Graph, GraphEdge, GraphNode, WorkloadRow } from '../../src/control/telemetry/page-types.ts';
import { Badge, Success, toneOfState } from '../parts/badges.tsx';
import { Command } from '../parts/command.tsx';
import { bytesRate, duration, rate, shellWord, share } from '../parts/format.ts';
import { CloseIcon } from '../parts/icons.tsx';
import { Sparkline } from '../parts/sparkline.tsx';
import { addressOf } from '../state/route.ts';
import { MTLS_WORDS } from './edge.tsx';
import { KIND_NAMES } from './node.tsx';

type Parts = {
  readonly graph: Graph;
  readonly workloads: readonly WorkloadRow[];
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
};

export function Details({ graph, workloads, chosen, onChoose }: Parts) {
  const node = graph.nodes.find(({ id }) => id === chosen);
  const edge = graph.edges.find(({ id }) => id === chosen);
  if (node === undefined && edge === undefined) return null;
  return (
    <aside class="details" aria-label="Details">
      <button type="button" class="plain close" aria-label="Close" onClick={() => onChoose('')}>
        <CloseIcon />
      </button>
      {node === undefined ? null : <NodeDetails node={node} graph={graph} workloads={workloads} onChoose={onChoose} />}
      {edge === undefined ? null : <EdgeDetails edge={edge} graph={graph} onChoose={onChoose} />}
    </aside>
  );
}

function NodeDetails({ node, graph, workloads, onChoose }: Omit<Parts, 'chosen'> & { node: GraphNode }) {
  const { id, label, namespace, inbound, state } = node;
  const row = workloads.find((one) => one.id === id);
  const isRunning = row !== undefined;
  const name = shellWord(row?.processes[0]?.name ?? label);
  return (
    <>
      <h2>{label}</h2>
      <p class="quiet">
        {KIND_NAMES[node.kind]}
        {namespace === '' ? '' : ` in ${namespace}`}
      </p>
      <dl class="facts">
        <Fact name="State">{state === null ? 'not told' : <Badge tone={toneOfState(state)}>{state}</Badge>}</Fact>
        {node.reason === '' ? null : <Fact name="Why">{node.reason}</Fact>}
        {isRunning ? <Fact name="Ready">{`${node.ready} of ${node.replicas}`}</Fact> : null}
        <Fact name="Asked">{rate(inbound.perSecond)}</Fact>
        <Fact name="Success">
          <Success errorShare={inbound.errorShare} />
        </Fact>
        <Fact name="p50 / p99">{`${duration(inbound.p50Ms)} / ${duration(inbound.p99Ms)}`}</Fact>
      </dl>
      {isRunning ? <Sparkline points={row.series} label="Requests per second" /> : null}
      <Neighbours
        title="Asked by"
        edges={graph.edges.filter((one) => one.destination === id)}
        graph={graph}
        onChoose={onChoose}
        end="source"
      />
      <Neighbours
        title="Asks"
        edges={graph.edges.filter((one) => one.source === id)}
        graph={graph}
        onChoose={onChoose}
        end="destination"
      />
      <p>
        <a href={addressOf('requests', { workload: label })}>Its recent requests</a>
      </p>
      {isRunning ? (
        <div class="commands upright">
          <Command text={`heddle logs ${name}`} />
          <Command text={`heddle config routes ${name}`} />
          <Command text={`heddle certificate ${name}`} />
        </div>
      ) : null}
    </>
  );
}

type NeighbourParts = {
  readonly title: string;
  readonly edges: readonly GraphEdge[];
  readonly graph: Graph;
  readonly end: 'source' | 'destination';
  readonly onChoose: (id: string) => void;
};

function Neighbours({ title, edges, graph, end, onChoose }: NeighbourParts) {
  if (edges.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="neighbours">
        {edges.map((edge) => (
          <li key={edge.id}>
            <button type="button" class="plain link" onClick={() => onChoose(edge.id)}>
              {labelOf(graph, edge[end])}
            </button>
            <span>{rate(edge.perSecond)}</span>
            <Success errorShare={edge.errorShare} />
          </li>
        ))}
      </ul>
    </>
  );
}

function EdgeDetails({ edge, graph, onChoose }: Pick<Parts, 'graph' | 'onChoose'> & { edge: GraphEdge }) {
  const codes = Object.entries(edge.codes).sort(([, a], [, b]) => b - a);
  const isTcp = edge.protocol === 'tcp';
  return (
    <>
      <h2 class="pair">
        <button type="button" class="plain link" onClick={() => onChoose(edge.source)}>
          {labelOf(graph, edge.source)}
        </button>
        <span>→</span>
        <button type="button" class="plain link" onClick={() => onChoose(edge.destination)}>
          {labelOf(graph, edge.destination)}
        </button>
      </h2>
      <p class="quiet">
        {edge.protocol}, {MTLS_WORDS[edge.mutualTls]}
      </p>
      <dl class="facts">
        <Fact name={isTcp ? 'Connections' : 'Requests'}>{rate(edge.perSecond)}</Fact>
        <Fact name="Errors">{`${share(edge.errorShare)} (${edge.errors} of ${edge.count})`}</Fact>
        <Fact name="p50 / p99">{`${duration(edge.p50Ms)} / ${duration(edge.p99Ms)}`}</Fact>
        {isTcp ? <Fact name="Sent">{bytesRate(edge.sentBytesPerSecond)}</Fact> : null}
        {isTcp ? <Fact name="Received">{bytesRate(edge.receivedBytesPerSecond)}</Fact> : null}
      </dl>
      {codes.length === 0 ? null : (
        <>
          <h3>Answers</h3>
          <ul class="codes">
            {codes.map(([code, count]) => (
              <li key={code}>
                <span class={`code c${code[0] ?? '0'}`}>{code === '0' ? 'none' : code}</span>
                <span class="meter">
                  <span style={{ width: `${(100 * count) / Math.max(1, edge.count)}%` }} />
                </span>
                <span>{count}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function labelOf(graph: Graph, id: string): string {
  return graph.nodes.find((node) => node.id === id)?.label ?? id;
}
