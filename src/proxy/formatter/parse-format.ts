// Takes a format apart: literal text and %COMMAND(parameters):length%.
import { randomUUID } from 'node:crypto';
import type { ConfigDecoder } from '../config-decoder.ts';
import { jsonEscape, utf8Bytes } from './byte-text.ts';
import { celCommands } from './cel-commands.ts';
import type { FormatContext } from './format-context.ts';
import { HEADER_COMMANDS } from './header-commands.ts';
import { INFO_COMMANDS } from './info-commands.ts';
import { METADATA_COMMANDS } from './metadata-commands.ts';
import { type Command, type FormatEnvironment, formatEnvironment, type Operator, plain, text } from './operator.ts';
import { TIME_COMMANDS } from './time-commands.ts';
import { TLS_COMMANDS } from './tls-commands.ts';
import { XFCC_VALUE } from './xfcc-command.ts';

/** How a format may be read. */
export type FormatOptions = {
  /** Nothing shows as '' instead of '-'; JSON leaves such properties out. */
  readonly omitEmptyValues?: boolean;
  /** Accepted for its own sake: properties are always sorted. */
  readonly sortProperties?: boolean;
  /** Commands that formatter extensions bring; they come before those that are always there. */
  readonly commands?: ReadonlyMap<string, Command>;
};

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries<Command>({
    ...HEADER_COMMANDS,
    ...INFO_COMMANDS,
    ...TLS_COMMANDS,
    ...TIME_COMMANDS,
    ...METADATA_COMMANDS,
    ...celCommands({}),
    XFCC_VALUE,
    UNIQUE_ID: plain(text(() => randomUUID())),
  }),
);
const COMMAND = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%/sy;
/** COALESCE may nest so deep. */
const MAX_DEPTH = 4;

/** Returns literals (as bytes) and operators in order; what cannot be compiled is rejected at `d` and left out. */
export function parseFormat(format: string, d: ConfigDecoder, options: FormatOptions): (string | Operator)[] {
  const environment = formatEnvironment(d);
  const pieces: (string | Operator)[] = [];
  let literal = '';
  for (let at = 0; at < format.length; ) {
    const percent = format.indexOf('%', at);
    if (percent < 0) {
      literal += format.slice(at);
      break;
    }
    literal += format.slice(at, percent);
    if (format[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    COMMAND.lastIndex = percent;
    const match = COMMAND.exec(format);
    if (match === null) {
      d.reject('', `Incorrect configuration: ${format}. Couldn't find valid command at position ${percent}`);
      return pieces;
    }
    at = COMMAND.lastIndex;
    const [, name = '', param = '', length] = match;
    const maxLength = length === undefined ? null : Number(length);
    const operator = makeOperator(name, param, maxLength, environment, d, options, 0);
    if (operator === null) continue;
    if (literal !== '') pieces.push(utf8Bytes(literal));
    literal = '';
    pieces.push(operator);
  }
  if (literal !== '') pieces.push(utf8Bytes(literal));
  return pieces;
}

function makeOperator(
  name: string,
  param: string,
  maxLength: number | null,
  environment: FormatEnvironment,
  d: ConfigDecoder,
  options: FormatOptions,
  depth: number,
): Operator | null {
  const reject = (reason: string): null => {
    d.reject('', reason);
    return null;
  };
  if (name === 'COALESCE') return coalesce(param, maxLength, environment, d, options, depth);
  const command = options.commands?.get(name) ?? environment.formatCommands?.get(name) ?? COMMANDS.get(name);
  if (command === undefined) return reject(`Not supported field in StreamInfo: ${name}`);
  if (command.params === 'none' && (param !== '' || maxLength !== null)) {
    return reject(`${name} does not take any parameters or length`);
  }
  if (command.params === 'required' && param === '') return reject(`${name} requires parameters`);
  if (maxLength !== null && command.length !== true) return reject(`${name} does not allow length to be specified.`);
  return command.make({ name, param, maxLength, environment, reject });
}

/** The first that has a value; `param` is {"operators": ["NAME", {"command": "NAME", "param": …, "max_length": …}]}. */
function coalesce(
  param: string,
  maxLength: number | null,
  environment: FormatEnvironment,
  d: ConfigDecoder,
  options: FormatOptions,
  depth: number,
): Operator | null {
  let operators: unknown;
  try {
    operators = (JSON.parse(param) as { operators?: unknown } | null)?.operators;
  } catch (error) {
    d.reject('', `COALESCE: failed to parse JSON configuration: ${(error as Error).message}`);
    return null;
  }
  if (!Array.isArray(operators) || operators.length === 0 || depth >= MAX_DEPTH) {
    d.reject('', "COALESCE: 'operators' must be a non-empty array");
    return null;
  }
  const parts: Operator[] = [];
  for (const entry of operators as unknown[]) {
    const use = (typeof entry === 'string' ? { command: entry } : entry) as Record<string, unknown> | null;
    if (typeof use?.['command'] !== 'string') {
      d.reject('', "COALESCE: an operator is a name or an object with 'command'");
      return null;
    }
    const length = typeof use['max_length'] === 'number' ? use['max_length'] : null;
    const inner = typeof use['param'] === 'string' ? use['param'] : '';
    const made = makeOperator(use['command'], inner, length, environment, d, options, depth + 1);
    if (made === null) return null;
    parts.push(made);
  }
  const cut = (whole: string): string => (maxLength === null ? whole : whole.slice(0, maxLength));
  const get = (ctx: FormatContext): string | null => {
    for (const part of parts) {
      const value = part.get(ctx);
      if (value !== null && value !== '') return cut(String(value));
    }
    return null;
  };
  const json = (ctx: FormatContext): string | null => {
    for (const { type, get: find, json: findJson } of parts) {
      const value = type === 'json' && findJson !== undefined ? findJson(ctx) : find(ctx);
      if (value === null || value === '' || value === '""' || value === 'null') continue;
      // What is no text keeps its kind, and all of itself.
      if (typeof value === 'number' || type === 'json') return String(value);
      return `"${jsonEscape(cut(value))}"`;
    }
    return null;
  };
  return { type: 'json', get, json };
}
