// Differential cases: how long an answer waits for a client that does not take it, by route and listener.
import type { Case, Group, Http2Step } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, http, route } from '../config.ts';
import { response } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';
import { h2Head } from './http2-exchange.ts';

const routes: readonly Fields[] = [
  route('/flush', 'a', { flush_timeout: '0.1s' }),
  route('/idle', 'a', { idle_timeout: '0.1s' }),
  route('/both', 'a', { idle_timeout: '60s', flush_timeout: '0.1s' }),
  route('/never', 'a', { idle_timeout: '0.1s', flush_timeout: '0s' }),
  route('/plain', 'a'),
];

const listener = (name: string, hcm: Fields): Fields => http({ name, routes, hcm: { codec_type: 'HTTP2', ...hcm } });

const stuck = (path: string): Http2Step[] => [
  { hello: { returnsCredit: false, settings: { INITIAL_WINDOW_SIZE: 10 } } },
  { head: h2Head('GET', path), on: 1, end: true },
  { untilBytes: 10 },
];

function timed(to: string, path: string, isGivenUp: boolean): Case {
  const rest: readonly Http2Step[] = isGivenUp
    ? [{ until: 'reset' }]
    : [{ wait: 600 }, { credit: 2000, on: 1 }, { until: 'end' }];
  return {
    name: `${to}: ${path}`,
    to,
    http2: [...stuck(path), ...rest],
    upstream: [response(200, 'x'.repeat(1000))],
    stats: ['tx_flush_timeout'],
    settleMs: 15,
  };
}

export const flushTimeoutGroups: readonly Group[] = [
  {
    name: 'flush timeouts',
    config: bootstrap({
      listeners: [
        listener('route', { stream_idle_timeout: '60s' }),
        listener('listener', { stream_idle_timeout: '60s', stream_flush_timeout: '30s' }),
        listener('short', { stream_flush_timeout: '0.1s' }),
      ],
      clusters: [cluster('a')],
    }),
    cases: [
      timed('route', '/flush', true),
      timed('route', '/idle', false),
      timed('route', '/both', true),
      timed('route', '/never', false),
      timed('route', '/plain', false),
      timed('listener', '/flush', true),
      timed('listener', '/idle', false),
      timed('short', '/plain', true),
      timed('short', '/never', false),
    ],
  },
];

const configured = (name: string, routeConfig: Fields, row: Partial<ConfigCase>): ConfigCase => ({
  name: `flush timeouts: ${name}`,
  config: bootstrap({
    listeners: [http({ name: 'main', virtualHosts: [{ name: 'all', domains: ['*'], ...routeConfig }] })],
    clusters: [cluster('a', ['free.a'])],
  }),
  ...row,
});
const TYPED: Fields = {
  retry_policy_typed_config: { '@type': 'type.googleapis.com/envoy.config.route.v3.RetryPolicy', retry_on: '5xx' },
};
const IGNORED: Partial<ConfigCase> = {
  mentions: ['retry_policy_typed_config'],
  stricter: 'Envoy does nothing with it',
};

export const routeOptionConfigCases: readonly ConfigCase[] = [
  configured('below zero', { routes: [route('/', 'a', { flush_timeout: '-1s' })] }, { mentions: ['flush_timeout'] }),
  configured('typed retries of a route', { routes: [route('/', 'a', TYPED)] }, IGNORED),
  configured('typed retries of a virtual host', { routes: [route('/', 'a')], ...TYPED }, IGNORED),
];
