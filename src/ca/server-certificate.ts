// The control plane's own TLS: a certificate for the names that proxies dial, made by its own CA and renewed in time.
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { Timer } from '../base/clock.ts';
import type { GrpcServerTls } from '../grpc/options.ts';
import { DEFAULT_CIPHERS, DEFAULT_CURVES, makeSecureContext } from '../net/tls/secure-context.ts';
import type { Authority } from './authority.ts';
import { makeKey } from './signing/algorithms.ts';
import { exportKey } from './signing/issuer.ts';

/** Names of istiod that proxies of Istio's dial, in a namespace; others may follow. */
export function istiodNames(namespace: string, revision = ''): string[] {
  const services = revision === '' || revision === 'default' ? ['istiod'] : ['istiod', `istiod-${revision}`];
  const names = services.flatMap((service) => [
    `${service}.${namespace}.svc`,
    `${service}.${namespace}.svc.cluster.local`,
    `${service}.${namespace}`,
  ]);
  // Source: Istio pilot/pkg/bootstrap, istiodHost: the names before 1.5 are dialled still.
  return [...names, `istio-pilot.${namespace}.svc`];
}

/** A part of the certificate's life after which the next one is made. */
const RENEW_AT_PART = 0.5;
const LONGEST_TIMER_MS = 3_600_000;
const RETRY_MS = 10_000;

/** Certificate and context as they are now; close it with the server. */
export class ServerCertificate {
  readonly #authority: Authority;
  readonly #names: readonly string[];
  readonly #timer: Timer;
  readonly #unlisten: () => void;
  #key: KeyObject;
  #chain = '';
  #context: SecureContext | null = null;
  #issuerId = '';
  #bundleVersion = '';
  #renewAtMs = 0;

  private constructor(authority: Authority, names: readonly string[], key: KeyObject) {
    this.#authority = authority;
    this.#names = names;
    this.#key = key;
    this.#timer = authority.options.clock.timer((own: ServerCertificate) => own.#due(), this as ServerCertificate);
    this.#unlisten = authority.onChange(() => this.#refresh());
  }

  /** A text says why there is none. */
  static async make(authority: Authority, names: readonly string[]): Promise<ServerCertificate | string> {
    const made = new ServerCertificate(authority, names, await makeKey('p256'));
    const problem = await made.#renew();
    if (problem === null) return made;
    made.close();
    return problem;
  }

  /** PEM: the certificate and what goes between it and the root. */
  get chain(): string {
    return this.#chain;
  }

  /**
   * For a gRPC server: clients without a certificate are let in, to show a token; those with one must have it of this
   * mesh. What a call may do is decided by its proof, see `peerCertificate`.
   */
  tls(): GrpcServerTls {
    return {
      context: () => this.#context as SecureContext,
      requestsCertificate: true,
      requiresCertificate: false,
      verify: (facts) => {
        if (facts.peerCertificate === null) return null;
        facts.isPeerVerified = facts.chainError === '';
        return facts.isPeerVerified ? null : facts.chainError;
      },
    };
  }

  close(): void {
    this.#unlisten();
    this.#timer.disarm();
  }

  #due(): void {
    const leftMs = this.#renewAtMs - this.#authority.options.clock.wallMs;
    if (leftMs > 0) this.#timer.arm(Math.min(leftMs, LONGEST_TIMER_MS));
    else this.#renewOrRetry();
  }

  /** The CA changed: another signs, or clients' certificates lead to other roots. */
  #refresh(): void {
    if (this.#authority.issuer.id !== this.#issuerId) this.#renewOrRetry();
    else if (this.#authority.bundle.version !== this.#bundleVersion) this.#makeContext(this.#key, this.#chain);
  }

  #renewOrRetry(): void {
    const failed = (problem: string): void => {
      this.#authority.options.log.write('error', `the control plane's own certificate is not renewed: ${problem}`);
      this.#timer.arm(RETRY_MS);
    };
    this.#renew().then(
      (problem) => {
        if (problem !== null) failed(problem);
      },
      (error: Error) => failed(error.message),
    );
  }

  async #renew(): Promise<string | null> {
    const { clock, maxLifeMs } = this.#authority.options;
    const key = await makeKey('p256');
    const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
    const issuerId = this.#authority.issuer.id;
    const issued = await this.#authority.issueServer(this.#names, publicKey, maxLifeMs);
    if (typeof issued === 'string') return issued;
    const problem = this.#makeContext(key, issued.chain.join(''));
    if (problem !== null) return problem;
    this.#issuerId = issuerId;
    clock.update();
    const lifeMs = issued.validToMs - clock.wallMs;
    this.#renewAtMs = clock.wallMs + lifeMs * RENEW_AT_PART;
    this.#timer.arm(Math.min(lifeMs * RENEW_AT_PART, LONGEST_TIMER_MS));
    return null;
  }

  #makeContext(key: KeyObject, chain: string): string | null {
    const { bundle } = this.#authority;
    const context = makeSecureContext({
      isServer: true,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: DEFAULT_CIPHERS,
      curves: DEFAULT_CURVES,
      signatureAlgorithms: '',
      certificates: [{ chain: Buffer.from(chain), key: Buffer.from(exportKey(key)), password: '' }],
      trustedCa: Buffer.from(bundle.pem),
      crl: null,
      sessionIdContext: bundle.version,
      ticketKeys: [],
      // A connection lives for long; a ticket would keep who was trusted alive.
      hasTickets: false,
      sessionTimeoutS: 0,
      prefersClientCiphers: false,
    });
    if ('error' in context) return context.error;
    this.#context = context;
    this.#key = key;
    this.#chain = chain;
    this.#bundleVersion = bundle.version;
    return null;
  }
}
