// TLS to upstreams: who is believed, what is offered, what is resumed, and how failures are told and counted.
import type { TlsOptions } from 'node:tls';
import { makeCa, makeCertificate, makeCrl, type TestCertificate } from '../../support/certificates.ts';
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, cluster, type Fields, http, match, STANDARD_LOG, textLog } from '../config.ts';
import { get } from '../messages.ts';
import { ca, certificate, client, otherCa, strangeClient, trusted } from './tls-fixtures.ts';

const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP_1: Fields = { explicit_http_config: { http_protocol_options: {} } };

const LOG =
  'tls=%UPSTREAM_TLS_VERSION% %UPSTREAM_TLS_CIPHER% peer=%UPSTREAM_PEER_SUBJECT% %UPSTREAM_PEER_URI_SAN% ' +
  'sni=%FILTER_STATE(envoy.network.upstream_server_name:PLAIN)% ' +
  `sans=%FILTER_STATE(envoy.network.upstream_subject_alt_names:PLAIN)% ${STANDARD_LOG}`;

const DAY_MS = 86_400_000;
const day = (days: number): Date => new Date(Date.now() + days * DAY_MS);
const uri = 'spiffe://test/ns/a/sa/server';
const sans = [{ dns: 'a.example' }, { dns: '*.wild.example' }, { uri }, { ip: '127.0.0.1' }, { email: 'ops@test' }];
const server = makeCertificate({ issuer: ca, subject: [['CN', 'server']], sans });
const intermediate = makeCa('intermediate', { issuer: ca });
const CERTIFICATES = {
  expired: makeCertificate({ issuer: ca, sans, notBefore: day(-9), notAfter: day(-1) }),
  future: makeCertificate({ issuer: ca, sans, notBefore: day(1), notAfter: day(9) }),
  'self-signed': makeCertificate({ subject: [['CN', 'self']], sans }),
  stranger: makeCertificate({ issuer: otherCa, sans }),
  nameless: makeCertificate({ issuer: ca, subject: [['CN', 'a.example']] }),
  'behind-intermediate': makeCertificate({ issuer: intermediate, sans }),
  rsa: makeCertificate({ issuer: ca, sans, key: 'rsa2048' }),
  p384: makeCertificate({ issuer: ca, sans, key: 'p384' }),
  'for-clients': makeCertificate({ issuer: ca, sans, extendedKeyUsage: ['clientAuth'] }),
  'no-signing': makeCertificate({ issuer: ca, sans, keyUsage: ['keyEncipherment'] }),
} as const;
const revoked = makeCertificate({ issuer: ca, sans });
const crl = makeCrl({ issuer: ca, revoked: [revoked] });

type Row = {
  readonly name: string;
  /** Null: plain text. */
  readonly server?: TlsOptions | null;
  readonly validation?: Fields | null;
  readonly common?: Fields;
  readonly tls?: Fields;
  readonly cluster?: Fields;
  readonly headers?: readonly string[];
};

function serving(of: TestCertificate = server, more: TlsOptions = {}): TlsOptions {
  return { cert: of.chainPem, key: of.keyPem, ...more };
}

const row = (name: string, rest: Omit<Row, 'name'> = {}): Row => ({ name, ...rest });
const san = (san_type: string, matcher: Fields): Fields => ({ san_type, matcher });
const named = (...matchers: Fields[]): Fields => ({ ...trusted, match_typed_subject_alt_names: matchers });
const own = (of: TestCertificate): Fields => ({ tls_certificates: [certificate(of)] });
const params = (tls_params: Fields): Fields => ({ tls_params });
const names = (upstream: Fields): Fields => ({
  typed_extension_protocol_options: {
    [OPTIONS]: any(OPTIONS, { ...HTTP_1, upstream_http_protocol_options: upstream }),
  },
});
const WANTS_CLIENT: TlsOptions = { requestCert: true, rejectUnauthorized: true, ca: [ca.pem] };

