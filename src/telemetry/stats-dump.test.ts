// Dumps of statistics against what Envoy 1.40 printed for the same values.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { StatStore } from './metrics.ts';
import { decodeStatsConfig, type StatsConfigPb, type StatsDecoder } from './stats-config.ts';
import { dumpPrometheus } from './stats-prometheus.ts';
import { parseStatsParams } from './stats-params.ts';
import { dumpStats } from './stats-text.ts';

const read = (name: string): string => readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');
type Recorded = {
  readonly stats: readonly (readonly ['counter' | 'gauge', string, number])[];
  readonly histograms: readonly (readonly [string, readonly (readonly [number, number])[]])[];
};

function recordedStore(): StatStore {
  const store = new StatStore();
  const recorded = JSON.parse(read('recorded.json')) as Recorded;
  const split = (name: string) => {
    const dot = name.lastIndexOf('.');
    return [store.scope(name.slice(0, dot), NOTHING), name.slice(dot + 1)] as const;
  };
  for (const [kind, name, value] of recorded.stats) {
    const [scope, last] = split(name);
    const cell = kind === 'gauge' ? scope.dynamicGauge(last) : scope.dynamicCounter(last);
    if (value !== 0) scope.set(cell, value);
  }
  for (const [name, bins] of recorded.histograms) {
    const [scope, last] = split(name);
    const histogram = scope.dynamicHistogram(last);
    for (const [bound, count] of bins) for (let i = 0; i < count; i++) scope.record(histogram, bound);
  }
  store.flush();
  store.flush();
  return store;
}
const NOTHING = {};

function decoder(reasons: string[] = [], path = ''): StatsDecoder {
  return {
    at: (field, index) => decoder(reasons, `${path}${field}${index === undefined ? '' : `[${index}]`}.`),
    reject: (field, why) => reasons.push(`${path}${field}: ${why}`),
  };
}

function dump(store: StatStore, query: string, message?: StatsConfigPb, cliTags?: string[]): string {
  const config = decodeStatsConfig(message, decoder(), cliTags);
  const params = parseStatsParams(new URLSearchParams(query));
  assert.ok(typeof params !== 'string', String(params));
  return [...(params.format === 'prometheus' ? dumpPrometheus : dumpStats)(store, config, params)].join('');
}

test('text is Envoy’s, byte for byte', () => {
  assert.equal(dump(recordedStore(), ''), read('recorded.txt'));
});

test('Prometheus is Envoy’s, byte for byte', () => {
  assert.equal(dump(recordedStore(), 'format=prometheus'), read('recorded.prom'));
});

test('JSON, types, used only, filters', () => {
  const store = recordedStore();
  assert.equal(dump(store, 'format=json&filter=zzz'), '{"stats":[]}');
  assert.equal(
    dump(store, 'format=json&filter=^http.*rq_2'),
    '{"stats":[{"name":"http.ingress_http.downstream_rq_2xx","value":161}]}',
  );
  assert.equal(
    dump(store, 'type=Gauges&usedonly&filter=member'),
    'cluster.c1.membership_healthy: 1\ncluster.c1.membership_total: 1\n',
  );
  assert.ok(
    dump(store, 'format=json&type=Histograms&filter=cx_length').startsWith(
      '{"stats":[{"histograms":{"supported_quantiles":[0,25,50,75,90,95,99,99.5,99.9,100],"computed_quantiles":' +
        '[{"name":"cluster.c1.upstream_cx_length_ms","values":[{"cumulative":null,"interval":null},',
    ),
  );
});

test('wrong queries get the words of Envoy', () => {
  const said = (query: string, prometheus = false): unknown => parseStatsParams(new URLSearchParams(query), prometheus);
  assert.equal(said('type=bad'), 'invalid &type= param');
  assert.equal(said('format=bad'), 'usage: /stats?format=(html|active-html|json|prometheus|text)\n\n');
  assert.match(said('histogram_buckets=bad') as string, /^usage: \/stats\?histogram_buckets=/);
  assert.equal(said('histogram_buckets=detailed', true), 'unsupported prometheus histogram bucket mode');
  assert.match(said('filter=(') as string, /^Invalid re2 regex: missing \): \(/);
});

test('tags of configuration and command line come in Envoy’s order', () => {
  const store = new StatStore();
  const cluster = store.scope('cluster.c1.x:y', { upstream_cx_total: 'counter', upstream_rq_200: 'counter' });
  const vhost = store.scope('vhost.vh1.vcluster.vc1', { upstream_rq_total: 'counter' });
  assert.ok(cluster !== undefined && vhost !== undefined);
  const message: StatsConfigPb = {
    stats_tags: [
      { tag_name: 'fixed.one', fixed_value: 'va"l\\x' },
      { tag_name: 'my_tag', regex: '^vhost\\.((.*?)\\.)vcl' },
      { tag_name: 'cx', regex: '_(cx)_' },
      { tag_name: 'envoy.cluster_name' },
    ],
  };
  assert.equal(
    dump(store, 'format=prometheus', message, ['cli:vv']),
    '# TYPE envoy_cluster_x_y_upstream__total counter\n' +
      'envoy_cluster_x_y_upstream__total{cli="vv",fixed_one="va\\"l\\\\x",cx="cx",envoy_cluster_name="c1"} 0\n' +
      '# TYPE envoy_cluster_x_y_upstream_rq counter\n' +
      'envoy_cluster_x_y_upstream_rq{envoy_response_code="200",cli="vv",fixed_one="va\\"l\\\\x",' +
      'envoy_cluster_name="c1"} 0\n' +
      '# TYPE envoy_vhost_vcluster_upstream_rq_total counter\n' +
      'envoy_vhost_vcluster_upstream_rq_total{cli="vv",fixed_one="va\\"l\\\\x",envoy_virtual_cluster="vc1",' +
      'envoy_virtual_host="vh1",my_tag="vh1"} 0\n',
  );
});

