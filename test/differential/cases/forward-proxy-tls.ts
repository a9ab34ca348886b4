// Dynamic forward proxies and TLS: names of servers that clients ask for, and names that upstreams must prove.
import { makeCertificate } from '../../support/certificates.ts';
import type { Case, Group, Observation } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, filter, textLog } from '../config.ts';
import { get } from '../messages.ts';
import {
  cacheStats,
  dnsCache,
  type Forward,
  forwardCluster,
  forwardProxy,
  HERE,
  THERE,
} from './forward-proxy-config.ts';
import { ca, trusted } from './tls-fixtures.ts';

const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const SNI = 'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig';
const PORT = '{{backend.s}}';

const server = makeCertificate({ issuer: ca, subject: [['CN', 's']], sans: [{ dns: 'good.test' }, { ip: HERE }] });

const tls = (fields: Fields = {}): Fields => ({
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: any(UPSTREAM, { common_tls_context: { validation_context: trusted }, ...fields }),
  },
});

const options = (upstream: Fields, explicit: Fields = { http_protocol_options: {} }): Fields => ({
  typed_extension_protocol_options: {
    [OPTIONS]: any(OPTIONS, { upstream_http_protocol_options: upstream, explicit_http_config: explicit }),
  },
});

const SAFE = { auto_sni: true, auto_san_validation: true };

const proxies: readonly Forward[] = [
  { name: 'plain', cluster: tls() },
  { name: 'typed', cluster: { ...tls(), ...options(SAFE) } },
  { name: 'lax', cluster: { ...tls(), ...options({}) }, own: { allow_insecure_cluster_options: true } },
  {
    name: 'no-san',
    cluster: { ...tls({ sni: 'fixed.test' }), ...options({ auto_sni: true }) },
    own: { allow_insecure_cluster_options: true },
  },
  { name: 'bare', cluster: tls(), hasFilter: false },
  {
    name: 'header',
    cluster: { ...tls(), ...options({ ...SAFE, override_auto_sni_header: 'x-sni' }) },
  },
  {
    name: 'matched',
    cluster: {
      transport_socket_matches: [{ name: 'all', match: {}, ...(tls() as { transport_socket: Fields }) }],
    },
  },
];

const made = proxies.map(forwardProxy);

function ask(name: string, to: string, host: string, ...headers: string[]): Case {
  return {
    name,
    to,
    send: get('/', `host: ${host}`, ...headers),
    stats: [...cacheStats(to), `^cluster\\.${to}\\.ssl\\.(handshake|connection_error|fail_.*)$`],
    settleMs: 30,
    // What a server sees of a client that does not believe it is a matter of the TLS tables.
    view: ({ upstreamTls: _, ...rest }) => rest,
  };
}

const upstreamGroup: Group = {
  name: 'forward proxy, tls upstream',
  config: bootstrap({
    listeners: made.map(({ listener }) => listener),
    clusters: [...made.map(({ cluster: own }) => own), cluster('s')],
  }),
  upstreamTls: { s: { cert: server.chainPem, key: server.keyPem } },
  dns: { main: { 'good.test': [HERE], 'bad.test': [HERE], 'there.test': [THERE] } },
  cases: [
    ask('the name is asked for and proved', 'plain', `good.test:${PORT}`),
    ask('another name is not proved', 'plain', `bad.test:${PORT}`),
    ask('without a port it is 443', 'plain', 'there.test'),
    ask('an address is proved, and no name is asked for', 'plain', `${HERE}:${PORT}`),
    ask('options that say so', 'typed', `good.test:${PORT}`),
    ask('options that say so, another name', 'typed', `bad.test:${PORT}`),
    ask('options that say nothing', 'lax', `bad.test:${PORT}`),
    ask('a name that need not be proved', 'no-san', `bad.test:${PORT}`),
    ask('the cluster looks up itself', 'bare', `good.test:${PORT}`),
    ask('the cluster looks up itself, port 443', 'bare', 'there.test'),
    ask('the name of a header is proved', 'header', `bad.test:${PORT}`, 'x-sni: good.test'),
    ask('a transport socket for all', 'matched', 'there.test'),
  ],
};

// ─── sni_dynamic_forward_proxy ──────────────────────────────────────────────────────────────────────────────────────

const LOG =
  'flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% ' +
  'sni=%REQUESTED_SERVER_NAME% close=%DOWNSTREAM_LOCAL_CLOSE_REASON% ' +
  'port=%FILTER_STATE(envoy.upstream.dynamic_port:PLAIN)%\n';

