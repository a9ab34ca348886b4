// Watches directories for files that are moved into them, as Envoy does: one inotify watch for each directory.
import { type FSWatcher, watch } from 'node:fs';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';

export type DirectoryListener = {
  /** A file of this name came into the directory (or a link of this name was replaced). */
  onMoved(name: string): void;
  /** What is in the file changed where it lies. */
  onChanged(name: string): void;
  /** It was deleted or moved away; for those who follow a whole directory. */
  onGone?(name: string): void;
};

export type DirectoryWatch = { close(): void };

export type DirectoryWatcher = {
  /** Calls outside of any turn; a text says why the directory cannot be watched. */
  watch(directory: string, listener: DirectoryListener): DirectoryWatch | string;
};

type Watched = { readonly watcher: FSWatcher; readonly listeners: Set<DirectoryListener> };

export class FileWatch implements DirectoryWatcher {
  readonly #directories = new Map<string, Watched>();

  watch(directory: string, listener: DirectoryListener): DirectoryWatch | string {
    let watched = this.#directories.get(directory);
    if (watched === undefined) {
      const opened = this.#open(directory);
      if (typeof opened === 'string') return opened;
      watched = opened;
      this.#directories.set(directory, watched);
    }
    // Listeners are told apart by identity, and one may watch a directory twice.
    const own: DirectoryListener = {
      onMoved: (name) => listener.onMoved(name),
      onChanged: (name) => listener.onChanged(name),
      onGone: (name) => listener.onGone?.(name),
    };
    watched.listeners.add(own);
    return { close: () => this.#leave(directory, own) };
  }

  #open(directory: string): Watched | string {
    try {
      const listeners = new Set<DirectoryListener>();
      const watcher = watch(directory, { persistent: false }, (event, name) => {
        if (name === null) return;
        // The system's layer calls by one name what was created, moved here, moved away and deleted.
        const isMoved = event === 'rename';
        const isGone = isMoved && !isThere(join(directory, name));
        for (const one of [...listeners]) {
          if (isGone) one.onGone?.(name);
          else isMoved ? one.onMoved(name) : one.onChanged(name);
        }
      });
      // A directory that is deleted ends its watch; what was read stays in use.
      watcher.on('error', () => watcher.close());
      return { watcher, listeners };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' ? 'No such file or directory' : message;
      return `unable to add filesystem watch for file ${directory}: ${reason}`;
    }
  }

  #leave(directory: string, listener: DirectoryListener): void {
    const watched = this.#directories.get(directory);
    if (watched === undefined || !watched.listeners.delete(listener) || watched.listeners.size > 0) return;
    watched.watcher.close();
    this.#directories.delete(directory);
  }
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
