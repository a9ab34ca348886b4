// Gives back the memory that only starting needed, once, as soon as a started process has nothing to do.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { dropPages, nativeProblem, trimHeap } from './native.ts';

/** Time between two looks. */
const PERIOD_MS = 1500;
/** Before that nothing is quiet. */
const FIRST_MS = 5000;
/**
 * Many processes of one machine start together. What takes each of them a twentieth of a second would take all of them
 * a second, in which nobody is served.
 */
const SPREAD_MS = 30_000;
/** Whoever uses less of a processor than this has nothing to do. */
const QUIET_SHARE = 0.05;
/** A process that is busy from its first minute on needs what it has. */
const MAX_LOOKS = 40;

/**
 * Collecting takes 30 to 60 ms, in which nobody is served: so it waits until the process is `isReady` and has done next
 * to nothing for a while, and is left alone where that does not come soon.
 */
export function giveBackWhenQuiet(
  isReady: () => boolean,
  firstMs = FIRST_MS + Math.random() * SPREAD_MS,
  periodMs = PERIOD_MS,
): void {
  let looks = 0;
  let wasReady = false;
  let before = process.cpuUsage();
  const look = (): void => {
    const used = process.cpuUsage(before);
    before = process.cpuUsage();
    if (!wasReady) {
      wasReady = isReady();
    } else {
      if ((used.user + used.system) / 1000 < periodMs * QUIET_SHARE) {
        giveBackMemory();
        return;
      }
      looks++;
    }
    if (looks < MAX_LOOKS) setTimeout(look, periodMs).unref();
  };
  setTimeout(look, firstMs).unref();
}

/** Short, so that a start is over; those that start together do it one after another. */
const START_PERIOD_MS = 500;
const MAX_START_LOOKS = 600;

/**
 * Half of what a started process has in memory are pages of the program that only starting touched. They are not
 * missed, and to drop them takes 3 ms once, so that need not wait for quiet: traffic brings back its own.
 */
export function dropPagesOnceStarted(isReady: () => boolean, periodMs = START_PERIOD_MS): void {
  // The greater part of the cost, so it belongs to the start: nobody is served yet.
  nativeProblem();
  let looks = 0;
  let wasReady = false;
  const look = (): void => {
    if (wasReady) {
      dropUnusedPages();
      return;
    }
    wasReady = isReady();
    if (++looks < MAX_START_LOOKS) setTimeout(look, periodMs * (1 + Math.random())).unref();
  };
  setTimeout(look, periodMs).unref();
}

/** At once. Nothing is lost: what was dropped is compiled or mapped again when it is needed. */
export function giveBackMemory(): void {
  collect();
  trimHeap();
  dropUnusedPages();
}

type Collect = (options: { readonly type: string; readonly execution: string; readonly flavor: string }) => void;

/** The flags come and go with V8, which complains of those that it does not know. */
const FLAGS_OF_NODE = '24.';
/** Code that has not run since the last collection goes, and not after six of them; that of the first compiler, too. */
const FORGETFUL = ['--bytecode-old-age=1', '--flush-baseline-code'];
const USUAL = ['--bytecode-old-age=6', '--no-flush-baseline-code'];

/** Flags are as before afterwards: compiled code is kept for the next start only under those it will have. */
function collect(): void {
  const isKnown = process.versions.node.startsWith(FLAGS_OF_NODE);
  setFlagsFromString('--expose-gc');
  if (isKnown) for (const flag of FORGETFUL) setFlagsFromString(flag);
  try {
    const gc = runInNewContext('gc') as Collect;
    // Again and again until nothing more is found, and what is left is moved together.
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  } finally {
    if (isKnown) for (const flag of USUAL) setFlagsFromString(flag);
    setFlagsFromString('--no-expose-gc');
  }
}

/** A private mapping of a file, not writable; then what it has in memory. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* +\/.*$/m;
const NEVER_WRITTEN = /^Anonymous: +0 kB$/m;

/**
 * The program and its libraries have 100 MB, of which starting touches half, and serving a fifth; the kernel keeps all
 * that was touched mapped. Pages that were written once, to be relocated, stay.
 */
function dropUnusedPages(): void {
  let mappings: string;
  try {
    mappings = readFileSync('/proc/self/smaps', 'latin1');
  } catch {
    return;
  }
  for (const one of mappings.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, from, to] = MAPPING.exec(one) ?? [];
    if (from === undefined || to === undefined || !NEVER_WRITTEN.test(one)) continue;
    const start = Number.parseInt(from, 16);
    dropPages(start, Number.parseInt(to, 16) - start);
  }
}
