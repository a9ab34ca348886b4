// Route configurations from JSON to routes: clusters, policies, per-filter configuration, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../../proto/registry.ts';
import { RETRY_ON } from '../route/route.ts';
import { xxHash64 } from '../route/xxhash64.ts';
import { ROUTE_FIELDS } from './route-fields.ts';
import { contextOf, decodeTable, oneRoute, requestOf, routeOf, tableOf } from './route-test-table.ts';

test('every supported field exists', () => {
  for (const [name, fields] of Object.entries(ROUTE_FIELDS)) {
    const type = registry.message(name);
    const known = new Set(type.fields.map((field) => field.name));
    for (const field of fields.trim().split(/\s+/)) {
      // '*' and '**' stand for all.
      if (!/^\**$/.test(field)) assert.ok(known.has(field), `${name}.${field}`);
    }
  }
});

test('weighted clusters by header, by hash and by chance', () => {
  const clusters = [
    { name: 'a', weight: 10 },
    { name: 'b', weight: 90 },
  ];
  const byHeader = tableOf(
    oneRoute({ prefix: '/' }, { route: { weighted_clusters: { header_name: 'x-w', clusters } } }),
  );
  const cluster = (...fields: string[]): string => routeOf(byHeader, requestOf('/', 'h', ...fields)).clusterName;
  assert.equal(cluster('x-w: 9'), 'a');
  assert.equal(cluster('x-w: 110'), 'b');
  assert.equal(cluster('x-w: 105'), 'a');

  const many = Array.from({ length: 1000 }, (_, i) => ({ name: `c${i}`, weight: 1 }));
  const hash_policy = [{ header: { header_name: 'x-hh' } }, { query_parameter: { name: 'q' } }];
  const byHash = (policies: object[], path: string, ...fields: string[]): string => {
    const route = { hash_policy: policies, weighted_clusters: { use_hash_policy: true, clusters: many } };
    return routeOf(tableOf(oneRoute({ prefix: '/' }, { route })), requestOf(path, 'h', ...fields)).clusterName;
  };
  // Envoy 1.40's choices.
  assert.equal(byHash(hash_policy, '/foo?q=7', 'x-hh: foo', 'x-hh: bar'), 'c993');
  assert.equal(byHash(hash_policy.slice(0, 1), '/foo?q=7', 'x-hh: foo', 'x-hh: bar'), 'c751');

  const byChance = tableOf(oneRoute({ prefix: '/' }, { route: { weighted_clusters: { clusters } } }));
  const headers = requestOf('/');
  const context = contextOf(headers, 5);
  let a = 0;
  for (let i = 0; i < 10_000; i++) if (byChance.match(headers, context)?.clusterName === 'a') a++;
  assert.ok(a > 880 && a < 1120, `${a} of 10000`);
});

test('runtime keys override weights', () => {
  const clusters = [
    { name: 'a', weight: 1 },
    { name: 'b', weight: 1 },
  ];
  const route = { weighted_clusters: { runtime_key_prefix: 'w', clusters } };
  const table = tableOf(oneRoute({ prefix: '/' }, { route }));
  const headers = requestOf('/');
  const context = contextOf(headers);
  const runtime = { ...context.runtime, number: (key: string, fallback: number) => (key === 'w.a' ? 0 : fallback) };
  for (let i = 0; i < 50; i++) assert.equal(table.match(headers, { ...context, runtime })?.clusterName, 'b');
});

test('hash policies', () => {
  const hash = (policies: object[], path: string, ...fields: string[]): bigint | null => {
    const headers = requestOf(path, 'h', ...fields);
    const table = tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a', hash_policy: policies } }));
    return routeOf(table, headers).forward?.hash64(headers, contextOf(headers)) ?? null;
  };
  const header = { header: { header_name: 'x' } };
  assert.equal(hash([header], '/', 'x: foo'), xxHash64('foo'));
  assert.equal(hash([header], '/'), null);
  assert.equal(hash([{ query_parameter: { name: 'q' } }], '/?q=foo'), xxHash64('foo'));
  assert.equal(hash([{ cookie: { name: 'c' } }], '/', 'cookie: c="foo"'), xxHash64('foo'));
  assert.equal(hash([{ cookie: { name: 'c' } }], '/'), null);
  assert.equal(hash([{ connection_properties: { source_ip: true } }], '/'), xxHash64('127.0.0.1'));
  assert.equal(
    hash([{ ...header, terminal: true }, { query_parameter: { name: 'q' } }], '/?q=7', 'x: foo'),
    xxHash64('foo'),
  );
  const rewrite = { regex_rewrite: { pattern: { regex: 'o+' }, substitution: '0' } };
  assert.equal(hash([{ header: { header_name: 'x', ...rewrite } }], '/', 'x: foo'), xxHash64('f0'));
  const headers = requestOf('/', 'h', 'x: foo');
  const { forward } = routeOf(
    tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a', hash_policy: [header] } })),
    headers,
  );
  assert.equal(forward?.hash(headers, contextOf(headers)), Number(xxHash64('foo') >> 11n));
});

