// Differential cases: stateful_session with cookies, headers and envelopes, strict or not, for routes, and misused.
import type { Case, Group, Observation } from '../case.ts';
import type { Fields } from '../config.ts';
import { address, any, bootstrap, cluster, direct, filter, http, route } from '../config.ts';
import { get, response } from '../messages.ts';

const PACKAGE = 'envoy.extensions.filters.http.stateful_session.v3';
const STATE = 'envoy.extensions.http.stateful_session';

const cookie = (fields: Fields = {}): Fields => ({
  name: 'envoy.http.stateful_session.cookie',
  typed_config: any(`${STATE}.cookie.v3.CookieBasedSessionState`, { cookie: { name: 'sid', ...fields } }),
});
const headerState: Fields = {
  name: 'envoy.http.stateful_session.header',
  typed_config: any(`${STATE}.header.v3.HeaderBasedSessionState`, { name: 'x-session' }),
};
const envelope: Fields = {
  name: 'envoy.http.stateful_session.envelope',
  typed_config: any(`${STATE}.envelope.v3.EnvelopeSessionState`, { header: { name: 'x-own' } }),
};
const sessions = (fields: Fields): Fields => filter('sessions', `${PACKAGE}.StatefulSession`, fields);
const perRoute = (fields: Fields): Fields => ({
  typed_per_filter_config: { sessions: any(`${PACKAGE}.StatefulSessionPerRoute`, fields) },
});

const listeners: Readonly<Record<string, Fields>> = {
  cookie: { session_state: cookie(), stat_prefix: 'p' },
  'cookie-ttl': { session_state: cookie({ ttl: '120s' }), stat_prefix: 'p' },
  'cookie-path': { session_state: cookie({ path: '/app', ttl: '1s' }), stat_prefix: 'p' },
  'cookie-slash': { session_state: cookie({ path: '/app/' }) },
  'cookie-attributes': {
    session_state: cookie({
      path: '/',
      attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }, { name: 'Partitioned', value: '' }],
    }),
  },
  'cookie-strict': { session_state: cookie(), strict: true, stat_prefix: 'p' },
  'cookie-strict-status': {
    session_state: cookie(),
    strict: true,
    status_on_strict_destination_not_found: 421,
    stat_prefix: 'p',
  },
  'loose-status': { session_state: cookie(), status_on_strict_destination_not_found: 421, stat_prefix: 'p' },
  header: { session_state: headerState, stat_prefix: 'p' },
  'header-strict': { session_state: headerState, strict: true, stat_prefix: 'p' },
  envelope: { session_state: envelope, stat_prefix: 'p' },
  none: { stat_prefix: 'p' },
  unnamed: { session_state: headerState },
};
const routes: readonly Fields[] = [
  route('/app', 'many'),
  route('/one', 'one'),
  route('/empty', 'empty'),
  route('/sick', 'sick'),
  route('/draining', 'draining-allowed'),
  route('/retry', 'retried', {
    retry_policy: {
      retry_on: '5xx',
      num_retries: 1,
      retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
    },
  }),
  route('/off', 'many', {}, perRoute({ disabled: true })),
  route('/header', 'many', {}, perRoute({ stateful_session: { session_state: headerState, stat_prefix: 'r' } })),
  route(
    '/strict',
    'many',
    {},
    perRoute({
      stateful_session: { session_state: cookie(), strict: true, status_on_strict_destination_not_found: 404 },
    }),
  ),
  route('/no-state', 'many', {}, perRoute({ stateful_session: {} })),
  direct({ prefix: '/direct' }, 200, 'here'),
  { match: { prefix: '/nowhere' }, route: { cluster_header: 'x-nobody' } },
  route('/', 'many'),
];
const endpoint = (name: string, fields: Fields = {}): Fields => ({ endpoint: { address: address(name) }, ...fields });
const withEndpoints = (name: string, endpoints: readonly Fields[], fields: Fields = {}): Fields =>
  cluster(name, [], { load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] }, ...fields });

/** What carries an address, without what its port makes of it. */
function readable(text: string): string {
  const shown = (bytes: Buffer): string => bytes.toString('latin1').replace(/127\.0\.0\.1:\d+/, 'HOST');
  const decode = (part: string): string => {
    const bytes = Buffer.from(part, 'base64');
    // The times of both proxies are a second apart at most.
    const expires = bytes.length > 2 && bytes[0] === 10 && bytes[bytes[1]! + 2] === 16;
    return expires ? `${shown(bytes.subarray(0, bytes[1]! + 3))}<time>` : shown(bytes);
  };
  return text.replace(/[A-Za-z0-9+/]{20,}={0,2}/g, (part) => `<${JSON.stringify(decode(part))}>`);
}
function view(observation: Observation): unknown {
  const readableFields = (headers: Readonly<Record<string, string[]>>): Record<string, string[]> =>
    Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.map(readable)]));
  const clients = observation.clients.map(({ responses, fate }) => ({
    fate,
    responses: responses.map(({ headers, ...rest }) => ({ ...rest, headers: readableFields(headers) })),
  }));
  const upstream = Object.fromEntries(
    Object.entries(observation.upstream).map(([name, requests]) => [
      name,
      requests.map(({ line, headers }) => ({ line, headers: readableFields(headers) })),
    ]),
  );
  return { ...observation, clients, upstream };
}

const stats = ['stateful_session', 'cluster\\.\\w+\\.upstream_(rq|cx_none)'];
const sent = (name: string, to: string, path: string, ...headers: string[]): Case => ({
  name: `${to} ${path}: ${name}`,
  to,
  send: get(path, ...headers),
  stats,
  view,
});

