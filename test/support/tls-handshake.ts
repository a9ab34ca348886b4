// One TLS handshake between two of our own sides over loopback, for tests of what each side makes of the other.
import { createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { ByteStream } from '../../src/base/byte-stream.ts';
import { Clock } from '../../src/base/clock.ts';
import { createEngine, type Engine, isListenError, type Listener } from '../../src/net/engine.ts';
import type { TlsHandshake } from '../../src/net/tls/handshake.ts';
import { makeSecureContext, type SecureContextOptions } from '../../src/net/tls/secure-context.ts';
import type { SessionFacts } from '../../src/net/tls/session-facts.ts';
import { startTls } from '../../src/net/tls/start-tls.ts';
import type { TestCertificate } from './certificates.ts';

export type SideOptions = {
  /** Shown with its chain; null: none. */
  readonly certificate?: TestCertificate | null;
  /** PEM behind the chain. */
  readonly more?: string;
  readonly context?: Partial<SecureContextOptions>;
  readonly handshake?: Partial<TlsHandshake>;
  /** Server: asks for a certificate. Default true; false for `required`: one is not insisted on. */
  readonly requests?: boolean;
  readonly requires?: boolean;
};

export type SideResult = {
  /** Null when the handshake failed. */
  readonly stream: ByteStream | null;
  /** Detail of the failure. */
  readonly failure: string | null;
  /** What `verify` was shown. */
  readonly facts: SessionFacts | null;
};

export type HandshakeResult = { readonly server: SideResult; readonly client: SideResult; close(): void };

export function testContext(isServer: boolean, options: SideOptions): SecureContext {
  const { certificate = null, more = '', context = {} } = options;
  const made = makeSecureContext({
    isServer,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: '',
    curves: '',
    signatureAlgorithms: '',
    certificates:
      certificate === null
        ? []
        : [
            {
              chain: Buffer.from(certificate.chainPem + more),
              key: Buffer.from(certificate.keyPem),
              password: '',
            },
          ],
    trustedCa: null,
    crl: null,
    sessionIdContext: createHash('sha256')
      .update(JSON.stringify(options.context ?? {}))
      .digest('hex'),
    ticketKeys: [],
    hasTickets: true,
    sessionTimeoutS: 0,
    prefersClientCiphers: false,
    ...context,
  });
  if ('error' in made) throw new Error(made.error);
  return made;
}

export function testHandshake(isServer: boolean, context: SecureContext, options: SideOptions): TlsHandshake {
  const { requests = isServer, requires = false, handshake = {} } = options;
  return {
    context,
    isServer,
    requestsCertificate: requests,
    requiresCertificate: requires,
    alpn: [],
    serverName: '',
    session: null,
    onSession: null,
    onKeylog: null,
    ocspResponse: null,
    verify: () => null,
    ...handshake,
  };
}

/** Bugs in the engine's turns end the test. */
export function testEngine(kind?: 'handles' | 'streams'): Engine {
  const onBug = (error: unknown): never => {
    throw error;
  };
  return createEngine({ clock: new Clock(), onBug, ...(kind === undefined ? {} : { engine: kind }) });
}

export function listenLocally(engine: Engine, onStream: (stream: ByteStream) => void): Listener {
  const listener = engine.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 }, {}, onStream);
  if (isListenError(listener)) throw new Error(listener.detail);
  return listener;
}

/** Both sides have ended their handshake, well or not, when this resolves. */
export async function handshake(
  serverOptions: SideOptions,
  clientOptions: SideOptions,
  engine: Engine = testEngine(),
): Promise<HandshakeResult> {
  const serverContext = testContext(true, serverOptions);
  const clientContext = testContext(false, clientOptions);
  return handshakeWith(serverContext, clientContext, serverOptions, clientOptions, engine);
}

/** With contexts of their own, so that sessions can be resumed. */
export async function handshakeWith(
  serverContext: SecureContext,
  clientContext: SecureContext,
  serverOptions: SideOptions,
  clientOptions: SideOptions,
  engine: Engine = testEngine(),
): Promise<HandshakeResult> {
  const server = testHandshake(true, serverContext, serverOptions);
  const client = testHandshake(false, clientContext, clientOptions);
  const accepted = new Promise<SideResult>((resolve) => {
    const listener = listenLocally(engine, (stream) => {
      listener.close();
      secure(stream, server, resolve);
    });
    dial(engine, listener, client, (result) => dialled.resolve(result));
  });
  const dialled = Promise.withResolvers<SideResult>();
  const [serverSide, clientSide] = await Promise.all([accepted, dialled.promise]);
  return {
    server: serverSide,
    client: clientSide,
    close() {
      serverSide.stream?.destroy();
      clientSide.stream?.destroy();
    },
  };
}

function dial(engine: Engine, listener: Listener, wanted: TlsHandshake, done: (result: SideResult) => void): void {
  engine.connect(listener.address, {}, (stream, why) => {
    if (stream === null) throw new Error(why?.detail);
    secure(stream, wanted, done);
  });
}

function secure(stream: ByteStream, wanted: TlsHandshake, done: (result: SideResult) => void): void {
  let facts: SessionFacts | null = null;
  const verify = (shown: SessionFacts): string | null => {
    facts = shown;
    return wanted.verify(shown);
  };
  startTls(stream, { ...wanted, verify }, null, (secured, why) => {
    facts?.keep();
    done({ stream: secured, failure: why?.detail ?? null, facts });
  });
}
