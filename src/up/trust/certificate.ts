// Certificates in PEM, and what they are told apart by.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

export type Certificate = {
  readonly file: string;
  readonly pem: string;
  /** 'gateways of HOST, for development'. */
  readonly name: string;
  readonly validTo: Date;
  /** AB:CD:… */
  readonly sha256: string;
  /** Without colons, as a keychain has it. */
  readonly sha1: string;
  /** What it is called in stores: of this root alone. */
  readonly fileName: string;
};

export function readCertificate(file: string): Certificate {
  const [certificate] = certificatesOf(readFileSync(file, 'utf8'), file);
  if (certificate === undefined)
    throw new Error(`${file} has no certificate: delete it, and heddle up makes another one`);
  return certificate;
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What cannot be read is left out. */
export function certificatesOf(text: string, file = ''): Certificate[] {
  return [...text.matchAll(PEM)].flatMap(([pem]) => {
    try {
      const parsed = new X509Certificate(pem);
      const { fingerprint256: sha256, fingerprint } = parsed;
      const id = sha256.replaceAll(':', '').slice(0, 16).toLowerCase();
      return [
        {
          ...{ file, pem: `${pem}\n`, sha256, fileName: `heddle-gateways-${id}` },
          name: (/CN=(.*)/.exec(parsed.subject)?.[1] ?? parsed.subject).replaceAll(/\\(.)/g, '$1'),
          validTo: new Date(parsed.validTo),
          sha1: fingerprint.replaceAll(':', ''),
        },
      ];
    } catch {
      return [];
    }
  });
}