const BELIEVED: readonly Row[] = [
  row('good'),
  row('nothing', { validation: null }),
  row('nothing-of-nobody', { validation: null, server: serving(CERTIFICATES['self-signed']) }),
  ...Object.entries(CERTIFICATES).map(([name, of]) => row(name, { server: serving(of) })),
  row('expired-allowed', {
    server: serving(CERTIFICATES.expired),
    validation: { ...trusted, allow_expired_certificate: true },
  }),
  row('untrusted-accepted', {
    server: serving(CERTIFICATES.stranger),
    validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' },
  }),
  row('revoked', { server: serving(revoked), validation: { ...trusted, crl: { inline_string: crl } } }),
  row('not-revoked', { validation: { ...trusted, crl: { inline_string: crl } } }),
  row('depth-0', {
    server: serving(CERTIFICATES['behind-intermediate']),
    validation: { ...trusted, max_verify_depth: 0 },
  }),
  row('depth-1', {
    server: serving(CERTIFICATES['behind-intermediate']),
    validation: { ...trusted, max_verify_depth: 1 },
  }),
  row('leaf-as-ca', { validation: { trusted_ca: { inline_string: server.pem } } }),
];

const NAMED: readonly Row[] = [
  row('san-dns', { validation: named(san('DNS', { exact: 'a.example' })) }),
  row('san-dns-wrong', { validation: named(san('DNS', { exact: 'b.example' })) }),
  row('san-dns-wild', { validation: named(san('DNS', { exact: 'x.wild.example' })) }),
  row('san-dns-deep', { validation: named(san('DNS', { exact: 'x.y.wild.example' })) }),
  row('san-suffix', { validation: named(san('DNS', { suffix: '.example' })) }),
  row('san-contains', { validation: named(san('DNS', { contains: 'exam' })) }),
  row('san-upper', { validation: named(san('DNS', { exact: 'A.example', ignore_case: true })) }),
  row('san-uri', { validation: named(san('URI', { exact: uri })) }),
  row('san-uri-prefix', { validation: named(san('URI', { prefix: 'spiffe://test/' })) }),
  row('san-uri-regex', {
    validation: named(san('URI', { safe_regex: { regex: 'spiffe://test/ns/[a-z]/sa/server' } })),
  }),
  row('san-uri-wrong', { validation: named(san('URI', { exact: 'spiffe://test/ns/a/sa/other' })) }),
  row('san-ip', { validation: named(san('IP_ADDRESS', { exact: '127.0.0.1' })) }),
  row('san-email', { validation: named(san('EMAIL', { suffix: '@test' })) }),
  row('san-of-several', { validation: named(san('DNS', { exact: 'x' }), san('URI', { prefix: 'spiffe' })) }),
  row('san-of-nameless', {
    server: serving(CERTIFICATES.nameless),
    validation: named(san('DNS', { exact: 'a.example' })),
  }),
  row('hash-wrong', { validation: { ...trusted, verify_certificate_hash: ['00'.repeat(32)] } }),
  row('hash-wrong-without-ca', { validation: { verify_certificate_hash: ['00'.repeat(32)] } }),
  row('spki-wrong', { validation: { ...trusted, verify_certificate_spki: [Buffer.alloc(32).toString('base64')] } }),
  row('auto-sni-san', { tls: { sni: 'a.example', auto_sni_san_validation: true } }),
  row('auto-sni-san-and-matcher', {
    tls: { sni: 'a.example', auto_sni_san_validation: true },
    validation: named(san('URI', { exact: 'spiffe://other' })),
  }),
  row('auto-sni-san-uri', { tls: { sni: uri, auto_sni_san_validation: true } }),
  row('auto-sni-san-without-sni', { tls: { auto_sni_san_validation: true } }),
  row('auto-sni-san-wrong', { tls: { sni: 'b.example', auto_sni_san_validation: true } }),
];

const OFFERED: readonly Row[] = [
  row('mutual', { server: serving(server, WANTS_CLIENT), common: own(client) }),
  row('mutual-without', { server: serving(server, WANTS_CLIENT) }),
  row('mutual-stranger', { server: serving(server, WANTS_CLIENT), common: own(strangeClient) }),
  row('sni', { tls: { sni: 'configured.example' } }),
  row('alpn', { server: serving(server, { ALPNProtocols: ['http/1.1'] }) }),
  row('alpn-configured', {
    server: serving(server, { ALPNProtocols: ['b', 'a'] }),
    common: { alpn_protocols: ['a', 'b'] },
  }),
  row('alpn-none', { server: serving(server, { ALPNProtocols: ['x'] }), common: { alpn_protocols: ['a'] } }),
  row('only-1.3', { server: serving(server, { minVersion: 'TLSv1.3' }) }),
  row('up-to-1.3', { common: params({ tls_maximum_protocol_version: 'TLSv1_3' }) }),
  row('needs-1.3', {
    server: serving(server, { maxVersion: 'TLSv1.2' }),
    common: params({ tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' }),
  }),
  row('one-cipher', { common: params({ cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] }) }),
  row('no-cipher', {
    server: serving(server, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }),
    common: params({ cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] }),
  }),
  row('one-curve', { common: params({ ecdh_curves: ['P-256'] }) }),
  row('no-curve', { server: serving(server, { ecdhCurve: 'P-384' }) }),
  row('rsa-1.3', {
    server: serving(CERTIFICATES.rsa),
    common: params({ tls_maximum_protocol_version: 'TLSv1_3' }),
  }),
  row('plain-text', { server: null }),
];

