// The runtime's TLS layer under node:tls: its type, how it is reached, and the check that it is what we think.
import process from 'node:process';
import type { SecureContext } from 'node:tls';
import type { Handle } from '../handles.ts';

/** An error of OpenSSL, as the runtime hands it over. */
export type TlsError = Error & { readonly code?: string; readonly reason?: string; readonly library?: string };

/** The older form of a certificate; the last one is its own issuer. */
export type LegacyCertificate = { readonly raw?: Buffer; readonly issuerCertificate?: LegacyCertificate };

/** TLS around a socket handle: the same calls as a socket, and those of a session. */
export type TlsHandle = Omit<Handle, 'listen' | 'open'> & {
  onhandshakestart: (now: number) => void;
  onhandshakedone: () => void;
  onerror: (error: TlsError) => void;
  onnewsession: (id: Buffer, session: Buffer) => void;
  onkeylog: (line: Buffer) => void;
  onocspresponse: (response: Buffer | null) => void;
  /** Client: sends the ClientHello. */
  start(): void;
  /** Feeds bytes as if the socket had read them. */
  receive(bytes: Buffer): void;
  destroySSL(): void;
  setVerifyMode(requestCertificate: boolean, requireCertificate: boolean): void;
  /** Server: what it agrees to; client: what it offers. In wire form. */
  setALPNProtocols(protocols: Buffer): void;
  setServername(name: string): void;
  setSession(session: Buffer): void;
  setOCSPResponse(response: Buffer): void;
  requestOCSP(): void;
  enableSessionCallbacks(): void;
  enableKeylogCallback(): void;
  /** Null when the chain is good; `code` names why not. */
  verifyError(): (Error & { readonly code?: string }) | null;
  getALPNNegotiatedProtocol(): string | false;
  getServername(): string | false;
  getProtocol(): string;
  getCipher(): { readonly name: string; readonly standardName: string };
  getPeerCertificate(withIssuers: boolean): LegacyCertificate | undefined;
  getX509Certificate(): { raw(): Buffer } | undefined;
  getSession(): Buffer | undefined;
  isSessionReused(): boolean;
  getEphemeralKeyInfo(): { readonly name?: string } | null;
};

type NativeContext = SecureContext['context'];

type TlsBinding = {
  wrap(handle: Handle, context: NativeContext, isServer: boolean, hasActiveWrite: boolean): TlsHandle;
  readonly TLSWrap: new () => TlsHandle;
};

const METHODS = [
  'start',
  'receive',
  'destroySSL',
  'setVerifyMode',
  'setALPNProtocols',
  'setServername',
  'setSession',
  'setOCSPResponse',
  'requestOCSP',
  'enableSessionCallbacks',
  'enableKeylogCallback',
  'verifyError',
  'getALPNNegotiatedProtocol',
  'getProtocol',
  'getCipher',
  'getPeerCertificate',
  'getSession',
  'getX509Certificate',
  'isSessionReused',
  'useUserBuffer',
  'readStart',
  'readStop',
  'writeLatin1String',
  'writeBuffer',
  'writev',
  'shutdown',
];

let found: TlsBinding | string | undefined;

/** Null when the raw layer is there, else why not; then TLS runs over node:tls sockets. */
export function checkTlsHandles(): string | null {
  found ??= load();
  return typeof found === 'string' ? found : null;
}

/** Puts TLS around a handle that does not read. Only where `checkTlsHandles()` is null. */
export function wrapHandle(handle: Handle, context: SecureContext, isServer: boolean): TlsHandle {
  found ??= load();
  if (typeof found === 'string') throw new Error(found);
  return found.wrap(handle, context.context, isServer, false);
}

function load(): TlsBinding | string {
  const { binding } = process as unknown as { binding(name: string): unknown };
  const settings = process as { noDeprecation?: boolean };
  const before = settings.noDeprecation;
  settings.noDeprecation = true;
  try {
    const tls = binding('tls_wrap') as TlsBinding;
    if (typeof tls.wrap !== 'function' || typeof tls.TLSWrap !== 'function') return 'tls_wrap has no wrap';
    const prototype = tls.TLSWrap.prototype as unknown as Record<string, unknown>;
    const missing = METHODS.find((name) => typeof prototype[name] !== 'function');
    return missing === undefined ? tls : `tls_wrap has no ${missing}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    if (before === undefined) delete settings.noDeprecation;
    else settings.noDeprecation = before;
  }
}
