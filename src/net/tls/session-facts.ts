// What a TLS handshake established; asked of OpenSSL when somebody looks.
import type { CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';
import { Certificate } from './certificate.ts';
import type { TlsHandshake } from './handshake.ts';

/** What of OpenSSL's session this needs: the raw layer and node:tls sockets both have it. */
export type SessionSource = {
  getALPNNegotiatedProtocol(): string | false;
  getProtocol(): string;
  getCipher(): { readonly name: string };
  getPeerX509Certificate(): import('node:crypto').X509Certificate | undefined;
  getX509Certificate(): import('node:crypto').X509Certificate | undefined;
  getSession(): Buffer | undefined;
  isSessionReused(): boolean;
  verifyError(): (Error & { readonly code?: string }) | null;
};

export class SessionFacts implements TlsFacts {
  readonly sni: string;
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly isResumed: boolean;
  /** OpenSSL's verdict on the peer's chain: '' when it is good, else the name of the error ('CERT_HAS_EXPIRED'). */
  readonly chainError: string;
  /** Set by the handshake's `verify` when it checked the peer. */
  isPeerVerified = false;
  readonly sessionId = '';
  readonly #source: SessionSource;
  #peer: CertificateFacts | null | undefined;
  #local: CertificateFacts | null | undefined;

  constructor(source: SessionSource, handshake: Pick<TlsHandshake, 'serverName'>) {
    this.#source = source;
    this.sni = handshake.serverName;
    this.version = source.getProtocol();
    this.cipher = source.getCipher().name;
    this.alpn = source.getALPNNegotiatedProtocol() || '';
    this.isResumed = source.isSessionReused();
    this.chainError = source.verifyError()?.code ?? '';
  }

  get peerCertificate(): CertificateFacts | null {
    if (this.#peer === undefined) {
      const found = this.#source.getPeerX509Certificate();
      this.#peer = found === undefined ? null : new Certificate(found);
    }
    return this.#peer;
  }

  get localCertificate(): CertificateFacts | null {
    if (this.#local === undefined) {
      const found = this.#source.getX509Certificate();
      this.#local = found === undefined ? null : new Certificate(found);
    }
    return this.#local;
  }
}
