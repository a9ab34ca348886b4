// Which clients are let in: certificates good and bad, against each way of validating them.
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import {
  type CertificateSpec,
  makeCa,
  makeCertificate,
  makeCrl,
  type TestCertificate,
} from '../../support/certificates.ts';
import * as d from '../../support/der-writer.ts';
import type { ClientStep } from '../../support/raw-client.ts';
import type { TlsClientOptions } from '../../support/tls-client.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap, type Fields } from '../config.ts';
import { get } from '../messages.ts';
import {
  ca,
  chainClient,
  client,
  otherCa,
  plainClient,
  SSL_STATS,
  strangeClient,
  tlsListener,
  trusted,
} from './tls-fixtures.ts';

const PAST = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2021-01-01T00:00:00Z') };
const FUTURE = { notBefore: new Date('2090-01-01T00:00:00Z'), notAfter: new Date('2091-01-01T00:00:00Z') };

const signed = (spec: CertificateSpec): TestCertificate => makeCertificate({ issuer: ca, subject: 'c', ...spec });
const expired = signed(PAST);
const future = signed(FUTURE);
const selfSigned = makeCertificate({ subject: 'self' });
const revoked = signed({ subject: 'revoked' });
const serverOnly = signed({ extendedKeyUsage: ['serverAuth'] });
const clientOnly = signed({ extendedKeyUsage: ['clientAuth'] });
const noSignature = signed({ keyUsage: ['keyEncipherment'] });
const rsa = signed({ key: 'rsa2048', subject: 'rsa' });
const weak = signed({ key: 'rsa512', subject: 'weak' });
const rsa1024 = signed({ key: 'rsa1024', subject: 'rsa1024' });
const p384 = signed({ key: 'p384', subject: 'p384' });
const ed25519 = signed({ key: 'ed25519', subject: 'ed' });
const sha1 = signed({ hash: 'sha1', subject: 'sha1' });
const twoUris = signed({ sans: [{ uri: 'spiffe://test/a' }, { uri: 'spiffe://test/b' }] });
const nulUri = signed({ sans: [{ uri: 'spiffe://test/a\0.evil' }] });
const nulDns = signed({ sans: [{ dns: 'good.example\0.evil' }] });
const critical = signed({ extensions: [['1.2.3.4', true, d.NULL]] });
const notCa = makeCertificate({ issuer: client, subject: 'below a leaf' });
const notCaChain = { ...notCa, chainPem: notCa.pem + client.pem };

function chainOf(length: number): TestCertificate {
  let issuer = ca;
  for (let i = 1; i <= length; i++) issuer = makeCa(`level ${i}`, { issuer });
  return makeCertificate({ issuer, subject: 'deep' });
}
const deep = chainOf(4);
const huge = chainOf(40);

const spki = (of: TestCertificate): string =>
  createHash('sha256')
    .update(createPublicKey(of.key).export({ type: 'spki', format: 'der' }))
    .digest('base64');
const hash = (of: TestCertificate): string => createHash('sha256').update(of.der).digest('hex');
const colons = (of: TestCertificate): string => new X509Certificate(of.pem).fingerprint256;

const san = (san_type: string, matcher: Fields, more: Fields = {}): Fields => ({
  ...trusted,
  match_typed_subject_alt_names: [{ san_type, matcher, ...more }],
});
const crl = (text: string, more: Fields = {}): Fields => ({ ...trusted, crl: { inline_string: text }, ...more });
const goodCrl = makeCrl({ issuer: ca, revoked: [revoked] });

