// Differential cases: runtime values of Envoy's own keys for clusters and retries, from the start and changed later.
import type { Case, Group } from '../case.ts';
import { any, address, bootstrap, cluster, type Fields, http, route } from '../config.ts';
import { get, response } from '../messages.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const FAIL = response(503, 'fail');
const OK = response(200, 'ok');
const STATS = [
  '^cluster\\.[^.]+\\.(circuit_breakers\\..*|upstream_rq_retry.*)$',
  '^cluster\\.[^.]+\\.(upstream_cx_http[12]_total|lb_healthy_panic)$',
];

const tracked: Fields = { circuit_breakers: { thresholds: [{ track_remaining: true }, { priority: 'HIGH' }] } };
const budget: Fields = {
  circuit_breakers: {
    thresholds: [{ track_remaining: true, retry_budget: { min_retry_concurrency: 2, budget_percent: { value: 30 } } }],
  },
};
const none: Fields = {
  circuit_breakers: { thresholds: [{ max_requests: 0, max_retries: 0, max_pending_requests: 0 }] },
};
const http2: Fields = {
  typed_extension_protocol_options: {
    [OPTIONS]: any(OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }),
  },
};
const backOff: Fields = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };

/** A backend of which one is healthy in four, and only that one answers in the cases. */
function halfDead(name: string, fields: Fields = {}): Fields {
  const host = (backend: string, health: string) => ({
    health_status: health,
    endpoint: { address: address(`backend.${backend}`) },
  });
  const endpoints = [host('a', 'HEALTHY'), host('b', 'UNHEALTHY'), host('c', 'UNHEALTHY'), host('d', 'UNHEALTHY')];
  return cluster(name, [], {
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...fields,
  });
}

const retrying: Fields = { retry_policy: { retry_on: '5xx', num_retries: 2, ...backOff } };

const NAMES = ['free', 'cx', 'pending', 'requests', 'retries', 'pools', 'high', 'opened'] as const;

const values = {
  circuit_breakers: {
    cx: { default: { max_connections: 0, max_pending_requests: 0 } },
    pending: { default: { max_pending_requests: 0 } },
    requests: { default: { max_requests: 0 } },
    retries: { default: { max_retries: 0 } },
    pools: { default: { max_connection_pools: 0 } },
    high: { high: { max_requests: 0 } },
    opened: { default: { max_requests: 7, max_retries: 7, max_pending_requests: 7, max_connections: 7 } },
    'budget-off': { default: { retry_budget: { min_retry_concurrency: 0, budget_percent: 0 } } },
    'budget-made': { default: { retry_budget: { min_retry_concurrency: 0 } } },
    'budget-percent': { default: { retry_budget: { budget_percent: 0 } } },
    'budget-part': { default: { retry_budget: { budget_percent: 0.5, min_retry_concurrency: 0 } } },
    'budget-both': { default: { max_retries: 1 } },
    'budget-wins': { default: { max_retries: 0, retry_budget: { min_retry_concurrency: 1 } } },
    alternative: { default: { max_requests: 0 } },
    'alternative-name': { default: { max_requests: 0 } },
  },
};

const BUDGETS = ['budget-off', 'budget-made', 'budget-percent', 'budget-part', 'budget-both', 'budget-wins'] as const;

function config(layers: readonly Fields[]): Fields {
  const routes = [
    route('/panic', 'panic'),
    route('/no-panic', 'no-panic'),
    route('/h2', 'h2'),
    route('/default-back-off', 'free', { retry_policy: { retry_on: '5xx', num_retries: 2 } }),
    route('/many', 'plain', { retry_policy: { retry_on: '5xx', num_retries: 10 } }),
    route('/own-back-off', 'free', retrying),
    route('/x-high', 'high', { priority: 'HIGH' }),
    route('/alternative', 'alternative'),
    route('/alternative-name', 'alternative-name'),
    ...NAMES.map((name) => route(`/${name}`, name, retrying)),
    ...BUDGETS.map((name) => route(`/${name}`, name, retrying)),
  ];
  return bootstrap({
    listeners: [http({ name: 'main', routes })],
    clusters: [
      cluster('plain', ['a']),
      ...NAMES.map((name) => cluster(name, ['a'], name === 'opened' ? none : tracked)),
      ...BUDGETS.map((name) =>
        cluster(name, ['a'], name === 'budget-off' || name === 'budget-both' ? budget : tracked),
      ),
      cluster('alternative', ['a'], { alt_stat_name: 'other' }),
      cluster('alternative-named', ['a'], { alt_stat_name: 'alternative-name' }),
      cluster('alternative-name', ['a'], { alt_stat_name: 'yet-other' }),
      halfDead('panic'),
      halfDead('no-panic', { common_lb_config: { healthy_panic_threshold: { value: 0 } } }),
      cluster('h2', ['a'], http2),
    ],
    around: { layered_runtime: { layers } },
  });
}

function simple(path: string, around: Partial<Case> = {}): Case {
  return { name: `GET ${path}`, send: get(path), upstream: [OK], stats: STATS, ...around };
}

