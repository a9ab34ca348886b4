// The flags of `heddle proxy`: Envoy's, with Envoy's meaning; each with its default and what it takes.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Address } from '../base/byte-stream.ts';
import { parseIp } from '../base/ip.ts';
import { parseAddress } from '../net/address.ts';
import { DEFAULT_PROXY_OPTIONS, type ProxyOptions } from '../proxy/options.ts';

type Flag = {
  readonly short?: string;
  /** What it takes; absent for a switch. */
  readonly takes?: 'TEXT' | 'NUMBER' | 'PATH' | 'LEVEL';
  readonly multiple?: boolean;
  readonly values?: readonly string[];
  readonly help: string;
};

const LEVELS = ['trace', 'debug', 'info', 'warning', 'warn', 'error', 'critical', 'off'];

/** Threads beyond this are a mistake: each takes memory, and a processor to be of use. */
const MAX_WORKERS = 256;
const DNS_PORT = 53;

/** Source: Envoy "Command line options". */
export const FLAGS = {
  'config-path': { short: 'c', takes: 'PATH', help: 'the configuration: YAML, JSON or binary protobuf (.pb)' },
  'config-yaml': { takes: 'TEXT', help: 'YAML that is merged over the configuration file' },
  mode: {
    takes: 'TEXT',
    values: ['serve', 'validate', 'init_only'],
    help: 'serve; or check the configuration and exit',
  },
  concurrency: { takes: 'NUMBER', help: 'number of worker threads; default 1' },
  'log-level': { short: 'l', takes: 'LEVEL', values: LEVELS, help: `${LEVELS.join(', ')}; default info` },
  'component-log-level': { takes: 'TEXT', help: 'levels by component: upstream:debug,config:trace' },
  'log-format': { takes: 'TEXT', help: 'format of the process log in spdlog syntax' },
  'log-format-escaped': { help: 'escape control characters in the process log' },
  'log-path': { takes: 'PATH', help: 'file of the process log; default stderr' },
  'service-cluster': { takes: 'TEXT', help: 'name of the cluster that this proxy stands for' },
  'service-node': { takes: 'TEXT', help: 'name of this node' },
  'service-zone': { takes: 'TEXT', help: 'zone of this node' },
  'drain-time-s': { takes: 'NUMBER', help: 'seconds over which connections are drained; default 600' },
  'parent-shutdown-time-s': { takes: 'NUMBER', help: 'seconds until a hot restart ends the parent; default 900' },
  'drain-strategy': { takes: 'TEXT', values: ['gradual', 'immediate'], help: 'gradual (default) or immediate' },
  'base-id': { takes: 'NUMBER', help: 'tells proxies of one machine apart; default 0' },
  'use-dynamic-base-id': { help: 'choose a base id that is free' },
  'base-id-path': { takes: 'PATH', help: 'file that the base id is written to' },
  'restart-epoch': { takes: 'NUMBER', help: 'number of hot restarts so far; default 0' },
  'disable-hot-restart': { help: 'run without hot restart' },
  'hot-restart-version': { help: 'print the version of hot restart and exit' },
  'admin-address-path': { takes: 'PATH', help: 'file that the address of the admin interface is written to' },
  'allow-unknown-fields': { help: 'the same as --allow-unknown-static-fields' },
  'allow-unknown-static-fields': { help: 'accept fields unknown to this version in the configuration file' },
  'ignore-unknown-dynamic-fields': { help: 'accept unknown fields in dynamic configuration without a warning' },
  'reject-unknown-dynamic-fields': { help: 'refuse unknown fields in dynamic configuration' },
  'file-flush-interval-msec': { takes: 'NUMBER', help: 'milliseconds between flushes of access logs; default 10000' },
  'file-flush-min-size-kb': { takes: 'NUMBER', help: 'KiB of an access log that are flushed at once; default 64' },
  'local-address-ip-version': {
    takes: 'TEXT',
    values: ['v4', 'v6'],
    help: 'family of this machine’s own address; default v4',
  },
  'skip-deprecated-logs': { help: 'do not warn of deprecated fields' },
  'enable-core-dump': { help: 'leave core dumps to the system’s limits (ulimit -c)' },
  'disable-extensions': { takes: 'TEXT', help: 'extensions that must not be used, separated by commas' },
  'stats-tag': { takes: 'TEXT', multiple: true, help: 'a tag for all statistics, TAG:VALUE; may be repeated' },
  'dns-address': {
    takes: 'TEXT',
    multiple: true,
    help: 'serve DNS on IP:PORT, over UDP and TCP; may be repeated',
  },
  'dns-upstream': {
    takes: 'TEXT',
    multiple: true,
    help: 'ask the DNS server IP[:PORT] instead of those of /etc/resolv.conf; may be repeated',
  },
  'cpuset-threads': { help: 'take the default concurrency from the cpuset' },
  'enable-fine-grain-logging': { help: 'levels per file instead of per component' },
  version: { help: 'print the version and exit' },
  help: { short: 'h', help: 'print this and exit' },
} as const satisfies Readonly<Record<string, Flag>>;

