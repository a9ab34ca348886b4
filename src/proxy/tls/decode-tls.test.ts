// Decoding of TLS contexts: what they become. What is refused is compared with Envoy in test/differential.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import { unpackExtension } from '../config/environment.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { decodeDownstreamTls, decodeUpstreamTls } from './decode-tls.ts';
import { DnsNameMatcher } from './decode-validation.ts';
import { mergeValidation } from './secret-store.ts';
import type { DownstreamTlsConfig, UpstreamTlsConfig, ValidationSecret } from './tls-config.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const ca = makeCa();
const leaf = makeCertificate({ issuer: ca, sans: [{ dns: 'A.example' }, { dns: '*.b.example' }] });
const rsa = makeCertificate({ issuer: ca, key: 'rsa2048', subject: 'Named.Example' });
const unnamed = makeCertificate({ issuer: ca, subject: 'common', sans: [{ uri: 'spiffe://a/b' }] });
const pair = (one: typeof leaf): object => ({
  certificate_chain: { inline_string: one.pem },
  private_key: { inline_string: one.keyPem },
});
const own = { tls_certificates: [pair(leaf)] };

function decode(type: string, json: object): [unknown, ConfigDecoder] {
  const report = new Report();
  const message = fromJson(registry.message(`${TLS}.${type}`), json, report);
  assert.ok(report.isEmpty, report.toString());
  const d = new ConfigDecoder({ unpack: unpackExtension });
  return [type.startsWith('Down') ? decodeDownstreamTls(message, d) : decodeUpstreamTls(message, d), d];
}
function down(json: object): DownstreamTlsConfig {
  const [config, d] = decode('DownstreamTlsContext', json);
  assert.deepEqual(d.reasons, []);
  return config as DownstreamTlsConfig;
}
function up(json: object): UpstreamTlsConfig {
  const [config, d] = decode('UpstreamTlsContext', json);
  assert.deepEqual(d.reasons, []);
  return config as UpstreamTlsConfig;
}
function trustOf(context: object): ValidationSecret {
  const { ref } = down({ common_tls_context: { ...own, validation_context: context } }).common.validation ?? {};
  assert.ok(ref?.kind === 'inline');
  return ref.value;
}
const trusted = { trusted_ca: { inline_string: ca.pem } };

it('has the defaults of Envoy', () => {
  const server = down({ common_tls_context: own });
  assert.equal(server.common.minVersion, 'TLSv1.2');
  assert.equal(server.common.maxVersion, 'TLSv1.3');
  assert.equal(server.common.curves, 'X25519MLKEM768/X25519/P-256', 'in this order, even at the cost of a round trip');
  assert.equal(
    server.common.ciphers,
    'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:' +
      'ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384',
  );
  assert.equal(server.sessionTimeoutS, 7200);
  assert.equal(server.hasTickets, true);
  assert.equal(server.hasSessionCache, true);
  assert.equal(server.ocspStaplePolicy, 'LENIENT_STAPLING');
  const client = up({});
  assert.equal(client.common.maxVersion, 'TLSv1.2');
  assert.equal(client.common.curves, '*X25519MLKEM768:*X25519:P-256', 'two shares, as Envoy sends them');
  assert.equal(client.maxSessionKeys, 1);
  assert.equal(client.common.validation, null, 'nobody is verified');
});

it('takes names of versions, curves, signatures and policies', () => {
  const { common } = down({
    common_tls_context: {
      ...own,
      tls_params: {
        tls_minimum_protocol_version: 'TLSv1_0',
        tls_maximum_protocol_version: 'TLSv1_1',
        cipher_suites: ['ECDHE-ECDSA-AES128-SHA', 'AES128-SHA'],
        ecdh_curves: ['prime256v1', 'secp384r1'],
        signature_algorithms: ['RSA-PSS+SHA256', 'ecdsa_secp256r1_sha256'],
      },
      alpn_protocols: ['h2,http/1.1', 'x'],
    },
  });
  assert.deepEqual([common.minVersion, common.maxVersion], ['TLSv1', 'TLSv1.1']);
  assert.equal(common.ciphers, 'ECDHE-ECDSA-AES128-SHA:AES128-SHA');
  assert.equal(common.curves, 'P-256/P-384');
  assert.equal(common.signatureAlgorithms, 'rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256');
  assert.deepEqual(common.alpn, ['h2', 'http/1.1', 'x']);
  const strict = down({ common_tls_context: { ...own, tls_params: { compliance_policies: ['CNSA2_202603'] } } });
  assert.deepEqual([strict.common.minVersion, strict.common.curves], ['TLSv1.3', 'MLKEM1024']);
});

it('reads certificates with their names', () => {
  const { common } = down({ common_tls_context: { tls_certificates: [pair(leaf), pair(rsa), {}, pair(unnamed)] } });
  const values = common.certificates.map((ref) => (ref.kind === 'inline' ? ref.value : null));
  assert.deepEqual(
    values.map((value) => value?.serverNames),
    [['a.example', '*.b.example'], ['named.example'], []],
  );
  assert.deepEqual(
    values.map((value) => value?.isEcdsa),
    [true, false, true],
  );
  assert.equal(new Set(values.map((value) => value?.fingerprint)).size, 3);
  assert.ok((values[0]?.validToMs ?? 0) > (values[0]?.validFromMs ?? 0));
});

