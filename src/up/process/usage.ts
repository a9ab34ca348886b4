// What programs use: memory and CPU of a process and all below it in its group, from /proc or ps.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export type Usage = { readonly rssMb: number; readonly cpuSeconds: number };

/** Linux counts CPU time in these on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_MB = 4096 / 1e6;

/** By group of processes, which is the pid of the first one. */
export function usageOfGroups(): ReadonlyMap<number, Usage> {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

function fromProc(): ReadonlyMap<number, Usage> {
  const found = new Map<number, { rssMb: number; cpuSeconds: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, 'latin1');
    } catch {
      continue;
    }
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Numbered from the third: group 5, user and system time 14 to 17 with those of children, pages 24.
    const group = Number(fields[2]);
    const ticks = Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
    add(found, group, { rssMb: Number(fields[21]) * PAGE_MB, cpuSeconds: ticks / TICKS_PER_SECOND });
  }
  return found;
}

function fromPs(): ReadonlyMap<number, Usage> {
  const found = new Map<number, { rssMb: number; cpuSeconds: number }>();
  const { stdout } = spawnSync('ps', ['-axo', 'pgid=,rss=,time='], { encoding: 'utf8' });
  for (const line of (stdout ?? '').split('\n')) {
    const [group = '', rss = '', time = ''] = line.trim().split(/\s+/);
    if (group === '') continue;
    const cpuSeconds = time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
    add(found, Number(group), { rssMb: Number(rss) / 1000, cpuSeconds });
  }
  return found;
}

function add(all: Map<number, { rssMb: number; cpuSeconds: number }>, group: number, more: Usage): void {
  const known = all.get(group);
  if (known === undefined) all.set(group, { ...more });
  else {
    known.rssMb += more.rssMb;
    known.cpuSeconds += more.cpuSeconds;
  }
}
