// The graph's layout: nobody covers anybody, lines go from node to node, and one picture turns into another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { between, layoutOf, type Link, mixed, NODE_HEIGHT, NODE_WIDTH, pathOf, sampled } from './layout.ts';

const linkOf = (source: string, destination: string, kind = 'http'): Link => ({
  id: `${source}>${destination}:${kind}`,
  source,
  destination,
});

test('a chain goes in the direction of the graph', () => {
  const nodes = ['a', 'b', 'c'];
  const links = [linkOf('a', 'b'), linkOf('b', 'c')];
  const wide = layoutOf(nodes, links, false);
  const [a, b, c] = nodes.map((id) => wide.nodes.get(id)!);
  assert.ok(a!.x < b!.x && b!.x < c!.x && a!.y === b!.y);
  const upright = layoutOf(nodes, links, true);
  assert.ok(upright.nodes.get('a')!.y < upright.nodes.get('c')!.y && upright.width < wide.width);
  const { points } = wide.edges.get('a>b:http')!;
  assert.equal(points[0]!.x, a!.x + NODE_WIDTH / 2);
  assert.equal(points.at(-1)!.x, b!.x - NODE_WIDTH / 2);
});

test('two protocols between the same two are two lines', () => {
  const { edges } = layoutOf(['a', 'b'], [linkOf('a', 'b'), linkOf('a', 'b', 'tcp')], false);
  assert.notDeepEqual(edges.get('a>b:http')!.label, edges.get('a>b:tcp')!.label);
});

test('whatever the graph, nodes do not overlap and every line has a place', () => {
  const graphs = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 20 });
  fc.assert(
    fc.property(graphs, fc.boolean(), (pairs, isUpright) => {
      const nodes = Array.from({ length: 10 }, (_, at) => `n${at}`);
      const links = [...new Map(pairs.map(([a, b]) => [`${a}>${b}`, linkOf(`n${a}`, `n${b}`)])).values()];
      const layout = layoutOf(nodes, links, isUpright);
      const places = [...layout.nodes.values()];
      places.forEach((one, at) => {
        assert.ok(Number.isFinite(one.x) && Number.isFinite(one.y));
        for (const other of places.slice(at + 1)) {
          assert.ok(Math.abs(one.x - other.x) >= NODE_WIDTH || Math.abs(one.y - other.y) >= NODE_HEIGHT);
        }
      });
      for (const { id } of links) assert.doesNotMatch(pathOf(layout.edges.get(id)!.points), /NaN|undefined/);
    }),
    { numRuns: 60 },
  );
});

test('on the way to another picture everything has a place in between', () => {
  const from = layoutOf(['a', 'b'], [linkOf('a', 'b')], false);
  const to = layoutOf(['a', 'b', 'c'], [linkOf('a', 'b'), linkOf('a', 'c')], false);
  const half = mixed(from, to, 0.5);
  assert.deepEqual(half.nodes.get('b'), between(from.nodes.get('b')!, to.nodes.get('b')!, 0.5));
  assert.deepEqual(half.nodes.get('c'), to.nodes.get('c'));
  assert.deepEqual(mixed(from, to, 1).nodes, to.nodes);
});

test('points lie at even distances', () => {
  const points = sampled(
    [
      { x: 0, y: 0 },
      { x: 10, y: 0 },
      { x: 10, y: 10 },
    ],
    5,
  );
  assert.deepEqual(
    points.map(({ x, y }) => [x, y]),
    [
      [0, 0],
      [5, 0],
      [10, 0],
      [10, 5],
      [10, 10],
    ],
  );
});
