// The CA of a mesh: signs for proved identities, and brings new roots among proxies before it uses them.
import { type SpiffeAccount, spiffeId } from '../base/spiffe.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../telemetry/log.ts';
import { pemText } from '../wire/pem-text.ts';
import type { CaMetrics } from './metrics.ts';
import { type CertificateParts, NO_NAME, writeCertificate } from './signing/certificate-writer.ts';
import type { Issuer } from './signing/issuer.ts';
import { writeFileDurably } from './storage/files.ts';
import { type IssuerSource, openTrust } from './issuer-source.ts';
import type { Trust, TrustBundle } from './trust.ts';

export type AuthorityOptions = {
  readonly clock: Clock;
  readonly log: Pick<Logger, 'write'>;
  readonly metrics: CaMetrics;
  /** Of the mesh, and names that its proxies may have had before. */
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly source: IssuerSource;
  /** What is asked for without a time, and the most that is given. */
  readonly defaultLifeMs: number;
  readonly maxLifeMs: number;
  /** Proxies that are connected and have not acknowledged this bundle (all of them, or some to be named). */
  readonly waitingFor: (bundleVersion: string) => readonly string[];
  /** How long a root is announced at least; proxies that are away come back in the meantime. */
  readonly leastAnnouncedMs: number;
  /** Part of a self-made root's life that is left when the next one is announced; 0: never. */
  readonly rotateAtPart: number;
  /** Where the bundle is written for those who fetch it as a file; null: nowhere. */
  readonly bundlePath: string | null;
};

export const DEFAULT_AUTHORITY = {
  defaultLifeMs: 86_400_000,
  maxLifeMs: 86_400_000,
  leastAnnouncedMs: 300_000,
  // Istio's grace period: CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE.
  rotateAtPart: 0.2,
  bundlePath: null,
} as const;

export type Issued = {
  /** PEM: the certificate, and what goes between it and its root. */
  readonly chain: readonly string[];
  readonly validToMs: number;
};

/** Clocks of proxies may be behind by so much. */
const BACK_DATED_MS = 60_000;
/** Waiting signatures; each takes a tenth of a millisecond. */
const MAX_PENDING = 2000;
const CHECK_MS = 5000;
const REPORT_MS = 86_400_000;
/** Of what is left: from here on the daily line is a warning. */
const SOON_MS = 30 * 86_400_000;

export class Authority {
  readonly options: AuthorityOptions;
  readonly #trust: Trust;
  readonly #timer: Timer;
  readonly #listeners = new Set<() => void>();
  #pending = 0;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #waitingReportedMs = Number.NEGATIVE_INFINITY;
  #isRotating = false;

  private constructor(options: AuthorityOptions, trust: Trust) {
    this.options = options;
    this.#trust = trust;
    this.#timer = options.clock.timer((authority: Authority) => authority.#check(), this as Authority);
    this.#changed();
    this.#check();
  }

  /** Makes or reads the issuer. A text says why there is none. */
  static async open(options: AuthorityOptions): Promise<Authority | string> {
    const { source, clock, trustDomain, maxLifeMs, log } = options;
    clock.update();
    const trust = await openTrust(source, { trustDomain, nowMs: clock.wallMs, maxLifeMs, log });
    return typeof trust === 'string' ? trust : new Authority(options, trust);
  }

  /** Who signs now. */
  get issuer(): Issuer {
    return this.#trust.signing;
  }
  /** What every proxy is to trust. */
  get bundle(): TrustBundle {
    return this.#trust.bundle;
  }
  /** Whether a root waits to take over. */
  get isRotating(): boolean {
    return this.#trust.next !== null;
  }

  /** Called whenever the bundle or the issuer is another one. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#timer.disarm();
    this.#listeners.clear();
  }

  // ─── Signing ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the trust domain is the mesh's, by any of its names. */
  isOwnDomain(trustDomain: string): boolean {
    return trustDomain === this.options.trustDomain || this.options.trustDomainAliases.includes(trustDomain);
  }

