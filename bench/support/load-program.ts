// Runs a load program of our own on the load's core. It prints `started` when its load begins, then a line of JSON.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Returns what the program printed as JSON; `onStart` is called when the load begins. */
export async function runLoadProgram(
  core: number,
  script: string,
  args: readonly (string | number)[],
  onStart: () => void = () => {},
): Promise<Readonly<Record<string, unknown>>> {
  const command = ['-c', String(core), process.execPath, script, ...args.map(String)];
  const child = spawn('taskset', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let result: Record<string, unknown> | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'started') onStart();
    else result = JSON.parse(line);
  }
  const [code] = await exited;
  if (code !== 0 || result === null) throw new Error(`${script} ended with ${code}`);
  return result;
}
