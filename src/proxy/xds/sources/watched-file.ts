// A file that is read again when another one is moved into its place.
import { basename, dirname } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import type { DirectoryWatch, DirectoryWatcher } from '../../../net/file-watch.ts';
import { fileIdentity } from './discovery-file.ts';

export type WatchedFileParts = { readonly clock: Clock; readonly watcher: DirectoryWatcher };

export class WatchedFile {
  /** Why its directory cannot be watched; null: it is. */
  readonly error: string | null;
  /** Whoever read it says whether it was whole: what was moved here half written is read again when it changes. */
  isGood = true;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #watch: DirectoryWatch | null;
  /** Of what was read last, good or not. */
  #identity: string | null = null;
  #isDue = false;
  #isClosed = false;

  /** `watchedDirectory`: what is moved there says that the file may be another one; '' for the file's own. */
  constructor(parts: WatchedFileParts, path: string, watchedDirectory: string, changed: () => void) {
    this.#path = path;
    this.#clock = parts.clock;
    this.#changed = changed;
    const own = basename(path);
    const watch = parts.watcher.watch(watchedDirectory === '' ? dirname(path) : watchedDirectory, {
      onMoved: (name) => {
        if (watchedDirectory !== '' || name === own) this.#changedSoon();
      },
      onChanged: () => {
        if (!this.isGood) this.#changedSoon();
      },
    });
    this.error = typeof watch === 'string' ? watch : null;
    this.#watch = typeof watch === 'string' ? null : watch;
  }

  /** It is read now. */
  noteReading(): void {
    this.#identity = fileIdentity(this.#path);
  }

  #changedSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.defer(() => {
      this.#isDue = false;
      // Other files come into the directory, too.
      if (!this.#isClosed && fileIdentity(this.#path) !== this.#identity) this.#changed();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
  }
}
