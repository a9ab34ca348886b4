// Where traces go: a file for each exchange, written beside the traffic and within bounds.
import { appendFile } from 'node:fs';

/** Bytes of all traces that wait for their files; more are dropped, so that a slow disk costs no memory. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
let waitingBytes = 0;

/** The file of one exchange. Pieces are written in their order. */
export class TapFile {
  readonly #path: string;
  readonly #onLost: () => void;
  #waiting: Buffer[] = [];
  #isWriting = false;

  /** `onLost` is called for each piece that could not be written. */
  constructor(path: string, onLost: () => void) {
    this.#path = path;
    this.#onLost = onLost;
  }

  write(piece: Buffer): void {
    if (waitingBytes + piece.length > MOST_WAITING_BYTES) {
      this.#onLost();
      return;
    }
    waitingBytes += piece.length;
    this.#waiting.push(piece);
    if (!this.#isWriting) this.#next();
  }

  #next(): void {
    const piece = this.#waiting.shift();
    if (piece === undefined) return;
    this.#isWriting = true;
    appendFile(this.#path, piece, (error) => {
      this.#isWriting = false;
      waitingBytes -= piece.length;
      if (error !== null) this.#onLost();
      this.#next();
    });
  }
}