it('reads what is trusted', () => {
  const hash = 'AB'.repeat(32);
  const found = trustOf({
    ...trusted,
    verify_certificate_hash: [hash, hash.match(/../g)?.join(':')],
    verify_certificate_spki: [Buffer.alloc(32).toString('base64')],
    match_subject_alt_names: [{ prefix: 'x' }],
    match_typed_subject_alt_names: [{ san_type: 'OTHER_NAME', oid: '1.2.3', matcher: { exact: 'o' } }],
    trust_chain_verification: 'ACCEPT_UNTRUSTED',
    max_verify_depth: 3,
    only_verify_leaf_cert_crl: true,
    allow_expired_certificate: true,
  });
  assert.equal(found.trustedCa?.toString(), ca.pem);
  assert.deepEqual(found.certificateHashes, [hash.toLowerCase(), hash.toLowerCase()]);
  assert.deepEqual(
    found.sanMatchers.map(({ type, oid }) => `${type} ${oid}`),
    ['OTHER_NAME 1.2.3', 'DNS ', 'URI ', 'EMAIL ', 'IP_ADDRESS '],
  );
  assert.deepEqual(
    [found.acceptsUntrusted, found.maxVerifyDepth, found.isCrlForLeafOnly, found.allowsExpired],
    [true, 3, true, true],
  );
});

it('tells trust apart by its fingerprint', () => {
  const contexts = [
    {},
    trusted,
    { trusted_ca: { inline_string: makeCa('other').pem } },
    { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    { ...trusted, match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a' } }] },
    { ...trusted, match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'a' } }] },
    { ...trusted, match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'a' } }] },
    { ...trusted, max_verify_depth: 1 },
    { ...trusted, allow_expired_certificate: true },
    { ...trusted, verify_certificate_hash: ['0'.repeat(64)] },
    { ...trusted, verify_certificate_spki: [Buffer.alloc(32).toString('base64')] },
    ...['a.test', 'b.test'].map((name) => ({
      custom_validator_config: {
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: {
          '@type': `type.googleapis.com/${TLS}.SPIFFECertValidatorConfig`,
          trust_domains: [{ name, trust_bundle: { inline_string: ca.pem } }],
        },
      },
    })),
  ];
  const prints = contexts.map((context) => trustOf(context).fingerprint);
  assert.equal(new Set(prints).size, contexts.length);
  assert.equal(trustOf(trusted).fingerprint, prints[1], 'the same again');
});

it('merges a secret into its default as protobuf does', () => {
  const base = trustOf({
    ...trusted,
    max_verify_depth: 2,
    match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a' } }],
  });
  const other = makeCa('other');
  const secret = trustOf({
    trusted_ca: { inline_string: other.pem },
    match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'b' } }],
  });
  const merged = mergeValidation(base, secret);
  assert.equal(merged?.trustedCa?.toString(), other.pem);
  assert.equal(merged?.maxVerifyDepth, 2);
  assert.deepEqual(
    merged?.sanMatchers.map(({ type }) => type),
    ['DNS', 'URI'],
  );
  assert.equal(mergeValidation(base, null), null, 'nothing is trusted before the secret is there');
  assert.equal(mergeValidation(null, secret), secret);
});

it('matches exact DNS names by what a certificate may stand for', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['a.example', 'A.EXAMPLE', true],
    ['a.example', '*.example', true],
    ['a.b.example', '*.example', false],
    ['a.example', '*', false],
    ['example', '*.example', false],
    ['example', 'example', true],
    ['foo.example', 'f*.example', true],
    ['foo.example', '*o.example', true],
    ['foo.example', 'f*oo.example', true],
    ['foo.example', 'fo*oo.example', false],
    ['foo.example', 'f*o*.example', false],
    ['xn--foo.example', 'xn--*.example', false],
    ['a.example', 'a.*', false],
    ['a.example', 'a.example\u0000.evil', false],
  ];
  for (const [name, value, expected] of rows) {
    assert.equal(new DnsNameMatcher(name).matches(value), expected, `${name} by ${value}`);
  }
});

it('reads the settings of both sides', () => {
  const server = down({
    common_tls_context: own,
    require_client_certificate: true,
    require_sni: true,
    session_timeout: '10.9s',
    disable_stateless_session_resumption: true,
    disable_stateful_session_resumption: true,
    ocsp_staple_policy: 'STRICT_STAPLING',
    full_scan_certs_on_sni_mismatch: true,
    prefer_client_ciphers: true,
  });
  const { common, ...settings } = server;
  assert.deepEqual(settings, {
    requiresClientCertificate: true,
    requiresSni: true,
    ticketKeys: null,
    sessionTimeoutS: 10,
    hasTickets: false,
    hasSessionCache: false,
    ocspStaplePolicy: 'STRICT_STAPLING',
    fullScanOnSniMismatch: true,
    prefersClientCiphers: true,
  });
  assert.equal(common.certificates.length, 1);
  const client = up({
    sni: 'ü.example',
    max_session_keys: 0,
    auto_host_sni: true,
    auto_sni_san_validation: true,
    common_tls_context: { validation_context: trusted },
  });
  assert.equal(client.sni, Buffer.from('ü.example').toString('latin1'));
  assert.deepEqual([client.maxSessionKeys, client.usesHostSni, client.verifiesSniSan], [0, true, true]);
});
