// Picks the verb and loads only its file; prints usage and version.
import { packageVersion } from './version.ts';

const VERBS: Readonly<Record<string, { readonly summary: string; run(args: string[]): Promise<void> }>> = {
  proxy: {
    summary: 'run the proxy on an Envoy configuration: heddle proxy -c envoy.yaml',
    run: async (args) => (await import('./proxy.ts')).runProxy(args),
  },
  control: {
    summary: 'run the control plane on Istio and Gateway API objects: heddle control --config DIR',
    run: async (args) => (await import('./control.ts')).runControl(args),
  },
  status: {
    summary: 'tell how far each object came among the proxies: heddle status',
    run: async (args) => told((await import('./status.ts')).runStatus(args)),
  },
  wait: {
    summary: 'wait until proxies have what a file says: heddle wait --for=live FILE',
    run: async (args) => told((await import('./wait.ts')).runWait(args)),
  },
  intercept: {
    summary: 'capture connections with nftables or iptables: heddle intercept apply',
    run: async (args) => (await import('./intercept.ts')).runIntercept(args),
  },
  agent: {
    summary: 'serve certificates and discovery to a proxy beside it: heddle agent proxy sidecar',
    run: async (args) => (await import('./agent.ts')).runAgent(args),
  },
  token: {
    summary: 'make a one-time token with which a workload joins the mesh: heddle token -n NAMESPACE -a ACCOUNT',
    run: async (args) => (await import('./token.ts')).runToken(args),
  },
  bootstrap: {
    summary: 'print the bootstrap that the agent gives its proxy',
    run: async (args) => (await import('./bootstrap.ts')).runBootstrap(args),
  },
};

/** What a command throws is a sentence for the operator. */
async function told(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    process.stderr.write(`heddle: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

function usage(): string {
  const verbs = Object.entries(VERBS).map(([name, verb]) => `  ${name.padEnd(12)} ${verb.summary}`);
  return ['usage: heddle VERB [OPTIONS]', '', ...verbs, '', 'heddle VERB --help tells the options of a verb.', ''].join(
    '\n',
  );
}

export async function run(args: string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return;
  }
  if (name === '--version') {
    process.stdout.write(`heddle ${packageVersion()}\n`);
    return;
  }
  const verb = VERBS[name];
  if (verb === undefined) {
    process.stderr.write(`heddle: no verb ${JSON.stringify(name)}\n\n${usage()}`);
    process.exitCode = 1;
    return;
  }
  await verb.run(rest);
}
