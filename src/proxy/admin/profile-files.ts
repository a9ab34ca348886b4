// Profiles in files: the main thread's at profile_path, those of workers beside it. Whole or not there at all.
import { open, rename, rm, writeFile } from 'node:fs/promises';
import type { Engine } from '../../net/engine.ts';
import type { ThreadAnswer } from '../workers/inquiry.ts';

export class ProfileFiles {
  readonly path: string;
  readonly #engine: Pick<Engine, 'run'>;

  constructor(path: string, engine: Pick<Engine, 'run'>) {
    this.path = path;
    this.#engine = engine;
  }

  /** Whether a file can be made there; `done` is told why not, or null. */
  check(done: (problem: string | null) => void): void {
    const probe = this.#partOf(this.path);
    const tried = open(probe, 'wx', 0o600).then(async (file) => {
      await file.close();
      await rm(probe);
    });
    this.#tell(tried, done);
  }

  write(answers: readonly ThreadAnswer[], done: (problem: string | null) => void): void {
    this.#tell(this.#writeAll(answers), done);
  }

  async #writeAll(answers: readonly ThreadAnswer[]): Promise<void> {
    for (const { thread, text } of answers) {
      const path = thread === '' ? this.path : `${this.path}.${thread}`;
      const part = this.#partOf(path);
      try {
        await writeFile(part, text, { mode: 0o600, flag: 'wx' });
        await rename(part, path);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    }
  }

  #partOf(path: string): string {
    return `${path}.${process.pid}.part`;
  }

  #tell(work: Promise<void>, done: (problem: string | null) => void): void {
    const told = (problem: string | null): void => this.#engine.run(() => done(problem));
    work.then(
      () => told(null),
      (error: Error) => told(error.message),
    );
  }
}
