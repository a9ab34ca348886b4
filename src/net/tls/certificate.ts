// A certificate over the runtime's X509Certificate; its alternative names are read from DER.
import { createHash, type X509Certificate } from 'node:crypto';
import type { CertificateFacts } from '../../base/byte-stream.ts';
import { type CertificateNames, readCertificateNames } from './certificate-names.ts';

export class Certificate implements CertificateFacts {
  readonly #certificate: X509Certificate;
  #names: CertificateNames | null = null;

  constructor(certificate: X509Certificate) {
    this.#certificate = certificate;
  }

  get raw(): Buffer {
    return this.#certificate.raw;
  }
  get pem(): string {
    return this.#certificate.toString();
  }
  get chainPem(): string {
    let text = '';
    const seen = new Set<string>();
    for (let one: X509Certificate | undefined = this.#certificate; one !== undefined; one = one.issuerCertificate) {
      if (seen.has(one.fingerprint256)) break;
      seen.add(one.fingerprint256);
      text += one.toString();
    }
    return text;
  }
  get sha256(): string {
    return createHash('sha256').update(this.raw).digest('hex');
  }
  get sha1(): string {
    return createHash('sha1').update(this.raw).digest('hex');
  }
  get serialNumber(): string {
    return this.#certificate.serialNumber.toLowerCase();
  }
  get subject(): string {
    return this.names.subject;
  }
  get issuer(): string {
    return this.names.issuer;
  }
  get validFromMs(): number {
    return this.#certificate.validFromDate.getTime();
  }
  get validToMs(): number {
    return this.#certificate.validToDate.getTime();
  }
  get uriSans(): readonly string[] {
    return this.names.uriSans;
  }
  get dnsSans(): readonly string[] {
    return this.names.dnsSans;
  }
  get ipSans(): readonly string[] {
    return this.names.ipSans;
  }
  get emailSans(): readonly string[] {
    return this.names.emailSans;
  }
  get otherNameSans(): readonly string[] {
    return this.names.otherNameSans;
  }

  private get names(): CertificateNames {
    this.#names ??= readCertificateNames(this.#certificate.raw);
    return this.#names;
  }
}
