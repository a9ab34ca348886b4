// The flags of `heddle intercept`: istio-iptables' and a few of its own.
import { parseArgs } from 'node:util';
import { OPTIONS, type OptionName, type OptionTexts } from '../intercept/plan/options.ts';

export const ACTIONS = {
  plan: 'print the rules, change nothing',
  apply: 'load the rules: all or nothing, in place of earlier ones',
  clean: 'take everything away that apply made',
  check: 'try whether connections are captured, from inside, and name the rule that fails',
} as const;

export type Action = keyof typeof ACTIONS;

type Flag = { readonly short?: string; readonly takes?: string; readonly multiple?: true; readonly help: string };

const OWN: Readonly<Record<string, Flag>> = {
  backend: { takes: 'NAME', help: 'nft, iptables, or auto (default): nft where it works' },
  'force-iptables-binary': { takes: 'KIND', help: 'nft or legacy: iptables of that kind' },
  'native-nftables': { help: 'the same as --backend nft' },
  netns: { takes: 'PATH', help: 'the network namespace: /proc/PID/ns/net, /run/netns/NAME; default this one' },
  annotations: { takes: 'PATH', help: 'annotations of a pod: a file of the downward API, or JSON' },
  annotation: { takes: 'KEY=VALUE', multiple: true, help: 'one annotation; may be repeated' },
  force: { help: 'go on where others’ rules are in place or a port is held' },
  'dry-run': { short: 'n', help: 'with apply: the same as plan' },
  'cleanup-only': { help: 'with apply: the same as clean' },
  'fail-open': { help: 'stay, and take the rules away while nobody listens on the proxy’s port' },
  json: { help: 'with plan: as JSON' },
  help: { short: 'h', help: 'print this and exit' },
};

/** Flags of istio-iptables that change nothing here, each with the reason, which is said. */
const WITHOUT_EFFECT: Readonly<Record<string, { readonly takes?: true; readonly why: string }>> = {
  reconcile: { why: 'rules are always replaced' },
  'force-apply': { why: 'rules are always replaced' },
  'cni-mode': { why: 'name the namespace with --netns' },
  'skip-rule-apply': { why: 'leave out apply' },
  'run-validation': { why: 'use heddle intercept check' },
  'iptables-probe-port': { takes: true, why: 'use heddle intercept check' },
  'probe-timeout': { takes: true, why: 'use heddle intercept check' },
  log_output_level: { takes: true, why: 'there are no levels' },
  log_as_json: { why: 'there is no log' },
};

const ALIASES: Readonly<Record<string, string>> = { 'network-namespace': 'netns' };

export type InterceptFlags = {
  readonly action: Action;
  readonly options: OptionTexts;
  readonly backend: 'auto' | 'nft' | 'iptables';
  readonly variant: '' | 'nft' | 'legacy';
  readonly netns: string | null;
  readonly annotationsPath: string | null;
  readonly annotations: Readonly<Record<string, string>>;
  readonly force: boolean;
  readonly failOpen: boolean;
  readonly json: boolean;
  /** What was given and has no effect. */
  readonly notes: readonly string[];
};

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** The flags, what is wrong with them, or that only help is wanted. */
export function parseInterceptFlags(args: readonly string[]): InterceptFlags | { readonly error: string } | 'help' {
  const [action, ...rest] = args;
  if (action === undefined || action === '--help' || action === '-h') return 'help';
  if (!Object.hasOwn(ACTIONS, action)) {
    return { error: `no action ${JSON.stringify(action)}: one of ${Object.keys(ACTIONS).join(', ')}` };
  }
  let values: Values;
  try {
    values = parseArgs({ args: rest.map(asParsed), options: parserOptions(), strict: true }).values;
  } catch (error) {
    return { error: (error as Error).message.split('\n')[0] ?? '' };
  }
  return values['help'] === true ? 'help' : build(action as Action, values);
}

function isSwitch(name: string): boolean {
  return Object.hasOwn(OPTIONS, name) && !('takes' in OPTIONS[name as OptionName]);
}

/** As Go's flags may be written and the parser does not know: `--redirect-dns=false`, and `-x=` for an empty value. */
function asParsed(argument: string): string {
  const [, letter, rest] = /^-([a-z])=(.*)$/s.exec(argument) ?? [];
  const long = Object.entries(OPTIONS).find(([, row]) => 'short' in row && row.short === letter)?.[0];
  if (long !== undefined) return `--${long}=${rest}`;
  const [, name, value] = /^--([a-z0-9-]+)=(.*)$/s.exec(argument) ?? [];
  if (name === undefined || !isSwitch(name)) return argument;
  return /^(?:1|t|true)$/i.test(value ?? '') ? `--${name}` : `--no-${name}`;
}

