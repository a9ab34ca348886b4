// `heddle completion SHELL`: prints the script that makes a shell complete the words of heddle.
import { defineCommand } from '../command/command.ts';
import { oneOf } from '../command/parse.ts';
import type { CommandSpec } from '../command/spec.ts';
import { SCRIPTS } from './scripts.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

const SPEC = {
  verb: 'completion',
  about: 'Prints a script with which a shell completes verbs, options, kinds, and the names of the workloads that run.',
  arguments: [{ name: 'bash|zsh|fish', words: SHELLS }],
  options: {},
  examples: [
    ['source <(heddle completion bash)', 'in this shell; zsh takes the same line'],
    ['heddle completion fish > ~/.config/fish/completions/heddle.fish', 'for every fish to come'],
  ],
} as const satisfies CommandSpec;

export const completion = defineCommand(SPEC, async ({ words }) => {
  process.stdout.write(SCRIPTS[oneOf('shell', words[0], SHELLS)]);
});
