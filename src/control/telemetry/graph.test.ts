// Figures of a window: rates, quantiles, mutual TLS, nodes with their health; and the bounds of the book.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgeOf, healthOf, nameOf, reportOf } from '../../../test/support/mesh-reports.ts';
import { graphOf, workloadsOf } from './graph.ts';
import { quantile } from './histogram-figures.ts';
import type { ProcessRow } from './page-types.ts';
import { TrafficBook } from './traffic-book.ts';

const START = 1_700_000_000_000;

function factsOf(traffic: TrafficBook, processes: readonly ProcessRow[] = []) {
  return { traffic, processes, capture: 'explicit', reportMs: START };
}

function rowOf(...args: Parameters<typeof healthOf>): ProcessRow {
  return { ...healthOf(...args), cores: null, proxyCores: null };
}

test('rates are of what was reported, errors and latency of what was asked', () => {
  const book = new TrafficBook();
  for (let at = 0; at < 10; at++) {
    const edges = [
      edgeOf('productpage', 'reviews', { count: 20, errors: 5, codes: { 200: 15, 503: 5 }, bound: 25 }),
      edgeOf('reviews', 'ratings', { count: 2, isMutualTls: false }),
    ];
    book.take(reportOf({ edges }), START + at * 2000);
  }
  const graph = graphOf(factsOf(book), 60, START + 18_000);
  assert.equal(graph.coveredS, 20);
  const [first, second] = graph.edges;
  assert.deepEqual([first?.source, first?.destination], ['shop/productpage', 'shop/reviews']);
  assert.deepEqual([first?.perSecond, first?.errorShare, first?.mutualTls], [10, 0.25, 'all']);
  assert.deepEqual(first?.codes, { 200: 150, 503: 50 });
  assert.ok((first?.p50Ms as number) > 10 && (first?.p99Ms as number) <= 25);
  assert.deepEqual([second?.perSecond, second?.mutualTls], [1, 'none']);
  const reviews = graph.nodes.find(({ id }) => id === 'shop/reviews');
  assert.deepEqual([reviews?.inbound.perSecond, reviews?.services, reviews?.versions], [10, ['reviews.shop'], ['v1']]);
  assert.equal(graph.total.perSecond, 11);
});

test('a shorter window sees only the latest reports', () => {
  const book = new TrafficBook();
  for (let at = 0; at < 30; at++) {
    book.take(reportOf({ edges: [edgeOf('a', 'b', { count: at < 25 ? 20 : 2 })] }), START + at * 2000);
  }
  const now = START + 29 * 2000;
  assert.equal(graphOf(factsOf(book), 10, now).edges[0]?.perSecond, 1);
  assert.equal(graphOf(factsOf(book), 60, now).edges[0]?.perSecond, 8.5);
  assert.deepEqual(graphOf(factsOf(book), 60, now + 120_000).edges, []);
});

test('who is not known is told as outside, a host without a workload as external', () => {
  const book = new TrafficBook();
  const unknown = nameOf('unknown', { namespace: 'unknown', version: 'unknown' });
  const host = { ...unknown, service: 'api.example.com' };
  const edges = [edgeOf('', 'gateway', { source: unknown }), edgeOf('gateway', '', { destination: host })];
  book.take(reportOf({ edges }), START);
  const { nodes } = graphOf(factsOf(book, [rowOf('gateway', { kind: 'ingress' })]), 60, START);
  const kinds = Object.fromEntries(nodes.map(({ label, kind }) => [label, kind]));
  assert.deepEqual(kinds, { outside: 'unknown', gateway: 'ingress', 'api.example.com': 'external' });
});

