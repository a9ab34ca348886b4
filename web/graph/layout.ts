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

export const NODE_WIDTH = 188;
export const NODE_HEIGHT = 66;
const LABEL = { width: 74, height: 34, labelpos: 'c' } as const;
const MARGIN = 18;
/** All edges have as many points, so that one shape can turn into another. */
const POINTS = 28;
/** How many points of a curve stand for it, between two of its corners. */
const STEPS = 16;
/** Lines that end at the same side of a node keep so far apart. */
const APART = 9;

export function layoutOf(nodes: readonly string[], links: readonly Link[], isUpright: boolean): Layout {
  const graph = new graphlib.Graph({ multigraph: true });
  const gaps = isUpright ? { nodesep: 22, ranksep: 44 } : { nodesep: 30, ranksep: 52 };
  graph.setGraph({ rankdir: isUpright ? 'TB' : 'LR', marginx: MARGIN, marginy: MARGIN, edgesep: 24, ...gaps });
  for (const id of nodes) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const { id, source, destination } of links) graph.setEdge(source, destination, { ...LABEL }, id);
  layOut(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const places = new Map(nodes.map((id) => [id, pointOf(graph.node(id))]));
  const corners = new Map(
    links.map(({ id, source, destination }) => [id, graph.edge(source, destination, id) as Corners]),
  );
  const ends = endsOf(links, places, corners, isUpright);
  const edges = new Map(
    links.map(({ id }) => {
      const corner = corners.get(id)!;
      const [start, end] = ends.get(id)!;
      const isForward = isUpright ? end.y > start.y : end.x > start.x;
      const line = isForward ? curved([start, ...corner.points.slice(1, -1), end], isUpright) : corner.points;
      return [id, { points: sampled(line), label: pointOf(corner) }];
    }),
  );
  return { width, height, nodes: places, edges };
}

function pointOf(value: unknown): Point {
  const { x = 0, y = 0 } = value as Partial<Point>;
  return { x, y };
}

type Corners = Point & { readonly points: readonly Point[] };

/** Lines leave on one side and come in on the other, in the order in which they do not cross. */
function endsOf(
  links: readonly Link[],
  places: ReadonlyMap<string, Point>,
  corners: ReadonlyMap<string, Corners>,
  isUpright: boolean,
): ReadonlyMap<string, readonly [Point, Point]> {
  const along = isUpright ? 'x' : 'y';
  const endAt = (end: 'source' | 'destination', side: 1 | -1): Map<string, Point> => {
    const ofNode = Map.groupBy(links, (link) => link[end]);
    const points = new Map<string, Point>();
    for (const [node, own] of ofNode) {
      const { x, y } = places.get(node)!;
      own.sort((a, b) => corners.get(a.id)![along] - corners.get(b.id)![along]);
      own.forEach(({ id }, at) => {
        const shift = (at - (own.length - 1) / 2) * Math.min(APART, 44 / own.length);
        const point = isUpright
          ? { x: x + shift, y: y + (side * NODE_HEIGHT) / 2 }
          : { x: x + (side * NODE_WIDTH) / 2, y: y + shift };
        points.set(id, point);
      });
    }
    return points;
  };
  const [starts, finishes] = [endAt('source', 1), endAt('destination', -1)];
  return new Map(links.map(({ id }) => [id, [starts.get(id)!, finishes.get(id)!] as const]));
}

/** Through the corners, at each of them in the direction in which the graph goes. */
function curved(corners: readonly Point[], isUpright: boolean): Point[] {
  const points: Point[] = [corners[0]!];
  for (let at = 1; at < corners.length; at++) {
    const [from, to] = [corners[at - 1]!, corners[at]!];
    const middle = between(from, to, 0.5);
    const first = isUpright ? { x: from.x, y: middle.y } : { x: middle.x, y: from.y };
    const second = isUpright ? { x: to.x, y: middle.y } : { x: middle.x, y: to.y };
    for (let step = 1; step <= STEPS; step++) {
      const share = step / STEPS;
      const [a, b, c] = [between(from, first, share), between(first, second, share), between(second, to, share)];
      points.push(between(between(a, b, share), between(b, c, share), share));
    }
  }
  return points;
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
