// A proxy with loggers of every service, the traffic that it logs, and what the services were told of it.
import { createServer, type Server } from 'node:http';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-ports.ts';
import { LogService } from '../support/log-service.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder, until } from './heddle.ts';

export const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
export const address = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

export function cluster(name: string, port: number, more: Json = {}): Json {
  const endpoints = port === 0 ? [] : [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  return { name, connect_timeout: '1s', load_assignment: { cluster_name: name, endpoints }, ...more };
}

export const HTTP2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http2_protocol_options: {} } },
    ),
  },
};

const TRAILERS = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http_protocol_options: { enable_trailers: true } } },
    ),
  },
};

/** Ports of one run; the same for both proxies, so that logs can be compared. */
export type Ports = Readonly<Record<'http' | 'https' | 'tcp' | 'dead' | 'upstream' | 'log' | 'closed', number>>;

export async function choosePorts(): Promise<Ports> {
  const ports: Record<string, number> = {};
  for (const name of ['http', 'https', 'tcp', 'dead', 'upstream', 'log', 'closed']) ports[name] = await freePort();
  return ports as Ports;
}

const GRPC_LOG = 'envoy.extensions.access_loggers.grpc.v3';
const FLUSH = '0.05s';
const CUSTOM_TAGS = [
  { tag: 'fixed', literal: { value: 'one' } },
  { tag: 'variable', environment: { name: 'HEDDLE_TEST_NOTHING', default_value: 'none' } },
  { tag: 'header', request_header: { name: 'x-tag', default_value: 'absent' } },
  { tag: 'empty', request_header: { name: 'x-not-there' } },
  {
    tag: 'metadata',
    metadata: {
      kind: { request: {} },
      metadata_key: { key: 'envoy.filters.http.rbac', path: [{ key: 'shadow_engine_result' }] },
    },
  },
  { tag: 'format', value: '%PROTOCOL% %REQ(:PATH)%' },
];

const FILTER_STATE_KEYS = ['test.text', 'test.bool', 'test.number', 'test.server', 'test.nothing'];

const common = (name: string, more: Json = {}): Json => ({
  log_name: name,
  transport_api_version: 'V3',
  grpc_service: { envoy_grpc: { cluster_name: 'log' } },
  buffer_flush_interval: FLUSH,
  filter_state_objects_to_log: FILTER_STATE_KEYS,
  custom_tags: CUSTOM_TAGS,
  ...more,
});

const text = (value: string): Json => ({ string_value: value });

const otel = typed('envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig', {
  log_name: 'otel',
  stat_prefix: 'otel',
  grpc_service: { envoy_grpc: { cluster_name: 'log' } },
  buffer_flush_interval: FLUSH,
  body: {
    kvlist_value: {
      values: [
        { key: 'line', value: text('%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %REQ(X-NONE)%') },
        {
          key: 'list',
          value: { array_value: { values: [text('%PROTOCOL%'), text('plain'), text('%RESPONSE_FLAGS%')] } },
        },
      ],
    },
  },
  attributes: {
    values: [
      { key: 'path', value: text('%REQ_WITHOUT_QUERY(:PATH)%') },
      { key: 'nested', value: { kvlist_value: { values: [{ key: 'code', value: text('%RESPONSE_CODE%') }] } } },
    ],
  },
  resource_attributes: {
    values: [
      { key: 'service', value: text('shop') },
      { key: 'zone_name', value: text('mine') },
    ],
  },
  formatters: [
    {
      name: 'envoy.formatter.req_without_query',
      typed_config: typed('envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery'),
    },
  ],
  filter_state_objects_to_log: FILTER_STATE_KEYS,
  custom_tags: CUSTOM_TAGS.slice(0, 3),
});

const setFilterState = {
  name: 'state',
  typed_config: typed('envoy.extensions.filters.network.set_filter_state.v3.Config', {
    on_new_connection: [
      ['test.text', 'envoy.string', 'caf\u00e9'],
      ['test.bool', 'envoy.bool', 'true'],
      ['test.number', 'envoy.ratelimit.hits_addend', '7'],
      ['test.server', 'envoy.network.upstream_server_name', 'name'],
    ].map(([key, factory, value]) => ({
      object_key: key,
      factory_key: factory,
      format_string: { text_format_source: { inline_string: value } },
    })),
  }),
};

/** How long an upstream takes has more digits at times. */
const ROUTER = { suppress_envoy_headers: true };

