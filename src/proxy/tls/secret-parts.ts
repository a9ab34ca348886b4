// Watches the files that a secret names: tells when one of them became another.
import type { Clock } from '../../base/clock.ts';
import type { DirectoryListener, DirectoryWatch, DirectoryWatcher } from '../../net/file-watch.ts';
import type { Secret } from '../../proto/generated/types.d.ts';
import { partsIdentity, watchedDirectories } from './secret-files.ts';

export type SecretPartsContext = {
  readonly clock: Clock;
  readonly watcher: DirectoryWatcher;
  /** For the operator. */
  readonly warn: (text: string) => void;
};

export class SecretParts {
  /** The last reading was good; while it was not, changes in place count, too. */
  isGood = true;
  readonly #context: SecretPartsContext;
  readonly #name: string;
  readonly #changed: (message: Secret) => void;
  #message: Secret | null = null;
  #watches: readonly DirectoryWatch[] = [];
  /** State of the files when they were read last. */
  #identity = '';
  #due = 0;

  /** `changed` is called outside of any turn's middle, once for all that happened at once. */
  constructor(context: SecretPartsContext, name: string, changed: (message: Secret) => void) {
    this.#context = context;
    this.#name = name;
    this.#changed = changed;
  }

  /** From now on these are the files, as they were just read; null: there are none. */
  follow(message: Secret | null): void {
    const before = this.#watches;
    this.#message = message;
    this.isGood = true;
    this.#identity = message === null ? '' : partsIdentity(message);
    const listener: DirectoryListener = {
      onMoved: () => this.#lookSoon(),
      onChanged: () => {
        if (!this.isGood) this.#lookSoon();
      },
    };
    const directories = message === null ? [] : watchedDirectories(message);
    // The new ones first: a directory that stays keeps its watch.
    this.#watches = directories.map((directory) => this.#open(directory, listener)).filter((watch) => watch !== null);
    for (const watch of before) watch.close();
  }

  close(): void {
    this.follow(null);
  }

  #open(directory: string, listener: DirectoryListener): DirectoryWatch | null {
    const opened = this.#context.watcher.watch(directory, listener);
    if (typeof opened !== 'string') return opened;
    this.#context.warn(`secret '${this.#name}': ${opened}`);
    return null;
  }

  #lookSoon(): void {
    this.#due++;
    if (this.#due > 1) return;
    this.#context.clock.defer(() => {
      this.#due = 0;
      this.#look();
    });
  }

  #look(): void {
    if (this.#message === null) return;
    const identity = partsIdentity(this.#message);
    // Other files come into the directory, too.
    if (identity === this.#identity) return;
    this.#identity = identity;
    this.#changed(this.#message);
  }
}

/** What is said when files that a secret names became such that it will not do. */
export function rotationWarning(reason: string, name: string, origin: string): string {
  return `Failed to reload certificates: ${reason} (secret '${name}' of ${origin}; the last good one stays in use)`;
}
