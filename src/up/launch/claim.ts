// One mesh in a directory at a time.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateDirectory } from '../location.ts';
import { MANIFEST_FILE } from '../manifest/manifest.ts';

const LOCK = 'up.pid';

/** What gives the directory back; or why it cannot be had. */
export function claimDirectory(directory: string): (() => void) | string {
  const manifest = join(directory, MANIFEST_FILE);
  if (statSync(manifest, { throwIfNoEntry: false })?.isFile() !== true) {
    return `there is no ${manifest}: it says what to run; see examples/bookshop/heddle.yaml`;
  }
  const state = stateDirectory(directory);
  const lock = join(state, LOCK);
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    return take(lock, directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
      return `${state} cannot be written (${code}): the mesh keeps its keys, logs and objects there; copy ${directory} to where you may write`;
    }
    return code === 'ENOSPC' ? `${state}: the disk is full` : message;
  }
}

function take(lock: string, directory: string): (() => void) | string {
  const give = (): void => rmSync(lock, { force: true });
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
      return give;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const pid = Number(readFileSync(lock, 'utf8'));
    if (isAlive(pid)) return `a mesh runs in ${directory} already (process ${pid}): heddle down ends it`;
    // Its process was killed.
    give();
  }
  return `${lock} is taken`;
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
