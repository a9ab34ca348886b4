// Tests the decoding of clusters from proto-JSON: defaults, values, and the reasons for what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, decodedCluster as accepted } from '../../../test/support/cluster-decoding.ts';

function at(address: string, port: number, change: object = {}): object {
  return { endpoint: { address: { socket_address: { address, port_value: port } } }, ...change };
}

const OPTIONS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function withOptions(options: object): object {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { '@type': OPTIONS, ...options },
    },
  };
}

test('defaults are Envoy’s', () => {
  const config = accepted({});
  assert.equal(config.statName, 'up');
  assert.equal(config.connectTimeoutMs, 5000);
  assert.equal(config.bufferLimitBytes, 1_048_576);
  assert.deepEqual(config.lb, { kind: 'round-robin' });
  assert.equal(config.panicThreshold, 50);
  assert.equal(config.breakers.DEFAULT.maxRequests, 1024);
  assert.equal(config.breakers.HIGH.maxRetries, 3);
  assert.equal(config.http.idleTimeoutMs, 3_600_000);
  assert.equal(config.http.limits.maxHeadBytes, 81_920);
  assert.deepEqual(config.endpoints, { endpoints: [], overprovisioningFactor: 140 });
});

test('endpoints', () => {
  const { endpoints } = accepted({
    load_assignment: {
      cluster_name: 'up',
      policy: { overprovisioning_factor: 200 },
      endpoints: [
        {
          locality: { region: 'r', zone: 'z', sub_zone: 's' },
          load_balancing_weight: 7,
          priority: 1,
          lb_endpoints: [
            at('127.0.0.1', 80, { health_status: 'DRAINING', load_balancing_weight: 3 }),
            at('::1', 81, { metadata: { filter_metadata: { 'envoy.lb': { canary: true } } } }),
            { endpoint: { address: { pipe: { path: '/run/x.sock' } }, hostname: 'x' } },
            { endpoint: { address: { pipe: { path: '@abstract' } } } },
          ],
        },
      ],
    },
  });
  assert.equal(endpoints.overprovisioningFactor, 200);
  const [first, second, third] = endpoints.endpoints;
  assert.deepEqual(first?.address, { family: 'ipv4', address: '127.0.0.1', port: 80 });
  assert.equal(first?.health, 'UNHEALTHY');
  assert.equal(first?.edsHealth, 'DRAINING');
  assert.equal(first?.weight, 3);
  assert.equal(first?.priority, 1);
  assert.equal(first?.localityWeight, 7);
  assert.deepEqual(first?.locality, { region: 'r', zone: 'z', subZone: 's' });
  assert.equal(second?.address.family, 'ipv6');
  assert.equal(second?.metadata?.get('envoy.lb')?.['canary'], true);
  assert.equal(third?.address.family, 'unix');
  assert.equal(third?.hostname, 'x');
});

test('circuit breakers', () => {
  const { breakers, maxConnectionsPerHost } = accepted({
    circuit_breakers: {
      thresholds: [
        { max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 4, track_remaining: true },
        { priority: 'HIGH', retry_budget: { budget_percent: { value: 25.5 }, min_retry_concurrency: 5 } },
      ],
      per_host_thresholds: [{ max_connections: 9 }],
    },
  });
  assert.equal(breakers.DEFAULT.maxConnections, 1);
  assert.equal(breakers.DEFAULT.maxPendingRequests, 2);
  assert.equal(breakers.DEFAULT.maxRequests, 3);
  assert.equal(breakers.DEFAULT.maxRetries, 4);
  assert.ok(breakers.DEFAULT.trackRemaining);
  assert.deepEqual(breakers.HIGH.retryBudget, { percent: 25.5, minConcurrency: 5 });
  assert.equal(maxConnectionsPerHost, 9);
});

test('load balancing', () => {
  assert.deepEqual(accepted({ lb_policy: 'RANDOM' }).lb, { kind: 'random' });
  const least = { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 4 } };
  assert.deepEqual(accepted(least).lb, {
    kind: 'least-request',
    isFullScan: false,
    choiceCount: 4,
    activeRequestBias: 1,
    biasRuntimeKey: '',
  });
  const common = accepted({
    common_lb_config: { healthy_panic_threshold: { value: 0 }, locality_weighted_lb_config: {} },
  });
  assert.equal(common.panicThreshold, 0);
  assert.ok(common.localityWeighted);
  const policy = accepted({
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: {
            name: 'x',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random',
            },
          },
        },
      ],
    },
  });
  assert.deepEqual(policy.lb, { kind: 'random' });
});

