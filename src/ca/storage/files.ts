// Files that only their owner may read: written beside and moved into place, on the disk before anybody relies on them.
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const OWNER_ONLY = 0o600;
const OWNER_DIRECTORY = 0o700;

/** Makes the directory, or takes it away from everybody else. */
export function privateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: OWNER_DIRECTORY });
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, OWNER_DIRECTORY);
}

/** Replaces the file at once or not at all; `mode` 0600 unless the contents are for everybody. */
export function writeFileDurably(path: string, text: string, mode: number = OWNER_ONLY): void {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  writeNew(beside, text, mode);
  renameSync(beside, path);
  syncDirectory(dirname(path));
}

/** As `writeFileDurably`, but false where a file of this name exists already. */
export function createFileDurably(path: string, text: string): boolean {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  writeNew(beside, text, OWNER_ONLY);
  try {
    linkSync(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(beside, { force: true });
  }
  syncDirectory(dirname(path));
  return true;
}

/** Null when there is none; 'readable by others' is an error for whoever keeps secrets: see `isPrivate`. */
export function readFileIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function isPrivate(path: string): boolean {
  return (statSync(path).mode & 0o077) === 0;
}

/** Whether it was this call that moved the file: among several at the same time one is told so. */
export function moveFile(from: string, to: string): boolean {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  syncDirectory(dirname(from));
  return true;
}

export function removeFile(directory: string, name: string): void {
  rmSync(join(directory, name), { force: true });
  syncDirectory(directory);
}

function writeNew(path: string, text: string, mode: number): void {
  const file = openSync(path, 'wx', mode);
  try {
    const bytes = Buffer.from(text);
    for (let from = 0; from < bytes.length; ) from += writeSync(file, bytes, from);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // The process's mask may have taken more than was asked for.
  if (mode !== OWNER_ONLY) chmodSync(path, mode);
}

/** So that the new name is on the disk, too. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
