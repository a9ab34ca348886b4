// The process of validator.ts: the command as it is, but for its end, which is told.
import { runProxy } from '../../src/cli/proxy.ts';

class Exit extends Error {}

let output = '';
const collect = ((chunk: string | Uint8Array): boolean => {
  output += chunk.toString();
  return true;
}) as typeof process.stdout.write;

async function run(args: readonly string[]): Promise<{ code: number; output: string }> {
  const { exit } = process;
  const writes = [process.stdout.write, process.stderr.write] as const;
  let code: number | null = null;
  output = '';
  process.exit = ((given?: number): never => {
    code ??= given ?? 0;
    throw new Exit();
  }) as typeof process.exit;
  process.stdout.write = collect;
  process.stderr.write = collect;
  try {
    await runProxy(args);
    code ??= Number(process.exitCode ?? 0);
  } catch (error) {
    // Whatever else is thrown ends a program with its stack.
    if (!(error instanceof Exit)) [code, output] = [1, `${output}${error instanceof Error ? error.stack : error}\n`];
  }
  process.exitCode = 0;
  process.exit = exit;
  [process.stdout.write, process.stderr.write] = writes;
  return { code: code ?? 0, output };
}

process.on('message', ({ args }: { args: readonly string[] }) => {
  void run(args).then((answer) => process.send?.(answer));
});
