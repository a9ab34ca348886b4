// The machine that capture is set up on, as the rest of this room sees it: programs, files of /proc, nothing else.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export type Ran = {
  readonly ok: boolean;
  /** The program is not installed. */
  readonly isMissing: boolean;
  readonly output: string;
  /** What went wrong, in its own words. */
  readonly complaint: string;
};

export type Machine = {
  run(program: string, args: readonly string[], input?: string): Ran;
  /** Null when it cannot be read. */
  read(path: string): string | null;
  list(path: string): readonly string[];
  link(path: string): string | null;
};

/** What the user reads: what happened, where, and what to do; one line each. */
export class CaptureError extends Error {
  readonly lines: readonly string[];

  constructor(...lines: string[]) {
    super(lines.join('; '));
    this.lines = lines;
  }
}

/** A program that waits longer for a lock or the kernel than this has failed. */
const TIMEOUT_MS = 20_000;
const MAX_OUTPUT_BYTES = 64 << 20;

/** `path` is where programs are looked for, as in the environment; the places of system programs are added. */
export function realMachine(path: string): Machine {
  const env = { PATH: [path, '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(':'), LC_ALL: 'C' };
  return {
    run(program, args, input = '') {
      const options = { env, input, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES } as const;
      const result = spawnSync(program, args, options);
      const code = (result.error as NodeJS.ErrnoException | undefined)?.code;
      const said =
        `${result.stderr ?? ''}`.trim() || (result.error?.message ?? `${program} ended with ${result.status}`);
      return {
        ok: result.error === undefined && result.status === 0,
        isMissing: code === 'ENOENT',
        output: result.stdout ?? '',
        complaint: code === 'ETIMEDOUT' ? `${program} did not end within ${TIMEOUT_MS / 1000} s` : said,
      };
    },
    read: (file) => attempt(() => readFileSync(file, 'utf8')),
    list: (folder) => attempt(() => readdirSync(folder)) ?? [],
    link: (file) => attempt(() => readlinkSync(file)),
  };
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** The first line that says something: programs like to add usage, and nft repeats the rule. */
export function firstLine(complaint: string): string {
  return complaint.split('\n')[0]?.trim() ?? '';
}
