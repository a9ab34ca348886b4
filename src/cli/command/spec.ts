// What a verb takes, as a table: its parser, its help and its completion are made of it.

/** What a word may be, for completion. */
export type WordKind = 'workload' | 'kind' | 'object' | 'namespace' | 'file' | 'directory' | 'verb';

export type OptionSpec = {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  readonly default?: string | boolean;
  /** What it takes, for the help: 'FILE'. */
  readonly value?: string;
  /** The only words that it takes, or those that are known beforehand. */
  readonly words?: readonly string[];
  readonly complete?: WordKind;
  readonly help: string;
};

export type ArgumentSpec = {
  /** As the usage has it: 'WORKLOAD', '[NAME]...'. */
  readonly name: string;
  readonly words?: readonly string[];
  readonly complete?: WordKind;
  /** All further arguments are the same. */
  readonly repeats?: boolean;
};

export type CommandSpec = {
  readonly verb: string;
  /** What it does, in sentences. */
  readonly about: string;
  /** One line for each way to call it, without 'heddle'; made of `arguments` where it is missing. */
  readonly usage?: readonly string[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Further lines of the help. */
  readonly notes?: readonly string[];
  readonly examples: readonly (readonly [command: string, what: string])[];
};

export const HELP_OPTION = { type: 'boolean', short: 'h', help: 'print this' } as const satisfies OptionSpec;
