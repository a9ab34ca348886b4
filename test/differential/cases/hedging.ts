// Differential cases: hedging, where an attempt that takes long gets company.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, http, match } from '../config.ts';
import { get, post, response } from '../messages.ts';

const STATS = [
  'upstream_rq_(retry|timeout|per_try|\\dxx|total|completed|cancelled)',
  'rq_(error|success|timeout)',
  'retry_or_shadow',
];

const HEDGE: Fields = { hedge_on_per_try_timeout: true };

function retry(per_try_timeout: string, num_retries: number, more: Fields = {}): Fields {
  const retry_back_off = { base_interval: '0.001s', max_interval: '0.002s' };
  return { retry_policy: { retry_on: '5xx', per_try_timeout, num_retries, retry_back_off, ...more } };
}

function on(path: string, action: Fields): Fields {
  return match({ path_separated_prefix: path }, 'a', action);
}

const routes: readonly Fields[] = [
  on('/hedged', { hedge_policy: HEDGE, ...retry('0.2s', 1), timeout: '2s' }),
  on('/twice', { hedge_policy: HEDGE, ...retry('0.2s', 2), timeout: '2s' }),
  on('/no-policy', { hedge_policy: HEDGE, timeout: '0.4s' }),
  on('/plain', { ...retry('0.2s', 1), timeout: '2s' }),
  on('/idle', { hedge_policy: HEDGE, timeout: '2s', ...retry('0s', 1, { per_try_idle_timeout: '0.2s' }) }),
  on('/none-left', { hedge_policy: HEDGE, ...retry('0.2s', 0), timeout: '2s' }),
  on('/initial', {
    hedge_policy: { ...HEDGE, initial_requests: 3, additional_request_chance: { numerator: 100 } },
    ...retry('0.2s', 1),
    timeout: '2s',
  }),
];

const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      virtualHosts: [
        {
          name: 'all',
          domains: ['*'],
          routes,
          include_request_attempt_count: true,
          include_attempt_count_in_response: true,
          include_is_timeout_retry_header: true,
        },
        {
          name: 'level',
          domains: ['level.example'],
          hedge_policy: HEDGE,
          routes: [match({ prefix: '/' }, 'a', { ...retry('0.2s', 1), timeout: '2s' })],
        },
        {
          name: 'level-off',
          domains: ['off.example'],
          hedge_policy: HEDGE,
          routes: [match({ prefix: '/' }, 'a', { hedge_policy: {}, ...retry('0.2s', 1), timeout: '2s' })],
        },
      ],
    }),
  ],
  clusters: [cluster('a')],
});

const slow = (ms: number, text: string): readonly [{ wait: number }, string] => [{ wait: ms }, text];
/** Its x-envoy headers are believed. */
const INTERNAL = 'x-forwarded-for: 10.0.0.1';
const OK = response(200, 'fine');
const BAD = response(503, 'bad');

function one(name: string, send: string, a: NonNullable<Case['upstream']>, more: Partial<Case> = {}): Case {
  return { name, send, upstream: a, stats: STATS, ...more };
}

const cases: readonly Case[] = [
  one('the first answers in time', get('/hedged'), [OK]),
  one('the second answers', get('/hedged'), [slow(1500, OK), response(200, 'second')]),
  one('the first answers after all', get('/hedged'), [
    slow(300, response(200, 'first')),
    slow(1000, response(200, 'second')),
  ]),
  one('the first fails, the second answers', get('/hedged'), [slow(300, BAD), slow(400, OK)]),
  one('the second fails, the first answers', get('/hedged'), [slow(600, OK), slow(50, BAD)]),
  one('both fail, the first last', get('/hedged'), [
    slow(500, response(503, 'first')),
    slow(50, response(502, 'second')),
  ]),
  one('both fail, the second last', get('/hedged'), [
    slow(300, response(503, 'first')),
    slow(400, response(502, 'second')),
  ]),
  one('the first ends early', get('/hedged'), [[{ wait: 300 }, 'fin'], slow(300, OK)]),
  one('the second ends early', get('/hedged'), [slow(500, OK), [{ wait: 50 }, 'fin']]),
  one('both end early', get('/hedged'), [
    [{ wait: 300 }, 'fin'],
    [{ wait: 300 }, 'fin'],
  ]),
  one('nobody answers', get('/hedged'), [slow(2500, OK), slow(2500, OK)]),
  one('three at once', get('/twice'), [slow(1500, OK), slow(1500, OK), response(200, 'third')]),
  one('three at once, the second wins', get('/twice'), [
    slow(1500, OK),
    slow(300, response(200, 'second')),
    slow(1500, OK),
  ]),
  one('a retry that fails is retried', get('/twice'), [slow(1000, OK), slow(20, BAD), response(200, 'third')]),
  one('without a retry policy', get('/no-policy'), [slow(1500, OK)]),
  one('with none left', get('/none-left'), [slow(500, OK)]),
  one('without hedging', get('/plain'), [slow(1500, OK), OK]),
  one('by idle time', get('/idle'), [slow(1500, OK), OK]),
  one('with more requests at first', get('/initial'), [slow(1500, OK), OK]),
  one('by the request', get('/plain', INTERNAL, 'x-envoy-hedge-on-per-try-timeout: true'), [
    slow(300, response(200, 'first')),
    slow(1000, OK),
  ]),
  one('by the request from outside', get('/plain', 'x-envoy-hedge-on-per-try-timeout: true'), [slow(1500, OK), OK]),
  one('switched off by the request', get('/hedged', INTERNAL, 'x-envoy-hedge-on-per-try-timeout: false'), [
    slow(1500, OK),
    OK,
  ]),
  one('neither by the request', get('/hedged', INTERNAL, 'x-envoy-hedge-on-per-try-timeout: maybe'), [
    slow(300, response(200, 'first')),
    slow(1000, OK),
  ]),
  one('by the virtual host', get('/', 'host: level.example'), [slow(300, response(200, 'first')), slow(1000, OK)]),
  one('not by the route', get('/', 'host: off.example'), [slow(1500, OK), OK]),
  one('a body goes twice', post('/hedged', 'the body'), [slow(1500, OK), response(200, 'second')]),
  one('the rest of the first is read', get('/hedged'), [
    [{ wait: 300 }, 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf', { wait: 200 }, 'done'],
    slow(1000, OK),
  ]),
];

export const hedgingGroups: readonly Group[] = [{ name: 'hedging', config, cases }];
