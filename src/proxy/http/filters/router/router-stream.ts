// What the router needs of a stream beyond the filter interface; the HTTP engine's stream implements it.
import type { Headers } from '../../../../wire/headers.ts';
import type { FormatContext } from '../../../formatter/format-context.ts';
import type { Route } from '../../../route/route.ts';
import type { BodyData, FilterStream } from '../../filter.ts';

/** Where the response comes from; pauses are counted. */
export type ResponseSource = {
  pauseReading(): void;
  resumeReading(): void;
};

/**
 * The router's end of a stream. It writes the upstream's response with `upstream*`, in the order of codec.ts, until one
 * of them said endStream, or it gives up with sendLocalReply or resetStream.
 */
export type RouterStream = FilterStream &
  Omit<FormatContext, 'requestHeaders'> & {
    readonly route: Route | null;
    /** Bytes of request body that may be kept while they wait for a connection or for a retry. */
    readonly requestBufferLimitBytes: number;
    /** The upstream exchange to pause when the response's way out is full; null when there is none. */
    responseSource: ResponseSource | null;
    upstream1xx(headers: Headers): void;
    upstreamHeaders(headers: Headers, endStream: boolean): void;
    upstreamData(data: BodyData, endStream: boolean): void;
    upstreamTrailers(trailers: Headers): void;
    /** Stops and restarts the sender of the request (counted). */
    pauseRequest(): void;
    resumeRequest(): void;
  };
