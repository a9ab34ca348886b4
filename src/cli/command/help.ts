// The help of a verb, made of its table.
import { type CommandSpec, HELP_OPTION, type OptionSpec } from './spec.ts';

const LEFT = 26;

export function helpOf(spec: CommandSpec): string {
  const { verb, about, options, notes = [], examples } = spec;
  const ways = (spec.usage ?? [`${verb} ${(spec.arguments ?? []).map(({ name }) => name).join(' ')}`.trim()]).map(
    (way) => `heddle ${way} [OPTIONS]`,
  );
  const rows = Object.entries({ ...options, help: HELP_OPTION }).flatMap(([name, option]) => optionLines(name, option));
  const extra = notes.length === 0 ? [] : [...notes, ''];
  return [
    ...ways.map((way, at) => `${at === 0 ? 'usage:' : '      '} ${way}`),
    ...['', about, '', ...rows, '', ...extra, ...exampleLines(examples), ''],
  ].join('\n');
}

export function exampleLines(examples: CommandSpec['examples']): string[] {
  return ['examples:', ...examples.flatMap(([command, what]) => [`  # ${what}`, `  ${command}`])];
}

function optionLines(name: string, { short, value, help, default: preset }: OptionSpec): string[] {
  const left = `  ${short === undefined ? '   ' : `-${short},`} --${name}${value === undefined ? '' : ` ${value}`}`;
  const text = typeof preset === 'string' && preset !== '' ? `${help} (${preset})` : help;
  return left.length < LEFT ? [`${left.padEnd(LEFT)} ${text}`] : [left, `${' '.repeat(LEFT)} ${text}`];
}
