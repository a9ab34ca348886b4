// One secret from a file, for all who use it: read, watched, and kept as it was when what comes next is broken.
import type { Clock } from '../../base/clock.ts';
import type { DirectoryWatcher } from '../../net/file-watch.ts';
import type { Secret } from '../../proto/generated/types.d.ts';
import { noteInteger } from '../../telemetry/exact-integers.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import { ConfigDecoder, type DecodeEnvironment, type Reason } from '../config-decoder.ts';
import { xxHash64 } from '../route/xxhash64.ts';
import { decodeSecret, secretKind, type SecretKind, type SecretValues } from './decode-secret.ts';
import type { JudgeUnknown } from '../xds/judge-unknown.ts';
import { WatchedFile } from '../xds/sources/watched-file.ts';
import { readSecretFile } from './secret-files.ts';
import { rotationWarning, SecretParts } from './secret-parts.ts';

/** Under 'sds.NAME.'; each worker reads the file, and what they count alike is shown once. */
const SDS_STATS = {
  init_fetch_timeout: 'counter-once',
  key_rotation_failed: 'counter-once',
  update_attempt: 'counter-once',
  update_failure: 'counter-once',
  update_rejected: 'counter-once',
  update_success: 'counter-once',
  update_time: 'gauge-once',
  version: 'gauge-once',
  version_text: 'text-readout',
} as const;

export type FileSecretContext = {
  readonly clock: Clock;
  readonly stats: StatStore;
  readonly watcher: DirectoryWatcher;
  readonly environment: DecodeEnvironment;
  /** Reasons for fields of a Secret that take no effect. */
  readonly findUnsupported: (secret: Secret) => readonly Reason[];
  readonly judgeUnknown: JudgeUnknown;
  /** For the operator. */
  readonly warn: (text: string) => void;
};

export type FileSecretUser<T> = {
  /** Why a secret will not do for this user; null when it will. */
  readonly check: (value: T) => string | null;
  changed(): void;
};

export class FileSecret<K extends SecretKind> {
  /** The last good one; null before there was any. */
  current: SecretValues[K] | null = null;
  readonly users = new Set<FileSecretUser<SecretValues[K]>>();
  readonly #context: FileSecretContext;
  readonly #kind: K;
  readonly #name: string;
  readonly #path: string;
  readonly #stats: ScopeOf<typeof SDS_STATS>;
  readonly #file: WatchedFile;
  /** Its files may change alone. */
  readonly #parts: SecretParts;

  constructor(
    kind: K,
    name: string,
    source: { readonly path: string; readonly watchedDirectory: string },
    context: FileSecretContext,
  ) {
    this.#kind = kind;
    this.#name = name;
    this.#path = source.path;
    this.#context = context;
    this.#stats = context.stats.scope(`sds.${name}.`, SDS_STATS);
    this.#parts = new SecretParts(context, name, (message) => this.#readParts(message));
    this.#file = new WatchedFile(context, source.path, source.watchedDirectory, () => this.#read());
    if (this.#file.error !== null) context.warn(`secret '${name}': ${this.#file.error}`);
    this.#read();
  }

  close(): void {
    this.#file.close();
    this.#parts.close();
    this.#stats.release();
  }

  // ─── The file itself ────────────────────────────────────────────────────────────────────────────────────────────

  #read(): void {
    const stats = this.#stats;
    stats.inc(stats.i.update_attempt);
    this.#file.noteReading();
    const found = readSecretFile(this.#path, this.#name, this.#context.judgeUnknown);
    this.#file.isGood = !('error' in found);
    if ('error' in found) {
      stats.inc(found.isUnreadable ? stats.i.update_failure : stats.i.update_rejected);
      this.#warn(found.isUnreadable ? 'failure' : 'rejected', found.error);
      return;
    }
    const value = this.#decode(found.secret);
    if (typeof value === 'string') {
      this.#file.isGood = false;
      stats.inc(stats.i.update_rejected);
      this.#warn('rejected', value);
      return;
    }
    stats.inc(stats.i.update_success);
    stats.set(stats.i.update_time, this.#context.clock.wallMs);
    stats.set(stats.i.version, noteInteger(xxHash64(found.version)));
    stats.setText(stats.i.version_text, found.version);
    this.#parts.follow(found.secret);
    this.#use(value);
  }

  #warn(what: 'failure' | 'rejected', reason: string): void {
    const kept = this.current === null ? '' : '; the last good one stays in use';
    this.#context.warn(`Filesystem config update ${what}: ${reason} (secret '${this.#name}' of ${this.#path}${kept})`);
  }

  /** The value, or why it is refused. */
  #decode(message: Secret): SecretValues[K] | string {
    const kind = secretKind(message);
    if (kind !== this.#kind) return `the secret is of another kind, or of none: ${kind ?? 'nothing is set'}`;
    const d = new ConfigDecoder(this.#context.environment);
    d.reasons.push(...this.#context.findUnsupported(message));
    const value = d.reasons.length > 0 ? null : decodeSecret(message, this.#kind, d);
    const reason = d.reasons[0];
    if (reason !== undefined) return reason.path === '' ? reason.reason : `${reason.path}: ${reason.reason}`;
    if (value === null) return 'the secret is empty';
    for (const user of this.users) {
      const error = user.check(value);
      if (error !== null) return error;
    }
    return value;
  }

  #use(value: SecretValues[K]): void {
    if (this.current?.fingerprint === value.fingerprint) return;
    this.current = value;
    for (const user of [...this.users]) user.changed();
  }

  // ─── Files that the secret names ────────────────────────────────────────────────────────────────────────────────

  #readParts(message: Secret): void {
    const value = this.#decode(message);
    this.#parts.isGood = typeof value !== 'string';
    if (typeof value !== 'string') {
      this.#use(value);
      return;
    }
    const stats = this.#stats;
    stats.inc(stats.i.key_rotation_failed);
    this.#context.warn(rotationWarning(value, this.#name, this.#path));
  }
}