const AUTOMATIC: readonly Row[] = [
  row('auto-sni', { cluster: names({ auto_sni: true }) }),
  row('auto-sni-port', { cluster: names({ auto_sni: true }), headers: ['host: a.example:8080'] }),
  row('auto-sni-ip', { cluster: names({ auto_sni: true }), headers: ['host: 127.0.0.1:99'] }),
  row('auto-sni-ipv6', { cluster: names({ auto_sni: true }), headers: ['host: [::1]:99'] }),
  row('auto-san', { cluster: names({ auto_sni: true, auto_san_validation: true }), headers: ['host: a.example'] }),
  row('auto-san-wild', {
    cluster: names({ auto_sni: true, auto_san_validation: true }),
    headers: ['host: x.wild.example'],
  }),
  row('auto-san-wrong', {
    cluster: names({ auto_sni: true, auto_san_validation: true }),
    headers: ['host: b.example'],
  }),
  row('auto-san-ip', { cluster: names({ auto_san_validation: true }), headers: ['host: 127.0.0.1:99'] }),
  row('auto-san-and-matcher', {
    cluster: names({ auto_san_validation: true }),
    headers: ['host: a.example'],
    validation: named(san('URI', { exact: 'spiffe://other' })),
  }),
  row('auto-san-good-without-ca', {
    cluster: names({ auto_san_validation: true }),
    headers: ['host: a.example'],
    validation: null,
  }),
  row('auto-san-good-empty', {
    cluster: names({ auto_san_validation: true }),
    headers: ['host: a.example'],
    validation: {},
  }),
  row('auto-san-good-with-matcher-only', {
    cluster: names({ auto_san_validation: true }),
    headers: ['host: a.example'],
    validation: { verify_certificate_hash: ['00'.repeat(32)] },
  }),
  row('auto-both', {
    cluster: names({ auto_sni: true, auto_san_validation: true }),
    tls: { auto_sni_san_validation: true },
    headers: ['host: a.example'],
  }),
  row('auto-san-without-ca', {
    cluster: names({ auto_san_validation: true }),
    headers: ['host: b.example'],
    validation: null,
  }),
  row('auto-sni-header', {
    cluster: names({ auto_sni: true, auto_san_validation: true, override_auto_sni_header: 'x-name' }),
    headers: ['host: b.example', 'x-name: a.example:1'],
  }),
  row('auto-sni-header-empty', {
    cluster: names({ auto_sni: true, override_auto_sni_header: 'x-name' }),
    headers: ['host: a.example', 'x-name: '],
  }),
];

const ROWS = [...BELIEVED, ...NAMED, ...OFFERED, ...AUTOMATIC];

function upstreamTls({ validation = trusted, common = {}, tls = {} }: Row): Fields {
  const context = { ...(validation === null ? {} : { validation_context: validation }), ...common };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any(UPSTREAM, { common_tls_context: context, ...tls }),
  };
}

function groupOf(name: string, rows: readonly Row[], cases: readonly Case[]): Group {
  const routes = rows.map((one) => match({ path: `/${one.name}` }, one.name));
  return {
    name,
    config: bootstrap({
      listeners: [http({ name: 'main', routes, log: [textLog(LOG)] })],
      clusters: rows.map((one) =>
        cluster(one.name, [one.name], { transport_socket: upstreamTls(one), ...(one.cluster ?? {}) }),
      ),
    }),
    upstreamTls: Object.fromEntries(
      rows.flatMap((one) => (one.server === null ? [] : [[one.name, one.server ?? serving()] as const])),
    ),
    cases,
  };
}

