// Who the client is: in x-forwarded-client-cert, in the access log, for rbac and for routes.
import type { Case, Group } from '../case.ts';
import type { TlsClientOptions } from '../../support/tls-client.ts';
import { makeCertificate } from '../../support/certificates.ts';
import { any, bootstrap, cluster, type Fields, fileLog, http, textLog } from '../config.ts';
import { get } from '../messages.ts';
import {
  ca,
  call,
  chainClient,
  client,
  https,
  plainClient,
  strangeClient,
  type TlsContext,
  trusted,
} from './tls-fixtures.ts';

const SET = [
  ['no-details', {}],
  ['all', { subject: true, cert: true, chain: true, dns: true, uri: true }],
  ['subject', { subject: true }],
  ['cert', { cert: true }],
  ['chain', { chain: true }],
  ['dns', { dns: true }],
  ['uri', { uri: true }],
  ['issuer', { issuer: true }],
  ['json', { format: 'JSON', subject: true, cert: true, chain: true, dns: true, uri: true, issuer: true }],
] as const;
const MODES = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'] as const;

const lower = (mode: string): string => mode.toLowerCase().replaceAll('_', '-');
const optional: TlsContext = { requires: false };

const modeListeners = MODES.map((mode) =>
  https({
    name: `mode-${lower(mode)}`,
    tls: optional,
    hcm: {
      forward_client_cert_details: mode,
      set_current_client_cert_details: { subject: true, dns: true, uri: true },
    },
  }),
);
const detailListeners = SET.map(([name, details]) =>
  https({
    name: `set-${name}`,
    tls: optional,
    hcm: { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: details },
  }),
);
const appendListeners = ['TEXT', 'JSON'].map((format) =>
  https({
    name: `append-${format}`,
    tls: optional,
    hcm: { forward_client_cert_details: 'APPEND_FORWARD', set_current_client_cert_details: { format, uri: true } },
  }),
);
const bareListener = https({
  name: 'bare',
  tls: { requires: false, certificates: [makeCertificate({ issuer: ca, subject: 'bare' })] },
  hcm: { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: { uri: true } },
});
const untrustedListener = https({
  name: 'untrusted',
  tls: { requires: false, validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' } },
  hcm: { forward_client_cert_details: 'APPEND_FORWARD', set_current_client_cert_details: { uri: true } },
});
/** A policy for each value of a header, and one for a client by its names. */
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const policy = (fields: Fields): Fields => ({
  action: { name: 'policy', typed_config: any(`${HCM}.ForwardClientCertConfig`, fields) },
});
const when = (input: Fields, exact: string, fields: Fields): Fields => ({
  predicate: { single_predicate: { input: { name: 'input', typed_config: input }, value_match: { exact } } },
  on_match: policy(fields),
});
const byHeader = any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: 'x-policy' });
const bySubject = any('envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput');
const matcher = {
  matcher_list: {
    matchers: [
      when(byHeader, 'set', {
        forward_client_cert_details: 'SANITIZE_SET',
        set_current_client_cert_details: { uri: true },
      }),
      when(byHeader, 'forward', { forward_client_cert_details: 'FORWARD_ONLY' }),
      when(byHeader, 'append', {
        forward_client_cert_details: 'APPEND_FORWARD',
        set_current_client_cert_details: { subject: true },
      }),
      when(byHeader, 'nothing', {}),
      when(byHeader, 'always', { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' }),
      when(bySubject, 'CN=plain', { forward_client_cert_details: 'SANITIZE_SET' }),
    ],
  },
};
const otherwise = { ...matcher, on_no_match: policy({ forward_client_cert_details: 'FORWARD_ONLY' }) };
const matcherListeners = [
  https({
    name: 'by-matcher',
    tls: optional,
    hcm: {
      forward_client_cert_details: 'APPEND_FORWARD',
      set_current_client_cert_details: { dns: true },
      forward_client_cert_matcher: matcher,
    },
  }),
  https({ name: 'by-matcher-only', tls: optional, hcm: { forward_client_cert_matcher: otherwise } }),
];
const GIVEN = 'x-forwarded-client-cert: By=spiffe://x;Hash=abc';

const xfccCases: Case[] = [
  ...['by-matcher', 'by-matcher-only'].flatMap((to) =>
    ['set', 'forward', 'append', 'nothing', 'always', 'other'].flatMap((value): Case[] => [
      { name: `${to}: ${value}`, to, send: call({ certificate: client }, GIVEN, `x-policy: ${value}`) },
      { name: `${to}: ${value}, no certificate`, to, send: call({}, GIVEN, `x-policy: ${value}`) },
    ]),
  ),
  { name: 'by-matcher: a client by its subject', to: 'by-matcher', send: call({ certificate: plainClient }, GIVEN) },
  {
    name: 'by-matcher: policies in turn',
    to: 'by-matcher',
    send: [
      { tls: { certificate: client } },
      ...['set', 'append', 'set', 'other', 'nothing', 'append'].flatMap((value, i) => [
        get('/', GIVEN, `x-policy: ${value}`),
        { read: i + 1 },
      ]),
    ],
  },
  ...MODES.flatMap((mode): Case[] => {
    const to = `mode-${lower(mode)}`;
    return [
      { name: `${mode}, a certificate`, to, send: call({ certificate: client }) },
      { name: `${mode}, a certificate and a header`, to, send: call({ certificate: client }, GIVEN) },
      {
        name: `${mode}, two headers`,
        to,
        send: call({ certificate: client }, GIVEN, 'x-forwarded-client-cert: Hash=2'),
      },
      { name: `${mode}, no certificate, a header`, to, send: call({}, GIVEN) },
      { name: `${mode}, no certificate`, to, send: call() },
    ];
  }),
  ...['TEXT', 'JSON'].flatMap((format) =>
    ['[]', '[1]', ' [1] ', '[1],[2]', '[1', '1]', '{}', '', '[1],By=x'].map(
      (given): Case => ({
        name: `append ${format} to '${given}'`,
        to: `append-${format}`,
        send: call({ certificate: client }, `x-forwarded-client-cert: ${given}`),
      }),
    ),
  ),
  { name: 'a server without names', to: 'bare', send: call({ certificate: client }) },
  { name: 'an untrusted client', to: 'untrusted', send: call({ certificate: strangeClient }, GIVEN) },
  ...SET.flatMap(([name]): Case[] => [
    { name: `details ${name}`, to: `set-${name}`, send: call({ certificate: client }) },
    { name: `details ${name}, no names`, to: `set-${name}`, send: call({ certificate: plainClient }) },
    { name: `details ${name}, with a chain`, to: `set-${name}`, send: call({ certificate: chainClient }) },
  ]),
];

const jsonLog = (json_format: Fields): Fields => fileLog({ log_format: { json_format } });

const OPERATORS = [
  ...['URI_SAN', 'DNS_SAN', 'IP_SAN', 'EMAIL_SAN', 'OTHERNAME_SAN', 'SUBJECT', 'ISSUER', 'SERIAL', 'FINGERPRINT_256'],
  ...['FINGERPRINT_1', 'CERT', 'CERT_V_START', 'CERT_V_END', 'CHAIN_FINGERPRINTS_256', 'CHAIN_FINGERPRINTS_1'],
  'CHAIN_SERIALS',
  'ISSUER_SERIAL',
  'ISSUER_FINGERPRINT_256',
].map((name) => `DOWNSTREAM_PEER_${name}`);
const LOCAL = ['URI_SAN', 'DNS_SAN', 'IP_SAN', 'EMAIL_SAN', 'OTHERNAME_SAN', 'SUBJECT'].map(
  (name) => `DOWNSTREAM_LOCAL_${name}`,
);
const SESSION = ['DOWNSTREAM_TLS_VERSION', 'DOWNSTREAM_TLS_CIPHER', 'REQUESTED_SERVER_NAME', 'TLS_JA3_FINGERPRINT'];
const LOG = `${[...OPERATORS, ...LOCAL, ...SESSION].map((name) => `${name}=%${name}%`).join(' ')}
END=%DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%d)%
START=%DOWNSTREAM_PEER_CERT_V_START(%Y-%m-%d %H:%M:%E3S)%
JA4=%TLS_JA4_FINGERPRINT% SESSION=%DOWNSTREAM_TLS_SESSION_ID% UPSTREAM=%UPSTREAM_TLS_VERSION%,%UPSTREAM_PEER_URI_SAN%
FAIL=%DOWNSTREAM_TRANSPORT_FAILURE_REASON%
`;

const SAN_HEADERS = ['URI_SAN', 'DNS_SAN', 'SUBJECT', 'SERIAL', 'FINGERPRINT_256', 'CERT_V_START', 'CERT'].map(
  (name) => ({ header: { key: `x-${name.toLowerCase().replaceAll('_', '-')}`, value: `%DOWNSTREAM_PEER_${name}%` } }),
);

const logListeners: Fields[] = [
  https({ name: 'group', tls: { requires: false }, log: [textLog('GROUP=%DOWNSTREAM_TLS_GROUP%\n')] }),
  http({ name: 'plain', log: [textLog(LOG)], hcm: { forward_client_cert_details: 'SANITIZE_SET' } }),
  http({ name: 'plain-always', log: null, hcm: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' } }),
  https({
    name: 'json',
    tls: { requires: false },
    log: [
      jsonLog(
        Object.fromEntries([...OPERATORS, ...LOCAL, ...SESSION].map((name) => [name.toLowerCase(), `%${name}%`])),
      ),
    ],
  }),
  https({ name: 'headers', tls: { requires: false }, routeConfig: { request_headers_to_add: SAN_HEADERS } }),
  https({ name: 'log', tls: { requires: false }, log: [textLog(LOG)] }),
  https({
    name: 'log-untrusted',
    tls: { requires: false, validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' } },
    log: [textLog(LOG)],
  }),
];
const nasty = (uri: string): TlsClientOptions => ({
  certificate: makeCertificate({ issuer: ca, subject: 'nasty', sans: [{ uri }] }),
});
const logCases: Case[] = [
  { name: 'group', to: 'group', send: call({}) },
  { name: 'plain text', to: 'plain', send: get('/', GIVEN) },
  { name: 'plain text, always forwarded', to: 'plain-always', send: get('/', GIVEN) },
  { name: 'JSON of a client with all names', to: 'json', send: call({ certificate: client }) },
  { name: 'JSON of a client without certificate', to: 'json', send: call({}) },
  { name: 'in headers', to: 'headers', send: call({ certificate: client }) },
  { name: 'nothing in headers', to: 'headers', send: call({}) },
  ...[
    ['a tab', 'a\tb'],
    ['high bytes', 'a\xfcb'],
    ['UTF-8', '\xc3\xbc'],
  ].map(([what, uri]): Case => ({ name: `in headers: ${what}`, to: 'headers', send: call(nasty(uri as string)) })),
  ...[
    ['NUL', 'a\0b'],
    ['CR LF', 'a\r\nx-evil: 1'],
    ['DEL', 'a\x7f'],
  ].map(
    ([what, uri]): Case => ({
      name: `in headers, unsendable: ${what}`,
      to: 'headers',
      send: call(nasty(uri as string)),
    }),
  ),
  {
    name: 'log of a client with all names',
    to: 'log',
    send: call({ certificate: client, serverName: 'test.example' }),
  },
  { name: 'log of a client without names', to: 'log', send: call({ certificate: plainClient }) },
  { name: 'log of a client with a chain', to: 'log', send: call({ certificate: chainClient }) },
  { name: 'log of a client without certificate', to: 'log', send: call({}) },
  { name: 'log over TLS 1.2', to: 'log', send: call({ certificate: client, versions: ['TLSv1.2', 'TLSv1.2'] }) },
  { name: 'log of an untrusted client', to: 'log-untrusted', send: call({ certificate: strangeClient }) },
];

export const tlsIdentityGroups: readonly Group[] = [
  {
    name: 'tls xfcc',
    config: bootstrap({
      listeners: [
        ...modeListeners,
        ...detailListeners,
        ...appendListeners,
        ...matcherListeners,
        bareListener,
        untrustedListener,
      ],
      clusters: [cluster('a')],
    }),
    cases: xfccCases,
  },
  {
    name: 'tls log',
    config: bootstrap({ listeners: logListeners, clusters: [cluster('a')] }),
    cases: logCases,
  },
];
