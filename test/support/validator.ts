// Runs `heddle proxy --mode validate` as a program does, many in one process: most of what one costs is its start.
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Validated = { readonly code: number | null; readonly output: string };

type Order = { readonly args: readonly string[] };

/** Configurations are read one after the other; the process goes with the last. */
export class Validator {
  #child: ChildProcess | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** The exit code and all that is printed, with CONFIG for the file. */
  run(config: string, directory: string, flags: readonly string[]): Promise<Validated> {
    const path = join(directory, 'heddle-bad.yaml');
    writeFileSync(path, config);
    const run = this.#last.then(() => this.#ask(['-c', path, '--disable-hot-restart', ...flags]));
    this.#last = run.catch(() => undefined);
    return run.then(({ code, output }) => ({ code, output: output.replaceAll(path, 'CONFIG') }));
  }

  #ask(args: readonly string[]): Promise<Validated> {
    const child = (this.#child ??= fork(join(import.meta.dirname, 'validator-process.ts'), { stdio: 'inherit' }));
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        child.off('exit', onExit);
        resolve(message as Validated);
      };
      const onExit = (code: number | null): void => {
        child.off('message', onMessage);
        this.#child = null;
        reject(new Error(`the process that validates ended with ${code}`));
      };
      child.once('message', onMessage);
      child.once('exit', onExit);
      child.send({ args } satisfies Order);
    });
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
    this.#child = null;
  }
}
