// Certificates of the TLS tables, and builders of TLS contexts for their configurations.
import { makeCa, makeCertificate, type TestCertificate } from '../../support/certificates.ts';
import * as d from '../../support/der-writer.ts';
import type { ClientStep } from '../../support/raw-client.ts';
import type { TlsClientOptions } from '../../support/tls-client.ts';
import { any, direct, type Fields, type HttpListener, http, textLog } from '../config.ts';
import { get } from '../messages.ts';

const DOWNSTREAM = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

export const ca = makeCa('mesh root');
export const otherCa = makeCa('another root');
export const server = makeCertificate({
  issuer: ca,
  subject: [['CN', 'test.example']],
  sans: [{ dns: 'test.example' }, { uri: 'spiffe://test/server' }, { ip: '127.0.0.1' }, { email: 'server@test' }],
});

/** With one of each kind of name, and of some two. */
export const client = makeCertificate({
  issuer: ca,
  subject: [
    ['C', 'DE'],
    ['O', 'Weavers, "Ltd" = x'],
    ['CN', 'client'],
  ],
  sans: [
    { uri: 'spiffe://test/ns/a/sa/b' },
    { uri: 'https://client.example/?a=1,2;3&b="x y"' },
    { dns: 'client.example' },
    { dns: '*.clients.example' },
    { ip: '10.1.2.3' },
    { ip: '2001:db8::1' },
    { email: 'client@example' },
    { otherName: '1.3.6.1.4.1.311.20.2.3', value: d.utf8('client-upn@example') },
  ],
});
/** No alternative names. */
export const plainClient = makeCertificate({ issuer: ca, subject: [['CN', 'plain']] });
const intermediate = makeCa('intermediate', { issuer: ca });
/** Comes with the intermediate that signed it. */
export const chainClient = makeCertificate({
  issuer: intermediate,
  subject: [['CN', 'far']],
  sans: [{ uri: 'spiffe://test/far' }],
});
export const strangeClient = makeCertificate({
  issuer: otherCa,
  subject: [['CN', 'stranger']],
  sans: [{ uri: 'spiffe://test/ns/a/sa/b' }],
});

export function certificate(of: TestCertificate): Fields {
  return { certificate_chain: { inline_string: of.chainPem }, private_key: { inline_string: of.keyPem } };
}

export const trusted: Fields = { trusted_ca: { inline_string: ca.pem } };

/** `common` is added to the common context, `validation` to what is validated; null leaves that out. */
export type TlsContext = {
  readonly certificates?: readonly TestCertificate[];
  readonly validation?: Fields | null;
  readonly common?: Fields;
  readonly requires?: boolean;
  readonly fields?: Fields;
};

export function downstreamTls(context: TlsContext = {}): Fields {
  const { certificates = [server], validation = trusted, common = {}, requires, fields = {} } = context;
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any(DOWNSTREAM, {
      common_tls_context: {
        tls_certificates: certificates.map(certificate),
        ...(validation === null ? {} : { validation_context: validation }),
        ...common,
      },
      ...(requires === undefined ? {} : { require_client_certificate: requires }),
      ...fields,
    }),
  };
}

/** An HTTP listener behind TLS. */
export function https(options: HttpListener & { readonly tls?: TlsContext }): Fields {
  const { tls, ...rest } = options;
  const listener = http(rest) as { filter_chains: readonly Fields[] };
  const [chain = {}] = listener.filter_chains;
  return { ...listener, filter_chains: [{ ...chain, transport_socket: downstreamTls(tls) }] };
}

/** One request over TLS. */
export function call(options: TlsClientOptions = {}, ...headers: string[]): ClientStep[] {
  return [{ tls: options }, get('/', ...headers), { read: 1 }];
}

/** Statistics of TLS; without those of groups and signatures, which the runtime does not tell. */
export const SSL_STATS = [
  '^listener\\.[^.]+\\.(ssl\\.(handshake|connection_error|session_reused|no_certificate|fail_verify.*|ciphers.*|' +
    'versions.*|ocsp.*|was_key_usage_invalid)|downstream_cx_(total|destroy|transport_socket_connect_timeout)|' +
    'no_filter_chain_match)$',
  '^http\\.[^.]+\\.downstream_cx_ssl_total$',
];

/** What is logged of each request, and what of each connection, failed ones too. */
export const REQUEST_LOG =
  'RQ code=%RESPONSE_CODE% sni=%REQUESTED_SERVER_NAME% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% ' +
  'local=%DOWNSTREAM_LOCAL_SUBJECT% peer=%DOWNSTREAM_PEER_SUBJECT% ' +
  'proto=%REQ(X-FORWARDED-PROTO)% scheme=%REQ(:SCHEME)%\n';
export const CONNECTION_LOG =
  'CX fail=%DOWNSTREAM_TRANSPORT_FAILURE_REASON% flags=%RESPONSE_FLAGS% sni=%REQUESTED_SERVER_NAME% ' +
  'peer=%DOWNSTREAM_PEER_SUBJECT% ' +
  'close=%DOWNSTREAM_DETECTED_CLOSE_TYPE% %DOWNSTREAM_LOCAL_CLOSE_REASON% chain=%FILTER_CHAIN_NAME%\n';

/** A listener that answers itself and logs both. */
export function tlsListener(name: string, tls: TlsContext = {}, around: Fields = {}): Fields {
  const made = https({ name, tls, routes: [direct({ prefix: '/' }, 200, 'ok')], log: [textLog(REQUEST_LOG)] });
  return { ...made, access_log: [textLog(CONNECTION_LOG)], ...around };
}
