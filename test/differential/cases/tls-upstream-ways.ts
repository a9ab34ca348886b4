// TLS to upstreams of tcp_proxy, PROXY headers in front of them, and secrets that change while clusters run.
import type { TlsOptions } from 'node:tls';
import { makeCertificate } from '../../support/certificates.ts';
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, filter, http, match, textLog } from '../config.ts';
import { get } from '../messages.ts';
import { ca, client, otherCa, plainClient, trusted } from './tls-fixtures.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const NETWORK = 'envoy.filters.network';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const uri = 'spiffe://test/ns/a/sa/server';
const server = makeCertificate({ issuer: ca, subject: [['CN', 'server']], sans: [{ dns: 'a.example' }, { uri }] });
const SERVING: TlsOptions = { cert: server.chainPem, key: server.keyPem };

function tlsSocket(common: Fields, fields: Fields = {}): Fields {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any(`${TLS}.UpstreamTlsContext`, { common_tls_context: common, ...fields }),
  };
}

function tcpListener(name: string, to: string, filters: readonly Fields[] = [], around: Fields = {}): Fields {
  const log = textLog(
    'flags=%RESPONSE_FLAGS% tls=%UPSTREAM_TLS_VERSION% %UPSTREAM_TLS_CIPHER% peer=%UPSTREAM_PEER_SUBJECT% ' +
      'failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% details=%RESPONSE_CODE_DETAILS% ' +
      'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% host=%UPSTREAM_HOST%\n',
  );
  const proxy = filter(`${NETWORK}.tcp_proxy`, `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`, {
    stat_prefix: name,
    cluster: to,
    access_log: [log],
  });
  return {
    name,
    stat_prefix: name,
    address: address(`listen.${name}`),
    filter_chains: [{ filters: [...filters, proxy] }],
    ...around,
  };
}

// ─── tcp_proxy ──────────────────────────────────────────────────────────────────────────────────────────────────────

function state(values: Readonly<Record<string, string>>): Fields {
  const objects = Object.entries(values).map(([object_key, text]) => ({
    object_key,
    format_string: { text_format_source: { inline_string: text } },
  }));
  return filter(`${NETWORK}.set_filter_state`, 'envoy.extensions.filters.network.set_filter_state.v3.Config', {
    on_new_connection: objects,
  });
}

const SNI = 'envoy.network.upstream_server_name';
const SAN = 'envoy.network.upstream_subject_alt_names';
const ALPN = 'envoy.network.application_protocols';

const STATES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sni: { [SNI]: 'from.state' },
  'sni-empty': { [SNI]: '-' },
  'san-good': { [SAN]: `x.example,${uri}` },
  'san-bad': { [SAN]: 'x.example,y.example' },
  alpn: { [ALPN]: 'x,http/1.1' },
};

const tcp: Group = {
  name: 'tls upstream tcp',
  config: bootstrap({
    listeners: [
      tcpListener('good', 'good'),
      tcpListener('stranger', 'stranger'),
      tcpListener('plain', 'plain'),
      ...Object.entries(STATES).map(([name, values]) => tcpListener(name, 'good', [state(values)])),
    ],
    clusters: [
      cluster('good', ['secured'], {
        transport_socket: tlsSocket(
          { validation_context: trusted },
          { sni: 'configured.example', max_session_keys: 0 },
        ),
      }),
      cluster('stranger', ['secured'], {
        transport_socket: tlsSocket({ validation_context: { trusted_ca: { inline_string: otherCa.pem } } }),
      }),
      cluster('plain', ['a'], { transport_socket: tlsSocket({}) }),
    ],
  }),
  upstreamTls: { secured: { ...SERVING, ALPNProtocols: ['http/1.1', 'x'] } },
  cases: ['good', 'stranger', 'plain', ...Object.keys(STATES)].map(
    (name): Case => ({
      name,
      to: name,
      send: get('/', 'connection: close'),
      stats: ['^tcp\\.', '^cluster\\.[^.]+\\.(upstream_cx_(connect_fail|total|destroy.*)|ssl\\..*)$'],
      settleMs: 50,
    }),
  ),
};

// ─── PROXY headers ──────────────────────────────────────────────────────────────────────────────────────────────────

const tlv = (type: number, text: string): Fields => ({ type, value: Buffer.from(text).toString('base64') });
const HEADERS: Readonly<Record<string, Fields>> = {
  none: {},
  v1: { config: { version: 'V1' } },
  v2: { config: { version: 'V2' } },
  'v2-all': { config: { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE_ALL' } } },
  'v2-some': { config: { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [5] } } },
  'v2-added': {
    config: { version: 'V2', pass_through_tlvs: {}, added_tlvs: [tlv(224, 'abc'), tlv(5, 'own'), tlv(224, 'again')] },
  },
  'v1-added': { config: { version: 'V1', pass_through_tlvs: {}, added_tlvs: [tlv(224, 'abc')] } },
  'v2-large': {
    config: { version: 'V2', added_tlvs: [tlv(224, 'x'.repeat(40_000)), tlv(225, 'y'.repeat(40_000)), tlv(226, 'z')] },
  },
};
const RAW_BUFFER = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
};
const TAKES_HEADERS: Fields = {
  listener_filters: [
    filter('proxy', 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol', {
      allow_requests_without_proxy_protocol: true,
      pass_through_tlvs: { match_type: 'INCLUDE_ALL' },
    }),
  ],
};
const V2_FROM_FAR =
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x16\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04' + '\x01\0\x02h2\x05\0\x02id';
const V6_FROM_FAR = 'PROXY TCP6 2001:db8::1 2001:db8::2 1000 2000\r\n';

