// A workload's identity: a key in memory, a certificate that an authority signs, renewed long before its end.
import type { Clock, Random, Timer } from '../base/clock.ts';
import type { ScopeOf, StatStore } from '../telemetry/metrics.ts';
import type { KeyObject } from 'node:crypto';
import { certificateRequest, type KeyKind, makeKey } from './certificate-request.ts';
import { type IssuedChain, readIssuedChain, type TrustRoot } from './issued-chain.ts';

/** A chain in PEM, or why there is none. */
export type SignResult = { readonly chain: readonly string[] } | { readonly error: string };

/** Asks the authority, and tells once, perhaps during the call; what it returns gives the question up. */
export type Signer = (request: string, validityS: number, done: (result: SignResult) => void) => () => void;

export type CertificateClientParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly sign: Signer;
  /** Between tries that fail. */
  readonly backOff: { nextMs(): number; reset(): void };
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

/** All PEM. */
export type IssuedIdentity = {
  readonly chain: string;
  readonly key: string;
  /** The authority's roots, and those of before as long as certificates under them may be about. */
  readonly roots: string;
};

export type CertificateOptions = {
  /** Default p256. */
  readonly key?: KeyKind;
  /** Renewal begins at a random point of this part of a certificate's life. */
  readonly renewFrom?: number;
  readonly renewTo?: number;
};

/** Under 'certificate_client.'. */
export const CERTIFICATE_CLIENT_STATS = {
  csr_sent: 'counter',
  csr_failed: 'counter',
  roots: 'gauge',
  expiration_unix_time_seconds: 'gauge',
} as const;

/** Renewal begins at a random point of this part of its life, so that a fleet does not renew as one. */
const RENEW_FROM = 0.5;
const RENEW_TO = 0.8;
/** Tries are this far apart at least, whatever the back-off draws. */
const LEAST_WAIT_MS = 200;
/** Timers look at the clock so often: the machine may have slept. */
const LONGEST_TIMER_MS = 3_600_000;
/** Old ones beyond that go first. */
const MAX_ROOTS = 16;

/** `untilMs`: Infinity while the authority names it. */
type KeptRoot = TrustRoot & { readonly untilMs: number };

export class CertificateClient {
  readonly #parts: CertificateClientParts;
  readonly #identity: string;
  readonly #validityS: number;
  readonly #options: Required<CertificateOptions>;
  readonly #stats: ScopeOf<typeof CERTIFICATE_CLIENT_STATS>;
  readonly #timer: Timer;
  readonly #listeners = new Set<() => void>();
  #roots: readonly KeptRoot[] = [];
  /** Roots that somebody else vouches for. */
  #bundle: readonly TrustRoot[] = [];
  #current: IssuedIdentity | null = null;
  #validToMs = 0;
  /** Of the next request, ms since 1970. */
  #dueWallMs = 0;
  #cancel: (() => void) | null = null;
  #isStarted = false;

  constructor(parts: CertificateClientParts, identity: string, validityS: number, options: CertificateOptions = {}) {
    this.#parts = parts;
    this.#options = { key: 'p256', renewFrom: RENEW_FROM, renewTo: RENEW_TO, ...options };
    this.#identity = identity;
    this.#validityS = validityS;
    this.#stats = parts.stats.scope('certificate_client.', CERTIFICATE_CLIENT_STATS);
    this.#timer = parts.clock.timer((client: CertificateClient) => client.#due(), this);
  }

