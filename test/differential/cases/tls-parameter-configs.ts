// TLS contexts that are refused, and odd ones that pass: parameters, sessions and secrets.
import type { Fields } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import {
  good,
  other,
  inline,
  pair,
  own,
  trust,
  bytes,
  down,
  downCommon,
  params,
  up,
  combined,
  dns,
  NO_CA,
} from './tls-config-parts.ts';

const FAILED = 'The following ciphers were rejected when tried individually: ';
const parameterCases: readonly ConfigCase[] = [
  {
    name: 'tls, an unknown cipher',
    config: params({ cipher_suites: ['NOPE', 'ECDHE-RSA-AES128-GCM-SHA256', 'ALSO'] }),
    mentions: [
      `Failed to initialize cipher suites NOPE:ECDHE-RSA-AES128-GCM-SHA256:ALSO. ${FAILED}NOPE, ALSO`,
      'tls_params.cipher_suites',
    ],
  },
  {
    name: 'tls, an unknown cipher in a group',
    config: params({ cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256|NOPE]'] }),
    mentions: [`Failed to initialize cipher suites [ECDHE-ECDSA-AES128-GCM-SHA256|NOPE]. ${FAILED}NOPE`],
  },
  {
    name: 'tls, a cipher of TLS 1.3',
    config: params({ cipher_suites: ['TLS_AES_128_GCM_SHA256'] }),
    mentions: [`${FAILED}TLS_AES_128_GCM_SHA256`],
  },
  {
    name: 'tls, a group that does not end',
    config: params({ cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256'] }),
    mentions: ['Failed to initialize cipher suites [ECDHE-ECDSA-AES128-GCM-SHA256. '],
  },
  {
    name: 'tls, only an exclusion',
    config: params({ cipher_suites: ['-ECDHE-ECDSA-AES128-GCM-SHA256'] }),
    mentions: ['Failed to initialize cipher suites'],
  },
  {
    name: 'tls, ciphers by rules',
    config: params({ cipher_suites: ['ALL:-SHA1', 'ECDHE+AESGCM:@STRENGTH'] }),
    isGood: true,
  },
  {
    name: 'tls, groups of ciphers',
    config: params({ cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]', 'AES128-SHA'] }),
    isGood: true,
  },
  {
    name: 'tls, a cipher that OpenSSL has left',
    config: params({ cipher_suites: ['DES-CBC3-SHA'] }),
    mentions: ['DES-CBC3-SHA'],
    stricter: 'the runtime does not have it',
  },
  {
    name: 'tls, an unknown curve',
    config: params({ ecdh_curves: ['X25519', 'NOPE'] }),
    mentions: ['Failed to initialize ECDH curves X25519:NOPE'],
  },
  {
    name: 'tls, a curve that BoringSSL has left',
    config: params({ ecdh_curves: ['P-224'] }),
    mentions: ['Failed to initialize ECDH curves P-224'],
  },
  {
    name: 'tls, a curve twice',
    config: params({ ecdh_curves: ['P-256', 'P-256'] }),
    mentions: ['Failed to initialize ECDH curves P-256:P-256'],
  },
  {
    name: 'tls, all curves',
    config: params({ ecdh_curves: ['X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521'] }),
    isGood: true,
  },
  {
    name: 'tls, an unknown signature algorithm',
    config: params({ signature_algorithms: ['rsa_pss_rsae_sha256', 'NOPE'] }),
    mentions: ['Failed to initialize TLS signature algorithms rsa_pss_rsae_sha256:NOPE'],
  },
  {
    name: 'tls, signature algorithms',
    config: params({ signature_algorithms: ['rsa_pss_rsae_sha256', 'ECDSA+SHA256', 'ed25519'] }),
    isGood: true,
  },
  { name: 'tls, a compliance policy', config: params({ compliance_policies: ['FIPS_202205'] }), isGood: true },
  {
    name: 'tls, two compliance policies',
    config: params({ compliance_policies: ['FIPS_202205', 'CNSA1_202603'] }),
    mentions: ['compliance_policies'],
  },
  {
    name: 'tls, a compliance policy and curves',
    config: params({ compliance_policies: ['FIPS_202205'], ecdh_curves: ['X25519'] }),
    mentions: ['ecdh_curves', 'takes no effect beside compliance_policies'],
    stricter: 'one of them would be without effect',
  },
  {
    name: 'tls, a minimum above the maximum',
    config: params({ tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_2' }),
    isGood: true,
  },
  {
    name: 'tls, a protocol name too long',
    config: downCommon({ ...own, alpn_protocols: ['x'.repeat(256)] }),
    mentions: ['Invalid ALPN protocol string'],
  },
  { name: 'tls, an empty protocol name', config: downCommon({ ...own, alpn_protocols: [''] }), isGood: true },
  { name: 'tls, a custom handshaker', config: downCommon({ ...own, custom_handshaker: { name: 'x' } }) },
  {
    name: 'tls, a key log in no directory',
    config: downCommon({ ...own, key_log: { path: '{{dir}}/none/keys.log' } }),
    mentions: ['unable to open file', 'No such file or directory'],
  },
  {
    name: 'tls, a key log of no addresses',
    config: downCommon({
      ...own,
      key_log: { path: '{{dir}}/keys.log', local_address_range: [{ address_prefix: 'x', prefix_len: 8 }] },
    }),
    mentions: ["invalid ip/mask combo 'x/8' (format is <ip>/<# mask bits>)"],
  },
  {
    name: 'tls, a key log without path',
    config: downCommon({ ...own, key_log: {} }),
    mentions: ['key_log.path'],
  },
];

const sessionCases: readonly ConfigCase[] = [
  {
    name: 'tls, a ticket key of 48 bytes',
    config: down({ common_tls_context: own, session_ticket_keys: { keys: [bytes(48)] } }),
    mentions: ['Incorrect TLS session ticket key length. Length 48, expected length 80.'],
  },
  {
    name: 'tls, ticket keys',
    config: down({ common_tls_context: own, session_ticket_keys: { keys: [bytes(80), bytes(80)] } }),
    isGood: true,
  },
  {
    name: 'tls, no ticket keys',
    config: down({ common_tls_context: own, session_ticket_keys: { keys: [] } }),
    mentions: ['keys'],
  },
  {
    name: 'tls, a ticket key that is not there',
    config: down({ common_tls_context: own, session_ticket_keys: { keys: [{ filename: '{{dir}}/none' }] } }),
    mentions: ['Invalid path: '],
  },
  {
    name: 'tls, a session beyond all time',
    config: down({ common_tls_context: own, session_timeout: '4294967296s' }),
    mentions: ['session_timeout'],
  },
  {
    name: 'tls, a server name too long',
    config: up({ sni: 'x'.repeat(256) }),
    mentions: ['sni'],
  },
  {
    name: 'tls, a server name with NUL',
    config: up({ sni: 'a\0b' }),
    mentions: ['SNI names containing NULL-byte are not allowed'],
  },
  {
    name: 'tls, renegotiation',
    config: up({ allow_renegotiation: true }),
    mentions: ['allow_renegotiation'],
    stricter: 'it is not there',
  },
  {
    name: 'tls, the name of the server in nothing that is checked',
    config: up({ sni: 'a', auto_sni_san_validation: true }),
    mentions: ["'auto_sni_san_validation' was configured without a validation context"],
  },
];

const secret = (name: string, fields: Fields): Fields => ({ name, ...fields });
const secretCases: readonly ConfigCase[] = [
  {
    name: 'tls, a static certificate',
    config: downCommon(
      { tls_certificate_sds_secret_configs: [{ name: 'x' }] },
      { secrets: [secret('x', { tls_certificate: pair(good) })] },
    ),
    isGood: true,
  },
  {
    name: 'tls, a static certificate that nobody knows',
    config: downCommon({ tls_certificate_sds_secret_configs: [{ name: 'x' }] }),
    mentions: ['Unknown static secret: x'],
  },
  {
    name: 'tls, a static certificate that is a validation context',
    config: downCommon(
      { tls_certificate_sds_secret_configs: [{ name: 'x' }] },
      { secrets: [secret('x', { validation_context: trust })] },
    ),
    mentions: ['Unknown static secret: x'],
  },
  {
    name: 'tls, static validation that nobody knows',
    config: downCommon({ ...own, validation_context_sds_secret_config: { name: 'x' } }),
    mentions: ['Unknown static certificate validation context: x'],
  },
  {
    name: 'tls, static ticket keys that nobody knows',
    config: down({ common_tls_context: own, session_ticket_keys_sds_secret_config: { name: 'x' } }),
    mentions: ['Unknown tls session ticket keys: x'],
  },
  {
    name: 'tls, a static secret twice',
    config: downCommon(own, { secrets: [1, 2].map(() => secret('x', { tls_certificate: pair(good) })) }),
    mentions: ['Duplicate static TlsCertificate secret name x'],
  },
  {
    name: 'tls, a static secret of nothing',
    config: downCommon(own, { secrets: [{ name: 'x' }] }),
    mentions: ['Secret type not implemented', 'static_resources.secrets[0]'],
  },
  {
    name: 'tls, a broken static secret that nobody uses',
    config: downCommon(own, { secrets: [secret('x', { validation_context: { trusted_ca: inline('nonsense') } })] }),
    isGood: true,
  },
  {
    name: 'tls, a broken static secret',
    config: downCommon(
      { tls_certificate_sds_secret_configs: [{ name: 'x' }] },
      { secrets: [secret('x', { tls_certificate: { ...pair(good), private_key: inline(other.keyPem) } })] },
    ),
    mentions: ['KEY_VALUES_MISMATCH', 'static_resources.secrets[0].tls_certificate.private_key'],
  },
  {
    name: 'tls, certificates of both kinds',
    config: downCommon(
      { ...own, tls_certificate_sds_secret_configs: [{ name: 'x' }] },
      { secrets: [secret('x', { tls_certificate: pair(good) })] },
    ),
    mentions: ['SDS and non-SDS TLS certificates may not be mixed in server contexts'],
  },
  {
    name: 'tls, combined validation',
    config: downCommon(combined(dns), { secrets: [secret('trust', { validation_context: trust })] }),
    isGood: true,
  },
  {
    name: 'tls, combined validation without a CA',
    config: downCommon(combined(dns), { secrets: [secret('trust', { validation_context: {} })] }),
    mentions: [NO_CA],
  },
  {
    name: 'tls, combined validation without default',
    config: downCommon({
      ...own,
      combined_validation_context: { validation_context_sds_secret_config: { name: 'x' } },
    }),
    mentions: ['default_validation_context'],
  },
  {
    name: 'tls, a secret of no source',
    config: downCommon({ tls_certificate_sds_secret_configs: [{ name: 'x', sds_config: {} }] }),
    mentions: ['sds_config'],
  },
  {
    name: 'tls, a secret without name',
    config: downCommon({ tls_certificate_sds_secret_configs: [{}] }),
    mentions: ['name'],
  },
  {
    name: 'tls, a secret from a file that is not there',
    config: {
      ...downCommon({
        tls_certificate_sds_secret_configs: [
          { name: 'x', sds_config: { path_config_source: { path: '{{dir}}/none.yaml' } } },
        ],
      }),
      node: { id: 'n', cluster: 'c' },
    },
    mentions: ['paths must refer to an existing path in the system', 'none.yaml'],
  },
];

export const tlsParameterConfigCases: readonly ConfigCase[] = [...parameterCases, ...sessionCases, ...secretCases];
