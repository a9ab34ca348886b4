// The processes of a mesh, as /proc shows them: who descends from whom, who names a directory, what they use.
import { readdirSync, readFileSync } from 'node:fs';

export type ProcessId = {
  readonly pid: number;
  readonly parent: number;
  /** With the number it names one process for ever. */
  readonly startTicks: string;
  readonly command: string;
  readonly rssMb: number;
  readonly cpuSeconds: number;
};

const PAGE_MB = 4096 / 1e6;
const TICKS_PER_SECOND = 100;

function allProcesses(): ProcessId[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (readProcess(Number(name)) ?? []) : []));
}

function readProcess(pid: number): ProcessId | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is gone; whoever has not waited for it yet is no part of the mesh.
    if (fields[0] === 'Z') return null;
    return {
      pid,
      parent: Number(fields[1]),
      startTicks: fields[19] ?? '',
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
      rssMb: Number(fields[21]) * PAGE_MB,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    };
  } catch {
    return null;
  }
}

export function isAlive({ pid, startTicks }: ProcessId): boolean {
  return readProcess(pid)?.startTicks === startTicks;
}

/** The process and all that descend from it. */
export function treeOf(root: number): ProcessId[] {
  const all = allProcesses();
  const found = all.filter(({ pid }) => pid === root);
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one.pid));
  return found;
}

/** Those with one of the texts in their command or environment, this process and its parents left out. */
export function processesNaming(texts: readonly string[]): ProcessId[] {
  const own = new Set<number>();
  for (let at: number | undefined = process.pid; at !== undefined && at > 1; at = readProcess(at)?.parent) own.add(at);
  return allProcesses().filter((one) => {
    if (own.has(one.pid)) return false;
    const told = `${one.command}\0${environmentOf(one.pid)}`;
    return texts.some((text) => told.includes(text));
  });
}

export function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

export function killTree(processes: readonly ProcessId[]): void {
  for (const one of processes) {
    if (!isAlive(one)) continue;
    try {
      process.kill(one.pid, 'SIGKILL');
    } catch {
      // It went meanwhile.
    }
  }
}
