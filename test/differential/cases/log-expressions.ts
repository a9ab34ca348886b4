// Differential cases: access logs that go by expressions, on HTTP and TCP.
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, direct, type Fields, http, route, textLog } from '../config.ts';
import { get, post, response } from '../messages.ts';

const EXPRESSIONS = [
  'response.code >= 400 || connection.mtls == false',
  'response.code >= 400',
  'response.code == 200',
  '!(response.code == 200)',
  'response.code >= 400 && response.code < 500',
  'connection.mtls',
  "request.path.startsWith('/a')",
  "request.url_path == '/a'",
  "request.headers['x-a'] == 'b'",
  "request.headers['x-none'] == 'b'",
  "request.headers['x-none'] == 'b' || response.code == 200",
  "response.code == 200 || request.headers['x-none'] == 'b'",
  "response.headers['x-b'] == 'c'",
  'response.flags > 0',
  "response.code_details == 'route_not_found'",
  "response.code_details.contains('upstream')",
  'request.size > 3',
  'response.size > 0',
  "request.host.endsWith('.example')",
  "request.query == 'x=1'",
  "request.protocol == 'HTTP/1.1'",
  "xds.route_name == 'named'",
  "xds.cluster_name == 'a'",
  "upstream.address.startsWith('127.0.0.1:')",
  'upstream.port > 0',
  "source.address.startsWith('127.')",
  'destination.port > 0',
  "connection.requested_server_name == ''",
  'true',
  'false',
  '1',
  "'true'",
  'response.code',
  'response.code == 200 ? true : false',
  "request.useragent == 'agent'",
];

const logs: readonly Fields[] = EXPRESSIONS.map((expression, i) => ({
  ...textLog(`${String(i).padStart(2, '0')} ${expression.replaceAll('%', '')}\n`),
  filter: {
    extension_filter: {
      name: 'cel',
      typed_config: any('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', { expression }),
    },
  },
}));

const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      virtualHosts: [
        {
          name: 'some',
          domains: ['*.example'],
          routes: [
            direct({ prefix: '/direct' }, 404, 'nothing'),
            { ...route('/named', 'a'), name: 'named' },
            route('/dead', 'dead'),
            route('/a', 'a'),
          ],
        },
      ],
      log: logs,
    }),
    {
      name: 'tcp',
      address: address('listen.tcp'),
      filter_chains: [
        {
          filters: [
            {
              name: 'tcp',
              typed_config: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
                ...{ stat_prefix: 'tcp', cluster: 'a', access_log: logs },
              }),
            },
          ],
        },
      ],
    },
  ],
  clusters: [cluster('a'), cluster('dead', ['free.dead'])],
});

const all = (name: string, send: string, reply = response(200, 'ok')): Case => ({
  name,
  to: 'main',
  send,
  upstream: [reply],
});

const cases: readonly Case[] = [
  all('200', get('/a?x=1')),
  all('a header', get('/a', 'x-a: b', 'user-agent: agent'), response(200, 'ok', 'x-b: c')),
  all('a body', post('/a', 'some body'), response(200)),
  all('503', get('/a/b'), response(503, 'no')),
  all('404', get('/direct')),
  all('no route', get('/')),
  all('no host', get('/a', 'host: other')),
  all('nobody there', get('/dead')),
  all('a named route', get('/named')),
  all('no HTTP', 'NO\r\n\r\n'),
  {
    name: 'TCP',
    to: 'tcp',
    send: [get('/tcp'), { read: 1 }, 'close'],
    upstream: [response(200, 'ok')],
    settleMs: 50,
  },
];

export const logExpressionGroups: readonly Group[] = [{ name: 'log expressions', config, cases }];
