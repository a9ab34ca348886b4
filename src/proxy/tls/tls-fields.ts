// Fields of TLS messages that take effect, and what needs no effect.
import { STRING_MATCHER_FIELDS } from '../config/matcher.ts';
import { DATA_SOURCE_FIELDS } from '../formatter/data-source.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const CORE = 'envoy.config.core.v3';

/** What both sides, and secrets, have in common. */
export const COMMON_TLS_FIELDS = {
  [`${TLS}.CommonTlsContext`]: `
    tls_params tls_certificates validation_context alpn_protocols tls_certificate_sds_secret_configs
    validation_context_sds_secret_config combined_validation_context key_log`,
  [`${TLS}.CommonTlsContext.CombinedCertificateValidationContext`]:
    'default_validation_context validation_context_sds_secret_config',
  [`${TLS}.TlsParameters`]: `
    tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves signature_algorithms
    compliance_policies`,
  [`${TLS}.TlsCertificate`]: 'certificate_chain private_key password ocsp_staple watched_directory pkcs12',
  [`${TLS}.CertificateValidationContext`]: `
    trusted_ca verify_certificate_hash verify_certificate_spki crl allow_expired_certificate match_subject_alt_names
    trust_chain_verification watched_directory custom_validator_config only_verify_leaf_cert_crl
    match_typed_subject_alt_names max_verify_depth`,
  [`${TLS}.SubjectAltNameMatcher`]: 'san_type matcher oid',
  [`${TLS}.SPIFFECertValidatorConfig`]: 'trust_domains trust_bundles',
  [`${TLS}.SPIFFECertValidatorConfig.TrustDomain`]: 'name trust_bundle',
  [`${TLS}.SdsSecretConfig`]: 'name sds_config',
  [`${TLS}.TlsSessionTicketKeys`]: 'keys',
  [`${TLS}.TlsKeyLog`]: 'path local_address_range remote_address_range',
  [`${CORE}.TypedExtensionConfig`]: 'name typed_config',
  [`${CORE}.ConfigSource`]: 'path path_config_source resource_api_version initial_fetch_timeout',
  [`${CORE}.PathConfigSource`]: 'path watched_directory',
  [`${CORE}.WatchedDirectory`]: 'path',
  [`${CORE}.CidrRange`]: 'address_prefix prefix_len',
  // The configuration of Envoy's default validator, which has none.
  'google.protobuf.Empty': '',
  ...DATA_SOURCE_FIELDS,
  ...STRING_MATCHER_FIELDS,
} as const;

export const DOWNSTREAM_TLS_FIELDS = {
  [`${TLS}.DownstreamTlsContext`]: `
    common_tls_context require_client_certificate require_sni session_ticket_keys
    session_ticket_keys_sds_secret_config session_timeout disable_stateless_session_resumption ocsp_staple_policy
    full_scan_certs_on_sni_mismatch disable_stateful_session_resumption prefer_client_ciphers`,
  ...COMMON_TLS_FIELDS,
};

export const UPSTREAM_TLS_FIELDS = {
  [`${TLS}.UpstreamTlsContext`]: `
    common_tls_context sni allow_renegotiation max_session_keys enforce_rsa_key_usage auto_host_sni
    auto_sni_san_validation`,
  ...COMMON_TLS_FIELDS,
};

/** static_resources.secrets. */
export const SECRET_FIELDS = {
  [`${TLS}.Secret`]: 'name tls_certificate session_ticket_keys validation_context generic_secret',
  [`${TLS}.GenericSecret`]: 'secret',
  ...COMMON_TLS_FIELDS,
};
