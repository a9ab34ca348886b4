// Decodes DownstreamTlsContext and UpstreamTlsContext into what the transports run on, or every reason why not.
import { type Cidr, makeCidr } from '../../base/ip.ts';
import { bytesOf } from '../../base/matcher-text.ts';
import type {
  CidrRange,
  CommonTlsContext,
  CommonTlsContext_CombinedCertificateValidationContext,
  DownstreamTlsContext,
  TlsKeyLog,
  UpstreamTlsContext,
} from '../../proto/generated/types.d.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { decodeCertificate, isBlankCertificate } from './decode-certificate.ts';
import { decodeTicketKeys } from './decode-secret.ts';
import { decodeSecretRef } from './decode-secret-ref.ts';
import { checkValidation, decodeValidation, validationNames } from './decode-validation.ts';
import type { KeyLogFiles } from './key-log.ts';
import { mergeParts } from './secret-store.ts';
import type {
  CertificateSecret,
  CommonTlsConfig,
  DownstreamTlsConfig,
  SecretRef,
  TicketKeysSecret,
  UpstreamTlsConfig,
  ValidationSecret,
} from './tls-config.ts';
import { decodeTlsParameters, type Preference } from './tls-parameters.ts';

/** BoringSSL: SSL_DEFAULT_SESSION_TIMEOUT, which 0 stands for, too. */
const SESSION_TIMEOUT_S = 7200;
/** Envoy: how many sessions a client context keeps. */
const MAX_SESSION_KEYS = 1;
/** RFC 7301: a name has 255 bytes, the list of all 65535 with one byte more for each. */
const MAX_PROTOCOL_BYTES = 255;
const MAX_PROTOCOLS_BYTES = 65_535;

export function decodeDownstreamTls(message: DownstreamTlsContext, d: ConfigDecoder): DownstreamTlsConfig {
  const prefersClientCiphers = message.prefer_client_ciphers === true;
  const preference = prefersClientCiphers ? 'server by the order of its clients' : 'server';
  const common = decodeCommon(message.common_tls_context ?? {}, preference, d.at('common_tls_context'));
  const ocspStaplePolicy = stapling(message.ocsp_staple_policy);
  if (ocspStaplePolicy === 'MUST_STAPLE') checkStaples(common, d);
  return {
    common,
    requiresClientCertificate: message.require_client_certificate === true,
    requiresSni: message.require_sni === true,
    ticketKeys: decodeTickets(message, d),
    sessionTimeoutS: sessionTimeoutS(message, d),
    hasTickets: message.disable_stateless_session_resumption !== true,
    hasSessionCache: message.disable_stateful_session_resumption !== true,
    ocspStaplePolicy,
    fullScanOnSniMismatch: message.full_scan_certs_on_sni_mismatch === true,
    prefersClientCiphers,
  };
}

export function decodeUpstreamTls(message: UpstreamTlsContext, d: ConfigDecoder): UpstreamTlsConfig {
  const common = decodeCommon(message.common_tls_context ?? {}, 'client', d.at('common_tls_context'));
  const sni = bytesOf(message.sni ?? '');
  if (sni.includes('\0')) d.reject('sni', 'SNI names containing NULL-byte are not allowed');
  if (message.allow_renegotiation === true) d.reject('allow_renegotiation', 'renegotiation is not supported');
  if (message.auto_sni_san_validation === true && common.validation === null) {
    d.reject('auto_sni_san_validation', "'auto_sni_san_validation' was configured without a validation context");
  }
  return {
    common,
    sni,
    usesHostSni: message.auto_host_sni === true,
    verifiesSniSan: message.auto_sni_san_validation === true,
    maxSessionKeys: message.max_session_keys ?? MAX_SESSION_KEYS,
    enforcesRsaKeyUsage: message.enforce_rsa_key_usage ?? true,
  };
}

// ─── Both sides ─────────────────────────────────────────────────────────────────────────────────────────────────────

function decodeCommon(message: CommonTlsContext, side: Preference, d: ConfigDecoder): CommonTlsConfig {
  return {
    ...decodeTlsParameters(message.tls_params ?? {}, side, d.at('tls_params')),
    alpn: decodeAlpn(message.alpn_protocols ?? [], d),
    certificates: decodeCertificates(message, side === 'client' ? 'client' : 'server', d),
    validation: decodeValidationRef(message, d),
    keyLog: message.key_log === undefined ? null : decodeKeyLog(message.key_log, d.at('key_log')),
  };
}

function decodeAlpn(names: readonly string[], d: ConfigDecoder): string[] {
  // Envoy joins them with commas and cuts them there again.
  const protocols = names
    .join(',')
    .split(',')
    .map(bytesOf)
    .filter((name) => name !== '');
  const total = protocols.reduce((sum, name) => sum + name.length + 1, 0);
  if (total > MAX_PROTOCOLS_BYTES || protocols.some((name) => name.length > MAX_PROTOCOL_BYTES)) {
    d.reject('alpn_protocols', 'Invalid ALPN protocol string');
    return [];
  }
  return protocols;
}

