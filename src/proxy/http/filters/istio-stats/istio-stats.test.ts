// Istio's metrics of requests as Prometheus sees them: both sides, gateways, gRPC, overrides, and what is forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateFacts, TlsFacts } from '../../../../base/byte-stream.ts';
import { openCapture } from '../../../../../test/captures/captures.ts';
import {
  FilterHarness,
  makeConnection,
  reasonsOf,
  responseHeaders,
} from '../../../../../test/support/filter-harness.ts';
import { decodeOrThrow, type FakeStream } from '../../../../../test/support/filter-harness.ts';
import { decodeStatsConfig, type StatsDecoder } from '../../../../telemetry/stats-config.ts';
import { parseStatsParams } from '../../../../telemetry/stats-params.ts';
import { dumpPrometheus } from '../../../../telemetry/stats-prometheus.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { type LocalNode, localNode } from '../../../istio/node.ts';
import { peerOfNode } from '../../../istio/peer.ts';
import { type PeerKey, peerObjects, setPeer } from '../../../istio/peer-state.ts';
import { Flag, type Metadata } from '../../../stream-info.ts';
import { makeIstioStats } from './istio-stats.ts';

const client = localNode(openCapture('01-plain-sidecar/client').node as never, '', '');
const server = localNode(openCapture('01-plain-sidecar/server').node as never, '', '');
const REVIEWS: Metadata = new Map([
  ['istio', { services: [{ host: 'reviews.bookinfo.svc.cluster.local', name: 'reviews', namespace: 'bookinfo' }] }],
]);
const peers = new Map<LocalNode, ReturnType<typeof peerObjects>>();

function rig(
  message: object,
  node: LocalNode,
  direction: 'INBOUND' | 'OUTBOUND',
  clusters = new Map<string, Cluster>(),
) {
  const factory = makeIstioStats({ clusters: { get: (name) => clusters.get(name) ?? null }, node });
  const harness = new FilterHarness(factory, message);
  harness.connection = makeConnection({ trafficDirection: direction });
  return harness;
}

function meet(stream: FakeStream, key: PeerKey, node: LocalNode): void {
  let objects = peers.get(node);
  if (objects === undefined) {
    objects = peerObjects(peerOfNode(node, new Set()), 'filter-chain');
    peers.set(node, objects);
  }
  setPeer(stream.info, key, objects);
}

/** One exchange from beginning to end. */
function exchange(harness: FilterHarness, change: (stream: FakeStream) => void = () => {}, path = '/'): FakeStream {
  const stream = harness.request(path);
  const { info } = stream;
  info.clusterName = 'outbound|9080||reviews';
  info.clusterMetadata = REVIEWS;
  stream.decodeHeaders();
  info.responseCode = 200;
  info.downstreamWireBytesReceived = 120;
  info.downstreamWireBytesSent = 450;
  change(stream);
  harness.clock.advance(12);
  info.endMs = harness.clock.nowMs;
  stream.destroy();
  return stream;
}

function prometheus(harness: FilterHarness, pattern: RegExp): string[] {
  const decoder: StatsDecoder = { at: () => decoder, reject: (_, reason) => assert.fail(reason) };
  const params = parseStatsParams(new URLSearchParams('format=prometheus'));
  assert.ok(typeof params === 'object');
  harness.stats.flush();
  const text = [...dumpPrometheus(harness.stats, decodeStatsConfig(undefined, decoder, []), params)].join('');
  return text.split('\n').filter((line) => pattern.test(line));
}
const requests = (harness: FilterHarness): string[] => prometheus(harness, /^istio_requests_total/);
/** A label of the only series of a metric. */
function label(harness: FilterHarness, name: string, metric = 'istio_requests_total'): string | undefined {
  const lines = prometheus(harness, new RegExp(`^${metric}\\{`));
  assert.equal(lines.length, 1, lines.join('\n'));
  return new RegExp(`[{,]${name}="([^"]*)"`).exec(lines[0] as string)?.[1];
}

