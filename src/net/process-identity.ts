// Tells a process from a later one of the same number, so that nobody is ended in its place.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** When it was started, in words of the system; '' where that cannot be known. */
export function startOf(pid: number): string {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return (stdout ?? '').trim();
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    // Numbered from the third, after the name: the start is the 22nd, in ticks since the system came up.
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return '';
  }
}

/** `start` is what `startOf` said of it once; '' when it was not known. */
export function isAlive(pid: number, start: string): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It lives, and is somebody else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = start === '' ? '' : startOf(pid);
  return now === '' || now === start;
}
