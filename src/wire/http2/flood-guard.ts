// Holds a peer to what Envoy and nghttp2 allow of frames that cost it little and this side much.
import { FLAG_END_STREAM, FRAME } from './frames/constants.ts';
import type { Http2Options } from './options.ts';

/** Envoy's statistics of a codec; each is counted when its limit is reached. */
export type Http2Counter =
  | 'goaway_sent'
  | 'header_overflow'
  | 'header_list_size_too_large'
  | 'headers_cb_no_stream'
  | 'inbound_empty_frames_flood'
  | 'inbound_priority_frames_flood'
  | 'inbound_window_update_frames_flood'
  | 'outbound_control_flood'
  | 'outbound_flood'
  | 'rx_messaging_error'
  | 'rx_reset'
  | 'stream_refused_errors'
  | 'trailers'
  | 'tx_reset';

/** WINDOW_UPDATE frames that are free, and for each stream (Envoy: ProtocolConstraints::checkInboundFrameLimits). */
const FREE_WINDOW_UPDATES = 5;
const WINDOW_UPDATES_PER_STREAM = 2;

export class FloodGuard {
  readonly #options: Http2Options;
  /** Streams that were opened since the connection began. */
  openedStreams = 0;
  #emptyFrames = 0;
  #priorityFrames = 0;
  #windowUpdates = 0;
  #resets: number;
  #refilledAtMs = -1;

  constructor(options: Http2Options) {
    this.#options = options;
    this.#resets = options.streamResetBurst;
  }

  /** Counts a frame that came; returns the limit that it breaks, or null. */
  onFrame(type: number, payloadBytes: number, flags: number, dataFramesSent: number): Http2Counter | null {
    const options = this.#options;
    if (type === FRAME.windowUpdate) {
      const most =
        FREE_WINDOW_UPDATES +
        WINDOW_UPDATES_PER_STREAM * (this.openedStreams + options.maxWindowUpdatesPerDataFrame * dataFramesSent);
      return ++this.#windowUpdates > most ? 'inbound_window_update_frames_flood' : null;
    }
    if (type === FRAME.priority) {
      const most = options.maxPriorityFramesPerStream * (1 + this.openedStreams);
      return ++this.#priorityFrames > most ? 'inbound_priority_frames_flood' : null;
    }
    if (payloadBytes > 0 || (flags & FLAG_END_STREAM) !== 0) this.#emptyFrames = 0;
    else if (++this.#emptyFrames > options.maxConsecutiveEmptyFrames) return 'inbound_empty_frames_flood';
    return null;
  }

  /**
   * Counts a stream that the peer gave up, or made this side give up. False when there were too many: a bucket of
   * `streamResetBurst`, refilled at `streamResetRate` per second.
   */
  onReset(nowMs: number): boolean {
    const { streamResetBurst, streamResetRate } = this.#options;
    if (this.#refilledAtMs < 0) this.#refilledAtMs = nowMs;
    const refill = ((nowMs - this.#refilledAtMs) / 1000) * streamResetRate;
    if (refill >= 1) {
      this.#resets = Math.min(streamResetBurst, this.#resets + refill);
      this.#refilledAtMs = nowMs;
    }
    if (this.#resets < 1) return false;
    this.#resets--;
    return true;
  }
}