const setState = (key: string, value: string): Fields =>
  filter('state', 'envoy.extensions.filters.network.set_filter_state.v3.Config', {
    on_new_connection: [
      {
        object_key: key,
        factory_key: key,
        format_string: { text_format_source: { inline_string: value }, omit_empty_values: true },
      },
    ],
  });

type Sni = {
  readonly name: string;
  readonly cache?: Fields;
  readonly port?: unknown;
  readonly before?: readonly Fields[];
  readonly hasFilter?: boolean;
};

function sniListener({ name, cache = {}, port = PORT, before = [], hasFilter = true }: Sni): Fields {
  const settings = dnsCache(name, cache);
  const own = filter('sni_dfp', SNI, { port_value: port, dns_cache_config: settings });
  return {
    name,
    address: address(`listen.${name}`),
    stat_prefix: name,
    listener_filters: [
      filter('tls_inspector', 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') as Fields,
    ],
    filter_chains: [
      {
        filters: [
          ...before,
          ...(hasFilter ? [own] : []),
          filter('tcp', 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
            stat_prefix: name,
            cluster: name,
            access_log: [textLog(LOG)],
          }),
        ],
      },
    ],
  };
}

const snis: readonly Sni[] = [
  { name: 'main' },
  { name: 'few', cache: { max_hosts: 1 } },
  { name: 'closed', cache: { dns_cache_circuit_breaker: { max_pending_requests: 0 } } },
  { name: 'usual', port: undefined },
  {
    name: 'state',
    port: 1,
    before: [
      setState('envoy.upstream.dynamic_host', 'good.test'),
      setState('envoy.upstream.dynamic_port', `%DYNAMIC_METADATA(none:none)%${PORT}`),
    ],
  },
  { name: 'bare', hasFilter: false },
];

/** Bytes that nobody read make a reset of a close: Envoy leaves those of the handshake in the socket. */
function view({ clients, log, stats, upstream }: Observation): unknown {
  const seen = clients.map(({ responses, tls: own }) => ({ responses, server: own?.server }));
  return { clients: seen, log, stats, upstream };
}

function open(name: string, to: string, serverName: string | null): Case {
  const options = serverName === null ? {} : { serverName };
  return {
    name,
    to,
    send: [{ tls: { ...options, ca: ca.pem } }, get('/', 'host: inner.test'), { read: 1 }],
    stats: [
      `^dns_cache\\.${to}\\.`,
      `^cluster\\.${to}\\.(membership_(change|total)|upstream_cx_(total|none_healthy|connect_fail))$`,
      `^tcp\\.${to}\\.downstream_cx_(total|no_route)$`,
    ],
    settleMs: 50,
    timeoutMs: 3000,
    view,
  };
}

const sniGroup: Group = {
  name: 'forward proxy, sni',
  config: bootstrap({
    listeners: snis.map(sniListener),
    clusters: [...snis.map(({ name, cache = {} }) => forwardCluster(name, dnsCache(name, cache))), cluster('s')],
  }),
  upstreamTls: { s: { cert: server.chainPem, key: server.keyPem } },
  dns: {
    main: {
      'good.test': [HERE],
      'other.test': [HERE],
      'slow.test': { delayMs: 150, answers: [HERE] },
      'none.test': [],
    },
  },
  cases: [
    open('a name', 'main', 'good.test'),
    open('the same name', 'main', 'good.test'),
    open('a slow answer', 'main', 'slow.test'),
    open('no such name', 'main', 'missing.test'),
    open('no such name again', 'main', 'missing.test'),
    open('no addresses', 'main', 'none.test'),
    open('no name', 'main', null),
    open('the first of one', 'few', 'good.test'),
    open('the second of one', 'few', 'other.test'),
    open('nobody may wait', 'closed', 'good.test'),
    open('port 443', 'usual', 'good.test'),
    open('where filter state says', 'state', 'whatever.test'),
    open('the cluster looks up itself, port 80', 'bare', 'good.test'),
    open('the cluster finds nothing', 'bare', 'missing.test'),
    {
      name: 'bytes without TLS',
      to: 'main',
      send: ['GET / HTTP/1.1\r\nhost: good.test\r\n\r\n', { read: 1 }],
      stats: ['^dns_cache\\.main\\.', '^cluster\\.main\\.upstream_cx_(total|none_healthy)$'],
      settleMs: 50,
      view,
    },
  ],
};

export const forwardProxyTlsGroups: readonly Group[] = [upstreamGroup, sniGroup];