/** Listeners by the way in which they validate; `optional` does not require a certificate. */
const VALIDATIONS: Readonly<Record<string, { readonly validation: Fields | null; readonly requires?: boolean }>> = {
  required: { validation: trusted, requires: true },
  optional: { validation: trusted },
  'no-validation': { validation: null, requires: true },
  'empty-validation': { validation: {}, requires: true },
  'untrusted-ok': { validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' }, requires: true },
  'untrusted-optional': { validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' } },
  'expired-ok': { validation: { ...trusted, allow_expired_certificate: true }, requires: true },
  revoking: { validation: crl(goodCrl), requires: true },
  'crl-leaf': { validation: crl(goodCrl, { only_verify_leaf_cert_crl: true }), requires: true },
  'crl-old': {
    validation: crl(makeCrl({ issuer: ca, lastUpdate: new Date('2020-01-01'), nextUpdate: new Date('2020-02-01') })),
    requires: true,
  },
  'crl-other': { validation: crl(makeCrl({ issuer: otherCa })), requires: true },
  'depth-0': { validation: { ...trusted, max_verify_depth: 0 }, requires: true },
  'depth-1': { validation: { ...trusted, max_verify_depth: 1 }, requires: true },
  'depth-3': { validation: { ...trusted, max_verify_depth: 3 }, requires: true },
  'two-cas': { validation: { trusted_ca: { inline_string: ca.pem + otherCa.pem } }, requires: true },
  'leaf-as-ca': { validation: { trusted_ca: { inline_string: client.pem } }, requires: true },
  'hash-good': { validation: { verify_certificate_hash: [hash(strangeClient), hash(client)] }, requires: true },
  'hash-colons': { validation: { verify_certificate_hash: [colons(client)] }, requires: true },
  'spki-good': { validation: { verify_certificate_spki: [spki(client)] }, requires: true },
  'hash-and-spki': {
    validation: { verify_certificate_hash: [hash(client)], verify_certificate_spki: [spki(plainClient)] },
    requires: true,
  },
  'hash-and-ca': {
    validation: { ...trusted, verify_certificate_hash: [hash(client), hash(strangeClient)] },
    requires: true,
  },
  'hash-untrusted': {
    validation: { ...trusted, verify_certificate_hash: [hash(client)], trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    requires: true,
  },
  'san-uri': { validation: san('URI', { exact: 'spiffe://test/ns/a/sa/b' }), requires: true },
  'san-uri-prefix': { validation: san('URI', { prefix: 'spiffe://test/' }), requires: true },
  'san-uri-suffix': { validation: san('URI', { suffix: '/b' }), requires: true },
  'san-uri-contains': { validation: san('URI', { contains: 'client' }), requires: true },
  'san-uri-regex': { validation: san('URI', { safe_regex: { regex: 'spiffe://test/[a-z]' } }), requires: true },
  'san-dns': { validation: san('DNS', { exact: 'client.example' }), requires: true },
  'san-dns-case': { validation: san('DNS', { exact: 'CLIENT.example', ignore_case: true }), requires: true },
  'san-dns-wild': { validation: san('DNS', { exact: 'one.clients.example' }), requires: true },
  'san-dns-suffix': { validation: san('DNS', { suffix: '.example' }), requires: true },
  'san-dns-good': { validation: san('DNS', { prefix: 'good.example' }), requires: true },
  'san-ip': { validation: san('IP_ADDRESS', { exact: '10.1.2.3' }), requires: true },
  'san-ip6': { validation: san('IP_ADDRESS', { exact: '2001:db8::1' }), requires: true },
  'san-email': { validation: san('EMAIL', { exact: 'client@example' }), requires: true },
  'san-other': {
    validation: san('OTHER_NAME', { exact: 'client-upn@example' }, { oid: '1.3.6.1.4.1.311.20.2.3' }),
    requires: true,
  },
  'san-other-oid': {
    validation: san('OTHER_NAME', { exact: 'client-upn@example' }, { oid: '1.2.3' }),
    requires: true,
  },
  'san-any-of': {
    validation: {
      ...trusted,
      match_typed_subject_alt_names: [
        { san_type: 'DNS', matcher: { exact: 'nobody' } },
        { san_type: 'EMAIL', matcher: { exact: 'client@example' } },
      ],
    },
    requires: true,
  },
  'san-untrusted': {
    validation: { ...san('URI', { exact: 'spiffe://test/ns/a/sa/b' }), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    requires: true,
  },
  'hash-optional': { validation: { verify_certificate_hash: [hash(client)] } },
  'spki-optional': { validation: { ...trusted, verify_certificate_spki: [spki(client)] } },
  'san-untrusted-optional': {
    validation: { ...san('URI', { exact: 'spiffe://test/a' }), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
  },
  'untrusted-alone': { validation: { trust_chain_verification: 'ACCEPT_UNTRUSTED' } },
  'empty-optional': { validation: {} },
  'san-optional': { validation: san('URI', { exact: 'spiffe://test/ns/a/sa/b' }) },
};

const CERTIFICATES = {
  good: client,
  plain: plainClient,
  none: null,
  chain: chainClient,
  stranger: strangeClient,
  expired,
  future,
  'self-signed': selfSigned,
  revoked,
  'server-only': serverOnly,
  'client-only': clientOnly,
  'no-signature': noSignature,
  rsa,
  'rsa-512': weak,
  'rsa-1024': rsa1024,
  'p-384': p384,
  ed25519,
  sha1,
  'two-uris': twoUris,
  'nul-uri': nulUri,
  'nul-dns': nulDns,
  critical,
  'below-a-leaf': notCaChain,
  deep,
  huge,
  'the-ca': ca,
} as const;
type Name = keyof typeof CERTIFICATES;

/** Which certificate meets which listener. */
const MEETINGS: Readonly<Record<string, readonly Name[]>> = {
  required: Object.keys(CERTIFICATES) as Name[],
  optional: ['good', 'none', 'stranger', 'expired'],
  'no-validation': ['good', 'none', 'stranger', 'expired', 'self-signed'],
  'empty-validation': ['good', 'none', 'stranger'],
  'untrusted-ok': ['good', 'none', 'stranger', 'expired', 'self-signed'],
  'untrusted-optional': ['none', 'stranger'],
  'expired-ok': ['good', 'expired', 'future', 'stranger'],
  revoking: ['good', 'revoked', 'chain', 'stranger'],
  'crl-leaf': ['good', 'revoked', 'chain'],
  'crl-old': ['good'],
  'crl-other': ['good'],
  'depth-0': ['good', 'chain'],
  'depth-1': ['good', 'chain', 'deep'],
  'depth-3': ['chain', 'deep'],
  'two-cas': ['good', 'stranger', 'self-signed'],
  'leaf-as-ca': ['good', 'plain'],
  'hash-good': ['good', 'stranger', 'plain', 'none'],
  'hash-colons': ['good', 'plain'],
  'spki-good': ['good', 'plain'],
  'hash-and-spki': ['good', 'plain', 'stranger'],
  'hash-and-ca': ['good', 'stranger', 'plain'],
  'hash-untrusted': ['good', 'stranger'],
  'san-uri': ['good', 'plain', 'two-uris', 'stranger', 'none'],
  'san-uri-prefix': ['good', 'two-uris', 'nul-uri', 'plain'],
  'san-uri-suffix': ['good', 'two-uris', 'nul-uri'],
  'san-uri-contains': ['good', 'two-uris'],
  'san-uri-regex': ['good', 'two-uris', 'nul-uri'],
  'san-dns': ['good', 'plain', 'nul-dns'],
  'san-dns-case': ['good'],
  'san-dns-wild': ['good'],
  'san-dns-suffix': ['good', 'nul-dns'],
  'san-dns-good': ['nul-dns'],
  'san-ip': ['good', 'plain'],
  'san-ip6': ['good'],
  'san-email': ['good', 'plain'],
  'san-other': ['good', 'plain'],
  'san-other-oid': ['good'],
  'san-any-of': ['good', 'plain'],
  'san-untrusted': ['good', 'stranger', 'plain'],
  'hash-optional': ['none', 'good'],
  'spki-optional': ['none', 'good'],
  'san-untrusted-optional': ['none', 'good'],
  'untrusted-alone': ['none', 'stranger'],
  'empty-optional': ['none', 'stranger'],
  'san-optional': ['none', 'good', 'plain'],
};

function meeting(to: string, name: Name, versions?: TlsClientOptions['versions']): Case {
  const certificate = CERTIFICATES[name];
  const options: TlsClientOptions = {
    ...(certificate === null ? {} : { certificate }),
    ...(versions === undefined ? {} : { versions }),
  };
  const send: ClientStep[] = [{ tls: options }, get('/'), { read: 1 }];
  return { name: `${to}: ${name}${versions === undefined ? '' : ' over 1.2'}`, to, send, stats: SSL_STATS };
}

const listeners = Object.entries(VALIDATIONS).map(([name, { validation, requires }]) =>
  tlsListener(name, { validation, ...(requires === undefined ? {} : { requires }) }),
);
const cases = Object.entries(MEETINGS).flatMap(([to, names]) => names.map((name) => meeting(to, name)));
const ONE_TWO: TlsClientOptions['versions'] = ['TLSv1.2', 'TLSv1.2'];
const older = (['good', 'none', 'stranger', 'expired', 'rsa-512', 'rsa'] as const).map((name) =>
  meeting('required', name, ONE_TWO),
);

export const tlsClientGroups: readonly Group[] = [
  { name: 'tls clients', config: bootstrap({ listeners, clusters: [] }), cases: [...cases, ...older] },
];
