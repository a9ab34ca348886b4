// `heddle token`: makes a one-time token with which a workload outside of Kubernetes joins the mesh, and prints it.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Clock } from '../base/clock.ts';
import { JoinTokens } from '../ca/authenticate/join-tokens.ts';

const OPTIONS = {
  namespace: { type: 'string', short: 'n', value: 'NAME', help: 'namespace of the workload' },
  account: { type: 'string', short: 'a', value: 'NAME', help: 'its service account (default)' },
  life: { type: 'string', value: 'TIME', help: 'how long it may be used: 30m, 12h, 7d (1h)' },
  'state-dir': { type: 'string', value: 'DIR', help: 'that of heddle control (.heddle/control)' },
  help: { type: 'boolean', short: 'h', help: 'print this' },
} as const;

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export type TokenFlags =
  | { readonly action: 'help' }
  | { readonly action: 'error'; readonly message: string }
  | {
      readonly action: 'run';
      readonly directory: string;
      readonly binding: { readonly namespace: string; readonly account: string; readonly workload: null };
      readonly lifeMs: number;
    };

export function parseTokenFlags(args: readonly string[]): TokenFlags {
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({ args: [...args], options: OPTIONS as never, allowPositionals: false }).values as typeof values;
  } catch (error) {
    return { action: 'error', message: (error as Error).message };
  }
  if (values['help'] === true) return { action: 'help' };
  const text = (name: string, fallback: string): string => (values[name] as string | undefined) ?? fallback;
  if (text('namespace', '') === '') return { action: 'error', message: '--namespace is missing' };
  const life = /^(\d{1,6})([smhd])$/.exec(text('life', '1h'));
  if (life === null)
    return { action: 'error', message: `--life ${text('life', '')}: expected a number with s, m, h or d` };
  return {
    action: 'run',
    directory: join(text('state-dir', '.heddle/control'), 'join-tokens'),
    binding: {
      namespace: text('namespace', ''),
      account: text('account', 'default'),
      workload: null,
    },
    lifeMs: Number(life[1]) * UNITS_MS[life[2] as keyof typeof UNITS_MS],
  };
}

export function tokenUsage(): string {
  const lines = Object.entries(OPTIONS).map(([name, option]) => {
    const short = 'short' in option ? `-${option.short}, ` : '    ';
    const left = `  ${short}--${name}${'value' in option ? ` ${option.value}` : ''}`;
    return `${left.padEnd(26)} ${option.help}`;
  });
  return ['usage: heddle token --namespace NAME [OPTIONS]', '', ...lines, ''].join('\n');
}

export async function runToken(args: readonly string[]): Promise<void> {
  const flags = parseTokenFlags(args);
  if (flags.action === 'help') {
    process.stdout.write(tokenUsage());
    return;
  }
  // The file has the token's hash alone; whoever watches the directory cannot use it.
  const made = flags.action === 'error' ? flags.message : create(flags);
  if (typeof made === 'string') {
    process.stderr.write(`heddle: ${made}\n`);
    process.exitCode = 1;
  } else process.stdout.write(`${made.reveal()}\n`);
}

function create({ directory, binding, lifeMs }: TokenFlags & { readonly action: 'run' }) {
  try {
    return new JoinTokens(directory, '', new Clock()).create(binding, lifeMs);
  } catch (error) {
    return `the token cannot be kept: ${(error as Error).message}`;
  }
}
