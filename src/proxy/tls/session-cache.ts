// Sessions that a client may resume: a few for each target of one context, and none of them outlives that context.

/** Targets with sessions; the one that was used least recently goes first. */
const MAX_TARGETS = 1024;
/** Bytes of a session: the peer's certificate is in it. */
const MAX_SESSION_BYTES = 64 * 1024;
/** A session goes so long before its certificate, which is judged again when the handshake is done. */
const MARGIN_MS = 5000;

type Kept = { readonly session: Buffer; readonly endMs: number };

/** Belongs to one OpenSSL context, so to one set of trusted authorities and one certificate of our own. */
export class SessionCache {
  /** By target, newest last; the sessions of a target too. */
  readonly #sessions = new Map<string, Kept[]>();
  readonly #maxPerTarget: number;

  /** `maxPerTarget`: 0 keeps none. */
  constructor(maxPerTarget: number) {
    this.#maxPerTarget = maxPerTarget;
  }

  get isOff(): boolean {
    return this.#maxPerTarget === 0;
  }

  /** The newest session of the target, or null. A session of TLS 1.3 serves once (RFC 8446 §C.4). */
  take(target: string, nowMs: number): Buffer | null {
    const sessions = this.#sessions.get(target);
    const newest = sessions?.at(-1);
    if (sessions === undefined || newest === undefined) return null;
    if (newest.endMs - MARGIN_MS <= nowMs) {
      // Those before it are of the same certificate, or of an older one.
      this.#sessions.delete(target);
      return null;
    }
    if (isSingleUse(newest.session)) sessions.pop();
    return newest.session;
  }

  /**
   * `endMs`: of the certificate that the session stands for, ms since 1970. Resuming does not renew it: a peer that has
   * another one by then would be refused for the old one.
   */
  put(target: string, session: Buffer, endMs: number): void {
    if (this.isOff || session.length > MAX_SESSION_BYTES) return;
    const sessions = this.#sessions.get(target) ?? [];
    this.#sessions.delete(target);
    this.#sessions.set(target, sessions);
    sessions.push({ session, endMs });
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
