// Listening sockets that are bound in one thread and served in others: they outlive each thread that serves them.
import { chmodSync } from 'node:fs';
import type { Address } from '../base/byte-stream.ts';
import { unixPathError } from './address.ts';
import type { ListenError, ListenOptions } from './engine.ts';
import { closeDescriptor, duplicateDescriptor, nativeProblem, socketAddress } from './native.ts';
import { listenError, preparedListener, removeSocket } from './prepared-socket.ts';

/** One bound address; nobody listens on it before somebody does with a descriptor that `duplicate` gave. */
export class KeptListener {
  /** With the real port where 0 was asked for. */
  readonly address: Address;
  /** A socket for each thread that serves it (SO_REUSEPORT), or one for all. */
  readonly #fds: readonly number[];

  constructor(address: Address, fds: readonly number[]) {
    this.address = address;
    this.#fds = fds;
  }

  /** A descriptor for thread `index`, the caller's own; a text says what the system had against it. */
  duplicate(index: number): number | string {
    return duplicateDescriptor(this.#fds[index % this.#fds.length] as number);
  }

  /** Connections that nobody accepted are reset, once the threads have closed theirs. */
  close(): void {
    for (const fd of this.#fds) closeDescriptor(fd);
  }
}

/** Binds `address` for so many threads; options as for a listener that an engine makes. A taken port is noticed. */
export function bindKept(address: Address, options: ListenOptions, threads: number): KeptListener | ListenError {
  if (nativeProblem() !== null) return listenError(address, 'ENOSYS');
  const isUnix = address.family === 'unix';
  const reusesPort = options.reusePort === true && !isUnix;
  if (isUnix) {
    const error = unixPathError(address);
    if (error !== null) return listenError(address, error);
    removeSocket(address.address);
  } else if (reusesPort && address.port !== 0) {
    // With SO_REUSEPORT a second bind succeeds silently: try without it first.
    const probe = preparedListener(address, options, false);
    if (typeof probe !== 'number') return probe;
    closeDescriptor(probe);
  }
  const fds: number[] = [];
  let bound = address;
  for (let thread = 0; thread < (reusesPort ? threads : 1); thread++) {
    const fd = preparedListener(bound, options, reusesPort);
    if (typeof fd !== 'number') {
      for (const one of fds) closeDescriptor(one);
      return fd;
    }
    fds.push(fd);
    if (!isUnix) bound = socketAddress(fd) ?? bound;
  }
  const kept = new KeptListener(bound, fds);
  const failed = isUnix ? setMode(address, options.mode ?? 0) : null;
  if (failed === null) return kept;
  kept.close();
  return listenError(address, failed);
}

function setMode(address: Address, mode: number): string | null {
  if (mode === 0 || address.address.startsWith('@')) return null;
  try {
    chmodSync(address.address, mode);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EACCES';
  }
}
