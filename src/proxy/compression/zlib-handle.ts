// One native (de)compressor of node:zlib, driven synchronously: no stream around it, no promise, no copy.
import type { EventEmitter } from 'node:events';

/** What a zlib object keeps inside. */
type Native = {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputBytes: number,
    output: Uint8Array,
    outputAt: number,
    outputBytes: number,
  ): void;
  reset(): void;
  close(): void;
  onerror: (message: string, errno: number, code: string) => void;
};
type Inside = { readonly _handle: Native; readonly _writeState: Uint32Array };

/** Kept of one configuration; each holds tens of kilobytes. */
export const MAX_IDLE = 16;

/** Handles of one configuration that wait for their next body. */
export class IdleHandles {
  readonly #idle: ZlibHandle[] = [];

  take(): ZlibHandle | undefined {
    return this.#idle.pop();
  }

  /** One that failed, or is one too many, is closed. */
  give(handle: ZlibHandle): void {
    if (handle.error === '' && this.#idle.length < MAX_IDLE) {
      handle.reset();
      this.#idle.push(handle);
    } else handle.close();
  }
}

/**
 * Units: bytes. After `write` the members say how much of both buffers is left and what failed.
 * A handle that failed does nothing until `reset`.
 */
export class ZlibHandle {
  /** Room left in the output by the last write: none means that there may be more to come. */
  outputLeft = 0;
  /** Input that the last write did not take. */
  inputLeft = 0;
  /** Code of what failed ('Z_DATA_ERROR', …), '' for nothing. */
  error = '';
  readonly #native: Native;
  readonly #state: Uint32Array;
  /** Keeps the object whose inside this is from being collected. */
  readonly #owner: EventEmitter;

  /** Takes over a zlib object that nobody else uses. */
  constructor(owner: EventEmitter) {
    const { _handle, _writeState } = owner as unknown as Inside;
    this.#owner = owner;
    this.#native = _handle;
    this.#state = _writeState;
    _handle.onerror = (_message, _errno, code) => {
      this.error = code;
    };
  }

  write(flush: number, input: Buffer, inputAt: number, inputBytes: number, output: Buffer, outputAt: number): void {
    this.#native.writeSync(flush, input, inputAt, inputBytes, output, outputAt, output.length - outputAt);
    this.outputLeft = this.#state[0] as number;
    this.inputLeft = this.#state[1] as number;
  }

  /** Ready for another body. Brotli and zstd forget their parameters. */
  reset(): void {
    this.error = '';
    this.#native.reset();
  }

  close(): void {
    this.#native.close();
    this.#owner.removeAllListeners();
  }
}
