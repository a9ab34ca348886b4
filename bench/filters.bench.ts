// What each HTTP filter costs a request when it is configured and lets the request pass, against its budget.
import { FilterHarness, FakeStream, requestHeaders, responseHeaders } from '../test/support/filter-harness.ts';
import type { Cluster } from '../src/proxy/cluster/cluster.ts';
import type { HttpFilterFactory } from '../src/proxy/http/filter.ts';
import { buffer } from '../src/proxy/http/filters/buffer.ts';
import { compressor } from '../src/proxy/http/filters/compressor/compressor.ts';
import { cors } from '../src/proxy/http/filters/cors.ts';
import { csrf } from '../src/proxy/http/filters/csrf.ts';
import { decompressor } from '../src/proxy/http/filters/decompressor/decompressor.ts';
import { fault } from '../src/proxy/http/filters/fault/fault.ts';
import { headerToMetadata } from '../src/proxy/http/filters/header-to-metadata/header-to-metadata.ts';
import { headerMutation } from '../src/proxy/http/filters/header-mutation/header-mutation.ts';
import { makeIstioAlpn } from '../src/proxy/http/filters/istio-alpn/istio-alpn.ts';
import { makeIstioStats } from '../src/proxy/http/filters/istio-stats/istio-stats.ts';
import { localRateLimit } from '../src/proxy/http/filters/local-rate-limit/local-rate-limit.ts';
import { makePeerMetadata } from '../src/proxy/http/filters/peer-metadata/peer-metadata.ts';
import { rbac } from '../src/proxy/http/filters/rbac.ts';
import { setMetadata } from '../src/proxy/http/filters/set-metadata.ts';
import { localNode } from '../src/proxy/istio/node.ts';
import { metadataOfPeer, peerOfNode } from '../src/proxy/istio/peer.ts';
import { peerObjects } from '../src/proxy/istio/peer-state.ts';
import { encodeStruct } from '../src/proxy/istio/struct-bytes.ts';
import type { FilterStateObject, StreamInfo } from '../src/proxy/stream-info.ts';
import type { Headers } from '../src/wire/headers.ts';

const ROUNDS = 7;
const REQUESTS = 200_000;

type Subject = {
  name: string;
  budgetNs: number;
  factory: HttpFilterFactory;
  config: object;
  route?: object;
  path?: string;
  lines?: readonly string[];
  responseLines?: readonly string[];
  /** Makes of each exchange what other filters and the router would have made of it; its cost is subtracted. */
  prepare?: (info: StreamInfo, i: number) => void;
};

const LINES = [
  'user-agent: bench/1.0',
  'accept: */*',
  'accept-encoding: gzip',
  'x-forwarded-proto: http',
  'x-request-id: 7b504daf-4d86-48cc-8e66-8b2a7dcef80e',
];
const option = (key: string, value: string, append_action: string) => ({
  append: { header: { key, value }, append_action },
});
const FULL = { default_value: { numerator: 100 } };
const rule = (prefix: string, method: string) => ({
  and_rules: {
    rules: [{ url_path: { path: { prefix } } }, { header: { name: ':method', string_match: { exact: method } } }],
  },
});
const address = { direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } };
const gzipLibrary = (kind: string) => ({
  name: 'gzip',
  typed_config: { type: `envoy.extensions.compression.gzip.${kind}.v3.Gzip`, message: {} },
});
const policies = {
  admin: { permissions: [rule('/admin', 'POST')], principals: [address] },
  api: { permissions: [rule('/api', 'PUT')], principals: [address] },
  web: { permissions: [rule('/', 'GET')], principals: [address] },
};
const REMOTE_ADDRESS = { policies, action: 'ALLOW' };

const node = (name: string) =>
  localNode(
    {
      id: `sidecar~10.0.1.1~${name}-v1.bookinfo~bookinfo.svc.cluster.local`,
      metadata: {
        NAME: `${name}-v1`,
        NAMESPACE: 'bookinfo',
        OWNER: `kubernetes://apis/apps/v1/namespaces/bookinfo/deployments/${name}-v1`,
        WORKLOAD_NAME: `${name}-v1`,
        CLUSTER_ID: 'Kubernetes',
        LABELS: { app: name, 'service.istio.io/canonical-name': name, 'service.istio.io/canonical-revision': 'v1' },
      },
    },
    '',
    '',
  );