function parserOptions(): Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: true }> {
  const all: Readonly<Record<string, Flag>> = { ...(OPTIONS as Readonly<Record<string, Flag>>), ...OWN };
  const parsed: Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: true }> = {};
  for (const [name, { takes, short, multiple }] of Object.entries(all)) {
    const type = takes === undefined ? 'boolean' : 'string';
    parsed[name] = { type, ...(short === undefined ? {} : { short }), ...(multiple === true ? { multiple } : {}) };
    if (takes === undefined) parsed[`no-${name}`] = { type };
  }
  for (const [name, { takes }] of Object.entries(WITHOUT_EFFECT)) {
    parsed[name] = { type: takes === true ? 'string' : 'boolean' };
  }
  for (const alias of Object.keys(ALIASES)) parsed[alias] = { type: 'string' };
  return parsed;
}

function build(action: Action, values: Values): InterceptFlags | { readonly error: string } {
  const text = (name: string): string | null => (typeof values[name] === 'string' ? values[name] : null);
  const options: Partial<Record<OptionName, string>> = {};
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const value = values[name];
    if (typeof value === 'string') options[name] = value;
    if (value === true) options[name] = 'true';
    if (values[`no-${name}`] === true) options[name] = 'false';
  }
  const backend = values['native-nftables'] === true ? 'nft' : (text('backend') ?? 'auto');
  if (backend !== 'auto' && backend !== 'nft' && backend !== 'iptables') {
    return { error: `--backend takes nft, iptables or auto, not ${JSON.stringify(backend)}` };
  }
  const variant = text('force-iptables-binary') ?? '';
  if (variant !== '' && variant !== 'nft' && variant !== 'legacy') {
    return { error: `--force-iptables-binary takes nft or legacy, not ${JSON.stringify(variant)}` };
  }
  const annotations: Record<string, string> = {};
  for (const one of (values['annotation'] ?? []) as string[]) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(one) ?? [];
    if (key === undefined) return { error: `--annotation takes KEY=VALUE, not ${JSON.stringify(one)}` };
    annotations[key] = value ?? '';
  }
  const notes = Object.entries(WITHOUT_EFFECT)
    .filter(([name]) => values[name] !== undefined)
    .map(([name, { why }]) => `--${name} has no effect: ${why}`);
  const other = values['cleanup-only'] === true ? 'clean' : values['dry-run'] === true ? 'plan' : action;
  return {
    action: action === 'apply' ? other : action,
    options,
    notes,
    // Whoever names a kind of iptables wants iptables.
    backend: backend === 'auto' && variant !== '' ? 'iptables' : backend,
    variant,
    netns: text('netns') ?? text('network-namespace'),
    annotationsPath: text('annotations'),
    annotations,
    force: values['force'] === true,
    failOpen: values['fail-open'] === true,
    json: values['json'] === true,
  };
}

export function interceptUsage(): string {
  const row = ([name, { short, takes, help, default: preset }]: [
    string,
    Flag & { readonly default?: string },
  ]): string => {
    const names = `${short === undefined ? '    ' : `-${short}, `}--${name}${takes === undefined ? '' : ` ${takes}`}`;
    return `  ${names.padEnd(48)} ${help}${preset === undefined ? '' : `; default ${preset}`}`;
  };
  return [
    'usage: heddle intercept ACTION [OPTIONS]',
    '',
    ...Object.entries(ACTIONS).map(([name, help]) => `  ${name.padEnd(10)} ${help}`),
    '',
    'What is captured (each also as a variable of the environment: --proxy-uid as PROXY_UID):',
    ...Object.entries(OPTIONS as Readonly<Record<string, Flag>>).map(row),
    '',
    'How:',
    ...Object.entries(OWN).map(row),
    '',
  ].join('\n');
}

/** From a file: `key="value"` in lines, as the downward API writes them, or JSON of a pod or of its annotations. */
export function parseAnnotations(text: string): Record<string, string> | { readonly error: string } {
  if (text.trimStart().startsWith('{')) return fromJson(text);
  const annotations: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, key, value] = /^([^=]+)=(".*")$/.exec(line) ?? [];
    const parsed = value === undefined ? undefined : parseJson(value);
    if (key === undefined || typeof parsed !== 'string') {
      return { error: `the line ${JSON.stringify(line.slice(0, 80))} is not key="value"` };
    }
    annotations[key] = parsed;
  }
  return annotations;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fromJson(text: string): Record<string, string> | { readonly error: string } {
  const root = parseJson(text) as Record<string, unknown> | undefined;
  if (root === undefined) return { error: 'it is no JSON' };
  const metadata = root['metadata'] as { readonly annotations?: unknown } | undefined;
  const found = typeof metadata === 'object' ? (metadata?.annotations ?? {}) : root;
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(found as Record<string, unknown>)) {
    if (typeof value !== 'string') return { error: `the annotation ${key} is no string` };
    annotations[key] = value;
  }
  return annotations;
}
