// Leaves an HTTP/2 connection unread for a moment while all its streams wait for slow readers: the sender waits, too.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Timer } from '../../base/clock.ts';

/** Then PING, SETTINGS and GOAWAY have to be heard; what comes with them waits in memory, as far as windows let it. */
const MOST_MS = 250;

/** What the streams' windows still allow would otherwise be read, copied and kept. */
export class ReadingBreak {
  readonly #socket: ByteStream;
  readonly #timer: Timer;
  #isOn = false;
  /** It lasted too long: the next one is when somebody has read on. */
  #wasTooLong = false;

  constructor(socket: ByteStream, clock: Clock) {
    this.#socket = socket;
    this.#timer = clock.timer(tooLong, this);
  }

  begin(): void {
    if (this.#isOn || this.#wasTooLong) return;
    this.#isOn = true;
    this.#socket.pause();
    this.#timer.arm(MOST_MS);
  }

  /** Somebody reads on, or there is a new stream. */
  end(): void {
    this.#wasTooLong = false;
    this.#stop();
  }

  /** For the timer. */
  onTooLong(): void {
    this.#wasTooLong = true;
    this.#stop();
  }

  #stop(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#timer.disarm();
    this.#socket.resume();
  }
}

function tooLong(reading: ReadingBreak): void {
  reading.onTooLong();
}
