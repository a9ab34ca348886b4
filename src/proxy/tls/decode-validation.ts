// CertificateValidationContext: whom to believe.
import { trustError } from '../../net/tls/secure-context.ts';
import { asciiLower, bytesOf } from '../../base/matcher-text.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import type { CertificateValidationContext, DataSource, SubjectAltNameMatcher } from '../../proto/generated/types.d.ts';
import { decodeStringMatcher, type StringMatcherPb } from '../config/matcher.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { fingerprintOf } from './decode-certificate.ts';
import { decodeSpiffe, SPIFFE_VALIDATOR_TYPE } from './decode-spiffe.ts';
import { readSourceOrNothing, readWholeSource, sourceName } from './read-source.ts';
import type { SanMatcher, ValidationSecret } from './tls-config.ts';

const SHA256_BYTES = 32;
/** Without a type, a matcher is tried on each of these. Source: Envoy getSubjectAltNameMatchers. */
const UNTYPED = ['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'] as const;

/**
 * What the message says, or null after rejecting it. Whether its parts fit together is a question to the whole:
 * `validationError`, which for a combined context comes after the merge.
 */
export function decodeValidation(message: CertificateValidationContext, d: ConfigDecoder): ValidationSecret | null {
  const before = d.reasons.length;
  const trustedCa = message.trusted_ca === undefined ? null : readWholeSource(message.trusted_ca, d.at('trusted_ca'));
  const crl = readCrl(message.crl, d.at('crl'));
  const certificateHashes = decodeHashes(message.verify_certificate_hash ?? [], d);
  const spkiHashes = decodeSpkiHashes(message.verify_certificate_spki ?? [], d);
  const sanMatchers = decodeSanMatchers(message, d);
  const spiffe = decodeCustomValidator(message, d);
  if (d.reasons.length > before) return null;
  const value = {
    trustedCa,
    trustedCaName: sourceName(message.trusted_ca),
    crl,
    isCrlForLeafOnly: message.only_verify_leaf_cert_crl === true,
    allowsExpired: message.allow_expired_certificate === true,
    sanMatchers,
    certificateHashes,
    spkiHashes,
    acceptsUntrusted: message.trust_chain_verification === 'ACCEPT_UNTRUSTED',
    maxVerifyDepth: message.max_verify_depth ?? null,
    spiffeTrustDomains: spiffe,
  };
  const sanText = JSON.stringify([message.match_subject_alt_names, message.match_typed_subject_alt_names]);
  return withFingerprint(value, sanText);
}

function withFingerprint(value: Omit<ValidationSecret, 'fingerprint'>, sanText: string): ValidationSecret {
  const { trustedCa, crl, certificateHashes, spkiHashes, spiffeTrustDomains } = value;
  const flags = [value.isCrlForLeafOnly, value.allowsExpired, value.acceptsUntrusted, value.maxVerifyDepth];
  const domains = spiffeTrustDomains === null ? ['none'] : [...spiffeTrustDomains].flat();
  const parts = [trustedCa ?? 'none', crl ?? 'none', sanText, JSON.stringify([flags, certificateHashes, spkiHashes])];
  return { ...value, fingerprint: fingerprintOf([...parts, ...domains]) };
}

/** Why a context cannot be used, in Envoy's words; null when it can. `d` is told with the field. */
export function checkValidation(
  value: Omit<ValidationSecret, 'fingerprint'>,
  names: { readonly trustedCa: string; readonly crl: string },
  d: ConfigDecoder,
): boolean {
  const before = d.reasons.length;
  const { trustedCa, crl, spiffeTrustDomains } = value;
  // The SPIFFE validator reads neither; what it trusts was read with it.
  if (spiffeTrustDomains === null) {
    const error = trustError({ trustedCa, crl, trustedCaName: names.trustedCa, crlName: names.crl });
    if (error !== null) d.reject(error.includes('CRL') ? 'crl' : 'trusted_ca', error);
    if (trustedCa === null && value.sanMatchers.length > 0) {
      d.reject('', 'SAN-based verification of peer certificates without trusted CA is insecure and not allowed');
    }
    if (trustedCa === null && value.allowsExpired) {
      d.reject('allow_expired_certificate', 'Certificate validity period is always ignored without trusted CA');
    }
  }
  return d.reasons.length === before;
}

/** What the parts of a message are called in reasons. */
export function validationNames(message: CertificateValidationContext): { trustedCa: string; crl: string } {
  return { trustedCa: sourceName(message.trusted_ca), crl: sourceName(message.crl) };
}

/** An empty source counts as none, and so does text without a list: Envoy reads nothing out of either. */
function readCrl(source: DataSource | undefined, d: ConfigDecoder): Buffer | null {
  if (source === undefined) return null;
  const before = d.reasons.length;
  const bytes = readSourceOrNothing(source, d);
  if (d.reasons.length === before && bytes.length === 0 && source.filename !== undefined) {
    d.reject('filename', `Invalid path: ${source.filename}`);
  }
  return bytes.length === 0 ? null : bytes;
}

