// The files of a directory and all below it: read once, then followed by what the system tells of them.
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
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
/** How often it is looked whether the root is back, and how long what is in it then may take to arrive. */
const RETURN_MS = 250;

const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 50_000;
const MAX_DIRECTORIES = 10_000;
const MAX_DEPTH = 32;

export type FileTreeParts = {
  readonly clock: Clock;
  readonly watcher: DirectoryWatcher | null;
  readonly listener: FileTreeListener;
};

/** Names that are read, and those that are not even looked into. */
export type FileFilter = { readonly reads: RegExp; readonly skips: RegExp };

export const OBJECT_FILES: FileFilter = { reads: /\.(?:ya?ml|json)$/i, skips: /^\./ };
/** A directory where an application lies, too: its packages, and what says how it is run, are no objects. */
export const APPLICATION_FILES: FileFilter = {
  reads: /\.ya?ml$/i,
  skips: /^(?:\..*|node_modules|heddle\.ya?ml)$/,
};

type Entered = { readonly watch: DirectoryWatch | null; readonly real: string; readonly identity: string };
type Followed = { identity: string; size: number; readonly directory: string };

/**
 * Paths are told as the root was given, with what is below it. Names that begin with a dot are not read: they belong to
 * editors and to the kubelet, whose '..data' is the link that it swaps; that one says that all beside it may be new.
 */
export class FileTree {
  readonly #root: string;
  readonly #isFile: boolean;
  readonly #filter: FileFilter;
  readonly #watcher: DirectoryWatcher | null;
  readonly #listener: FileTreeListener;
  readonly #files = new Map<string, Followed>();
  readonly #directories = new Map<string, Entered>();
  /** Paths that something happened to, and since when. */
  readonly #dirty = new Map<string, number>();
  readonly #clock: Clock;
  readonly #quiet: Timer;
  #dirtySinceMs = 0;
  /** 'gone': nothing is where the root was; 'missed': for so long that it was told; 'returning': something is again. */
  #rootState: 'there' | 'gone' | 'missed' | 'returning' = 'there';

