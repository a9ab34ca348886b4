// The TLS side of a scripted client: turns a connected socket into a TLS one, and notes what both sides agreed on.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export type TlsClientOptions = {
  /** What it shows when it is asked; a TestCertificate will do. */
  readonly certificate?: { readonly chainPem: string; readonly keyPem: string };
  /** PEM; whether the server's certificate fits is noted, and never refused. */
  readonly ca?: string;
  /** SNI; absent: none. */
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  readonly versions?: readonly [min: TlsVersion, max: TlsVersion];
  /** OpenSSL's list. */
  readonly ciphers?: string;
  readonly curves?: string;
  readonly signatures?: string;
  /** Keeps the newest session under this name, for later clients on this side. */
  readonly save?: string;
  readonly resume?: string;
  /** Sends everything in pieces of so many bytes. */
  readonly pieceBytes?: number;
  readonly wantsStaple?: boolean;
};

/** What the client saw of TLS. */
export type SeenTls = {
  version: string;
  cipher: string;
  alpn: string;
  /** Subject of the server's certificate. */
  server: string;
  isResumed: boolean;
  /** Only where a CA was given: '' when the server's certificate is good. */
  trust?: string;
  staple?: string;
  /** What ended the handshake, or the connection afterwards: OpenSSL's reason. */
  error: string;
};

/** In an order that leaves nothing to the taste of the server. */
const DEFAULT_CIPHERS =
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:' +
  'ECDHE-RSA-AES128-GCM-SHA256:ALL';

export type TlsSessions = Map<string, Buffer>;

/** Begins the handshake; `onDone` follows once, when it succeeded or failed, `onSession` after each that was saved. */
export function openTls(
  socket: Socket,
  options: TlsClientOptions,
  sessions: TlsSessions,
  onDone: () => void,
  onSession: () => void,
): { readonly socket: tls.TLSSocket; readonly seen: SeenTls } {
  const seen: SeenTls = { version: '', cipher: '', alpn: '', server: '', isResumed: false, error: '' };
  const session = options.resume === undefined ? undefined : sessions.get(options.resume);
  if (options.save !== undefined) sessions.delete(options.save);
  const { pieceBytes } = options;
  const secured = tls.connect({
    socket: pieceBytes === undefined ? socket : inPieces(socket, pieceBytes),
    rejectUnauthorized: false,
    // Whatever a case offers is sent, also what nobody should take.
    ciphers: cipherList(options.ciphers ?? DEFAULT_CIPHERS),
    allowHalfOpen: true,
    requestOCSP: options.wantsStaple ?? false,
    ...contextOptions(options),
    ...(options.serverName === undefined ? {} : { servername: options.serverName }),
    ...(options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] }),
    ...(session === undefined ? {} : { session }),
  } as tls.ConnectionOptions);
  if (options.wantsStaple === true) {
    secured.on('OCSPResponse', (response: Buffer | null) => {
      seen.staple = response === null ? 'none' : response.toString('hex').slice(0, 80);
    });
  }
  secured.on('session', (next: Buffer) => {
    if (options.save === undefined) return;
    sessions.set(options.save, next);
    onSession();
  });
  secured.once('secureConnect', () => {
    note(secured, seen, options);
    onDone();
  });
  secured.once('error', (error: NodeJS.ErrnoException & { reason?: string }) => {
    seen.error = error.reason ?? (error.message.startsWith('Client network socket') ? 'closed' : (error.code ?? ''));
    onDone();
  });
  secured.once('close', onDone);
  return { socket: secured, seen };
}

/** The runtime wants one for TLS 1.2 too, whatever the versions are. */
function cipherList(ciphers: string): string {
  const isNew = ciphers.split(':').every((name) => name.startsWith('TLS_'));
  return `${ciphers}${isNew ? ':ECDHE-ECDSA-AES128-GCM-SHA256' : ''}:@SECLEVEL=0`;
}

function contextOptions(options: TlsClientOptions): tls.SecureContextOptions {
  const { certificate, ca, versions, curves, signatures } = options;
  return {
    ca: ca ?? [],
    ...(certificate === undefined ? {} : { cert: certificate.chainPem, key: certificate.keyPem }),
    minVersion: versions?.[0] ?? 'TLSv1.2',
    maxVersion: versions?.[1] ?? 'TLSv1.3',
    ...(curves === undefined ? {} : { ecdhCurve: curves }),
    ...(signatures === undefined ? {} : { sigalgs: signatures }),
  };
}

function note(socket: tls.TLSSocket, seen: SeenTls, options: TlsClientOptions): void {
  seen.version = socket.getProtocol() ?? '';
  seen.cipher = socket.getCipher().name;
  seen.alpn = socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? '');
  seen.server = socket.getPeerX509Certificate()?.subject ?? '';
  seen.isResumed = socket.isSessionReused();
  if (options.ca !== undefined) seen.trust = String(socket.authorizationError ?? '');
}

/** A stream over a socket that writes each piece of its own, so that the other side reads them one by one. */
function inPieces(socket: Socket, size: number): Duplex {
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      const next = (at: number): void => {
        if (at >= chunk.length || socket.destroyed) done();
        else socket.write(chunk.subarray(at, at + size), () => setTimeout(next, 1, at + size));
      };
      next(0);
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => stream.push(chunk));
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  return stream;
}
