// TLS for a listener's connections: chooses certificate and ALPN by the ClientHello, and judges the client.
import { createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { ByteStream } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { makeSecureContext } from '../../net/tls/secure-context.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';
import { type PendingHandshake, startTls } from '../../net/tls/start-tls.ts';
import type { ClientHello } from '../../wire/client-hello.ts';
import type {
  DownstreamTransport,
  DownstreamTransportFactory,
  FirstBytes,
  PendingTransport,
  TransportCallback,
  TransportContext,
} from '../transport/transport.ts';
import { decodeDownstreamTls } from './decode-tls.ts';
import { HelloGate } from './hello-gate.ts';
import { KeyLog } from './key-log.ts';
import { mergeValidation } from './secret-store.ts';
import { SSL_FACTORY_STATS, type SslFactoryScope, SslStats } from './ssl-stats.ts';
import { ownTicketKey } from './ticket-keys.ts';
import type {
  CertificateSecret,
  DownstreamTlsConfig,
  SecretHandle,
  TicketKeysSecret,
  ValidationSecret,
} from './tls-config.ts';
import { DOWNSTREAM_TLS_FIELDS } from './tls-fields.ts';
import { makeVerifier, needsFullHandshakes, type Verifier } from './verify.ts';

const NAME = 'envoy.transport_sockets.tls';
const NO_ALPN: readonly string[] = [];

/** One certificate and the context that shows it. */
type Choice = { readonly secret: CertificateSecret; readonly context: SecureContext };

/** What is rebuilt as a whole when a secret changes; handshakes that run keep theirs. */
type Contexts = {
  readonly choices: readonly Choice[];
  /** By server name, exact and '*.…'. */
  readonly byName: ReadonlyMap<string, Choice>;
  readonly verify: Verifier;
  readonly asksForCertificate: boolean;
};

export class DownstreamTls implements DownstreamTransport {
  readonly #config: DownstreamTlsConfig;
  readonly #context: TransportContext;
  readonly #certificates: readonly SecretHandle<CertificateSecret>[];
  readonly #validation: SecretHandle<ValidationSecret> | null;
  readonly #ticketKeys: SecretHandle<TicketKeysSecret> | null;
  readonly #stats: SslStats;
  readonly #factoryStats: SslFactoryScope;
  readonly #keyLog: KeyLog | null;
  #contexts: Contexts | null = null;

  constructor(config: DownstreamTlsConfig, context: TransportContext) {
    this.#config = config;
    this.#context = context;
    const { secrets, statPrefix, stats } = context;
    const { common } = config;
    const prefix = `${statPrefix}server_ssl_socket_factory.`;
    this.#factoryStats = stats.scope(prefix, SSL_FACTORY_STATS);
    this.#stats = new SslStats(stats, statPrefix);
    this.#certificates = common.certificates.map((ref) => secrets.certificate(ref, prefix));
    this.#validation = common.validation === null ? null : secrets.validation(common.validation.ref, prefix);
    this.#ticketKeys = config.ticketKeys === null ? null : secrets.ticketKeys(config.ticketKeys, prefix);
    this.#keyLog = common.keyLog === null ? null : new KeyLog(common.keyLog, context.keyLogFiles);
    for (const handle of this.#handles) handle.onChange(() => this.#changed());
    this.#contexts = this.#build();
  }

  get #handles(): SecretHandle<unknown>[] {
    const others = [this.#validation, this.#ticketKeys].filter((handle) => handle !== null);
    return [...this.#certificates, ...others];
  }

  whenSettled(settled: () => void): void {
    let waiting = 1;
    const done = (): void => {
      if (--waiting === 0) settled();
    };
    for (const handle of this.#handles) {
      if (handle.current !== null || handle.whenSettled === undefined) continue;
      waiting++;
      handle.whenSettled(done);
    }
    done();
  }

  close(): void {
    for (const handle of this.#handles) handle.release();
  }

  // ─── Contexts ───────────────────────────────────────────────────────────────────────────────────────────────────

  #changed(): void {
    const stats = this.#factoryStats;
    const built = this.#build();
    if (built === null) return;
    if (this.#contexts !== null) stats.inc(stats.i.ssl_context_update_by_sds);
    this.#contexts = built;
  }

  /** Null while a secret is missing, or when OpenSSL refuses what came: then the last contexts stay. */
  #build(): Contexts | null {
    if (this.#handles.some((handle) => handle.current === null)) return null;
    const { common } = this.#config;
    const validation = mergeValidation(common.validation?.base ?? null, this.#validation?.current ?? null);
    const trust = this.#trustDigest(validation);
    const choices: Choice[] = [];
    for (const [i, handle] of this.#certificates.entries()) {
      const ref = common.certificates[i];
      const secret = handle.current as CertificateSecret;
      const context = this.#secureContext(secret, validation, trust);
      if ('error' in context) {
        this.#context.warn(`${this.#context.statPrefix}: ${context.error}`);
        return null;
      }
      choices.push({ secret, context });
      this.#stats.certificate(ref?.kind === 'sds' ? ref.name : '', secret.validToMs);
    }
    const byName = new Map<string, Choice>();
    // The first certificate for a name counts, ECDSA before RSA where the client can choose.
    for (const choice of choices) {
      for (const name of choice.secret.serverNames) if (!byName.has(name)) byName.set(name, choice);
    }
    const { clock } = this.#context;
    return {
      choices,
      byName,
      verify: makeVerifier(validation, { isServer: true, wallMs: () => clock.wallMs }),
      asksForCertificate: validation !== null || this.#config.requiresClientCertificate,
    };
  }

  /** Everything that decides whom this side believes: sessions and tickets of other contexts do not count here. */
  #trustDigest(validation: ValidationSecret | null): string {
    const { requiresClientCertificate } = this.#config;
    const text = `${validation?.fingerprint ?? 'none'} ${requiresClientCertificate}`;
    return createHash('sha256').update(text).digest('base64');
  }

  #secureContext(
    secret: CertificateSecret,
    validation: ValidationSecret | null,
    trust: string,
  ): SecureContext | { readonly error: string } {
    const { common, hasTickets, sessionTimeoutS, prefersClientCiphers } = this.#config;
    const keys = this.#ticketKeys?.current?.keys ?? [ownTicketKey(this.#context.shared, trust)];
    return makeSecureContext({
      isServer: true,
      minVersion: common.minVersion,
      maxVersion: common.maxVersion,
      ciphers: common.ciphers,
      curves: common.curves,
      signatureAlgorithms: common.signatureAlgorithms,
      certificates: [{ chain: secret.chain, key: secret.key, password: secret.password }],
      trustedCa: validation?.trustedCa ?? null,
      crl: validation?.isCrlForLeafOnly === true ? null : (validation?.crl ?? null),
      sessionIdContext: trust,
      ticketKeys: keys,
      hasTickets: hasTickets && !needsFullHandshakes(validation),
      sessionTimeoutS,
      prefersClientCiphers,
    });
  }

  // ─── Connections ────────────────────────────────────────────────────────────────────────────────────────────────

  accept(stream: ByteStream, first: FirstBytes, callback: TransportCallback): PendingTransport {
    const contexts = this.#contexts;
    if (contexts === null) {
      const stats = this.#factoryStats;
      stats.inc(stats.i.downstream_context_secrets_not_ready);
      stream.destroy();
      callback(null, failure('tls_failed', 'downstream', 'connection', 'TLS error: Secret is not supplied by SDS'));
      return NOTHING;
    }
    const accepting = new Accepting(stream, callback);
    if (first.serverName !== null || !this.#needsHello(contexts)) {
      const { serverName, applicationProtocols, unread } = first;
      accepting.handshake = this.#start(stream, contexts, serverName ?? '', applicationProtocols, unread, accepting);
      return accepting;
    }
    const gate = new HelloGate(stream, first.unread, (hello, bytes, why) => {
      accepting.gate = null;
      if (why !== null) {
        this.#stats.connectionError();
        accepting.done(null, why);
        return;
      }
      const [name, protocols] = factsOf(hello);
      accepting.handshake = this.#start(stream, contexts, name, protocols, bytes, accepting);
    });
    accepting.gate = gate;
    gate.start();
    return accepting;
  }

  /** SNI chooses among several certificates, and ALPN is agreed on only where the lists overlap. */
  #needsHello(contexts: Contexts): boolean {
    return contexts.choices.length > 1 || this.#config.common.alpn.length > 0 || this.#config.requiresSni;
  }

  #start(
    stream: ByteStream,
    contexts: Contexts,
    serverName: string,
    offered: readonly string[],
    unread: Buffer,
    accepting: Accepting,
  ): PendingHandshake | null {
    const { common, requiresClientCertificate, requiresSni } = this.#config;
    const choice = this.#choose(contexts, serverName);
    if (choice === null || (requiresSni && serverName === '')) {
      this.#stats.connectionError();
      stream.destroy();
      accepting.done(null, failure('tls_failed', 'downstream', 'connection', NO_CERTIFICATE));
      return null;
    }
    const onKeylog = this.#keyLog?.writer(stream) ?? null;
    return startTls(
      stream,
      {
        context: choice.context,
        isServer: true,
        requestsCertificate: contexts.asksForCertificate,
        requiresCertificate: requiresClientCertificate,
        alpn: common.alpn.some((name) => offered.includes(name)) ? common.alpn : NO_ALPN,
        serverName,
        session: null,
        onSession: null,
        onKeylog,
        ocspResponse: choice.secret.ocspStaple,
        verify: (facts) => this.#judge(contexts, facts),
      },
      unread,
      (secured, why) => {
        if (secured !== null) this.#stats.handshake(secured.tls);
        else this.#stats.connectionError();
        accepting.done(secured, why);
      },
    );
  }

  #judge(contexts: Contexts, facts: SessionFacts): string | null {
    const verdict = contexts.verify(facts);
    if (verdict === null) return null;
    if (verdict.stat !== null) this.#stats.refused(verdict.stat);
    return verdict.reason;
  }

  /** Source: Envoy DefaultTlsCertificateSelector::findTlsContext: the exact name, then its wildcard, then the first. */
  #choose(contexts: Contexts, serverName: string): Choice | null {
    const { byName, choices } = contexts;
    if (serverName !== '') {
      const exact = byName.get(serverName);
      if (exact !== undefined) return exact;
      const dot = serverName.indexOf('.');
      const wildcard = dot < 0 ? undefined : byName.get(`*${serverName.slice(dot)}`);
      if (wildcard !== undefined) return wildcard;
    }
    return choices[0] ?? null;
  }
}

