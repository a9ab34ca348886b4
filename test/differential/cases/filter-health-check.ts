// Differential cases: the health_check filter, with what /healthcheck/fail does to it.
import type { Case, Group } from '../case.ts';
import { bootstrap, cluster, type Fields, fileLog, filter, http, textLog } from '../config.ts';
import { chunked, get, head, post, request, response } from '../messages.ts';

const TYPE = 'envoy.extensions.filters.http.health_check.v3.HealthCheck';
const NAME = 'envoy.filters.http.health_check';
const path = (exact: string): Fields => ({ name: ':path', string_match: { exact } });
const line = 'code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% %REQ(:PATH)%';
const log = [
  textLog(`${line}\n`),
  {
    ...fileLog({ log_format: { text_format_source: { inline_string: `unless a check: ${line}\n` } } }),
    filter: { not_health_check_filter: {} },
  },
];
const listen = (name: string, config: Fields): Fields =>
  http({
    name,
    log,
    // While it fails, Envoy closes connections only then.
    hcm: { drain_timeout: '0.05s' },
    filters: [filter(NAME, TYPE, { pass_through_mode: false, headers: [path('/healthz')], ...config })],
  });
const percentages = (of: Readonly<Record<string, number>>): Fields => ({
  cluster_min_healthy_percentages: Object.fromEntries(Object.entries(of).map(([name, value]) => [name, { value }])),
});

const listeners: readonly Fields[] = [
  listen('answers', {}),
  listen('passes', { pass_through_mode: true }),
  listen('caches', { pass_through_mode: true, cache_time: '600s' }),
  listen('caches-degraded', { pass_through_mode: true, cache_time: '600s' }),
  listen('caches-failures', { pass_through_mode: true, cache_time: '600s' }),
  listen('every', { headers: [] }),
  listen('two', { headers: [path('/healthz'), { name: 'x-check', present_match: true }] }),
  listen('healthy', percentages({ a: 100 })),
  listen('half', percentages({ mixed: 50 })),
  listen('most', percentages({ mixed: 51 })),
  listen('several', percentages({ a: 1, mixed: 90 })),
  listen('no-cluster', percentages({ gone: 0 })),
  listen('empty', percentages({ empty: 1 })),
  listen('empty-0', percentages({ empty: 0 })),
  listen('passes-by-cluster', { pass_through_mode: true, ...percentages({ gone: 100 }) }),
];
const names = listeners.map(({ name }) => name as string);

const STATS = ['downstream_rq_', 'upstream_rq_'];
const cases: readonly Case[] = [
  ...names
    .filter((name) => !name.startsWith('caches'))
    .flatMap((to): Case[] => [
      { name: `${to}: a check`, to, send: get('/healthz') },
      { name: `${to}: a check with a header`, to, send: get('/healthz', 'x-check: 1') },
      { name: `${to}: another request`, to, send: get('/other') },
    ]),
  ...['answers', 'passes'].flatMap((to): Case[] => [
    { name: `${to}: HEAD`, to, send: request('HEAD', '/healthz') },
    { name: `${to}: POST`, to, send: post('/healthz', 'body') },
    { name: `${to}: chunks`, to, send: chunked('/healthz', ['a', 'b']) },
    { name: `${to}: trailers`, to, send: chunked('/healthz', ['a'], [], ['x-t: 1']) },
    { name: `${to}: grpc`, to, send: post('/healthz', '', 'content-type: application/grpc') },
    { name: `${to}: a failure`, to, send: get('/healthz'), upstream: [response(500, 'no')] },
    { name: `${to}: a query`, to, send: get('/healthz?x') },
  ]),
  {
    name: 'caches: first, second, third',
    to: 'caches',
    send: [get('/healthz'), { read: 1 }, get('/healthz'), { read: 2 }, get('/other'), { read: 3 }],
  },
  {
    name: 'caches-degraded: first, second',
    to: 'caches-degraded',
    send: [get('/healthz'), { read: 1 }, get('/healthz'), { read: 2 }, get('/healthz'), { read: 3 }],
    upstream: [head(200, 'x-envoy-degraded: why', 'content-length: 0')],
  },
  {
    name: 'caches-failures: first, second',
    to: 'caches-failures',
    send: [get('/healthz'), { read: 1 }, get('/healthz'), { read: 2 }],
    upstream: [response(404, 'no')],
  },
  { name: 'fails from now on', to: 'answers', send: get('/other'), admin: ['POST /healthcheck/fail'] },
  ...['answers', 'passes', 'caches', 'healthy', 'two'].flatMap((to): Case[] => [
    { name: `${to} when failing: a check`, to, send: get('/healthz') },
    { name: `${to} when failing: another request`, to, send: get('/other') },
    {
      name: `${to} when failing: the header is there`,
      to,
      send: get('/other'),
      upstream: [response(200, 'x', 'x-envoy-immediate-health-check-fail: no')],
    },
  ]),
  { name: 'well from now on', to: 'answers', send: get('/other'), admin: ['POST /healthcheck/ok'] },
  ...['answers', 'passes', 'caches', 'healthy'].map(
    (to): Case => ({ name: `${to} when well: a check`, to, send: get('/healthz') }),
  ),
];

const mixed = cluster('mixed', ['a', 'free.down']) as {
  load_assignment: { endpoints: { lb_endpoints: Fields[] }[] };
} & Fields;
const [up, down] = mixed.load_assignment.endpoints[0]!.lb_endpoints as [Fields, Fields];
const config = bootstrap({
  listeners,
  clusters: [
    cluster('a'),
    {
      ...mixed,
      load_assignment: {
        cluster_name: 'mixed',
        endpoints: [{ lb_endpoints: [up, { ...down, health_status: 'UNHEALTHY' }] }],
      },
    },
    { name: 'empty', type: 'STATIC', load_assignment: { cluster_name: 'empty' } },
  ],
});

export const healthCheckGroups: readonly Group[] = [
  {
    name: 'filter health_check',
    config,
    cases: cases.map((test) => ({ probeMs: / failing/.test(test.name) ? 80 : 5, stats: STATS, ...test })),
  },
];