/** Wherever the balancer goes without a session, both proxies must go alike: to clusters of one host. */
const basics = Object.keys(listeners).flatMap((to): Case[] => [
  sent('no session', to, '/one'),
  sent('cookie for b', to, '/', 'cookie: sid="{{session.backend.b}}"'),
  sent('cookie for c without quotes', to, '/app', 'cookie: a=b; sid={{session.backend.c}}; sid=x'),
  sent('header for b', to, '/', 'x-session: {{base64.backend.b}}'),
  sent('envelope for c', to, '/', 'x-own: {{base64.backend.c}};UV:b3du'),
  sent('host of another cluster', to, '/one', 'cookie: sid="{{session.backend.b}}"', 'x-session: {{base64.backend.b}}'),
  sent('direct response', to, '/direct', 'cookie: sid="{{session.backend.b}}"'),
]);
const cookies: Readonly<Record<string, string>> = {
  empty: '',
  'no base64': '!!!!',
  'base64 without padding': 'MTI3LjAuMC4xOjgw',
  'an address alone': '{{base64.backend.one}}',
  expired: '{{expiredSession.backend.one}}',
  'good for ages': '{{longSession.backend.one}}',
  'cut off': 'CgkxMjc=',
  'an unknown field': 'GgNhYmMKAA==',
  'two values': '{{session.backend.one}}{{session.backend.one}}',
  'a zero byte': 'CgIAAA==',
  'a foreign host': 'Cg8xNjkuMjU0LjE2OS4yNTQ=',
  'group wire type': 'Cw==',
};
const odd = Object.entries(cookies).flatMap(([name, value]): Case[] => [
  sent(name, 'cookie', '/one', `cookie: sid="${value}"`),
  sent(name, 'cookie-strict', '/one', `cookie: sid="${value}"`),
  sent(name, 'header', '/one', `x-session: ${value}`),
]);
const one = 'cookie: sid="{{session.backend.one}}"';
const b = 'cookie: sid="{{session.backend.b}}"';
const more: readonly Case[] = [
  ...['/app', '/app/', '/app/x', '/app?x', '/apple', '/'].flatMap((path) => [
    sent('path', 'cookie-path', path, b),
    sent('path', 'cookie-slash', path, b),
  ]),
  ...['cookie', 'cookie-strict', 'cookie-strict-status', 'loose-status'].flatMap((to) => [
    sent('no hosts', to, '/empty', one),
    sent('unhealthy host', to, '/sick', 'cookie: sid="{{session.backend.sick}}"'),
    sent('draining host that may', to, '/draining', 'cookie: sid="{{session.backend.sick}}"'),
    sent('missing host', to, '/one', b),
    sent('no cluster', to, '/nowhere', one),
    {
      ...sent('reset', to, '/one', one),
      upstream: { one: [['fin']] },
    },
    {
      ...sent('retried after its host failed', to, '/retry', 'cookie: sid="{{session.backend.retry1}}"'),
      upstream: { retry1: [[response(503, 'no')], [response(503, 'no')]] },
    },
  ]),
  ...['/off', '/header', '/strict', '/no-state'].flatMap((path) => [
    sent('cookie', 'cookie', path, b),
    sent('header', 'cookie', path, b, 'x-session: {{base64.backend.b}}'),
    sent('missing', 'cookie', path, 'cookie: sid="{{session.backend.c}}"', 'x-session: {{base64.backend.c}}'),
  ]),
  {
    ...sent('of the upstream', 'envelope', '/one'),
    upstream: { one: [[response(200, '', 'x-own: mine')]] },
  },
  {
    ...sent('of the upstream, twice', 'envelope', '/one'),
    upstream: { one: [[response(200, '', 'x-own: mine', 'x-own: yours')]] },
  },
  {
    ...sent('there and back', 'envelope', '/one', 'x-own: {{base64.backend.one}};UV:b3du'),
    upstream: { one: [[response(200, '', 'x-own: mine')]] },
  },
  sent('without a value', 'envelope', '/one', 'x-own: {{base64.backend.one}}'),
  sent('with an empty value', 'envelope', '/one', 'x-own: {{base64.backend.one}};UV:'),
  sent('with other parts', 'envelope', '/one', 'x-own: {{base64.backend.one}};A:b;;UV:b3du;UV:b3Vy'),
  sent('with a broken address', 'envelope', '/one', 'x-own: !;UV:b3du'),
];

/** In `missing` c is no host: two of the three are. */
export const statefulSessionGroups: readonly Group[] = [
  {
    name: 'stateful session',
    config: bootstrap({
      listeners: Object.entries(listeners).map(([name, fields]) => http({ name, filters: [sessions(fields)], routes })),
      clusters: [
        // b and c can only be reached by a session: all load goes to a.
        cluster('many', [], {
          load_assignment: {
            cluster_name: 'many',
            endpoints: [
              { lb_endpoints: [endpoint('backend.a')], priority: 0 },
              {
                lb_endpoints: [endpoint('backend.b'), endpoint('backend.c', { health_status: 'DEGRADED' })],
                priority: 1,
              },
            ],
          },
        }),
        cluster('one'),
        withEndpoints('empty', []),
        withEndpoints('sick', [endpoint('backend.one'), endpoint('backend.sick', { health_status: 'UNHEALTHY' })]),
        withEndpoints(
          'draining-allowed',
          [endpoint('backend.one'), endpoint('backend.sick', { health_status: 'DRAINING' })],
          { common_lb_config: { override_host_status: { statuses: ['HEALTHY', 'DRAINING'] } } },
        ),
        cluster('retried', [], {
          load_assignment: {
            cluster_name: 'retried',
            endpoints: [
              { lb_endpoints: [endpoint('backend.one')], priority: 0 },
              { lb_endpoints: [endpoint('backend.retry1')], priority: 1 },
            ],
          },
        }),
      ],
    }),
    cases: [...basics, ...odd, ...more],
  },
];
