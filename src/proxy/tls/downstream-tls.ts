// TLS for a listener's connections: chooses certificate and ALPN by the ClientHello, and judges the client.
import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import type { SecureContext } from 'node:tls';
import type { ByteStream, TlsFacts } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { handshakeStat, socketReason } from '../../net/tls/wording.ts';
import { makeSecureContext } from '../../net/tls/secure-context.ts';
import { type PendingHandshake, startTls } from '../../net/tls/start-tls.ts';
import { type ClientHello, EXTENSION } from '../../wire/client-hello.ts';
import type {
  DownstreamTransport,
  DownstreamTransportFactory,
  PendingTransport,
  TransportCallback,
  TransportContext,
} from '../transport/transport.ts';
import { decodeDownstreamTls } from './decode-tls.ts';
import { HelloGate } from './hello-gate.ts';
import { KeyLog } from './key-log.ts';
import { countFetched, mergeValidation, whenFetched } from './secret-store.ts';
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
import type { Verdict } from './verdict.ts';
import { SessionFacts } from '../../net/tls/session-facts.ts';
import { makeVerifier, needsFullHandshakes, type Verifier } from './verify.ts';

const NAME = 'envoy.transport_sockets.tls';
const NO_ALPN: readonly string[] = [];
const TLS13 = 0x0304;

/** What some clients are shown: one certificate, or one with an ECDSA key and another, of which OpenSSL picks. */
type Choice = {
  readonly secrets: readonly CertificateSecret[];
  readonly context: SecureContext;
  /** For clients of TLS 1.3, whose order of ciphers counts, and who use a ticket once, as in Envoy. */
  readonly tls13: SecureContext;
};

