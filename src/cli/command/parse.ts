// Words of the command line → options and arguments of a verb, or what is wrong with them and what was probably meant.
import { parseArgs } from 'node:util';
import { nearest } from '../../control/schema/problem.ts';
import { type CommandSpec, HELP_OPTION, type OptionSpec } from './spec.ts';

/** The command line makes no sense: exit code 2. */
export class UsageError extends Error {}

type ValueOf<O extends OptionSpec> = O extends { readonly type: 'boolean' }
  ? boolean
  : O extends { readonly multiple: true }
    ? readonly string[]
    : O extends { readonly default: string }
      ? string
      : string | undefined;

export type Values<Options extends Readonly<Record<string, OptionSpec>>> = {
  readonly [Name in keyof Options]: ValueOf<Options[Name]>;
};

export type Parsed<Spec extends CommandSpec> = {
  readonly values: Values<Spec['options']>;
  readonly words: readonly string[];
};

/** 'help' when that is asked for; throws UsageError. */
export function parseCommand<Spec extends CommandSpec>(spec: Spec, args: readonly string[]): Parsed<Spec> | 'help' {
  const options: Record<string, OptionSpec> = { ...spec.options, help: HELP_OPTION };
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    const table = Object.entries(options).map(([name, { type, short, multiple, default: preset }]) => {
      const more = { ...(short === undefined ? {} : { short }), ...(preset === undefined ? {} : { default: preset }) };
      return [name, { type, ...more, ...(multiple === true ? { multiple } : {}) }];
    });
    parsed = parseArgs({
      args: [...args],
      options: Object.fromEntries(table),
      allowPositionals: true,
    }) as typeof parsed;
  } catch (error) {
    throw new UsageError(mistake(spec, options, error as Error & { code?: string }));
  }
  const { values, positionals: words } = parsed;
  if (values['help'] === true) return 'help';
  for (const [name, { type, multiple, words: known }] of Object.entries(options)) {
    const value = values[name];
    if (type === 'boolean') values[name] = value === true;
    else if (multiple === true) values[name] = value ?? [];
    if (known === undefined || typeof value !== 'string' || known.includes(value)) continue;
    const meant = nearest(value, known);
    throw new UsageError(`--${name} ${value}: ${meantOr(meant, `expected ${known.join(', ')}`)}`);
  }
  const places = spec.arguments ?? [];
  const most = places.some(({ repeats }) => repeats === true) ? Number.POSITIVE_INFINITY : places.length;
  const extra = words[most];
  if (extra !== undefined) throw new UsageError(`there is nothing that ${JSON.stringify(extra)} could be`);
  return { values: values as Values<Spec['options']>, words };
}

function mistake(
  spec: CommandSpec,
  options: Readonly<Record<string, OptionSpec>>,
  { code, message }: Error & { code?: string },
): string {
  const name = /'(--?[^' =]+)/.exec(message)?.[1] ?? '';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const meant = nearest(name.replace(/^-+/, ''), Object.keys(options));
    return `heddle ${spec.verb} has no option ${name}: ${meantOr(meant === null ? null : `--${meant}`, 'see --help')}`;
  }
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    const long = /--([\w-]+)/.exec(message)?.[1] ?? '';
    const value = options[long]?.value;
    return value === undefined ? `--${long} takes no value` : `--${long}: ${value} is missing`;
  }
  return message;
}

export function meantOr(meant: string | null, otherwise: string): string {
  return meant === null ? otherwise : `is ${meant} meant?`;
}

/** The word that is known by that name, or UsageError with the nearest one. */
export function oneOf<Word extends string>(what: string, word: string | undefined, known: readonly Word[]): Word {
  if (word === undefined) throw new UsageError(`${what} is missing: ${known.join(', ')}`);
  if (known.includes(word as Word)) return word as Word;
  const list = `there are ${known.join(', ')}`;
  throw new UsageError(`no ${what} ${JSON.stringify(word)}: ${meantOr(nearest(word, known), list)}`);
}

/** '30s', '2m', '500ms', '10' (seconds) → milliseconds. */
export function durationMs(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new UsageError(`--${option} ${text}: expected a time such as 30s or 2m`);
  return Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] as number);
}
