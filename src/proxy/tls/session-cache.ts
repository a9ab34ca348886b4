// Sessions that a client may resume: a few for each target of one context, and none of them outlives that context.

/** Targets with sessions; the one that was used least recently goes first. */
const MAX_TARGETS = 1024;
/** Bytes of a session: the peer's certificate is in it. */
const MAX_SESSION_BYTES = 64 * 1024;

/** Belongs to one OpenSSL context, so to one set of trusted authorities and one certificate of our own. */
export class SessionCache {
  /** By target, newest last; the sessions of a target too. */
  readonly #sessions = new Map<string, Buffer[]>();
  readonly #maxPerTarget: number;

  /** `maxPerTarget`: 0 keeps none. */
  constructor(maxPerTarget: number) {
    this.#maxPerTarget = maxPerTarget;
  }

  get isOff(): boolean {
    return this.#maxPerTarget === 0;
  }

  /** The newest session of the target, or null. A session of TLS 1.3 serves once (RFC 8446 §C.4). */
  take(target: string): Buffer | null {
    const sessions = this.#sessions.get(target);
    const session = sessions?.at(-1);
    if (sessions === undefined || session === undefined) return null;
    if (isSingleUse(session)) sessions.pop();
    return session;
  }

  put(target: string, session: Buffer): void {
    if (this.isOff || session.length > MAX_SESSION_BYTES) return;
    const sessions = this.#sessions.get(target) ?? [];
    this.#sessions.delete(target);
    this.#sessions.set(target, sessions);
    sessions.push(session);
    if (sessions.length > this.#maxPerTarget) sessions.shift();
    if (this.#sessions.size > MAX_TARGETS) this.#sessions.delete(this.#sessions.keys().next().value as string);
  }
}

/** Protocol version of a session in OpenSSL's DER form: SEQUENCE, INTEGER 1, INTEGER version. */
function isSingleUse(session: Buffer): boolean {
  const lengthBytes = ((session[1] ?? 0) & 0x80) === 0 ? 0 : (session[1] as number) & 0x7f;
  const at = 2 + lengthBytes + 3;
  return session[at] === 0x02 && session[at + 1] === 2 && session.readUInt16BE(at + 2) >= 0x0304;
}