export type LogFlags = {
  readonly level: string;
  readonly components: string;
  readonly format: string;
  readonly formatEscaped: boolean;
  readonly path: string;
};

export type ParsedFlags =
  | {
      readonly action: 'run';
      readonly options: ProxyOptions;
      readonly log: LogFlags;
      readonly baseIdPath: string;
      readonly warnings: readonly string[];
    }
  | { readonly action: 'version' | 'help' | 'hot-restart-version' }
  | { readonly action: 'error'; readonly message: string };

export function parseProxyFlags(args: readonly string[]): ParsedFlags {
  let values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  try {
    const options = Object.fromEntries(
      Object.entries(FLAGS as Readonly<Record<string, Flag>>).map(([name, flag]) => [
        name,
        {
          type: flag.takes === undefined ? ('boolean' as const) : ('string' as const),
          ...(flag.short === undefined ? {} : { short: flag.short }),
          ...(flag.multiple === true ? { multiple: true } : {}),
        },
      ]),
    );
    values = parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // The lines behind the first explain how to write an argument that begins with a dash.
    return { action: 'error', message: (error as Error).message.split('\n')[0] ?? '' };
  }
  if (values['help'] === true) return { action: 'help' };
  if (values['version'] === true) return { action: 'version' };
  if (values['hot-restart-version'] === true) return { action: 'hot-restart-version' };
  const problem = checkValues(values);
  return problem === null ? build(values) : { action: 'error', message: problem };
}

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

function checkValues(values: Values): string | null {
  for (const [name, flag] of Object.entries(FLAGS as Readonly<Record<string, Flag>>)) {
    const value = values[name];
    if (typeof value !== 'string') continue;
    if (flag.takes === 'NUMBER' && !/^\d{1,10}$/.test(value))
      return `--${name} takes a number, not ${JSON.stringify(value)}`;
    if (flag.values !== undefined && !flag.values.includes(value)) {
      return `--${name} takes one of ${flag.values.join(', ')}, not ${JSON.stringify(value)}`;
    }
  }
  if (values['ignore-unknown-dynamic-fields'] === true && values['reject-unknown-dynamic-fields'] === true) {
    return '--ignore-unknown-dynamic-fields and --reject-unknown-dynamic-fields exclude each other';
  }
  for (const tag of (values['stats-tag'] ?? []) as string[]) {
    if (!/^[A-Za-z0-9]+:[^.]+$/.test(tag))
      return `--stats-tag takes TAG:VALUE without dots, not ${JSON.stringify(tag)}`;
  }
  for (const text of (values['dns-address'] ?? []) as string[]) {
    if (parseAddress(text) === null) return `--dns-address takes IP:PORT or [IP]:PORT, not ${JSON.stringify(text)}`;
  }
  for (const text of (values['dns-upstream'] ?? []) as string[]) {
    if (dnsUpstream(text) === null) return `--dns-upstream takes IP, IP:PORT or [IP]:PORT, not ${JSON.stringify(text)}`;
  }
  return null;
}

