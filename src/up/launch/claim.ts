// One mesh in a directory at a time.
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { stateDirectory } from '../location.ts';
import { MANIFEST_FILE } from '../manifest/manifest.ts';
import { isAlive, startOf } from '../../net/process-identity.ts';

const LOCK = 'up.pid';
const IGNORED = '.gitignore';

/** What gives the directory back; or why it cannot be had. */
export function claimDirectory(directory: string): (() => void) | string {
  const manifest = join(directory, MANIFEST_FILE);
  if (statSync(manifest, { throwIfNoEntry: false })?.isFile() !== true) {
    return `there is no ${manifest}: it says what to run; see examples/bookshop/heddle.yaml`;
  }
  const state = stateDirectory(directory);
  try {
    makeState(state);
    return take(join(state, LOCK), directory);
  } catch (error) {
    dropEmpty(state);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
      const why = 'the mesh keeps its keys, logs and objects there';
      return `${state} cannot be written (${code}): ${why}; copy ${directory} to where you may write`;
    }
    return code === 'ENOSPC' || code === 'EDQUOT' ? `${state}: the disk is full; free some of it` : message;
  }
}

/** Not with all above it: Node tells of a read-only file system in other words then. */
function makeState(state: string): void {
  try {
    mkdirSync(state, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // Keys and logs are nothing for a repository, whatever it ignores.
  const ignored = join(state, IGNORED);
  if (!existsSync(ignored)) writeFileSync(ignored, '*\n', { mode: 0o600 });
}

function take(lock: string, directory: string): (() => void) | string {
  const draft = `${lock}.${process.pid}`;
  try {
    // Whoever sees the lock sees whose it is.
    writeFileSync(draft, `${process.pid} ${startOf(process.pid)}`, { mode: 0o600 });
    for (let attempt = 0; attempt < 3; attempt++) {
      if (tryLink(draft, lock)) return () => give(lock);
      const holder = ownerOf(lock);
      if (holder !== null) return `a mesh runs in ${directory} already (process ${holder}): heddle down ends it`;
      dropStale(lock, draft);
    }
    return `${lock} is taken: another heddle up begins at this moment`;
  } finally {
    rmSync(draft, { force: true });
  }
}

function give(lock: string): void {
  rmSync(lock, { force: true });
  dropEmpty(dirname(lock));
}

/** Where nothing was run nothing is left. */
function dropEmpty(state: string): void {
  for (const name of ['logs', 'objects']) {
    try {
      rmdirSync(join(state, name));
    } catch {
      // It is not there, or there is something in it.
    }
  }
  try {
    if (readdirSync(state).every((name) => name === IGNORED)) rmSync(state, { recursive: true });
  } catch {
    // It is no directory, or may not be changed: it was not made here.
  }
}

function tryLink(draft: string, lock: string): boolean {
  try {
    linkSync(draft, lock);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Not every file system has hard links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error;
  }
  try {
    writeFileSync(lock, readFileSync(draft), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

/** The process that holds the lock; null when it was killed. */
function ownerOf(lock: string): number | null {
  try {
    const [, pid = '', start = ''] = /^(\d+) ?(.*)$/s.exec(readFileSync(lock, 'utf8')) ?? [];
    return isAlive(Number(pid), start) ? Number(pid) : null;
  } catch {
    return null;
  }
}

/** By renaming, so that of two who find it stale one takes it away; what turns out to be alive is put back. */
function dropStale(lock: string, draft: string): void {
  const stale = `${draft}.stale`;
  try {
    renameSync(lock, stale);
    if (ownerOf(stale) !== null) tryLink(stale, lock);
  } catch {
    // Another one was faster.
  } finally {
    rmSync(stale, { force: true });
  }
}
