// TlsParameters: versions, ciphers, curves and signatures, from BoringSSL's names to OpenSSL's.
import type { TlsParameters } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { expandCipherList, rejectedCiphers } from './cipher-list.ts';
import type { CommonTlsConfig, TlsVersion } from './tls-config.ts';

export type TlsParametersConfig = Pick<
  CommonTlsConfig,
  'minVersion' | 'maxVersion' | 'ciphers' | 'curves' | 'signatureAlgorithms'
>;

/** Source: Envoy ClientContextConfigImpl and ServerContextConfigImpl. */
const DEFAULT_CIPHERS =
  '[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:' +
  '[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:' +
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384';
/** Measured: what Envoy 1.40 offers in TLS 1.3; in a ClientHello of TLS 1.2 the first one is left out. */
const DEFAULT_CURVES = ['X25519MLKEM768', 'X25519', 'P-256'];

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
};

/** BoringSSL's names of curves and OpenSSL's. */
const CURVES: ReadonlyMap<string, string> = new Map([
  ['P-256', 'P-256'],
  ['prime256v1', 'P-256'],
  ['P-384', 'P-384'],
  ['secp384r1', 'P-384'],
  ['P-521', 'P-521'],
  ['secp521r1', 'P-521'],
  ['X25519', 'X25519'],
  ['x25519', 'X25519'],
  ['X25519MLKEM768', 'X25519MLKEM768'],
  ['MLKEM1024', 'MLKEM1024'],
]);

/** BoringSSL's names of signature algorithms and what each is in OpenSSL. */
const SIGNATURES: ReadonlyMap<string, string> = new Map([
  ...[
    'rsa_pkcs1_sha1',
    'rsa_pkcs1_sha256',
    'rsa_pkcs1_sha384',
    'rsa_pkcs1_sha512',
    'ecdsa_sha1',
    'ecdsa_secp256r1_sha256',
    'ecdsa_secp384r1_sha384',
    'ecdsa_secp521r1_sha512',
    'rsa_pss_rsae_sha256',
    'rsa_pss_rsae_sha384',
    'rsa_pss_rsae_sha512',
    'ed25519',
    'mldsa44',
    'mldsa65',
    'mldsa87',
  ].map((name): [string, string] => [name, name]),
  ['RSA+SHA1', 'rsa_pkcs1_sha1'],
  ['RSA+SHA256', 'rsa_pkcs1_sha256'],
  ['RSA+SHA384', 'rsa_pkcs1_sha384'],
  ['RSA+SHA512', 'rsa_pkcs1_sha512'],
  ['RSA-PSS+SHA256', 'rsa_pss_rsae_sha256'],
  ['RSA-PSS+SHA384', 'rsa_pss_rsae_sha384'],
  ['RSA-PSS+SHA512', 'rsa_pss_rsae_sha512'],
  ['ECDSA+SHA1', 'ecdsa_sha1'],
  ['ECDSA+SHA256', 'ecdsa_secp256r1_sha256'],
  ['ECDSA+SHA384', 'ecdsa_secp384r1_sha384'],
  ['ECDSA+SHA512', 'ecdsa_secp521r1_sha512'],
]);

/** What BoringSSL's compliance policies set, measured by ClientHellos of Envoy 1.40. */
const POLICIES: ReadonlyMap<string, TlsParametersConfig> = new Map([
  [
    'FIPS_202205',
    {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers:
        'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:' +
        'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384',
      curves: 'P-256:P-384',
      signatureAlgorithms:
        'rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512:ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:' +
        'rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512',
    },
  ],
  [
    'CNSA1_202603',
    {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384',
      curves: 'MLKEM1024:P-384',
      signatureAlgorithms: 'ecdsa_secp384r1_sha384:rsa_pss_rsae_sha384:rsa_pkcs1_sha384',
    },
  ],
  [
    'CNSA2_202603',
    {
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_256_GCM_SHA384',
      curves: 'MLKEM1024',
      signatureAlgorithms: 'ecdsa_secp384r1_sha384:rsa_pss_rsae_sha384:rsa_pkcs1_sha384',
    },
  ],
]);

/** Whose order counts when a server chooses. */
export type Preference = 'client' | 'server' | 'server by the order of its clients';

