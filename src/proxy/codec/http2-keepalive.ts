// Asks the peer of an HTTP/2 connection for signs of life, and gives the connection up when there are none.
import type { Clock, Random, Timer } from '../../base/clock.ts';

/** Times in ms, 0 = none. Source: Envoy KeepaliveSettings. */
export type KeepaliveConfig = {
  /** Between an answer and the next PING, and before the first one. */
  readonly intervalMs: number;
  /** How long an answer may take. */
  readonly timeoutMs: number;
  /** The interval is drawn longer by up to so many per cent. */
  readonly jitterPercent: number;
  /** Client: a connection from which nothing came for so long is asked before a new stream is begun on it. */
  readonly idleIntervalMs: number;
};

export type KeepaliveOwner = {
  /** Sends a PING with these eight bytes, and sees to it that it leaves. */
  sendPing(payload: Uint8Array): void;
  /** No answer came: the connection is to be closed at once, without flushing (statistic keepalive_timeout). */
  onKeepaliveTimeout(): void;
};

/**
 * One per connection. The owner calls `onAck` with each PING that was answered, `beforeStream` before it opens a stream
 * (client only), and `stop` when the connection is gone. Source: Envoy Http2::ConnectionImpl.
 */
export class Http2Keepalive {
  readonly #config: KeepaliveConfig;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #owner: KeepaliveOwner;
  readonly #sendTimer: Timer;
  readonly #timeoutTimer: Timer;
  readonly #payload = Buffer.alloc(8);

  constructor(config: KeepaliveConfig, clock: Clock, random: Random, owner: KeepaliveOwner) {
    this.#config = config;
    this.#clock = clock;
    this.#random = random;
    this.#owner = owner;
    this.#sendTimer = clock.timer(sendPing, this);
    this.#timeoutTimer = clock.timer(timedOut, this);
    this.#armNext();
  }

  #armNext(): void {
    const { intervalMs, jitterPercent } = this.#config;
    if (intervalMs <= 0) return;
    const rangeMs = Math.floor((intervalMs * jitterPercent) / 100);
    this.#sendTimer.arm(intervalMs + (rangeMs > 0 ? this.#random.below(rangeMs) : 0));
  }

  /** For the timer. */
  send(): void {
    // The time is there for those who debug, as in Envoy.
    this.#payload.writeBigUInt64BE(BigInt(Math.floor(this.#clock.wallMs)));
    this.#timeoutTimer.arm(this.#config.timeoutMs);
    this.#owner.sendPing(this.#payload);
  }

  /** For the timer. */
  timeOut(): void {
    this.stop();
    this.#owner.onKeepaliveTimeout();
  }

  /** A PING came back. */
  onAck(): void {
    this.#timeoutTimer.disarm();
    this.#armNext();
  }

  /** A stream is about to begin on a connection from which the last bytes came at `lastReceivedMs`. */
  beforeStream(lastReceivedMs: number): void {
    const { idleIntervalMs } = this.#config;
    if (idleIntervalMs > 0 && this.#clock.nowMs - lastReceivedMs > idleIntervalMs) this.send();
  }

  stop(): void {
    this.#sendTimer.disarm();
    this.#timeoutTimer.disarm();
  }
}

function sendPing(keepalive: Http2Keepalive): void {
  keepalive.send();
}

function timedOut(keepalive: Http2Keepalive): void {
  keepalive.timeOut();
}
