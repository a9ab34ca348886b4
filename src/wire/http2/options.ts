// What a connection is told by configuration: Envoy's http2_protocol_options, its defaults, and limits of our own.
import { DEFAULT_FRAME_BYTES, SETTING } from './frames/constants.ts';
import type { FrameLimits } from './frames/frame-parser.ts';
import type { OutputLimits } from './frames/output.ts';
import type { HeadLimits } from './head-decoder.ts';

/** Named after envoy.config.core.v3.Http2ProtocolOptions where that has a field; bytes and frames are counts. */
export type Http2Options = HeadLimits &
  OutputLimits & {
    /** Of both directions' dynamic tables: what is announced, and what is used at most of what the peer allows. */
    readonly hpackTableBytes: number;
    /** Streams that the peer may have open (server), or that are opened at most (client). */
    readonly maxConcurrentStreams: number;
    /** What a stream's peer may send at first, and to how much that may grow while its reader keeps up. */
    readonly initialStreamWindow: number;
    readonly largestStreamWindow: number;
    readonly initialConnectionWindow: number;
    /**
     * What was received is given back to the connection at once, and only to its stream when it has left: so a reader
     * that stalls never stalls another stream, and what waits is limited by the windows of streams alone.
     */
    readonly returnsConnectionCreditEarly: boolean;
    /** DATA, HEADERS and CONTINUATION in a row that bring nothing and end nothing. */
    readonly maxConsecutiveEmptyFrames: number;
    /** PRIORITY frames, for each stream so far and one more. */
    readonly maxPriorityFramesPerStream: number;
    /** WINDOW_UPDATE frames for each DATA frame sent; see `FloodGuard`. */
    readonly maxWindowUpdatesPerDataFrame: number;
    /** RST_STREAM frames at once, and per second in the long run. */
    readonly streamResetBurst: number;
    readonly streamResetRate: number;
    /** A malformed head ends its stream; otherwise the connection. */
    readonly streamErrorOnInvalidMessage: boolean;
    readonly useHuffman: boolean;
    /** Further settings: identifier, value, identifier, value, … */
    readonly customSettings: readonly number[];
    /** Bytes of one stream that may wait to be sent before its source is asked to pause; half of it lets it go on. */
    readonly streamBufferBytes: number;
    /** CONTINUATION frames behind one HEADERS. */
    readonly maxContinuations: number;
  };

/**
 * What Envoy 1.40 does without options; only that a stream begins with a smaller window, which costs no throughput and
 * leaves a reader that stalls at once with less to keep.
 */
export const DEFAULT_HTTP2_OPTIONS: Http2Options = {
  hpackTableBytes: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindow: 256 * 1024,
  largestStreamWindow: 16 * 1024 * 1024,
  initialConnectionWindow: 24 * 1024 * 1024,
  returnsConnectionCreditEarly: true,
  allowConnect: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveEmptyFrames: 1,
  maxPriorityFramesPerStream: 100,
  maxWindowUpdatesPerDataFrame: 10,
  streamResetBurst: 1000,
  streamResetRate: 33,
  streamErrorOnInvalidMessage: false,
  useHuffman: true,
  disallowObsText: false,
  maxFieldBytes: 0,
  customSettings: [],
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  streamBufferBytes: 1024 * 1024,
  maxContinuations: 512,
};

/** Settings in one frame; more are refused. */
export const MAX_SETTINGS = 32;
/** Streams whose frames may still be on their way after they were closed. */
export const REMEMBERED_CLOSED = 128;
/** A compressed block is at most so many times as large as the head that it may become. */
const MOST_BLOCK_GROWTH = 2;

/** The value of one of `customSettings`. */
export function customSetting(settings: readonly number[], id: number): number | undefined {
  for (let i = 0; i < settings.length; i += 2) if (settings[i] === id) return settings[i + 1];
  return undefined;
}

/** What holds for the frames of a connection with these options. */
export function frameLimits(options: Http2Options): FrameLimits {
  return {
    maxFrameBytes: customSetting(options.customSettings, SETTING.maxFrameSize) ?? DEFAULT_FRAME_BYTES,
    maxBlockBytes: Math.max(options.maxHeadBytes * MOST_BLOCK_GROWTH, DEFAULT_FRAME_BYTES),
    maxContinuations: options.maxContinuations,
  };
}