  /** A certificate for an account, whose name is written in the mesh's own trust domain. A text says why not. */
  issueWorkload(account: SpiffeAccount, publicKey: Buffer, wantedMs: number): Promise<Issued | string> {
    const uri = spiffeId({ ...account, trustDomain: this.options.trustDomain });
    return this.#issue({ publicKey, uris: [uri], dnsNames: [], usage: 'workload' }, wantedMs);
  }

  /** A certificate for a server of the control plane. A text says why not. */
  issueServer(dnsNames: readonly string[], publicKey: Buffer, wantedMs: number): Promise<Issued | string> {
    return this.#issue({ publicKey, uris: [], dnsNames, usage: 'server' }, wantedMs);
  }

  async #issue(
    what: Pick<CertificateParts, 'publicKey' | 'uris' | 'dnsNames' | 'usage'>,
    wantedMs: number,
  ): Promise<Issued | string> {
    const { clock, defaultLifeMs, maxLifeMs } = this.options;
    if (this.#pending >= MAX_PENDING) return `${MAX_PENDING} certificates are being signed already`;
    clock.update();
    const nowMs = clock.wallMs;
    const issuer = this.#trust.signing;
    if (issuer.validToMs <= nowMs) return `the CA's own certificate is over since ${isoOf(issuer.validToMs)}`;
    const lifeMs = Math.min(wantedMs > 0 ? wantedMs : defaultLifeMs, maxLifeMs);
    const toMs = Math.min(nowMs + lifeMs, issuer.validToMs);
    const fromMs = Math.min(Math.max(nowMs - BACK_DATED_MS, issuer.validFromMs), nowMs);
    this.#pending++;
    try {
      const der = await writeCertificate(issuer.signer, { ...what, subject: NO_NAME, fromMs, toMs });
      return { chain: [pemText('CERTIFICATE', der), ...issuer.chain], validToMs: toMs };
    } catch (error) {
      return `the CA's key cannot sign: ${(error as Error).message}`;
    } finally {
      this.#pending--;
    }
  }

  // ─── Rotation ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Announces a new self-made root; a text says why not. */
  async rotate(): Promise<string | null> {
    const { source, trustDomain, clock } = this.options;
    if (source.kind !== 'self-made') return 'the CA is plugged in: put a new one in its place';
    if (this.isRotating || this.#isRotating) return 'a rotation is under way';
    this.#isRotating = true;
    try {
      clock.update();
      const issuer = await source.make(trustDomain, clock.wallMs);
      clock.update();
      await source.store.saveRoot(issuer);
      this.#announce(issuer);
      return null;
    } finally {
      this.#isRotating = false;
    }
  }

  /** What is plugged in was replaced: under a root that is known it signs at once, else after an announcement. */
  plug(issuer: Issuer): void {
    const trust = this.#trust;
    if (issuer.id === trust.signing.id && issuer.roots.join('') === trust.signing.roots.join('')) return;
    if (issuer.id === trust.next?.issuer.id) return;
    const isKnown = trust.signing.roots.includes(issuer.roots[0] ?? '');
    if (!isKnown) {
      this.#announce(issuer);
      return;
    }
    const old = trust.signing.roots;
    trust.replace(issuer);
    trust.keep(old, this.#retiresAtMs());
    this.#log('info', `the CA signs with another certificate under the same root: ${nameOf(issuer)}`);
    this.#changed();
  }

  /** A proxy acknowledged a bundle, or went away: perhaps nobody is waited for any more. */
  onBundleAcknowledged(): void {
    if (this.isRotating) this.#check();
  }

  #announce(issuer: Issuer): void {
    this.#trust.announce(issuer, this.options.clock.wallMs);
    this.#log('info', `a new root is announced and does not sign yet: ${nameOf(issuer)}`);
    this.#changed();
  }

  #retiresAtMs(): number {
    return this.options.clock.wallMs + this.options.maxLifeMs + BACK_DATED_MS;
  }

  #check(): void {
    const { clock, source, rotateAtPart } = this.options;
    this.#timer.arm(CHECK_MS);
    const nowMs = clock.wallMs;
    this.#reportExpiry(nowMs);
    if (this.#trust.next !== null && this.#mayPromote(nowMs)) this.#promote();
    if (this.#trust.retire(nowMs)) {
      this.#log('info', 'a root of before is not trusted any more: what it signed is over');
      this.#changed();
    }
    const { validFromMs, rootValidToMs } = this.#trust.signing;
    const isDue = rootValidToMs - nowMs < (rootValidToMs - validFromMs) * rotateAtPart;
    if (source.kind === 'self-made' && isDue && !this.isRotating && !this.#isRotating) {
      this.rotate().catch((error: Error) => this.#log('error', `no new root can be made: ${error.message}`));
    }
  }

  #mayPromote(nowMs: number): boolean {
    const { waitingFor, leastAnnouncedMs, maxLifeMs } = this.options;
    const { signing, next, bundle } = this.#trust;
    // What the old root could still sign would end before its time.
    if (signing.validToMs - nowMs < maxLifeMs / 2) return true;
    if (nowMs - (next?.sinceMs ?? nowMs) < leastAnnouncedMs) return false;
    const waiting = waitingFor(bundle.version);
    if (waiting.length === 0) return true;
    if (nowMs - this.#waitingReportedMs >= REPORT_MS / 24) {
      this.#waitingReportedMs = nowMs;
      const names = waiting.slice(0, 3).join(', ');
      this.#log('warning', `the new root waits for ${waiting.length} proxies to acknowledge it, such as ${names}`);
    }
    return false;
  }

  #promote(): void {
    this.#trust.promote(this.#retiresAtMs());
    this.#log('info', `the CA signs under the new root: ${nameOf(this.#trust.signing)}`);
    this.#reportedMs = Number.NEGATIVE_INFINITY;
    this.#changed();
  }

  // ─── What others see ────────────────────────────────────────────────────────────────────────────────────────────

  #changed(): void {
    const { source, bundlePath, metrics, clock } = this.options;
    const trust = this.#trust;
    // On the disk before anybody hears of it: after a crash nothing is forgotten that proxies were told.
    source.store?.saveRecord(trust.record());
    if (source.kind === 'self-made')
      source.store.keepOnly([trust.signing.id, ...(trust.next ? [trust.next.issuer.id] : [])]);
    if (bundlePath !== null) writeFileDurably(bundlePath, trust.bundle.pem, 0o644);
    metrics.showExpiry(trust.signing.rootValidToMs, trust.signing.validToMs, () => {
      clock.update();
      return clock.wallMs;
    });
    metrics.showRoots(trust.bundle.roots.length);
    for (const listener of [...this.#listeners]) listener();
  }

  #reportExpiry(nowMs: number): void {
    if (nowMs - this.#reportedMs < REPORT_MS) return;
    this.#reportedMs = nowMs;
    const { validToMs, rootValidToMs } = this.#trust.signing;
    const leftMs = Math.min(validToMs, rootValidToMs) - nowMs;
    const level = leftMs <= 0 ? 'critical' : leftMs < SOON_MS ? 'warning' : 'info';
    const days = Math.floor(leftMs / 86_400_000);
    const text = `the root is good until ${isoOf(rootValidToMs)}, the CA's chain until ${isoOf(validToMs)}`;
    this.#log(level, leftMs <= 0 ? `${text}: it is over` : `${text}: ${days} days from now`);
  }

  #log(level: 'info' | 'warning' | 'error' | 'critical', text: string): void {
    this.options.log.write(level, text);
  }
}

function nameOf({ id, rootValidToMs }: Issuer): string {
  return `${id.slice(0, 16)}, root until ${isoOf(rootValidToMs)}`;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