  /** Null before the first one came. */
  get current(): IssuedIdentity | null {
    return this.#current;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeListener(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** ms since 1970; 0 without a certificate. */
  get validToMs(): number {
    return this.#validToMs;
  }

  /** What is left of an earlier life: in use until the first answer. False: it is of no use any more. */
  adopt(issued: IssuedChain, key: KeyObject): boolean {
    if (this.#current !== null) return false;
    this.#use(issued, key);
    return true;
  }

  /** Believes in these roots, too; they replace those of the last call. */
  setTrustBundle(roots: readonly TrustRoot[]): void {
    const before = this.#bundle.map(({ id }) => id).join();
    if (before === roots.map(({ id }) => id).join()) return;
    this.#bundle = roots.slice(0, MAX_ROOTS);
    if (this.#current === null) return;
    this.#current = { ...this.#current, roots: this.#trusted() };
    this.#tell();
  }

  /** Somebody wants it; from now on there is always a good one, if the authority is willing. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#ask();
  }

  close(): void {
    this.#isStarted = false;
    this.#timer.disarm();
    this.#cancel?.();
    this.#cancel = null;
    this.#listeners.clear();
    this.#stats.release();
  }

  #due(): void {
    const leftMs = this.#dueWallMs - this.#parts.clock.wallMs;
    if (leftMs > 0) this.#timer.arm(Math.min(leftMs, LONGEST_TIMER_MS));
    else this.#ask();
  }

  #wait(delayMs: number): void {
    this.#dueWallMs = this.#parts.clock.wallMs + delayMs;
    this.#timer.arm(Math.min(delayMs, LONGEST_TIMER_MS));
  }

  #ask(): void {
    const { key } = this.#options;
    // A key that is made elsewhere comes outside of any turn.
    if (key.startsWith('rsa')) makeKey(key, (made) => this.#parts.clock.defer(() => this.#askFor(made)));
    else makeKey(key, (made) => this.#askFor(made));
  }

  #askFor(key: KeyObject): void {
    if (!this.#isStarted) return;
    const { request } = certificateRequest(this.#identity, key);
    this.#stats.inc(this.#stats.i.csr_sent);
    let isOver = false;
    const cancel = this.#parts.sign(request, this.#validityS, (result) => {
      isOver = true;
      this.#cancel = null;
      if (this.#isStarted) this.#answered(key, result);
    });
    if (!isOver) this.#cancel = cancel;
  }

  #answered(key: KeyObject, result: SignResult): void {
    const { clock, backOff } = this.#parts;
    const issued = 'error' in result ? result.error : readIssuedChain(result.chain, key, clock.wallMs);
    if (typeof issued === 'string') {
      this.#failed(issued);
      return;
    }
    backOff.reset();
    this.#use(issued, key);
    // From now on, not from the certificate's beginning, which authorities date back.
    const lifeMs = issued.validToMs - clock.wallMs;
    const { renewFrom, renewTo } = this.#options;
    const part = renewFrom + ((renewTo - renewFrom) * this.#parts.random.below(1000)) / 1000;
    this.#wait(Math.max(LEAST_WAIT_MS, lifeMs * part));
    this.#parts.log('info', `certificate client: a certificate until ${new Date(issued.validToMs).toISOString()}`);
    this.#tell();
  }

  #use(issued: IssuedChain, key: KeyObject): void {
    this.#keepRoots(issued);
    this.#validToMs = issued.validToMs;
    this.#current = {
      chain: issued.chain,
      key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
      roots: this.#trusted(),
    };
    const stats = this.#stats;
    stats.set(stats.i.roots, this.#roots.length);
    stats.set(stats.i.expiration_unix_time_seconds, Math.floor(issued.validToMs / 1000));
  }

  #trusted(): string {
    const all = new Map([...this.#roots, ...this.#bundle].map((root) => [root.id, root.pem]));
    return [...all.values()].join('');
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #failed(reason: string): void {
    const { clock, backOff, log } = this.#parts;
    this.#stats.inc(this.#stats.i.csr_failed);
    const drawnMs = backOff.nextMs();
    const leftMs = this.#validToMs - clock.wallMs;
    // A certificate that ends soon is worth more tries than one that has time.
    const delayMs = Math.max(LEAST_WAIT_MS, leftMs > 0 ? Math.min(drawnMs, leftMs / 4) : drawnMs);
    const state = this.#current === null ? 'there is none yet' : leftMs > 0 ? 'the last one still holds' : 'it is over';
    log('warning', `certificate client: no certificate: ${reason} (${state}; again in ${Math.ceil(delayMs)} ms)`);
    this.#wait(delayMs);
  }

  /**
   * Roots that the authority no longer names are believed in for as long as a certificate under them may be about:
   * others got theirs before and show it until they renew, too.
   */
  #keepRoots({ roots, validToMs }: IssuedChain): void {
    const nowMs = this.#parts.clock.wallMs;
    const retiredUntilMs = Math.max(validToMs, nowMs + this.#validityS * 1000);
    const unique = new Map(roots.map((root) => [root.id, { ...root, untilMs: Infinity }]));
    const before = this.#roots
      .filter((root) => !unique.has(root.id) && root.untilMs > nowMs && root.validToMs > nowMs)
      .map((root) => ({ ...root, untilMs: Math.min(root.untilMs, retiredUntilMs) }));
    this.#roots = [...unique.values(), ...before].slice(0, MAX_ROOTS);
  }
}