const headers: Group = {
  name: 'proxy protocol upstream',
  config: bootstrap({
    listeners: Object.keys(HEADERS).map((name) => tcpListener(name, name, [], TAKES_HEADERS)),
    clusters: Object.entries(HEADERS).map(([name, fields]) =>
      cluster(name, ['a'], {
        transport_socket: {
          name: 'envoy.transport_sockets.upstream_proxy_protocol',
          typed_config: any('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
            transport_socket: RAW_BUFFER,
            ...fields,
          }),
        },
      }),
    ),
  }),
  cases: Object.keys(HEADERS).flatMap((name) =>
    ([['version 2', V2_FROM_FAR], ['IPv6', V6_FROM_FAR]] as const).map(
      ([what, bytes]): Case => ({
        name: `${name}: ${what}`,
        relay: [
          ['c', 'connect', name],
          ['c', 'send', `${bytes}question`],
          ['u', 'gets', 8],
          ['wait', 50],
          ['u', 'send', 'answer'],
          ['c', 'gets', 6],
        ],
        stats: ['^cluster\\.[^.]+\\.(upstream\\.proxyprotocol\\..*|upstream_cx_total)$'],
      }),
    ),
  ),
}; // biome-ignore format: a table.

// ─── Secrets from files ─────────────────────────────────────────────────────────────────────────────────────────────

const resource = (fields: Fields): string =>
  JSON.stringify({ resources: [{ '@type': `type.googleapis.com/${TLS}.Secret`, ...fields }] });
const pair = (of: typeof client): Fields => ({
  certificate_chain: { inline_string: of.chainPem },
  private_key: { inline_string: of.keyPem },
});
const shown = (of: typeof client): string => resource({ name: 'shown', tls_certificate: pair(of) });
const believed = (pem: string): string =>
  resource({ name: 'believed', validation_context: { trusted_ca: { inline_string: pem } } });
const fromFile = (name: string): Fields => ({
  name,
  sds_config: { path_config_source: { path: `{{dir}}/${name}.yaml` } },
});

const ONE_REQUEST: Fields = {
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: any(HTTP_OPTIONS, {
      explicit_http_config: { http_protocol_options: {} },
      common_http_protocol_options: { max_requests_per_connection: 1 },
    }),
  },
};
const STEPS: readonly (readonly [name: string, files?: Readonly<Record<string, string>>])[] = [
  ['at first'],
  ['resumed'],
  ['another certificate', { 'shown.yaml': shown(plainClient) }],
  ['resumed with it'],
  ['another authority', { 'believed.yaml': believed(otherCa.pem) }],
  ['a broken file', { 'believed.yaml': '{' }],
  ['another name', { 'believed.yaml': believed(ca.pem).replace('believed', 'other') }],
  ['the first authority', { 'believed.yaml': believed(ca.pem) }],
  ['the first certificate', { 'shown.yaml': shown(client) }],
];

const files: Group = {
  name: 'tls upstream files',
  config: bootstrap({
    listeners: [
      http({
        name: 'main',
        routes: [match({ path: '/missing' }, 'missing'), match({ prefix: '/' }, 'files')],
        log: [textLog('code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% failure=%UPSTREAM_TRANSPORT_FAILURE_REASON%\n')],
      }),
    ],
    clusters: [
      cluster('files', ['secured'], {
        ...ONE_REQUEST,
        transport_socket: tlsSocket({
          tls_certificate_sds_secret_configs: [fromFile('shown')],
          validation_context_sds_secret_config: fromFile('believed'),
        }),
      }),
      cluster('missing', ['secured'], {
        transport_socket: tlsSocket({ tls_certificate_sds_secret_configs: [fromFile('missing')] }),
      }),
    ],
  }),
  files: { 'shown.yaml': shown(client), 'believed.yaml': believed(ca.pem), 'missing.yaml': '{"resources": []}' },
  upstreamTls: {
    secured: { ...SERVING, requestCert: true, rejectUnauthorized: true, ca: [ca.pem], sessionIdContext: 'files' },
  },
  cases: [
    { name: 'a secret that is missing', send: get('/missing'), stats: ['^cluster\\.missing\\..*ssl.*$'], settleMs: 30 },
    ...STEPS.map(
      ([name, changed]): Case => ({
        name,
        ...(changed === undefined ? {} : { files: changed }),
        send: get('/'),
        stats: ['^cluster\\.files\\..*ssl.*$', '^sds\\.[^.]+\\.(update_(attempt|success|failure|rejected)|key_.*)$'],
        settleMs: 50,
      }),
    ),
  ],
};

export const tlsUpstreamWayGroups: readonly Group[] = [tcp, headers, files];
