// What a TLS handshake established; asked of OpenSSL when somebody looks.
import type { X509Certificate } from 'node:crypto';
import type { TlsFacts } from '../../base/byte-stream.ts';
import { contextTag, DER_OCTET_STRING, derChildren, readDer } from '../../wire/der.ts';
import { Certificate } from './certificate.ts';
import type { TlsHandshake } from './handshake.ts';
import { onlyCertificate } from './secure-context.ts';

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

/** What of the handshake is still asked for afterwards. */
export type Brought = Pick<TlsHandshake, 'serverName' | 'session' | 'context'>;

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
    // Asked once: the runtime takes the others out of OpenSSL's chain when it tells of them, and has none afterwards.
    if (this.#peer === undefined) {
      this.#peer = certificateOf(this.#source.getPeerX509Certificate());
      const { session } = this.#handshake;
      // Of a resumed session the runtime tells servers only: a client finds its peer in what it resumed.
      if (this.#peer === null && this.isResumed && session !== null) this.#peer = peerOf(session);
    }
    return this.#peer;
  }

  get localCertificate(): Certificate | null {
    // Asking OpenSSL costs 30 us, because it writes the certificate anew.
    this.#local ??=
      onlyCertificate(this.#handshake.context) ?? certificateOf(this.#source.getX509Certificate()) ?? undefined;
    return this.#local ?? null;
  }

  /** Asks for everything that will be gone with the session; logs are written after it. */
  keep(): void {
    void this.peerCertificate;
    void this.localCertificate;
    void this.sessionId;
    void this.curve;
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

function peerOf(session: Buffer): Certificate | null {
  const whole = readDer(session, 0, session.length);
  const field = (whole === null ? null : derChildren(session, whole))?.find(({ tag }) => tag === SESSION_PEER);
  // The memory of a session is shared with those who resume it: a copy lives as long as these facts.
  return field === undefined ? null : new Certificate(Buffer.from(session.subarray(field.start, field.end)));
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
