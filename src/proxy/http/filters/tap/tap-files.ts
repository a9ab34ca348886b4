// Where traces go: a file for each exchange, written beside the traffic and within bounds.
import { appendFile } from 'node:fs';
import type { TraceSink } from '../../admin-taps.ts';

/** Bytes of all traces that wait for their files; more are dropped, so that a slow disk costs no memory. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
let waitingBytes = 0;

/** The file of one exchange. Pieces are written in their order. */
export class TapFile implements TraceSink {
  readonly #path: string;
  #waiting: { readonly piece: Buffer; readonly onLost: () => void }[] = [];
  #isWriting = false;

  constructor(path: string) {
    this.#path = path;
  }

  write(piece: Buffer, onLost: () => void): void {
    if (waitingBytes + piece.length > MOST_WAITING_BYTES) {
      onLost();
      return;
    }
    waitingBytes += piece.length;
    this.#waiting.push({ piece, onLost });
    if (!this.#isWriting) this.#next();
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const { piece, onLost } = next;
    this.#isWriting = true;
    appendFile(this.#path, piece, (error) => {
      this.#isWriting = false;
      waitingBytes -= piece.length;
      if (error !== null) onLost();
      this.#next();
    });
  }
}
