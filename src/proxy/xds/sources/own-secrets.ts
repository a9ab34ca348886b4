// The place of the SDS server that the proxy itself fills: its certificate and roots; other names go to the server.
import type { Clock, Timer } from '../../../base/clock.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import { registry } from '../../../proto/registry.ts';
import type {
  UpdateCounts,
  XdsListener,
  XdsRefusal,
  XdsResource,
  XdsSource,
  XdsSubscription,
} from '../../../xds/client/types.ts';
import type { CertificateClient, IssuedIdentity } from '../../../identity/certificate-client.ts';
import { SECRET_TYPE } from '../types.ts';

/** Istio's names. */
const CERTIFICATE_NAME = 'default';
const ROOTS_NAME = 'ROOTCA';

export type OwnSecretsParts = {
  readonly clock: Clock;
  readonly client: CertificateClient;
  /** Opens the server whose place it is, for what is not the proxy's own. */
  readonly openServer: () => XdsSource;
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
  isDue: boolean;
};

class OwnSubscription implements XdsSubscription {
  readonly #parts: OwnSecretsParts;
  readonly #timeoutMs: number;
  readonly #listener: XdsListener;
  readonly #openOthers: () => XdsSubscription;
  readonly #wanted = new Map<string, Wanted>();
  readonly #changed = (): void => {
    for (const wanted of this.#wanted.values()) wanted.isDue = true;
    this.#deliverSoon();
  };
  #others: XdsSubscription | null = null;
  #version = 0;
  #sent: IssuedIdentity | null = null;
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
    parts.client.onChange(this.#changed);
  }

  add(name: string, counts: UpdateCounts | null = null, initialFetchTimeoutMs?: number): void {
    if (name !== CERTIFICATE_NAME && name !== ROOTS_NAME) {
      this.#others ??= this.#openOthers();
      this.#others.add(name, counts, initialFetchTimeoutMs);
      return;
    }
    const { clock, client } = this.#parts;
    this.#forget(name);
    const timer = clock.timer((own: OwnSubscription) => own.#timedOut(name), this as OwnSubscription);
    this.#wanted.set(name, { counts, timer, sinceMs: clock.nowMs, isDue: true });
    counts?.attempted();
    if (this.#timeoutMs > 0) timer.arm(this.#timeoutMs);
    client.start();
    this.#deliverSoon();
  }

  remove(name: string): void {
    if (!this.#forget(name)) this.#others?.remove(name);
  }

  close(): void {
    for (const name of [...this.#wanted.keys()]) this.#forget(name);
    this.#parts.client.removeListener(this.#changed);
    this.#others?.close();
  }

  #forget(name: string): boolean {
    const wanted = this.#wanted.get(name);
    wanted?.timer.disarm();
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
    const identity = this.#parts.client.current;
    const due = [...this.#wanted].filter(([, { isDue }]) => isDue);
    if (identity === null || due.length === 0 || this.#isBusy) return;
    if (this.#sent !== identity) this.#version++;
    this.#sent = identity;
    const version = String(this.#version);
    const resources = due.map(([name]) => resourceOf(name, version, identity));
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

function resourceOf(name: string, version: string, { chain, key, roots }: IssuedIdentity): XdsResource {
  const inline = (pem: string) => ({ inline_string: pem });
  const content =
    name === ROOTS_NAME
      ? { validation_context: { trusted_ca: inline(roots) } }
      : { tls_certificate: { certificate_chain: inline(chain), private_key: inline(key) } };
  const bytes = encodeBinary(registry.message(SECRET_TYPE), { name, ...content } as never);
  return { name, version, type: SECRET_TYPE, bytes, aliases: [] };
}
