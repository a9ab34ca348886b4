// Limits of a cluster: circuit breakers, timeouts, keep-alive; and upgrades to HTTP/2.
import type { CircuitBreakers_Thresholds, HttpProtocolOptions } from '../../../proto/generated/types.d.ts';
import { durationMs, protoDuration } from '../../model/duration.ts';
import { MAX_STREAMS, percentWithin } from '../../model/limits.ts';
import type { Mesh } from '../../model/mesh.ts';
import { isHttp, isHttp2 as isHttp2Protocol, type Protocol } from '../../model/service.ts';
import type { TrafficPolicy } from '../../model/traffic-policy.ts';
import { type Draft, httpOptions, isHttp2, setDownstreamProtocol, setHttp2 } from './draft.ts';

type Json = Readonly<Record<string, unknown>>;

/** No limit, where absence would mean Envoy's small defaults. */
const UNLIMITED = 4_294_967_295;
/** Istio's defaults of a retry budget. */
const BUDGET_PERCENT = 0.2;
const BUDGET_CONCURRENCY = 3;

export function applyConnectionPool(
  draft: Draft,
  mesh: Mesh,
  pool: TrafficPolicy['connectionPool'],
  retryBudget: TrafficPolicy['retryBudget'],
): void {
  const http = part(pool, 'http');
  const tcp = part(pool, 'tcp');
  const { cluster } = draft;
  const timeout = milliseconds(tcp, 'connectTimeout') ?? 0;
  cluster.connect_timeout = protoDuration(timeout > 0 ? timeout : mesh.connectTimeoutMs);
  const thresholds: CircuitBreakers_Thresholds = {
    max_connections: positive(tcp, 'maxConnections') ?? UNLIMITED,
    max_pending_requests: positive(http, 'http1MaxPendingRequests') ?? UNLIMITED,
    max_requests: positive(http, 'http2MaxRequests') ?? UNLIMITED,
    max_retries: positive(http, 'maxRetries') ?? UNLIMITED,
  };
  if (retryBudget != null) {
    const percent = retryBudget['percent'];
    thresholds.retry_budget = {
      budget_percent: { value: typeof percent === 'number' ? percentWithin(percent) : BUDGET_PERCENT },
      min_retry_concurrency: positive(retryBudget, 'minRetryConcurrency') ?? BUDGET_CONCURRENCY,
    };
  }
  cluster.circuit_breakers = { thresholds: [thresholds] };
  applyKeepalive(draft, part(mesh.raw, 'tcpKeepalive'), part(tcp, 'tcpKeepalive'));
  applyHttpLimits(draft, http, tcp);
  if (http['useClientProtocol'] === true) setDownstreamProtocol(draft);
}

function applyHttpLimits(draft: Draft, http: Json, tcp: Json): void {
  const limits: HttpProtocolOptions = {};
  const idle = milliseconds(http, 'idleTimeout') ?? milliseconds(tcp, 'idleTimeout');
  const duration = milliseconds(tcp, 'maxConnectionDuration');
  const requests = positive(http, 'maxRequestsPerConnection');
  const streams = positive(http, 'maxConcurrentStreams');
  if (idle !== null) limits.idle_timeout = protoDuration(idle);
  if (duration !== null) limits.max_connection_duration = protoDuration(duration);
  if (requests !== undefined) limits.max_requests_per_connection = requests;
  if (Object.keys(limits).length === 0 && streams === undefined) return;
  const options = httpOptions(draft);
  options.common_http_protocol_options = { ...options.common_http_protocol_options, ...limits };
  if (streams !== undefined && isHttp2(draft)) {
    options.explicit_http_config = {
      http2_protocol_options: { max_concurrent_streams: Math.min(streams, MAX_STREAMS) },
    };
  }
}

/** The mesh says which values hold unless the rule has its own. */
function applyKeepalive({ cluster }: Draft, ofMesh: Json, ofRule: Json): void {
  const merged: Json = { ...ofMesh, ...ofRule };
  if (Object.keys(merged).length === 0) return;
  const probes = positive(merged, 'probes');
  const time = milliseconds(merged, 'time');
  const interval = milliseconds(merged, 'interval');
  cluster.upstream_connection_options = {
    tcp_keepalive: {
      ...(probes === undefined ? {} : { keepalive_probes: probes }),
      ...(time === null ? {} : { keepalive_time: Math.floor(time / 1000) }),
      ...(interval === null ? {} : { keepalive_interval: Math.floor(interval / 1000) }),
    },
  };
}

/** The mesh upgrades only what is HTTP by name; a rule may know better. */
export function applyHttp2Upgrade(
  draft: Draft,
  mesh: Mesh,
  pool: TrafficPolicy['connectionPool'],
  protocol: Protocol,
): void {
  const http = part(pool, 'http');
  if (http['useClientProtocol'] === true) return;
  const wish = http['h2UpgradePolicy'];
  const isWanted =
    wish === 'UPGRADE' || (wish !== 'DO_NOT_UPGRADE' && isHttp(protocol) && mesh.h2UpgradePolicy === 'UPGRADE');
  if (isWanted) setHttp2(draft);
}

/** The protocol by which the service is spoken to, as its port says. */
export function applyPortProtocol(draft: Draft, mesh: Mesh, protocol: Protocol, isSidecar: boolean): void {
  if (isHttp2Protocol(protocol)) return setHttp2(draft);
  const isDetected = protocol === 'UNSUPPORTED';
  const headers = part(part(mesh.raw, 'defaultConfig'), 'proxyHeaders');
  if (headers['preserveHttp1HeaderCase'] === true && (isDetected || isHttp(protocol))) {
    httpOptions(draft).explicit_http_config = { http_protocol_options: PRESERVED_CASE };
  }
  if (isDetected && isSidecar) setDownstreamProtocol(draft);
}

const PRESERVED_CASE = {
  header_key_format: {
    stateful_formatter: {
      name: 'preserve_case',
      typed_config: {
        type_url:
          'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
        value: new Uint8Array(0),
      },
    },
  },
};

function part(json: Json | undefined, field: string): Json {
  const value = json?.[field];
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function positive(json: Json, field: string): number | undefined {
  const value = json[field];
  return typeof value === 'number' && value > 0 ? value : undefined;
}

function milliseconds(json: Json, field: string): number | null {
  const value = json[field];
  return typeof value === 'string' ? durationMs(value) : null;
}