function manager(prefix: string): Json {
  const route = (path: string, name: string, more: Json): Json => ({ match: { prefix: path }, name, route: more });
  return typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: prefix,
    http_protocol_options: { enable_trailers: true },
    generate_request_id: true,
    always_set_request_id_in_response: false,
    use_remote_address: true,
    access_log: [
      {
        name: 'als',
        typed_config: typed(`${GRPC_LOG}.HttpGrpcAccessLogConfig`, {
          common_config: common('http'),
          additional_request_headers_to_log: ['X-Many', 'x-none', 'x-raw'],
          additional_response_headers_to_log: ['content-type', 'x-answer'],
          additional_response_trailers_to_log: ['x-checksum', 'grpc-status'],
        }),
      },
      { name: 'otel', typed_config: otel },
    ],
    route_config: {
      name: 'local',
      validate_clusters: false,
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'tea' } } },
            { match: { prefix: '/moved' }, redirect: { path_redirect: '/elsewhere' } },
            route('/down', 'down', { cluster: 'down' }),
            route('/retried', 'retried', { cluster: 'down', retry_policy: { retry_on: 'connect-failure' } }),
            route('/empty', 'empty', { cluster: 'empty' }),
            route('/missing', 'missing', { cluster: 'missing' }),
            route('/wait', 'wait', { cluster: 'up', timeout: '0.2s' }),
            route('/rewrite', 'rewrite', { cluster: 'up', prefix_rewrite: '/ok' }),
            route('/ok', 'good', { cluster: 'up' }),
            route('/trailers', 'trailers', { cluster: 'up' }),
            route('/gone', 'gone', { cluster: 'up', timeout: '5s' }),
          ],
        },
      ],
    },
    http_filters: [
      {
        name: 'rbac',
        typed_config: typed('envoy.extensions.filters.http.rbac.v3.RBAC', {
          shadow_rules: {
            action: 'ALLOW',
            policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } },
          },
        }),
      },
      {
        name: 'envoy.filters.http.fault',
        typed_config: typed('envoy.extensions.filters.http.fault.v3.HTTPFault', {
          abort: { header_abort: {}, percentage: { numerator: 100 } },
        }),
      },
      { name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router', ROUTER) },
    ],
  });
}

const tcpLog = (name: string): Json => ({
  name: 'als',
  typed_config: typed(`${GRPC_LOG}.TcpGrpcAccessLogConfig`, { common_config: common(name) }),
});

function tcpListener(name: string, port: number, to: string): Json {
  const config = { stat_prefix: name, cluster: to, access_log: [tcpLog('tcp')] };
  return {
    name,
    address: address(port),
    access_log: [tcpLog('listener')],
    filter_chains: [
      {
        filters: [
          setFilterState,
          {
            name: 'tcp',
            typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', config),
          },
        ],
      },
    ],
  };
}

const ca = makeCa();
const serverCertificate = makeCertificate({
  issuer: ca,
  sans: [{ uri: 'spiffe://server' }, { dns: 'server.example' }],
});
const clientCertificate = makeCertificate({
  issuer: ca,
  subject: 'client',
  sans: [{ uri: 'spiffe://one' }, { uri: 'spiffe://two' }],
});

function bootstrapOf(ports: Ports): Json {
  const http = (name: string, port: number, chain: Json = {}, more: Json = {}): Json => ({
    name,
    address: address(port),
    filter_chains: [{ filters: [setFilterState, { name: 'hcm', typed_config: manager(name) }], ...chain }],
    ...more,
  });
  const inline = (value: string): Json => ({ inline_string: value });
  const context = typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: inline(serverCertificate.chainPem), private_key: inline(serverCertificate.keyPem) },
      ],
      validation_context: { trusted_ca: inline(ca.pem) },
    },
  });
  const inspector = {
    name: 'tls',
    typed_config: typed('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
      enable_ja3_fingerprinting: true,
    }),
  };
  return {
    node: { id: 'node', cluster: 'group', locality: { zone: 'zone' }, metadata: { a: 'b' } },
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        http('http', ports.http),
        http(
          'https',
          ports.https,
          { transport_socket: { name: 'tls', typed_config: context } },
          { listener_filters: [inspector] },
        ),
        tcpListener('tcp', ports.tcp, 'up'),
        tcpListener('dead', ports.dead, 'down'),
      ],
      clusters: [
        cluster('log', ports.log, HTTP2),
        cluster('up', ports.upstream, TRAILERS),
        cluster('down', ports.closed),
        cluster('empty', 0),
      ],
    },
  };
}

