// What both sides agree on: certificate by SNI, ALPN, versions, ciphers, groups.
import { makeCertificate } from '../../support/certificates.ts';
import type { TlsClientOptions, TlsVersion } from '../../support/tls-client.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap, type Fields } from '../config.ts';
import { ca, call, client, SSL_STATS, tlsListener, type TlsContext } from './tls-fixtures.ts';

const named = (name: string, ...sans: string[]) =>
  makeCertificate({ issuer: ca, subject: name, sans: sans.map((dns) => ({ dns })) });
const first = named('first', 'a.example');
const exact = named('exact', 'b.example', 'x.b.example');
const wild = named('wild', '*.b.example', 'UPPER.example');
const noSans = makeCertificate({ issuer: ca, subject: 'only-cn.example' });
const rsaExact = makeCertificate({ issuer: ca, subject: 'rsa exact', sans: [{ dns: 'b.example' }], key: 'rsa2048' });
const rsaOnly = makeCertificate({ issuer: ca, subject: 'rsa', sans: [{ dns: 'r.example' }], key: 'rsa2048' });
const p384 = makeCertificate({ issuer: ca, subject: 'p384', sans: [{ dns: 'p.example' }], key: 'p384' });

const params = (tls_params: Fields): TlsContext => ({ validation: null, common: { tls_params } });
const alpn = (...alpn_protocols: string[]): TlsContext => ({ validation: null, common: { alpn_protocols } });
const several = { validation: null, certificates: [first, exact, wild, noSans] };

