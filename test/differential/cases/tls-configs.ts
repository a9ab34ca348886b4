// TLS contexts that are refused, and odd ones that pass: certificates, trust, parameters, secrets.
import { makeCa, makeCertificate, makeCrl } from '../../support/certificates.ts';
import { any, bootstrap, cluster, type Fields, filter } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const ca = makeCa();
const good = makeCertificate({ issuer: ca, sans: [{ dns: 'a.example' }] });
const other = makeCertificate({ issuer: ca });
const p384 = makeCertificate({ issuer: ca, key: 'p384' });
const p521 = makeCertificate({ issuer: ca, key: 'p521' });
const ed25519 = makeCertificate({ issuer: ca, key: 'ed25519' });
const rsa = makeCertificate({ issuer: ca, key: 'rsa2048' });
const weak = makeCertificate({ issuer: ca, key: 'rsa1024' });
const encrypted = good.key
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' })
  .toString();

type Pem = { readonly pem: string; readonly keyPem: string };
const inline = (text: string): Fields => ({ inline_string: text });
const pair = (one: Pem): Fields => ({ certificate_chain: inline(one.pem), private_key: inline(one.keyPem) });
const own: Fields = { tls_certificates: [pair(good)] };
const trust: Fields = { trusted_ca: inline(ca.pem) };
const bytes = (length: number): Fields => ({ inline_bytes: Buffer.alloc(length).toString('base64') });

type Parts = { readonly secrets?: readonly Fields[]; readonly around?: Fields };

function withSecrets(config: Fields, secrets: readonly Fields[] | undefined): Fields {
  const statics = config['static_resources'] as Fields;
  return secrets === undefined ? config : { ...config, static_resources: { ...statics, secrets } };
}

/** A listener with this context. */
function down(context: Fields, { secrets }: Parts = {}): Fields {
  const listener = {
    name: 'main',
    address: { socket_address: { address: '127.0.0.1', port_value: '{{listen.main}}' } },
    filter_chains: [
      {
        filters: [filter('echo', 'envoy.extensions.filters.network.echo.v3.Echo')],
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: any(`${TLS}.DownstreamTlsContext`, context),
        },
      },
    ],
  };
  return withSecrets(bootstrap({ listeners: [listener], clusters: [] }), secrets);
}
const downCommon = (common: Fields, parts?: Parts): Fields => down({ common_tls_context: common }, parts);
const validation = (context: Fields): Fields => downCommon({ ...own, validation_context: context });
const params = (tls_params: Fields): Fields => downCommon({ ...own, tls_params });
const certificate = (fields: Fields): Fields => downCommon({ tls_certificates: [fields] });

/** A cluster with this context. */
function up(context: Fields): Fields {
  const typed_config = any(`${TLS}.UpstreamTlsContext`, context);
  const a = cluster('a', ['a'], { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } });
  return bootstrap({ listeners: [], clusters: [a] });
}
const upCommon = (common: Fields): Fields => up({ common_tls_context: common });

const spiffe = (config: Fields, more: Fields = {}): Fields =>
  validation({
    ...more,
    custom_validator_config: {
      name: 'envoy.tls.cert_validator.spiffe',
      typed_config: any(`${TLS}.SPIFFECertValidatorConfig`, config),
    },
  });
