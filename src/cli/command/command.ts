// Runs a verb: its options are read, its help is printed, and what it throws becomes a line and an exit code.
import { helpOf } from './help.ts';
import { parseCommand, type Parsed, UsageError } from './parse.ts';
import type { CommandSpec } from './spec.ts';

export type Command = { readonly spec: CommandSpec; run(args: readonly string[]): Promise<void> };

export function defineCommand<const Spec extends CommandSpec>(
  spec: Spec,
  work: (parsed: Parsed<Spec>) => Promise<void>,
): Command {
  return {
    spec,
    async run(args) {
      await told(spec.verb, async () => {
        const parsed = parseCommand(spec, args);
        if (parsed === 'help') process.stdout.write(helpOf(spec));
        else await work(parsed);
      });
    },
  };
}

/** What a command throws is a sentence for the operator. */
export async function told(verb: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const more = isUsage ? `\nheddle ${verb} --help tells more` : '';
    for (const line of `${(error as Error).message}${more}`.split('\n')) process.stderr.write(`heddle: ${line}\n`);
    process.exitCode = isUsage ? 2 : 1;
  }
}
