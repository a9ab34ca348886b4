// What a TLS handshake established; asked of OpenSSL when somebody looks.
import type { X509Certificate } from 'node:crypto';
import type { CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';
import { DER_OCTET_STRING, derChildren, readDer } from '../../wire/der.ts';
import { Certificate } from './certificate.ts';
import type { TlsHandshake } from './handshake.ts';

/** The runtime's class, or what it wraps: that is all the raw layer gives. */
type AnyX509 = X509Certificate | NativeX509;
type NativeX509 = { raw(): Buffer; getIssuerCert(): NativeX509 | undefined };

/** What of OpenSSL's session this needs: the raw layer and node:tls sockets both have it. */
export type SessionSource = {
  getALPNNegotiatedProtocol(): string | false;
  getProtocol(): string;
  getCipher(): { readonly name: string };
  getPeerX509Certificate(): AnyX509 | undefined;
  getX509Certificate(): AnyX509 | undefined;
  getSession(): Buffer | undefined;
  isSessionReused(): boolean;
  /** Of the peer, known to a client only. */
  getEphemeralKeyInfo(): { readonly name?: string } | null;
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
  #sessionId: string | null = null;
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

  get sessionId(): string {
    this.#sessionId ??= this.version === 'TLSv1.3' ? '' : sessionIdOf(this.#source.getSession());
    return this.#sessionId;
  }

  /** What both keys of the exchange were made on, by BoringSSL's name; '' where there was no exchange, or for a server. */
  get curve(): string {
    const name = this.#source.getEphemeralKeyInfo()?.name ?? '';
    return CURVE_NAMES[name] ?? name;
  }

  get peerCertificate(): CertificateFacts | null {
    // Asked once: the runtime takes the others out of OpenSSL's chain when it tells of them, and has none afterwards.
    if (this.#peer === undefined) this.#peer = certificateOf(this.#source.getPeerX509Certificate());
    return this.#peer;
  }

  get localCertificate(): CertificateFacts | null {
    if (this.#local === undefined) this.#local = certificateOf(this.#source.getX509Certificate());
    return this.#local;
  }
}

const CURVE_NAMES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

/** In OpenSSL's form of a session it is the fourth element: version, protocol version, cipher, id. */
const SESSION_ID = 3;

function sessionIdOf(session: Buffer | undefined): string {
  if (session === undefined) return '';
  const whole = readDer(session, 0, session.length);
  const id = whole === null ? undefined : derChildren(session, whole)?.[SESSION_ID];
  return id?.tag === DER_OCTET_STRING ? session.toString('hex', id.start, id.end) : '';
}

/** More than any chain that is verified. */
const MAX_CHAIN = 100;

function certificateOf(found: AnyX509 | undefined): Certificate | null {
  if (found === undefined) return null;
  const chain: Buffer[] = [];
  for (let one: AnyX509 | undefined = found; one !== undefined && chain.length < MAX_CHAIN; one = issuerOf(one)) {
    chain.push(typeof one.raw === 'function' ? one.raw() : one.raw);
  }
  return new Certificate(chain[0] as Buffer, chain.slice(1));
}

function issuerOf(one: AnyX509): AnyX509 | undefined {
  return 'getIssuerCert' in one ? one.getIssuerCert() : one.issuerCertificate;
}