const peerLines = (name: string): string[] => [
  `x-envoy-peer-metadata-id: ${node(name).id}`,
  `x-envoy-peer-metadata: ${encodeStruct(metadataOfPeer(peerOfNode(node(name), new Set()))).toString('base64')}`,
];
const clusterMetadata = new Map([
  ['istio', { services: [{ host: 'reviews.bookinfo.svc.cluster.local', name: 'reviews', namespace: 'bookinfo' }] }],
]);
const mesh = {
  clusters: { get: () => ({ name: 'up', metadata: clusterMetadata, httpProtocol: 'http1' }) as unknown as Cluster },
  node: node('productpage'),
};
const peers = Array.from({ length: 100 }, (_, i) => peerObjects(peerOfNode(node(`w${i}`), new Set()), 'filter-chain'));

/** A request of the mesh at its end; `count` peers in turn, each with the answers of three codes. */
function ended(count: number): (info: StreamInfo, i: number) => void {
  const states = peers
    .slice(0, count)
    .map(({ state }) => new Map<string, FilterStateObject>([['upstream_peer', state]]));
  const codes = count === 1 ? [200] : [200, 404, 503];
  return (info, i) => {
    info.clusterName = 'outbound|9080||reviews.bookinfo.svc.cluster.local';
    info.clusterMetadata = clusterMetadata;
    info.filterState = states[i % count] as Map<string, FilterStateObject>;
    info.responseCode = codes[i % codes.length] as number;
    info.downstreamWireBytesReceived = 300;
    info.downstreamWireBytesSent = 5000;
    info.endMs = info.startMs + 12;
  };
}