/** One connection on its way through hello and handshake. */
class Accepting implements PendingTransport {
  gate: HelloGate | null = null;
  handshake: PendingHandshake | null = null;
  readonly #stream: ByteStream;
  #callback: TransportCallback | null;

  constructor(stream: ByteStream, callback: TransportCallback) {
    this.#stream = stream;
    this.#callback = callback;
  }

  done(stream: ByteStream | null, why: Failure | null): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.(stream, why);
  }

  cancel(): void {
    if (this.#callback === null) return;
    this.#callback = null;
    if (this.handshake !== null) this.handshake.cancel();
    else if (this.gate !== null) this.gate.cancel();
    else this.#stream.destroy();
  }
}

const NOTHING: PendingTransport = { cancel: () => undefined };
const NO_CERTIFICATE = 'TLS_error:|268435612:SSL routines:OPENSSL_internal:NO_CERTIFICATE_SET:TLS_error_end';

function factsOf(hello: ClientHello | null): [string, readonly string[]] {
  return hello === null ? ['', NO_ALPN] : [hello.serverName, hello.alpn];
}

export const downstreamTls: DownstreamTransportFactory = {
  name: NAME,
  configType: 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  fields: DOWNSTREAM_TLS_FIELDS,
  decode: (message, d) => decodeDownstreamTls(message, d),
  create: (config, context) => new DownstreamTls(config, context),
};
