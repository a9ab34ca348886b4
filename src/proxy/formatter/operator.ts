// What a format's command compiles to, and how commands are declared.
import type { LocalNode } from '../istio/node.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FileContents } from './file-contents.ts';
import type { FormatContext } from './format-context.ts';

/**
 * One compiled command. `get` gives what text formats show: bytes as a latin1 string, a number, or null when there is
 * nothing. In JSON a 'text' is a string and a 'number' a number; 'json' has its own way there.
 */
export type Operator = {
  readonly type: 'text' | 'number' | 'json';
  readonly get: (ctx: FormatContext) => string | number | null;
  /** Its text never needs escaping in JSON. */
  readonly isSafe?: boolean;
  /** The value as JSON text; for type 'json'. */
  readonly json?: (ctx: FormatContext) => string | null;
};

/** What a command's maker gets; reasons why it cannot be made go to `reject`. */
export type CommandUse = {
  readonly name: string;
  readonly param: string;
  /** The Z of `:Z`. */
  readonly maxLength: number | null;
  readonly environment: FormatEnvironment;
  readonly reject: (reason: string) => void;
};

export type Command = {
  /** 'none' refuses parameters and length. */
  readonly params: 'none' | 'optional' | 'required';
  readonly length?: boolean;
  make(use: CommandUse): Operator | null;
};

/** What commands need beyond the exchange. */
export type FormatEnvironment = {
  readonly clock: { readonly wallMs: number; readonly nowMs: number };
  readonly hostname: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly localNode?: LocalNode;
  /** Of files that formats name; absent: they are read once. */
  readonly fileContents?: FileContents;
  /** What formatter extensions around bring; they come before the commands that are always there. */
  readonly formatCommands?: ReadonlyMap<string, Command>;
};

/** Reads what of it the decoder's environment has; formats that use what is missing fall back to nothing. */
export function formatEnvironment(d: ConfigDecoder): FormatEnvironment {
  const given = d.environment as Partial<FormatEnvironment>;
  return {
    clock: given.clock ?? NO_CLOCK,
    hostname: given.hostname ?? '',
    variables: given.variables ?? {},
    ...(given.localNode === undefined ? {} : { localNode: given.localNode }),
    ...(given.fileContents === undefined ? {} : { fileContents: given.fileContents }),
    ...(given.formatCommands === undefined ? {} : { formatCommands: given.formatCommands }),
  };
}
const NO_CLOCK = { wallMs: 0, nowMs: 0 };

export function text(get: (ctx: FormatContext) => string | null): Operator {
  return { type: 'text', get };
}

/** Text of letters, digits and marks only: no quotes, backslashes, control characters or bytes above 0x7e. */
export function safeText(get: (ctx: FormatContext) => string | null): Operator {
  return { type: 'text', get, isSafe: true };
}

/** A number; NaN stands for nothing. */
export function number(get: (ctx: FormatContext) => number): Operator {
  return {
    type: 'number',
    get: (ctx) => {
      const value = get(ctx);
      return Number.isNaN(value) ? null : value;
    },
  };
}

/** Text that is cut to `maxLength` bytes. */
export function truncated(operator: Operator, maxLength: number | null): Operator {
  if (maxLength === null) return operator;
  const get = (ctx: FormatContext): string | number | null => {
    const value = operator.get(ctx);
    return typeof value === 'string' && value.length > maxLength ? value.slice(0, maxLength) : value;
  };
  return operator.json === undefined ? { type: operator.type, get } : { type: operator.type, get, json: operator.json };
}

/** A command without parameters. */
export function plain(operator: Operator): Command {
  return { params: 'none', make: () => operator };
}