/** What is rebuilt as a whole when a secret changes; handshakes that run keep theirs. */
type Contexts = {
  /** By server name, exact and '*.…'. */
  readonly byName: ReadonlyMap<string, Choice>;
  /** For clients that name no server, and for those whose name no certificate has. */
  readonly unnamed: Choice | null;
  readonly mismatched: Choice | null;
  readonly verify: Verifier;
  readonly trust: string;
  readonly validation: ValidationSecret | null;
  readonly asksForCertificate: boolean;
  readonly requiresCertificate: boolean;
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
  /** Of the configured protocols those that somebody here speaks. */
  readonly #alpn: readonly string[];
  #contexts: Contexts | null = null;

  constructor(config: DownstreamTlsConfig, context: TransportContext) {
    this.#config = config;
    this.#context = context;
    const { secrets, statPrefix, stats } = context;
    const { common } = config;
    const prefix = `${statPrefix}server_ssl_socket_factory.`;
    this.#alpn = common.alpn.filter((name) => context.unspokenProtocols?.includes(name) !== true);
    this.#factoryStats = stats.scope(prefix, SSL_FACTORY_STATS);
    this.#stats = new SslStats(stats, statPrefix);
    this.#certificates = common.certificates.map((ref) => secrets.certificate(ref, prefix));
    this.#validation = common.validation === null ? null : secrets.validation(common.validation.ref, prefix);
    this.#ticketKeys = config.ticketKeys === null ? null : secrets.ticketKeys(config.ticketKeys, prefix);
    this.#keyLog = common.keyLog === null ? null : new KeyLog(common.keyLog, context.keyLogFiles);
    for (const handle of this.#handles) handle.onChange(() => this.#changed());
    const refs = [...common.certificates, common.validation?.ref, config.ticketKeys].filter((ref) => ref != null);
    this.#factoryStats.add(this.#factoryStats.i.ssl_context_update_by_sds, countFetched(refs, this.#handles));
    this.#contexts = this.#build();
  }

  get #handles(): SecretHandle<unknown>[] {
    const others = [this.#validation, this.#ticketKeys].filter((handle) => handle !== null);
    return [...this.#certificates, ...others];
  }

  whenSettled(settled: () => void): void {
    whenFetched(this.#handles, settled);
  }

  close(): void {
    this.#context.secrets.live?.delete(this);
    for (const handle of this.#handles) handle.release();
  }

  // ─── Contexts ───────────────────────────────────────────────────────────────────────────────────────────────────

  #changed(): void {
    const stats = this.#factoryStats;
    stats.inc(stats.i.ssl_context_update_by_sds);
    this.#contexts = this.#build() ?? this.#contexts;
  }

  /** Null while a secret is missing, or when OpenSSL refuses what came: then the last contexts stay. */
  #build(): Contexts | null {
    if (this.#handles.some((handle) => handle.current === null)) return null;
    const { common } = this.#config;
    const validation = mergeValidation(common.validation?.base ?? null, this.#validation?.current ?? null);
    const trust = this.#trustDigest(validation);
    const secrets = this.#certificates.map((handle) => handle.current as CertificateSecret);
    for (const [i, secret] of secrets.entries()) {
      const ref = common.certificates[i];
      this.#stats.certificate(ref?.kind === 'sds' ? ref.name : '', secret.validToMs);
    }
    const made = new Map<string, Choice>();
    let error = '';
    const choiceOf = (candidates: readonly CertificateSecret[]): Choice | null => {
      const shown = firstOfEachKind(candidates);
      const key = shown.map((secret) => secrets.indexOf(secret)).join();
      const known = made.get(key);
      if (known !== undefined || shown.length === 0) return known ?? null;
      const context = this.#secureContext(shown, validation, trust, false);
      const hasTls13 = common.maxVersion === 'TLSv1.3';
      const tls13 = hasTls13 ? this.#secureContext(shown, validation, trust, true) : context;
      if ('error' in context || 'error' in tls13) {
        error = 'error' in context ? context.error : (tls13 as { error: string }).error;
        return null;
      }
      const choice = { secrets: shown, context, tls13 };
      made.set(key, choice);
      return choice;
    };
    const byName = new Map<string, Choice>();
    for (const name of new Set(secrets.flatMap(({ serverNames }) => serverNames))) {
      const choice = choiceOf(secrets.filter(({ serverNames }) => serverNames.includes(name)));
      if (choice !== null) byName.set(name, choice);
    }
    const unnamed = choiceOf(secrets);
    const mismatched = this.#config.fullScanOnSniMismatch ? unnamed : choiceOf(secrets.slice(0, 1));
    if (error !== '') {
      this.#context.warn(`${this.#context.statPrefix}: ${error}`);
      return null;
    }
    const { clock } = this.#context;
    this.#context.secrets.live?.set(this, { certificates: secrets, validation });
    const verify = makeVerifier(validation, { isServer: true, wallMs: () => clock.wallMs });
    return { byName, unnamed, mismatched, verify, trust, validation, ...certificateDemand(validation, this.#config) };
  }

  /** Everything that decides whom this side believes: sessions and tickets of other contexts do not count here. */
  #trustDigest(validation: ValidationSecret | null): string {
    const { requiresClientCertificate } = this.#config;
    const text = `${validation?.fingerprint ?? 'none'} ${requiresClientCertificate}`;
    return createHash('sha256').update(text).digest('base64');
  }

  #secureContext(
    secrets: readonly CertificateSecret[],
    validation: ValidationSecret | null,
    trust: string,
    isTls13: boolean,
  ): SecureContext | { readonly error: string } {
    const { common, hasTickets, prefersClientCiphers, sessionTimeoutS } = this.#config;
    const keys = this.#ticketKeys?.current?.keys ?? [ownTicketKey(this.#context.shared, trust)];
    return makeSecureContext({
      isServer: true,
      minVersion: common.minVersion,
      maxVersion: common.maxVersion,
      ciphers: common.ciphers,
      curves: common.curves,
      signatureAlgorithms: common.signatureAlgorithms,
      certificates: secrets.map(({ chain, key, password }) => ({ chain, key, password })),
      trustedCa: validation?.trustedCa ?? null,
      crl: validation?.isCrlForLeafOnly === true ? null : (validation?.crl ?? null),
      sessionIdContext: trust,
      ticketKeys: keys,
      hasTickets: hasTickets && !needsFullHandshakes(validation),
      sessionTimeoutS,
      prefersClientCiphers: isTls13 || prefersClientCiphers,
      renewsTickets: isTls13,
    });
  }

  // ─── Connections ────────────────────────────────────────────────────────────────────────────────────────────────

  accept(stream: ByteStream, unread: Buffer, callback: TransportCallback): PendingTransport {
    const contexts = this.#contexts;
    if (contexts === null) {
      const stats = this.#factoryStats;
      stats.inc(stats.i.downstream_context_secrets_not_ready);
      stream.destroy();
      callback(null, failure('tls_failed', 'downstream', 'connection', 'TLS error: Secret is not supplied by SDS'));
      return NOTHING;
    }
    const accepting = new Accepting(stream, callback);
    const gate = new HelloGate(stream, unread, (hello, bytes, why) => {
      accepting.gate = null;
      if (why !== null) {
        accepting.done(null, why.code === 'downstream_reset' ? RESET_IN_HELLO : why);
        return;
      }
      accepting.handshake = this.#start(stream, contexts, hello, bytes, accepting);
    });
    accepting.gate = gate;
    gate.start();
    return accepting;
  }

  get trust(): string {
    return this.#contexts?.trust ?? '';
  }

  denies(tls: TlsFacts | null, sinceWallMs: number): boolean {
    if (tls === null) return true;
    const contexts = this.#contexts;
    // Without its secrets it would refuse everybody, which is no policy.
    if (contexts === null || !(tls instanceof SessionFacts)) return false;
    if (tls.peerCertificate === null) return contexts.requiresCertificate;
    const verify = makeVerifier(contexts.validation, { isServer: true, isAgain: true, wallMs: () => sinceWallMs });
    const { isPeerVerified } = tls;
    const verdict = verify(tls);
    // What it was found to be when it came stays on record.
    tls.isPeerVerified = isPeerVerified;
    return verdict !== null && verdict.reason !== null;
  }

  #start(
    stream: ByteStream,
    contexts: Contexts,
    hello: ClientHello | null,
    unread: Buffer,
    accepting: Accepting,
  ): PendingHandshake | null {
    const { requiresSni } = this.#config;
    const serverName = hello?.serverName ?? '';
    const offered = hello?.alpn ?? NO_ALPN;
    const choice = this.#choose(contexts, serverName);
    if (choice === null || (requiresSni && serverName === '')) {
      this.#stats.connectionError();
      stream.destroy();
      accepting.done(null, failure('tls_failed', 'downstream', 'connection', NO_CERTIFICATE));
      return null;
    }
    const onKeylog = this.#keyLog?.writer(stream) ?? null;
    let refusal: Verdict | null = null;
    let refused: SessionFacts | null = null;
    return startTls(
      stream,
      {
        context: offersTls13(hello) ? choice.tls13 : choice.context,
        isServer: true,
        requestsCertificate: contexts.asksForCertificate,
        requiresCertificate: contexts.requiresCertificate,
        alpn: this.#alpn.some((name) => offered.includes(name)) ? this.#alpn : NO_ALPN,
        serverName,
        session: null,
        onSession: null,
        onKeylog,
        // With two certificates nobody knows yet which one is shown.
        ocspResponse: choice.secrets.length === 1 ? (choice.secrets[0]?.ocspStaple ?? null) : null,
        verify: (facts) => {
          refusal = contexts.verify(facts);
          if (refusal === null) return null;
          if (refusal.stat !== null) {
            this.#stats.refused(refusal.stat);
            if (refusal.reason !== null) refused = keptFacts(facts);
          }
          return refusal.reason;
        },
      },
      unread,
      (secured, why) => {
        if (secured !== null) this.#stats.handshake(secured.tls);
        else if (refusal === null) this.#countFailure(why?.detail ?? '');
        else if (refusal.stat === null) this.#stats.connectionError();
        accepting.done(secured, why, refused);
      },
    );
  }

  #countFailure(reason: string): void {
    const stat = handshakeStat(reason);
    if (stat === 'connection_error') this.#stats.connectionError();
    else if (stat !== null) this.#stats.refused(stat);
  }

  /** Source: Envoy DefaultTlsCertificateSelector::findTlsContext: the exact name, then its wildcard, then the first. */
  #choose({ byName, unnamed, mismatched }: Contexts, serverName: string): Choice | null {
    if (serverName === '') return unnamed;
    const exact = byName.get(serverName);
    if (exact !== undefined) return exact;
    const dot = serverName.indexOf('.');
    const wildcard = dot < 0 ? undefined : byName.get(`*${serverName.slice(dot)}`);
    return wildcard ?? mismatched;
  }
}

/** Once the session is gone nobody can ask it any more. */
function keptFacts(facts: SessionFacts): SessionFacts {
  void facts.peerCertificate;
  void facts.localCertificate;
  void facts.sessionId;
  return facts;
}

/** The first with an ECDSA key and the first with another. */
function firstOfEachKind(secrets: readonly CertificateSecret[]): CertificateSecret[] {
  const ecdsa = secrets.find(({ isEcdsa }) => isEcdsa);
  const other = secrets.find(({ isEcdsa }) => !isEcdsa);
  return [ecdsa, other].filter((secret) => secret !== undefined);
}

/**
 * A certificate is asked for only where something is there to judge it: names that nobody checked would be believed.
 * Pins and names demand one, also where the configuration does not.
 * Source: Envoy DefaultCertValidator::initializeSslContexts.
 */
function certificateDemand(
  validation: ValidationSecret | null,
  { requiresClientCertificate }: DownstreamTlsConfig,
): Pick<Contexts, 'asksForCertificate' | 'requiresCertificate'> {
  if (validation === null) return { asksForCertificate: false, requiresCertificate: false };
  const { acceptsUntrusted, certificateHashes, sanMatchers, spkiHashes, spiffeTrustDomains, trustedCa } = validation;
  const isPinned = certificateHashes.length > 0 || spkiHashes.length > 0 || sanMatchers.length > 0;
  const asks = acceptsUntrusted || isPinned || trustedCa !== null || spiffeTrustDomains !== null;
  const requires = requiresClientCertificate || (isPinned && !acceptsUntrusted);
  return { asksForCertificate: asks, requiresCertificate: asks && requires };
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

  done(stream: ByteStream | null, why: Failure | null, refused: SessionFacts | null = null): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.(stream, why, refused);
  }

  cancel(): void {
    if (this.#callback === null) return;
    this.#callback = null;
    if (this.handshake !== null) this.handshake.cancel();
    else if (this.gate !== null) this.gate.cancel();
    else this.#stream.destroy();
  }
}

/** As the TLS layer would have told it. */
const RESET_IN_HELLO = failure(
  'tls_failed',
  'downstream',
  'connection',
  socketReason('ECONNRESET', constants.errno.ECONNRESET),
);
const NOTHING: PendingTransport = { cancel: () => undefined };
const NO_CERTIFICATE = 'TLS_error:|268435612:SSL routines:OPENSSL_internal:NO_CERTIFICATE_SET:TLS_error_end';

/** RFC 8446 §4.2.1. */
function offersTls13(hello: ClientHello | null): boolean {
  return hello?.numbersOf(EXTENSION.supportedVersions, 1).includes(TLS13) === true;
}

export const downstreamTls: DownstreamTransportFactory = {
  name: NAME,
  configType: 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  fields: DOWNSTREAM_TLS_FIELDS,
  decode: (message, d) => decodeDownstreamTls(message, d),
  create: (config, context) => new DownstreamTls(config, context),
};
