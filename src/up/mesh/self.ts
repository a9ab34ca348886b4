// This program again, for its parts that are processes of their own; and what they share.
import { join } from 'node:path';
import type { InnerStart } from '../launch/messages.ts';

/** Where programs of a namespace find whom to ask for names. */
export function resolverOf({ runtime }: InnerStart, namespace: string): string {
  return join(runtime, `resolv-${namespace}.conf`);
}

/** This program again. */
export function selfCommand(): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] as string];
}

export function ownEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !/^NODE_(?:CHANNEL|UNIQUE)/.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
