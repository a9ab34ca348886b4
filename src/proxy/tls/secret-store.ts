// Finds secrets for TLS contexts: those written in place, static ones, and files that may change.
import { fingerprintOf } from './decode-certificate.ts';
import type { ValidationSecret } from './tls-config.ts';

/**
 * Protobuf's MergeFrom of `secret` into the default: single values of the secret replace, lists append. Null for a
 * secret that is not there yet.
 */
export function mergeValidation(
  base: ValidationSecret | null,
  secret: ValidationSecret | null,
): ValidationSecret | null {
  if (secret === null || base === null) return secret;
  return {
    trustedCa: secret.trustedCa ?? base.trustedCa,
    crl: secret.crl ?? base.crl,
    isCrlForLeafOnly: secret.isCrlForLeafOnly || base.isCrlForLeafOnly,
    allowsExpired: secret.allowsExpired || base.allowsExpired,
    sanMatchers: [...base.sanMatchers, ...secret.sanMatchers],
    certificateHashes: [...base.certificateHashes, ...secret.certificateHashes],
    spkiHashes: [...base.spkiHashes, ...secret.spkiHashes],
    acceptsUntrusted: secret.acceptsUntrusted || base.acceptsUntrusted,
    maxVerifyDepth: secret.maxVerifyDepth ?? base.maxVerifyDepth,
    spiffeTrustDomains: secret.spiffeTrustDomains ?? base.spiffeTrustDomains,
    fingerprint: fingerprintOf([base.fingerprint, secret.fingerprint]),
  };
}
