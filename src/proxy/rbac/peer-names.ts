// The names by which a TLS peer may be authenticated, from what the handshake established.
import type { TlsFacts } from '../../base/byte-stream.ts';

/** What `TlsFacts.peerCertificate` must tell for access control; the TLS transport provides it. */
export type PeerCertificateNames = {
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** RFC 2253 form. */
  readonly subject: string;
};

/** A peer without a certificate has the empty subject, as in Envoy. */
const NO_NAMES: readonly string[] = [''];

/**
 * URI SANs, DNS SANs and subject, in that order. Throws for a certificate of an unknown form, because neither match nor
 * mismatch would be safe: guards deny on exceptions.
 */
export function peerNames(tls: TlsFacts): readonly string[] {
  const certificate = tls.peerCertificate as Partial<PeerCertificateNames> | null | undefined;
  if (certificate === null || certificate === undefined) return NO_NAMES;
  const { uriSans, dnsSans, subject } = certificate;
  if (!Array.isArray(uriSans) || !Array.isArray(dnsSans) || typeof subject !== 'string') {
    throw new Error('the peer certificate tells no names');
  }
  return [...uriSans, ...dnsSans, subject];
}
