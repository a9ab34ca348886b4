// Differential cases: x-envoy request headers, from clients that are believed and from others.
import type { Case, Group } from '../case.ts';
import { bootstrap, cluster, http, match } from '../config.ts';
import { ENVOY_HEADERS } from '../generate-routes.ts';
import { get, response } from '../messages.ts';

const retry_policy = { retry_on: 'reset', num_retries: 1, retry_back_off: { base_interval: '0.001s' } };
const routes = [match({ prefix: '/policy' }, 'a', { retry_policy }), match({ prefix: '/' }, 'a')];
const virtualHosts = [{ name: 'all', domains: ['*'], routes, include_request_attempt_count: true }];

const config = bootstrap({
  listeners: [
    http({ name: 'main', virtualHosts }),
    http({ name: 'edge', virtualHosts, hcm: { use_remote_address: true } }),
    http({
      name: 'strict',
      virtualHosts,
      router: { strict_check_headers: ['x-envoy-retry-on', 'x-envoy-max-retries'] },
    }),
    http({ name: 'expected', virtualHosts, router: { respect_expected_rq_timeout: true } }),
    http({ name: 'quiet', virtualHosts, router: { suppress_envoy_headers: true } }),
  ],
  clusters: [cluster('a')],
});

const INSIDE = 'x-forwarded-for: 10.0.0.1';
const OUTSIDE = 'x-forwarded-for: 203.0.113.9';
const replies = [response(503, 'one', 'x-up: 1'), response(409, 'two'), response(503, 'three'), response(200, 'four')];

function one(header: string, where: string, to: string, line: string, path: string): Case {
  return { name: `${header}, ${where}`, to, send: get(path, line, header), upstream: { a: replies }, stats: ['retry'] };
}

const cases: readonly Case[] = [
  ...ENVOY_HEADERS.flatMap((header) => [
    one(header, 'from inside', 'main', INSIDE, '/'),
    one(header, 'from outside', 'main', OUTSIDE, '/'),
    one(header, 'from inside, with a policy', 'main', INSIDE, '/policy'),
    one(header, 'at the edge', 'edge', OUTSIDE, '/policy'),
  ]),
  ...['x-envoy-retry-on: nonsense', 'x-envoy-max-retries: x', 'x-envoy-retry-on: 5xx'].map((header) =>
    one(header, 'checked strictly', 'strict', INSIDE, '/'),
  ),
  ...['x-envoy-expected-rq-timeout-ms: 777', 'x-envoy-upstream-rq-timeout-ms: 888'].map((header) =>
    one(header, 'expected times respected', 'expected', INSIDE, '/'),
  ),
  ...['x-envoy-retry-on: 5xx', 'x-envoy-upstream-rq-timeout-ms: 888'].map((header) =>
    one(header, 'headers suppressed', 'quiet', INSIDE, '/'),
  ),
];

export const envoyHeaderGroups: readonly Group[] = [{ name: 'envoy headers', config, cases }];
