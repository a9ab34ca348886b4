// Runs an attack on HTTP/2 over one connection and tells how that ended.
import { connect } from 'node:net';
import { FRAME, PREFACE } from '../../src/wire/http2/frames/constants.ts';
import type { Attack } from './http2-attacks.ts';

/** A connection that a script opens and does not end is ended by the client after so long without progress. */
const STALL_MS = 1_500;
/** How long an ending is waited for. */
const LINGER_MS = 300;
const LONGEST_MS = 20_000;

/** How the connection ended: `goaway CODE`, `closed` without a word, or `open` until the client left. */
export type AttackOutcome = { readonly fate: string; readonly sentBytes: number; readonly isSent: boolean };

/** Runs one connection to its end and waits `lingerMs` for the reason; never rejects because of what the proxy does. */
export async function runAttack(port: number, attack: Attack, lingerMs = LINGER_MS): Promise<AttackOutcome> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let fate = 'open';
  let isOver = false;
  let wake = (): void => {};
  const reader = new GoawayReader((code) => {
    fate = `goaway ${code}`;
    wake();
  });
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => reader.read(chunk));
  socket.on('close', () => {
    if (fate === 'open') fate = 'closed';
    isOver = true;
    wake();
  });
  socket.on('end', () => socket.destroy());
  socket.on('drain', () => wake());
  const over = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, isOver ? 0 : ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const deadline = performance.now() + LONGEST_MS;
  socket.write(PREFACE);
  if (attack.isDeaf) socket.pause();
  let isSent = true;
  for (const piece of attack.script()) {
    if (isOver || performance.now() > deadline) isSent = false;
    else if (!socket.write(piece)) {
      await over(STALL_MS);
      if (socket.writableNeedDrain) isSent = false;
    }
    if (!isSent) break;
    if (attack.paceMs !== undefined) await over(attack.paceMs);
  }
  if (attack.holdMs !== undefined) await over(attack.holdMs);
  socket.resume();
  // Whoever was cut off reads the reason now.
  const patience = performance.now() + lingerMs;
  while (fate === 'open' && performance.now() < patience) await over(patience - performance.now());
  const outcome = { fate, sentBytes: socket.bytesWritten, isSent };
  socket.destroy();
  return outcome;
}

/** Looks for GOAWAY and skips everything else without keeping it. */
class GoawayReader {
  readonly #onGoaway: (code: number) => void;
  #rest = Buffer.alloc(0);
  #skip = 0;

  constructor(onGoaway: (code: number) => void) {
    this.#onGoaway = onGoaway;
  }

  read(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
      if (bytes.length < 9) break;
      const length = bytes.readUIntBE(0, 3);
      if (bytes[3] === FRAME.goaway) {
        if (bytes.length < 17) break;
        this.#onGoaway(bytes.readUInt32BE(13));
      }
      this.#skip = 9 + length;
    }
    this.#rest = Buffer.from(bytes);
  }
}
