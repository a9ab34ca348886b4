// What the differential cases of CONNECT run on: listeners that end, forward or refuse it, and how a case is made.
import type { Case, Observation, RelayStep } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, textLog } from '../config.ts';

/** The standard line without what tells nothing here, and with how the upstream connection was reached. */
const LOG =
  '%PROTOCOL% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% rx=%BYTES_RECEIVED% ' +
  'tx=%BYTES_SENT% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% upstream=%UPSTREAM_PROTOCOL% ' +
  'up=%UPSTREAM_WIRE_BYTES_SENT%/%UPSTREAM_WIRE_BYTES_RECEIVED% ' +
  'head=%UPSTREAM_HEADER_BYTES_SENT%/%UPSTREAM_HEADER_BYTES_RECEIVED% route=%ROUTE_NAME% ' +
  'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  '%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(UPGRADE)%\n';

const STATS = [
  '^http\\.[^.]+\\.downstream_(cx_(upgrades|destroy|total)|rq_(ws_on|rx_reset|tx_reset|active)|flow).*',
  '^cluster\\.[^.]+\\.(upstream_(cx|rq|flow)_.*|circuit_breakers\\..*)$',
];

export const CONNECT = 'CONNECT one.example:443 HTTP/1.1\r\nhost: one.example:443\r\n\r\n';
export const POST = 'POST /tunnel HTTP/1.1\r\nhost: one.example\r\ntransfer-encoding: chunked\r\n\r\n';

/** Bytes of the head that answers a tunnel with 200: every head that the cases wait for is at least so long. */
export const OK_BYTES = 68;

export function relay(name: string, to: string, steps: readonly RelayStep[], around: Partial<Case> = {}): Case {
  return { name, to, relay: steps, stats: STATS, view: undated, ...around };
}

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Dates in what the peers of a relay got are no two times the same. */
export function undated(observation: Observation): Observation {
  const { relay: seen } = observation;
  if (seen === undefined) return observation;
  const peers = Object.entries(seen.peers).map(([name, peer]) => {
    const received = peer.received
      .replace(/date: [^\r]+/g, 'date: D')
      .replace(UUID, 'UUID')
      .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
      .replace(/x-envoy-upstream-service-time: \d+/, 'x-envoy-upstream-service-time: T')
      .replace(/^PROXY TCP4 .*\r\n/, (line) => line.replace(/ \d+/g, ' P'));
    return [name, { ...peer, received }] as const;
  });
  const log = observation.log.map((line) => line.replace(UUID, 'UUID'));
  return { ...observation, log, relay: { ...seen, peers: Object.fromEntries(peers) } };
}

export const without =
  (...names: string[]) =>
  (observation: Observation): Observation => ({
    ...undated(observation),
    stats: Object.fromEntries(Object.entries(observation.stats).filter(([name]) => !names.includes(name))),
  });

/** An open tunnel through which a word went each way. */
export const TUNNEL: readonly RelayStep[] = [
  ['c', 'connect'],
  ['c', 'send', CONNECT],
  ['c', 'gets', OK_BYTES],
  ['c', 'send', 'question'],
  ['u', 'gets', 8],
  ['u', 'send', 'answer'],
  ['c', 'gets', OK_BYTES + 6],
];

const enabled = { upgrade_configs: [{ upgrade_type: 'CONNECT' }] };

function connectRoute(
  name: string,
  to: string,
  connect: Fields | null,
  action: Fields = {},
  more: Fields = {},
): Fields {
  const config = connect === null ? {} : { connect_config: connect };
  return {
    name,
    match: { connect_matcher: {}, ...more },
    route: { cluster: to, upgrade_configs: [{ upgrade_type: 'CONNECT', ...config }], ...action },
  };
}

const postRoute = (name: string, to: string, connect: Fields): Fields => ({
  name,
  match: { prefix: '/', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
  route: { cluster: to, upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: connect }] },
});

type Options = { readonly hcm?: Fields; readonly listener?: Fields; readonly filters?: readonly Fields[] };

function listener(name: string, routes: readonly Fields[], options: Options = {}): Fields {
  const { hcm = enabled, listener: around = {}, filters = [] } = options;
  const routeConfig = { validate_clusters: false };
  return http({ name, routes, routeConfig, log: [textLog(LOG)], hcm: { ...hcm }, listener: around, filters });
}

const ends = (name: string, to = name, action: Fields = {}, options: Options = {}): Fields =>
  listener(name, [connectRoute(name, to, {}, action)], options);

const headerMutation = filter('mutation', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
  mutations: {
    request_mutations: [{ append: { header: { key: 'x-seen', value: '%REQ(:METHOD)%' } } }],
    response_mutations: [{ append: { header: { key: 'x-seen', value: '%RESPONSE_CODE%' } } }],
  },
});

const v2 = { proxy_protocol_config: { version: 'V2' } };