test('matchers, buckets and wrong settings', () => {
  const reasons: string[] = [];
  const config = decodeStatsConfig(
    {
      stats_matcher: {
        exclusion_list: { patterns: [{ prefix: 'http.admin' }, { safe_regex: { regex: '.*_lb_.*' } }] },
      },
      histogram_bucket_settings: [{ match: { prefix: 'http' }, buckets: [10, 2.5, 1] }],
      stats_tags: [{ tag_name: 'no_default' }, { tag_name: 'x', regex: '(' }],
    },
    decoder(reasons),
    ['bad'],
  );
  assert.deepEqual(
    ['http.admin.x', 'cluster.a_lb_b', 'cluster.x'].map((name) => config.filter?.(name)),
    [false, false, true],
  );
  assert.deepEqual(config.bucketsOf('http.x'), [1, 2.5, 10]);
  assert.equal(config.bucketsOf('cluster.x').length, 19);
  assert.deepEqual(reasons, [
    ": --stats-tag 'bad' is not of the form name:value",
    "stats_tags[0].regex: No regex specified for tag specifier and no default regex for name: 'no_default'",
    "stats_tags[1].regex: Invalid regex '(': The expression contained mismatched ( and ).",
  ]);
});

test('two scopes of one name are one statistic; the root lies among the others', () => {
  const store = new StatStore();
  const a = store.scope('s.a', { n: 'counter', z: 'counter' });
  const b = store.scope('s.a', { n: 'counter' });
  const root = store.scope('', { 's.b': 'counter', a: 'counter' });
  store.scope('s.a.b', { m: 'gauge' });
  a.inc(a.i.n);
  b.inc(b.i.n);
  root.inc(root.i['s.b']);
  assert.equal(dump(store, ''), 'a: 0\ns.a.b.m: 0\ns.a.n: 2\ns.a.z: 0\ns.b: 1\n');
  assert.match(dump(store, 'format=prometheus'), /envoy_s_a_n\{\} 2\n/);
});

test('names that are put together differently are one, and keep their order', () => {
  const store = new StatStore();
  const outer = store.scope('s.a', { 'b.n': 'counter', 'b.m': 'counter' });
  const inner = store.scope('s.a.b', { n: 'counter', k: 'counter' });
  outer.inc(outer.i['b.n']);
  inner.add(inner.i.n, 2);
  const lines = dump(store, 'format=prometheus').split('\n');
  const values = lines.filter((line) => line.startsWith('envoy_s'));
  assert.deepEqual(values, ['envoy_s_a_b_k{} 0', 'envoy_s_a_b_m{} 0', 'envoy_s_a_b_n{} 3']);
  const clusters = ['a-b', 'a', 'a0', 'b', 'A'];
  for (const name of clusters) store.scope(`cluster.${name}`, { upstream_cx_total: 'counter' });
  const names = [...dump(store, 'format=prometheus&filter=^cluster').matchAll(/cluster_name="(.*?)"/g)].map(
    (m) => m[1],
  );
  // As their whole names: a dot follows.
  assert.deepEqual(names, ['A', 'a-b', 'a', 'a0', 'b']);
});

test('statistics that were given their tags show them in that order, under names of their own namespace', () => {
  const store = new StatStore();
  const schema = { istio_requests_total: 'counter', istio_request_bytes: 'histogram' } as const;
  const of = (...tags: string[]) => store.taggedScope('istiocustom.', tags, schema);
  const a = of('reporter', 'source', 'destination_principal', 'spiffe://a/b', 'grpc_response_status', '', 'x', 'a.b');
  a.inc(a.i.istio_requests_total);
  a.record(a.i.istio_request_bytes, 700);
  const b = of('reporter', 'destination');
  b.add(b.i.istio_requests_total, 3);
  store.flush();
  assert.equal(of('reporter', 'destination'), b);
  const name = 'istiocustom.istio_requests_total.reporter.';
  const text = dump(store, 'filter=requests');
  const full = `${name}source.destination_principal.spiffe://a/b.grpc_response_status.x.a.b`;
  assert.equal(text, `${name}destination: 3\n${full}: 1\n`);
  const labels = 'reporter="source",destination_principal="spiffe://a/b",grpc_response_status="",x="a.b"';
  assert.equal(
    dump(store, 'format=prometheus&filter=requests'),
    `# TYPE istio_requests_total counter\nistio_requests_total{reporter="destination"} 3\n` +
      `istio_requests_total{${labels}} 1\n`,
  );
  assert.match(dump(store, 'format=prometheus'), /istio_request_bytes_bucket\{reporter="source",.*,le="1000"\} 1\n/);
  assert.equal(store.find(full), 1);
  b.release();
  b.release();
  assert.equal(dump(store, 'filter=requests'), `${full}: 1\n`);
  store.setFilter((stat) => !stat.includes('reporter.source'));
  assert.equal(dump(store, 'filter=requests'), '');
});
