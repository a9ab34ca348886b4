// Secrets that servers send: for all who use one of that name, with the files that it names.
import type { Secret } from '../../proto/generated/types.d.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import { ConfigDecoder, type DecodeEnvironment } from '../config-decoder.ts';
import type { Holder, Holders } from '../xds/holders.ts';
import { decodeSecret, SECRET_KIND_NAMES, secretKind, type SecretKind, type SecretValues } from './decode-secret.ts';
import { watchedDirectories } from './secret-files.ts';
import { rotationWarning, SecretParts, type SecretPartsContext } from './secret-parts.ts';
import type { NamedSecret, SecretHandle } from './tls-config.ts';

/** Under 'sds.NAME.', beside what the question counts. */
const STATS = { key_rotation_failed: 'counter-once' } as const;

export type ServerSecretContext = SecretPartsContext & {
  readonly stats: StatStore;
  readonly environment: DecodeEnvironment;
};

/** A message of a kind that there is → the secret; null after rejecting it. */
export function decodeNamedSecret(message: Secret, d: ConfigDecoder): NamedSecret | null {
  const kind = secretKind(message);
  if (kind === null) {
    d.reject('', 'is of a kind that is not supported: a certificate, a validation context or ticket keys');
    return null;
  }
  const value = decodeSecret(message, kind, d);
  if (value === null) return null;
  const files = watchedDirectories(message).length === 0 ? {} : { message };
  return { kind, value, ...files } as NamedSecret;
}

/** Those of a worker: each watches its files once, however many use it. */
export class ServerSecrets {
  readonly #context: ServerSecretContext;
  readonly #holders: Holders<NamedSecret>;
  readonly #files = new Map<Holder<NamedSecret>, WatchedSecret>();

  constructor(context: ServerSecretContext, holders: Holders<NamedSecret>) {
    this.#context = context;
    this.#holders = holders;
  }

  handle<K extends SecretKind>(
    kind: K,
    holder: Holder<NamedSecret>,
    check: (value: SecretValues[K]) => string | null,
  ): SecretHandle<SecretValues[K]> {
    let files = this.#files.get(holder);
    if (files === undefined) {
      files = new WatchedSecret(this.#context, holder);
      this.#files.set(holder, files);
    }
    return new ServerHandle(kind, holder, check, this.#context.warn, () => {
      this.#holders.release(holder);
      if (holder.users > 0) return;
      this.#files.get(holder)?.close();
      this.#files.delete(holder);
    });
  }
}

/** The files of one secret. */
class WatchedSecret {
  readonly #context: ServerSecretContext;
  readonly #holder: Holder<NamedSecret>;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #parts: SecretParts;
  #message: Secret | null = null;
  readonly #came = (): void => {
    const message = this.#holder.current?.message ?? null;
    if (message === this.#message) return;
    this.#message = message;
    this.#parts.follow(message);
  };

  constructor(context: ServerSecretContext, holder: Holder<NamedSecret>) {
    this.#context = context;
    this.#holder = holder;
    this.#stats = context.stats.scope(`sds.${holder.name}.`, STATS);
    this.#parts = new SecretParts(context, holder.name, (message) => this.#read(message));
    holder.listen(this.#came);
    this.#came();
  }

  #read(message: Secret): void {
    const d = new ConfigDecoder(this.#context.environment);
    const secret = decodeNamedSecret(message, d);
    const [reason] = d.reasons;
    const text = reason === undefined ? null : reason.path === '' ? reason.reason : `${reason.path}: ${reason.reason}`;
    const refusal = secret === null || text !== null ? (text ?? 'is empty') : this.#holder.refusal(secret);
    this.#parts.isGood = refusal === null;
    if (secret !== null && refusal === null) {
      if (secret.value.fingerprint !== this.#holder.current?.value.fingerprint) this.#holder.set(secret);
      return;
    }
    this.#stats.inc(this.#stats.i.key_rotation_failed);
    this.#context.warn(rotationWarning(refusal ?? '', this.#holder.name, 'a server'));
  }

  close(): void {
    this.#holder.unlisten(this.#came);
    this.#parts.close();
    this.#stats.release();
  }
}

/** As one user has it. */
class ServerHandle<K extends SecretKind> implements SecretHandle<SecretValues[K]> {
  readonly #kind: K;
  readonly #holder: Holder<NamedSecret>;
  readonly #check: (value: SecretValues[K]) => string | null;
  readonly #warn: (text: string) => void;
  readonly #onRelease: () => void;
  #current: SecretValues[K] | null = null;
  #listeners: (() => void)[] = [];
  readonly #changed = (): void => {
    if (this.#take()) for (const listener of this.#listeners) listener();
  };

  /** Why the secret will not do for this user. */
  readonly #refusal = (secret: NamedSecret): string | null =>
    secret.kind === this.#kind
      ? this.#check(secret.value as SecretValues[K])
      : `is a ${SECRET_KIND_NAMES[secret.kind]}, not a ${SECRET_KIND_NAMES[this.#kind]}`;

  constructor(
    kind: K,
    holder: Holder<NamedSecret>,
    check: (value: SecretValues[K]) => string | null,
    warn: (text: string) => void,
    onRelease: () => void,
  ) {
    this.#kind = kind;
    this.#holder = holder;
    this.#check = check;
    this.#warn = warn;
    this.#onRelease = onRelease;
    this.#take();
    holder.checks.add(this.#refusal);
    holder.listen(this.#changed);
  }

  /** False when what is there will not do for this user, who keeps the last that would. */
  #take(): boolean {
    const secret = this.#holder.current;
    if (secret === null) return false;
    const refusal = this.#refusal(secret);
    if (refusal === null) this.#current = secret.value as SecretValues[K];
    else this.#warn(`secret '${this.#holder.name}': ${refusal}`);
    return refusal === null;
  }

  get current(): SecretValues[K] | null {
    return this.#current;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  whenSettled(settled: () => void): void {
    this.#holder.whenSettled(settled);
  }

  release(): void {
    this.#listeners = [];
    this.#holder.checks.delete(this.#refusal);
    this.#holder.unlisten(this.#changed);
    this.#onRelease();
  }
}