const domain = (name: string, bundle = ca.pem): Fields => ({ name, trust_bundle: inline(bundle) });
const combined = (base: Fields): Fields => ({
  ...own,
  combined_validation_context: {
    default_validation_context: base,
    validation_context_sds_secret_config: { name: 'trust' },
  },
});
const dns: Fields = { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a.example' } }] };
const NO_CA = 'SAN-based verification of peer certificates without trusted CA is insecure and not allowed';
const X5C = Buffer.from(ca.der).toString('base64');

const certificateCases: readonly ConfigCase[] = [
  { name: 'tls, a good certificate', config: downCommon(own), isGood: true },
  { name: 'tls, ECDSA P-384', config: certificate(pair(p384)), isGood: true },
  { name: 'tls, ECDSA P-521', config: certificate(pair(p521)), isGood: true },
  { name: 'tls, Ed25519', config: certificate(pair(ed25519)), isGood: true },
  { name: 'tls, RSA 2048', config: certificate(pair(rsa)), isGood: true },
  {
    name: 'tls, RSA 1024',
    config: certificate(pair(weak)),
    mentions: ['only RSA certificates with 2048-bit or larger keys are supported', 'certificate_chain'],
  },
  {
    name: 'tls, RSA 1024 upstream',
    config: upCommon({ tls_certificates: [pair(weak)] }),
    mentions: ['only RSA certificates with 2048-bit or larger keys are supported', 'cluster "a"'],
  },
  {
    name: 'tls, several certificates',
    config: downCommon({ tls_certificates: [pair(good), pair(rsa), pair(other)] }),
    isGood: true,
  },
  {
    name: 'tls, two certificates upstream',
    config: upCommon({ tls_certificates: [pair(good), pair(rsa)] }),
    mentions: ['Multiple TLS certificates are not supported for client contexts'],
  },
  { name: 'tls, no certificate', config: down({}), mentions: ['No TLS certificates found for server context'] },
  { name: 'tls, nothing upstream', config: up({}), isGood: true },
  { name: 'tls, a blank certificate upstream', config: upCommon({ tls_certificates: [{}] }), isGood: true },
  {
    name: 'tls, a blank certificate',
    config: certificate({}),
    mentions: ['Server TlsCertificates must have a certificate specified'],
  },
  {
    name: 'tls, the key of another certificate',
    config: certificate({ ...pair(good), private_key: inline(other.keyPem) }),
    mentions: ['Failed to load private key from <inline>', 'KEY_VALUES_MISMATCH'],
  },
  {
    name: 'tls, a key of another kind',
    config: certificate({ ...pair(good), private_key: inline(rsa.keyPem) }),
    mentions: ['KEY_TYPE_MISMATCH'],
  },
  {
    name: 'tls, no key',
    config: certificate({ certificate_chain: inline(good.pem) }),
    mentions: ['Failed to load incomplete private key from path: '],
  },
  {
    name: 'tls, no chain',
    config: certificate({ private_key: inline(good.keyPem) }),
    mentions: ['certificate chain not set'],
  },
  {
    name: 'tls, a chain that is not there',
    config: certificate({ ...pair(good), certificate_chain: { filename: '{{dir}}/none.pem' } }),
    mentions: ['Failed to load incomplete certificate from', 'none.pem'],
  },
  {
    name: 'tls, a key that is not there',
    config: certificate({ ...pair(good), private_key: { filename: '{{dir}}/none.pem' } }),
    mentions: ['Failed to load incomplete private key from path: ', 'none.pem'],
  },
  {
    name: 'tls, a chain that is no certificate',
    config: certificate({ ...pair(good), certificate_chain: inline('nonsense') }),
    mentions: ['Failed to load certificate chain from <inline>'],
  },
  {
    name: 'tls, a key that is no key',
    config: certificate({ ...pair(good), private_key: inline('nonsense') }),
    mentions: ['NO_START_LINE'],
  },
  {
    name: 'tls, an encrypted key without password',
    config: certificate({ ...pair(good), private_key: inline(encrypted) }),
    mentions: ['Failed to load private key', 'BAD_PASSWORD_READ'],
  },
  {
    name: 'tls, an encrypted key with another password',
    config: certificate({ ...pair(good), private_key: inline(encrypted), password: inline('wrong') }),
    mentions: ['Failed to load private key', 'BAD_DECRYPT'],
  },
  {
    name: 'tls, an encrypted key',
    config: certificate({ ...pair(good), private_key: inline(encrypted), password: inline('secret') }),
    isGood: true,
  },
  {
    name: 'tls, a private key provider',
    config: certificate({ certificate_chain: inline(good.pem), private_key_provider: { provider_name: 'x' } }),
    mentions: ['private_key_provider'],
  },
  {
    name: 'tls, a signed certificate timestamp',
    config: certificate({ ...pair(good), signed_certificate_timestamp: [inline('x')] }),
    mentions: ['signed_certificate_timestamp'],
    stricter: 'Envoy ignores it',
  },
  {
    name: 'tls, a staple as text',
    config: certificate({ ...pair(good), ocsp_staple: inline('x') }),
    mentions: ['OCSP staple cannot be provided via inline_string'],
  },
  {
    name: 'tls, a staple that is none',
    config: certificate({ ...pair(good), ocsp_staple: bytes(7) }),
    mentions: ['Data contained more than a single OCSP response'],
  },
  {
    name: 'tls, a staple that must be there',
    config: down({ common_tls_context: own, ocsp_staple_policy: 'MUST_STAPLE' }),
    mentions: ['Required OCSP response is missing from TLS context'],
  },
];

const validationCases: readonly ConfigCase[] = [
  { name: 'tls, an empty validation context', config: validation({}), isGood: true },
  { name: 'tls, names without a CA', config: validation(dns), mentions: [NO_CA] },
  {
    name: 'tls, names without a CA where nobody is refused',
    config: validation({ ...dns, trust_chain_verification: 'ACCEPT_UNTRUSTED' }),
    mentions: [NO_CA],
  },
  {
    name: 'tls, expired ones without a CA',
    config: validation({ allow_expired_certificate: true }),
    mentions: ['Certificate validity period is always ignored without trusted CA'],
  },
  {
    name: 'tls, a short hash',
    config: validation({ verify_certificate_hash: ['abc'] }),
    mentions: ['verify_certificate_hash'],
  },
  {
    name: 'tls, a hash that is not hexadecimal',
    config: validation({ verify_certificate_hash: ['z'.repeat(64)] }),
    mentions: ['Invalid hex-encoded SHA-256 zzz'],
  },
  {
    name: 'tls, a hash with colons',
    config: validation({ verify_certificate_hash: [Array(32).fill('AB').join(':')] }),
    isGood: true,
  },
  {
    name: 'tls, a short key hash',
    config: validation({ verify_certificate_spki: ['abc='] }),
    mentions: ['verify_certificate_spki'],
  },
  {
    name: 'tls, a key hash of another length',
    config: validation({ verify_certificate_spki: ['x'.repeat(44)] }),
    mentions: ['Invalid base64-encoded SHA-256 xxx'],
  },
  {
    name: 'tls, a CA that is none',
    config: validation({ trusted_ca: inline('nonsense') }),
    mentions: ['Failed to load trusted CA certificates from <inline>'],
  },
  {
    name: 'tls, an empty CA',
    config: validation({ trusted_ca: inline('') }),
    mentions: ['DataSource cannot be empty'],
  },
  {
    name: 'tls, a CA that is not there',
    config: validation({ trusted_ca: { filename: '{{dir}}/none.pem' } }),
    mentions: ['Invalid path: ', 'none.pem', 'trusted_ca'],
  },
  {
    name: 'tls, a CA of a variable that is not there',
    config: validation({ trusted_ca: { environment_variable: 'HEDDLE_TEST_NONE' } }),
    mentions: ["Environment variable doesn't exist: HEDDLE_TEST_NONE"],
  },
  { name: 'tls, a CA from nowhere', config: validation({ trusted_ca: {} }), mentions: ['trusted_ca'] },
  {
    name: 'tls, revocations without a CA',
    config: validation({ crl: inline(makeCrl({ issuer: ca })) }),
    mentions: ['without trusted CA'],
  },
  { name: 'tls, revocations', config: validation({ ...trust, crl: inline(makeCrl({ issuer: ca })) }), isGood: true },
  {
    name: 'tls, revocations that are none',
    config: validation({ ...trust, crl: inline('nonsense') }),
    mentions: ['Failed to load CRL from <inline>'],
    stricter: 'it would be without effect',
  },
  {
    name: 'tls, signed timestamps',
    config: validation({ ...trust, require_signed_certificate_timestamp: true }),
    mentions: ['require_signed_certificate_timestamp'],
    stricter: 'Envoy ignores it, so that nothing would be required',
  },
  { name: 'tls, a depth', config: validation({ ...trust, max_verify_depth: 100 }), isGood: true },
  {
    name: 'tls, a depth beyond all',
    config: validation({ ...trust, max_verify_depth: 101 }),
    mentions: ['max_verify_depth'],
  },
  {
    name: 'tls, a name of no kind',
    config: validation({ ...trust, match_typed_subject_alt_names: [{ matcher: { exact: 'x' } }] }),
    mentions: ['san_type'],
  },
  {
    name: 'tls, a name without matcher',
    config: validation({ ...trust, match_typed_subject_alt_names: [{ san_type: 'DNS' }] }),
    mentions: ['matcher'],
  },
  {
    name: 'tls, another name without type',
    config: validation({
      ...trust,
      match_typed_subject_alt_names: [{ san_type: 'OTHER_NAME', matcher: { exact: 'x' } }],
    }),
    mentions: ['Failed to create SAN matcher for OTHER_NAME with OID: '],
  },
  {
    name: 'tls, another name of a bad type',
    config: validation({
      ...trust,
      match_typed_subject_alt_names: [{ san_type: 'OTHER_NAME', oid: '1.x', matcher: { exact: 'x' } }],
    }),
    mentions: ['Failed to create SAN matcher for OTHER_NAME with OID: 1.x'],
  },
  {
    name: 'tls, a name by a bad expression',
    config: validation({
      ...trust,
      match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { safe_regex: { regex: '(' } } }],
    }),
    mentions: ['missing ): ('],
  },
  {
    name: 'tls, names of the old kind',
    config: validation({ ...trust, match_subject_alt_names: [{ exact: 'x' }] }),
    isGood: true,
  },
  {
    name: 'tls, the roots of the system',
    config: validation({ system_root_certs: {} }),
    mentions: ['system_root_certs'],
    stricter: 'Envoy ignores it, and would verify nobody',
  },
  {
    name: 'tls, a validator that nobody knows',
    config: validation({ custom_validator_config: { name: 'x', typed_config: any('google.protobuf.Empty') } }),
    mentions: ['Failed to get certificate validator factory for x'],
  },
  { name: 'tls, SPIFFE', config: spiffe({ trust_domains: [domain('a.test')] }), isGood: true },
  {
    name: 'tls, SPIFFE with a domain twice',
    config: spiffe({ trust_domains: [domain('a.test'), domain('a.test')] }),
    mentions: ['Multiple trust bundles are given for one trust domain for a.test'],
  },
  {
    name: 'tls, SPIFFE with a broken bundle',
    config: spiffe({ trust_domains: [domain('a.test', 'nonsense')] }),
    mentions: ['Failed to load trusted CA certificate for a.test'],
  },
  {
    name: 'tls, SPIFFE with a bundle map',
    config: spiffe({
      trust_bundles: inline(
        JSON.stringify({ trust_domains: { 'a.test': { keys: [{ kty: 'EC', use: 'x509-svid', x5c: [X5C] }] } } }),
      ),
    }),
    isGood: true,
  },
  {
    name: 'tls, SPIFFE with an empty bundle map',
    config: spiffe({ trust_bundles: inline('{"trust_domains":{}}') }),
    mentions: ['No trust domains found in SPIFFE bundle'],
  },
  {
    name: 'tls, SPIFFE with a broken bundle map',
    config: spiffe({ trust_bundles: inline('{') }),
    mentions: ['Invalid JSON found in SPIFFE bundle'],
  },
  {
    name: 'tls, SPIFFE with names and no CA',
    config: spiffe({ trust_domains: [domain('a.test')] }, dns),
    isGood: true,
  },
];

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

export const tlsConfigCases: readonly ConfigCase[] = [
  ...certificateCases,
  ...validationCases,
  ...parameterCases,
  ...sessionCases,
  ...secretCases,
];
