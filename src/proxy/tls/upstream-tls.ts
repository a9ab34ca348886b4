// TLS to a cluster's hosts: SNI, ALPN and sessions of each connection, and the judgement of who answers.
import { X509Certificate } from 'node:crypto';
import type { ByteStream } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { pemBlocks } from '../../net/tls/pem.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';
import { startTls } from '../../net/tls/start-tls.ts';
import { handshakeStat, sanMatcherReason, UNCHECKED_REASON } from '../../net/tls/wording.ts';
import type {
  PendingTransport,
  TransportCallback,
  TransportContext,
  TransportWishes,
  UpstreamTarget,
  UpstreamTransport,
  UpstreamTransportFactory,
} from '../transport/transport.ts';
import { type ClientContext, clientContext } from './client-contexts.ts';
import { decodeUpstreamTls } from './decode-tls.ts';
import { DnsNameMatcher } from './decode-validation.ts';
import { KeyLog } from './key-log.ts';
import { countFetched, mergeValidation, whenFetched } from './secret-store.ts';
import { SessionCache } from './session-cache.ts';
import { SSL_FACTORY_STATS, type SslFactoryScope, SslStats } from './ssl-stats.ts';
import type { CertificateSecret, SecretHandle, UpstreamTlsConfig, ValidationSecret } from './tls-config.ts';
import { UPSTREAM_TLS_FIELDS } from './tls-fields.ts';
import { makeVerifier, type Verdict, type Verifier } from './verify.ts';

const NAME = 'envoy.transport_sockets.tls';
const NOTHING: PendingTransport = { cancel: () => undefined };
const NOT_READY = 'TLS error: Secret is not supplied by SDS';

/** What is rebuilt as a whole when a secret changes; connections and handshakes that run keep theirs. */
type Contexts = {
  readonly client: ClientContext;
  readonly verify: Verifier;
  /** Without the configured names: SNI takes their place. Null: it does not. */
  readonly verifyWithoutNames: Verifier | null;
  /** Something of a certificate is checked. */
  readonly checks: boolean;
  readonly sessions: SessionCache;
};

export class UpstreamTls implements UpstreamTransport {
  readonly #config: UpstreamTlsConfig;
  readonly #context: TransportContext;
  readonly #certificates: readonly SecretHandle<CertificateSecret>[];
  readonly #validation: SecretHandle<ValidationSecret> | null;
  readonly #stats: SslStats;
  readonly #factoryStats: SslFactoryScope;
  readonly #keyLog: KeyLog | null;
  /** Null while a secret is missing. */
  #contexts: Contexts | null = null;