  /** Without a watcher it is read once. Throws when `root` is not there. */
  constructor(root: string, filter: FileFilter, parts: FileTreeParts) {
    const { clock, watcher, listener } = parts;
    this.#root = root;
    this.#filter = filter;
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
      const identity = identityOf(directory);
      // It is watched before it is read, so that nothing falls between.
      const watch = this.#watcher?.watch(directory, {
        onMoved: (name) => this.#mark(directory, name),
        onChanged: (name) => this.#mark(directory, name),
        onGone: (name) => this.#mark(directory, name),
      });
      if (typeof watch === 'string') return watch;
      this.#directories.set(directory, { watch: watch ?? null, real, identity });
    }
    if (!isRead) return null;
    let error: string | null = null;
    for (const name of namesIn(directory, this.#filter)) {
      const path = join(directory, name);
      const stats = statOf(path);
      if (isDirectory(stats)) error = this.#enter(path, depth + 1, paths, true) ?? error;
      else if (this.#filter.reads.test(name)) this.#look(path, paths);
    }
    return error;
  }

  #mark(directory: string, name: string): void {
    const isItself = name === basename(directory);
    const isOwn = !this.#isFile || join(directory, name) === this.#root || name.startsWith('..');
    // A root may have a name that is skipped below it.
    const isSkipped = this.#filter.skips.test(name) && !name.startsWith('..') && !isItself;
    if (!(isOwn || isItself) || isSkipped) return;
    const now = this.#clock.update();
    if (this.#dirty.size === 0) this.#dirtySinceMs = now;
    // What the kubelet swaps changes everything that is linked through it. Under its own name a directory tells of
    // itself: it was moved, or deleted.
    if (name.startsWith('..') || isItself) this.#dirty.set(directory, now);
    if (!name.startsWith('..')) this.#dirty.set(join(directory, name), now);
    const waited = now - this.#dirtySinceMs;
    this.#quiet.arm(Math.max(0, Math.min(QUIET_MS, MAX_WAIT_MS - waited)));
  }

  /** Whether the root is there to be looked at. One that is gone is waited for: nothing below it is gone with it. */
  #isRootThere(paths: Set<string>): boolean {
    const isThere = statOf(this.#root) !== null;
    const before = this.#rootState;
    if (isThere && before === 'there') return true;
    // What is in a directory may still be on its way.
    if (isThere && (before === 'returning' || this.#isFile)) {
      this.#rootState = 'there';
      this.#leave(this.#isFile ? dirname(this.#root) : this.#root);
      if (this.#isFile) this.#enter(dirname(this.#root), 0, paths, false);
      else this.#listener.onGone(this.#root);
      paths.add(this.#root);
      this.#dirty.set(this.#root, 0);
      return true;
    }
    if (before === 'gone' && !isThere) {
      this.#listener.onUnreadable(this.#root, 'it is gone; what was read of it stays until it is back');
      paths.add(this.#root);
    }
    if (isThere) this.#rootState = 'returning';
    else this.#rootState = before === 'gone' || before === 'missed' ? 'missed' : 'gone';
    this.#quiet.arm(RETURN_MS);
    return false;
  }

  #settle(): void {
    const now = this.#clock.nowMs;
    const paths = new Set<string>();
    if (!this.#isRootThere(paths)) {
      if (paths.size > 0) this.#listener.onSettled([...paths]);
      return;
    }
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
    return stats === null || (!(stats instanceof Error) && stats.isFile() && stats.size === 0);
  }

  #visit(path: string, paths: Set<string>): void {
    const stats = statOf(path);
    if (isDirectory(stats)) {
      // A directory of this name may be another one now.
      const known = this.#directories.get(path);
      const isOther = known?.identity !== identityOf(path) || known.real !== realPath(path);
      if (isOther) this.#leave(path);
      if (this.#isFile) {
        if (isOther) this.#enter(path, 0, paths, false);
        this.#look(this.#root, paths);
        return;
      }
      for (const file of this.#below(path)) if (file === path || statOf(file) === null) this.#forget(file, paths);
      this.#enter(path, path.split('/').length - this.#root.split('/').length, paths, true);
      return;
    }
    if (stats === null) {
      for (const file of this.#below(path)) this.#forget(file, paths);
      this.#leave(path);
      return;
    }
    if (this.#files.has(path) || path === this.#root || this.#filter.reads.test(basename(path)))
      this.#look(path, paths);
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
    const isThere = !(stats instanceof Error);
    const identity = isThere
      ? `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`
      : stats.message;
    if (this.#files.get(path)?.identity === identity) return;
    if (!this.#files.has(path) && this.#files.size >= MAX_FILES) {
      this.#listener.onUnreadable(path, `it is one of more than ${MAX_FILES} files`);
      return;
    }
    this.#files.set(path, { identity, size: isThere ? stats.size : 1, directory: dirname(path) });
    paths.add(path);
    const read = readText(path);
    if (typeof read === 'string') this.#listener.onText(path, read);
    else this.#listener.onUnreadable(path, read.message);
  }
}

/** Without waiting for anybody: a pipe of this name would never be read to its end. */
function readText(path: string): string | Error {
  let file = -1;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(file);
    if (!stats.isFile()) return new Error('it is no regular file');
    if (stats.size > MAX_FILE_BYTES) return new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    return new Error(`it cannot be read: ${(error as Error).message}`);
  } finally {
    if (file >= 0) closeSync(file);
  }
}

function namesIn(directory: string, { skips }: FileFilter): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => !skips.test(name))
      .sort();
  } catch {
    return [];
  }
}

/** Null: it is gone. An error: it is there, and cannot be looked at, or is a link in a circle. */
function statOf(path: string): Stats | Error | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    return error as Error;
  }
}

function isDirectory(stats: Stats | Error | null): boolean {
  return stats !== null && !(stats instanceof Error) && stats.isDirectory();
}

/** Which directory it is, whatever its name. */
function identityOf(path: string): string {
  const stats = statOf(path);
  return stats === null || stats instanceof Error ? '' : `${stats.dev}:${stats.ino}:${stats.birthtimeMs}`;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