function statsOf(name: string): string[] {
  const escaped = name.replaceAll('.', '\\.');
  return [`^cluster\\.${escaped}\\.(ssl\\..*|client_ssl_socket_factory\\..*|default\\.total_match_count)$`];
}

function request({ name, headers = [] }: Row): Case {
  return { name, send: get(`/${name}`, ...headers), stats: statsOf(name), settleMs: 30 };
}

// ─── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────

const ONCE: Fields = {
  typed_extension_protocol_options: {
    [OPTIONS]: any(OPTIONS, { ...HTTP_1, common_http_protocol_options: { max_requests_per_connection: 1 } }),
  },
};
const UP_TO_13 = params({ tls_maximum_protocol_version: 'TLSv1_3' });
const SESSIONS: readonly Row[] = [
  row('resumed-1.2', { cluster: ONCE }),
  row('resumed-1.3', { cluster: ONCE, common: UP_TO_13 }),
  row('none-kept', { cluster: ONCE, tls: { max_session_keys: 0 } }),
  row('resumed-mutual', { cluster: ONCE, common: own(client), server: serving(server, WANTS_CLIENT) }),
];

/** The second request comes once the tickets of the first connection have. */
function twice({ name }: Row): Case {
  const one = get(`/${name}`);
  return {
    name,
    clients: [{ steps: [one, { read: 1 }, { wait: 50 }, one, { read: 2 }] }],
    stats: statsOf(name),
    settleMs: 50,
  };
}

// ─── transport_socket_matches ───────────────────────────────────────────────────────────────────────────────────────

const labels = (values: Fields): Fields => ({ filter_metadata: { 'envoy.transport_socket_match': values } });
const endpoint = (backend: string, metadata?: Fields): Fields => ({
  endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: `{{backend.${backend}}}` } } },
  ...(metadata === undefined ? {} : { metadata }),
});
const tlsMatch = (name: string, values: Fields, sni: string): Fields => ({
  name,
  match: values,
  transport_socket: upstreamTls({ name, tls: { sni } }),
});

const MATCHING: Fields = {
  load_assignment: {
    cluster_name: 'matching',
    endpoints: [
      {
        metadata: labels({ zone: 'a' }),
        lb_endpoints: [endpoint('m1', labels({ tlsMode: 'istio', more: { deep: [1] } })), endpoint('m2')],
      },
      { lb_endpoints: [endpoint('m3', labels({ tlsMode: 'disabled' })), endpoint('m4')] },
    ],
  },
  transport_socket_matches: [
    tlsMatch('by-two', { tlsMode: 'istio', more: { deep: [1] } }, 'two.example'),
    tlsMatch('by-one', { tlsMode: 'istio' }, 'one.example'),
    tlsMatch('by-zone', { zone: 'a' }, 'zone.example'),
    {
      name: 'off',
      match: { tlsMode: 'disabled' },
      transport_socket: {
        name: 'envoy.transport_sockets.raw_buffer',
        typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
      },
    },
  ],
  transport_socket: upstreamTls({ name: 'default', tls: { sni: 'default.example' } }),
};

/** Round robin begins anywhere. */
function inAnyOrder(observation: Observation): unknown {
  return { ...observation, log: [...observation.log].sort(), clients: observation.clients.length };
}

function onlyCounts({ admin }: Observation): unknown {
  return admin;
}

const matching: Group = {
  name: 'tls upstream matches',
  config: bootstrap({
    listeners: [http({ name: 'main', routes: [match({ prefix: '/' }, 'matching')], log: [textLog(LOG)] })],
    clusters: [cluster('matching', [], MATCHING)],
  }),
  upstreamTls: { m1: serving(), m2: serving(), m4: serving() },
  cases: [
    {
      name: 'one request to each',
      clients: [{ steps: Array.from({ length: 4 }, (_, i) => [get('/'), { read: i + 1 }] as const).flat() }],
      stats: ['^cluster\\.matching\\..*(total_match_count|ssl\\..*)$'],
      view: inAnyOrder,
    },
    { name: 'what was counted', send: get('/'), admin: ['GET /stats?filter=total_match_count'], view: onlyCounts },
  ],
};

export const tlsUpstreamGroups: readonly Group[] = [
  groupOf('tls upstream', ROWS, ROWS.map(request)),
  groupOf('tls upstream sessions', SESSIONS, SESSIONS.map(twice)),
  matching,
];
