// Differential cases: policies of a cluster's HttpProtocolOptions, beside those of routes.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, http, match } from '../config.ts';
import { get, post, response } from '../messages.ts';
import { filtered } from './upstream-filters.ts';

const HTTP1: Fields = { explicit_http_config: { http_protocol_options: {} } };
const BACK_OFF: Fields = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };
const retry = (retry_on: string, num_retries: number, more: Fields = {}): Fields => ({
  retry_policy: { retry_on, num_retries, ...BACK_OFF, ...more },
});
const to = (...names: string[]): Fields => ({ request_mirror_policies: names.map((name) => ({ cluster: name })) });
const options = (name: string, fields: Fields): Fields => filtered(name, [], { ...HTTP1, ...fields });
const on = (path: string, name: string, action: Fields = {}): Fields =>
  match({ path_separated_prefix: path }, name, action);

const clusters: readonly Fields[] = [
  cluster('a'),
  cluster('b'),
  cluster('c'),
  options('retry', retry('5xx', 2)),
  options('retry-slow', retry('5xx', 1, { per_try_timeout: '0.3s' })),
  options('retry-idle', retry('5xx', 1, { per_try_idle_timeout: '0.3s' })),
  options('retry-codes', retry('retriable-status-codes', 1, { retriable_status_codes: [404] })),
  options('retry-none', { retry_policy: {} }),
  options('mirror', to('b')),
  options('mirror-two', to('b', 'c')),
  options('mirror-unknown', to('nowhere')),
  options('mirror-header', { request_mirror_policies: [{ cluster_header: 'x-copy' }] }),
  options('both', { ...retry('5xx', 1), ...to('b') }),
  filtered('copied', [], { ...HTTP1, ...to('c'), ...retry('5xx', 1) }, ['b']),
];

const routes: readonly Fields[] = [
  on('/retry/more', 'retry', retry('5xx', 3)),
  on('/retry/less', 'retry', retry('5xx', 1)),
  on('/retry/other', 'retry', retry('connect-failure', 1)),
  on('/retry-slow/route', 'retry-slow', retry('5xx', 1, { per_try_timeout: '5s' })),
  on('/retry-none/route', 'retry-none', retry('5xx', 1)),
  on('/mirror/route', 'mirror', to('c')),
  on('/mirror/chain', 'a', to('copied')),
  on('/hedged', 'retry-slow', { hedge_policy: { hedge_on_per_try_timeout: true } }),
  ...clusters.map(({ name }) => on(`/${String(name)}`, String(name))),
];

const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      virtualHosts: [
        { name: 'all', domains: ['*'], routes, include_request_attempt_count: true },
        { name: 'host', domains: ['host.example'], routes, ...retry('5xx', 3), ...to('c') },
      ],
    }),
  ],
  clusters,
});

const OK = response(200, 'fine');
const BAD = response(503, 'bad');
const NONE = response(404, 'none');
const INTERNAL = 'x-forwarded-for: 10.0.0.1';
const STATS = ['upstream_rq_(retry|timeout|per_try|total|completed|cancelled|[2345]xx)', 'retry_or_shadow'];

const one = (name: string, send: string, a: NonNullable<Case['upstream']>, more: Partial<Case> = {}): Case => ({
  ...{ name, send, upstream: a, stats: STATS },
  ...more,
});
const four = [BAD, BAD, BAD, BAD];
const late = [[{ wait: 2000 }, OK], OK] as const;

const cases: readonly Case[] = [
  one('retries of the cluster', get('/retry'), [BAD, OK]),
  one('retries of the cluster, all of them', get('/retry'), four),
  one('a body is sent again', post('/retry', 'body'), [BAD, OK]),
  one('the route wants more retries', get('/retry/more'), four),
  one('the route wants fewer retries', get('/retry/less'), four),
  one('the route wants others', get('/retry/other'), four),
  one('the virtual host wants retries', get('/retry', 'host: host.example'), four),
  one('the request wants retries', get('/a', INTERNAL, 'x-envoy-retry-on: 5xx', 'x-envoy-max-retries: 1'), four),
  one('the request wants fewer', get('/retry', INTERNAL, 'x-envoy-max-retries: 1'), four),
  one('time of an attempt', get('/retry-slow'), late),
  one('time of an attempt, the route’s is longer', get('/retry-slow/route'), late),
  one('idle time of an attempt', get('/retry-idle'), late),
  one('an attempt that is hedged', get('/hedged'), late),
  one('status codes', get('/retry-codes'), [NONE, OK]),
  one('an empty policy', get('/retry-none'), four),
  one('an empty policy, the route wants retries', get('/retry-none/route'), four),
  one('a copy', get('/mirror'), [OK], { awaitRequests: 2 }),
  one('a copy with a body', post('/mirror', 'body'), [OK], { awaitRequests: 2 }),
  one('two copies', get('/mirror-two'), [OK], { awaitRequests: 3 }),
  one('the route copies, too', get('/mirror/route'), [OK], { awaitRequests: 2, settleMs: 100 }),
  one('the virtual host copies, too', get('/mirror', 'host: host.example'), [OK], { awaitRequests: 2, settleMs: 100 }),
  {
    ...one('a copy to a cluster which copies and tries again', get('/mirror/chain'), [OK]),
    upstream: { a: [OK], b: [BAD, OK] },
    awaitRequests: 2,
    settleMs: 200,
  },
  one('a copy to nowhere', get('/mirror-unknown'), [OK]),
  one('a copy by a header', get('/mirror-header', 'x-copy: b'), [OK], { awaitRequests: 2 }),
  one('retries and copies', get('/both'), [BAD, OK], { awaitRequests: 3 }),
];

export const clusterPolicyGroups: readonly Group[] = [{ name: 'cluster policies', config, cases }];