const listeners: readonly Fields[] = [
  listener('term', [
    connectRoute('special', 'b', {}, {}, { headers: [{ name: 'x-to', string_match: { exact: 'b' } }] }),
    connectRoute('all', 'a', {}),
    { name: 'rest', match: { prefix: '/' }, route: { cluster: 'a' } },
  ]),
  ends('route-only', 'a', {}, { hcm: {} }),
  listener('plain', [connectRoute('v1', 'a', { proxy_protocol_config: { version: 'V1' } })]),
  listener('v2', [connectRoute('v2', 'a', v2)]),
  listener('v1-default', [connectRoute('v1', 'a', { proxy_protocol_config: {} })]),
  listener('post', [postRoute('post', 'a', { allow_post: true })]),
  listener('post-v2', [postRoute('post', 'a', { allow_post: true, ...v2 })]),
  listener('post-refused', [postRoute('post', 'refused', { allow_post: true })]),
  listener('post-not', [postRoute('post', 'a', {})]),
  listener('forward', [connectRoute('on', 'a', null), { match: { prefix: '/' }, route: { cluster: 'a' } }]),
  listener('forward-term', [connectRoute('on', 'to-term', null)]),
  listener('disabled', [{ match: { connect_matcher: {} }, route: { cluster: 'a' } }], { hcm: {} }),
  listener('hcm-only', [{ match: { connect_matcher: {} }, route: { cluster: 'a' } }]),
  listener('route-off', [
    {
      match: { connect_matcher: {} },
      route: { cluster: 'a', upgrade_configs: [{ upgrade_type: 'CONNECT', enabled: false }] },
    },
  ]),
  listener('prefix-only', [{ match: { prefix: '/' }, route: { cluster: 'a' } }]),
  listener('prefix-upgrade', [
    {
      match: { prefix: '/' },
      route: { cluster: 'a', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
    },
  ]),
  listener('regex', [{ match: { safe_regex: { regex: '.*' } }, route: { cluster: 'a' } }]),
  listener('direct', [direct({ connect_matcher: {} }, 200, 'direct')]),
  listener('redirect', [{ match: { connect_matcher: {} }, redirect: { host_redirect: 'other.example' } }]),
  listener('host', [
    connectRoute(
      'host',
      'a',
      {},
      {},
      { headers: [{ name: ':authority', string_match: { exact: 'one.example:443' } }] },
    ),
  ]),
  listener('strip', [connectRoute('strip', 'a', null)], { hcm: { ...enabled, strip_any_host_port: true } }),
  ends('refused'),
  ends('full'),
  ends('empty'),
  ends('nobody'),
  ends('no-requests'),
  ends('no-connections'),
  ends('no-pending'),
  ends('maintenance', 'a'),
  ends('retry', 'two', { retry_policy: { retry_on: 'connect-failure', num_retries: 2 } }),
  ends('retry-refused', 'refused', { retry_policy: { retry_on: 'connect-failure', num_retries: 1 } }),
  ends('timeout', 'a', { timeout: '0.2s' }),
  ends('route-idle', 'a', { idle_timeout: '0.2s' }),
  ends('duration', 'a', { max_stream_duration: { max_stream_duration: '0.2s' } }),
  ends('stream-idle', 'a', {}, { hcm: { ...enabled, stream_idle_timeout: '0.2s' } }),
  ends('request-timeout', 'a', {}, { hcm: { ...enabled, request_timeout: '0.2s' } }),
  ends('cluster-duration'),
  ends('small', 'small', {}, { listener: { per_connection_buffer_limit_bytes: 4096 } }),
  ends('mutations', 'a', {}, { filters: [headerMutation] }),
  listener('response-headers', [
    {
      ...connectRoute('all', 'a', {}),
      response_headers_to_add: [{ header: { key: 'x-route', value: '%UPSTREAM_HOST%' } }],
    },
  ]),
  listener('filters', [connectRoute('all', 'a', {})], {
    hcm: {
      upgrade_configs: [
        {
          upgrade_type: 'CONNECT',
          filters: [headerMutation, filter('r', 'envoy.extensions.filters.http.router.v3.Router')],
        },
      ],
    },
  }),
  http({
    name: 'no-log',
    routes: [connectRoute('all', 'a', {})],
    log: null,
    hcm: enabled,
  }),
];

const breakers = (fields: Fields): Fields => ({ circuit_breakers: { thresholds: [fields] } });

export const connectConfig = bootstrap({
  listeners,
  clusters: [
    cluster('a'),
    cluster('b'),
    cluster('to-term', ['listen.term']),
    cluster('refused', ['free.refused']),
    cluster('full', ['full.f'], { connect_timeout: '0.2s' }),
    { name: 'empty', type: 'STATIC', load_assignment: { cluster_name: 'empty' } },
    cluster('no-requests', ['a'], breakers({ max_requests: 0 })),
    cluster('no-connections', ['a'], breakers({ max_connections: 0 })),
    cluster('no-pending', ['a'], breakers({ max_pending_requests: 0 })),
    cluster('two', ['free.refused', 'a']),
    cluster('cluster-duration', ['a'], {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          {
            common_http_protocol_options: { max_stream_duration: '0.2s' },
            explicit_http_config: { http_protocol_options: {} },
          },
        ),
      },
    }),
    cluster('small', ['a'], { per_connection_buffer_limit_bytes: 4096 }),
  ],
});