test('a cookie policy with a ttl makes the cookie', () => {
  const cookie = {
    name: 'ck',
    ttl: '100s',
    path: '/p',
    attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }],
  };
  const headers = requestOf('/');
  const route = routeOf(
    tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a', hash_policy: [{ cookie }] } })),
    headers,
  );
  let set = '';
  const hash = route.forward?.hash64(headers, contextOf(headers), (value) => {
    set = value;
  });
  const value = xxHash64('127.0.0.1:60720127.0.0.1:19932').toString(16).padStart(16, '0');
  assert.equal(set, `ck="${value}"; Max-Age=100; Path=/p; SameSite=Strict; Secure; HttpOnly`);
  assert.equal(hash, xxHash64(value));
});

test('defaults and settings of a forwarding route', () => {
  const forward = (action: object, host: object = {}, config: object = {}) =>
    routeOf(tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a', ...action } }, host, config)), requestOf('/'))
      .forward;
  const plain = forward({});
  assert.equal(plain?.timeoutMs, 15_000);
  assert.equal(plain?.idleTimeoutMs, undefined);
  assert.equal(plain?.clusterNotFoundCode, 503);
  assert.equal(plain?.retry, null);
  assert.equal(plain?.priority, 'DEFAULT');
  assert.equal(plain?.hash(requestOf('/'), contextOf(requestOf('/'))), null);
  const full = forward({
    timeout: '0s',
    idle_timeout: '1.5s',
    cluster_not_found_response_code: 'NOT_FOUND',
    priority: 'HIGH',
    max_stream_duration: {
      max_stream_duration: '3s',
      grpc_timeout_header_max: '0s',
      grpc_timeout_header_offset: '0.1s',
    },
    upgrade_configs: [{ upgrade_type: 'WebSocket' }, { upgrade_type: 'foo', enabled: false }],
    metadata_match: { filter_metadata: { 'envoy.lb': { stage: 'v1' } } },
    max_grpc_timeout: '0s',
  });
  assert.equal(full?.timeoutMs, 0);
  assert.equal(full?.idleTimeoutMs, 1500);
  assert.equal(full?.clusterNotFoundCode, 404);
  assert.equal(full?.priority, 'HIGH');
  assert.equal(full?.maxStreamDurationMs, 3000);
  assert.equal(full?.grpcTimeoutHeaderMaxMs, 0);
  assert.equal(full?.grpcTimeoutHeaderOffsetMs, 100);
  assert.equal(full?.maxGrpcTimeoutMs, 0);
  assert.deepEqual(
    [...(full?.upgrades ?? [])],
    [
      ['websocket', true],
      ['foo', false],
    ],
  );
  assert.deepEqual({ ...full?.metadataMatch }, { stage: 'v1' });
  // The most specific mirrors win whole.
  const mirror = (cluster: string): object => ({ request_mirror_policies: [{ cluster }] });
  const mirrors = (action: object, host: object): string[] =>
    (forward(action, host, mirror('rc'))?.mirrors ?? []).map((each) => each.clusterName(requestOf('/')));
  assert.deepEqual(mirrors({}, {}), ['rc']);
  assert.deepEqual(mirrors({}, mirror('vh')), ['vh']);
  assert.deepEqual(mirrors(mirror('rt'), mirror('vh')), ['rt']);
});

test('clusters from headers', () => {
  const table = tableOf(oneRoute({ prefix: '/' }, { route: { cluster_header: 'x-c' } }));
  const headers = requestOf('/', 'h', 'x-c: a');
  assert.equal(routeOf(table, headers).forward?.clusterName, 'a');
  assert.equal(routeOf(table, headers).clusterName, 'a');
  assert.equal(routeOf(table, requestOf('/')).forward?.clusterName, '');
});

test('retry policies', () => {
  const policy = (retry_policy: object) =>
    routeOf(tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a', retry_policy } })), requestOf('/')).forward
      ?.retry;
  const plain = policy({ retry_on: '5xx, connect-failure,nonsense,unavailable' });
  assert.equal(plain?.on, RETRY_ON['5xx'] | RETRY_ON['connect-failure'] | RETRY_ON.unavailable);
  assert.equal(plain?.numRetries, 1);
  assert.equal(plain?.baseIntervalMs, 0);
  assert.equal(plain?.maxIntervalMs, 0);
  assert.equal(plain?.hostSelectionMaxAttempts, 1);
  const type = 'type.googleapis.com/envoy.extensions.retry.host';
  const previous = { name: 'p', typed_config: { '@type': `${type}.previous_hosts.v3.PreviousHostsPredicate` } };
  const full = policy({
    retry_on: 'retriable-status-codes',
    num_retries: 0,
    per_try_timeout: '0.25s',
    per_try_idle_timeout: '1s',
    retriable_status_codes: [409],
    retriable_headers: [{ name: 'x-retry' }],
    retry_back_off: { base_interval: '0.0001s' },
    retry_host_predicate: [previous],
    host_selection_retry_max_attempts: 5,
    rate_limited_retry_back_off: { reset_headers: [{ name: 'Retry-After', format: 'SECONDS' }] },
  });
  assert.equal(full?.numRetries, 0);
  assert.equal(full?.perTryTimeoutMs, 250);
  assert.equal(full?.perTryIdleTimeoutMs, 1000);
  assert.deepEqual(full?.retriableStatusCodes, [409]);
  assert.equal(full?.retriableHeaders[0]?.matches(requestOf('/', 'h', 'x-retry: 1')), true);
  assert.equal(full?.baseIntervalMs, 1);
  assert.equal(full?.maxIntervalMs, 10);
  assert.equal(full?.avoidPreviousHosts, true);
  assert.equal(full?.hostSelectionMaxAttempts, 5);
  assert.equal(full?.rateLimitedBackOff?.maxIntervalMs, 300_000);
  assert.equal(full?.rateLimitedBackOff?.resetHeaders[0]?.name, 'retry-after');
  // The route's policy replaces the virtual host's.
  const host = { retry_policy: { retry_on: '5xx', num_retries: 7 } };
  const of = (action: object): number | undefined =>
    routeOf(tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a', ...action } }, host)), requestOf('/')).forward
      ?.retry?.numRetries;
  assert.equal(of({}), 7);
  assert.equal(of({ retry_policy: { retry_on: '5xx' } }), 1);
});

test('per-filter configuration of all levels', () => {
  const cors = (max_age: string): object => ({
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
    max_age,
  });
  const wrapped = (config: object): object => ({
    '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
    ...config,
  });
  const name = 'envoy.filters.http.cors';
  const config = (route: object, host: object, rc: object) => {
    const json = oneRoute({ prefix: '/' }, { route: { cluster: 'a' }, ...route }, host, rc);
    return routeOf(tableOf(json), requestOf('/')).filterConfigs.get(name);
  };
  const typed = (any: object): object => ({ typed_per_filter_config: { [name]: any } });
  const three = config(typed(cors('3')), typed(cors('2')), typed(wrapped({ config: cors('1') })));
  assert.deepEqual(
    three?.all.map((each) => (each as { max_age: string }).max_age),
    ['1', '2', '3'],
  );
  assert.equal((three?.mostSpecific as { max_age: string } | undefined)?.max_age, '3');
  assert.equal(three?.disabled, false);
  const disabled = config(typed(wrapped({ disabled: true })), typed(cors('2')), {});
  assert.equal(disabled?.disabled, true);
  assert.equal(config(typed(cors('3')), typed(wrapped({ disabled: true })), {})?.disabled, false);
  assert.equal(config({}, {}, {}), undefined);
  const legacy = config({ route: { cluster: 'a', cors: { max_age: '9' } } }, {}, {});
  assert.equal((legacy?.mostSpecific as { max_age: string } | undefined)?.max_age, '9');
  const { reasons } = decodeTable(oneRoute({ prefix: '/' }, { route: { cluster: 'a' }, ...typed(wrapped({})) }));
  assert.deepEqual(reasons, [
    {
      path: `virtual_hosts[0].routes[0].typed_per_filter_config["${name}"]`,
      reason: 'Empty route/virtual host per filter configuration for a filter',
    },
  ]);
});

test('settings of virtual hosts and routes', () => {
  const host = {
    include_request_attempt_count: true,
    include_is_timeout_retry_header: true,
    metadata: { filter_metadata: { f: { a: 1 } } },
    per_request_buffer_limit_bytes: 100,
    virtual_clusters: [{ name: 'vc', headers: [{ name: ':path', string_match: { prefix: '/a' } }] }],
  };
  const action = {
    name: 'n',
    stat_prefix: 's',
    decorator: { operation: 'op', propagate: false },
    route: { cluster: 'a' },
  };
  const route = routeOf(tableOf(oneRoute({ prefix: '/' }, action, host)), requestOf('/'));
  assert.equal(route.name, 'n');
  assert.equal(route.statPrefix, 's');
  assert.deepEqual(route.decorator, { operation: 'op', propagate: false });
  assert.equal(route.requestBufferLimitBytes, 100);
  assert.equal(route.requestBufferLimitIsCapped, true);
  assert.equal(route.virtualHost.includeRequestAttemptCount, true);
  assert.equal(route.virtualHost.includeIsTimeoutRetryHeader, true);
  assert.deepEqual({ ...route.virtualHost.metadata?.get('f') }, { a: 1 });
  assert.equal(route.virtualHost.virtualCluster(requestOf('/a')), 'vc');
  assert.equal(route.virtualHost.virtualCluster(requestOf('/b')), 'other');
  const own = { ...action, request_body_buffer_limit: 5 };
  const limited = routeOf(tableOf(oneRoute({ prefix: '/' }, own, host)), requestOf('/'));
  assert.equal(limited.requestBufferLimitBytes, 5);
  assert.equal(limited.requestBufferLimitIsCapped, false);
});

test('what cannot be is refused with its path', () => {
  const hasCluster = (name: string): boolean => name === 'a';
  const route = (action: object, level: object = {}): string[] =>
    decodeTable(oneRoute({ prefix: '/' }, { route: action, ...level }), { hasCluster }).reasons.map(
      ({ path, reason }) => `${path.replace('virtual_hosts[0].routes[0].', '')}: ${reason}`,
    );
  const add = (key: string): object => ({ request_headers_to_add: [{ header: { key, value: 'x' } }] });
  const retry = (message: object): object => ({ cluster: 'a', retry_policy: { retry_on: '5xx', ...message } });
  const noPredicate = {
    '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
  };
  const rows: readonly (readonly [reasons: string[], expected: string])[] = [
    [route({ cluster: 'zz' }), "route.cluster: unknown cluster 'zz'"],
    [
      route({ weighted_clusters: { clusters: [{ name: 'zz', weight: 1 }] } }),
      "route.weighted_clusters.clusters[0].name: unknown weighted cluster 'zz'",
    ],
    [
      route({ cluster: 'a', request_mirror_policies: [{ cluster: 'zz' }] }),
      "route.request_mirror_policies[0].cluster: unknown shadow cluster 'zz'",
    ],
    [
      route({ weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } }),
      'route.weighted_clusters: Sum of weights in the weighted_cluster must be greater than 0.',
    ],
    [
      route({ weighted_clusters: { clusters: [{ name: 'a', cluster_header: 'x', weight: 1 }] } }),
      'route.weighted_clusters.clusters[0]: Only one of name or cluster_header can be specified',
    ],
    [
      route({ cluster: 'a' }, add(':path')),
      'request_headers_to_add[0].header.key: :-prefixed or host headers may not be modified',
    ],
    [
      route({ cluster: 'a' }, add('Host')),
      'request_headers_to_add[0].header.key: :-prefixed or host headers may not be modified',
    ],
    [
      route({ cluster: 'a' }, { response_headers_to_remove: [':status'] }),
      'response_headers_to_remove[0]: :-prefixed or host headers may not be removed',
    ],
    [
      route({ cluster: 'a', prefix_rewrite: '/', path_rewrite: '/a' }),
      'route: Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy',
    ],
    [
      route({ cluster: 'a', upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'WebSocket' }] }),
      'route.upgrade_configs[1]: Duplicate upgrade WebSocket',
    ],
    [
      route(retry({ retry_back_off: { base_interval: '1s', max_interval: '0.5s' } })),
      'route.retry_policy.retry_back_off: retry_policy.max_interval must greater than or equal to the base_interval',
    ],
    [
      route(retry({ retry_host_predicate: [{ name: 'p', typed_config: noPredicate }] })),
      'route.retry_policy.retry_host_predicate[0]: ' +
        'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig ' +
        'is not supported: previous_hosts, omit_canary_hosts, omit_host_metadata are',
    ],
    [
      route({ cluster: 'a', regex_rewrite: { pattern: { regex: '(a' }, substitution: '' } }),
      'route.regex_rewrite.pattern.regex: missing ): (a',
    ],
  ];
  for (const [reasons, expected] of rows) assert.deepEqual(reasons, [expected]);
  assert.deepEqual(
    decodeTable(oneRoute({ prefix: '/' }, { route: { cluster: 'zz' } }, {}, { validate_clusters: false }), {
      hasCluster,
    }).reasons,
    [],
  );
});