/** Always whole: what is rejected leaves nothing in its place. */
export function decodeTlsParameters(message: TlsParameters, side: Preference, d: ConfigDecoder): TlsParametersConfig {
  const policy = message.compliance_policies?.[0];
  if (policy !== undefined) {
    const found = decodePolicy(message, String(policy), d);
    return { ...found, curves: curveList(found.curves.split(':'), side) };
  }
  const curves = decodeNames(message.ecdh_curves ?? [], CURVES);
  const signatures = decodeNames(message.signature_algorithms ?? [], SIGNATURES);
  if (curves === null) refuse('ecdh_curves', 'ECDH curves', message, d);
  if (signatures === null) refuse('signature_algorithms', 'TLS signature algorithms', message, d);
  return {
    minVersion: VERSIONS[message.tls_minimum_protocol_version ?? ''] ?? 'TLSv1.2',
    maxVersion: VERSIONS[message.tls_maximum_protocol_version ?? ''] ?? (side === 'client' ? 'TLSv1.2' : 'TLSv1.3'),
    ciphers: decodeCiphers(message.cipher_suites ?? [], d),
    curves: curveList(curves === null || curves.length === 0 ? DEFAULT_CURVES : curves, side),
    signatureAlgorithms: (signatures ?? []).join(':'),
  };
}

/**
 * OpenSSL's list. A server takes the first that the client knows even where it costs another round trip, as BoringSSL
 * does ('/'); a client that begins with a post-quantum one sends a share of the first other one along ('*').
 */
function curveList(names: readonly string[], side: Preference): string {
  if (side === 'server') return names.join('/');
  const isQuantum = (name: string): boolean => name.includes('MLKEM');
  if (side !== 'client' || !isQuantum(names[0] as string)) return names.join(':');
  const other = names.find((name) => !isQuantum(name));
  return names.map((name, i) => (i === 0 || name === other ? `*${name}` : name)).join(':');
}

function decodePolicy(message: TlsParameters, policy: string, d: ConfigDecoder): TlsParametersConfig {
  for (const field of Object.keys(message)) {
    if (field === 'compliance_policies' || message[field as keyof TlsParameters] === undefined) continue;
    d.reject(field, 'takes no effect beside compliance_policies, which sets all parameters');
  }
  const found = POLICIES.get(policy);
  if (found !== undefined) return found;
  d.reject('compliance_policies[0]', `Unknown compliance policy: ${policy}`);
  return POLICIES.get('FIPS_202205') as TlsParametersConfig;
}

/** What nearly every cluster of a mesh has. */
let defaultCiphers: string | null = null;

function decodeCiphers(suites: readonly string[], d: ConfigDecoder): string {
  if (suites.length === 0) {
    defaultCiphers ??= (expandCipherList(DEFAULT_CIPHERS) ?? []).join(':');
    return defaultCiphers;
  }
  const joined = suites.join(':');
  const list = joined === '' ? DEFAULT_CIPHERS : joined;
  const names = expandCipherList(list);
  if (names === null) {
    d.reject(
      'cipher_suites',
      `Failed to initialize cipher suites ${list}. The following ciphers were rejected when tried individually: ` +
        rejectedCiphers(list).join(', '),
    );
    return '';
  }
  const usable = names.filter((name) => name !== 'DES-CBC3-SHA');
  if (usable.length > 0 && usable.length === names.length) return usable.join(':');
  if (usable.length < names.length) d.reject('cipher_suites', 'DES-CBC3-SHA is not supported');
  else d.reject('cipher_suites', `no cipher of ${list} works without pre-shared keys`);
  return '';
}

/** By OpenSSL's names; null where one is unknown or there twice. */
function decodeNames(given: readonly string[], known: ReadonlyMap<string, string>): string[] | null {
  const names: string[] = [];
  const joined = given.join(':');
  for (const one of joined === '' ? [] : joined.split(':')) {
    const name = known.get(one);
    if (name === undefined || names.includes(name)) return null;
    names.push(name);
  }
  return names;
}

function refuse(
  field: 'ecdh_curves' | 'signature_algorithms',
  what: string,
  message: TlsParameters,
  d: ConfigDecoder,
): void {
  d.reject(field, `Failed to initialize ${what} ${(message[field] ?? []).join(':')}`);
}