  constructor(config: UpstreamTlsConfig, context: TransportContext) {
    this.#config = config;
    this.#context = context;
    const { secrets, statPrefix, stats } = context;
    const { common } = config;
    const prefix = `${statPrefix}client_ssl_socket_factory.`;
    this.#factoryStats = stats.scope(prefix, SSL_FACTORY_STATS);
    this.#stats = new SslStats(stats, statPrefix);
    this.#certificates = common.certificates.map((ref) => secrets.certificate(ref, prefix));
    this.#validation = common.validation === null ? null : secrets.validation(common.validation.ref, prefix);
    this.#keyLog = common.keyLog === null ? null : new KeyLog(common.keyLog, context.keyLogFiles);
    for (const handle of this.#handles) handle.onChange(() => this.#changed());
    const factory = this.#factoryStats;
    const refs = common.validation === null ? common.certificates : [...common.certificates, common.validation.ref];
    factory.add(factory.i.ssl_context_update_by_sds, countFetched(refs, this.#handles));
    this.#contexts = this.#build();
  }

  get #handles(): SecretHandle<unknown>[] {
    return this.#validation === null ? [...this.#certificates] : [...this.#certificates, this.#validation];
  }

  whenSettled(settled: () => void): void {
    whenFetched(this.#handles, settled);
  }

  close(): void {
    this.#context.secrets.live?.delete(this);
    for (const handle of this.#handles) handle.release();
    this.#contexts?.client.release();
    this.#contexts = null;
    this.#factoryStats.release();
    this.#stats.release();
  }

  // ─── Contexts ───────────────────────────────────────────────────────────────────────────────────────────────────

  #changed(): void {
    const stats = this.#factoryStats;
    stats.inc(stats.i.ssl_context_update_by_sds);
    const built = this.#build();
    if (built === null) return;
    this.#contexts?.client.release();
    this.#contexts = built;
  }

  /**
   * Null while a secret is missing, or when OpenSSL refuses what came: then the last context stays. Sessions begin
   * anew with each: none passes to other authorities, nor to another certificate of ours.
   */
  #build(): Contexts | null {
    if (this.#handles.some((handle) => handle.current === null)) return null;
    const { common, maxSessionKeys } = this.#config;
    const validation = mergeValidation(common.validation?.base ?? null, this.#validation?.current ?? null);
    const certificates = this.#certificates.map((handle) => handle.current as CertificateSecret);
    const context = clientContext(this.#context.secrets, common, certificates, validation);
    if ('error' in context) {
      this.#context.warn(`${this.#context.statPrefix}: ${context.error}`);
      return null;
    }
    this.#showExpiry(certificates, validation);
    this.#context.secrets.live?.set(this, { certificates, validation });
    const { clock } = this.#context;
    const { enforcesRsaKeyUsage, verifiesSniSan } = this.#config;
    const options = { isServer: false, wallMs: () => clock.wallMs, enforcesRsaKeyUsage };
    const nameless = validation === null ? null : { ...validation, sanMatchers: [] };
    return {
      client: context,
      verify: makeVerifier(validation, options),
      verifyWithoutNames: verifiesSniSan ? makeVerifier(nameless, options) : null,
      checks: validation !== null && asksForSomething(validation),
      sessions: new SessionCache(maxSessionKeys),
    };
  }

  #showExpiry(certificates: readonly CertificateSecret[], validation: ValidationSecret | null): void {
    const { common } = this.#config;
    for (const [i, secret] of certificates.entries()) {
      const ref = common.certificates[i];
      this.#stats.certificate(ref?.kind === 'sds' ? ref.name : '', secret.validToMs);
    }
    if (validation === null) return;
    const ref = common.validation?.ref;
    this.#stats.caCertificate(ref?.kind === 'sds' ? ref.name : '', endOfFirst(validation.trustedCa));
  }

  // ─── Connections ────────────────────────────────────────────────────────────────────────────────────────────────

  readonly needsConnection = false;

  keyOf({ serverName, subjectAltNames, applicationProtocols }: TransportWishes): string {
    if (applicationProtocols === null) {
      if (subjectAltNames === null) return serverName.toLowerCase();
    } else if (subjectAltNames === null && serverName === '') return protocolsKey(applicationProtocols);
    return JSON.stringify([serverName.toLowerCase(), subjectAltNames, applicationProtocols]);
  }

  connect(stream: ByteStream, target: UpstreamTarget, callback: TransportCallback): PendingTransport {
    const contexts = this.#contexts;
    if (contexts === null) {
      const stats = this.#factoryStats;
      stats.inc(stats.i.upstream_context_secrets_not_ready);
      stream.destroy();
      callback(null, connectFailure(NOT_READY));
      return NOTHING;
    }
    const { common } = this.#config;
    const { sessions, client } = contexts;
    const serverName = this.#serverName(target);
    const { address } = target;
    const sessionKey = sessions.isOff ? '' : `${serverName} ${address.address} ${address.port}`;
    const taking = sessions.isOff ? null : new SessionTaking(sessions, sessionKey);
    return startTls(
      stream,
      {
        context: client.context,
        isServer: false,
        requestsCertificate: false,
        requiresCertificate: false,
        alpn: target.applicationProtocols ?? (common.alpn.length > 0 ? common.alpn : target.fallbackProtocols),
        serverName,
        session: sessions.isOff ? null : sessions.take(sessionKey, this.#context.clock.wallMs),
        onSession: taking === null ? null : (session) => taking.take(session),
        onKeylog: this.#keyLog?.writer(stream) ?? null,
        ocspResponse: null,
        verify: (facts) => {
          const verdict = judge(contexts, facts, serverName, target.subjectAltNames);
          if (verdict !== null && verdict.stat !== null) this.#stats.refused(verdict.stat);
          return verdict === null ? null : verdict.reason;
        },
      },
      null,
      (secured, why) => {
        if (secured === null) {
          this.#countFailure(why?.detail ?? '');
          callback(null, connectFailure(why?.detail ?? ''));
          return;
        }
        const facts = secured.tls as SessionFacts;
        taking?.accept(facts.peerCertificate?.validToMs);
        this.#stats.handshake(facts, facts.curve);
        callback(secured, null);
      },
    );
  }

  #countFailure(reason: string): void {
    const stat = handshakeStat(reason);
    if (stat === 'connection_error') this.#stats.connectionError();
    else if (stat !== null) this.#stats.refused(stat);
  }

  /** Source: Envoy ClientContextImpl::newSsl. */
  #serverName({ serverName, hostname }: UpstreamTarget): string {
    if (serverName !== '') return serverName;
    const { sni, usesHostSni } = this.#config;
    return usesHostSni && hostname !== '' ? hostname : sni;
  }
}

/** For pools a failed handshake is a failed connection. */
function connectFailure(detail: string): Failure {
  return failure('connect_failed', 'upstream', 'connection', detail);
}

/** Source: Envoy DefaultCertValidator; what is checked nowhere fails where somebody asks for names. */
function judge(
  { verify, verifyWithoutNames, checks }: Contexts,
  facts: SessionFacts,
  serverName: string,
  names: readonly string[] | null,
): Verdict | null {
  if (names !== null && !checks) return { reason: UNCHECKED_REASON, stat: null };
  if (verifyWithoutNames === null || serverName === '') return verify(facts, names);
  const verdict = verifyWithoutNames(facts, names);
  if (verdict !== null) return verdict;
  const sans = facts.peerCertificate?.names;
  const matcher = new DnsNameMatcher(serverName);
  if (sans?.dnsSans.some((san) => matcher.matches(san)) === true) return null;
  return { reason: sanMatcherReason(sans?.allSans ?? []), stat: 'fail_verify_san' };
}

function asksForSomething(validation: ValidationSecret): boolean {
  const { trustedCa, spiffeTrustDomains, sanMatchers, certificateHashes, spkiHashes } = validation;
  const pins = sanMatchers.length + certificateHashes.length + spkiHashes.length;
  return trustedCa !== null || spiffeTrustDomains !== null || pins > 0;
}

/** Sessions of one connection: TLS 1.2 tells of them before the server was judged, and only accepted ones are kept. */
class SessionTaking {
  readonly #sessions: SessionCache;
  readonly #key: string;
  /** Of the server's certificate; null before it was accepted. */
  #endMs: number | null = null;
  #early: Buffer | null = null;

  constructor(sessions: SessionCache, key: string) {
    this.#sessions = sessions;
    this.#key = key;
  }

  take(session: Buffer): void {
    if (this.#endMs === null) this.#early = session;
    else this.#sessions.put(this.#key, session, this.#endMs);
  }

  /** Without a certificate there is nothing that ends. */
  accept(certificateEndMs = Number.POSITIVE_INFINITY): void {
    this.#endMs = certificateEndMs;
    if (this.#early !== null) this.#sessions.put(this.#key, this.#early, certificateEndMs);
    this.#early = null;
  }
}

/** By the bytes of a file that many clusters share. */
const ends = new WeakMap<Buffer, number>();

/** When the first trusted certificate ends, ms since 1970; null without one. Nothing else in the text matters. */
export function endOfFirst(trustedCa: Buffer | null): number | null {
  if (trustedCa === null) return null;
  let end = ends.get(trustedCa);
  if (end === undefined) {
    const [first] = pemBlocks(trustedCa, 'CERTIFICATE');
    if (first === undefined) return null;
    end = new X509Certificate(first).validToDate.getTime();
    ends.set(trustedCa, end);
  }
  return end;
}

export const upstreamTls: UpstreamTransportFactory = {
  name: NAME,
  configType: 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  fields: UPSTREAM_TLS_FIELDS,
  decode: (message, d) => decodeUpstreamTls(message, d),
  isSecure: () => true,
  create: (config, context) => new UpstreamTls(config, context),
};

/** Lists of protocols are few, and the same one comes with every request. */
const protocolsKeys = new WeakMap<readonly string[], string>();

function protocolsKey(protocols: readonly string[]): string {
  let key = protocolsKeys.get(protocols);
  if (key === undefined) {
    key = JSON.stringify(['', null, protocols]);
    protocolsKeys.set(protocols, key);
  }
  return key;
}