function decodeHashes(hashes: readonly string[], d: ConfigDecoder): string[] {
  return hashes.map((given, i) => {
    // Either 64 digits, or pairs of them with colons between.
    const hex = given.length === 95 ? given.replaceAll(':', '') : given;
    if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
      d.reject(`verify_certificate_hash[${i}]`, `Invalid hex-encoded SHA-256 ${given}`);
    }
    return hex.toLowerCase();
  });
}

function decodeSpkiHashes(hashes: readonly string[], d: ConfigDecoder): string[] {
  return hashes.map((given, i) => {
    const bytes = Buffer.from(given, 'base64');
    if (bytes.length !== SHA256_BYTES || bytes.toString('base64') !== given) {
      d.reject(`verify_certificate_spki[${i}]`, `Invalid base64-encoded SHA-256 ${given}`);
    }
    return given;
  });
}

function decodeSanMatchers(message: CertificateValidationContext, d: ConfigDecoder): SanMatcher[] {
  const typed = (message.match_typed_subject_alt_names ?? []).map((one, i) =>
    decodeSanMatcher(one, d.at('match_typed_subject_alt_names', i)),
  );
  const untyped = (message.match_subject_alt_names ?? []).flatMap((one, i) =>
    UNTYPED.map((san_type) => decodeSanMatcher({ san_type, matcher: one }, d.at('match_subject_alt_names', i), '')),
  );
  return [...typed, ...untyped];
}

export function decodeSanMatcher(message: SubjectAltNameMatcher, d: ConfigDecoder, field = 'matcher'): SanMatcher {
  const type = message.san_type as SanMatcher['type'];
  const pattern = message.matcher as StringMatcherPb | undefined;
  const matcher = decodeStringMatcher(pattern, field === '' ? d : d.at(field));
  const oid = message.oid ?? '';
  if (type === 'OTHER_NAME' && !/^[0-2](\.(0|[1-9]\d{0,9}))+$/.test(oid)) {
    d.reject('oid', `Failed to create SAN matcher for OTHER_NAME with OID: ${oid}`);
  }
  if (type !== 'DNS' || pattern?.exact === undefined) return { type, matcher, oid };
  return { type, matcher: new DnsNameMatcher(pattern.exact), oid };
}

/**
 * An exact DNS name, which a name with a wildcard in the certificate matches, too. Source: Envoy Utility::dnsNameMatch.
 */
export class DnsNameMatcher implements StringMatcher {
  readonly #name: string;
  readonly #label: string;
  /** Behind the first label; null when there is but one. */
  readonly #rest: string | null;

  constructor(name: string) {
    this.#name = asciiLower(bytesOf(name));
    const dot = this.#name.indexOf('.');
    this.#label = dot < 0 ? this.#name : this.#name.slice(0, dot);
    this.#rest = dot < 0 ? null : this.#name.slice(dot + 1);
  }

  /** `value` is the certificate's name. */
  matches(value: string): boolean {
    const pattern = asciiLower(value);
    if (pattern === this.#name) return true;
    const dot = pattern.indexOf('.');
    if (dot < 0 || this.#rest === null || pattern.slice(dot + 1) !== this.#rest) return false;
    const label = pattern.slice(0, dot);
    // An internationalised label is no pattern, and neither are two wildcards.
    if (label.startsWith('xn--') || this.#rest.includes('*')) return false;
    const star = label.indexOf('*');
    if (star < 0 || label.includes('*', star + 1)) return false;
    const [prefix, suffix] = [label.slice(0, star), label.slice(star + 1)];
    return label.length <= this.#label.length + 1 && this.#label.startsWith(prefix) && this.#label.endsWith(suffix);
  }
}

/** Trust domains of the SPIFFE validator; null for Envoy's default validator. */
function decodeCustomValidator(
  message: CertificateValidationContext,
  d: ConfigDecoder,
): ReadonlyMap<string, Buffer> | null {
  const custom = message.custom_validator_config;
  if (custom === undefined || custom.name === 'envoy.tls.cert_validator.default') return null;
  const dc = d.at('custom_validator_config');
  if (custom.name !== 'envoy.tls.cert_validator.spiffe') {
    dc.reject('name', `Failed to get certificate validator factory for ${custom.name ?? ''}`);
    return null;
  }
  const unpacked = d.environment.unpack(custom.typed_config, dc.at('typed_config'));
  if (unpacked === null) return null;
  if (unpacked.type === SPIFFE_VALIDATOR_TYPE) return decodeSpiffe(unpacked.message, dc.at('typed_config'));
  dc.reject('typed_config', `is a ${unpacked.type}, not a ${SPIFFE_VALIDATOR_TYPE}`);
  return null;
}
