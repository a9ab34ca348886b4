// The files of a directory and all below it: read once, then followed by what the system tells of them.
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock, Timer } from '../../base/clock.ts';
import type { DirectoryWatch, DirectoryWatcher } from '../../net/file-watch.ts';

export type FileTreeListener = {
  onText(path: string, text: string): void;
  onUnreadable(path: string, error: string): void;
  onGone(path: string): void;
  /** After a batch of the calls above. */
  onSettled(paths: readonly string[]): void;
};

/** A change is taken once nothing came after it for this long, and soon in any case. */
const QUIET_MS = 8;
const MAX_WAIT_MS = 200;
/** Editors that write in place empty the file first, others delete it: such states are believed a little later. */
const GONE_MS = 48;

const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 50_000;
const MAX_DIRECTORIES = 10_000;
const MAX_DEPTH = 32;

const IS_OBJECT_FILE = /\.(?:ya?ml|json)$/i;

type Followed = { identity: string; size: number; readonly directory: string };

/**
 * Paths are told as the root was given, with what is below it. Names that begin with a dot are not read: they belong to
 * editors and to the kubelet, whose '..data' is the link that it swaps; that one says that all beside it may be new.
 */
export class FileTree {
  readonly #root: string;
  readonly #isFile: boolean;
  readonly #watcher: DirectoryWatcher | null;
  readonly #listener: FileTreeListener;
  readonly #files = new Map<string, Followed>();
  readonly #directories = new Map<string, { readonly watch: DirectoryWatch | null; readonly real: string }>();
  /** Paths that something happened to, and since when. */
  readonly #dirty = new Map<string, number>();
  readonly #clock: Clock;
  readonly #quiet: Timer;
  #dirtySinceMs = 0;

  /** Without a watcher it is read once. Throws when `root` is not there. */
  constructor(root: string, clock: Clock, watcher: DirectoryWatcher | null, listener: FileTreeListener) {
    this.#root = root;
    this.#isFile = statSync(root).isFile();
    this.#clock = clock;
    this.#watcher = watcher;
    this.#listener = listener;
    this.#quiet = clock.timer<FileTree>((tree) => tree.#settle(), this);
  }

  /** Reads everything, in the order of the paths, and follows it from now on. Returns why it cannot be followed. */
  start(): string | null {
    const paths = new Set<string>();
    let error: string | null = null;
    if (this.#isFile) {
      error = this.#enter(dirname(this.#root), 0, paths, false);
      this.#look(this.#root, paths);
    } else error = this.#enter(this.#root, 0, paths, true);
    this.#listener.onSettled([...paths]);
    return error;
  }

  stop(): void {
    this.#quiet.disarm();
    for (const { watch } of this.#directories.values()) watch?.close();
    this.#directories.clear();
  }

  #enter(directory: string, depth: number, paths: Set<string>, isRead: boolean): string | null {
    if (depth > MAX_DEPTH || this.#directories.size >= MAX_DIRECTORIES) return null;
    if (!this.#directories.has(directory)) {
      const real = realPath(directory);
      // A link to a directory above would lead in circles.
      for (const other of this.#directories.values()) if (other.real === real) return null;
      // It is watched before it is read, so that nothing falls between.
      const watch = this.#watcher?.watch(directory, {
        onMoved: (name) => this.#mark(directory, name),
        onChanged: (name) => this.#mark(directory, name),
        onGone: (name) => this.#mark(directory, name),
      });
      if (typeof watch === 'string') return watch;
      this.#directories.set(directory, { watch: watch ?? null, real });
    }
    if (!isRead) return null;
    let error: string | null = null;
    for (const name of namesIn(directory)) {
      const path = join(directory, name);
      const stats = statOf(path);
      if (stats?.isDirectory() === true) error = this.#enter(path, depth + 1, paths, true) ?? error;
      else if (IS_OBJECT_FILE.test(name)) this.#look(path, paths);
    }
    return error;
  }

