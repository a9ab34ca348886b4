// What a log tells of the server that a request went to, and of this side's own certificate.
import { makeCertificate } from '../../support/certificates.ts';
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, fileLog, http, route, textLog } from '../config.ts';
import { get } from '../messages.ts';
import { ca, certificate, client, plainClient, trusted } from './tls-fixtures.ts';

const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const server = makeCertificate({
  issuer: ca,
  subject: [
    ['O', 'Loom'],
    ['CN', 'server'],
  ],
  sans: [{ uri: 'spiffe://test/up' }, { uri: 'urn:second' }, { dns: 'up.example' }, { ip: '127.0.0.1' }, { ip: '::1' }],
});
const bare = makeCertificate({ issuer: ca, subject: [['CN', 'bare']] });

const NAMES = [
  ...['PEER_SUBJECT', 'PEER_ISSUER', 'PEER_CERT', 'PEER_CERT_V_START', 'PEER_CERT_V_END', 'PEER_URI_SAN'],
  ...[
    'PEER_DNS_SAN',
    'PEER_IP_SAN',
    'LOCAL_URI_SAN',
    'LOCAL_DNS_SAN',
    'LOCAL_IP_SAN',
    'TLS_VERSION',
    'TLS_CIPHER',
    'TLS_GROUP',
  ],
].map((name) => `UPSTREAM_${name}`);
const LOG = `${NAMES.map((name) => `${name}=%${name}%`).join(' ')} END=%UPSTREAM_PEER_CERT_V_END(%F %T)%\n`;
const json = Object.fromEntries(NAMES.map((name) => [name.toLowerCase(), `%${name}%`]));

const tls = (own: Fields): Fields => ({
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: any(UPSTREAM, { common_tls_context: { validation_context: trusted, ...own } }),
  },
});

const listeners = [
  http({
    name: 'text',
    log: [textLog(LOG)],
    routes: ['named', 'plain', 'anonymous', 'bare', 'clear'].map((name) => route(`/${name}`, name)),
  }),
  http({ name: 'json', log: [fileLog({ log_format: { json_format: json } })], routes: [route('/', 'named')] }),
  http({
    name: 'header',
    routes: [route('/', 'named')],
    routeConfig: {
      response_headers_to_add: ['PEER_SUBJECT', 'PEER_URI_SAN', 'TLS_VERSION'].map((name) => ({
        header: { key: `x-${name.toLowerCase()}`, value: `%UPSTREAM_${name}%` },
      })),
    },
  }),
];
const clusters = [
  cluster('named', ['a'], tls({ tls_certificates: [certificate(client)] })),
  cluster('plain', ['a'], tls({ tls_certificates: [certificate(plainClient)] })),
  cluster('anonymous', ['a'], tls({})),
  cluster('bare', ['bare'], tls({})),
  cluster('clear', ['clear']),
];
const serving = { cert: server.chainPem, key: server.keyPem, ca: ca.pem, requestCert: true };

const cases: Case[] = [
  ...['named', 'plain', 'anonymous', 'bare', 'clear'].map(
    (name): Case => ({ name: `text: ${name}`, to: 'text', send: get(`/${name}`) }),
  ),
  {
    name: 'text: an old version',
    to: 'text',
    upstreamTls: { a: { ...serving, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } },
    send: get('/named'),
  },
  { name: 'JSON', to: 'json', upstreamTls: { a: serving }, send: get('/') },
  { name: 'in headers of the answer', to: 'header', send: get('/') },
  { name: 'a failed handshake', to: 'text', upstreamTls: { bare: null }, send: get('/bare') },
];

export const tlsUpstreamLogGroups: readonly Group[] = [
  {
    name: 'tls upstream log',
    config: bootstrap({ listeners, clusters }),
    upstreamTls: { a: serving, bare: { cert: bare.chainPem, key: bare.keyPem } },
    cases,
  },
];