function retried(path: string, around: Partial<Case> = {}): Case {
  const three = { upstream: [FAIL, FAIL, OK] };
  return { name: `GET ${path}, twice 503`, send: get(path), ...three, stats: STATS, ...around };
}

const limitCases: readonly Case[] = [
  ...NAMES.flatMap((name) => [simple(`/${name}`), retried(`/${name}`)]),
  ...BUDGETS.map((name) => retried(`/${name}`)),
  simple('/x-high'),
  simple('/alternative'),
  simple('/alternative-name'),
  { name: 'limits as /clusters shows them', admin: ['GET /clusters'], view: limitsOf },
];

function limitsOf({ admin }: { admin?: Record<string, { body: string }> }): unknown {
  const body = Object.values(admin ?? {})
    .map((answer) => answer.body)
    .join('');
  return body
    .split('\n')
    .filter((line) => line.includes('_priority::'))
    .toSorted();
}

/** An admin request that changes values, and what follows. */
function changed(name: string, query: string, ...after: Case[]): Case[] {
  const change = { name: `${name}: set`, admin: [`POST /runtime_modify?${query}`] };
  return [change, ...after.map((one) => ({ ...one, name: `${name}: ${one.name}` }))];
}

const laterCases: readonly Case[] = [
  retried('/own-back-off'),
  ...changed('no requests', 'circuit_breakers.free.default.max_requests=0', simple('/free')),
  ...changed('requests again', 'circuit_breakers.free.default.max_requests=', simple('/free')),
  ...changed('no retries', 'circuit_breakers.free.default.max_retries=0', retried('/free')),
  ...changed(
    'a budget of none',
    'circuit_breakers.free.default.retry_budget.min_retry_concurrency=0',
    retried('/free'),
  ),
  ...changed(
    'retries again',
    'circuit_breakers.free.default.max_retries=&circuit_breakers.free.default.retry_budget.min_retry_concurrency=',
    retried('/free'),
  ),
  ...changed('a text', 'circuit_breakers.free.default.max_requests=abc', simple('/free')),
  ...changed('a negative one', 'circuit_breakers.free.default.max_requests=-1', simple('/free')),
  ...changed('a fraction', 'circuit_breakers.free.default.max_requests=0.9', simple('/free')),
  ...changed('retries off', 'upstream.use_retry=0', retried('/free'), retried('/retries')),
  ...changed(
    'retries off and none left',
    'circuit_breakers.free.default.max_retries=0&circuit_breakers.free.default.max_requests=',
    retried('/free'),
  ),
  ...changed('retries on', 'upstream.use_retry=100&circuit_breakers.free.default.max_retries=', retried('/free')),
  ...changed('quick', 'upstream.base_retry_backoff_ms=1', quick('/many'), retried('/own-back-off')),
  panicking('/panic', 'before'),
  ...changed('no panic, of no effect yet', 'upstream.healthy_panic_threshold=0', panicking('/panic', 'after')),
  ...changed(
    'one request at a time',
    'circuit_breakers.free.default.max_requests=1',
    {
      name: 'two clients',
      clients: [
        { steps: [get('/free'), { read: 1 }] },
        { steps: [{ awaitUpstream: 1 }, get('/free', 'x-n: 2'), { read: 1 }] },
      ],
      upstream: [[{ wait: 150 }, OK]],
      stats: STATS,
    },
    simple('/free'),
  ),
  {
    name: 'GET /h2, before',
    send: get('/h2'),
    upstream: { a: { replies: [], http2: {} } },
    stats: STATS,
  },
];

/** Ten retries with the default back-off: with a base of 1 ms they take no time worth naming. */
function quick(path: string, around: Partial<Case> = {}): Case {
  return {
    name: `GET ${path}, ten retries`,
    send: get(path),
    upstream: [...Array.from({ length: 10 }, () => FAIL), OK],
    elapsedToleranceMs: 150,
    stats: STATS,
    ...around,
  };
}

/** Which host answers is drawn; whether it was panic is not. */
function panicking(path: string, name = 'panic'): Case {
  return {
    name: `GET ${path}, ${name}`,
    send: get(path),
    upstream: { a: [OK], b: [OK], c: [OK], d: [OK] },
    stats: STATS,
    view: ({ stats, clients }) => ({ stats, status: clients[0]?.responses[0]?.line }),
  };
}

export const runtimeKeyGroups: readonly Group[] = [
  { name: 'runtime keys, limits', config: config([{ name: 'static', static_layer: values }]), cases: limitCases },
  {
    name: 'runtime keys, panic threshold',
    config: config([{ name: 'static', static_layer: { upstream: { healthy_panic_threshold: 20, use_http2: 0 } } }]),
    cases: [panicking('/panic'), panicking('/no-panic'), simple('/h2')],
  },
  {
    name: 'runtime keys, panic threshold of more than all',
    config: config([{ name: 'static', static_layer: { upstream: { healthy_panic_threshold: 500, use_http2: 1 } } }]),
    cases: [panicking('/panic'), panicking('/no-panic')],
  },
  { name: 'runtime keys, changed later', config: config([{ name: 'admin', admin_layer: {} }]), cases: laterCases },
];
