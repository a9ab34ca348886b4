// Options of `heddle control`, read from the command line.
import { parseArgs } from 'node:util';
import type { ControlOptions } from '../control/options.ts';
import type { ConfigRoot } from '../control/source/config-source.ts';

const OPTIONS = {
  config: {
    type: 'string',
    multiple: true,
    value: 'PATH',
    help: 'directory, bundle file or - (standard input) with the objects; repeatable',
  },
  'config-application': {
    type: 'string',
    multiple: true,
    value: 'DIR',
    help: 'directory of an application, of whose YAML only objects are read',
  },
  'config-overlay': {
    type: 'string',
    multiple: true,
    value: 'DIR',
    help: 'directory for objects of heddle apply; made if it is missing',
  },
  'grpc-address': {
    type: 'string',
    value: 'HOST:PORT',
    help: 'xDS and CA in plain text; loopback only (127.0.0.1:15010)',
  },
  'secure-address': { type: 'string', value: 'HOST:PORT', help: 'xDS and CA over TLS (0.0.0.0:15012)' },
  'http-address': {
    type: 'string',
    value: 'HOST:PORT',
    help: '/ready, /metrics, /debug and the API (127.0.0.1:15014)',
  },
  'page-token-file': {
    type: 'string',
    value: 'FILE',
    help: 'token that the API and the live page then ask for; without it there is no page',
  },
  'state-dir': { type: 'string', value: 'DIR', help: 'keys, tokens and roots (.heddle/control)' },
  'ca-dir': { type: 'string', value: 'DIR', help: "a CA of yours, in Istio's cacerts layout; else one is made" },
  'ca-key-passphrase-file': { type: 'string', value: 'FILE', help: "encrypts the CA's key at rest" },
  'cluster-id': { type: 'string', value: 'NAME', help: 'of this cluster (Kubernetes)' },
  'cluster-domain': { type: 'string', value: 'DOMAIN', help: 'of its services (cluster.local)' },
  network: { type: 'string', value: 'NAME', help: 'of workloads that say none' },
  'scope-gateways': { type: 'boolean', help: 'a Gateway selects proxies of its own namespace only' },
  'assign-addresses': { type: 'boolean', help: 'give Services without clusterIP one, as an API server does' },
  'parent-fd': { type: 'string', value: 'NUMBER', help: 'descriptor of the parent: for heddle up' },
  'server-name': {
    type: 'string',
    multiple: true,
    value: 'NAME',
    help: "further DNS names in the server's certificate",
  },
  'token-issuer': { type: 'string', value: 'ISSUER', help: 'of service-account tokens; with --token-jwks' },
  'token-jwks': { type: 'string', value: 'FILE', help: 'keys of that issuer' },
  'token-audience': { type: 'string', value: 'NAME', help: 'of those tokens (istio-ca)' },
  'trust-loopback': {
    type: 'boolean',
    help: 'believe nodes on the plain-text port without a credential: benches, toys',
  },
  'log-level': { type: 'string', value: 'LEVEL', help: 'trace, debug, info, warning, error, off (info)' },
  help: { type: 'boolean', short: 'h', help: 'print this' },
} as const;

export type ControlFlags =
  | { readonly action: 'help' }
  | { readonly action: 'error'; readonly message: string }
  | { readonly action: 'run'; readonly options: ControlOptions; readonly logLevel: string };

export function controlUsage(): string {
  const lines = Object.entries(OPTIONS).map(([name, option]) => {
    const left = `  --${name}${'value' in option ? ` ${option.value}` : ''}`;
    return `${left.padEnd(34)} ${option.help}`;
  });
  return ['usage: heddle control --config PATH [OPTIONS]', '', ...lines, ''].join('\n');
}

export function parseControlFlags(args: readonly string[]): ControlFlags {
  let values: Record<string, string | boolean | string[] | undefined>;
  let config: ConfigRoot[];
  try {
    const parsed = parseArgs({ args: [...args], options: OPTIONS as never, allowPositionals: false, tokens: true });
    values = parsed.values as typeof values;
    config = rootsIn(parsed.tokens);
  } catch (error) {
    return { action: 'error', message: (error as Error).message };
  }
  if (values['help'] === true) return { action: 'help' };
  const text = (name: keyof typeof OPTIONS, fallback: string): string =>
    (values[name] as string | undefined) ?? fallback;
  if (config.length === 0) return { action: 'error', message: '--config is missing: where are the objects?' };
  const problems: string[] = [];
  const address = (name: keyof typeof OPTIONS, fallback: string): { host: string; port: number } => {
    const value = text(name, fallback);
    const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(value);
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) problems.push(`--${name} ${value}: expected HOST:PORT`);
    return { host: match?.[1] ?? match?.[2] ?? '', port };
  };
  const plain = address('grpc-address', '127.0.0.1:15010');
  if (problems.length === 0 && !/^(?:127\.|::1$|localhost$)/.test(plain.host)) {
    problems.push(`--grpc-address ${plain.host}: plain text is served on loopback only; others use --secure-address`);
  }
  const options: ControlOptions = {
    config,
    plain,
    secure: address('secure-address', '0.0.0.0:15012'),
    http: address('http-address', '127.0.0.1:15014'),
    pageTokenFile: text('page-token-file', '') || null,
    stateDirectory: text('state-dir', '.heddle/control'),
    caDirectory: text('ca-dir', '') || null,
    passphraseFile: text('ca-key-passphrase-file', '') || null,
    cluster: text('cluster-id', 'Kubernetes'),
    clusterDomain: text('cluster-domain', 'cluster.local'),
    network: text('network', ''),
    scopesGateways: values['scope-gateways'] === true,
    assignsAddresses: values['assign-addresses'] === true,
    parentFd: text('parent-fd', '') === '' ? null : Number(text('parent-fd', '')),
    serverNames: (values['server-name'] as string[] | undefined) ?? [],
    tokens:
      text('token-jwks', '') === ''
        ? null
        : {
            issuer: text('token-issuer', ''),
            jwksFile: text('token-jwks', ''),
            audience: text('token-audience', 'istio-ca'),
          },
    trustsLoopback: values['trust-loopback'] === true,
  };
  if (options.tokens !== null && options.tokens.issuer === '') problems.push('--token-jwks: --token-issuer is missing');
  if (problems.length > 0) return { action: 'error', message: problems.join('\n') };
  return { action: 'run', options, logLevel: text('log-level', 'info') };
}

const ROOT_KINDS: Readonly<Record<string, ConfigRoot['kind']>> = {
  config: 'objects',
  'config-application': 'application',
  'config-overlay': 'overlay',
};

type Token = { readonly kind: string; readonly name?: string; readonly value?: string | undefined };

/** In the order of the command line, whatever the options' names. */
function rootsIn(tokens: readonly Token[]): ConfigRoot[] {
  const roots = new Map<string, ConfigRoot>();
  for (const { name = '', value: path = '' } of tokens) {
    const kind = ROOT_KINDS[name];
    if (kind !== undefined && path !== '' && !roots.has(path)) roots.set(path, { path, kind });
  }
  return [...roots.values()];
}