function startUpstream(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    response.sendDate = false;
    if (request.url === '/wait' || request.url === '/gone') return;
    request.on('end', () => {
      const length = request.url === '/trailers' ? {} : { 'content-length': 11 };
      response.writeHead(200, { 'content-type': 'text/plain', 'x-answer': ['a', 'b'], ...length });
      if (request.url === '/trailers') {
        response.write('hello ');
        response.addTrailers({ 'x-checksum': '42' });
        response.end('world');
      } else response.end('hello world');
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

/** Sends bytes and reads until the other side closes, or a moment has passed. */
async function exchange(socket: net.Socket, bytes: string, waitMs = 400): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(Buffer.from(bytes, 'latin1'));
  await Promise.race([closed, sleep(waitMs)]);
  socket.destroy();
}

const request = (line: string, ...fields: string[]): string =>
  [`${line} HTTP/1.1`, 'host: shop.example', 'connection: close', ...fields, '', ''].join('\r\n');

/** Requests whose entries are compared, each on a connection of its own and one after the other. */
const REQUESTS: readonly string[] = [
  request(
    'GET /ok?a=1',
    ...['user-agent: ua', 'referer: http://r', 'x-many: 1', 'x-many: 2', 'x-tag: t', 'te: trailers'],
  ),
  `${request('POST /ok', 'content-length: 5', 'x-raw: caf\xe9 \xc3\xa9')}12345`,
  request('GET /rewrite/me'),
  request('HEAD /ok'),
  request('GET /trailers', 'te: trailers'),
  request('BREW /direct'),
  request('OPTIONS /moved'),
  request('GET /nowhere'),
  request('GET /down'),
  request('GET /retried'),
  request('GET /empty'),
  request('GET /missing'),
  request('GET /wait'),
  request('GET /ok', 'x-envoy-fault-abort-request: 503'),
  'GET /broken HTTP/1.1\r\nhost : x\r\n\r\n',
  'GET /ok HTTP/1.0\r\nhost: old\r\n\r\n',
];

export type Told = {
  readonly http: Readonly<Record<string, unknown>>[];
  readonly tcp: Readonly<Record<string, unknown>>[];
  readonly exports: Readonly<Record<string, unknown>>[];
  readonly identifiers: unknown[];
  readonly heads: readonly (readonly string[])[];
  /** 'name: value' of the statistics of loggers and of their cluster. */
  readonly stats: readonly string[];
};

/** Runs the traffic through one of the proxies. */
export async function collect(kind: ProxyKind, ports: Ports): Promise<Told> {
  const service = new LogService(ports.log);
  const upstream = await startUpstream(ports.upstream);
  let proxy: ProxyProcess | null = null;
  try {
    proxy = await startProxy(kind, JSON.stringify(bootstrapOf(ports)), scratchFolder());
    for (const one of REQUESTS) await exchange(net.connect(ports.http, '127.0.0.1'), one);
    await exchange(net.connect(ports.http, '127.0.0.1'), request('GET /gone'), 100);
    await overHttp2(ports.http);
    await overTls(ports.https);
    await exchange(net.connect(ports.tcp, '127.0.0.1'), request('GET /ok'));
    await exchange(net.connect(ports.dead, '127.0.0.1'), 'x');
    // One of HTTP/1 for each request, one that is broken off, one of HTTP/2 and one over TLS.
    const wanted = REQUESTS.length + 3;
    const records = (): number => service.exports.reduce((sum, one) => sum + recordsOf(one).length, 0);
    await until('the entries', () => {
      return (
        service.entries('http_logs').length >= wanted && service.entries('tcp_logs').length >= 4 && records() >= wanted
      );
    });
    const { body } = await proxy.admin('/stats?filter=access_logs|^cluster\\.log\\..*upstream_rq_(200|completed|time)');
    return {
      http: service.entries('http_logs'),
      // Two loggers tell of each connection, on streams of their own.
      tcp: service.entries('tcp_logs').sort((a, b) => typeOf(a) - typeOf(b)),
      exports: service.exports,
      identifiers: service.messages.map(({ message }) => message['identifier']).filter((one) => one !== undefined),
      heads: service.heads,
      stats: body.split('\n').filter((line) => line.startsWith('access_logs')),
    };
  } finally {
    await proxy?.stop();
    upstream.closeAllConnections();
    upstream.close();
    service.stop();
  }
}

function typeOf(entry: Readonly<Record<string, unknown>>): number {
  const { access_log_type: type } = entry['common_properties'] as { access_log_type?: string };
  return type === undefined ? 0 : 1;
}

export function recordsOf(request: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>[] {
  type Logs = { resource_logs?: { scope_logs?: { log_records?: Record<string, unknown>[] }[] }[] };
  return ((request as Logs).resource_logs ?? []).flatMap(({ scope_logs: scopes = [] }) =>
    scopes.flatMap(({ log_records: records = [] }) => records),
  );
}

async function overHttp2(port: number): Promise<void> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/ok', 'user-agent': 'two', ':authority': 'shop.example' });
  stream.resume();
  await new Promise((resolve) => stream.once('close', resolve));
  session.close();
  await new Promise((resolve) => session.once('close', resolve));
}

async function overTls(port: number): Promise<void> {
  const socket = tls.connect({
    ...{ port, host: '127.0.0.1', servername: 'server.example', ca: ca.pem, minVersion: 'TLSv1.3' },
    ...{ cert: clientCertificate.chainPem, key: clientCertificate.keyPem, checkServerIdentity: () => undefined },
  });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  await exchange(socket, request('GET /direct'));
}
