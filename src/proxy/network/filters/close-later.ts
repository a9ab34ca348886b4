// Ends a connection that was turned away, after a delay that its client has to bear.
import type { Clock, Timer } from '../../../base/clock.ts';
import type { NetworkConnection } from '../filter.ts';

/**
 * The chain holds a stopped connection without reading. Here it reads on: what the client says goes nowhere, its own
 * end is noticed before the delay is over, and the close is no reset for bytes that nobody read. `cancel` it in
 * `onDestroy`.
 */
export class CloseLater {
  readonly #connection: NetworkConnection;
  readonly #reason: string;
  readonly #details: string;
  readonly #read: Timer;
  readonly #close: Timer;

  constructor(connection: NetworkConnection, clock: Clock, delayMs: number, reason: string, details = '') {
    this.#connection = connection;
    this.#reason = reason;
    this.#details = details;
    this.#read = clock.timer(readOn, connection);
    this.#close = clock.timer(closeNow, this);
    // The chain pauses the stream when the filter has returned.
    this.#read.arm(0);
    this.#close.arm(delayMs);
  }

  cancel(): void {
    this.#read.disarm();
    this.#close.disarm();
  }

  close(): void {
    this.#connection.close('no-flush', this.#reason, this.#details);
  }
}

function readOn(connection: NetworkConnection): void {
  connection.stream.resume();
}

function closeNow(later: CloseLater): void {
  later.close();
}