function decodeCertificates(
  message: CommonTlsContext,
  side: 'client' | 'server',
  d: ConfigDecoder,
): SecretRef<CertificateSecret>[] {
  const inline = message.tls_certificates ?? [];
  const sds = message.tls_certificate_sds_secret_configs ?? [];
  if (inline.length > 0 && sds.length > 0) {
    d.reject(
      'tls_certificate_sds_secret_configs',
      `SDS and non-SDS TLS certificates may not be mixed in ${side} contexts`,
    );
  } else if (side === 'client' && inline.length + sds.length > 1) {
    d.reject(
      inline.length > 0 ? 'tls_certificates' : 'tls_certificate_sds_secret_configs',
      'Multiple TLS certificates are not supported for client contexts',
    );
  } else if (side === 'server' && inline.length + sds.length === 0) {
    d.reject('tls_certificates', 'No TLS certificates found for server context');
  }
  const found: SecretRef<CertificateSecret>[] = [];
  for (const [i, certificate] of inline.entries()) {
    if (isBlankCertificate(certificate)) continue;
    const value = decodeCertificate(certificate, d.at('tls_certificates', i));
    if (value !== null) found.push({ kind: 'inline', value });
  }
  if (side === 'server' && inline.length > 0 && inline.every(isBlankCertificate)) {
    d.reject('tls_certificates', 'Server TlsCertificates must have a certificate specified');
  }
  for (const [i, config] of sds.entries()) {
    const ref = decodeSecretRef(config, 'certificate', d.at('tls_certificate_sds_secret_configs', i));
    if (ref !== null) found.push(ref);
  }
  return found;
}

function decodeValidationRef(message: CommonTlsContext, d: ConfigDecoder): CommonTlsConfig['validation'] {
  const { validation_context: context, validation_context_sds_secret_config: sds } = message;
  if (context !== undefined) {
    const dv = d.at('validation_context');
    const value = decodeValidation(context, dv);
    if (value === null || !checkValidation(value, validationNames(context), dv)) return null;
    return { ref: { kind: 'inline', value }, base: null };
  }
  if (sds !== undefined) {
    const ref = decodeSecretRef(sds, 'validation', d.at('validation_context_sds_secret_config'));
    return ref === null ? null : { ref, base: null };
  }
  const combined = message.combined_validation_context;
  return combined === undefined ? null : decodeCombined(combined, d.at('combined_validation_context'));
}

function decodeCombined(
  message: CommonTlsContext_CombinedCertificateValidationContext,
  d: ConfigDecoder,
): CommonTlsConfig['validation'] {
  const context = message.default_validation_context ?? {};
  const base = decodeValidation(context, d.at('default_validation_context'));
  if (base === null) return null;
  const names = validationNames(context);
  const check = (secret: ValidationSecret): string | null => {
    const whole = mergeParts(base, secret);
    const dm = new ConfigDecoder(d.environment);
    return checkValidation(whole, names, dm) ? null : (dm.reasons[0]?.reason ?? null);
  };
  const ref = decodeSecretRef(
    message.validation_context_sds_secret_config ?? {},
    'validation',
    d.at('validation_context_sds_secret_config'),
    check,
  );
  return ref === null ? null : { ref, base };
}

function decodeKeyLog(message: TlsKeyLog, d: ConfigDecoder): CommonTlsConfig['keyLog'] {
  const { accessLogFiles } = d.environment as { readonly accessLogFiles?: KeyLogFiles };
  const opened = accessLogFiles?.open(message.path ?? '');
  if (typeof opened === 'string') d.reject('path', opened);
  return {
    path: message.path ?? '',
    local: decodeRanges(message.local_address_range ?? [], 'local_address_range', d),
    remote: decodeRanges(message.remote_address_range ?? [], 'remote_address_range', d),
  };
}

function decodeRanges(ranges: readonly CidrRange[], field: string, d: ConfigDecoder): Cidr[] {
  const found: Cidr[] = [];
  for (const [i, { address_prefix: address = '', prefix_len: length = 0 }] of ranges.entries()) {
    const cidr = makeCidr(address, length);
    if (cidr !== null) found.push(cidr);
    else d.reject(`${field}[${i}]`, `invalid ip/mask combo '${address}/${length}' (format is <ip>/<# mask bits>)`);
  }
  return found;
}

// ─── Servers ────────────────────────────────────────────────────────────────────────────────────────────────────────

function decodeTickets(message: DownstreamTlsContext, d: ConfigDecoder): SecretRef<TicketKeysSecret> | null {
  if (message.session_ticket_keys !== undefined) {
    const value = decodeTicketKeys(message.session_ticket_keys, d.at('session_ticket_keys'));
    return value === null ? null : { kind: 'inline', value };
  }
  const sds = message.session_ticket_keys_sds_secret_config;
  return sds === undefined ? null : decodeSecretRef(sds, 'ticketKeys', d.at('session_ticket_keys_sds_secret_config'));
}

function sessionTimeoutS(message: DownstreamTlsContext, d: ConfigDecoder): number {
  const seconds = Math.floor(d.durationMs(message.session_timeout, SESSION_TIMEOUT_S * 1000) / 1000);
  return seconds === 0 ? SESSION_TIMEOUT_S : seconds;
}

function stapling(policy: DownstreamTlsContext['ocsp_staple_policy']): DownstreamTlsConfig['ocspStaplePolicy'] {
  return policy === 'MUST_STAPLE' || policy === 'STRICT_STAPLING' ? policy : 'LENIENT_STAPLING';
}

function checkStaples({ certificates }: CommonTlsConfig, d: ConfigDecoder): void {
  if (certificates.every((ref) => ref.kind !== 'inline' || ref.value.ocspStaple !== null)) return;
  d.reject('ocsp_staple_policy', 'Required OCSP response is missing from TLS context');
}
