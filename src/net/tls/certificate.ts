// A certificate over its DER: every text is made when somebody looks, once.
import { createHash, X509Certificate } from 'node:crypto';
import type { CertificateFacts } from '../../base/byte-stream.ts';
import { derInteger } from '../../wire/der.ts';
import { type CertificateNames, readCertificateNames } from './certificate-names.ts';
import { type CertificateParts, readCertificateParts } from './certificate-parts.ts';

const PEM_LINE = 64;

export class Certificate implements CertificateFacts {
  readonly raw: Buffer;
  #others: readonly Buffer[] | (() => readonly Buffer[]);
  #parts: CertificateParts | null | undefined;
  #names: CertificateNames | null = null;
  #x509: X509Certificate | null = null;
  #chain: readonly Certificate[] | null = null;
  #sha256 = '';
  #sha1 = '';
  #pem = '';

  /** `others` came with it, in their order; a function is asked once, when somebody looks. */
  constructor(raw: Buffer, others: readonly Buffer[] | (() => readonly Buffer[]) = []) {
    this.raw = raw;
    this.#others = others;
  }

  get pem(): string {
    if (this.#pem === '') {
      const text = this.raw.toString('base64');
      let lines = '';
      for (let at = 0; at < text.length; at += PEM_LINE) lines += `${text.slice(at, at + PEM_LINE)}\n`;
      this.#pem = `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
    }
    return this.#pem;
  }
  get chainPem(): string {
    return this.chain.map((one) => one.pem).join('');
  }
  /** Not with a certificate at the end that signed itself: whether it was sent is not known. */
  get chain(): readonly Certificate[] {
    return this.withIssuers.filter((one, i) => i === 0 || !one.isSelfIssued);
  }
  /** Itself, and all that may vouch for it. */
  get withIssuers(): readonly Certificate[] {
    if (this.#chain === null) {
      const others = typeof this.#others === 'function' ? this.#others() : this.#others;
      this.#others = [];
      this.#chain = [this, ...others.map((raw) => new Certificate(raw))];
    }
    return this.#chain;
  }
  get issuerCertificate(): Certificate | null {
    const next = this.withIssuers[1];
    return next?.subject === this.issuer ? next : null;
  }
  get sha256(): string {
    if (this.#sha256 === '') this.#sha256 = createHash('sha256').update(this.raw).digest('hex');
    return this.#sha256;
  }
  get sha1(): string {
    if (this.#sha1 === '') this.#sha1 = createHash('sha1').update(this.raw).digest('hex');
    return this.#sha1;
  }
  get serialNumber(): string {
    const serial = this.parts?.serial;
    const value = serial === undefined ? null : derInteger(this.raw, serial);
    if (value === null) return '';
    const hex = (value < 0n ? -value : value).toString(16);
    const even = hex.length % 2 === 0 ? hex : `0${hex}`;
    return value < 0n ? `-${even}` : even;
  }
  get subject(): string {
    return this.names.subject;
  }
  get issuer(): string {
    return this.names.issuer;
  }
  get validFromMs(): number {
    return this.parts?.validFromMs ?? Number.NaN;
  }
  get validToMs(): number {
    return this.parts?.validToMs ?? Number.NaN;
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

  get isSelfIssued(): boolean {
    const { parts, raw } = this;
    if (parts === null) return false;
    const { issuer, subject } = parts;
    return raw.subarray(issuer.from, issuer.end).equals(raw.subarray(subject.from, subject.end));
  }

  /** For signatures; only of certificates that OpenSSL has read already. */
  get x509(): X509Certificate {
    this.#x509 ??= new X509Certificate(this.raw);
    return this.#x509;
  }

  /** Null when the DER is no certificate. */
  get parts(): CertificateParts | null {
    if (this.#parts === undefined) this.#parts = readCertificateParts(this.raw);
    return this.#parts;
  }
  get names(): CertificateNames {
    this.#names ??= readCertificateNames(this.raw);
    return this.#names;
  }
}