test('protocol options, typed and older', () => {
  const typed = accepted(
    withOptions({
      common_http_protocol_options: { idle_timeout: '5s', max_requests_per_connection: 7, max_response_headers_kb: 8 },
      explicit_http_config: { http_protocol_options: { header_key_format: { proper_case_words: {} } } },
    }),
  ).http;
  assert.equal(typed.idleTimeoutMs, 5000);
  assert.equal(typed.maxRequestsPerConnection, 7);
  assert.equal(typed.limits.maxHeadBytes, 8192);
  assert.equal(typed.spelling, 'proper-case');
  const older = accepted({
    common_http_protocol_options: { max_connection_duration: '2s', max_stream_duration: '3s' },
    http_protocol_options: { enable_trailers: true },
    max_requests_per_connection: 3,
  }).http;
  assert.equal(older.maxConnectionDurationMs, 2000);
  assert.equal(older.maxStreamDurationMs, 3000);
  assert.ok(older.limits.enableTrailers);
  assert.equal(older.maxRequestsPerConnection, 3);
});

const dropping = (numerator: number): object => ({ category: 'rain', drop_percentage: { numerator } });

test('a policy of endpoints, whatever finds them', () => {
  const policy = { overprovisioning_factor: 150, drop_overloads: [dropping(25)] };
  const wanted = { overprovisioningFactor: 150, dropOverload: { category: 'rain', ratio: 0.25 } };
  for (const type of ['STATIC', 'STRICT_DNS']) {
    const { endpoints } = accepted({ type, load_assignment: { cluster_name: 'up', policy } });
    assert.deepEqual(endpoints, { endpoints: [], ...wanted });
  }
});

test('what endpoints say of their load is reported where the cluster says so', () => {
  assert.equal(accepted({}).loadMetrics, undefined);
  const names = ['cpu_utilization', 'named_metrics.*'];
  assert.deepEqual(accepted({ lrs_report_endpoint_metrics: names }).loadMetrics, names);
});

test('what cannot take effect is refused, with its path', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ type: 'EDS' }, /^eds_cluster_config: cannot create an EDS cluster without an EDS config/],
    [{ lb_policy: 'MAGLEV' }, /^lb_policy: MAGLEV is not supported yet/],
    [
      { http_protocol_options: {}, http2_protocol_options: {} },
      /^http2_protocol_options: Both HTTP1 and HTTP2 options/,
    ],
    [
      withOptions({ explicit_http_config: { http2_protocol_options: { allow_metadata: true } } }),
      /explicit_http_config\.http2_protocol_options\.allow_metadata: METADATA frames are not supported/,
    ],
    [
      withOptions({ use_downstream_protocol_config: { http3_protocol_options: {} } }),
      /use_downstream_protocol_config\.http3_protocol_options: HTTP\/3 to upstreams is not supported/,
    ],
    [
      withOptions({ auto_config: {} }),
      /auto_config: ALPN configured for cluster up which has a non-ALPN transport socket/,
    ],
    ...['track_cluster_stats', 'ring_hash_lb_config', 'maglev_lb_config'].map(
      (field) => [{ [field]: {} }, new RegExp(`^${field}: is not supported yet`)] as const,
    ),
    ...['close_connections_on_host_health_failure', 'ignore_health_on_host_removal', 'track_timeout_budgets'].map(
      (field) => [{ [field]: true }, new RegExp(`^${field}: is not supported yet`)] as const,
    ),
    [
      { preconnect_policy: { predictive_preconnect_ratio: 2 } },
      /^preconnect_policy\.predictive_preconnect_ratio: is not supported yet/,
    ],
    [{ lb_subset_config: { subset_selectors: [] } }, /^lb_subset_config: is not supported yet/],
    [
      { upstream_connection_options: { set_local_interface_name_on_upstream_connections: true } },
      /set_local_interface_name_on_upstream_connections: is not supported yet/,
    ],
    [
      { load_assignment: { endpoints: [{ lb_endpoints: [at('localhost', 80)] }] } },
      /^load_assignment\.endpoints\[0\]\.lb_endpoints\[0\]\.endpoint\.address\.socket_address\.address: malformed IP/,
    ],
    [
      { load_assignment: { policy: { drop_overloads: [dropping(1), dropping(2)] } } },
      /^load_assignment\.policy\.drop_overloads: Cluster drop_overloads config has 2 categories/,
    ],
    [
      { load_assignment: { policy: { drop_overloads: [dropping(101)] } } },
      /^load_assignment\.policy\.drop_overloads: .*The valid range is 0~1/,
    ],
    [
      { circuit_breakers: { per_host_thresholds: [{ max_requests: 1 }] } },
      /^circuit_breakers\.per_host_thresholds\[0\]\.max_requests: only max_connections/,
    ],
    [{ ...withOptions({}), common_http_protocol_options: {} }, /^common_http_protocol_options: takes no effect beside/],
    [
      {
        transport_socket: {
          name: 'tls',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          },
        },
      },
      /^transport_socket.*: .*UpstreamTlsContext is not supported yet/,
    ],
  ];
  for (const [json, pattern] of cases) assertRefused(json, pattern);
});
