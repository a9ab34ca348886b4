// ORIGINAL_DST clusters: hosts by header, by the connection's destination, by port; what is no address; clean-up.
import type { Case, Group, Observation } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, http, route, textLog } from '../config.ts';

function original(name: string, config: Fields | null, fields: Fields = {}): Fields {
  return {
    name,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '1s',
    ...(config === null ? {} : { original_dst_lb_config: config }),
    ...fields,
  };
}

function get(path: string, ...headers: readonly string[]): string {
  return `GET ${path} HTTP/1.1\r\nhost: example.com\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`;
}

/** Hosts of all clusters as /clusters tells them, in any order. */
function view(observation: Observation): unknown {
  const body = observation.admin?.['GET /clusters']?.body ?? '';
  const hosts = body.split('\n').filter((line) => /::(hostname|health_flags|weight|cx_total|rq_success)::/.test(line));
  const { clients, upstream, log, stats } = observation;
  return { responses: clients.map((client) => client.responses), upstream, log, stats, hosts: hosts.sort() };
}

const STATS = ['^cluster\\.[^.]+\\.(membership_.*|original_dst_host_invalid|update_.*)$'];

function test(name: string, send: string, more: Partial<Case> = {}): Case {
  return { name, send, admin: ['GET /clusters'], stats: STATS, view, ...more };
}

const HEADER = 'x-envoy-original-dst-host';

const group: Group = {
  name: 'original destination clusters',
  config: bootstrap({
    listeners: [
      http({
        name: 'main',
        routes: [
          route('/header', 'header'),
          route('/rewrite', 'header', { auto_host_rewrite: true }),
          route('/own', 'own'),
          route('/port', 'port'),
          route('/plain', 'plain'),
          route(
            '/add',
            'header',
            {},
            {
              request_headers_to_add: [{ header: { key: HEADER, value: '127.0.0.1:{{backend.a}}' } }],
            },
          ),
        ],
      }),
    ],
    clusters: [
      original('header', { use_http_header: true }),
      original('own', { use_http_header: true, http_header_name: 'X-Where' }),
      original('port', { use_http_header: true, upstream_port_override: '{{backend.a}}' }),
      original('plain', null),
      // Its ports are those that the cases name.
      cluster('unused', ['a', 'b', 'free.x']),
    ],
  }),
  cases: [
    test('the header names the host', get('/header', `${HEADER}: 127.0.0.1:{{backend.a}}`)),
    test('the host is used again', get('/header', `${HEADER}: 127.0.0.1:{{backend.a}}`)),
    test('another host', get('/header', `${HEADER}: 127.0.0.1:{{backend.b}}`)),
    test('the authority may become its name', get('/rewrite', `${HEADER}: 127.0.0.1:{{backend.a}}`)),
    test('the first of two headers', get('/header', `${HEADER}: 127.0.0.1:{{backend.b}}`, `${HEADER}: 127.0.0.1:1`)),
    test('a header that the route adds comes in time', get('/add')),
    test('without the header and a redirect there is no host', get('/header')),
    test('no address', get('/header', `${HEADER}: nowhere`)),
    test('a name is no address', get('/header', `${HEADER}: localhost:80`)),
    test('an address without a port', get('/header', `${HEADER}: 127.0.0.1`)),
    test('an impossible port', get('/header', `${HEADER}: 127.0.0.1:65536`)),
    test('an empty header', get('/header', `${HEADER}:`)),
    test('an IPv6 address without brackets', get('/header', `${HEADER}: ::1:80`)),
    test('an IPv6 address', get('/header', `${HEADER}: [::1]:{{free.x}}`)),
    test('a port where nobody listens', get('/header', `${HEADER}: 127.0.0.1:{{free.x}}`)),
    test('a header of another name', get('/own', 'x-where: 127.0.0.1:{{backend.a}}')),
    test('the usual header does not count then', get('/own', `${HEADER}: 127.0.0.1:{{backend.a}}`)),
    test('the port is overridden', get('/port', `${HEADER}: 127.0.0.1:1`)),
    test('a connection that was not redirected has no destination', get('/plain')),
    test('the header does not count unless asked for', get('/plain', `${HEADER}: 127.0.0.1:{{backend.a}}`)),
  ],
};

