// The names by which a TLS peer may be authenticated, from what the handshake established.
import type { CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';

/** A peer without a certificate has the empty subject, as in Envoy. */
const NO_NAMES: readonly string[] = [''];

/** Connections have their certificates for life, and rules ask for the names again and again. */
const known = new WeakMap<CertificateFacts, readonly string[]>();

/** URI SANs, DNS SANs and subject, in that order; also of a peer that nobody verified, as in Envoy. */
export function peerNames(tls: TlsFacts): readonly string[] {
  const certificate = tls.peerCertificate;
  if (certificate === null) return NO_NAMES;
  let names = known.get(certificate);
  if (names === undefined) {
    names = [...certificate.uriSans, ...certificate.dnsSans, certificate.subject];
    known.set(certificate, names);
  }
  return names;
}
