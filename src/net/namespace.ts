// Network namespaces: the main thread enters one, and with it all sockets and programs that it makes from then on.
import { closeSync, openSync } from 'node:fs';
import { enterNetwork, leaveNetwork } from './native.ts';

/** Null, or why not, in words. */
export function enterNamespace(path: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'it is not there; did its last process end?';
    return code === 'EACCES' ? 'it may not be opened: run as root' : `${code}`;
  }
  try {
    const failed = enterNetwork(fd);
    if (failed === null) return null;
    if (failed === 'EINVAL') return 'it is no network namespace';
    return failed === 'EPERM' ? 'entering it needs the capability SYS_ADMIN: run as root' : failed;
  } finally {
    closeSync(fd);
  }
}

/**
 * Runs work in a new, empty namespace, and gives its descriptor to it; then this thread is back where it was. The
 * namespace goes when the last descriptor and socket of it do. Null, or the name of the error when there is none.
 */
export function inNewNamespace(work: (fd: number) => void): string | null {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const failed = leaveNetwork();
    if (failed !== null) return failed;
    try {
      work(openSync('/proc/thread-self/ns/net', 'r'));
    } finally {
      // Whoever is in the wrong namespace must do nothing more.
      if (enterNetwork(home) !== null) process.abort();
    }
    return null;
  } finally {
    closeSync(home);
  }
}

/** Runs work in the namespace of a descriptor. */
export function inNamespace<T>(fd: number, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const failed = enterNetwork(fd);
    if (failed !== null) throw new Error(`setns: ${failed}`);
    try {
      return work();
    } finally {
      if (enterNetwork(home) !== null) process.abort();
    }
  } finally {
    closeSync(home);
  }
}