/** Of a DNS server: its port may be left out. */
function dnsUpstream(text: string): Address | null {
  const ip = parseIp(text);
  return ip === null ? parseAddress(text) : { family: ip.family, address: text, port: DNS_PORT };
}

function addresses(texts: Values[string], parse: (text: string) => Address | null): Address[] {
  return ((texts ?? []) as string[]).map(parse).filter((address) => address !== null);
}

function build(values: Values): ParsedFlags {
  const text = (name: keyof typeof FLAGS): string => (typeof values[name] === 'string' ? values[name] : '');
  const number = (name: keyof typeof FLAGS, fallback: number): number =>
    typeof values[name] === 'string' ? Number(values[name]) : fallback;
  const on = (name: keyof typeof FLAGS): boolean => values[name] === true;
  const warnings: string[] = [];
  const concurrency = number('concurrency', on('cpuset-threads') ? availableParallelism() : 1);
  if (on('enable-fine-grain-logging')) warnings.push('--enable-fine-grain-logging: levels are kept per component');
  if (concurrency > MAX_WORKERS) {
    return { action: 'error', message: `--concurrency takes at most ${MAX_WORKERS}, not ${concurrency}` };
  }
  if (number('restart-epoch', 0) > 0) {
    return { action: 'error', message: '--restart-epoch above 0 is not supported yet: hot restart is not built' };
  }
  const baseId = on('use-dynamic-base-id') ? process.pid : number('base-id', 0);
  const options: ProxyOptions = {
    ...DEFAULT_PROXY_OPTIONS,
    configPath: text('config-path'),
    configYaml: text('config-yaml'),
    mode: (text('mode') || 'serve') as ProxyOptions['mode'],
    concurrency: Math.max(1, concurrency),
    serviceCluster: text('service-cluster'),
    serviceNode: text('service-node'),
    serviceZone: text('service-zone'),
    drainTimeMs: number('drain-time-s', 600) * 1000,
    parentShutdownTimeMs: number('parent-shutdown-time-s', 900) * 1000,
    drainStrategy: (text('drain-strategy') || 'gradual') as ProxyOptions['drainStrategy'],
    baseId,
    adminAddressPath: text('admin-address-path'),
    allowUnknownStaticFields: on('allow-unknown-static-fields') || on('allow-unknown-fields'),
    ignoreUnknownDynamicFields: on('ignore-unknown-dynamic-fields'),
    rejectUnknownDynamicFields: on('reject-unknown-dynamic-fields'),
    skipDeprecatedLogs: on('skip-deprecated-logs'),
    localAddressIpVersion: text('local-address-ip-version') === 'v6' ? 'v6' : 'v4',
    fileFlushIntervalMs: number('file-flush-interval-msec', 10_000),
    fileFlushMinSizeKb: number('file-flush-min-size-kb', 64),
    disabledExtensions: text('disable-extensions')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    statsTags: (values['stats-tag'] ?? []) as string[],
    dnsAddresses: addresses(values['dns-address'], parseAddress),
    dnsUpstreams: addresses(values['dns-upstream'], dnsUpstream),
    commandLine: values,
  };
  const log: LogFlags = {
    level: text('log-level') || 'info',
    components: text('component-log-level'),
    format: text('log-format'),
    formatEscaped: on('log-format-escaped'),
    path: text('log-path'),
  };
  return { action: 'run', options, log, baseIdPath: text('base-id-path'), warnings };
}

export function proxyUsage(): string {
  const lines = Object.entries(FLAGS as Readonly<Record<string, Flag>>).map(([name, flag]) => {
    const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
    const names = `${short}--${name}${flag.takes === undefined ? '' : ` ${flag.takes}`}`;
    return `  ${names.padEnd(40)} ${flag.help}`;
  });
  return ['usage: heddle proxy -c FILE [OPTIONS]', '', ...lines, ''].join('\n');
}
