// Who speaks with whom, now.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Graph } from '../../src/control/telemetry/page-types.ts';
import { Commands } from '../parts/command.tsx';
import { isPaused, isStale, traffic } from '../state/mesh.ts';
import { choose, route } from '../state/route.ts';
import { Details, labelOf } from './details.tsx';
import { EdgeShape } from './edge.tsx';
import { type Layout, layoutOf } from './layout.ts';
import { Legend } from './legend.tsx';
import { useMovingLayout } from './moving-layout.ts';
import { NodeShape } from './node.tsx';

/** Narrower, the graph goes from top to bottom. */
const UPRIGHT_BELOW = 700;
const SMALLEST_SCALE = 0.55;
const LARGEST_SCALE = 1.3;

export function GraphView() {
  const told = traffic.value;
  const chosen = route.value.query.get('chosen') ?? '';
  const onChoose = (id: string): void => choose({ chosen: id === chosen ? '' : id });
  const isEmpty = told === null || told.graph.nodes.length === 0;
  return (
    <section class="graph-view">
      <div class="view-head">
        <h1>Graph</h1>
        <Commands texts={['heddle status']} />
      </div>
      {isEmpty ? (
        <p class="empty">Nothing has been reported yet. The graph shows workloads as soon as they run.</p>
      ) : (
        <div class={`stage ${chosen === '' ? '' : 'with-details'}`}>
          <Picture graph={told.graph} chosen={chosen} onChoose={onChoose} />
          <Details graph={told.graph} workloads={told.workloads} chosen={chosen} onChoose={onChoose} />
        </div>
      )}
      <Legend />
    </section>
  );
}

type PictureParts = { readonly graph: Graph; readonly chosen: string; readonly onChoose: (id: string) => void };

function Picture({ graph, chosen, onChoose }: PictureParts) {
  const frame = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const isUpright = size.width > 0 && size.width < UPRIGHT_BELOW;
  const shape = JSON.stringify([graph.nodes.map(({ id }) => id), graph.edges.map(({ id }) => id), isUpright]);
  // Figures change often, the picture only with its shape.
  const target = useMemo(
    () =>
      layoutOf(
        graph.nodes.map(({ id }) => id),
        graph.edges,
        isUpright,
      ),
    [shape],
  );
  const layout = useMovingLayout(target);
  const { width, height } = scaled(target, size);
  // A graph that is too wide is looked at in its middle first.
  useEffect(() => {
    const element = frame.current;
    if (element !== null) element.scrollLeft = (element.scrollWidth - element.clientWidth) / 2;
  }, [shape, size.width]);
  const close = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && chosen !== '') onChoose(chosen);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape closes what was chosen with a button inside.
    <div class="picture-frame" ref={frame} onKeyDown={close}>
      {size.width === 0 ? null : (
        <svg class="graph" width={width} height={height} viewBox={`0 0 ${layout.width} ${layout.height}`} role="group">
          <title>Workloads and the traffic between them</title>
          <Shapes graph={graph} layout={layout} chosen={chosen} onChoose={onChoose} />
        </svg>
      )}
    </div>
  );
}

function Shapes({ graph, layout, chosen, onChoose }: PictureParts & { layout: Layout }) {
  const near = nearTo(graph, chosen);
  const isStill = isPaused.value || isStale.value;
  return (
    <>
      {graph.edges.map((edge) => {
        const place = layout.edges.get(edge.id);
        if (place === undefined) return null;
        return (
          <EdgeShape
            key={edge.id}
            edge={edge}
            place={place}
            names={`${labelOf(graph, edge.source)} → ${labelOf(graph, edge.destination)}`}
            isChosen={chosen === edge.id}
            isFaded={near !== null && !near.has(edge.id)}
            isStill={isStill}
            onChoose={() => onChoose(edge.id)}
          />
        );
      })}
      {graph.nodes.map((node) => {
        const at = layout.nodes.get(node.id);
        if (at === undefined) return null;
        return (
          <NodeShape
            key={node.id}
            node={node}
            at={at}
            isChosen={chosen === node.id}
            isFaded={near !== null && !near.has(node.id)}
            onChoose={() => onChoose(node.id)}
          />
        );
      })}
    </>
  );
}

/** What is shown in full beside what was chosen; null: everything. */
function nearTo(graph: Graph, chosen: string): ReadonlySet<string> | null {
  const ids = new Set<string>();
  for (const { id, source, destination } of graph.edges) {
    if (![id, source, destination].includes(chosen)) continue;
    for (const one of [id, source, destination]) ids.add(one);
  }
  if (graph.nodes.some(({ id }) => id === chosen)) ids.add(chosen);
  return ids.size === 0 ? null : ids;
}

function scaled(layout: Layout, frame: { width: number; height: number }): { width: number; height: number } {
  const fit = Math.min(frame.width / layout.width, frame.height / layout.height);
  const scale = Math.max(SMALLEST_SCALE, Math.min(LARGEST_SCALE, fit));
  return { width: Math.floor(layout.width * scale), height: Math.floor(layout.height * scale) };
}
