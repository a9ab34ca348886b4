// The flags of `heddle agent` and `heddle bootstrap`: pilot-agent's and a few of Heddle's own.
import { networkInterfaces } from 'node:os';
import { parseArgs } from 'node:util';
import { type AgentFlags, type MachineFacts, readText } from '../agent/config/environment.ts';
import type { ProxyRole } from '../agent/config/settings.ts';

type Flag = { readonly short?: string; readonly takes?: string; readonly help: string };

const ROLES: readonly string[] = ['sidecar', 'router', 'waypoint'] satisfies readonly ProxyRole[];

const FLAGS = {
  envoy: { takes: 'PATH', help: 'the Envoy to run; absent: Heddle’s own proxy' },
  discovery: { takes: 'HOST:PORT', help: 'the control plane; default as ProxyConfig has it' },
  'ca-address': { takes: 'HOST:PORT', help: 'the certificate authority (CA_ADDR); default the control plane' },
  'join-token': { takes: 'FILE', help: 'a token that is good once, for workloads without a service account' },
  token: { takes: 'FILE', help: 'the service account’s token; default ./var/run/secrets/tokens/istio-token' },
  'root-ca': { takes: 'FILE', help: 'roots of the control plane; default ./var/run/secrets/istio/root-cert.pem' },
  uds: { takes: 'DIR', help: 'where secrets are served; default ./var/run/secrets/workload-spiffe-uds' },
  configPath: { takes: 'DIR', help: 'where bootstrap and discovery socket are; default ./etc/istio/proxy' },
  domain: { takes: 'NAME', help: 'DNS suffix; default ${POD_NAMESPACE}.svc.cluster.local' },
  meshConfig: { takes: 'FILE', help: 'MeshConfig of which defaultConfig counts; default ./etc/istio/config/mesh' },
  serviceCluster: { takes: 'NAME', help: 'name of the cluster that the proxy stands for' },
  proxyLogLevel: { takes: 'LEVELS', help: 'of the proxy: warning,misc:error by default' },
  proxyComponentLogLevel: { takes: 'LEVELS', help: 'of the proxy: upstream:debug,config:trace' },
  concurrency: { takes: 'NUMBER', help: 'worker threads of the proxy' },
  help: { short: 'h', help: 'print this and exit' },
} as const satisfies Readonly<Record<string, Flag>>;

/** Of pilot-agent, each with why it changes nothing here. */
const WITHOUT_EFFECT: Readonly<Record<string, { readonly takes?: true; readonly why: string }>> = {
  stsPort: { takes: true, why: 'there is no security token service' },
  tokenManagerPlugin: { takes: true, why: 'there is no security token service' },
  profiling: { why: 'there are no profiles' },
  log_output_level: { takes: true, why: 'there are no levels' },
  log_as_json: { why: 'lines are text' },
};

export type AgentCommand = {
  readonly flags: AgentFlags;
  /** Null: Heddle's own proxy. */
  readonly envoyPath: string | null;
  readonly notes: readonly string[];
};

/** `proxy sidecar|router|waypoint [OPTIONS]`; 'proxy' and the role may be left out. */
export function parseAgentFlags(args: readonly string[]): AgentCommand | { readonly error: string } | 'help' {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return { error: (error as Error).message.split('\n')[0] ?? '' };
  }
  const { values, positionals } = parsed;
  if (values['help'] === true) return 'help';
  const [role = 'sidecar', ...more] = positionals[0] === 'proxy' ? positionals.slice(1) : positionals;
  if (!ROLES.includes(role) || more.length > 0) {
    return { error: `no role ${JSON.stringify([role, ...more].join(' '))}: one of ${ROLES.join(', ')}` };
  }
  const text = (name: keyof typeof FLAGS): string | undefined =>
    typeof values[name] === 'string' ? (values[name] as string) : undefined;
  const concurrency = text('concurrency');
  if (concurrency !== undefined && !/^\d{1,3}$/.test(concurrency)) {
    return { error: `--concurrency takes a number, not ${JSON.stringify(concurrency)}` };
  }
  const notes = Object.entries(WITHOUT_EFFECT)
    .filter(([name]) => values[name] !== undefined)
    .map(([name, { why }]) => `--${name} has no effect: ${why}`);
  const flags = {
    role: role as ProxyRole,
    discovery: text('discovery'),
    authority: text('ca-address'),
    joinToken: text('join-token'),
    token: text('token'),
    rootCa: text('root-ca'),
    uds: text('uds'),
    configPath: text('configPath'),
    domain: text('domain'),
    meshConfigPath: text('meshConfig'),
    serviceCluster: text('serviceCluster'),
    proxyLogLevel: text('proxyLogLevel'),
    proxyComponentLogLevel: text('proxyComponentLogLevel'),
    concurrency: concurrency === undefined || concurrency === '0' ? undefined : Number(concurrency),
  };
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)) as AgentFlags;
  return { flags: given, envoyPath: text('envoy') ?? null, notes };
}

function parse(args: readonly string[]) {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {};
  for (const [name, flag] of Object.entries(FLAGS as Readonly<Record<string, Flag>>)) {
    const type = flag.takes === undefined ? 'boolean' : 'string';
    options[name] = { type, ...(flag.short === undefined ? {} : { short: flag.short }) };
  }
  for (const [name, { takes }] of Object.entries(WITHOUT_EFFECT)) {
    options[name] = { type: takes === true ? 'string' : 'boolean' };
  }
  // Go writes a switch's value behind it.
  const switches = args.map((argument) => argument.replace(/^--(profiling|log_as_json)=.*$/, '--$1'));
  return parseArgs({ args: switches, options, strict: true, allowPositionals: true });
}

export function agentUsage(verb: 'agent' | 'bootstrap'): string {
  const rows = Object.entries(FLAGS as Readonly<Record<string, Flag>>).map(([name, { short, takes, help }]) => {
    const names = `${short === undefined ? '    ' : `-${short}, `}--${name}${takes === undefined ? '' : ` ${takes}`}`;
    return `  ${names.padEnd(36)} ${help}`;
  });
  return [
    `usage: heddle ${verb} [proxy] sidecar|router|waypoint [OPTIONS]`,
    '',
    ...rows,
    '',
    'Variables of the environment as pilot-agent has them: POD_NAME, POD_NAMESPACE, INSTANCE_IP, SERVICE_ACCOUNT,',
    'PROXY_CONFIG, ISTIO_META_*, ISTIO_METAJSON_*, CA_ADDR, TRUST_DOMAIN, SECRET_TTL and more: see docs/agent.md.',
    '',
  ].join('\n');
}

/** What this machine says of the workload. */
export function machineFacts(): MachineFacts {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal, address }) => !internal && !/^(?:fe80|169\.254\.)/i.test(address))
    .map(({ address }) => address);
  return { variables: process.env, addresses, readText };
}
