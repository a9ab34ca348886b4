// Picks the verb and loads only its file; prints usage and version.
import { nearest } from '../control/schema/problem.ts';
import { type Command, told } from './command/command.ts';
import { exampleLines } from './command/help.ts';
import type { CommandSpec } from './command/spec.ts';
import { packageVersion } from './version.ts';

export type Verb = {
  readonly summary: string;
  /** Not listed: other programs call it. */
  readonly isHidden?: true;
  run(args: string[]): Promise<void>;
  /** What it takes, of verbs that have it as a table. */
  spec?(): Promise<CommandSpec>;
  /** Of verbs that have none: the help's text, to which the examples are added. */
  usage?(): Promise<string>;
  readonly examples?: CommandSpec['examples'];
};

/** A verb that is a table (command/spec.ts). */
function command(summary: string, load: () => Promise<Command>): Verb {
  return {
    summary,
    run: async (args) => (await load()).run(args),
    spec: async () => (await load()).spec,
  };
}

export const VERBS: Readonly<Record<string, Verb>> = {
  up: command('run a mesh on this machine: heddle up examples/bookshop', async () => (await import('./up.ts')).up),
  down: command('end it: heddle down', async () => (await import('./down.ts')).down),
  logs: command(
    'print what workloads, proxies and the control plane printed: heddle logs reviews-v1',
    async () => (await import('./logs.ts')).logs,
  ),
  get: command(
    'list the objects of a mesh, or print them: heddle get virtualservices',
    async () => (await import('./objects/get.ts')).get,
  ),
  apply: command(
    'add objects to a mesh, or change them: heddle apply -f FILE',
    async () => (await import('./objects/apply.ts')).apply,
  ),
  delete: command(
    'take away objects that were applied: heddle delete virtualservice reviews',
    async () => (await import('./objects/delete.ts')).remove,
  ),
  export: command(
    'print all objects of a mesh as plain YAML: heddle export',
    async () => (await import('./export.ts')).exportAll,
  ),
  config: command(
    'print what a proxy has: heddle config routes reviews-v1',
    async () => (await import('./config/command.ts')).config,
  ),
  certificate: command(
    "print a workload's certificate and whom it trusts: heddle certificate reviews-v1",
    async () => (await import('./config/certificate.ts')).certificate,
  ),
  trust: command(
    "tell where the root of gateways' certificates is, or have it trusted: heddle trust --install",
    async () => (await import('./trust.ts')).trust,
  ),
  analyze: command(
    "look for mistakes in Istio's configuration: heddle analyze FILE",
    async () => (await import('./analyze/command.ts')).analyzeCommand,
  ),
  status: {
    summary: 'tell how workloads are, and how far each object came among the proxies: heddle status',
    run: async (args) => told('status', async () => (await import('./status.ts')).runStatus(args)),
    usage: async () => (await import('./status.ts')).USAGE,
    examples: [
      ['heddle status', 'what is refused, or not yet live everywhere'],
      ['heddle status virtualservice/reviews', 'one object'],
    ],
  },
  wait: command(
    'wait until proxies have what a file says: heddle wait --for=live FILE',
    async () => (await import('./wait.ts')).wait,
  ),
  proxy: {
    summary: 'run the proxy on an Envoy configuration: heddle proxy -c envoy.yaml',
    run: async (args) => (await import('./proxy.ts')).runProxy(args),
    usage: async () => (await import('./proxy-flags.ts')).proxyUsage(),
    examples: [
      ['heddle proxy -c envoy.yaml', 'run it'],
      ['heddle proxy -c envoy.yaml --mode validate', 'only say whether the configuration is right'],
    ],
  },
  control: {
    summary: 'run the control plane on Istio and Gateway API objects: heddle control --config DIR',
    run: async (args) => (await import('./control.ts')).runControl(args),
    usage: async () => (await import('./control-flags.ts')).controlUsage(),
    examples: [
      ['heddle control --config mesh/', 'serve the objects of a directory, as they change'],
      ['heddle control --config base/ --config site.yaml', 'of two places; what both define counts as the first says'],
    ],
  },
  intercept: {
    summary: 'capture connections with nftables or iptables: heddle intercept apply',
    run: async (args) => (await import('./intercept.ts')).runIntercept(args),
    usage: async () => (await import('./intercept-flags.ts')).interceptUsage(),
    examples: [
      ['heddle intercept plan', 'print the rules, change nothing'],
      ['heddle intercept apply --netns /run/netns/web', 'capture what a network namespace sends and gets'],
    ],
  },
  agent: {
    summary: 'serve certificates and discovery to a proxy beside it: heddle agent proxy sidecar',
    run: async (args) => (await import('./agent.ts')).runAgent(args),
    usage: async () => (await import('./agent-flags.ts')).agentUsage('agent'),
    examples: [
      ['heddle agent proxy sidecar', "Heddle's own proxy, configured as in a pod of Istio"],
      ['heddle agent proxy sidecar --envoy /usr/bin/envoy', 'the real Envoy'],
    ],
  },
  token: {
    summary: 'make a one-time token with which a workload joins the mesh: heddle token -n NAMESPACE -a ACCOUNT',
    run: async (args) => (await import('./token.ts')).runToken(args),
    usage: async () => (await import('./token.ts')).tokenUsage(),
    examples: [
      ['heddle token -n shop -a reviews', 'for a workload of that service account'],
      ['heddle token -n shop -a reviews --life 10m', 'that must join within ten minutes'],
    ],
  },
  bootstrap: {
    summary: 'print the bootstrap that the agent gives its proxy',
    run: async (args) => (await import('./bootstrap.ts')).runBootstrap(args),
    usage: async () => (await import('./agent-flags.ts')).agentUsage('bootstrap'),
    examples: [
      ['heddle bootstrap proxy sidecar', 'as heddle agent would write it'],
      ['heddle bootstrap proxy router > envoy.json', 'of a gateway, into a file'],
    ],
  },
  version: command(
    'print the versions of this program, the control plane and the proxies',
    async () => (await import('./versions.ts')).versions,
  ),
  completion: command(
    'print a script that completes the words of a shell: heddle completion bash',
    async () => (await import('./completion/command.ts')).completion,
  ),
  __complete: {
    summary: 'what a shell asks for',
    isHidden: true,
    run: async (args) => (await import('./completion/complete.ts')).runComplete(args, VERBS),
  },
};

