// TLS contexts that are refused, and odd ones that pass: certificates and trust.
import { makeCrl } from '../../support/certificates.ts';
import { any } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import {
  ca,
  good,
  other,
  p384,
  p521,
  ed25519,
  rsa,
  weak,
  encrypted,
  pkcs12,
  inline,
  pair,
  own,
  trust,
  bytes,
  down,
  downCommon,
  validation,
  certificate,
  up,
  upCommon,
  spiffe,
  domain,
  dns,
  NO_CA,
  X5C,
} from './tls-config-parts.ts';
import { tlsParameterConfigCases } from './tls-parameter-configs.ts';

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
    // Once in 256 times the wrong key leaves what looks like an end, and what is before it is no key.
    mentions: ['Failed to load private key'],
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
  { name: 'tls, PKCS #12', config: certificate({ pkcs12, password: inline('hello') }), isGood: true },
  {
    name: 'tls, PKCS #12 with another password',
    config: certificate({ pkcs12, password: inline('wrong') }),
    mentions: ['Failed to load pkcs12 from <inline>'],
  },
  {
    name: 'tls, PKCS #12 that is none',
    config: certificate({ pkcs12: inline('nonsense') }),
    mentions: ['Failed to load pkcs12 from <inline>'],
  },
  {
    name: 'tls, PKCS #12 and a key',
    config: certificate({ pkcs12, password: inline('hello'), private_key: inline(good.keyPem) }),
    mentions: ["Certificate configuration can't have both pkcs12 and private_key"],
  },
  {
    name: 'tls, PKCS #12 and a chain',
    config: certificate({ pkcs12, password: inline('hello'), certificate_chain: inline(good.pem) }),
    mentions: ["Certificate configuration can't have both pkcs12 and certificate_chain"],
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

export const tlsConfigCases: readonly ConfigCase[] = [
  ...certificateCases,
  ...validationCases,
  ...tlsParameterConfigCases,
];
