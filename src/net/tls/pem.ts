// Cuts PEM text into its blocks.

export type PemLabel = 'CERTIFICATE' | 'X509 CRL';

/** What OpenSSL takes for the same thing. */
const LABELS: Readonly<Record<PemLabel, string>> = {
  CERTIFICATE: '(?:X509 |TRUSTED )?CERTIFICATE',
  'X509 CRL': 'X509 CRL',
};

/** The blocks with this label, in their order, each with its BEGIN and END lines; other text is passed over. */
export function pemBlocks(text: Buffer | null, label: PemLabel): string[] {
  if (text === null) return [];
  const name = LABELS[label];
  return text.toString('latin1').match(new RegExp(`-----BEGIN ${name}-----[^-]*-----END ${name}-----`, 'g')) ?? [];
}