const LISTENERS: Readonly<Record<string, TlsContext>> = {
  one: { validation: null },
  several,
  scan: { ...several, fields: { full_scan_certs_on_sni_mismatch: true } },
  mixed: { validation: null, certificates: [rsaOnly, exact, rsaExact] },
  'mixed-scan': {
    validation: null,
    certificates: [rsaOnly, exact, rsaExact],
    fields: { full_scan_certs_on_sni_mismatch: true },
  },
  rsa: { validation: null, certificates: [rsaOnly] },
  p384: { validation: null, certificates: [p384] },
  'needs-sni': { validation: null, fields: { require_sni: true } },
  alpn: alpn('h2', 'http/1.1'),
  'alpn-one': alpn('http/1.1'),
  'alpn-odd': alpn('istio', 'http/1.1'),
  'only-12': params({ tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_2' }),
  'only-13': params({ tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' }),
  old: params({ tls_minimum_protocol_version: 'TLSv1_0' }),
  'one-cipher': params({ cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'], tls_maximum_protocol_version: 'TLSv1_2' }),
  'ordered-ciphers': params({
    cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
    tls_maximum_protocol_version: 'TLSv1_2',
  }),
  'client-ciphers': {
    ...params({
      cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
      tls_maximum_protocol_version: 'TLSv1_2',
    }),
    fields: { prefer_client_ciphers: true },
  },
  'one-curve': params({ ecdh_curves: ['P-256'] }),
  'two-curves': params({ ecdh_curves: ['P-384', 'X25519'] }),
  signatures: params({ signature_algorithms: ['ecdsa_secp256r1_sha256'] }),
};

type Row = readonly [to: string, name: string, options: TlsClientOptions];
const only = (version: TlsVersion): TlsClientOptions => ({ versions: [version, version] });
const sni = (serverName: string, more: TlsClientOptions = {}): TlsClientOptions => ({
  serverName,
  ca: ca.pem,
  ...more,
});

const SNI_ROWS: readonly Row[] = [
  ...(['several', 'scan'] as const).flatMap((to): Row[] => [
    [to, 'no SNI', { ca: ca.pem }],
    [to, 'first', sni('a.example')],
    [to, 'exact', sni('b.example')],
    [to, 'exact before wildcard', sni('x.b.example')],
    [to, 'wildcard', sni('y.b.example')],
    [to, 'too deep for the wildcard', sni('z.y.b.example')],
    [to, 'upper case of the client', sni('B.EXAMPLE')],
    [to, 'upper case of the certificate', sni('upper.example')],
    [to, 'common name', sni('only-cn.example')],
    [to, 'mismatch', sni('other.example')],
    [to, 'one label', sni('localhost')],
  ]),
  ...(['mixed', 'mixed-scan'] as const).flatMap((to): Row[] => [
    [to, 'ECDSA preferred', sni('b.example')],
    [to, 'RSA only client', sni('b.example', { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', ...only('TLSv1.2') })],
    [to, 'RSA only client on 1.3', sni('b.example', { signatures: 'rsa_pss_rsae_sha256', ...only('TLSv1.3') })],
    [to, 'RSA by name', sni('r.example')],
    [to, 'mismatch', sni('no.example')],
    [to, 'ECDSA only client of the RSA name', sni('r.example', { signatures: 'ecdsa_secp256r1_sha256' })],
    [to, 'no SNI', {}],
  ]),
  ['needs-sni', 'with SNI', sni('test.example')],
  ['needs-sni', 'without SNI', {}],
  ['needs-sni', 'without SNI on 1.2', only('TLSv1.2')],
  ['one', 'SNI of an address', sni('127.0.0.1.nip')],
  ['one', 'trusts the other side', { ca: ca.pem }],
  ['one', 'shows a certificate that nobody asks for', { certificate: client }],
];

const AGREEMENT_ROWS: readonly Row[] = [
  ['alpn', 'both', { alpn: ['http/1.1', 'h2'] }],
  ['alpn', 'second only', { alpn: ['http/1.1'] }],
  ['alpn', 'no overlap', { alpn: ['spdy/1', 'x'] }],
  ['alpn', 'none offered', {}],
  ['alpn', 'no overlap on 1.2', { alpn: ['x'], ...only('TLSv1.2') }],
  ['alpn-one', 'offers both', { alpn: ['h2', 'http/1.1'] }],
  ['alpn-one', 'offers h2 only', { alpn: ['h2'] }],
  ['alpn-odd', 'offers istio', { alpn: ['istio', 'http/1.1'] }],
  ['alpn-odd', 'longest name', { alpn: ['n'.repeat(255), 'http/1.1'] }],
  ['one', 'ALPN where none is set', { alpn: ['http/1.1'] }],
  ...(['one', 'only-12', 'only-13', 'old'] as const).flatMap((to) =>
    (['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const).map((version): Row => [to, version, only(version)]),
  ),
  ['one', 'AES128', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', ...only('TLSv1.2') }],
  ['one', 'AES256', { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384', ...only('TLSv1.2') }],
  ['one', 'CHACHA', { ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305', ...only('TLSv1.2') }],
  ['one', 'CBC', { ciphers: 'ECDHE-ECDSA-AES128-SHA', ...only('TLSv1.2') }],
  ['one', 'plain RSA', { ciphers: 'AES128-GCM-SHA256', ...only('TLSv1.2') }],
  ['one', 'RSA of an ECDSA server', { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', ...only('TLSv1.2') }],
  ['rsa', 'RSA', { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', ...only('TLSv1.2') }],
  ['rsa', 'plain RSA key exchange', { ciphers: 'AES128-GCM-SHA256', ...only('TLSv1.2') }],
  ['rsa', '1.3', only('TLSv1.3')],
  ['p384', '1.2', only('TLSv1.2')],
  ['p384', '1.3', only('TLSv1.3')],
  ['one', '1.3 AES256 only', { ciphers: 'TLS_AES_256_GCM_SHA384', ...only('TLSv1.3') }],
  ['one', '1.3 CHACHA only', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256', ...only('TLSv1.3') }],
  ['one', '1.3 CCM only', { ciphers: 'TLS_AES_128_CCM_SHA256', ...only('TLSv1.3') }],
  ['one', '1.3 prefers CHACHA', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256', ...only('TLSv1.3') }],
  ['one-cipher', 'has it', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384' }],
  ['one-cipher', 'has it not', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', ...only('TLSv1.2') }],
  [
    'ordered-ciphers',
    'the server chooses',
    { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384', ...only('TLSv1.2') },
  ],
  [
    'client-ciphers',
    'the client chooses',
    { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384', ...only('TLSv1.2') },
  ],
  ['one-curve', 'has it', { curves: 'X25519:P-256' }],
  ['one-curve', 'has it not', { curves: 'X25519' }],
  ['one-curve', 'has it not on 1.2', { curves: 'X25519', ...only('TLSv1.2') }],
  ['two-curves', 'P-384', { curves: 'P-384' }],
  ['one', 'P-384 by default', { curves: 'P-384' }],
  ['one', 'P-256 only', { curves: 'P-256' }],
  ['one', 'ML-KEM only', { curves: 'X25519MLKEM768', ...only('TLSv1.3') }],
  ['signatures', 'has it', { signatures: 'ecdsa_secp256r1_sha256' }],
  ['one', 'signatures that the key cannot make', { signatures: 'rsa_pss_rsae_sha256', ...only('TLSv1.3') }],
];

const toCase = ([to, name, options]: Row): Case => ({
  name: `${to}: ${name}`,
  to,
  send: call(options),
  stats: SSL_STATS,
});
const of = (rows: readonly Row[]): Fields => {
  const names = new Set(rows.map(([to]) => to));
  const listeners = [...names].map((name) => tlsListener(name, LISTENERS[name] as TlsContext));
  return bootstrap({ listeners, clusters: [] });
};

export const tlsHandshakeGroups: readonly Group[] = [
  { name: 'tls sni', config: of(SNI_ROWS), cases: SNI_ROWS.map(toCase) },
  { name: 'tls agreement', config: of(AGREEMENT_ROWS), cases: AGREEMENT_ROWS.map(toCase) },
];