test('a source’s metrics, with all labels in order', () => {
  const harness = rig({}, client, 'OUTBOUND');
  for (let i = 0; i < 3; i++) exchange(harness, (stream) => meet(stream, 'upstream_peer', server));
  const labels =
    'reporter="source",source_workload="productpage-v1",source_canonical_service="productpage",' +
    'source_canonical_revision="v1",source_workload_namespace="bookinfo",source_principal="unknown",' +
    'source_app="productpage",source_version="v1",source_cluster="Kubernetes",' +
    'destination_workload="reviews-v1",destination_workload_namespace="bookinfo",destination_principal="unknown",' +
    'destination_app="reviews",destination_version="v1",' +
    'destination_service="reviews.bookinfo.svc.cluster.local",destination_canonical_service="reviews",' +
    'destination_canonical_revision="v1",destination_service_name="reviews",' +
    'destination_service_namespace="bookinfo",destination_cluster="Kubernetes",' +
    'request_protocol="http",response_code="200",grpc_response_status="",response_flags="-",' +
    'connection_security_policy="unknown"';
  assert.deepEqual(requests(harness), [`istio_requests_total{${labels}} 3`]);
  assert.deepEqual(prometheus(harness, /^# TYPE istio/), [
    '# TYPE istio_requests_total counter',
    '# TYPE istio_build gauge',
    '# TYPE istio_request_bytes histogram',
    '# TYPE istio_request_duration_milliseconds histogram',
    '# TYPE istio_response_bytes histogram',
  ]);
  const bucket = (metric: string, le: string): string[] =>
    prometheus(harness, new RegExp(`^istio_${metric}_bucket\\{.*,le="${le}"\\}`)).map(
      (line) => line.split(' ')[1] as string,
    );
  assert.deepEqual(bucket('request_duration_milliseconds', '10'), ['0']);
  assert.deepEqual(bucket('request_duration_milliseconds', '25'), ['3']);
  assert.deepEqual(bucket('request_bytes', '250'), ['3']);
  assert.deepEqual(bucket('response_bytes', '250'), ['0']);
  assert.deepEqual(prometheus(harness, /^istio_build\{/), ['istio_build{component="proxy",tag="1.32.0"} 1']);
});

test('a destination’s metrics, over mutual TLS', () => {
  const harness = rig({ disable_host_header_fallback: true }, server, 'INBOUND');
  const certificate = (uri: string) => ({ uriSans: [uri] }) as unknown as CertificateFacts;
  const tls = {
    peerCertificate: certificate('spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage'),
    localCertificate: certificate('spiffe://cluster.local/ns/bookinfo/sa/bookinfo-reviews'),
  } as TlsFacts;
  harness.connection = makeConnection({ trafficDirection: 'INBOUND', tls });
  exchange(harness, (stream) => meet(stream, 'downstream_peer', client));
  assert.equal(label(harness, 'reporter'), 'destination');
  assert.equal(label(harness, 'source_principal'), 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage');
  assert.equal(label(harness, 'connection_security_policy'), 'mutual_tls');
  assert.equal(label(harness, 'source_workload'), 'productpage-v1');
  const plain = rig({}, server, 'INBOUND');
  exchange(plain);
  assert.equal(label(plain, 'connection_security_policy'), 'none');
  assert.equal(label(plain, 'source_workload'), 'unknown');
});

test('a waypoint’s principals come from filter state', () => {
  const harness = rig({ reporter: 'SERVER_GATEWAY' }, server, 'INBOUND');
  exchange(harness, ({ info }) => {
    const object = (value: string) => ({ value, typed: value, isReadOnly: true, lifeSpan: 'connection' }) as const;
    info.filterState = new Map([
      ['io.istio.peer_principal', object('spiffe://td/ns/a/sa/b')],
      ['io.istio.local_principal', object('spiffe://td/ns/c/sa/d')],
    ]);
  });
  assert.equal(label(harness, 'reporter'), 'waypoint');
  assert.equal(label(harness, 'source_principal'), 'spiffe://td/ns/a/sa/b');
  assert.equal(label(harness, 'source_workload_namespace'), 'a');
  assert.equal(label(harness, 'connection_security_policy'), 'mutual_tls');
});

test('what differs in one label is another series', () => {
  const harness = rig({}, client, 'OUTBOUND');
  exchange(harness);
  exchange(harness, ({ info }) => void (info.responseCode = 503));
  exchange(harness, ({ info }) => {
    info.responseCode = 503;
    info.flags = Flag.UF | Flag.URX;
  });
  exchange(harness, ({ info }) => void (info.clusterName = 'BlackHoleCluster'));
  exchange(harness, (stream) => meet(stream, 'upstream_peer', server));
  exchange(harness);
  const counted = requests(harness).map((line) => Number(line.split(' ')[1]));
  assert.deepEqual(counted.sort(), [1, 1, 1, 1, 2]);
  assert.equal(prometheus(harness, /response_flags="URX,UF"|response_flags="UF,URX"/).length > 0, true);
});

test('hosts are told apart where nothing else names the service', () => {
  const hosts = (message: object, metadata: Metadata | null): number => {
    const harness = rig(message, client, 'OUTBOUND');
    for (const host of ['a', 'b', 'a']) {
      exchange(harness, ({ requestHeaders, info }) => {
        info.clusterMetadata = metadata;
        requestHeaders.authority = host;
      });
    }
    return requests(harness).length;
  };
  assert.equal(hosts({}, null), 2);
  assert.equal(hosts({}, REVIEWS), 1);
  assert.equal(hosts({ disable_host_header_fallback: true }, null), 1);
});

test('a source that was told nothing goes by the endpoint’s metadata', () => {
  const harness = rig({}, client, 'OUTBOUND');
  exchange(harness, ({ info }) => {
    info.upstreamHostMetadata = new Map([['istio', { workload: 'reviews-v3;bookinfo;reviews;v3;Kubernetes' }]]);
  });
  assert.equal(label(harness, 'destination_workload'), 'reviews-v3');
  assert.equal(label(harness, 'destination_app'), 'unknown');
});

test('a request that another filter answered is of the cluster that its route names', () => {
  const clusters = new Map([['outbound|9080||reviews', { metadata: REVIEWS } as Cluster]]);
  const harness = rig({}, client, 'OUTBOUND', clusters);
  exchange(harness, ({ info }) => void (info.clusterMetadata = null));
  assert.equal(label(harness, 'destination_service_name'), 'reviews');
});

function grpc(harness: FilterHarness): FakeStream {
  const stream = harness.request('POST /s/m', ['content-type: application/grpc']);
  stream.isGrpc = true;
  stream.decodeHeaders(false);
  return stream;
}
const messages = (value: string) => ({ value, typed: null, isReadOnly: false, lifeSpan: 'filter-chain' }) as const;

test('gRPC: messages while the stream runs, the status at its end', () => {
  const harness = rig({}, client, 'OUTBOUND');
  const stream = grpc(harness);
  const { info } = stream;
  info.filterState = new Map([['envoy.filters.http.grpc_stats', messages('3,1')]]);
  harness.clock.advance(5000);
  assert.deepEqual(prometheus(harness, /^istio_request_messages_total/), []);
  meet(stream, 'upstream_peer', server);
  harness.clock.advance(5000);
  assert.equal(label(harness, 'destination_workload', 'istio_request_messages_total'), 'reviews-v1');
  assert.equal(label(harness, 'request_protocol', 'istio_request_messages_total'), undefined);
  info.filterState.set('envoy.filters.http.grpc_stats', messages('5,7'));
  info.responseCode = 200;
  stream.responseHeaders = responseHeaders(200);
  stream.responseTrailers = responseHeaders(0, ['grpc-status: 14']);
  info.endMs = harness.clock.nowMs;
  stream.destroy();
  const counts = prometheus(harness, /^istio_re\w+_messages_total\{/).map((line) => line.replace(/\{.*\}/, ''));
  assert.deepEqual(counts, ['istio_request_messages_total 5', 'istio_response_messages_total 7']);
  assert.equal(label(harness, 'grpc_response_status'), '14');
  assert.equal(label(harness, 'request_protocol'), 'grpc');
  harness.clock.advance(60_000);
  assert.equal(requests(harness).length, 1);
});

test('gRPC without a status: that of the HTTP status, and none of a request that was reset', () => {
  const status = (code: number): string | undefined => {
    const harness = rig({}, client, 'OUTBOUND');
    const stream = grpc(harness);
    stream.info.responseCode = code;
    stream.info.endMs = 1;
    stream.destroy();
    return label(harness, 'grpc_response_status');
  };
  assert.equal(status(503), '14');
  assert.equal(status(200), '2');
  assert.equal(status(0), '');
});

test('labels removed, changed and added, and a metric dropped', () => {
  const harness = rig(
    {
      metrics: [
        { tags_to_remove: ['request_protocol', 'nonsense'] },
        { name: 'requests_total', dimensions: { response_code: "'x'", method: 'request.method', a_first: '1 + 1' } },
        { name: 'response_bytes', drop: true },
        { drop: true },
      ],
    },
    client,
    'OUTBOUND',
  );
  exchange(harness);
  exchange(harness, ({ info }) => void (info.responseCode = 500), 'POST /');
  const lines = requests(harness);
  assert.equal(lines.length, 2);
  assert.match(
    lines[0] as string,
    new RegExp(
      'destination_cluster="unknown",response_code="x",grpc_response_status="",response_flags="-",' +
        'connection_security_policy="unknown",a_first="2",method="GET"\\} 1$',
    ),
  );
  assert.match(lines[1] as string, /method="POST"\} 1$/);
  assert.equal(prometheus(harness, /^istio_response_bytes/).length, 0);
  const bytes = prometheus(harness, /^istio_request_bytes_count/);
  assert.equal(bytes.length, 2);
  assert.doesNotMatch(bytes[0] as string, /request_protocol|method/);
});

test('metrics of one’s own', () => {
  const harness = rig(
    {
      definitions: [
        { name: 'hits', value: '1' },
        { name: 'size', value: 'response.total_size', type: 'HISTOGRAM' },
        { name: 'last_code', value: 'response.code', type: 'GAUGE' },
      ],
      metrics: [{ name: 'hits', dimensions: { host: 'request.host', reporter: "'me'" } }],
    },
    client,
    'OUTBOUND',
  );
  exchange(harness);
  exchange(harness, ({ info }) => void (info.responseCode = 404));
  assert.deepEqual(prometheus(harness, /^istio_hits\{/), ['istio_hits{host="example.com",reporter="me"} 2']);
  assert.deepEqual(prometheus(harness, /^istio_last_code\{/), ['istio_last_code{} 404']);
  assert.deepEqual(prometheus(harness, /^istio_size_count/), ['istio_size_count{} 2']);
});

test('what cannot be is refused', () => {
  const factory = makeIstioStats({ clusters: { get: () => null }, node: client });
  const reasons = (message: object): string[] => reasonsOf((d) => factory.decode(message as never, d));
  assert.deepEqual(reasons({ definitions: [{ name: 'requests_total', value: '1' }] }), [
    'definitions[0].name: requests_total is a standard metric, which cannot be defined anew',
  ]);
  assert.equal(reasons({ definitions: [{ name: 'a b', value: '1' }] }).length, 1);
  assert.match(
    reasons({ metrics: [{ dimensions: { a: 'x.y(' } }] })[0] as string,
    /^metrics\[0\]\.dimensions\["a"\]: /,
  );
  assert.equal(reasons({ graceful_deletion_interval: { seconds: 0, nanos: 5e8 } }).length, 1);
});

test('series that nobody uses are forgotten after rotation and grace', () => {
  const seconds = (s: number) => ({ seconds: s, nanos: 0 });
  const message = { rotation_interval: seconds(60), graceful_deletion_interval: seconds(20) };
  const harness = rig(message, client, 'OUTBOUND');
  exchange(harness);
  exchange(harness, ({ info }) => void (info.responseCode = 404));
  for (let i = 0; i < 12; i++) {
    harness.clock.advance(10_000);
    exchange(harness);
  }
  assert.deepEqual(
    requests(harness).map((line) => line.split(' ')[1]),
    ['13'],
  );
  harness.clock.advance(120_000);
  assert.deepEqual(requests(harness), []);
  exchange(harness);
  assert.deepEqual(
    requests(harness).map((line) => line.split(' ')[1]),
    ['1'],
  );
});

test('the bootstrap’s interval counts where no rotation is configured', () => {
  const factory = makeIstioStats({ clusters: { get: () => null }, node: client, metricExpiryMs: 10_000 });
  const harness = new FilterHarness(factory, {});
  harness.connection = makeConnection({ trafficDirection: 'OUTBOUND' });
  exchange(harness);
  harness.clock.advance(9000);
  assert.equal(requests(harness).length, 1);
  harness.clock.advance(9000);
  assert.equal(requests(harness).length, 0);
});

test('filters of equal configuration count together', () => {
  const harness = rig({}, client, 'OUTBOUND');
  const factory = harness.factory;
  const context = { slot: 0, statPrefix: '', stats: harness.stats, clock: harness.clock } as never;
  const config = decodeOrThrow((d) => factory.decode({} as never, d));
  const second = factory.create(config as never, context);
  exchange(harness);
  const stream = exchange(harness);
  second?.onDestroy?.(stream);
  assert.deepEqual(
    requests(harness).map((line) => line.split(' ')[1]),
    ['3'],
  );
});
