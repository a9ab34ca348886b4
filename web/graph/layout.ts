// Where nodes and edges of the graph are drawn.
import { graphlib, layout as layOut } from '@dagrejs/dagre';

export type Point = { readonly x: number; readonly y: number };

export type Layout = {
  readonly width: number;
  readonly height: number;
  /** Centres. */
  readonly nodes: ReadonlyMap<string, Point>;
  readonly edges: ReadonlyMap<string, { readonly points: readonly Point[]; readonly label: Point }>;
};

export type Link = { readonly id: string; readonly source: string; readonly destination: string };

export const NODE_WIDTH = 176;
export const NODE_HEIGHT = 66;
const LABEL = { width: 74, height: 34, labelpos: 'c' } as const;
const MARGIN = 18;
/** All edges have as many points, so that one shape can turn into another. */
const POINTS = 12;

export function layoutOf(nodes: readonly string[], links: readonly Link[], isUpright: boolean): Layout {
  const graph = new graphlib.Graph({ multigraph: true });
  const gaps = isUpright ? { nodesep: 22, ranksep: 44 } : { nodesep: 30, ranksep: 52 };
  graph.setGraph({ rankdir: isUpright ? 'TB' : 'LR', marginx: MARGIN, marginy: MARGIN, edgesep: 24, ...gaps });
  for (const id of nodes) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const { id, source, destination } of links) graph.setEdge(source, destination, { ...LABEL }, id);
  layOut(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const places = new Map(nodes.map((id) => [id, pointOf(graph.node(id))]));
  const edges = new Map(
    links.map(({ id, source, destination }) => {
      const edge = graph.edge(source, destination, id) as { points: Point[]; x: number; y: number };
      return [id, { points: sampled(edge.points), label: pointOf(edge) }];
    }),
  );
  return { width, height, nodes: places, edges };
}

function pointOf(value: unknown): Point {
  const { x = 0, y = 0 } = value as Partial<Point>;
  return { x, y };
}

/** At even distances along the line. */
export function sampled(line: readonly Point[], count = POINTS): Point[] {
  const lengths = [0];
  for (let at = 1; at < line.length; at++) lengths.push(lengths[at - 1]! + distance(line[at - 1]!, line[at]!));
  const total = lengths.at(-1) ?? 0;
  const points: Point[] = [];
  for (let n = 0, at = 1; n < count; n++) {
    const wanted = (total * n) / (count - 1);
    while (at < line.length - 1 && lengths[at]! < wanted) at++;
    const [from, to] = [line[at - 1] ?? { x: 0, y: 0 }, line[at] ?? line[0] ?? { x: 0, y: 0 }];
    const part = lengths[at]! - lengths[at - 1]!;
    points.push(between(from, to, part > 0 ? (wanted - lengths[at - 1]!) / part : 0));
  }
  return points;
}

export function between(from: Point, to: Point, share: number): Point {
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

const distance = (a: Point, b: Point): number => Math.hypot(b.x - a.x, b.y - a.y);

/** A smooth line through the points. */
export function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (first === undefined || last === undefined) return '';
  const text = [`M${short(first)}`];
  rest.forEach((point, at) => {
    const next = rest[at + 1] ?? last;
    text.push(`Q${short(point)} ${short(at === rest.length - 1 ? last : between(point, next, 0.5))}`);
  });
  return text.join('');
}

const short = ({ x, y }: Point): string => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** A head at the end of the line, `size` long. */
export function arrowOf(points: readonly Point[], size: number): string {
  const [tip, before] = [points.at(-1), points.at(-2)];
  if (tip === undefined || before === undefined) return '';
  const length = distance(before, tip) || 1;
  const [dx, dy] = [(tip.x - before.x) / length, (tip.y - before.y) / length];
  const back = { x: tip.x - dx * size, y: tip.y - dy * size };
  const [left, right] = [1, -1].map((side) => ({
    x: back.x - dy * side * size * 0.55,
    y: back.y + dx * side * size * 0.55,
  }));
  return `M${short(tip)}L${short(left!)}L${short(right!)}Z`;
}

/** On the way from one picture to another. What is new is where it will be. */
export function mixed(from: Layout, to: Layout, share: number): Layout {
  const nodes = [...to.nodes].map(([id, point]) => [id, between(from.nodes.get(id) ?? point, point, share)] as const);
  const edges = [...to.edges].map(([id, edge]) => {
    const old = from.edges.get(id) ?? edge;
    const points = edge.points.map((point, at) => between(old.points[at] ?? point, point, share));
    return [id, { points, label: between(old.label, edge.label, share) }] as const;
  });
  const width = from.width + (to.width - from.width) * share;
  const height = from.height + (to.height - from.height) * share;
  return { width, height, nodes: new Map(nodes), edges: new Map(edges) };
}