test('a workload shows the worst of its processes, with or without traffic', () => {
  const rows = [
    rowOf('reviews'),
    rowOf('reviews', { name: 'reviews-2', state: 'restarting', reason: 'exit code 1' }),
    rowOf('idle', { isProxyReady: false }),
  ];
  const facts = factsOf(new TrafficBook(), rows);
  const [idle, reviews] = graphOf(facts, 60, START).nodes;
  assert.deepEqual([idle?.label, idle?.ready, idle?.replicas], ['idle', 0, 1]);
  assert.deepEqual([reviews?.state, reviews?.reason, reviews?.ready], ['restarting', 'exit code 1', 1]);
  assert.deepEqual(
    workloadsOf(facts, 60, START).map(({ workload, processes }) => [workload, processes.length]),
    [
      ['idle', 1],
      ['reviews', 2],
    ],
  );
});

test('series go by reports', () => {
  const book = new TrafficBook();
  for (const count of [2, 4, 0, 8]) {
    book.take(reportOf({ edges: count === 0 ? [] : [edgeOf('a', 'b', { count })] }), START);
  }
  assert.deepEqual(book.series(60).get('shop/b'), [1, 2, 0, 4]);
  assert.deepEqual(book.series(2).get('shop/b'), [0, 4]);
});

test('the book is bounded in time, in reports and in edges', () => {
  const book = new TrafficBook();
  for (let at = 0; at < 2000; at++) book.take(reportOf({ edges: [edgeOf(`s${at}`, 'd')] }), START + at * 10);
  const all = [...book.edges(book.window(600, START + 20_000))];
  assert.equal(all.length, 300);
  assert.equal(all.at(-1)?.edge.source.label, 's1999');
  const many = Array.from({ length: 1500 }, (_, at) => edgeOf(`m${at}`, 'd'));
  book.take(reportOf({ edges: many }), START + 20_000);
  assert.equal([...book.edges(book.window(600, START + 20_000))].length, 1000);
  book.take(reportOf(), START + 700_000);
  assert.equal([...book.edges(book.window(600, START + 700_000))].length, 0);
});

test('of very many edges less time is kept', () => {
  const book = new TrafficBook();
  const many = Array.from({ length: 900 }, (_, at) => edgeOf(`m${at}`, 'd'));
  for (let at = 0; at < 100; at++) book.take(reportOf({ edges: many }), START + at * 2000);
  assert.equal(book.window(600, START + 200_000).coveredS, 110);
});

test('a host outside that runs here is one node with what is asked of it', () => {
  const book = new TrafficBook();
  const destination = nameOf('quotes-0', { service: 'quotes.example.com', version: '' });
  book.take(reportOf({ edges: [edgeOf('egress', '', { destination })] }), START);
  const quotes = rowOf('quotes', { kind: 'external', service: 'quotes.example.com' });
  const graph = graphOf(factsOf(book, [quotes]), 60, START);
  assert.deepEqual(
    graph.nodes.map(({ id, kind }) => [id, kind]),
    [
      ['shop/egress', 'workload'],
      ['shop/quotes', 'external'],
    ],
  );
  assert.equal(graph.edges[0]?.destination, 'shop/quotes');
});

test('before and after are of whole reports', () => {
  const book = new TrafficBook();
  const errors = [0, 0, 0, 4, 4];
  errors.forEach((count, at) => {
    book.take(reportOf({ edges: [edgeOf('a', 'b', { count: 8, errors: count })] }), START + at * 2000);
  });
  // In the middle of the fourth report's interval.
  const changed = START + 5000;
  assert.equal(book.total(changed - 30_000, changed).signals.errorShare, 0);
  assert.deepEqual(book.total(changed, changed + 30_000).seconds, 2);
  assert.equal(book.total(changed, changed + 30_000).signals.errorShare, 0.5);
});

test('quantiles', () => {
  const counts = new Array<number>(20).fill(0);
  assert.equal(quantile(counts, 0.5), null);
  counts[3] = 100;
  assert.equal(quantile(counts, 0.5), 7.5);
  counts[19] = 1000;
  assert.equal(quantile(counts, 0.99), 3_600_000);
});
