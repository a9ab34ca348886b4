// `heddle down`: ends a mesh that `heddle up` runs, and says when it is gone.
import { setTimeout as sleep } from 'node:timers/promises';
import { findMesh } from '../up/location.ts';
import { isAlive } from '../net/process-identity.ts';
import { defineCommand } from './command/command.ts';
import type { CommandSpec } from './command/spec.ts';

const SPEC = {
  verb: 'down',
  about: 'Ends the mesh that heddle up runs: the one of DIR, of this directory, or the only one.',
  arguments: [{ name: '[DIR]', complete: 'directory' }],
  options: {},
  examples: [
    ['heddle down', 'end the mesh of this directory'],
    ['heddle down examples/bookshop', 'end that one'],
  ],
} as const satisfies CommandSpec;

const POLL_MS = 50;
const LONGEST_MS = 30_000;

export const down = defineCommand(SPEC, async ({ words }) => {
  const found = findMesh(words[0] ?? null);
  if (typeof found === 'string') throw new Error(found);
  process.kill(found.pid, 'SIGTERM');
  const endMs = Date.now() + LONGEST_MS;
  while (isAlive(found.pid, found.processStart ?? '')) {
    if (Date.now() > endMs) throw new Error(`process ${found.pid} does not end: kill -9 ${found.pid} does`);
    await sleep(POLL_MS);
  }
  process.stdout.write(`the mesh of ${found.directory} is down\n`);
});