function usage(): string {
  const verbs = Object.entries(VERBS).flatMap(([name, { summary, isHidden }]) =>
    isHidden === true ? [] : [`  ${name.padEnd(12)} ${summary}`],
  );
  return ['usage: heddle VERB [OPTIONS]', '', ...verbs, '', 'heddle VERB --help tells the options of a verb.', ''].join(
    '\n',
  );
}

export async function run(args: string[]): Promise<void> {
  quietBrokenPipe();
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    process.stdout.write(usage());
    return;
  }
  if (name === 'help') {
    await run([...rest.slice(0, 1), '--help']);
    return;
  }
  if (name === '--version') {
    process.stdout.write(`heddle ${packageVersion()}\n`);
    return;
  }
  const verb = VERBS[name];
  if (verb === undefined) {
    process.stderr.write(unknown(name));
    process.exitCode = 2;
    return;
  }
  if (verb.usage !== undefined && asksForHelp(rest)) {
    process.stdout.write(`${await verb.usage()}\n${exampleLines(verb.examples ?? []).join('\n')}\n`);
    return;
  }
  await verb.run(rest);
}

function unknown(name: string): string {
  const known = Object.entries(VERBS).flatMap(([verb, { isHidden }]) => (isHidden === true ? [] : [verb]));
  const meant = nearest(name, known);
  const remedy = meant === null ? 'heddle --help lists them' : `is heddle ${meant} meant?`;
  return `heddle: no verb ${JSON.stringify(name)}: ${remedy}\n`;
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === '--help' || arg === '-h');
}

/** `| head` reads what it wants and goes: that is nobody's mistake. */
function quietBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}
