// The place of the SDS server that the proxy itself fills: what its store has; other names go to the server.
import type { Clock, Timer } from '../../../base/clock.ts';
import type {
  UpdateCounts,
  XdsListener,
  XdsRefusal,
  XdsResource,
  XdsSource,
  XdsSubscription,
} from '../../../xds/client/types.ts';
import { CERTIFICATE_NAME, type SecretStore, type SecretSubscription } from '../../../identity/secret-store.ts';
import { SECRET_TYPE } from '../types.ts';

export type OwnSecretsParts = {
  readonly clock: Clock;
  readonly store: SecretStore;
  /** Opens the server whose place it is, for what is not the proxy's own. */
  readonly openServer: () => XdsSource;
  /** The workload's certificate is in use. */
  readonly onCertified: () => void;
};

export class OwnSecrets implements XdsSource {
  readonly #parts: OwnSecretsParts;
  readonly #open = new Set<XdsSubscription>();
  #server: XdsSource | null = null;

  constructor(parts: OwnSecretsParts) {
    this.#parts = parts;
  }

  subscribe(
    type: string,
    isWildcard: boolean,
    initialFetchTimeoutMs: number,
    listener: XdsListener,
    counts: UpdateCounts | null = null,
  ): XdsSubscription {
    const others = (): XdsSubscription => {
      this.#server ??= this.#parts.openServer();
      return this.#server.subscribe(type, isWildcard, initialFetchTimeoutMs, listener, counts);
    };
    if (type !== SECRET_TYPE || isWildcard) return others();
    const opened = new OwnSubscription(this.#parts, initialFetchTimeoutMs, listener, others);
    this.#open.add(opened);
    return opened;
  }

  close(): void {
    for (const subscription of this.#open) subscription.close();
    this.#open.clear();
    this.#server?.close();
  }
}

type Wanted = {
  readonly counts: UpdateCounts | null;
  /** Until the first answer. */
  readonly timer: Timer;
  readonly sinceMs: number;
  readonly secret: SecretSubscription;
  isDue: boolean;
};

class OwnSubscription implements XdsSubscription {
  readonly #parts: OwnSecretsParts;
  readonly #timeoutMs: number;
  readonly #listener: XdsListener;
  readonly #openOthers: () => XdsSubscription;
  readonly #wanted = new Map<string, Wanted>();
  #others: XdsSubscription | null = null;
  #version = 0;
  /** What was sent of each name: the secret's own version. */
  readonly #sent = new Map<string, string>();
  #isScheduled = false;
  /** A response is being taken on: the next one waits. */
  #isBusy = false;

  constructor(
    parts: OwnSecretsParts,
    initialFetchTimeoutMs: number,
    listener: XdsListener,
    openOthers: () => XdsSubscription,
  ) {
    this.#parts = parts;
    this.#timeoutMs = initialFetchTimeoutMs;
    this.#listener = listener;
    this.#openOthers = openOthers;
  }

  add(name: string, counts: UpdateCounts | null = null, initialFetchTimeoutMs?: number): void {
    const { clock, store } = this.#parts;
    if (!store.has(name)) {
      this.#others ??= this.#openOthers();
      this.#others.add(name, counts, initialFetchTimeoutMs);
      return;
    }
    this.#forget(name);
    const timer = clock.timer((own: OwnSubscription) => own.#timedOut(name), this as OwnSubscription);
    const secret = store.subscribe(name, () => this.#changed(name));
    this.#wanted.set(name, { counts, timer, secret, sinceMs: clock.nowMs, isDue: true });
    counts?.attempted();
    if (this.#timeoutMs > 0) timer.arm(this.#timeoutMs);
    this.#deliverSoon();
  }

  #changed(name: string): void {
    const wanted = this.#wanted.get(name);
    if (wanted !== undefined) wanted.isDue = true;
    this.#deliverSoon();
  }

  remove(name: string): void {
    if (!this.#forget(name)) this.#others?.remove(name);
  }

  close(): void {
    for (const name of [...this.#wanted.keys()]) this.#forget(name);
    this.#others?.close();
  }

  #forget(name: string): boolean {
    const wanted = this.#wanted.get(name);
    wanted?.timer.disarm();
    wanted?.secret.close();
    wanted?.counts?.release();
    return this.#wanted.delete(name);
  }

  #timedOut(name: string): void {
    this.#wanted.get(name)?.counts?.timedOut();
    this.#listener.onFetchTimeout([name]);
  }

  #deliverSoon(): void {
    if (this.#isScheduled || this.#isBusy) return;
    this.#isScheduled = true;
    this.#parts.clock.defer(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const due = [...this.#wanted].filter(([, { isDue, secret }]) => isDue && secret.current !== null);
    if (due.length === 0 || this.#isBusy) return;
    const found = due.flatMap(([, { secret }]) => secret.current ?? []);
    if (found.some((secret) => this.#sent.get(secret.name) !== secret.version)) this.#version++;
    const version = String(this.#version);
    const resources = found.map((secret): XdsResource => {
      this.#sent.set(secret.name, secret.version);
      return { name: secret.name, version, type: SECRET_TYPE, bytes: secret.body, aliases: [] };
    });
    for (const [, wanted] of due) {
      wanted.isDue = false;
      wanted.timer.disarm();
    }
    this.#isBusy = true;
    this.#listener.onResponse(
      { type: SECRET_TYPE, version, resources, removed: [], broken: [], isComplete: false },
      (refused) => {
        this.#isBusy = false;
        for (const [name, wanted] of due) this.#count(name, wanted, version, refused);
        if (refused.length === 0 && due.some(([name]) => name === CERTIFICATE_NAME)) this.#parts.onCertified();
        this.#deliverSoon();
      },
    );
  }

  #count(name: string, wanted: Wanted, version: string, refused: readonly XdsRefusal[]): void {
    if (this.#wanted.get(name) !== wanted) return;
    if (refused.some((one) => one.name === name)) wanted.counts?.rejected();
    else wanted.counts?.succeeded(version, this.#parts.clock.nowMs - wanted.sinceMs);
  }
}