const cleanup: Group = {
  name: 'original destination clusters, clean-up',
  config: bootstrap({
    listeners: [http({ name: 'main', routes: [route('/', 'header')] })],
    clusters: [
      cluster('unused', ['a']),
      original(
        'header',
        { use_http_header: true },
        { cleanup_interval: '0.1s', common_http_protocol_options: { idle_timeout: '0.15s' } },
      ),
    ],
  }),
  cases: [
    {
      ...test('a host that nobody uses goes', get('/', `${HEADER}: 127.0.0.1:{{backend.a}}`)),
      settleMs: 800,
      stats: [...STATS, '^cluster_manager\\.cluster_updated$'],
      admin: [],
      view: ({ clients, log, stats }: Observation) => ({ responses: clients.map((one) => one.responses), log, stats }),
    },
  ],
};

const PROXY_PROTOCOL: Fields = {
  name: 'envoy.filters.listener.proxy_protocol',
  typed_config: any('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol'),
};

/** The PROXY header of a connection that was going to a port of 127.0.0.1. */
function going(to: string, family = 'TCP4', ip = '127.0.0.1'): string {
  return `PROXY ${family} ${ip} ${ip} 54321 ${to}\r\n`;
}

const LOG = textLog(
  'code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% ' +
    'remote=%UPSTREAM_REMOTE_ADDRESS% local=%DOWNSTREAM_LOCAL_ADDRESS%\n',
);

const restored: Group = {
  name: 'original destination clusters, restored addresses',
  config: bootstrap({
    listeners: [
      http({
        name: 'main',
        listener: { listener_filters: [PROXY_PROTOCOL] },
        routes: [route('/header', 'header'), route('/port', 'port'), route('/', 'plain')],
        log: [LOG],
      }),
      {
        name: 'tcp',
        address: address('listen.tcp'),
        listener_filters: [PROXY_PROTOCOL],
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.tcp_proxy',
                typed_config: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
                  stat_prefix: 'tcp',
                  cluster: 'plain',
                  access_log: [LOG],
                }),
              },
            ],
          },
        ],
      },
    ],
    clusters: [
      original('plain', null),
      original('header', { use_http_header: true }),
      original('port', { upstream_port_override: '{{backend.b}}' }),
      cluster('unused', ['a', 'b', 'free.x']),
    ],
  }),
  cases: [
    test('where the connection was going', `${going('{{backend.a}}')}${get('/')}`),
    test('another port', `${going('{{backend.b}}')}${get('/')}`),
    test('where nobody listens', `${going('{{free.x}}')}${get('/')}`),
    test('the port is overridden', `${going('{{free.x}}')}${get('/port')}`),
    test(
      'the header goes before the connection',
      `${going('{{backend.a}}')}${get('/header', `${HEADER}: 127.0.0.1:{{backend.b}}`)}`,
    ),
    test(
      'a bad header leaves it to the connection',
      `${going('{{backend.a}}')}${get('/header', `${HEADER}: nowhere`)}`,
    ),
    test('IPv6', `${going('{{free.x}}', 'TCP6', '::1')}${get('/')}`),
    test('a PROXY header without addresses', `PROXY UNKNOWN\r\n${get('/')}`),
    test('tcp_proxy', `${going('{{backend.a}}')}${get('/')}`, { to: 'tcp' }),
    test('tcp_proxy to where nobody listens', `${going('{{free.x}}')}${get('/')}`, { to: 'tcp' }),
    test('tcp_proxy without a destination', `PROXY UNKNOWN\r\n${get('/')}`, { to: 'tcp' }),
  ],
};

export const clusterOriginalDstGroups: readonly Group[] = [group, restored, cleanup];
