// Prometheus' text of a proxy, read again and again → what was added for each pair of workloads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LATENCY_BOUNDS_MS } from '../../telemetry/mesh-report.ts';
import { IstioMetrics, isError, type MutableEdge } from './istio-metrics.ts';

type Labels = Readonly<Record<string, string>>;

const CALL: Labels = {
  ...{ reporter: 'source', source_workload: 'shop', source_workload_namespace: 'a', source_version: 'v1' },
  ...{ destination_workload: 'reviews-v2', destination_workload_namespace: 'b', destination_version: 'v2' },
  ...{ destination_service_name: 'reviews', request_protocol: 'http', response_code: '200', response_flags: '-' },
  ...{ grpc_response_status: '', connection_security_policy: 'unknown' },
};

function sample(name: string, value: number, more: Labels = {}): string {
  const labels = Object.entries({ ...CALL, ...more }).map(([label, text]) => `${label}="${text}"`);
  return `${name}{${labels.join(',')}} ${value}\n`;
}

const requests = (value: number, more: Labels = {}): string => sample('istio_requests_total', value, more);

function only(edges: ReadonlyMap<string, MutableEdge>): MutableEdge {
  assert.equal(edges.size, 1, JSON.stringify([...edges.keys()]));
  return [...edges.values()][0] as MutableEdge;
}

function reader(): (text: string, externals?: ReadonlyMap<string, string>) => Map<string, MutableEdge> {
  const metrics = new IstioMetrics();
  return (text, externals) => {
    const edges = new Map<string, MutableEdge>();
    metrics.read(text, edges, externals);
    return edges;
  };
}

test('what was added since the last time, by code; errors are 5xx, no answer, and what is a server by gRPC', () => {
  const read = reader();
  const first = only(
    read(`# TYPE istio_requests_total counter\n${requests(10)}${requests(2, { response_code: '503' })}`),
  );
  assert.deepEqual([first.count, first.errors, first.codes], [12, 2, { '200': 10, '503': 2 }]);
  assert.deepEqual(first.source, { workload: 'shop', namespace: 'a', service: '', version: 'v1' });
  assert.deepEqual(first.destination, { workload: 'reviews-v2', namespace: 'b', service: 'reviews', version: 'v2' });
  const grpc = { request_protocol: 'grpc', grpc_response_status: '14' };
  const second = read(`${requests(15)}${requests(2, { response_code: '503' })}${requests(3, grpc)}`);
  const [http, other] = [...second.values()];
  assert.deepEqual([http?.protocol, http?.count, http?.errors], ['http', 5, 0]);
  assert.deepEqual([other?.protocol, other?.count, other?.errors], ['grpc', 3, 3]);
  assert.equal(read(requests(15)).size, 0, 'nothing new');
});

test('a proxy that was started anew begins at 0', () => {
  const read = reader();
  read(requests(100));
  assert.equal(only(read(requests(4))).count, 4);
});

test('the calling side counts; of callers outside of the mesh the called one; and it alone knows of mutual TLS', () => {
  const read = reader();
  const called = { reporter: 'destination', connection_security_policy: 'mutual_tls' };
  const edge = only(read(requests(7) + requests(7, called)));
  assert.deepEqual([edge.count, edge.isMutualTls], [7, true]);
  const outside = { ...called, source_workload: 'unknown', connection_security_policy: 'none' };
  const other = only(read(requests(7) + requests(7, called) + requests(2, outside)));
  assert.deepEqual([other.source.workload, other.count, other.isMutualTls], ['unknown', 2, false]);
});

test('durations: cumulative buckets → counts of each, also where lower ones did not change', () => {
  const name = 'istio_request_duration_milliseconds_bucket';
  const bucket = (le: string, value: number): string => sample(name, value, { le });
  const read = reader();
  // Bounds of which some are left out; the order is nobody's.
  const edge = only(read(bucket('+Inf', 10) + bucket('5', 6) + bucket('1', 2) + bucket('100', 9)));
  const at = (bound: number): number => edge.latency[LATENCY_BOUNDS_MS.indexOf(bound)] ?? -1;
  assert.deepEqual([at(0.5), at(1), at(5), at(10), at(100), edge.latency.at(-1)], [0, 2, 4, 0, 3, 1]);
  assert.equal(
    edge.latency.reduce((sum, count) => sum + count, 0),
    10,
  );
  const next = only(read(bucket('+Inf', 12) + bucket('5', 6) + bucket('1', 2) + bucket('100', 11)));
  assert.equal(next.latency[LATENCY_BOUNDS_MS.indexOf(100)], 2);
  assert.equal(
    next.latency.reduce((sum, count) => sum + count, 0),
    2,
  );
});

test('connections: opened, failed, and their bytes', () => {
  const tcp = { request_protocol: 'tcp', response_code: '', response_flags: '-' };
  const text =
    sample('istio_tcp_connections_opened_total', 3, tcp) +
    sample('istio_tcp_connections_opened_total', 1, { ...tcp, response_flags: 'UF,URX' }) +
    sample('istio_tcp_sent_bytes_total', 1000, tcp) +
    sample('istio_tcp_received_bytes_total', 20, tcp) +
    sample('istio_tcp_connections_closed_total', 4, tcp);
  const { protocol, count, errors, sentBytes, receivedBytes, codes } = only(reader()(text));
  assert.deepEqual([protocol, count, errors, sentBytes, receivedBytes, codes], ['tcp', 4, 1, 1000, 20, {}]);
});

test("what is nobody's pod: the host, or the program that stands for it", () => {
  const outside = { destination_workload: 'unknown', destination_service_name: 'rates.example' };
  assert.equal(only(reader()(requests(1, outside))).destination.workload, 'rates.example');
  const stands = new Map([['rates.example', 'rates']]);
  assert.equal(only(reader()(requests(1, outside), stands)).destination.workload, 'rates');
});

test('labels with quotes, and lines of others', () => {
  const edge = only(reader()(requests(1, { source_version: 'a\\"b,c=\\"d\\\\e' })));
  assert.equal(edge.source.version, 'a"b,c="d\\e');
  assert.equal(reader()('envoy_cluster_x{a="b"} 1\nistio_requests_total 5\nnonsense\n\n').size, 0);
});

test('which answers are errors', () => {
  for (const [code, status, wanted] of [
    ['200', '', false],
    ['404', '', false],
    ['500', '', true],
    ['0', '', true],
    ['200', '0', false],
    ['200', '5', false],
    ['200', '14', true],
  ] as const) {
    assert.equal(isError(code, status), wanted, `${code} ${status}`);
  }
});
