// `heddle intercept`: plans, sets up, takes away and tries the capture of connections.
import { readFileSync } from 'node:fs';
import { apply, clean } from '../intercept/capture.ts';
import { CaptureError, type Machine, realMachine } from '../intercept/machine.ts';
import { iptablesText } from '../intercept/plan/iptables-text.ts';
import type { Plan } from '../intercept/plan/model.ts';
import { nftText } from '../intercept/plan/nft-text.ts';
import { type InterceptOptions, mergeSources, readOptions } from '../intercept/plan/options.ts';
import { planCapture } from '../intercept/plan/planner.ts';
import { type InterceptFlags, interceptUsage, parseAnnotations, parseInterceptFlags } from './intercept-flags.ts';

export async function runIntercept(args: readonly string[]): Promise<void> {
  const flags = parseInterceptFlags(args);
  if (flags === 'help') {
    process.stdout.write(interceptUsage());
    return;
  }
  try {
    if ('error' in flags) throw new CaptureError(flags.error, 'heddle intercept --help lists the options');
    await act(flags);
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    say(error.lines);
    process.exitCode = 1;
  }
}

/** Rules go to the standard output, words to the other one. */
function say(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`heddle: ${line}\n`);
}

async function act(flags: InterceptFlags): Promise<void> {
  say(flags.notes);
  const machine = realMachine(process.env['PATH'] ?? '');
  if (flags.netns !== null) await enter(flags.netns);
  if (flags.action === 'clean') {
    say([clean(machine) ? 'capture was taken away' : 'there was nothing to take away']);
    return;
  }
  const { options, notes } = decide(machine, flags);
  say(notes);
  const plan = planCapture(options);
  if (flags.action === 'plan') print(flags, plan);
  else if (flags.action === 'apply') await applyPlan(machine, flags, options, plan);
  else {
    const { check } = await import('../intercept/check/check.ts');
    const report = await check(machine, { options, plan, pid: process.pid, isRoot: process.geteuid?.() === 0 });
    process.stdout.write(`${report.lines.join('\n')}\n`);
    if (!report.ok) process.exitCode = 1;
  }
}

async function enter(path: string): Promise<void> {
  const { enterNamespace } = await import('../net/namespace.ts');
  const problem = enterNamespace(path);
  if (problem !== null) throw new CaptureError(`--netns ${path}: ${problem}`);
}

function decide(machine: Machine, flags: InterceptFlags): { options: InterceptOptions; notes: readonly string[] } {
  const annotations = { ...readAnnotationFile(flags.annotationsPath), ...flags.annotations };
  const merged = mergeSources(flags.options, annotations, process.env);
  const { options, notes, errors } = readOptions(merged.texts, {
    passwd: machine.read('/etc/passwd') ?? '',
    group: machine.read('/etc/group') ?? '',
    resolvConf: machine.read('/etc/resolv.conf') ?? '',
    hasIpv6: machine.read('/proc/sys/net/ipv6/conf/lo/disable_ipv6')?.trim() === '0',
  });
  if (errors.length > 0) throw new CaptureError(...errors);
  // The namespace of the network brings no files with it.
  const isForeign = flags.netns !== null && options.dns !== null && options.dns !== 'all';
  const foreign = '--redirect-dns: the servers are those of this /etc/resolv.conf; for others pass --capture-all-dns';
  return { options, notes: [...merged.notes, ...notes, ...(isForeign ? [foreign] : [])] };
}

function readAnnotationFile(path: string | null): Record<string, string> {
  if (path === null) return {};
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CaptureError(`--annotations: ${(error as Error).message}`);
  }
  const parsed = parseAnnotations(text);
  if (typeof parsed['error'] === 'string' && Object.keys(parsed).length === 1) {
    throw new CaptureError(`--annotations ${path}: ${parsed['error']}`);
  }
  return parsed as Record<string, string>;
}

function print({ json, backend }: InterceptFlags, plan: Plan): void {
  const texts = {
    nft: nftText(plan),
    'iptables-restore': iptablesText(plan, 'ipv4'),
    'ip6tables-restore': iptablesText(plan, 'ipv6'),
  };
  if (json) {
    process.stdout.write(`${JSON.stringify({ plan, texts }, null, 2)}\n`);
    return;
  }
  if (backend !== 'iptables') {
    process.stdout.write(texts.nft);
    return;
  }
  const parts = Object.entries(texts).filter(([program, text]) => program !== 'nft' && text !== '');
  process.stdout.write(parts.map(([program, text]) => `# ${program} --noflush\n${text}`).join('\n'));
}

async function applyPlan(
  machine: Machine,
  flags: InterceptFlags,
  options: InterceptOptions,
  plan: Plan,
): Promise<void> {
  const request = { options, plan, backend: flags.backend, variant: flags.variant, force: flags.force };
  const applied = apply(machine, request);
  say(applied.notes);
  if (plan.chains.length === 0) {
    say(['nothing is captured by these options']);
    return;
  }
  say([`captured by ${applied.backend}: ${plan.families.join(' and ')}`]);
  if (!flags.failOpen) {
    say(['fail closed: when the proxy ends, the rules stay and connections fail; heddle intercept clean ends that']);
    return;
  }
  const { keepOpen } = await import('../intercept/fail-open.ts');
  await keepOpen(machine, request, waiter(), (line) => say([line]));
}

/** Waits, and answers whether to go on: not once a signal has come. */
function waiter(): (ms: number) => Promise<boolean> {
  let wake = (): void => undefined;
  let isOver = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      isOver = true;
      wake();
    });
  }
  return async (ms) => {
    if (isOver) return false;
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, ms);
    });
    return !isOver;
  };
}