  #mark(directory: string, name: string): void {
    const isOwn = !this.#isFile || join(directory, name) === this.#root || name.startsWith('..');
    if (!isOwn || (name.startsWith('.') && !name.startsWith('..'))) return;
    const now = this.#clock.update();
    if (this.#dirty.size === 0) this.#dirtySinceMs = now;
    // What the kubelet swaps changes everything that is linked through it.
    this.#dirty.set(name.startsWith('..') ? directory : join(directory, name), now);
    const waited = now - this.#dirtySinceMs;
    this.#quiet.arm(Math.max(0, Math.min(QUIET_MS, MAX_WAIT_MS - waited)));
  }

  #settle(): void {
    const now = this.#clock.nowMs;
    const paths = new Set<string>();
    let next = Number.POSITIVE_INFINITY;
    for (const [path, since] of [...this.#dirty].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (this.#isDoubtful(path) && now - since < GONE_MS) {
        next = Math.min(next, since + GONE_MS - now);
        continue;
      }
      this.#dirty.delete(path);
      this.#visit(path, paths);
    }
    this.#dirtySinceMs = now;
    if (next !== Number.POSITIVE_INFINITY) this.#quiet.arm(next);
    if (paths.size > 0) this.#listener.onSettled([...paths]);
  }

  /** Whether a file that had something is empty or gone. */
  #isDoubtful(path: string): boolean {
    const known = this.#files.get(path);
    if (known === undefined || known.size === 0) return false;
    const stats = statOf(path);
    return stats === null || (stats.isFile() && stats.size === 0);
  }

  #visit(path: string, paths: Set<string>): void {
    const stats = statOf(path);
    if (stats?.isDirectory() === true) {
      if (this.#isFile) {
        this.#look(this.#root, paths);
        return;
      }
      for (const file of this.#below(path)) if (statOf(file) === null) this.#forget(file, paths);
      // A directory of this name may be another one now.
      if (this.#directories.get(path)?.real !== realPath(path)) this.#leave(path);
      this.#enter(path, path.split('/').length - this.#root.split('/').length, paths, true);
      return;
    }
    if (stats === null) {
      for (const file of this.#below(path)) this.#forget(file, paths);
      this.#leave(path);
      return;
    }
    if (this.#files.has(path) || path === this.#root || IS_OBJECT_FILE.test(basename(path))) this.#look(path, paths);
  }

  #below(path: string): string[] {
    return [...this.#files.keys()].filter((file) => file === path || file.startsWith(`${path}/`));
  }

  #leave(path: string): void {
    for (const [directory, { watch }] of this.#directories) {
      if (directory !== path && !directory.startsWith(`${path}/`)) continue;
      watch?.close();
      this.#directories.delete(directory);
    }
  }

  #forget(path: string, paths: Set<string>): void {
    this.#files.delete(path);
    this.#listener.onGone(path);
    paths.add(path);
  }

  /** Reads a file if it is another one than before. */
  #look(path: string, paths: Set<string>): void {
    const stats = statOf(path);
    if (stats === null) {
      if (this.#files.has(path)) this.#forget(path, paths);
      return;
    }
    const identity = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`;
    if (this.#files.get(path)?.identity === identity || !stats.isFile()) return;
    if (!this.#files.has(path) && this.#files.size >= MAX_FILES) {
      this.#listener.onUnreadable(path, `it is one of more than ${MAX_FILES} files`);
      return;
    }
    this.#files.set(path, { identity, size: stats.size, directory: dirname(path) });
    paths.add(path);
    if (stats.size > MAX_FILE_BYTES) {
      this.#listener.onUnreadable(path, `it is larger than ${MAX_FILE_BYTES} bytes`);
      return;
    }
    try {
      this.#listener.onText(path, readFileSync(path, 'utf8'));
    } catch (error) {
      this.#listener.onUnreadable(path, `it cannot be read: ${(error as Error).message}`);
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    return [];
  }
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    // A link in a circle, or a directory that may not be searched.
    return null;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
