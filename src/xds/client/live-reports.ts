// Tells Heddle's control plane up to which response everything is in effect, which is later than acknowledged.
import type { Clock, Timer } from '../../base/clock.ts';
import type { DeltaDiscoveryRequest } from '../../proto/generated/types.d.ts';

/** Of requests that are reports; their `response_nonce` is the last response that is in effect, with all before it. */
export const LIVE_TYPE_URL = 'type.googleapis.com/heddle.dev.v1.Live';

/** Control planes that understand reports: others are not to be sent types that they do not know. */
const UNDERSTANDS = /^heddle\b/;
/** How often it is looked whether what was taken on is warm by now. */
const LOOK_MS = 20;
/** Responses that are being taken on at once; beyond it the oldest count as done with. */
const MAX_OPEN = 1000;

export type LiveParts = {
  readonly clock: Clock;
  /** Everything that was taken on serves: no cluster and no listener still waits for what it needs. */
  readonly isWarm: () => boolean;
  /** False when there is no stream. */
  readonly send: (request: DeltaDiscoveryRequest) => boolean;
};

//  response n ──received──► open ──its answer is sent──► taken on ──isWarm──► reported, unless an earlier one is open
export class LiveReports {
  readonly #parts: LiveParts;
  readonly #timer: Timer;
  /** Numbers of responses of this stream that have no answer yet. */
  readonly #open = new Set<number>();
  #last = 0;
  #reported = -1;
  #isUnderstood = false;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#timer = parts.clock.timer(look, this as LiveReports);
  }

  /** A new stream: what was here before may be all there is to say. */
  onStream(): void {
    this.#open.clear();
    this.#last = 0;
    this.#reported = -1;
    this.#lookSoon();
  }

  onClose(): void {
    this.#timer.disarm();
  }

  received(nonce: string, controlPlane: string): void {
    if (controlPlane !== '') this.#isUnderstood = UNDERSTANDS.test(controlPlane);
    const number = Number(nonce);
    if (!this.#isUnderstood || !Number.isSafeInteger(number)) return;
    this.#open.add(number);
    if (this.#open.size > MAX_OPEN) this.#open.delete(Math.min(...this.#open));
  }

  /** The answer to that response is sent. */
  answered(nonce: string): void {
    const number = Number(nonce);
    if (!this.#open.delete(number)) return;
    this.#last = Math.max(this.#last, number);
    this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#isUnderstood && !this.#timer.isArmed) this.#timer.arm(LOOK_MS);
  }

  /** For the timer. */
  onLook(): void {
    const { isWarm, send } = this.#parts;
    const upTo = this.#open.size === 0 ? this.#last : Math.min(this.#last, Math.min(...this.#open) - 1);
    if (upTo <= this.#reported) return;
    // What is not warm for one response would not be for a later one either: nothing tells them apart.
    if (!isWarm()) this.#timer.arm(LOOK_MS);
    else if (send({ type_url: LIVE_TYPE_URL, ...(upTo === 0 ? {} : { response_nonce: String(upTo) }) })) {
      this.#reported = upTo;
    }
  }
}

function look(reports: LiveReports): void {
  reports.onLook();
}
