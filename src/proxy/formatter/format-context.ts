// What a format (access log, header value, local reply) may draw from; an HTTP stream is one itself.
import type { Headers } from '../../wire/headers.ts';
import type { StreamInfo } from '../stream-info.ts';

export type FormatContext = {
  readonly info: StreamInfo;
  readonly requestHeaders: Headers | null;
  readonly responseHeaders: Headers | null;
  readonly responseTrailers: Headers | null;
  readonly requestTrailers: Headers | null;
  readonly localReplyBody: string;
  /** %ACCESS_LOG_TYPE%, e.g. 'DownstreamEnd'. */
  readonly accessLogType: string;
};

/** The same with a response that is on its way. */
export function withResponse(ctx: FormatContext, responseHeaders: Headers): FormatContext {
  const { info, requestHeaders, responseTrailers, requestTrailers, localReplyBody, accessLogType } = ctx;
  return { info, requestHeaders, responseHeaders, responseTrailers, requestTrailers, localReplyBody, accessLogType };
}
