// What a TLS handshake established; asked of OpenSSL when somebody looks.
import type { TlsFacts } from '../../base/byte-stream.ts';
import { contextTag, DER_OCTET_STRING, derChildren, readDer } from '../../wire/der.ts';
import { Certificate } from './certificate.ts';
import type { TlsHandshake } from './handshake.ts';
import { onlyCertificate } from './secure-context.ts';
import type { LegacyCertificate } from './surface.ts';

/** What of OpenSSL's session this needs, as the raw layer has it. */
export type SessionSource = {
  getALPNNegotiatedProtocol(): string | false;
  getProtocol(): string;
  getCipher(): { readonly name: string };
  /** With those that vouch for it, as far as they were sent or are trusted. */
  getPeerCertificate(withIssuers: boolean): LegacyCertificate | undefined;
  getX509Certificate(): { raw(): Buffer } | undefined;
  getSession(): Buffer | undefined;
  isSessionReused(): boolean;
  /** Of the peer, known to a client only. */
  getEphemeralKeyInfo(): { readonly name?: string } | null;
  verifyError(): (Error & { readonly code?: string }) | null;
};

/** What of the handshake is still asked for afterwards. */
export type Brought = Pick<TlsHandshake, 'serverName' | 'context'>;

export class SessionFacts implements TlsFacts {
  readonly sni: string;
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly isResumed: boolean;
  /** OpenSSL's verdict on the peer's chain: '' when it is good, else its name or text ('CERT_HAS_EXPIRED'). */
  readonly chainError: string;
  /** Set by the handshake's `verify` when it checked the peer. */
  isPeerVerified = false;
  #sessionId: string | null = null;
  readonly #source: SessionSource;
  readonly #handshake: Brought;
  #peer: Certificate | null | undefined;
  #local: Certificate | undefined;
  #curve: string | null = null;
  /** OpenSSL's session is freed: asking it would end the process. */
  #isGone = false;

  constructor(source: SessionSource, handshake: Brought) {
    this.#source = source;
    this.#handshake = handshake;
    this.sni = handshake.serverName;
    this.version = source.getProtocol();
    this.cipher = source.getCipher().name;
    this.alpn = source.getALPNNegotiatedProtocol() || '';
    this.isResumed = source.isSessionReused();
    this.chainError = errorName(source.verifyError());
  }

  get sessionId(): string {
    this.#sessionId ??= this.version === 'TLSv1.3' ? '' : sessionIdOf(this.#source.getSession());
    return this.#sessionId;
  }

  /** On what the keys were made, by BoringSSL's name; '' where there was no exchange, or for a server. */
  get curve(): string {
    if (this.#curve === null) {
      const name = this.#source.getEphemeralKeyInfo()?.name ?? '';
      this.#curve = CURVE_NAMES[name] ?? name;
    }
    return this.#curve;
  }

  get peerCertificate(): Certificate | null {
    // The runtime's own way (getPeerX509Certificate) leaks every issuer that was sent, 4 KB each, and tells clients
    // nothing of resumed sessions; what OpenSSL would store of the session has the certificate always.
    if (this.#peer === undefined) this.#peer = this.#readPeer();
    return this.#peer;
  }

  get localCertificate(): Certificate | null {
    // Asking OpenSSL costs 30 us, because it writes the certificate anew.
    if (!this.#isGone) this.#local ??= onlyCertificate(this.#handshake.context) ?? localOf(this.#source);
    return this.#local ?? null;
  }

  #readPeer(): Certificate | null {
    const source = this.#source;
    const raw = peerOf(source.getSession());
    return raw === null
      ? null
      : new Certificate(raw, () => (this.#isGone ? [] : issuersOf(source.getPeerCertificate(true))));
  }

  /**
   * Asks for everything that will be gone with the session; logs are written after it. Not for issuers: they cost more
   * than all the rest, and whoever wants them asks in time.
   */
  keep(): void {
    void this.peerCertificate;
    void this.localCertificate;
    void this.sessionId;
    void this.curve;
    this.#isGone = true;
  }
}

/** The runtime has names for some only. */
function errorName(error: ReturnType<SessionSource['verifyError']>): string {
  if (error === null) return '';
  return error.code === undefined || error.code === 'UNSPECIFIED' ? error.message : error.code;
}

const CURVE_NAMES: Readonly<Record<string, string>> = {
  x25519: 'X25519',
  secp256r1: 'P-256',
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

/** [3] EXPLICIT in OpenSSL's form of a session. */
const SESSION_PEER = contextTag(3, true);

/** A copy: the session holds secrets, too. */
function peerOf(session: Buffer | undefined): Buffer | null {
  if (session === undefined) return null;
  const whole = readDer(session, 0, session.length);
  const field = (whole === null ? null : derChildren(session, whole))?.find(({ tag }) => tag === SESSION_PEER);
  return field === undefined ? null : Buffer.from(session.subarray(field.start, field.end));
}

/** More than any chain that is verified. */
const MAX_CHAIN = 100;

/** Also one that signed itself, which OpenSSL adds from those that are trusted. */
function issuersOf(leaf: LegacyCertificate | undefined): Buffer[] {
  const issuers: Buffer[] = [];
  let one = leaf;
  while (one?.issuerCertificate !== undefined && one.issuerCertificate !== one && issuers.length < MAX_CHAIN) {
    one = one.issuerCertificate;
    if (one.raw !== undefined) issuers.push(one.raw);
  }
  return issuers;
}

function localOf(source: SessionSource): Certificate | undefined {
  const found = source.getX509Certificate();
  return found === undefined ? undefined : new Certificate(found.raw());
}