const subjects: Subject[] = [
  {
    name: 'cors, no origin',
    budgetNs: 50,
    factory: cors,
    config: {},
    route: { allow_origin_string_match: [{ exact: 'http://a.com' }], allow_methods: 'GET' },
  },
  {
    name: 'fault, 0 %',
    budgetNs: 50,
    factory: fault,
    config: {
      abort: { http_status: 503, percentage: { numerator: 0 } },
      delay: { fixed_delay: { seconds: 1, nanos: 0 }, percentage: { numerator: 0 } },
    },
  },
  {
    name: 'local_ratelimit',
    budgetNs: 100,
    factory: localRateLimit,
    config: {
      stat_prefix: 'rl',
      filter_enabled: FULL,
      filter_enforced: FULL,
      token_bucket: { max_tokens: 1e9, tokens_per_fill: 1e9, fill_interval: { seconds: 1, nanos: 0 } },
    },
  },
  { name: 'buffer, no body', budgetNs: 50, factory: buffer, config: { max_request_bytes: 1000 } },
  { name: 'csrf, GET', budgetNs: 50, factory: csrf, config: { filter_enabled: FULL } },
  {
    name: 'csrf, POST',
    budgetNs: 200,
    factory: csrf,
    config: { filter_enabled: FULL },
    path: 'POST /',
    lines: ['origin: http://example.com'],
  },
  {
    name: 'compressor, no-transform',
    budgetNs: 500,
    factory: compressor,
    config: { compressor_library: gzipLibrary('compressor') },
    responseLines: ['content-length: 5000', 'cache-control: no-transform'],
  },
  {
    name: 'decompressor, not packed',
    budgetNs: 200,
    factory: decompressor,
    config: { decompressor_library: gzipLibrary('decompressor') },
  },
  {
    name: 'header_to_metadata, 2 rules',
    budgetNs: 500,
    factory: headerToMetadata,
    config: {
      request_rules: [
        { header: 'x-request-id', on_header_present: { metadata_namespace: 'a', key: 'id' } },
        { header: 'x-absent', on_header_missing: { metadata_namespace: 'a', key: 'absent', value: 'yes' } },
      ],
    },
  },
  {
    name: 'set_metadata',
    budgetNs: 200,
    factory: setMetadata,
    config: { metadata: [{ metadata_namespace: 'a', value: { k: 'v' } }] },
  },
  {
    name: 'header_mutation, 3 operations',
    budgetNs: 150,
    factory: headerMutation,
    config: {
      mutations: {
        request_mutations: [option('x-added', 'yes', 'OVERWRITE_IF_EXISTS_OR_ADD'), { remove: 'x-gone' }],
        response_mutations: [option('x-served-by', 'heddle', 'APPEND_IF_EXISTS_OR_ADD')],
      },
    },
  },
  { name: 'rbac, 3 policies', budgetNs: 300, factory: rbac, config: { rules: REMOTE_ADDRESS }, path: '/index.html' },
  {
    name: 'istio.alpn',
    budgetNs: 100,
    factory: makeIstioAlpn(mesh),
    config: {
      alpn_override: [{ upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] }],
    },
    prepare: (info) => void (info.filterState = null),
  },
  {
    name: 'peer metadata, client',
    budgetNs: 300,
    factory: makePeerMetadata(mesh),
    config: { upstream_discovery: [{ istio_headers: {} }], upstream_propagation: [{ istio_headers: {} }] },
    responseLines: peerLines('reviews'),
    prepare: (info) => void (info.filterState = null),
  },
  {
    name: 'peer metadata, server',
    budgetNs: 300,
    factory: makePeerMetadata(mesh),
    config: { downstream_discovery: [{ istio_headers: {} }], downstream_propagation: [{ istio_headers: {} }] },
    lines: peerLines('reviews'),
    prepare: (info) => void (info.filterState = null),
  },
  { name: 'istio.stats, one peer', budgetNs: 200, factory: makeIstioStats(mesh), config: {}, prepare: ended(1) },
  { name: 'istio.stats, 100 peers', budgetNs: 400, factory: makeIstioStats(mesh), config: {}, prepare: ended(100) },
  {
    name: 'istio.stats, 2 labels more',
    budgetNs: 800,
    factory: makeIstioStats(mesh),
    config: { metrics: [{ dimensions: { method: 'request.method', host: 'request.host' } }] },
    prepare: ended(1),
  },
];

/** ns of one pass, the least disturbed of some rounds; without a filter: what the bench itself costs. */
function measure(harness: FilterHarness, subject: Subject, withFilter: boolean): number {
  const levels = subject.route === undefined ? [] : [harness.route(subject.route)];
  const filter = withFilter ? harness.filter : {};
  const prototype = requestHeaders(subject.path ?? '/', [...LINES, ...(subject.lines ?? [])]);
  const own = ['content-type: text/plain', 'x-envoy-upstream-service-time: 1'];
  const answer = responseHeaders(200, [...own, ...(subject.responseLines ?? [])]);
  const stream = new FakeStream(harness, prototype, levels);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < REQUESTS; i++) {
      // Filters take fields away: each exchange has heads of its own.
      const request = prototype.clone();
      (stream as { requestHeaders: Headers }).requestHeaders = request;
      const response = answer.clone();
      subject.prepare?.(stream.info, i);
      stream.slot[0] = undefined;
      stream.info.dynamicMetadata = null;
      filter.decodeHeaders?.(stream, request, true);
      filter.encodeHeaders?.(stream, response, false);
      filter.onDestroy?.(stream);
    }
    best = Math.min(best, Number(process.hrtime.bigint() - started) / REQUESTS);
  }
  return best;
}

let failed = false;
for (const subject of subjects) {
  const harness = new FilterHarness(subject.factory, subject.config);
  const ownNs = measure(harness, subject, false);
  const ns = measure(harness, subject, true) - ownNs;
  const verdict = ns <= subject.budgetNs ? 'met' : 'MISSED';
  if (ns > subject.budgetNs) failed = true;
  console.log(
    `${subject.name.padEnd(32)} ${ns.toFixed(0).padStart(5)} ns   budget ${subject.budgetNs} ns   ${verdict}`,
  );
}
if (failed) process.exitCode = 1;
