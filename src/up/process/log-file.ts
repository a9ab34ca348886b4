// What a program printed, in a file that does not grow for ever.
import { appendFileSync, renameSync, statSync } from 'node:fs';

const MAX_BYTES = 16 * 1024 * 1024;
/** Lines are written together. */
const FLUSH_MS = 100;
const MAX_WAITING = 4 * 1024 * 1024;

export class LogFile {
  readonly #path: string;
  readonly #onProblem: (problem: string) => void;
  #waiting: string[] = [];
  #waitingLength = 0;
  #size: number;
  #timer: NodeJS.Timeout | null = null;
  #hasFailed = false;

  /** `onProblem` is called once for each time that writing stops working. */
  constructor(path: string, onProblem: (problem: string) => void) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  line(text: string): void {
    if (this.#waitingLength > MAX_WAITING) return;
    this.#waiting.push(text, '\n');
    this.#waitingLength += text.length + 1;
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting.length === 0) return;
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#waitingLength = 0;
    try {
      if (this.#size > MAX_BYTES) {
        renameSync(this.#path, `${this.#path}.1`);
        this.#size = 0;
      }
      appendFileSync(this.#path, text, { mode: 0o600 });
      this.#size += Buffer.byteLength(text);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#onProblem(`${this.#path}: ${(error as Error).message}; lines are lost meanwhile`);
      this.#hasFailed = true;
    }
  }
}
